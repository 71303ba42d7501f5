"""A journal as a file on a stick: the way out for a site without any network.

    {"lendgate": "journal", "v": 1, "library": …, "station": …, …}     the head, for people too
    {"v": 1, "epoch": …, "n": …, "seq0": …, "events": […], …}           Journal messages as they
    …                                                                   would go over the wire
    {"lendgate": "end", "batches": …, "sha256": …, "mac": …}            the seal

Laws:
1. A file is whole or refused. The seal counts the lines, hashes the bytes before it, and carries
   a mac made with the site's key: a stick found in the street adds nothing to a library.
2. Nothing is taken from a file before all of it has been read and every row follows the last.
3. The same rows give the same bytes, but for the head's time; bringing a file in twice changes
   nothing.
"""

import hashlib
from binascii import a2b_base64
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from circulation.errors import JournalFileInvalid
from circulation.sync.batch import is_damaged, make_batch
from circulation.wire.chain import chain_hash, chain_start
from circulation.wire.check import Flag, Hex, ListOf, Name, OneOf, Record, Text
from circulation.wire.errors import MessageInvalid
from circulation.wire.limits import BATCH_FACTS_MAX, MESSAGE_BYTES_MAX
from circulation.wire.mac import mac, verify
from circulation.wire.messages import Journal, decode, encode
from circulation.wire.shapes import COUNT, ID, NUMBER, SEQ, SIGNED
from circulation.wire.text import read_json_object, write_json

Check = Callable[[object], str | None]

VERSION = 1
EPOCHS_MAX = 1_000
LINE_BYTES_MAX = MESSAGE_BYTES_MAX + 1
"""With its line end: the reader of a file never holds more than that of a hostile one."""
FILE_BYTES_MAX = 256 << 20
"""Some 400,000 facts: a station of the largest library writes that in ten years."""
PRIVACY = (
    "This file says who borrowed what, by random reader numbers. Bring it to the gateway,"
    " then delete it from the stick."
)
_NAME = Name()
_EPOCH = Record(n=NUMBER, epoch=ID, first=NUMBER, last=SEQ, acked=SEQ)
_HEAD: dict[str, Check] = {
    "lendgate": OneOf("journal"),
    "library": _NAME,
    "station": _NAME,
    "role": OneOf("kiosk", "gate", "desk"),
    "site": _NAME,
    "name": Text(64),
    "exported_at": SIGNED,
    "sure": Flag(),
    "rows": COUNT,
    "epochs": ListOf(_EPOCH, EPOCHS_MAX),
}
_SEAL: dict[str, Check] = {
    "lendgate": OneOf("end"),
    "batches": COUNT,
    "sha256": Hex(64),
    "mac": Hex(32),
}


class Head(NamedTuple):
    """Whose journal it is, and when it was written, by that station's own clock (ms, UTC)."""

    library: str
    station: str
    role: str
    site: str
    name: str
    exported_at: int
    sure: bool


class JournalFile(NamedTuple):
    """A file that was read whole: its head, its batches in order, and how many rows they hold."""

    head: Head
    batches: list[Journal]
    rows: int


def file_name(head: Head, epochs: list[Any]) -> str:
    """Return a name that says whose rows and up to which; the same rows have the same name."""
    newest = epochs[-1]
    return (
        f"{head.library}-{head.station}-{newest.epoch.n}-{newest.last_seq}.lendgate-journal.jsonl"
    )


def journal_lines(head: Head, epochs: list[Any], *, key: bytes) -> Iterator[bytes]:
    """Yield the lines of a file, from kept epochs, the oldest first.

    key: the site's. Raise JournalFileInvalid at a row that has changed on the disk.
    """
    digest = hashlib.sha256()
    batches = 0
    for line in _unsealed(head, epochs):
        digest.update(line)
        batches += 1
        yield line
    whole = digest.hexdigest()
    seal = {"lendgate": "end", "batches": batches - 1, "sha256": whole}
    yield write_json({**seal, "mac": mac(key, _sealed(head, whole))}) + b"\n"


def _unsealed(head: Head, epochs: list[Any]) -> Iterator[bytes]:
    yield _head_line(head, epochs)
    clock = {"mono": 0, "wall": head.exported_at, "sure": head.sure, "boot": "00000000"}
    for epoch in epochs:
        first = epoch.first_seq
        while first <= epoch.last_seq:
            if is_damaged(epoch, first=first, facts_max=BATCH_FACTS_MAX):
                raise JournalFileInvalid(
                    f"journal: rows from {first} of epoch {epoch.epoch.n} have changed on the"
                    " disk; start the station once, it saves what can be read, then try again"
                )
            batch, last = make_batch(
                epoch, first=first, facts_max=BATCH_FACTS_MAX, is_raw=False, clock=clock
            )
            yield encode(batch) + b"\n"
            first = last + 1


