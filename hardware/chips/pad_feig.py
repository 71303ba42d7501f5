"""The language of Feig's OBID readers in ISO host mode, both ways. Portable: bytes in, bytes out.

    short   n | address | command [status] data … | CRC, 2 bytes, low first      n: 6 to 255
    long    02 | n, 2 bytes, high first | address | command [status] data … | CRC

n counts every byte, the CRC too, which is CRC-16/MCRF4XX (polynomial 8408 reflected, start FFFF)
over all before it. 38400 baud, 8E1. Address FF reaches any reader; a reader answers with its own.
Asked in a short frame it answers in one, or in a long one when the answer does not fit. Uids are
sent as they are printed, e0 first ("data will be sent always as MSB first"), and for the same
reason the bytes of a block are turned round.

Where each layout comes from, by the maker's manuals (page or chapter) unless another is named:
  PR101  ID ISC.MR/PR/PRH101, H60301-3e    MR200  ID ISC.MR200, H40801-5e
  LR200  ID ISC.LR200, H90692-16e          CPR30  ID CPR30.xx, H01114-0e
  Siemens RF290R configuration manual, an OBID reader under another name
  joostkamphuisnl/feig-driver (JavaScript), dpavlin/Biblio-RFID CPRM02.pm: code on real readers

  frames, CRC, line              PR101 p.17, CPR30 p.15, Siemens 7.5
  65  version                    PR101 p.50: status, revision 2, development, hardware, type,
                                 transponders 2
  63  CPU reset                  LR200 p.68
  69  RF reset                   PR101 p.53, Siemens 7.5: field off 15 ms, answered afterwards
  B0 01 mode                     PR101 p.59, MR200 p.88: 00 anew, 80 the rest after status 94;
                                 answer n, n × (type, DSFID, uid), type 03 is ISO 15693
  B0 2B 01 uid                   PR101 p.73, MR200 p.103: DSFID, uid, AFI, memory 2, chip
  B0 23 mode uid first n         PR101 p.63, LR200 p.90: n, size, n × (lock, block); mode 01
                                 addressed, 09 with locks
  B0 24 01 uid first n size …    PR101 p.65, LR200 p.92; errors tell the block
  B0 27 01 uid afi               PR101 p.69, LR200 p.96
  B1 04 A2|A3|A5 01 uid          PR101 p.80 and 90-92, LR200 p.118: NXP's EAS set, reset, alarm;
                                 alarm answers status 00 when set and 01 when not, or gone
  status                         PR101 p.121, MR102 p.144; 0B to 97 from feig-driver
  error after status 95          ISO/IEC 15693-3, 7.4.2

By default (CFG5, ONT = 1) an inventory lists a tag once, until it leaves or the field was off
(PR101 p.31 and 59): ask for an RF reset before each. There is no AFI filter in an inventory.

Not confirmed: the order of the two memory bytes (both are understood; Biblio-RFID takes the
second for the number of blocks), the turning round of a block by a printed example (Biblio-RFID
does it, bibbox-rfid detects it, the manuals' annex of examples is not public), and the layouts of
other types than 00, 01 and 03 in an inventory, which end the list as incomplete.
"""

from collections import namedtuple

from hardware.chips.crc import crc_low_first
from hardware.chips.pad_errors import (
    AnswerForeign,
    AnswerInvalid,
    BlockLocked,
    BlockMissing,
    CommandUnknown,
    PadFault,
    TagRefused,
    TagSilent,
)

TYPE_CHECKING = False

BAUDRATE = 38_400
PARITY = "E"
ANY_ADDRESS = 0xFF

BLOCKS_PER_FRAME = 16
"""Half of the 128 bytes that LR200 p.90 allows: the oldest readers have small buffers."""

_LONG = 0x02
_SHORT_MIN, _LONG_MIN = 6, 8
_LONG_MAX = 4_096
"""More than any answer to our questions; the protocol's own limit is 65,535."""

