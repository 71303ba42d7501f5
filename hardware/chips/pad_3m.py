"""The language of the 3M pads 210 and 810 (ISO 15693), both ways. Portable: bytes in, bytes out.

    D6 | length, 2 bytes, high first | command … | CRC, 2 bytes, high first

The length counts everything after itself. The CRC is CRC-16/GENIBUS (polynomial 1021, start FFFF,
inverted at the end) over length and command. 19200 baud, 8N1. Answers repeat the command, then an
error byte (00 is none), and for one tag its uid. Uids are sent as they are printed, e0 first.

Where each layout comes from:
  [R] frames recorded from real pads 810, firmware 10.5.0.2, in dpavlin/Biblio-RFID
      (scripts/3m-810.pl, Reader/3M810.pm) and dpavlin/koha-rfid-3m810-js (live-capture.txt)
  [S] 3M, RFID Reader Model 210 Protocol Specification 1.0.0 (June 2009): 1.1, 2 and the table of
      contents, and its fields as a third program's data classes carry them
  [B] BIOS9/LibraryStockScanner (C#): the same frames and CRCs, for the TTS810

    D5 0005 040011              D5 0009 040011 vendor major minor build      version      [R][S][B]
    FE afi options              FE 00 afi options n, n × uid                 inventory    [R][S][B]
    02 uid first n              02 00 uid n, n × (block, lock, 4 bytes)      read blocks  [R][S]
    04 uid first n 00 data      04 00 uid next                               write blocks [R][S]
    0A uid                      0A 00 uid afi                                read AFI     [R][S]
    09 uid afi                  09 00 uid                                    write AFI    [R][S]
    03 uid                      03 00 uid eas                                read EAS     [S]
    0C uid eas                  0C 00 uid                                    write EAS    [S]
    0F uid                      0F 00 uid dsfid                              read DSFID   [S]

Of the inventory's options 01 asks for uids and 02 for DSFIDs [S]; 04 is in every recording, and
what it means is not public. Error 06 is a tag that does not answer [R]; the other numbers are in
an appendix nobody has published, so each is taken for a refusal. `next` after a write is the block
after the last one written [S]; all recordings begin at block 0, where it equals the count.
Not confirmed by anybody: which errors a locked block and a missing block give. Left out: 11
(version, the probe says the same), 0D (tag information) and 14 (raw commands), for which the same
source has fields but no recording exists, and everything that locks.
"""

from hardware.chips.crc import crc_high_first
from hardware.chips.pad_errors import AnswerForeign, AnswerInvalid, TagRefused, TagSilent

START = 0xD6
START_SETUP = 0xD5
BAUDRATE = 19_200
PARITY = "N"

BLOCK_BYTES = 4
BLOCKS_PER_FRAME = 8
"""What recorded programs ask for and write at once; more may work and was never seen."""

_SETUP_VERSION = b"\x04\x00\x11"
_INVENTORY = 0xFE
_READ, _WRITE = 0x02, 0x04
_READ_AFI, _WRITE_AFI = 0x0A, 0x09
_READ_EAS, _WRITE_EAS = 0x03, 0x0C
_READ_DSFID = 0x0F
_ANSWERED = frozenset(range(0x01, 0x10)) | {0x11, 0x13, 0x14, _INVENTORY}
"""Commands a pad can answer; anything else after a start byte is noise."""

_UIDS_FROM_MANY = 0x05
"""The options of every recorded inventory; with them an answer lists uids and nothing else."""

_OK, _NO_TAG = 0x00, 0x06
_UID_BYTES = 8
_UID_FIRST = 0xE0
"""Every ISO 15693 uid begins with it (ISO/IEC 15693-3, 4.1)."""
_ENTRY_BYTES = 2 + BLOCK_BYTES

_HEAD_BYTES = 3
_LENGTH_MIN = 4
"""Command, error, CRC."""
_LENGTH_MAX = 5 + 255 * 9 + 2
"""An inventory of 255 tags with their DSFIDs."""
_VERSION_LENGTH = len(_SETUP_VERSION) + 4 + 2
_SHORTEST = _HEAD_BYTES + _LENGTH_MIN


def crc(data: bytes) -> int:
    """Return the checksum over length and command."""
    return crc_high_first(data) ^ 0xFFFF


def frame(command: bytes, start: int = START) -> bytes:
    """Return a command as it goes over the line."""
    length = len(command) + 2
    body = bytes((length >> 8, length & 0xFF)) + command
    checksum = crc(body)
    return bytes((start,)) + body + bytes((checksum >> 8, checksum & 0xFF))


