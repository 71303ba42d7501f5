"""Journals become facts, facts become holdings: all of it in one transaction, then the ack.

Laws of this file:

1. An id is applied once. A row that brings a known id again (a fork's copy, a salvaged card) gets
   its place in the journal and changes nothing else.
2. The high-water mark moves in the same transaction as what the rows say. An answer to a station
   is made after the commit, or not at all.
3. Nothing blocks: a row that cannot be understood is parked with its place and hash. If a set
   fails, it is halved until the offender stands alone, and only that is parked.
4. Whatever order batches come in, the holdings are the fold of the facts.
"""

from __future__ import annotations

import gc
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import sqlalchemy as sa

from circulation.facts import Fact
from circulation.sync.intake import Accept, IntakeRow, judge
from circulation.wire import kinds
from circulation.wire.errors import FactInvalid
from circulation.wire.fact import decode_body
from gateway import diary, schema
from gateway.copies import NOTHING, FactPlace, Moved, move_behind
from gateway.effects import apply_effects
from gateway.errors import Fenced
from gateway.facts import insert_facts, narrow_intervals
from gateway.holdings import fold_in, open_loans
from gateway.marks import Marks
from gateway.resolve import Resolver
from gateway.review import ReviewEntry, add_entries
from gateway.schema import FACT
from gateway.statements import LIBRARY, Insert, Statement, among
from gateway.stations import save_progress
from gateway.store import Store, Write
from gateway.verdicts import judge_batch, keep_verdicts
from gateway.waiting import keep_waiting, known_now

PROGRAM = f"lendgate {version('lendgate')}"  # what parked rows were last tried with
RETRIED_MAX = 1_000
NOT_THE_ROWS = (sa.exc.OperationalError, Fenced)  # what no row is to blame for
Place = tuple[str, str, int]  # station, epoch id, seq
_log = logging.getLogger(__name__)


_KNOWN = Statement(
    sa.select(FACT.c.id, FACT.c.body).where(FACT.c.library_id == LIBRARY, among(FACT.c.id, "ids"))
)
_POSITIONS = Insert(schema.POSITION, ("station", "epoch_id", "seq", "hash", "fact_id"), None)


@dataclass(frozen=True, slots=True)
class Batch:
    """A journal message and who sent it."""

    station: str
    message: Any


@dataclass(frozen=True, slots=True)
class Answer:
    """What a station is told about its batch.

    verdict: intake's. epoch: the one the batch is of. n: the newest number of the station.
    hw, tip: the last row compared and its hash. rows: how many were written.
    """

    station: str
    verdict: Any
    epoch: str
    n: int
    hw: int
    tip: bytes
    rows: int = 0


@dataclass(slots=True)
class _Row:
    """One accepted row on its way into the tables."""

    station: str
    epoch: str
    n: int
    intake: Any
    why: str | None = None  # parked, and for what reason
    detail: str = ""
    is_copy: bool = False  # its id was applied before, from another place

    @classmethod
    def parked(cls, row: Any) -> _Row:
        """Return a row of the table of parked ones, read again."""
        fields, poison = None, None
        try:
            fields = decode_body(row.body)
        except FactInvalid as error:
            poison = str(error)
        intake = IntakeRow(row.seq, row.hash, row.body, row.salt, row.patron_id, poison, fields)
        return cls(row.station, row.epoch_id, row.epoch_n, intake)

    @property
    def fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = self.intake.fields or {}
        return fields

    @property
    def place(self) -> Place:
        return (self.station, self.epoch, self.intake.seq)

    @property
    def fact_place(self) -> FactPlace:
        return FactPlace(self.station, self.n, self.intake.seq, self.fields["id"])


