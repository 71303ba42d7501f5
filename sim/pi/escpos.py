"""ESC/POS as a receipt printer reads it: bytes in, what is on the paper out.

Written from the command lists of Epson's TM printers, not from our driver: it knows the length of
every command a slip may hold and does what the common ones say. An unknown command is remembered
in `unknown` and printed as the characters it is made of, as real printers do.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

DLE, ESC, FS, GS = 0x10, 0x1B, 0x1C, 0x1D
LF, CR, HT = 0x0A, 0x0D, 0x09

CODE_PAGES = dict(enumerate(("cp437", "ascii", "cp850", "cp860", "cp863", "cp865")))
CODE_PAGES.update(enumerate(("cp1252", "cp866", "cp852", "cp858"), 16))
"""ESC t n: the pages most printers number alike."""

BUFFER_BYTES_MAX = 1 << 20
SLIPS_MAX = 100

TAB_COLUMNS = 8

# Bytes of a command with its parameters, by prefix and second byte. What depends on its own
# parameters is in `_length_of_long`.
_LENGTHS = {
    (ESC, "@2<=>"): 2,
    (ESC, '!-3EGJMRSTUV adert{ "%&?'): 3,
    (ESC, "$\\cB"): 4,
    (ESC, "p"): 5,
    (GS, "!BHIabfhrw"): 3,
    (GS, "LWPx$\\"): 4,
    (GS, ":"): 2,
    (FS, "&."): 2,
    (FS, "!-CW"): 3,
    (FS, "S"): 4,
    (DLE, "\x04\x05"): 3,
    (DLE, "\x14"): 5,
}
_LENGTH = {(prefix, ord(sign)): n for (prefix, signs), n in _LENGTHS.items() for sign in signs}


@dataclass(frozen=True, slots=True)
class Raster:
    """A picture on the paper: rows from the top, in each byte the leftmost dot is bit 7."""

    width_dots: int
    rows: tuple[bytes, ...]

    def is_black(self, x: int, y: int) -> bool:
        """Return whether a dot was burnt."""
        return bool(self.rows[y][x // 8] & 0x80 >> x % 8)


@dataclass
class Slip:
    """What was printed between two cuts: lines of text and pictures, top to bottom."""

    lines: list[str | Raster] = field(default_factory=list)
    is_cut: bool = False

    @property
    def texts(self) -> tuple[str, ...]:
        """The lines of text alone, without empty ones at the end."""
        texts = [line for line in self.lines if isinstance(line, str)]
        while texts and not texts[-1]:
            texts.pop()
        return tuple(texts)


class Reader:
    """Cuts a stream of bytes into commands and characters.

    `feed` adds bytes, `next` takes one whole command off; half commands wait for their rest.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Add bytes; of more than a megabyte unread, the oldest are lost."""
        self._buffer += data
        del self._buffer[:-BUFFER_BYTES_MAX]

    def next(self) -> bytes | None:
        """Return the next command, or run of characters, None while there is none."""
        if not self._buffer:
            return None
        length = self._length()
        if length is None or length > len(self._buffer):
            return None
        found = bytes(self._buffer[:length])
        del self._buffer[:length]
        return found

    def forget(self) -> None:
        """Lose what is unread, as a power cut does."""
        self._buffer.clear()

    def _length(self) -> int | None:
        first = self._buffer[0]
        if first >= 0x20:
            end = next((n for n, byte in enumerate(self._buffer) if byte < 0x20), None)
            return len(self._buffer) if end is None else end
        if first not in (DLE, ESC, FS, GS):
            return 1
        if len(self._buffer) < 2:
            return None
        known = _LENGTH.get((first, self._buffer[1]))
        return known or self._length_of_long(first, chr(self._buffer[1]))

    def _length_of_long(self, first: int, second: str) -> int | None:
        """Return the length of a command that says itself how long it is; None if not yet."""
        buffer = self._buffer

        def word(at: int) -> int | None:
            return buffer[at] | buffer[at + 1] << 8 if len(buffer) >= at + 2 else None

        measures: dict[tuple[int, str], Callable[[], int | None]] = {
            (GS, "v"): lambda: _plus(8, _product(word(4), word(6))),
            (GS, "("): lambda: _plus(5, word(3)),
            (GS, "V"): lambda: None if len(buffer) < 3 else 3 if buffer[2] in b"\0\x0101" else 4,
            (ESC, "*"): lambda: _plus(
                5, _product(word(3), None if len(buffer) < 3 else 3 if buffer[2] >= 32 else 1)
            ),
            (ESC, "D"): lambda: buffer.find(0, 2) + 1 or None,
            (GS, "k"): self._barcode_length,
        }
        measure = measures.get((first, second))
        return 2 if measure is None else measure()

    def _barcode_length(self) -> int | None:
        buffer = self._buffer
        if len(buffer) < 4:
            return None
        if buffer[2] <= 6:
            return buffer.find(0, 3) + 1 or None
        return 4 + buffer[3]


def _plus(constant: int, value: int | None) -> int | None:
    return None if value is None else constant + value


def _product(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one * other


class Paper:
    """Does what commands say; `slips` are the cut ones, `slip` is still in the printer."""

    def __init__(self) -> None:
        self.slips: deque[Slip] = deque(maxlen=SLIPS_MAX)
        self.slip = Slip()
        self.unknown: deque[bytes] = deque(maxlen=SLIPS_MAX)
        self._line = ""
        self._page = "cp437"

    def do(self, command: bytes) -> None:
        """Carry out one command, or print characters."""
        first = command[0]
        if first >= 0x20:
            self._line += command.decode(self._page, errors="replace")
        elif first == LF:
            self._end_line()
        elif first == HT:
            self._line += " " * (TAB_COLUMNS - len(self._line) % TAB_COLUMNS)
        elif first in (ESC, GS, FS):
            self._do_command(first, chr(command[1]), command)

    def _do_command(self, first: int, second: str, command: bytes) -> None:
        if (first, second) == (ESC, "@"):
            self._line, self._page = "", "cp437"
        elif (first, second) == (ESC, "t"):
            self._page = CODE_PAGES.get(command[2], "ascii")
        elif (first, second) == (ESC, "d"):
            self._feed(command[2])
        elif (first, second) == (GS, "v"):
            self._print_raster(command)
        elif (first, second) == (GS, "V") or (first, second) in ((ESC, "i"), (ESC, "m")):
            self._cut()
        elif (first, command[1]) not in _LENGTH and second not in "(*Dk":
            self.unknown.append(command)
            self._line += command[1:].decode(self._page, errors="replace")

    def _feed(self, count: int) -> None:
        if self._line:
            self._end_line()
            count -= 1
        self.slip.lines += [""] * count

    def _end_line(self) -> None:
        self.slip.lines.append(self._line)
        self._line = ""

    def _print_raster(self, command: bytes) -> None:
        width = command[4] | command[5] << 8
        height = command[6] | command[7] << 8
        rows = [command[8 + n * width : 8 + (n + 1) * width] for n in range(height)]
        self.slip.lines.append(Raster(width * 8, tuple(rows)))

    def _cut(self) -> None:
        if self._line:
            self._end_line()
        self.slip.is_cut = True
        self.slips.append(self.slip)
        self.slip = Slip()
