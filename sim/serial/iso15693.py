"""ISO/IEC 15693-3 over the air, byte for byte: what a pad's 'raw command' reaches.

A request is `flags command [manufacturer] [uid, lowest byte first] parameters`, without the CRC of
the air, which the pads add and check themselves; the answer is `flags …` likewise.
"""

from collections.abc import Callable

from sim.serial.antenna import (
    NOT_RECOGNISED,
    NOT_SUPPORTED,
    NXP,
    UNKNOWN_ERROR,
    Antenna,
    TagRefused,
    TagSilent,
    blocks_of,
)
from sim.tags import SimTag

# ISO/IEC 15693-3, 7.3.1: bits of the request's flags
INVENTORY = 0x04
SELECT = 0x10  # without INVENTORY
HAS_AFI = 0x10  # with INVENTORY
ADDRESS = 0x20
OPTION = 0x40
ERROR = 0x01  # of the answer's flags

_CUSTOM = range(0xA0, 0xE0)
_EAS_SEQUENCE = bytes.fromhex("2fb36270d5a7907fe8b18038d281497682da9a866faf8bb0f19cd112a57237ef")
"""The 256 bits that an ICODE tag answers to EAS Alarm (SL2S2002 data sheet, EAS alarm)."""


def transceive(antenna: Antenna, request: bytes) -> bytes:
    """Return the answer of the one tag that answers; raises `TagSilent` when none does.

    Two answers at once collide, and nothing is understood. An error is an answer too.
    """
    if len(request) < 2:
        raise TagSilent("no command")
    flags, command = request[0], request[1]
    if flags & INVENTORY:
        return _inventory(antenna, flags, request[2:]) if command == 0x01 else _silence()
    if command in _CUSTOM:
        if len(request) < 3 or request[2] != NXP:
            raise TagSilent("another maker's command")
        rest = request[3:]
    else:
        rest = request[2:]
    addressed = bool(flags & ADDRESS)
    if command == 0xA5:
        uid = rest[7::-1].hex() if addressed and len(rest) == 8 else None
        return b"\0" + _EAS_SEQUENCE if antenna.eas_alarm(uid) else _silence()
    tag, rest = _addressed(antenna, addressed, rest, writing=command in _WRITING)
    try:
        if command not in _COMMANDS:
            raise TagRefused(NOT_SUPPORTED)
        return b"\0" + _COMMANDS[command](antenna, tag, rest, bool(flags & OPTION))
    except TagRefused as refused:
        return bytes((ERROR, refused.code))
    except (IndexError, ValueError):
        return bytes((ERROR, NOT_RECOGNISED))


def _silence() -> bytes:
    raise TagSilent("nobody answers")


def _inventory(antenna: Antenna, flags: int, rest: bytes) -> bytes:
    """Answer one slot; the mask is compared from the uid's lowest bit (8.1)."""
    afi = rest[0] if flags & HAS_AFI and rest else 0
    rest = rest[1:] if flags & HAS_AFI else rest
    bits = rest[0] if rest else 0
    mask = int.from_bytes(rest[1 : 1 + (bits + 7) // 8], "little") & ((1 << bits) - 1)
    tags = [
        tag
        for tag in antenna.inventory(afi)
        if int(antenna.uid_of(tag), 16) & ((1 << bits) - 1) == mask
    ]
    if len(tags) != 1:
        raise TagSilent(f"{len(tags)} tags")
    return bytes((0, tags[0].dsfid)) + bytes.fromhex(antenna.uid_of(tags[0]))[::-1]


def _addressed(
    antenna: Antenna, addressed: bool, rest: bytes, *, writing: bool
) -> tuple[SimTag, bytes]:
    if not addressed:
        return antenna.only(writing=writing), rest
    if len(rest) < 8:
        raise TagSilent("half a uid")
    return antenna.tag(rest[7::-1].hex(), writing=writing), rest[8:]


def _quiet(antenna: Antenna, tag: SimTag, rest: bytes, option: bool) -> bytes:
    antenna.hush(tag)
    raise TagSilent("stay quiet has no answer")


def _read_single(antenna: Antenna, tag: SimTag, rest: bytes, option: bool) -> bytes:
    block = antenna.read(tag, rest[0])
    return (bytes((antenna.is_locked(tag, rest[0]),)) if option else b"") + block


def _read_multiple(antenna: Antenna, tag: SimTag, rest: bytes, option: bool) -> bytes:
    first, count = rest[0], rest[1] + 1
    return b"".join(
        _read_single(antenna, tag, bytes((block,)), option)
        for block in range(first, min(first + count, 256))
    )


def _write_single(antenna: Antenna, tag: SimTag, rest: bytes, option: bool) -> bytes:
    antenna.write(tag, rest[0], rest[1:])
    antenna.note(tag, "written")
    return b""


def _lock_block(antenna: Antenna, tag: SimTag, rest: bytes, option: bool) -> bytes:
    antenna.lock(tag, rest[0])
    return b""


def _reset_to_ready(antenna: Antenna, tag: SimTag, rest: bytes, option: bool) -> bytes:
    antenna.wake(tag)
    return b""


def _write_afi(antenna: Antenna, tag: SimTag, rest: bytes, option: bool) -> bytes:
    antenna.write_afi(tag, rest[0])
    return b""


def _lock_afi(antenna: Antenna, tag: SimTag, rest: bytes, option: bool) -> bytes:
    antenna.lock_afi(tag)
    return b""


def _write_dsfid(antenna: Antenna, tag: SimTag, rest: bytes, option: bool) -> bytes:
    antenna.write_dsfid(tag, rest[0])
    return b""


def _system_information(antenna: Antenna, tag: SimTag, rest: bytes, option: bool) -> bytes:
    """Return the flags for all four fields, the uid, DSFID, AFI, memory size, IC reference."""
    uid = bytes.fromhex(antenna.uid_of(tag))[::-1]
    size = (blocks_of(tag) - 1, tag.block_bytes - 1)
    return bytes((0x0F, *uid, tag.dsfid, antenna.afi_of(tag), *size, 0x01))


def _security_status(antenna: Antenna, tag: SimTag, rest: bytes, option: bool) -> bytes:
    first, count = rest[0], rest[1] + 1
    if first + count > blocks_of(tag):
        raise TagRefused(UNKNOWN_ERROR)
    return bytes(antenna.is_locked(tag, block) for block in range(first, first + count))


def _set_eas(antenna: Antenna, tag: SimTag, rest: bytes, option: bool) -> bytes:
    antenna.set_eas(tag, eas=True)
    return b""


def _reset_eas(antenna: Antenna, tag: SimTag, rest: bytes, option: bool) -> bytes:
    antenna.set_eas(tag, eas=False)
    return b""


_COMMANDS: dict[int, Callable[[Antenna, SimTag, bytes, bool], bytes]] = {
    0x02: _quiet,
    0x20: _read_single,
    0x21: _write_single,
    0x22: _lock_block,
    0x23: _read_multiple,
    0x26: _reset_to_ready,
    0x27: _write_afi,
    0x28: _lock_afi,
    0x29: _write_dsfid,
    0x2B: _system_information,
    0x2C: _security_status,
    0xA2: _set_eas,
    0xA3: _reset_eas,
}
_WRITING = frozenset((0x21, 0x22, 0x27, 0x28, 0x29, 0xA2, 0xA3))
