"""The device side of the 3M pads 210 and 810 (ISO 15693), as their protocol describes it.

Sources: 3M, *RFID Reader Model 210 Protocol Specification* 1.0.0 (1 June 2009), as carried by
public code; sessions with real 810 pads recorded in public projects (firmware 10.5.0.2), which the
tests replay byte for byte.

    D6 | length, 2 bytes, high first, of all that follows | command … | CRC, high first

CRC-16 with polynomial 1021, start FFFF, inverted at the end, over length and command. 19200 8N1.
A pad ignores a command while it works on another one (specification, 1.1). The start byte D5 is
that of an older set of commands, of which only the probe is known. Requests and answers:

    FE afi options                 FE err afi options n, n × [DSFID if options & 02] [uid if & 01]
    01 uid                         01 err uid                 (quiet)
    02 uid first n [options]       02 err uid n, n × (block, lock, 4 bytes); with options & 01:
                                   02 err uid first n, n × ([lock if & 04] 4 bytes)
    03 uid · 0C uid eas            03 err uid eas · 0C err uid
    04 uid first n 00 data         04 err uid next            (next: block after the last written)
    05 uid block data              05 err uid     07 the same and locks, 08 uid block: locks
    06 uid · 09 uid afi · 0A uid   06 err uid (locks the AFI) · 09 err uid · 0A err uid afi
    0B uid dsfid · 0F uid          0B err uid · 0F err uid dsfid
    0D uid wanted                  0D err uid has [DSFID] [AFI] [block size-1, blocks-1] [IC, 2]
    11                             11 err 0A major minor build
    14 sent received control data  14 err flags received data (all 2 bytes but err and flags)

Known from recordings are errors 00 (none) and 06 (the tag did not answer). The numbers of the
others, the meaning of `options` 04, of `control` and `flags`, and what a pad does with a wrong CRC
are our choice: a driver must take any other number for a failure, and silence for a time-out.
"""

from collections.abc import Callable

from sim.serial.antenna import (
    NOT_SUPPORTED,
    Antenna,
    TagRefused,
    TagSilent,
    blocks_of,
)
from sim.serial.iso15693 import transceive
from sim.serial.line import LineSettings
from sim.serial.pad import SimPad
from sim.tags import SimTag

START, START_OLD = 0xD6, 0xD5
UID_BYTES = 8
BLOCK = 4
FRAME_BYTES_MAX = 3 + 1_100
"""Start, length and the longest request: 256 blocks to write."""

OK = 0x00
UNKNOWN_COMMAND = 0x01
WRONG_PARAMETERS = 0x02
NO_TAG = 0x06
"""The tag did not answer: recorded from real pads. The other numbers are our choice."""

PROBE = bytes.fromhex("040011")
PROBE_ANSWER = bytes.fromhex("0400110a050002")
SETUP = bytes.fromhex("13040100020003000400")
SETUP_ANSWER = bytes.fromhex("13000201010302020300")
"""Undocumented; what one real pad answered to what the maker's program sends at its start."""

VENDOR = 0x0A
DSFID, UID = 0x02, 0x01  # options of an inventory
NEW_STYLE, WITH_LOCKS = 0x01, 0x04  # options of reading blocks

COMMANDS = {
    0xFE: "inventory",
    0x01: "quiet",
    0x02: "read blocks",
    0x03: "check EAS",
    0x04: "write blocks",
    0x05: "write block",
    0x06: "lock AFI",
    0x07: "write and lock block",
    0x08: "lock block",
    0x09: "write AFI",
    0x0A: "read AFI",
    0x0B: "write DSFID",
    0x0C: "set EAS",
    0x0D: "tag information",
    0x0F: "read DSFID",
    0x11: "version",
    0x13: "set-up",
    0x14: "raw command",
}
_ERRORS = {NO_TAG: "no tag", UNKNOWN_COMMAND: "unknown command", WRONG_PARAMETERS: "parameters"}


