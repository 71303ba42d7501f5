"""The device side of Feig's OBID readers (ISO 15693): CPR pads, MR/PR/LR readers and gates.

Frames, commands and their sources are in `sim/serial/obid.py`.
"""

from collections.abc import Callable
from typing import Any

from hardware.ports import Clock
from sim.serial.antenna import NXP, TagRefused, TagSilent, blocks_of
from sim.serial.iso15693 import transceive
from sim.serial.line import LineSettings
from sim.serial.obid import (
    ANY_ADDRESS,
    BLOCK_BYTES_MAX,
    ISO15693_TYPE,
    ISO_ERROR,
    LENGTH_ERROR,
    MORE_DATA,
    NO_TRANSPONDER,
    OK,
    PARAMETER_RANGE,
    STX,
    UID_BYTES,
    UNKNOWN_COMMAND,
    WRITE_ERROR,
    WRONG_TYPE,
    Request,
    StatusError,
    answered,
    asked,
    crc,
    framed,
    opened,
)
from sim.serial.pad import SimPad
from sim.tags import SimTag

RADIO_RESET_MS = 15
"""How long the field is off (H60301-3e, 5.6)."""


class SimPadFeig(SimPad):
    """A Feig OBID pad or gate reader with the tags in its field.

    `address` is its own on a bus, 0 to 254. It lists at most `sets_max` tags an answer, and the
    rest when asked for more. `lists_once` is how readers are delivered: a tag that was listed is
    quiet until it was away or the field was off. `reverses_blocks` is what the manuals say; some
    library hardware is set up otherwise. `software` is the version as it goes over the line:
    revision, development, hardware, type, transponders.
    """

    settings = LineSettings(38_400, "E")
    software = bytes.fromhex("03030044530d30")
    receive_bytes_max = 300
    send_bytes_max = 300

    def __init__(
        self,
        clock: Clock,
        *,
        address: int = 0,
        sets_max: int = 24,
        lists_once: bool = True,
        reverses_blocks: bool = True,
        **pad: Any,
    ) -> None:
        super().__init__(clock, **pad)
        self.address = address
        self.sets_max = sets_max
        self.lists_once = lists_once
        self.reverses_blocks = reverses_blocks
        self._radio_on = True
        self._selected: str | None = None
        self._unsent: list[bytes] = []
        self._last_inventory: bytes | None = None
        self._asked = ""

    def _next_frame(self, buffer: bytearray) -> bytes | None:
        while buffer:
            if buffer[0] == STX:
                if len(buffer) < 3:
                    return None
                length, least = int.from_bytes(buffer[1:3], "big"), 7
            else:
                length, least = buffer[0], 5
            if length < least or length > 2 * self.receive_bytes_max:
                del buffer[0]
                continue
            if len(buffer) < length:
                return None
            whole = bytes(buffer[:length])
            del buffer[:length]
            return whole
        return None

    def _answer(self, whole: bytes) -> bytes | None:
        if crc(whole[:-2]) != int.from_bytes(whole[-2:], "little"):
            return None
        advanced = whole[0] == STX
        address, content = opened(whole)
        if address not in (ANY_ADDRESS, self.address):
            return None
        try:
            if len(whole) > self.receive_bytes_max:
                raise StatusError(LENGTH_ERROR)
            status, found = self._carry_out(content)
        except StatusError as error:
            status, found = error.status, error.found
        answer = bytes((content[0], status)) + found
        framed_answer = framed(self.address, answer, advanced=advanced)
        if content[:2] == b"\xb0\x01":
            self._last_inventory = framed_answer
        return framed_answer

    def _stuck_answer(self, whole: bytes) -> bytes | None:
        asked = crc(whole[:-2]) == int.from_bytes(whole[-2:], "little") and opened(whole)[1][:2]
        return self._last_inventory if asked == b"\xb0\x01" else None

    def _carry_out(self, content: bytes) -> tuple[int, bytes]:
        command, request = content[0], Request(content[1:])
        if command in _READER:
            return _READER[command](self, request)
        if command not in (0xB0, 0xB1):
            raise StatusError(UNKNOWN_COMMAND)
        if command == 0xB1 and request.byte() != NXP:
            raise StatusError(WRONG_TYPE)
        sub = request.byte()
        if (command, sub) == (0xB0, 0x01):
            return self._inventory(request)
        step = [0]
        try:
            if (command, sub) == (0xB1, 0xA5):
                return self._eas_alarm(request)
            if (command, sub) not in _TAG:
                raise StatusError(UNKNOWN_COMMAND)
            mode = request.byte()
            tag = self._addressed(mode, request, writing=sub in _WRITING)
            return OK, _TAG[command, sub](self, tag, request, mode, step)
        except TagSilent:
            if sub in (0x22, 0x24) and step[0] > 0:
                raise StatusError(WRITE_ERROR, bytes((step[1],))) from None
            raise StatusError(NO_TRANSPONDER) from None
        except TagRefused as refused:
            where = bytes(step[1:]) if sub in (0x22, 0x24) else b""
            raise StatusError(ISO_ERROR, bytes((refused.code,)) + where) from None

    # Commands of the reader itself

    def _baud_rate_test(self, request: Request) -> tuple[int, bytes]:
        request.take()
        request.end()
        return OK, b""

    def _version(self, request: Request) -> tuple[int, bytes]:
        request.end()
        return OK, self.software

    def _information(self, request: Request) -> tuple[int, bytes]:
        mode = request.byte()
        request.end()
        if mode != 0x00:
            raise StatusError(PARAMETER_RANGE)
        buffers = (self.receive_bytes_max, self.send_bytes_max)
        return OK, self.software + b"".join(size.to_bytes(2, "big") for size in buffers)

    def _radio_reset(self, request: Request) -> tuple[int, bytes]:
        request.end()
        self._reset()
        self._work_ms = RADIO_RESET_MS
        return OK, b""

    def _cpu_reset(self, request: Request) -> tuple[int, bytes]:
        request.end()
        self._reset()
        self._ready_at_ms = self.clock.now_ms() + self.boot_ms
        return OK, b""

    def _radio(self, request: Request) -> tuple[int, bytes]:
        self._radio_on = bool(request.byte())
        request.end()
        self.antenna.reset()
        return OK, b""

    def _raw(self, request: Request) -> tuple[int, bytes]:
        mode, _length, _reserved = request.byte(), request.byte(), request.take(2)
        if mode & 0x0F in (3, 4, 5):
            request.take(2)
        try:
            answer = transceive(self.antenna, request.rest)
        except TagSilent:
            raise StatusError(NO_TRANSPONDER) from None
        return OK, answer + (crc(answer) ^ 0xFFFF).to_bytes(2, "little")

    # Inventory

    def _inventory(self, request: Request) -> tuple[int, bytes]:
        mode = request.byte()
        request.end()
        if mode & ~0x80:
            raise StatusError(PARAMETER_RANGE)
        if not mode & 0x80:
            if not self.lists_once:
                self.antenna.reset()
            tags = self.antenna.inventory() if self._radio_on else []
            for tag in tags:
                self.antenna.hush(tag)
            self._unsent = [
                bytes((ISO15693_TYPE, tag.dsfid)) + bytes.fromhex(self.antenna.uid_of(tag))
                for tag in tags
            ]
        now, self._unsent = self._unsent[: self.sets_max], self._unsent[self.sets_max :]
        if not now:
            raise StatusError(NO_TRANSPONDER)
        return (MORE_DATA if self._unsent else OK), bytes((len(now),)) + b"".join(now)

    def _eas_alarm(self, request: Request) -> tuple[int, bytes]:
        mode = request.byte()
        uid = request.take(UID_BYTES).hex() if mode == 1 else None
        request.end()
        if mode not in (0, 1, 2):
            raise StatusError(PARAMETER_RANGE)
        if not self._radio_on or not self.antenna.eas_alarm(self._selected if mode == 2 else uid):
            raise StatusError(NO_TRANSPONDER)
        return OK, b""

    def _addressed(self, mode: int, request: Request, *, writing: bool) -> SimTag:
        """Return the tag that a mode and a uid mean."""
        how = mode & 0x07
        if how > 2 or mode & ~0x0F:
            raise StatusError(PARAMETER_RANGE)
        uid = request.take(UID_BYTES).hex() if how == 1 else self._selected
        if not self._radio_on or (how == 2 and uid is None):
            raise TagSilent("nobody is selected")
        if how == 0:
            return self.antenna.only(writing=writing)
        return self.antenna.tag(str(uid), writing=writing)

    def _reset(self) -> None:
        super()._reset()
        self._radio_on, self._selected, self._unsent = True, None, []

    def turned(self, block: bytes) -> bytes:
        """Return the bytes of a block in the order of the line."""
        return block[::-1] if self.reverses_blocks else block

    def _words(self, whole: bytes, *, to_host: bool) -> str:
        if len(whole) < 5 or crc(whole[:-2]) != int.from_bytes(whole[-2:], "little"):
            return "wrong checksum or half a frame"
        content = opened(whole)[1]
        if to_host:
            return answered(content, self._asked or "answer")
        self._asked, words = asked(content)
        return words