_VERSION, _CPU_RESET, _RF_RESET = 0x65, 0x63, 0x69
_ISO, _CUSTOM = 0xB0, 0xB1
_ANSWERED = (0x52, _CPU_RESET, _VERSION, 0x66, _RF_RESET, 0x6A, _ISO, _CUSTOM)
"""Commands a reader can answer to us; anything else in that place is noise."""

_INVENTORY, _SYSTEM, _READ, _WRITE, _WRITE_AFI = 0x01, 0x2B, 0x23, 0x24, 0x27
_NXP, _SET_EAS, _RESET_EAS, _EAS_ALARM = 0x04, 0xA2, 0xA3, 0xA5
_ADDRESSED, _WITH_LOCKS, _MORE = 0x01, 0x08, 0x80

_OK, _NO_TAG, _DATA_FALSE, _WRITE_ERROR, _ADDRESS_ERROR, _WRONG_TYPE = range(6)
_COLLISION = 0x0B
_UNKNOWN, _LENGTH, _NOT_AVAILABLE, _RF_ERROR, _RF_WARNING = 0x80, 0x81, 0x82, 0x83, 0x84
_MORE_DATA, _TAG_ERROR = 0x94, 0x95
_SILENT = (_NO_TAG, _DATA_FALSE, _WRITE_ERROR, _COLLISION, _RF_ERROR)
"""A write error too: too far away, noise, or a locked block, and only reading tells (annex D)."""
_UNHEARD_OF = (_UNKNOWN, _LENGTH, _NOT_AVAILABLE)

_NO_BLOCK, _LOCKED_ALREADY, _LOCKED, _NOT_PROGRAMMED = 0x10, 0x11, 0x12, 0x13

_ISO15693 = 0x03
_ENTRIES_ALIKE = (0x00, 0x01, _ISO15693)
"""Types whose entries have the same ten bytes: I-Code 1, Tag-it HF and ISO 15693."""
_UID_BYTES = 8
_UID_FIRST = 0xE0
"""Every ISO 15693 uid begins with it (ISO/IEC 15693-3, 4.1)."""
_ENTRY_BYTES = 2 + _UID_BYTES
_BLOCK_SIZES = (1, 2, 4, 8, 16, 32)

if TYPE_CHECKING:
    from typing import NamedTuple

    class Round(NamedTuple):
        """What one inventory answer lists: uids, whether that is all, whether to ask for more."""

        uids: list[bytes]
        complete: bool
        more: bool

    class System(NamedTuple):
        """What a tag says of itself; 0 blocks when it does not say how many."""

        dsfid: int
        afi: int
        block_bytes: int
        blocks: int

else:

    class Round(namedtuple("Round", ("uids", "complete", "more"))):
        """What one inventory answer lists: uids, whether that is all, whether to ask for more."""

    class System(namedtuple("System", ("dsfid", "afi", "block_bytes", "blocks"))):
        """What a tag says of itself; 0 blocks when it does not say how many."""


def frame(command: bytes, address: int = ANY_ADDRESS) -> bytes:
    """Return a command as it goes over the line, in the shortest frame that holds it."""
    length = 4 + len(command)
    if length <= 0xFF:
        head = bytes((length, address))
    else:
        head = bytes((_LONG, (length + 2) >> 8, (length + 2) & 0xFF, address))
    checksum = crc_low_first(head + command)
    return head + command + bytes((checksum & 0xFF, checksum >> 8))