def crc(data: bytes) -> int:
    """Return the checksum of length and command: CRC-16/GENIBUS."""
    value = 0xFFFF
    for byte in data:
        value ^= byte << 8
        for _ in range(8):
            value = (value << 1 ^ 0x1021 if value & 0x8000 else value << 1) & 0xFFFF
    return value ^ 0xFFFF


def framed(payload: bytes, start: int = START) -> bytes:
    """Return a command or an answer as it goes over the line."""
    body = (len(payload) + 2).to_bytes(2, "big") + payload
    return bytes((start,)) + body + crc(body).to_bytes(2, "big")


class SimPad3M(SimPad):
    """A 3M pad 210 or 810 with the tags in its field.

    `tags_max` is how many tags it finds in one inventory; of more it says nothing, as the protocol
    has no word for it. `version` is major, minor and build.
    """

    settings = LineSettings(19_200)
    deaf_while_busy = True
    tags_max = 100
    version = (5, 0, 2)

    _last_inventory: bytes | None = None

    def _next_frame(self, buffer: bytearray) -> bytes | None:
        while buffer:
            if buffer[0] not in (START, START_OLD):
                del buffer[0]
                continue
            if len(buffer) < 3:
                return None
            length = int.from_bytes(buffer[1:3], "big")
            if not 3 <= length <= FRAME_BYTES_MAX - 3:
                del buffer[0]
                continue
            if len(buffer) < 3 + length:
                return None
            whole = bytes(buffer[: 3 + length])
            del buffer[: 3 + length]
            return whole
        return None

    def _answer(self, whole: bytes) -> bytes | None:
        body, checksum = whole[1:-2], whole[-2:]
        if crc(body) != int.from_bytes(checksum, "big"):
            return None
        payload = body[2:]
        if whole[0] == START_OLD:
            return framed(PROBE_ANSWER, START_OLD) if payload == PROBE else None
        answer = self._carry_out(payload)
        if payload[0] == 0xFE:
            self._last_inventory = answer
        return framed(answer)

    def _stuck_answer(self, whole: bytes) -> bytes | None:
        if whole[0] == START and whole[3] == 0xFE and self._last_inventory is not None:
            return framed(self._last_inventory)
        return None

    def _carry_out(self, payload: bytes) -> bytes:
        command, rest = payload[0], payload[1:]
        if payload == SETUP:
            return SETUP_ANSWER
        if command in _READER:
            return _READER[command](self, rest)
        if command not in _TAG:
            return bytes((command, UNKNOWN_COMMAND))
        uid, rest = rest[:UID_BYTES], rest[UID_BYTES:]
        if len(uid) < UID_BYTES:
            return bytes((command, WRONG_PARAMETERS))
        step = [rest[0]] if command in (0x02, 0x04) and rest else []
        try:
            tag = self.antenna.tag(uid.hex(), writing=command in _WRITING)
            return bytes((command, OK)) + uid + _TAG[command](self.antenna, tag, rest, step)
        except TagSilent:
            code = NO_TAG
        except TagRefused as refused:
            code = refused.code
        except (IndexError, ValueError):
            code = WRONG_PARAMETERS
        return bytes((command, code)) + uid + _where(command, step)

    def _inventory(self, rest: bytes) -> bytes:
        if len(rest) not in (2, 3):
            return bytes((0xFE, WRONG_PARAMETERS))
        afi, options = rest[0], rest[1]
        tags = self.antenna.inventory(afi)[: min(self.tags_max, 255)]
        found = bytearray((0xFE, OK, afi, options, len(tags)))
        for tag in tags:
            found += bytes((tag.dsfid,)) if options & DSFID else b""
            found += bytes.fromhex(self.antenna.uid_of(tag)) if options & UID else b""
        return bytes(found)

    def _version(self, rest: bytes) -> bytes:
        if rest:
            return bytes((0x11, WRONG_PARAMETERS))
        return bytes((0x11, OK, VENDOR, *self.version))

    def _raw(self, rest: bytes) -> bytes:
        if len(rest) < 6:
            return bytes((0x14, WRONG_PARAMETERS))
        sent, received, control = (int.from_bytes(rest[at : at + 2], "big") for at in (0, 2, 4))
        request = rest[7:] if control & 0x8000 else rest[6:]
        if len(request) != sent:
            return bytes((0x14, WRONG_PARAMETERS))
        try:
            answer = transceive(self.antenna, request)[: received or None]
        except TagSilent:
            return bytes((0x14, NO_TAG, 0, 0, 0))
        return bytes((0x14, OK, 0)) + len(answer).to_bytes(2, "big") + answer

    def _words(self, whole: bytes, *, to_host: bool) -> str:
        if len(whole) < 6 or whole[0] not in (START, START_OLD):
            return "half a frame"
        if crc(whole[1:-2]) != int.from_bytes(whole[-2:], "big"):
            return "wrong checksum"
        if whole[0] == START_OLD:
            return "hardware version" if to_host else "probe"
        return _answered(whole[3:-2]) if to_host else _asked(whole[3:-2])