def _span(tag: SimTag, request: Request) -> range:
    """Return the blocks that `first n` name; raises when there are none or too many."""
    first, count = request.take(2)
    if count == 0 or count * tag.block_bytes > BLOCK_BYTES_MAX:
        raise StatusError(PARAMETER_RANGE)
    return range(first, first + count)


Step = list[int]
"""How many blocks are done, then the number of the one that failed, for the error's answer."""


def _quiet(pad: SimPadFeig, tag: SimTag, request: Request, mode: int, step: Step) -> bytes:
    request.end()
    pad.antenna.hush(tag)
    return b""


def _select(pad: SimPadFeig, tag: SimTag, request: Request, mode: int, step: Step) -> bytes:
    request.end()
    pad._selected = pad.antenna.uid_of(tag)
    return b""


def _ready(pad: SimPadFeig, tag: SimTag, request: Request, mode: int, step: Step) -> bytes:
    request.end()
    pad.antenna.wake(tag)
    pad._selected = None
    return b""


def _lock_blocks(pad: SimPadFeig, tag: SimTag, request: Request, mode: int, step: Step) -> bytes:
    span = _span(tag, request)
    request.end()
    for number, block in enumerate(span):
        step[:] = [number, block & 0xFF]
        pad.antenna.lock(tag, block)
    return b""


