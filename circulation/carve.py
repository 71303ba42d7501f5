"""Finding a journal's rows in the raw bytes of a damaged SQLite database and its log.

SQLite gives up at the first damaged page; a row proves itself. Its hash covers the hash before
it, its seq and its body, so whatever bytes read as a row whose hash fits *are* that row, wherever
in the file they lie. Nothing here trusts a page's type, a count or a tree.

Layouts: https://www.sqlite.org/fileformat2.html, §1.5 to §1.6 (pages, cells, overflow), §2.1
(records), §4.1 to §4.2 (the write-ahead log). Of a log only frames of transactions that were
surely committed count: a fact nobody was promised must not come back to life.
"""

import struct
import sys
from array import array
from collections.abc import Callable, Iterator
from typing import NamedTuple

from circulation.wire.chain import HASH_BYTES, SALT_BYTES, chain_hash, patron_hash
from circulation.wire.errors import FactInvalid
from circulation.wire.fact import decode_body
from circulation.wire.limits import BODY_BYTES_MAX

PAGE_BYTES = 4096
"""SQLite's default, and what every journal of ours was made with."""
SLOTS_MAX = 256
"""A page holds some forty rows; behind its cell pointers may lie old ones."""
PAYLOAD_BYTES_MAX = BODY_BYTES_MAX + 1024
EPOCH_N_MAX = 1_000_000
LOG_HEADER_BYTES, FRAME_HEADER_BYTES = 32, 24
FRAME_BYTES = FRAME_HEADER_BYTES + PAGE_BYTES
_LOG_MAGIC = (0x377F0682, 0x377F0683)
_HASH_SERIAL = 12 + 2 * HASH_BYTES
_INTEGER_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_Page = Callable[[int], bytes]


class Found(NamedTuple):
    """A row that proved itself. salt and patron are None unless they make the body's hash too."""

    epoch_n: int
    seq: int
    prev_hash: bytes
    hash: bytes
    body: bytes
    salt: bytes | None
    patron: str | None


class Frame(NamedTuple):
    """One page image in a log: is_good if its checksum fits, ends_commit if it ends a commit."""

    page: int
    content: bytes
    salts: bytes
    is_good: bool
    ends_commit: bool