def _asked(payload: bytes) -> str:
    command, rest = payload[0], payload[1:]
    name = COMMANDS.get(command, f"command {command:02x}")
    if command == 0xFE and rest:
        return f"{name}, AFI {rest[0]:02x}" if rest[0] else name
    if command not in _TAG or len(rest) < UID_BYTES:
        return name
    words = f"{name} of {rest[:UID_BYTES].hex()}"
    rest = rest[UID_BYTES:]
    if command in (0x02, 0x04) and len(rest) >= 2:
        return f"{words}: {rest[1]} from {rest[0]}"
    return f"{words}: {rest.hex()}" if rest else words


def _answered(payload: bytes) -> str:
    command = payload[0]
    name = COMMANDS.get(command, f"command {command:02x}")
    if len(payload) < 2 or payload[1] != OK:
        code = payload[1] if len(payload) > 1 else 0
        return f"{name}: error {code:02x}, {_ERRORS.get(code, 'refused by the tag')}"
    if command == 0xFE:
        count, each = payload[4], (payload[3] >> 1 & 1) + UID_BYTES * (payload[3] & 1)
        tags = [payload[5 + each * n : 5 + each * (n + 1)] for n in range(count)]
        return f"{count} tags" + (": " if tags else "") + ", ".join(t[-8:].hex() for t in tags)
    rest = payload[2 + UID_BYTES :] if command in _TAG else payload[2:]
    return f"{name}: {rest.hex()}" if rest else f"{name}: done"


def _where(command: int, step: list[int]) -> bytes:
    """Return the byte that two errors carry: blocks read (none), or the block that failed."""
    if command == 0x02:
        return b"\0"
    return bytes((step[0] & 0xFF,)) if command == 0x04 and step else b""


def _exactly(rest: bytes, length: int) -> bytes:
    if len(rest) != length:
        raise ValueError(f"{len(rest)} bytes, not {length}")
    return rest


def _four_byte_blocks(tag: SimTag) -> None:
    """Refuse a tag with other blocks: the protocol's frames have room for four bytes each."""
    if tag.block_bytes != BLOCK:
        raise TagRefused(NOT_SUPPORTED)


def _quiet(antenna: Antenna, tag: SimTag, rest: bytes, step: list[int]) -> bytes:
    _exactly(rest, 0)
    antenna.hush(tag)
    return b""


def _read_blocks(antenna: Antenna, tag: SimTag, rest: bytes, step: list[int]) -> bytes:
    """Return the blocks that the tag has of those asked for; none of them is an error."""
    options = rest[2] if len(rest) == 3 else 0
    first, count = _exactly(rest[:2], 2)
    _four_byte_blocks(tag)
    last = min(first + count, blocks_of(tag))
    if len(rest) > 3 or count == 0:
        raise ValueError("parameters")
    antenna.read(tag, first)
    found = bytearray()
    for block in range(first, last):
        lock = bytes((antenna.is_locked(tag, block),))
        if not options & NEW_STYLE:
            found += bytes((block,)) + lock
        elif options & WITH_LOCKS:
            found += lock
        found += antenna.read(tag, block)
    antenna.note(tag, "read")
    head = (first, last - first) if options & NEW_STYLE else (last - first,)
    return bytes(head) + bytes(found)