class FrameParser:
    """Cuts answers out of a stream of bytes that comes in any pieces.

    What cannot begin a frame is dropped and counted in `noise`; a frame with a wrong checksum in
    `broken`, and the search goes on behind its first byte. An answer is handed out with its start
    byte in front and without length and checksum.
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
            if len(self._buffer) < _SHORTEST or self.wanted:
                return None
            end = _HEAD_BYTES + self._length()
            whole, rest = self._buffer[:end], self._buffer[end:]
            if crc(whole[1:-2]) == whole[-2] << 8 | whole[-1]:
                self._buffer = rest
                return whole[:1] + whole[_HEAD_BYTES:-2]
            self.broken += 1
            self._buffer = self._buffer[1:]

    @property
    def wanted(self) -> int:
        """How many bytes must come before there can be a whole answer: 0 when it may be there."""
        missing = _SHORTEST - len(self._buffer)
        if len(self._buffer) >= _HEAD_BYTES:
            missing = _HEAD_BYTES + self._length() - len(self._buffer)
        return max(0, missing)

    @property
    def pending(self) -> int:
        """How many bytes of an unfinished answer are held."""
        return len(self._buffer)

    def _length(self) -> int:
        return self._buffer[1] << 8 | self._buffer[2]

    def _drop_noise(self) -> None:
        while self._buffer and not self._may_begin():
            self._buffer = self._buffer[1:]
            self.noise += 1

    def _may_begin(self) -> bool:
        head = self._buffer
        if head[0] not in (START, START_SETUP):
            return False
        if len(head) < _HEAD_BYTES:
            return True
        if head[0] == START_SETUP and self._length() != _VERSION_LENGTH:
            return False  # the start byte is not under the checksum, so it must fit the rest
        if not _LENGTH_MIN <= self._length() <= _LENGTH_MAX:
            return False
        return len(head) == _HEAD_BYTES or head[_HEAD_BYTES] in _ANSWERED


def ask_version() -> bytes:
    """Return the question for the firmware's version, with which known programs begin."""
    return frame(_SETUP_VERSION, START_SETUP)


def version(answer: bytes) -> str:
    """Return the version in words: maker, major, minor and build, such as "10.5.0.2"."""
    if answer[:4] != bytes((START_SETUP,)) + _SETUP_VERSION:
        raise AnswerForeign("not the version that was asked for")
    if len(answer) != 8:
        raise AnswerInvalid(f"a version of {len(answer) - 4} bytes, not 4")
    return ".".join([str(number) for number in answer[4:]])


def ask_inventory(afi: int = 0) -> bytes:
    """Return the question for every uid in the field, or for those with this AFI alone."""
    return frame(bytes((_INVENTORY, _byte("AFI", afi), _UIDS_FROM_MANY)))


def inventory(answer: bytes, afi: int = 0) -> "tuple[list[bytes], bool]":
    """Return the uids, and whether they are all that answered.

    They are not when the pad counted more than it lists, or lists what is no ISO 15693 uid.
    """
    rest = _checked(answer, _INVENTORY)
    if rest[:2] != bytes((afi, _UIDS_FROM_MANY)):
        raise AnswerForeign("an inventory of something else")
    listed = rest[3:]
    if len(rest) < 3 or len(listed) % _UID_BYTES:
        raise AnswerInvalid("an inventory that ends within a uid")
    uids = [listed[at : at + _UID_BYTES] for at in range(0, len(listed), _UID_BYTES)]
    good = [uid for uid in uids if uid[0] == _UID_FIRST]
    return good, len(good) == rest[2]


def ask_read(uid: bytes, first: int, count: int) -> bytes:
    """Return the question for `count` blocks from block `first`: 1 to 255 of them."""
    if not 1 <= count <= 255:
        raise ValueError(f"count {count}: must be 1 to 255")
    return frame(bytes((_READ,)) + _uid(uid) + bytes((_byte("block", first), count)))


def blocks(answer: bytes, uid: bytes, first: int, count: int) -> "list[tuple[bytes, bool]]":
    """Return each block's 4 bytes and whether it is locked; fewer blocks where memory ends."""
    rest = _of_tag(answer, _READ, uid)
    entries = rest[1:]
    if not rest or len(entries) != rest[0] * _ENTRY_BYTES or rest[0] > count:
        raise AnswerInvalid("blocks that are not as many as announced")
    found = []
    for number in range(rest[0]):
        entry = entries[number * _ENTRY_BYTES : (number + 1) * _ENTRY_BYTES]
        if entry[0] != (first + number) & 0xFF:
            raise AnswerForeign(f"block {entry[0]} instead of block {first + number}")
        found.append((entry[2:], entry[1] != 0))
    return found


