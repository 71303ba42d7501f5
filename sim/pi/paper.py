"""A simulated receipt printer, and the paper that comes out of it.

It takes ESC/POS bytes from any cable of `sim/serial/` (`sim://`, a pseudo terminal, a socket, so
also as a network printer) and gives slips: lines of text and pictures, or one picture of it all.
It answers DLE EOT 1 to 4 and GS r 1 as Epson's TM printers do, also without paper.

Without paper or with an open cover it prints nothing and keeps what it was sent; with a new roll
it goes on, as real ones do. Not modelled: paper that runs out in the middle of a line, speed,
heat, and everything that only changes how letters look (bold, size, alignment).
"""

from collections import deque
from typing import Any

from hardware.ports import Clock
from sim.faults import PAPER_OUT
from sim.pi.escpos import DLE, GS, Paper, Raster, Reader, Slip
from sim.serial.device import SimSerialDevice
from sim.serial.line import LineSettings

WAITING_MAX = 2_000
"""Commands kept while it cannot print; a real one keeps 4 KiB and then takes nothing more."""

CHUNK_BYTES = 1_024

_FIXED = 0x12
_OFFLINE = 0x08
_COVER_OPEN, _PAPER_STOP = 0x04, 0x20
_PAPER_END, _NEAR_END = 0x60, 0x0C

LETTER_WIDTH, LETTER_HEIGHT = 12, 30
LETTER_SIZE = 20
"""Letters of Pillow's own font stand in cells of font A, 12 dots wide: the widest just fit."""


class SimPaperPrinter(SimSerialDevice):
    """The printer. `run_out`, `refill`, `open_cover`, `close_cover` are what hands do."""

    settings = LineSettings(baudrate=9_600)
    faults_known = SimSerialDevice.faults_known | {PAPER_OUT}

    def __init__(self, clock: Clock, *, name: str = "printer", **options: Any) -> None:
        super().__init__(clock, name=name, **options)
        self.answers_status = True
        self.is_nearly_out = False
        self._has_paper = True
        self._is_open = False
        self._reader = Reader()
        self._paper = Paper()
        self._waiting: deque[bytes] = deque(maxlen=WAITING_MAX)

    @property
    def slips(self) -> list[Slip]:
        """The slips in the tray, oldest first, at most the last hundred."""
        return list(self._paper.slips)

    def tear_off(self) -> list[Slip]:
        """Take the slips out of the tray, oldest first."""
        slips = self.slips
        self._paper.slips.clear()
        return slips

    @property
    def hanging(self) -> Slip:
        """What was printed and not cut yet."""
        return self._paper.slip

    @property
    def unknown(self) -> list[bytes]:
        """Commands it did not know."""
        return list(self._paper.unknown)

    def run_out(self) -> None:
        """Use the paper up."""
        self._has_paper = False

    def refill(self) -> None:
        """Put a new roll in; what was sent meanwhile is printed."""
        self._has_paper, self.is_nearly_out = True, False
        self._go_on()

    def open_cover(self) -> None:
        """Open the cover."""
        self._is_open = True

    def close_cover(self) -> None:
        """Close the cover; what was sent meanwhile is printed."""
        self._is_open = False
        self._go_on()

    def mend(self) -> None:
        """See `Faulty.mend`."""
        super().mend()
        self._go_on()

    def receive(self, data: bytes) -> None:
        """See `SimSerialDevice.receive`; a picture is longer than any frame of a pad."""
        for start in range(0, len(data), CHUNK_BYTES):
            super().receive(data[start : start + CHUNK_BYTES])

    def status(self, number: int) -> int:
        """Return the answer to DLE EOT `number`, 1 to 4."""
        has_paper = self._has_paper and self.fault != PAPER_OUT
        flags = {
            1: 0 if self._can_print() else _OFFLINE,
            2: (_COVER_OPEN if self._is_open else 0) | (0 if has_paper else _PAPER_STOP),
            4: (0 if has_paper else _PAPER_END)
            | (_NEAR_END if self.is_nearly_out or not has_paper else 0),
        }
        return _FIXED | flags.get(number, 0)

    def _can_print(self) -> bool:
        return self._has_paper and not self._is_open and self.fault != PAPER_OUT

    def _next_frame(self, buffer: bytearray) -> bytes | None:
        self._reader.feed(bytes(buffer))
        buffer.clear()
        return self._reader.next()

    def _answer(self, frame: bytes) -> bytes | None:
        if frame[0] == DLE:
            asked = frame[1] == 4 and 1 <= frame[2] <= 4 and self.answers_status
            return bytes((self.status(frame[2]),)) if asked else None
        if frame[:2] == bytes((GS, ord("r"))) and self.answers_status:
            return bytes((_NEAR_END if not self._has_paper else 0x00,))
        self._waiting.append(frame)
        self._go_on()
        return None

    def _stuck_answer(self, frame: bytes) -> bytes | None:
        return bytes((_FIXED,)) if frame[0] == DLE else None

    def _words(self, frame: bytes, *, to_host: bool) -> str:
        if to_host:
            return "status " + " ".join(f"{byte:02x}" for byte in frame)
        if frame[0] >= 0x20:
            return repr(frame.decode("cp437"))
        return f"command of {len(frame)} bytes"

    def _reset(self) -> None:
        self._reader.forget()
        self._waiting.clear()

    def _go_on(self) -> None:
        while self._waiting and self._can_print():
            self._paper.do(self._waiting.popleft())


def picture_of(slip: Slip, *, width_dots: int = 576) -> Any:
    """Return the slip as a Pillow picture in two colours, to show or to save as PNG."""
    from PIL import Image, ImageDraw, ImageFont

    heights = [LETTER_HEIGHT if isinstance(line, str) else len(line.rows) for line in slip.lines]
    picture = Image.new("1", (width_dots, max(1, sum(heights))), 1)
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(LETTER_SIZE)
    top = 0
    for line, height in zip(slip.lines, heights, strict=True):
        if isinstance(line, Raster):
            picture.paste(_raster_picture(line), (0, top))
        else:
            for column, letter in enumerate(line):
                middle = (column * LETTER_WIDTH + LETTER_WIDTH // 2, top)
                pen.text(middle, letter, font=font, fill=0, anchor="ma")
        top += height
    return picture


def _raster_picture(raster: Raster) -> Any:
    from PIL import Image

    inverted = bytes(byte ^ 0xFF for byte in b"".join(raster.rows))
    return Image.frombytes("1", (raster.width_dots, len(raster.rows)), inverted)
