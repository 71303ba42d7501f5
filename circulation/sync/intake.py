"""Judging what a station sent, before anything is written: the gateway's side of the upload.

Laws:
1. A row is a duplicate only if its hash is the stored one; its place alone proves nothing.
2. Any epoch is accepted from its row 1. What is missing is asked for, or was declared lost.
3. No row is refused for its content: one that cannot be read is marked and parked, and keeps
   its place and its hash.
4. The answer carries the hash at the last row that was compared, never one further on: a
   station whose card was rolled back must be able to believe it, and go on to where it differs.
"""

from binascii import a2b_base64, hexlify, unhexlify
from collections import namedtuple

from circulation.wire.chain import chain_hash, chain_start, patron_hash
from circulation.wire.errors import FactInvalid
from circulation.wire.fact import decode_body
from circulation.wire.limits import FORK_HASHES_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NACK_REPEAT_MS = 5_000


class Mark(namedtuple("Mark", ["epoch", "n", "hw", "hash_at"])):
    """How far the gateway has applied one epoch of one station.

    hash_at: called with a seq up to hw; the stored hash, or None inside a declared hole. For
    seq 0 it may return None; the epoch's start is known.
    """


class IntakeRow(
    namedtuple("IntakeRow", ["seq", "hash", "body", "salt", "patron", "poison", "fields"])
):
    """A row to write. poison: None, or why it is to be parked; then fields is None."""


class Accept(namedtuple("Accept", ["rows", "first_new", "lost", "hw", "hash"])):
    """Write these rows, the first of which is first_new, and ack hw with this hash.

    lost: [first, last] of rows declared gone, for a staff entry, or None. The mark never goes
    back: rows below it may fill a hole that was declared earlier.
    """


class Duplicate(namedtuple("Duplicate", ["hw", "hash"])):
    """Nothing is new; ack hw, the last row compared, with its hash."""


class Gap(namedtuple("Gap", ["hw"])):
    """Rows between hw and the batch are missing: nack with why="gap"."""


class ForkFound(namedtuple("ForkFound", ["hw", "common", "hashes"])):
    """The station's rows are not ours after `common`: answer with a Fork."""


class Unreadable(namedtuple("Unreadable", ["why"])):
    """The batch contradicts itself: nack with why="invalid"."""


class Hello(namedtuple("Hello", ["hw", "hash"])):
    """Ack the birth, so the station learns our lineage and our mark."""


class RotateLineage(namedtuple("RotateLineage", ["why"])):
    """A station knows more of this lineage than we do: we were restored; take a new one."""


def new_mark(epoch: str, n: int) -> Mark:
    """Return the mark of an epoch the gateway has never heard of."""
    return Mark(epoch, n, 0, lambda seq: None)


def judge(batch: "Any", mark: Mark) -> "Any":
    """Return Accept, Duplicate, Gap, ForkFound or Unreadable for a Journal message."""
    if batch.epoch != mark.epoch or batch.n != mark.n:
        return Unreadable(f"epoch {batch.epoch} is number {mark.n}, not {batch.n}")
    bodies = _bodies(batch)
    if bodies is None:
        return Unreadable("raw is not base64")
    prev_hash = unhexlify(batch.prev_hash)
    before = batch.seq0 - 1
    if before > mark.hw:
        if batch.lost is None or batch.lost[0] > mark.hw + 1:
            return Gap(mark.hw)
        return _judge_rows(batch, bodies, mark, [mark.hw + 1, before])
    known = _known_hash(mark, before)
    if known is not None and known != prev_hash:
        return ForkFound(mark.hw, 0, fork_hashes(mark, before))
    return _judge_rows(batch, bodies, mark, None)


def judge_birth(
    status: "Any", mark: Mark, *, lineage: str, versions: "dict[str, int]"
) -> "list[Any]":
    """Return what a fresh birth calls for: RotateLineage, ForkFound or Hello, in this order.

    lineage, versions: the gateway's own. A retained birth is no contact; do not judge it.
    """
    if not status.on:
        return []
    verdicts: list[Any] = []
    why = _knows_more(status, mark, versions) if status.lineage == lineage else None
    if why is not None:
        verdicts.append(RotateLineage(why))
    known = _known_hash(mark, mark.hw)
    if mark.hw > status.seq_last:
        verdicts.append(ForkFound(mark.hw, 0, fork_hashes(mark, status.seq_last)))
    elif known is not None:
        verdicts.append(Hello(mark.hw, known))
    return verdicts