class FrameParser:
    """Cuts answers out of a stream of bytes that comes in any pieces.

    Frames have no start byte: a place where length and command cannot be right is dropped and
    counted in `noise`, a frame with a wrong checksum in `broken`, and the search goes on behind
    its first byte. An answer is handed out from its address on, without the checksum.
    """

    def __init__(self) -> None:
        self.noise = 0
        self.broken = 0
        self._buffer = b""

    def feed(self, data: bytes) -> None:
        """Take in what has arrived."""
        self._buffer += bytes(data)

    def take(self) -> "bytes | None":
        """Return the next whole answer, None while there is none."""
        while True:
            self._drop_noise()
            if self.wanted:
                return None
            end, head = self._length(), 3 if self._buffer[0] == _LONG else 1
            whole, rest = self._buffer[:end], self._buffer[end:]
            if crc_low_first(whole[:-2]) == whole[-2] | whole[-1] << 8:
                self._buffer = rest
                return whole[head:-2]
            self.broken += 1
            self._buffer = self._buffer[1:]

    @property
    def wanted(self) -> int:
        """How many bytes must come before there can be a whole answer: 0 when it may be there."""
        return max(0, self._length() - len(self._buffer))

    @property
    def pending(self) -> int:
        """How many bytes of an unfinished answer are held."""
        return len(self._buffer)

    def _length(self) -> int:
        """Return how long the frame is that begins the buffer, as far as it tells."""
        if not self._buffer:
            return _SHORT_MIN
        if self._buffer[0] != _LONG:
            return self._buffer[0]
        return _LONG_MIN if len(self._buffer) < 3 else self._buffer[1] << 8 | self._buffer[2]

    def _drop_noise(self) -> None:
        while self._buffer and not self._may_begin():
            self._buffer = self._buffer[1:]
            self.noise += 1

    def _may_begin(self) -> bool:
        head, at = self._buffer, 4 if self._buffer[0] == _LONG else 2
        if head[0] == _LONG:
            if not _LONG_MIN <= self._length() <= _LONG_MAX:
                return False
        elif head[0] < _SHORT_MIN:
            return False
        return len(head) <= at or head[at] in _ANSWERED


def ask_version(address: int = ANY_ADDRESS) -> bytes:
    """Return the question for the software's version."""
    return frame(bytes((_VERSION,)), address)


def version(answer: bytes) -> str:
    """Return the revision, and the type of reader in hex, such as "2.7 type 21"."""
    rest = _checked(answer, _VERSION)
    if len(rest) != 7:
        raise AnswerInvalid(f"a version of {len(rest)} bytes, not 7")
    return f"{rest[0]}.{rest[1]} type {rest[4]:02x}"


def ask_cpu_reset(address: int = ANY_ADDRESS) -> bytes:
    """Return the order to start the reader anew; it is silent for some seconds afterwards."""
    return frame(bytes((_CPU_RESET,)), address)


def ask_rf_reset(address: int = ANY_ADDRESS) -> bytes:
    """Return the order to switch the field off and on, so that every tag answers again."""
    return frame(bytes((_RF_RESET,)), address)


def rf_was_reset(answer: bytes) -> None:
    """Return if the field was switched off and on."""
    _nothing(_checked(answer, _RF_RESET))


def ask_inventory(more: bool = False, address: int = ANY_ADDRESS) -> bytes:
    """Return the question for the uids in the field, or for those the answer before left out."""
    return frame(bytes((_ISO, _INVENTORY, _MORE if more else 0)), address)


def inventory(answer: bytes) -> Round:
    """Return what an inventory lists; without a tag that is nothing, and complete.

    It is not complete when tags collided, when one is of a type whose layout is not known here,
    and when a uid is none of ISO 15693.
    """
    status, rest = _parts(answer, _ISO)
    if status == _NO_TAG:
        _nothing(rest)
        return Round([], True, False)
    if status in (_DATA_FALSE, _COLLISION) or (status == _RF_ERROR and not rest):
        return Round([], False, False)
    if status not in (_OK, _RF_ERROR, _RF_WARNING, _MORE_DATA):
        _refuse(status, rest)
    uids, complete = _entries(rest)
    return Round(uids, complete and status != _RF_ERROR, status == _MORE_DATA)


