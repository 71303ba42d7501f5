"""The comparison after a storm: journals, witnesses and the gateway's tables, from their files.

Nothing here asks a program. Every finding is a sentence that names the station and the rows; an
empty list means that nothing was lost, nothing was applied twice, and nothing is out of order.
"""

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from circulation.wire.chain import chain_hash, chain_start
from circulation.wire.errors import FactInvalid
from circulation.wire.fact import decode_body
from gateway.wording import RULES

SHOWN_MAX = 5


@dataclass(frozen=True, slots=True)
class OwnRow:
    """A row of a station's journal."""

    epoch: str
    n: int
    seq: int
    fact: str
    hash: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Kept:
    """What a station has on its disk, and what its witness saw."""

    station: str
    rows: tuple[OwnRow, ...]
    acked: int
    epochs: int
    seen: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Books:
    """What the gateway has of one station, in the order of its journal.

    facts: id and body. positions: epoch, seq, hash and fact id. versions: of the gateway, at
    which the facts were applied. counted: how many facts it says to have applied.
    """

    facts: tuple[tuple[str, bytes], ...]
    positions: tuple[tuple[str, int, bytes, str | None], ...]
    versions: tuple[int, ...]
    hw: int
    counted: int
    parked: int


def kept_by(station: str, journal: Path, witness: Path | None) -> Kept:
    """Read a station's journal and its witness's file, if it has one; torn lines are left out."""
    with closing(sqlite3.connect(journal)) as connection:
        rows = connection.execute(
            "SELECT e.id, e.n, j.seq, j.id, j.hash, j.body FROM journal j"
            " JOIN epoch e ON e.n = j.epoch_n ORDER BY e.n, j.seq"
        ).fetchall()
        epochs, acked = connection.execute(
            "SELECT count(*), (SELECT acked FROM epoch ORDER BY n DESC LIMIT 1) FROM epoch"
        ).fetchone()
    text = witness.read_text() if witness is not None else ""
    seen = tuple(line.strip() for line in text.splitlines(keepends=True) if line.endswith("\n"))
    return Kept(station, tuple(OwnRow(*row) for row in rows), acked, epochs, seen)


def books_of(station: str, database: Path) -> Books:
    """Read what the gateway has of a station."""
    with closing(sqlite3.connect(database)) as connection:
        facts = connection.execute(
            "SELECT id, body, version FROM fact WHERE station = ? ORDER BY epoch_n, seq",
            (station,),
        ).fetchall()
        positions = connection.execute(
            "SELECT p.epoch_id, p.seq, p.hash, p.fact_id FROM position p JOIN epoch e"
            " ON e.station = p.station AND e.id = p.epoch_id WHERE p.station = ?"
            " ORDER BY e.n, p.seq",
            (station,),
        ).fetchall()
        row = connection.execute(
            "SELECT hw, facts, parked FROM station WHERE station = ?", (station,)
        ).fetchone()
    hw, counted, parked = row or (0, 0, 0)
    return Books(
        tuple((fact, body) for fact, body, _ in facts),
        tuple(positions),
        tuple(version for *_, version in facts),
        hw, counted, parked,
    )  # fmt: skip


def compare(kept: Kept, books: Books) -> list[str]:
    """Return what is wrong between a station and the gateway, a sentence each."""
    return [f"{kept.station}: {finding}" for finding in _compare(kept, books)]


def _compare(kept: Kept, books: Books) -> Iterator[str]:
    own, arrived = [row.fact for row in kept.rows], [fact for fact, _ in books.facts]
    yield from _some("committed before a witness and not on the disk", set(kept.seen) - set(own))
    yield from _some("on the disk and not applied", set(own) - set(arrived))
    yield from _some("applied and never written", set(arrived) - set(own))
    yield from _some("applied more than once", _repeated(fact for *_, fact in books.positions))
    if set(own) == set(arrived) and own != arrived:
        yield f"applied in another order from row {_first_difference(own, arrived)} on"
    if list(books.versions) != sorted(books.versions):
        yield "a later row was applied before an earlier one"
    bodies = dict(books.facts)
    changed = {row.fact for row in kept.rows if bodies.get(row.fact, row.body) != row.body}
    yield from _some("applied with another body", changed)
    yield from _chain(kept, books)
    last = kept.rows[-1].seq if kept.rows else 0
    if kept.acked > books.hw:
        yield f"believes {kept.acked} rows to be applied, {books.hw} are"
    if kept.acked != last:
        yield f"waits for an answer: {kept.acked} of {last} rows are acknowledged"
    if kept.epochs != 1:
        yield f"opened {kept.epochs - 1} epochs, and nobody had rolled its disk back"
    if books.parked:
        yield f"{books.parked} rows are set aside"
    if books.counted != len(arrived):
        yield f"the gateway counts {books.counted} facts and has {len(arrived)}"