def fork_hashes(mark: Mark, top: int) -> "list[list[object]]":
    """Return [seq, hex] pairs of ours: of hw, then from `top` down with doubled steps, and 0.

    However long the journals are, a station finds with them a row that both share, at most
    twice as far back as the last one.
    """
    seqs = [mark.hw]
    step = 1
    while top > 0 and len(seqs) < FORK_HASHES_MAX - 1:
        if top not in seqs:
            seqs.append(top)
        top -= step
        step = 2 * step
    if 0 not in seqs:
        seqs.append(0)
    pairs: list[list[object]] = []
    for seq in seqs:
        known = _known_hash(mark, seq)
        if known is not None:
            pairs.append([seq, hexlify(known).decode()])
    return pairs


class NackLimiter:
    """Lets one nack through per station, high-water mark and five seconds.

    A station with several batches under way would else get one for each of them, and send as
    many batches again, and so on.
    """

    def __init__(self) -> None:
        """Forget nothing: one short entry a station that was ever nacked."""
        self._last: dict[str, tuple[str, int, int]] = {}

    def allows(self, station: str, epoch: str, hw: int, now_ms: int) -> bool:
        """Return whether a nack may be sent now, and count it as sent."""
        last_epoch, last_hw, at_ms = self._last.get(station, ("", -1, 0))
        is_same = (last_epoch, last_hw) == (epoch, hw)
        if is_same and now_ms - at_ms < NACK_REPEAT_MS:
            return False
        self._last[station] = (epoch, hw, now_ms)
        return True


def _judge_rows(batch: "Any", bodies: "list[bytes]", mark: Mark, lost: "Any") -> "Any":
    """Chain the rows and compare each with the stored one, where there is one."""
    rows = []
    seq, chained = batch.seq0 - 1, unhexlify(batch.prev_hash)
    for index, body in enumerate(bodies):
        previous = chained
        seq += 1
        chained = chain_hash(previous, seq, body)
        stored = _known_hash(mark, seq) if seq <= mark.hw else None
        if stored is None:
            rows.append(_row(seq, chained, body, batch.patrons.get(str(index))))
        elif stored != chained:
            return _fork_at(mark, seq - 1, previous)
    if not rows:
        return Duplicate(seq, chained)
    return Accept(rows, rows[0].seq, lost, seq, chained)


def _fork_at(mark: Mark, common: int, common_hash: bytes) -> ForkFound:
    hashes = fork_hashes(mark, common)
    pair: list[object] = [common, hexlify(common_hash).decode()]
    if pair not in hashes:
        hashes.insert(1, pair)
    return ForkFound(mark.hw, common, hashes)


def _row(seq: int, chained: bytes, body: bytes, beside: "list[str] | None") -> IntakeRow:
    salt, patron = (unhexlify(beside[0]), beside[1]) if beside is not None else (None, None)
    poison, fields = None, None
    try:
        fields = decode_body(body)
    except FactInvalid as error:
        poison = str(error)
    if fields is not None and not _is_named(fields, salt, patron):
        poison, fields = "fact: patron and salt beside it do not make its hash", None
    return IntakeRow(seq, chained, body, salt, patron, poison, fields)


def _is_named(fields: "dict[str, object]", salt: "bytes | None", patron: "str | None") -> bool:
    if salt is None or patron is None:
        return True
    return fields.get("patron") == patron_hash(salt, patron)


def _bodies(batch: "Any") -> "list[bytes] | None":
    if batch.raw is None:
        return [event.encode("utf-8") for event in batch.events]
    try:
        return [a2b_base64(batch.raw)]
    except ValueError:
        return None


def _known_hash(mark: Mark, seq: int) -> "bytes | None":
    if seq == 0:
        return chain_start(mark.epoch)
    stored = mark.hash_at(seq)
    return None if stored is None else bytes(stored)


def _knows_more(status: "Any", mark: Mark, versions: "dict[str, int]") -> "str | None":
    if status.acked > mark.hw:
        return f"{status.station} was told {status.acked} rows are applied; here are {mark.hw}"
    for kind, version in status.versions.items():
        if version > versions.get(kind, 0):
            return f"{status.station} has {kind} {version}; here is {versions.get(kind, 0)}"
    return None