def ask_system(uid: bytes, address: int = ANY_ADDRESS) -> bytes:
    """Return the question for what a tag says of itself: DSFID, AFI, memory."""
    return frame(bytes((_ISO, _SYSTEM, _ADDRESSED)) + _uid(uid), address)


def system(answer: bytes, uid: bytes) -> System:
    """Return what the tag says of itself; the answer names it, so it is sure to be this one."""
    rest = _checked(answer, _ISO)
    if len(rest) != 13 or rest[1:9] != uid:
        raise AnswerForeign("an answer about another tag, or to another question")
    size, count = rest[10] + 1, rest[11] + 1
    if size not in _BLOCK_SIZES and count in _BLOCK_SIZES:
        size, count = count, size
    if rest[10:12] == b"\x00\x00":
        size, count = 4, 0
    return System(rest[0], rest[9], size, count)


def ask_read(
    uid: bytes, first: int, count: int, locks: bool = False, address: int = ANY_ADDRESS
) -> bytes:
    """Return the question for `count` of the tag's own blocks from `first`: 1 to 255 of them.

    `locks`: also ask which are locked; some old tags do not answer that.
    """
    if not 1 <= count <= 255:
        raise ValueError(f"count {count}: must be 1 to 255")
    mode = _ADDRESSED | _WITH_LOCKS if locks else _ADDRESSED
    place = bytes((_byte("block", first), count))
    return frame(bytes((_ISO, _READ, mode)) + _uid(uid) + place, address)


def blocks(answer: bytes, count: int, size: int) -> "list[tuple[bytes, bool]]":
    """Return each block's bytes in the tag's own order, and whether it is locked.

    The answer names neither tag nor block: ask something that does in between.
    """
    rest = _checked(answer, _ISO)
    if rest[:2] != bytes((count, size)) or len(rest) != 2 + count * (size + 1):
        raise AnswerForeign("other blocks than those asked for")
    found = []
    for number in range(count):
        start = 2 + number * (size + 1)
        found.append((_turned(rest[start + 1 : start + 1 + size]), rest[start] & 1 == 1))
    return found


def ask_write(
    uid: bytes, first: int, data: bytes, size: int = 4, address: int = ANY_ADDRESS
) -> bytes:
    """Return the order to write whole blocks of `size` bytes from the tag's block `first`."""
    count = len(data) // size
    if len(data) % size or not 1 <= count <= 255:
        raise ValueError(f"{len(data)} bytes: must be 1 to 255 blocks of {size}")
    turned = b"".join([_turned(data[at : at + size]) for at in range(0, len(data), size)])
    head = bytes((_byte("block", first), count, size))
    return frame(bytes((_ISO, _WRITE, _ADDRESSED)) + _uid(uid) + head + turned, address)


def ask_write_afi(uid: bytes, value: int, address: int = ANY_ADDRESS) -> bytes:
    """Return the order to write a tag's AFI."""
    order = bytes((_ISO, _WRITE_AFI, _ADDRESSED)) + _uid(uid)
    return frame(order + bytes((_byte("AFI", value),)), address)


def written(answer: bytes) -> None:
    """Return if the reader says that blocks or the AFI were written; reading back proves it."""
    _nothing(_checked(answer, _ISO))


def ask_write_eas(uid: bytes, value: bool, address: int = ANY_ADDRESS) -> bytes:
    """Return the order to set or reset the EAS bit of an NXP tag."""
    order = _SET_EAS if value else _RESET_EAS
    return frame(bytes((_CUSTOM, _NXP, order, _ADDRESSED)) + _uid(uid), address)


def ask_eas(uid: bytes, address: int = ANY_ADDRESS) -> bytes:
    """Return the order that lets an NXP tag with its EAS bit set raise its alarm."""
    return frame(bytes((_CUSTOM, _NXP, _EAS_ALARM, _ADDRESSED)) + _uid(uid), address)