def rows_in_database(content: bytes) -> Iterator[Found]:
    """Yield every row that proves itself in a database file, in the file's order."""

    def page(number: int) -> bytes:
        return content[(number - 1) * PAGE_BYTES : number * PAGE_BYTES]

    for number in range(1, len(content) // PAGE_BYTES + 2):
        yield from _rows_on(page(number), page)


def rows_in_frames(frames: list[Frame], database: bytes) -> Iterator[Found]:
    """Yield every row that proves itself in these frames; long ones go on in any of them."""
    newest = {frame.page: frame.content for frame in frames}

    def page(number: int) -> bytes:
        start = (number - 1) * PAGE_BYTES
        return newest.get(number) or database[start : start + PAGE_BYTES]

    for frame in frames:
        yield from _rows_on(frame.content, page)


def frames_of(log: bytes) -> list[Frame]:
    """Return the frames of a write-ahead log, good or not, in their order."""
    count = (len(log) - LOG_HEADER_BYTES) // FRAME_BYTES
    if count < 1:
        return []
    little = struct.unpack_from(">I", log)[0] != _LOG_MAGIC[1]
    frames = []
    for n, checksum in enumerate(_checksums(log, count, little=little)):
        start = LOG_HEADER_BYTES + n * FRAME_BYTES
        head = log[start : start + FRAME_HEADER_BYTES]
        content = log[start + FRAME_HEADER_BYTES : start + FRAME_BYTES]
        page, size = struct.unpack_from(">II", head)
        frames.append(Frame(page, content, head[8:16], checksum == head[16:24], size > 0))
    return frames


def is_log_header_good(log: bytes) -> bool:
    """Return whether SQLite would read anything of this log."""
    if len(log) < LOG_HEADER_BYTES or struct.unpack_from(">I", log)[0] not in _LOG_MAGIC:
        return False
    little = struct.unpack_from(">I", log)[0] == _LOG_MAGIC[0]
    size = struct.unpack_from(">I", log, 8)[0]
    return size == PAGE_BYTES and _checksum(log[:24], bytes(8), little=little) == log[24:32]


def read_by_sqlite(log: bytes, frames: list[Frame]) -> int:
    """Return how many frames SQLite takes: up to the last commit before the first bad one."""
    taken = 0
    if not is_log_header_good(log):
        return 0
    for count, frame in enumerate(frames, 1):
        if not frame.is_good or frame.salts != log[16:24]:
            break
        taken = count if frame.ends_commit else taken
    return taken


def surely_committed(log: bytes, frames: list[Frame]) -> list[Frame]:
    """Return the readable frames of every transaction that was promised to somebody.

    One that another one follows was: there is one writer, and it waits for the disk. The last
    one was if it is whole. Frames of the log's earlier lives, with other salts, say nothing new.
    """
    salts = log[16:24] if is_log_header_good(log) else (frames[0].salts if frames else b"")
    whole = [frame.is_good and frame.salts == salts for frame in frames]
    ends = [n for n, frame in enumerate(frames) if whole[n] and frame.ends_commit]
    if not ends:
        return []
    kept = ends[-2] + 1 if len(ends) > 1 else 0
    if all(whole[kept : ends[-1] + 1]):
        kept = ends[-1] + 1
    return [frame for n, frame in enumerate(frames[:kept]) if whole[n]]


def _checksum(content: bytes, start: bytes, *, little: bool) -> bytes:
    """Return the log's checksum of 8 bytes; its words are read as the writing machine reads."""
    first, second = struct.unpack(">II", start)
    words = struct.unpack(f"{'<' if little else '>'}{len(content) // 4}I", content)
    for n in range(0, len(words), 2):
        first = (first + words[n] + second) & 0xFFFFFFFF
        second = (second + words[n + 1] + first) & 0xFFFFFFFF
    return struct.pack(">II", first, second)


def _checksums(log: bytes, count: int, *, little: bool) -> list[bytes]:
    """Return what the checksums of a log's frames would be if all of them were good.

    One by one, the thousand frames of a full log would take a small Pi a second at every start.
    A frame's checksum goes on from the one that the frame before it claims, so none need wait for
    another: each has a lane of 64 bits in one long number.
    """
    frames = log[LOG_HEADER_BYTES : LOG_HEADER_BYTES + count * FRAME_BYTES]
    words = array("I", frames)
    if little != (sys.byteorder == "little"):
        words.byteswap()
    claimed = [struct.unpack_from(">II", frames, n * FRAME_BYTES + 16) for n in range(count - 1)]
    starts = [struct.unpack_from(">II", log, 24), *claimed]
    first, second = (_lanes(array("Q", [start[n] for start in starts])) for n in (0, 1))
    mask = _lanes(array("Q", [0xFFFFFFFF] * count))
    lanes = memoryview(bytearray(8 * count))
    low = lanes.cast("I")[sys.byteorder == "big" :: 2]
    in_frame, words_each = memoryview(words), FRAME_BYTES // 4
    for n in (0, *range(FRAME_HEADER_BYTES // 4, words_each, 2)):
        low[:] = in_frame[n::words_each]
        first += _lanes(lanes) + second  # by less than 2^33, 513 times: it stays in its lane
        low[:] = in_frame[n + 1 :: words_each]
        second = (second + _lanes(lanes) + first) & mask
    ends = [(one & mask).to_bytes(8 * count, sys.byteorder) for one in (first, second)]
    return [struct.pack(">II", *pair) for pair in zip(*map(_numbers, ends), strict=True)]


def _lanes(numbers: "array[int] | memoryview") -> int:
    return int.from_bytes(numbers, sys.byteorder)


def _numbers(lanes: bytes) -> "array[int]":
    return array("Q", lanes)


def _rows_on(content: bytes, page: _Page) -> Iterator[Found]:
    """Yield the rows whose cells begin on this page, were it a leaf of the journal's table."""
    for slot in range(min(SLOTS_MAX, (len(content) - 8) // 2)):
        (place,) = struct.unpack_from(">H", content, 8 + 2 * slot)
        if place == 0:
            return
        found = _row_at(content, place, page)
        if found is not None:
            yield found


def _row_at(content: bytes, place: int, page: _Page) -> Found | None:
    try:
        payload = _payload_at(content, place, page)
        return _read_row(payload)
    except (IndexError, struct.error):
        return None


def _payload_at(content: bytes, place: int, page: _Page) -> bytes:
    """Return a cell's payload, followed over its overflow pages (§1.6)."""
    size, place = _varint(content, place)
    _, place = _varint(content, place)
    if size > PAYLOAD_BYTES_MAX:
        return b""
    largest = PAGE_BYTES - 35
    local = size
    if size > largest:
        least = ((PAGE_BYTES - 12) * 32 // 255) - 23
        local = least + (size - least) % (PAGE_BYTES - 4)
        local = local if local <= largest else least
    payload = content[place : place + local]
    (number,) = struct.unpack_from(">I", content, place + local) if local < size else (0,)
    while number and len(payload) < size:
        more = page(number)
        if len(more) < PAGE_BYTES:
            return b""  # cut off; and a page without content could name itself for ever
        (number,) = struct.unpack_from(">I", more)
        payload += more[4:]
    return payload[:size]


def _read_row(payload: bytes) -> Found | None:
    """Return the row in a record of the table `journal`, if its hash proves it."""
    end, place = _varint(payload, 0)
    serials: list[int] = []
    while place < end and len(serials) < 9:
        serial, place = _varint(payload, place)
        serials.append(serial)
    if len(serials) != 8 or serials[3:5] != [_HASH_SERIAL, _HASH_SERIAL] or serials[5] % 2:
        return None
    values, place = [], end
    for serial in serials:
        size = _INTEGER_BYTES.get(serial, (serial - 12) // 2 if serial >= 12 else 0)
        values.append(payload[place : place + size])
        place += size
    epoch_n, seq = (_integer(serials[n], values[n]) for n in (0, 1))
    prev_hash, own_hash, body = values[3:6]
    if not (1 <= epoch_n <= EPOCH_N_MAX and seq >= 1) or len(body) > BODY_BYTES_MAX:
        return None
    if chain_hash(prev_hash, seq, body) != own_hash:
        return None
    return Found(epoch_n, seq, prev_hash, own_hash, body, *_reader(body, values[6], values[7]))


def _reader(body: bytes, salt: bytes, patron: bytes) -> tuple[bytes | None, str | None]:
    """Return salt and patron as they stood beside a body, if they are the ones it means."""
    if len(salt) != SALT_BYTES or not patron:
        return None, None
    try:
        text = patron.decode()
        is_meant = decode_body(body).get("patron") == patron_hash(salt, text)
    except (UnicodeDecodeError, FactInvalid):
        return None, None
    return (salt, text) if is_meant else (None, None)


def _integer(serial: int, value: bytes) -> int:
    """Return a record's integer; serials 8 and 9 are the constants 0 and 1."""
    return int.from_bytes(value, "big", signed=True) if value else int(serial == 9)


def _varint(content: bytes, place: int) -> tuple[int, int]:
    """Return a number of 1 to 9 bytes, and the place behind it; raise IndexError at the end."""
    number = 0
    for n in range(8):
        byte = content[place + n]
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            return number, place + n + 1
    return number << 8 | content[place + 8], place + 9