class Ingest:
    """The one writer of a library's facts."""

    def __init__(self, store: Store, library_id: str):
        self.store = store
        self.library_id = library_id

    def take(self, batches: list[Batch]) -> list[Answer]:
        """Apply batches in order and return the answers to send; each is committed."""
        try:
            return self._transaction(batches, rows_max=None, poison=frozenset())
        except NOT_THE_ROWS:
            raise  # disk full, locked: nobody's fault here; the caller says busy
        except Exception:
            if len(batches) == 1:
                return self._take_carefully(batches[0])
        half = len(batches) // 2
        return self.take(batches[:half]) + self.take(batches[half:])

    def retry_parked(self, program: str = PROGRAM) -> int:
        """Apply what an older version of this program had to park; return how many facts.

        Each alone, so that one that fails again only stays where it is.
        """
        with self.store.read() as connection:
            table = schema.PARKED
            query = sa.select(table).where(
                table.c.library_id == self.library_id,
                table.c.applied_at.is_(None),
                table.c.tried_with != program,
            )
            order = (table.c.station, table.c.epoch_n, table.c.seq)
            parked = list(connection.execute(query.order_by(*order).limit(RETRIED_MAX)))
        return sum(self._retry(_Row.parked(row), program) for row in parked)

    def _retry(self, row: _Row, program: str) -> bool:
        _park_poison([row], frozenset())
        try:
            with self.store.write(self.library_id) as write:
                if row.why is None:
                    facts = _first_of_each_id(write, [row])
                    add_entries(write, _let_happen(write, facts))
                _unpark(write, row, program)
        except NOT_THE_ROWS:
            raise
        except Exception:
            _log.exception("%s: a parked row fails again", row.station)
            row.why = "failed"
            with self.store.write(self.library_id) as write:
                _unpark(write, row, program)
        return row.why is None

    def _take_carefully(self, batch: Batch) -> list[Answer]:
        """Apply a batch that failed as a whole, in ever smaller pieces; park the offenders."""
        rows_max = max(len(batch.message.events) // 2, 1)
        poison: set[Place] = set()
        applied = 0
        while True:
            try:
                answer = self._transaction([batch], rows_max=rows_max, poison=frozenset(poison))[0]
            except NOT_THE_ROWS:
                raise
            except Exception:
                if rows_max == 1:
                    poison.add(self._offender(batch, poison))
                rows_max = max(rows_max // 2, 1)
                continue
            if not answer.rows:
                return [replace(answer, rows=applied)]
            applied += answer.rows
            rows_max *= 2

    def _offender(self, batch: Batch, poison: set[Place]) -> Place:
        """Return the row that cannot be applied; raise again if it fails without it as well."""
        place = self._next_place(batch)
        if place in poison:
            raise  # noqa: PLE0704 (called where the error is handled)
        _log.exception("%s: a row cannot be applied and is parked", batch.station)
        return place

    def _next_place(self, batch: Batch) -> Place:
        """Return the place of the first row of a batch that is not written yet."""
        with self.store.read() as connection:
            marks = Marks(connection, self.library_id)
            marks.load([batch.station])
            mark = marks.mark(batch.station, batch.message.epoch, batch.message.n)
            verdict = judge(batch.message, mark)
        return (batch.station, batch.message.epoch, verdict.first_new)

    def _transaction(
        self, batches: list[Batch], *, rows_max: int | None, poison: frozenset[Place]
    ) -> list[Answer]:
        with _collected_afterwards(), self.store.write(self.library_id) as write:
            marks = Marks(write.connection, self.library_id)
            marks.load(batch.station for batch in batches)
            answers: list[Answer] = []
            rows: list[_Row] = []
            entries: list[ReviewEntry] = []
            for batch in batches:
                answer, fresh = _judge(marks, batch, rows_max)
                answers.append(answer)
                rows += fresh
                entries += _hole(write, batch, answer)
            _park_poison(rows, poison)
            _apply(write, rows, entries)
            _save_stations(write, marks, rows)
        return answers


@contextmanager
def _collected_afterwards() -> Iterator[None]:
    """Keep Python from looking for cycles meanwhile, which takes an eighth of the time.

    A transaction is bounded, and what it makes lives until its end in any case.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _judge(marks: Marks, batch: Batch, rows_max: int | None) -> tuple[Answer, list[_Row]]:
    """Compare a batch with what is known and move the mark over its new rows."""
    message, station = batch.message, batch.station
    mark = marks.mark(station, message.epoch, message.n)
    verdict = judge(message, mark)
    if isinstance(verdict, Accept):
        top = message.seq0 + len(message.events) - 1
        verdict = marks.moved_on(station, message.epoch, message.n, top) or verdict
    newest = marks.newest(station)
    n = max(newest.n if newest is not None else 0, message.n)
    if not isinstance(verdict, Accept):
        tip = bytes(getattr(verdict, "hash", b""))
        return Answer(station, verdict, message.epoch, n, verdict_hw(verdict, mark), tip), []
    progress = marks.at(station, message.epoch) or marks.open(station, message)
    rows = [_Row(station, message.epoch, message.n, row) for row in verdict.rows[:rows_max]]
    for row in rows:
        progress.advance(row.intake.seq, row.intake.hash)
    last = rows[-1].intake
    whole = len(rows) == len(verdict.rows)
    hw, tip = (verdict.hw, verdict.hash) if whole else (last.seq, last.hash)
    return Answer(station, verdict, message.epoch, n, hw, tip, len(rows)), rows


def verdict_hw(verdict: Any, mark: Any) -> int:
    """Return the row an answer is about, the gateway's mark if the verdict has none."""
    return int(getattr(verdict, "hw", mark.hw))


def _hole(write: Write, batch: Batch, answer: Answer) -> list[ReviewEntry]:
    """Write down a declared hole: its end, so that the chain goes on, and that staff see it."""
    if not isinstance(answer.verdict, Accept) or answer.verdict.lost is None:
        return []
    first, last = answer.verdict.lost
    row = {
        "station": batch.station,
        "epoch_id": batch.message.epoch,
        "seq": last,
        "hash": bytes.fromhex(batch.message.prev_hash),
        "fact_id": None,
    }
    write.upsert(schema.POSITION, [row], replace=False)
    diary.note(write, "lost", batch.station, first=first, last=last)
    key = f"facts_lost:{batch.station}:{batch.message.epoch}:{first}"
    detail = {"first": first, "last": last}
    return [ReviewEntry(key, "facts_lost", None, batch.station, (), detail)]


def _park_poison(rows: list[_Row], poison: frozenset[Place]) -> None:
    """Note which rows must be parked, and why."""
    for row in rows:
        if row.place in poison:
            row.why, row.detail = "failed", "applying it failed; the gateway's log has the reason"
        elif row.intake.poison is not None:
            row.why, row.detail = "unreadable", row.intake.poison
        elif row.fields["kind"] not in kinds.ALL:
            row.why, row.detail = "unknown_kind", f"kind {row.fields['kind']!r} is not known here"


def _apply(write: Write, rows: list[_Row], entries: list[ReviewEntry]) -> None:
    """Write the rows down and let them have their effect."""
    fresh = _first_of_each_id(write, [row for row in rows if row.why is None])
    copies = [row.fact_place for row in rows if row.is_copy]
    moved = move_behind(write, copies, [row.fact_place for row in fresh] if copies else [])
    found = _let_happen(write, fresh, moved)
    _insert_positions(write, rows)
    _park(write, [row for row in rows if row.why is not None])
    add_entries(write, entries + found)


def _let_happen(write: Write, rows: list[_Row], moved: Moved = NOTHING) -> list[ReviewEntry]:
    """Keep the facts and apply what they say, to items and all else; return what staff see."""
    if not rows and not moved.stations:
        return []
    resolver = Resolver(write, (row.fields for row in rows))
    facts = [_fact(row, resolver) for row in rows]
    narrowed = narrow_intervals(write, facts, moved=moved.stations)
    insert_facts(write, zip(facts, (row.intake for row in rows), strict=True), narrowed.by_fact)
    entries = resolver.learn_tags((fact.id, fact.fields, fact.item_id) for fact in facts)
    entries += keep_verdicts(write, judge_batch(write, facts, write.now_ms))
    known = narrowed.by_fact
    open_loans(write, facts, known)
    fold_in(write, facts, known, narrowed.items, moved.items)
    entries += apply_effects(write, facts)
    entries += keep_waiting(write, facts)
    known_now(write, (f"uid:{uid}" for uid in resolver.learned))
    return entries


def _fact(row: _Row, resolver: Resolver) -> Fact:
    """Return the fact of a row, about the item that it means."""
    fields = row.fields
    fact = Fact.from_row(row.station, row.n, row.intake.seq, fields, row.intake.patron)
    item_id = resolver.item_of(fields)
    return fact if fact.item_id == item_id else fact._replace(item_id=item_id)


def _first_of_each_id(write: Write, rows: list[_Row]) -> list[_Row]:
    """Return the rows whose id is applied now, for the first time."""
    ids = [row.fields["id"] for row in rows]
    known: dict[str, bytes] = {row.id: row.body for row in write.rows(_KNOWN, ids=ids)}
    fresh = []
    for row in rows:
        fact_id = row.fields["id"]
        if fact_id not in known:
            known[fact_id] = row.intake.body
            fresh.append(row)
        elif known[fact_id] != row.intake.body:
            row.why, row.detail = "id_taken", f"another fact has the id {fact_id}"
        else:
            row.is_copy = True
    return fresh


def _insert_positions(write: Write, rows: list[_Row]) -> None:
    write.put(
        _POSITIONS,
        [
            (
                row.station,
                row.epoch,
                row.intake.seq,
                row.intake.hash,
                None if row.why is not None else row.fields["id"],
            )
            for row in rows
        ],
    )


def _park(write: Write, rows: list[_Row]) -> None:
    write.upsert(
        schema.PARKED,
        [
            {
                "station": row.station,
                "epoch_id": row.epoch,
                "epoch_n": row.n,
                "seq": row.intake.seq,
                "hash": row.intake.hash,
                "body": row.intake.body,
                "salt": row.intake.salt,
                "patron_id": row.intake.patron,
                "why": row.why,
                "detail": row.detail[:500],
                "received_at": write.now_ms,
                "tried_with": PROGRAM,
            }
            for row in rows
        ],
    )
    for row in rows:
        diary.note(write, "parked", row.station, why=row.detail or row.why)


def _unpark(write: Write, row: _Row, program: str) -> None:
    """Note that a parked row was tried again, and whether it is a fact now."""
    place = {"station": row.station, "epoch_id": row.epoch, "seq": row.intake.seq}
    applied_at = write.now_ms if row.why is None else None
    statement = write.update(schema.PARKED, **place)
    write.execute(statement.values(tried_with=program, applied_at=applied_at))
    if row.why is None:
        statement = write.update(schema.POSITION, **place)
        write.execute(statement.values(fact_id=row.fields["id"]))
        table = schema.STATION_TABLE
        statement = write.update(table, station=row.station)
        write.execute(statement.values(facts=table.c.facts + 1, parked=table.c.parked - 1))


def _save_stations(write: Write, marks: Marks, rows: list[_Row]) -> None:
    own = [row for row in rows if not row.is_copy]
    applied = Counter(row.station for row in own if row.why is None)
    parked = Counter(row.station for row in own if row.why is not None)
    save_progress(write, marks, applied=applied, parked=parked)