def _read_blocks(pad: SimPadFeig, tag: SimTag, request: Request, mode: int, step: Step) -> bytes:
    span = _span(tag, request)
    request.end()
    found = bytearray((len(span), tag.block_bytes))
    for block in span:
        content = pad.antenna.read(tag, block)
        found.append(bool(mode & 0x08) and pad.antenna.is_locked(tag, block))
        found += pad.turned(content)
    pad.antenna.note(tag, "read")
    return bytes(found)


def _write_blocks(pad: SimPadFeig, tag: SimTag, request: Request, mode: int, step: Step) -> bytes:
    span, size = _span(tag, request), request.byte()
    content = request.take(len(span) * size)
    request.end()
    for number, block in enumerate(span):
        step[:] = [number, block & 0xFF]
        pad.antenna.write(tag, block, pad.turned(content[number * size : (number + 1) * size]))
    pad.antenna.note(tag, "written")
    return b""


def _write_afi(pad: SimPadFeig, tag: SimTag, request: Request, mode: int, step: Step) -> bytes:
    afi = request.byte()
    request.end()
    pad.antenna.write_afi(tag, afi)
    return b""


def _lock_afi(pad: SimPadFeig, tag: SimTag, request: Request, mode: int, step: Step) -> bytes:
    request.end()
    pad.antenna.lock_afi(tag)
    return b""


def _write_dsfid(pad: SimPadFeig, tag: SimTag, request: Request, mode: int, step: Step) -> bytes:
    dsfid = request.byte()
    request.end()
    pad.antenna.write_dsfid(tag, dsfid)
    return b""


def _system(pad: SimPadFeig, tag: SimTag, request: Request, mode: int, step: Step) -> bytes:
    request.end()
    uid = bytes.fromhex(pad.antenna.uid_of(tag))
    size = (tag.block_bytes - 1, blocks_of(tag) - 1)
    return bytes((tag.dsfid, *uid, pad.antenna.afi_of(tag), *size, 0x01))


def _locks(pad: SimPadFeig, tag: SimTag, request: Request, mode: int, step: Step) -> bytes:
    span = _span(tag, request)
    request.end()
    for block in span:
        pad.antenna.read(tag, block)
    return bytes((len(span), *(pad.antenna.is_locked(tag, block) for block in span)))


def _set_eas(pad: SimPadFeig, tag: SimTag, request: Request, mode: int, step: Step) -> bytes:
    request.end()
    pad.antenna.set_eas(tag, eas=True)
    return b""


def _clear_eas(pad: SimPadFeig, tag: SimTag, request: Request, mode: int, step: Step) -> bytes:
    request.end()
    pad.antenna.set_eas(tag, eas=False)
    return b""


_READER: dict[int, Callable[[SimPadFeig, Request], tuple[int, bytes]]] = {
    0x52: SimPadFeig._baud_rate_test,
    0x63: SimPadFeig._cpu_reset,
    0x65: SimPadFeig._version,
    0x66: SimPadFeig._information,
    0x69: SimPadFeig._radio_reset,
    0x6A: SimPadFeig._radio,
    0xBF: SimPadFeig._raw,
}
_TAG: dict[tuple[int, int], Callable[[SimPadFeig, SimTag, Request, int, Step], bytes]] = {
    (0xB0, 0x02): _quiet,
    (0xB0, 0x22): _lock_blocks,
    (0xB0, 0x23): _read_blocks,
    (0xB0, 0x24): _write_blocks,
    (0xB0, 0x25): _select,
    (0xB0, 0x26): _ready,
    (0xB0, 0x27): _write_afi,
    (0xB0, 0x28): _lock_afi,
    (0xB0, 0x29): _write_dsfid,
    (0xB0, 0x2B): _system,
    (0xB0, 0x2C): _locks,
    (0xB1, 0xA2): _set_eas,
    (0xB1, 0xA3): _clear_eas,
}
_WRITING = frozenset((0x22, 0x24, 0x27, 0x28, 0x29, 0xA2, 0xA3))