def _head_line(head: Head, epochs: list[Any]) -> bytes:
    fields = {
        "lendgate": "journal",
        "v": VERSION,
        **head._asdict(),
        "rows": sum(epoch.count for epoch in epochs),
        "epochs": [
            {
                "n": epoch.epoch.n,
                "epoch": epoch.epoch.id,
                "first": epoch.first_seq,
                "last": epoch.last_seq,
                "acked": epoch.acked,
            }
            for epoch in epochs
        ],
        "privacy": PRIVACY,
    }
    return write_json(fields) + b"\n"


def _sealed(head: Head, digest: str) -> list[object]:
    return ["journal file", head.library, head.station, digest]


def read_journal_file(lines: Iterable[bytes], *, key: bytes) -> JournalFile:
    """Return what a file holds; raise JournalFileInvalid, naming what is wrong and where.

    lines: each with its line end, none longer than a message: read them with a limit.
    """
    source = iter(lines)
    first = next(source, b"")
    head = _read_head(first)
    digest = hashlib.sha256(first)
    batches: list[Journal] = []
    rows = 0
    chain = _Chain()
    seal: dict[str, Any] = {}
    for number, line in enumerate(source, 2):
        if line.startswith(b'{"lendgate"'):
            seal = _read_object(line, _SEAL, f"line {number}")
            break
        batch = _read_batch(line, number)
        digest.update(line)
        batches.append(batch)
        rows += chain.follow(batch, number)
    _check_seal(seal, head, (digest.hexdigest(), len(batches)), key)
    if next(source, None) is not None:
        raise JournalFileInvalid("something stands behind the file's end")
    return JournalFile(head, batches, rows)


def _read_head(line: bytes) -> Head:
    if not line.startswith(b'{"lendgate"'):
        raise JournalFileInvalid("is no journal of a station; `export-journal` writes one")
    fields = _read_object(line, _HEAD, "line 1")
    if fields.get("v") != VERSION:
        raise JournalFileInvalid("line 1: was written by a newer program; update this one")
    return Head(*(fields[name] for name in Head._fields))


def _read_object(line: bytes, checks: dict[str, Check], where: str) -> dict[str, Any]:
    try:
        fields: dict[str, Any] = read_json_object(line, where)
    except MessageInvalid as error:
        raise JournalFileInvalid(str(error)) from error
    for name, check in checks.items():
        fault = check(fields.get(name))
        if fault is not None:
            raise JournalFileInvalid(f"{where}: field {name} {fault}")
    return fields


def _read_batch(line: bytes, number: int) -> Journal:
    try:
        batch: Journal = decode(Journal, line.rstrip(b"\n"))
        return batch
    except MessageInvalid as error:
        raise JournalFileInvalid(f"line {number}: {error}") from error


def _check_seal(seal: dict[str, Any], head: Head, found: tuple[str, int], key: bytes) -> None:
    if not seal:
        raise JournalFileInvalid("ends too early: the stick was pulled, or is full; export again")
    digest, batches = found
    if seal["batches"] != batches or seal["sha256"] != digest:
        raise JournalFileInvalid("has changed since it was written; export again")
    if not verify(key, _sealed(head, digest), seal["mac"]):
        raise JournalFileInvalid(
            "was not written by a station with this library's site_key; compare site_key in"
            " the two configurations"
        )


class _Chain:
    """Follows the rows of a file: nothing may be missing that was not declared lost."""

    def __init__(self) -> None:
        self._n = 0
        self._epoch = ""
        self._seq = 0
        self._hash: bytes | None = None

    def follow(self, batch: Journal, number: int) -> int:
        """Take the next batch; return how many rows it has."""
        if batch.epoch != self._epoch:
            if batch.n <= self._n:
                text = f"line {number}: epoch {batch.n} comes after {self._n}"
                raise JournalFileInvalid(text)
            self._n, self._epoch, self._seq = batch.n, batch.epoch, batch.seq0 - 1
            self._hash = chain_start(batch.epoch) if batch.seq0 == 1 else None
        expected = self._seq + 1
        is_hole = batch.lost is not None and batch.lost == [expected, batch.seq0 - 1]
        follows = batch.seq0 == expected and self._hash in (None, bytes.fromhex(batch.prev_hash))
        if not (is_hole or follows) or batch.n != self._n:
            raise JournalFileInvalid(
                f"line {number}: row {batch.seq0} does not follow {self._seq}"
            )
        bodies = batch_bodies(batch)
        if not bodies:
            raise JournalFileInvalid(f"line {number}: has no rows")
        chained = bytes.fromhex(batch.prev_hash)
        for seq, body in enumerate(bodies, batch.seq0):
            chained = chain_hash(chained, seq, body)
        self._seq, self._hash = batch.seq0 + len(bodies) - 1, chained
        return len(bodies)


def batch_bodies(batch: Journal) -> list[bytes]:
    """Return the bodies of a batch's rows as bytes; none if its raw row is no base64."""
    if batch.raw is None:
        return [event.encode() for event in batch.events]
    try:
        return [a2b_base64(batch.raw)]
    except ValueError:
        return []
