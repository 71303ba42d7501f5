"""The language of Feig's OBID readers: frames, commands in words, status bytes.

Sources: Feig, *System-Manual ID ISC.MR/PR/PRH101* H60301-3e (frames 2.3, commands 5 and 6, EAS
8.3, transparent command 8.6, status bytes annex D), *ID ISC.LR200* H90692-16e and *CPR30* H01114
(limits of blocks), and frames of a real CPR reader recorded in a public project's tests.

    standard  length | address | command | [status] data | CRC, low first     length counts all
    advanced  02 | length, 2 bytes | address | command | [status] data | CRC, low first

CRC with polynomial 8408, start FFFF, no inversion. 38400 8E1. Address FF reaches every reader; it
answers with its own. An advanced request has an advanced answer, as has one of over 255 bytes. A
frame with a wrong checksum has no answer (2.3). All data is sent high byte first: a uid begins
with E0, and the bytes of a block stand in reverse order.

    52 00 · 65 · 66 mode               baud rate test, version, reader information
    63 · 69                            CPU reset, RF reset (15 ms, answered afterwards, 5.6)
    6A mode                            RF off (0) or on
    B0 01 mode                         00 or 94, n, n × (03, DSFID, uid); mode 80 asks for more
    B0 02 · 25 · 26  mode [uid]        quiet, select, ready again
    B0 22 mode [uid] first n           lock blocks
    B0 23 mode [uid] first n           n, size, n × (lock, block); locks only with mode bit 8
    B0 24 mode [uid] first n size data 03 block, or 95 error block, when one was not written
    B0 27 mode [uid] afi · 28          write AFI, lock AFI
    B0 29 mode [uid] dsfid             write DSFID
    B0 2B mode [uid]                   DSFID, uid, AFI, block size-1, blocks-1, IC
    B0 2C mode [uid] first n           n, n × lock
    B1 04 A2 · A3 · A5  mode [uid]     set and clear EAS; EAS alarm: 00 alarm, 01 none
    BF mode length 0000 request        a raw command; its answer with the CRC of the air

As delivered (CFG5, ONT 1, 3.6), a tag that was listed is quiet and is not listed again until it
was away or the field was off; a question without a uid does not reach it either.

Mode is 0 for the only tag there, 1 with a uid, 2 for the selected tag. Our choice, as no manual
says it: a tag that leaves after the first block of a write gives 03 and the block, else 01; more
blocks than a command may name give 11; a uid's tag that no longer answers `more` gives 01.
"""

from dataclasses import dataclass

STX = 0x02
ANY_ADDRESS = 0xFF
UID_BYTES = 8
ISO15693_TYPE = 0x03
BLOCK_BYTES_MAX = 128
"""What one command reads or writes at most (LR200 7.1.4, CPR30 6.1.8)."""

# Annex D: status bytes
OK, NO_TRANSPONDER, WRITE_ERROR, WRONG_TYPE = 0x00, 0x01, 0x03, 0x05
PARAMETER_RANGE, UNKNOWN_COMMAND, LENGTH_ERROR = 0x11, 0x80, 0x81
MORE_DATA, ISO_ERROR = 0x94, 0x95

STATUS_WORDS = {
    NO_TRANSPONDER: "no transponder",
    WRITE_ERROR: "write error",
    WRONG_TYPE: "wrong transponder type",
    PARAMETER_RANGE: "parameter out of range",
    UNKNOWN_COMMAND: "unknown command",
    LENGTH_ERROR: "wrong length",
    MORE_DATA: "more to come",
    ISO_ERROR: "error of the transponder",
}
NAMES = {
    (0x52,): "baud rate test",
    (0x65,): "version",
    (0x63,): "CPU reset",
    (0x66,): "reader information",
    (0x69,): "RF reset",
    (0x6A,): "RF on or off",
    (0xB0, 0x01): "inventory",
    (0xB0, 0x02): "quiet",
    (0xB0, 0x22): "lock blocks",
    (0xB0, 0x23): "read blocks",
    (0xB0, 0x24): "write blocks",
    (0xB0, 0x25): "select",
    (0xB0, 0x26): "reset to ready",
    (0xB0, 0x27): "write AFI",
    (0xB0, 0x28): "lock AFI",
    (0xB0, 0x29): "write DSFID",
    (0xB0, 0x2B): "system information",
    (0xB0, 0x2C): "locks of blocks",
    (0xB1, 0x04, 0xA2): "set EAS",
    (0xB1, 0x04, 0xA3): "clear EAS",
    (0xB1, 0x04, 0xA5): "EAS alarm",
    (0xBF,): "raw command",
}


def crc(data: bytes) -> int:
    """Return the checksum of a whole frame: CRC-16/MCRF4XX."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0x8408 if value & 1 else value >> 1
    return value


def framed(address: int, content: bytes, *, advanced: bool = False) -> bytes:
    """Return a request or an answer as it goes over the line, `content` from the command on."""
    if advanced or len(content) + 4 > 255:
        body = bytes((STX,)) + (len(content) + 6).to_bytes(2, "big") + bytes((address,)) + content
    else:
        body = bytes((len(content) + 4, address)) + content
    return body + crc(body).to_bytes(2, "little")


class StatusError(Exception):
    """A command ends with this status and these bytes."""

    def __init__(self, status: int, found: bytes = b"") -> None:
        super().__init__(f"status {status:02x}")
        self.status = status
        self.found = found


@dataclass(slots=True)
class Request:
    """What follows the command byte, taken off piece by piece from the front."""

    rest: bytes

    def take(self, count: int = 1) -> bytes:
        """Take off so many bytes; raises `StatusError` when there are fewer."""
        found, self.rest = self.rest[:count], self.rest[count:]
        if len(found) < count:
            raise StatusError(LENGTH_ERROR)
        return found

    def byte(self) -> int:
        """Take off one byte as a number."""
        return self.take()[0]

    def end(self) -> None:
        """Raise `StatusError` when something is left over."""
        if self.rest:
            raise StatusError(LENGTH_ERROR)


def opened(whole: bytes) -> tuple[int, bytes]:
    """Return the address, and the content from the command on, of a whole frame."""
    head = 3 if whole[0] == STX else 1
    return whole[head], whole[head + 1 : -2]


def asked(content: bytes) -> tuple[str, str]:
    """Return the name of a command, empty when there is none, and what is asked in words."""
    for length in (1, 2, 3):
        name = NAMES.get(tuple(content[:length]), "")
        if name:
            return name, f"{name} {content[length:].hex()}".rstrip()
    return "", f"command {content[0]:02x}"


def answered(content: bytes, name: str) -> str:
    """Return an answer in words; `name` is that of the command, which answers leave out."""
    status = STATUS_WORDS.get(content[1], f"status {content[1]:02x}")
    words = name if content[1] == OK else f"{name}: {status}"
    return f"{words}: {content[2:].hex()}" if content[2:] else words