def _write_blocks(antenna: Antenna, tag: SimTag, rest: bytes, step: list[int]) -> bytes:
    first, count, content = rest[0], rest[1], rest[3:]
    _four_byte_blocks(tag)
    if count == 0 or len(content) != count * BLOCK:
        raise ValueError("parameters")
    for number in range(count):
        step[0] = first + number
        antenna.write(tag, step[0], content[number * BLOCK : (number + 1) * BLOCK])
    antenna.note(tag, "written")
    return bytes(((first + count) & 0xFF,))


def _write_block(antenna: Antenna, tag: SimTag, rest: bytes, step: list[int]) -> bytes:
    _exactly(rest, 1 + BLOCK)
    antenna.write(tag, rest[0], rest[1:])
    antenna.note(tag, "written")
    return b""


def _write_and_lock(antenna: Antenna, tag: SimTag, rest: bytes, step: list[int]) -> bytes:
    _write_block(antenna, tag, rest, step)
    antenna.lock(tag, rest[0])
    return b""


def _lock_block(antenna: Antenna, tag: SimTag, rest: bytes, step: list[int]) -> bytes:
    antenna.lock(tag, _exactly(rest, 1)[0])
    return b""


def _check_eas(antenna: Antenna, tag: SimTag, rest: bytes, step: list[int]) -> bytes:
    _exactly(rest, 0)
    return bytes((antenna.eas_of(tag),))


def _set_eas(antenna: Antenna, tag: SimTag, rest: bytes, step: list[int]) -> bytes:
    antenna.set_eas(tag, eas=bool(_exactly(rest, 1)[0]))
    return b""


def _lock_afi(antenna: Antenna, tag: SimTag, rest: bytes, step: list[int]) -> bytes:
    _exactly(rest, 0)
    antenna.lock_afi(tag)
    return b""


def _write_afi(antenna: Antenna, tag: SimTag, rest: bytes, step: list[int]) -> bytes:
    antenna.write_afi(tag, _exactly(rest, 1)[0])
    return b""


def _read_afi(antenna: Antenna, tag: SimTag, rest: bytes, step: list[int]) -> bytes:
    _exactly(rest, 0)
    return bytes((antenna.afi_of(tag),))


def _write_dsfid(antenna: Antenna, tag: SimTag, rest: bytes, step: list[int]) -> bytes:
    antenna.write_dsfid(tag, _exactly(rest, 1)[0])
    return b""


def _read_dsfid(antenna: Antenna, tag: SimTag, rest: bytes, step: list[int]) -> bytes:
    _exactly(rest, 0)
    return bytes((tag.dsfid,))


def _tag_information(antenna: Antenna, tag: SimTag, rest: bytes, step: list[int]) -> bytes:
    has = _exactly(rest, 1)[0] & 0x0F
    parts = (
        bytes((tag.dsfid,)),
        bytes((antenna.afi_of(tag),)),
        bytes((tag.block_bytes - 1, blocks_of(tag) - 1)),
        bytes((0, 1)),
    )
    return bytes((has,)) + b"".join(part for bit, part in enumerate(parts) if has >> bit & 1)


_READER: dict[int, Callable[[SimPad3M, bytes], bytes]] = {
    0xFE: SimPad3M._inventory,
    0x11: SimPad3M._version,
    0x14: SimPad3M._raw,
}
_TAG: dict[int, Callable[[Antenna, SimTag, bytes, list[int]], bytes]] = {
    0x01: _quiet,
    0x02: _read_blocks,
    0x03: _check_eas,
    0x04: _write_blocks,
    0x05: _write_block,
    0x06: _lock_afi,
    0x07: _write_and_lock,
    0x08: _lock_block,
    0x09: _write_afi,
    0x0A: _read_afi,
    0x0B: _write_dsfid,
    0x0C: _set_eas,
    0x0D: _tag_information,
    0x0F: _read_dsfid,
}
_WRITING = frozenset((0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0B, 0x0C))