def ask_write(uid: bytes, first: int, data: bytes) -> bytes:
    """Return the order to write whole blocks from block `first`: 1 to 255 of them."""
    count = len(data) // BLOCK_BYTES
    if len(data) % BLOCK_BYTES or not 1 <= count <= 255:
        raise ValueError(f"{len(data)} bytes: must be 1 to 255 blocks of {BLOCK_BYTES}")
    head = bytes((_byte("block", first), count, 0))
    return frame(bytes((_WRITE,)) + _uid(uid) + head + bytes(data))


def written(answer: bytes, uid: bytes, first: int, count: int) -> None:
    """Return if the pad says that the blocks were written; only reading back proves it."""
    rest = _of_tag(answer, _WRITE, uid)
    if rest not in (bytes(((first + count) & 0xFF,)), bytes((count,))):
        raise AnswerForeign("other blocks than these were written")


def ask_afi(uid: bytes) -> bytes:
    """Return the question for a tag's AFI."""
    return frame(bytes((_READ_AFI,)) + _uid(uid))


def afi(answer: bytes, uid: bytes) -> int:
    """Return the AFI."""
    return _one_byte(_of_tag(answer, _READ_AFI, uid))


def ask_write_afi(uid: bytes, value: int) -> bytes:
    """Return the order to write a tag's AFI."""
    return frame(bytes((_WRITE_AFI,)) + _uid(uid) + bytes((_byte("AFI", value),)))


def afi_written(answer: bytes, uid: bytes) -> None:
    """Return if the pad says that the AFI was written."""
    _nothing(_of_tag(answer, _WRITE_AFI, uid))


def ask_eas(uid: bytes) -> bytes:
    """Return the question for a tag's EAS bit."""
    return frame(bytes((_READ_EAS,)) + _uid(uid))


def eas(answer: bytes, uid: bytes) -> bool:
    """Return whether the EAS bit is set: the tag alarms."""
    value = _one_byte(_of_tag(answer, _READ_EAS, uid))
    if value > 1:
        raise AnswerInvalid(f"an EAS bit of {value}")
    return value == 1


def ask_write_eas(uid: bytes, value: bool) -> bytes:
    """Return the order to set or clear a tag's EAS bit."""
    return frame(bytes((_WRITE_EAS,)) + _uid(uid) + bytes((1 if value else 0,)))


def eas_written(answer: bytes, uid: bytes) -> None:
    """Return if the pad says that the EAS bit was written."""
    _nothing(_of_tag(answer, _WRITE_EAS, uid))


def ask_dsfid(uid: bytes) -> bytes:
    """Return the question for a tag's DSFID."""
    return frame(bytes((_READ_DSFID,)) + _uid(uid))


def dsfid(answer: bytes, uid: bytes) -> int:
    """Return the DSFID: how the tag's memory is laid out."""
    return _one_byte(_of_tag(answer, _READ_DSFID, uid))


def _checked(answer: bytes, command: int) -> bytes:
    """Return what follows the error byte; raises what the error byte says."""
    if len(answer) < 3:
        raise AnswerInvalid(f"an answer of {len(answer)} bytes")
    if answer[0] != START or answer[1] != command:
        raise AnswerForeign(f"an answer to command {answer[1]:02x}, not {command:02x}")
    if answer[2] == _NO_TAG:
        raise TagSilent("no tag of that uid answered")
    if answer[2] != _OK:
        raise TagRefused(f"error {answer[2]:02x}", answer[2])
    return answer[3:]


def _of_tag(answer: bytes, command: int, uid: bytes) -> bytes:
    """Return what follows the uid; an error about another tag is another question's too."""
    named = answer[3 : 3 + _UID_BYTES]
    if len(named) == _UID_BYTES and named != uid:
        raise AnswerForeign("an answer about another tag")
    rest = _checked(answer, command)
    if len(named) != _UID_BYTES:
        raise AnswerInvalid("an answer without the tag's uid")
    return rest[_UID_BYTES:]


def _one_byte(rest: bytes) -> int:
    if len(rest) != 1:
        raise AnswerInvalid(f"{len(rest)} bytes where one was asked for")
    return rest[0]


def _nothing(rest: bytes) -> None:
    if rest:
        raise AnswerInvalid(f"{len(rest)} bytes more than expected")


def _uid(uid: bytes) -> bytes:
    if len(uid) != _UID_BYTES:
        raise ValueError(f"a uid has {_UID_BYTES} bytes, not {len(uid)}")
    return bytes(uid)


def _byte(name: str, value: int) -> int:
    if not 0 <= value <= 255:
        raise ValueError(f"{name} {value}: must be 0 to 255")
    return value