def eas(answer: bytes) -> bool:
    """Return whether an alarm was heard. Silence is a clear bit, or a tag that is gone."""
    status, rest = _parts(answer, _CUSTOM)
    if status == _NO_TAG:
        _nothing(rest)
        return False
    if status != _OK:
        _refuse(status, rest)
    return True


def eas_written(answer: bytes) -> None:
    """Return if the reader says that the EAS bit was written."""
    _nothing(_checked(answer, _CUSTOM))


def _parts(answer: bytes, command: int) -> "tuple[int, bytes]":
    """Return status and data of an answer to this command."""
    if len(answer) < 3:
        raise AnswerInvalid(f"an answer of {len(answer)} bytes")
    if answer[1] != command:
        raise AnswerForeign(f"an answer to command {answer[1]:02x}, not {command:02x}")
    return answer[2], answer[3:]


def _checked(answer: bytes, command: int) -> bytes:
    """Return the data of an answer whose status is good."""
    status, rest = _parts(answer, command)
    if status not in (_OK, _RF_WARNING):
        _refuse(status, rest)
    return rest


def _refuse(status: int, rest: bytes) -> None:
    """Raise what a status means (PR101, annex D)."""
    if status in _SILENT:
        raise TagSilent(f"status {status:02x}: no tag of that uid answered")
    if status == _ADDRESS_ERROR:
        raise BlockMissing("status 04: the tag has no such block", status)
    if status == _WRONG_TYPE:
        raise TagRefused("status 05: not with this tag", status)
    if status in _UNHEARD_OF:
        raise CommandUnknown(f"status {status:02x}: not a command for this reader, or its mode")
    if status == _TAG_ERROR and rest:
        _refuse_as_tag(rest[0])
    if status == _MORE_DATA or (status == _TAG_ERROR and not rest):
        raise AnswerForeign(f"status {status:02x} does not answer this question")
    raise PadFault(f"status {status:02x}")


def _refuse_as_tag(code: int) -> None:
    """Raise what a tag's own error means (ISO/IEC 15693-3, 7.4.2)."""
    if code == _NO_BLOCK:
        raise BlockMissing("the tag has no such block", code)
    if code in (_LOCKED_ALREADY, _LOCKED):
        raise BlockLocked("the tag says it is locked", code)
    if code == _NOT_PROGRAMMED:
        raise TagSilent("the tag had too little power to write")
    raise TagRefused(f"the tag's error {code:02x}", code)


def _entries(rest: bytes) -> "tuple[list[bytes], bool]":
    """Return the uids of an inventory and whether every entry was understood."""
    if not rest or len(rest) < 1 + rest[0] * _ENTRY_BYTES:  # no known entry is shorter
        raise AnswerForeign("an inventory with fewer tags than announced")
    uids: list[bytes] = []
    complete, at = True, 1
    for _ in range(rest[0]):
        if rest[at] not in _ENTRIES_ALIKE:
            return uids, False  # where the next entry begins is not known
        entry = rest[at : at + _ENTRY_BYTES]
        at += _ENTRY_BYTES
        if entry[0] != _ISO15693:
            continue
        if entry[2] == _UID_FIRST:
            uids.append(entry[2:])
        else:
            complete = False
    if at != len(rest):
        raise AnswerForeign("an inventory with more tags than announced")
    return uids, complete


def _turned(block: bytes) -> bytes:
    return bytes([block[len(block) - 1 - at] for at in range(len(block))])


def _nothing(rest: bytes) -> None:
    if rest:
        raise AnswerForeign(f"{len(rest)} bytes where none were asked for")


def _uid(uid: bytes) -> bytes:
    if len(uid) != _UID_BYTES:
        raise ValueError(f"a uid has {_UID_BYTES} bytes, not {len(uid)}")
    return bytes(uid)


def _byte(name: str, value: int) -> int:
    if not 0 <= value <= 255:
        raise ValueError(f"{name} {value}: must be 0 to 255")
    return value
