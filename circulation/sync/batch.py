"""Making a batch: as many rows as fit, said as they were written."""

from binascii import b2a_base64, hexlify

from circulation.wire.chain import chain_hash
from circulation.wire.limits import BATCH_BYTES_MAX, BODY_BYTES_MAX, MESSAGE_BYTES_MAX
from circulation.wire.messages import Journal
from circulation.wire.text import write_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The envelope without its rows is below 500 bytes; a patron beside a row below 120.
_ENVELOPE_BYTES = 1024
_PATRON_BYTES = 120
_CHANGED = b"changed on the disk: "


def is_damaged(journal: "Any", *, first: int, facts_max: int) -> bool:
    """Return whether the rows from `first` on no longer make the hashes they once made.

    A bit that flipped on the card would give the gateway another hash than ours, and we would
    never believe its ack.
    """
    chained = journal.hash_at(first - 1)
    expected = first
    for row in journal.rows(first, facts_max, BATCH_BYTES_MAX):
        if row.seq != expected or chained is None:
            chained = row.prev_hash  # behind a hole there is nothing to compare with
        if row.prev_hash != chained or row.hash != chain_hash(chained, row.seq, row.body):
            return True
        chained = row.hash
        expected = row.seq + 1
    return False


def carried_body(row: "Any") -> bytes:
    """Return the body with which a row goes on into another epoch.

    A new epoch gives it a new hash, so a body that changed on the disk would become a fact that
    never was. It goes on as what no one takes for a fact: the gateway parks it, and staff see it.
    """
    body: bytes = row.body
    if row.hash == chain_hash(row.prev_hash, row.seq, body):
        return body
    return (_CHANGED + body)[:BODY_BYTES_MAX]


def make_batch(
    journal: "Any", *, first: int, facts_max: int, is_raw: bool, clock: "dict[str, object]"
) -> "tuple[Any, int]":
    """Return a Journal message that begins at row `first`, and the seq of its last row.

    Rows that are no longer there are declared lost. A row that no text can carry goes alone,
    as raw bytes, and so does the first row if is_raw. There must be a row at or after first.
    """
    rows = journal.rows(first, facts_max, BATCH_BYTES_MAX)
    start = rows[0]
    lost = [first, start.seq - 1] if start.seq > first else None
    raw = None
    if is_raw or _text_of(start.body) is None:
        rows, texts = [start], []
        raw = b2a_base64(start.body).decode().strip()
    else:
        texts = _texts_that_fit(rows)
        rows = rows[: len(texts)]
    epoch = journal.epoch
    batch = Journal(
        epoch.id,
        epoch.n,
        _parent(epoch.parent),
        start.seq,
        hexlify(start.prev_hash).decode(),
        clock,
        texts,
        _patrons(rows),
        raw,
        lost,
    )
    return batch, rows[-1].seq


def _texts_that_fit(rows: "list[Any]") -> "list[str]":
    """Return the bodies up to a hole, an unspeakable row, or the size of a message."""
    texts: list[str] = []
    left = MESSAGE_BYTES_MAX - _ENVELOPE_BYTES
    for row in rows:
        text = _text_of(row.body)
        if text is None or row.seq != rows[0].seq + len(texts):
            break
        # Quotes and backslashes grow when a body becomes a text inside JSON.
        left -= len(write_json(text)) + 1 + (_PATRON_BYTES if row.patron else 0)
        if left < 0 and texts:
            break
        texts.append(text)
    return texts


def _text_of(body: bytes) -> "str | None":
    """Return the body as a text that a message may hold, or None."""
    if b"\0" in body:
        return None
    try:
        return body.decode("utf-8")
    except ValueError:
        return None


def _patrons(rows: "list[Any]") -> "dict[str, list[str]]":
    patrons = {}
    for index, row in enumerate(rows):
        if row.salt is not None and row.patron is not None:
            patrons[str(index)] = [hexlify(row.salt).decode(), row.patron]
    return patrons


def _parent(parent: "Any") -> "dict[str, object] | None":
    if parent is None:
        return None
    return {
        "n": parent.n,
        "epoch": parent.epoch,
        "seq": parent.seq,
        "hash": hexlify(parent.hash).decode(),
    }