def _chain(kept: Kept, books: Books) -> Iterator[str]:
    """Hash the bodies anew and compare with what both sides have."""
    theirs = {(epoch, seq): known for epoch, seq, known, _ in books.positions}
    previous, epoch = b"", ""
    for row in kept.rows:
        if row.epoch != epoch:
            previous, epoch = chain_start(row.epoch), row.epoch
        previous = chain_hash(previous, row.seq, row.body)
        if not previous == row.hash == theirs.get((row.epoch, row.seq), row.hash):
            yield f"the chains differ from row {row.seq} on"
            return


def items_differ(all_kept: Iterable[Kept], database: Path) -> list[str]:
    """Return the items whose loan at the gateway is not what their station's journal says.

    No two stations may have had the same item.
    """
    loans: dict[str, str | None] = {}
    for row in (row for kept in all_kept for row in kept.rows):
        with contextlib.suppress(FactInvalid):  # the chain says so already
            body = decode_body(row.body)
            if body["kind"] in ("checkout", "checkin"):
                loans[str(body["item"])] = row.fact if body["kind"] == "checkout" else None
    with closing(sqlite3.connect(database)) as connection:
        known = dict(connection.execute("SELECT item_id, loan FROM holding").fetchall())
        opened = connection.execute(
            "SELECT item_id, loan FROM loan WHERE closed_at IS NULL"
        ).fetchall()
    wrong = {item for item, loan in loans.items() if known.get(item) != loan}
    still_open = {item for item, loan in opened if loans.get(item) != loan}
    return [
        *_some("items are lent at the gateway and not at their station, or the other way", wrong),
        *_some("items have a loan that never ended", still_open),
    ]


def gateway_differs(database: Path, lineage: str) -> list[str]:
    """Return what the gateway has that no storm can excuse."""
    with closing(sqlite3.connect(database)) as connection:
        now = connection.execute("SELECT lineage FROM library").fetchone()[0]
        reviews = dict(
            connection.execute("SELECT rule, count(*) FROM review GROUP BY rule").fetchall()
        )
        verdict = connection.execute("PRAGMA integrity_check").fetchone()[0]
    findings = [] if now == lineage else ["the gateway began a new history by itself"]
    if verdict != "ok":
        findings.append(f"the gateway's database is damaged: {verdict}")
    # A reader over a limit is a verdict and no matter; these say that the facts do not fit.
    strange = sorted(reviews.keys() & RULES.keys())
    return findings + [f"{reviews[rule]} entries for staff: {rule}" for rule in strange]


def lineage_of(database: Path) -> str:
    """Return the id of the gateway's history."""
    with closing(sqlite3.connect(database)) as connection:
        return str(connection.execute("SELECT lineage FROM library").fetchone()[0])


def _some(what: str, things: Iterable[str | None]) -> Iterator[str]:
    """Yield how many there are, and the first of them, if there are any."""
    found = sorted(str(thing) for thing in things)
    if found:
        more = " …" if len(found) > SHOWN_MAX else ""
        yield f"{what}: {len(found)} ({', '.join(found[:SHOWN_MAX])}{more})"


def _repeated(things: Iterable[str | None]) -> set[str | None]:
    return {thing for thing, times in Counter(things).items() if times > 1 and thing is not None}


def _first_difference(own: list[str], theirs: list[str]) -> int:
    pairs = enumerate(zip(own, theirs, strict=True), 1)
    return next(place for place, (a, b) in pairs if a != b)
