"""A receipt printer that speaks ESC/POS.

    printer = EscposPrinter(FileLink("/dev/usb/lp0"), clock=clock, form=PaperForm(width_dots=384))

Laws:
- A slip is set completely before its first byte is sent, and the printer is asked for paper and
  cover first: what cannot be printed is refused with nothing on paper.
- What a printer does not answer is unknown, and then it is tried; nothing is claimed about paper
  that nobody can see. A printer that answered once and falls silent is unhealthy.
- `health()` never waits: it looks at what has come since it last asked, and asks again.
- Libraries are imported at the first slip (`hardware/typesetting.py`).

Status by DLE EOT n (10 04 n), which printers answer at once, also without paper: bit patterns of
Epson's TM-U220, Samsung's SRP-350 and others' manuals, which agree. Bits 1 and 4 are set and bits
0 and 7 clear in every answer; other bytes are no answers.
"""

from collections.abc import Sequence

from hardware.errors import DeviceError, DeviceTimeout, PrinterError
from hardware.ports import Clock, Health
from hardware.printer_links import (
    DummyLink,
    FileLink,
    NetworkLink,
    PrinterLink,
    SerialLink,
    UsbLink,
)
from hardware.typesetting import CUTS, FONTS, WIDTHS_DOTS, PaperForm, Typesetter

__all__ = [
    "CUTS",
    "FONTS",
    "WIDTHS_DOTS",
    "DummyLink",
    "EscposPrinter",
    "FileLink",
    "NetworkLink",
    "PaperForm",
    "PrinterLink",
    "SerialLink",
    "UsbLink",
]

OFFLINE_CAUSE = 2
PAPER_SENSOR = 4
"""Values of n in DLE EOT n."""

STATUS_WAIT_MS = 400
"""Real-time commands are answered within some milliseconds; at 9,600 baud 3 bytes take 4 ms."""

WRITE_WAIT_MS = 5_000
"""A printer that takes nothing for so long has stopped."""

ASK_AGAIN_MS = 1_000
SILENT_MS = 4_000
"""A printer that used to answer and has not for so long is switched off."""

_FIXED_MASK, _FIXED = 0x93, 0x12
_COVER_OPEN, _FEED_BUTTON, _PAPER_STOP, _ERROR = 0x04, 0x08, 0x20, 0x40
_PAPER_END, _PAPER_NEAR_END = 0x60, 0x0C

_TROUBLES = {  # of n: bits and what they mean, the worst first
    OFFLINE_CAUSE: (
        (_COVER_OPEN, "its cover is open; close it"),
        (_PAPER_STOP, "it is out of paper; put a new roll in"),
        (_ERROR, "it reports an error; switch it off and on, and look for jammed paper"),
        (_FEED_BUTTON, "somebody holds its feed button, paper is moving; wait a moment"),
    ),
    PAPER_SENSOR: ((_PAPER_END, "it is out of paper; put a new roll in"),),
}


class EscposPrinter:
    """See `Printer` in `hardware/ports.py`; `link` says how bytes get there."""

    def __init__(
        self,
        link: PrinterLink,
        *,
        clock: Clock,
        name: str = "printer",
        form: PaperForm | None = None,
    ) -> None:
        self.name = name
        self._link = link
        self._clock = clock
        self._typesetter = Typesetter(form or PaperForm())
        self._troubles: dict[int, str] = {}
        self._failure = ""
        self._asked: int | None = None
        self._last = PAPER_SENSOR
        self._asked_ms = -ASK_AGAIN_MS
        self._waiting_since_ms: int | None = None
        self._unreached_since_ms: int | None = None
        self._has_answered = False
        self._is_low = False
        self._is_closed = False

    def print_lines(self, lines: Sequence[str]) -> None:
        """See `Printer.print_lines`.

        When sending fails half of the slip may be on paper already; the message says so.
        """
        if self._is_closed:
            raise PrinterError(f"{self.name}: closed")
        slip = self._typesetter.slip(lines)
        has_begun = False
        try:
            self._ask_before_printing()
            has_begun = True
            self._link.write(slip, WRITE_WAIT_MS)
        except DeviceError as error:
            half = "; part of the slip may have been printed" if has_begun else ""
            self._failure = f"{self.name}: {error}{half}"
            raise PrinterError(self._failure) from error
        self._failure = ""

    def health(self) -> Health:
        """See `Printer.health`; the detail may also say what is not known or not printable."""
        if self._is_closed:
            return Health(False, f"{self.name}: closed")
        try:
            self._reach()
        except DeviceError as error:
            self._asked = self._waiting_since_ms = None
            self._has_answered = False
            self._failure = ""  # this one is newer, and ends when the link is back
            return Health(False, f"{self.name}: {error}")
        if self._troubles:
            return Health(False, f"{self.name}: {next(iter(self._troubles.values()))}")
        if self._failure:
            return Health(False, self._failure)
        if self._has_answered and self._is_silent():
            return Health(False, f"{self.name}: does not answer any more; is it switched on?")
        return Health(True, self._notes())

    def close(self) -> None:
        """See `Printer.close`."""
        if not self._is_closed:
            self._is_closed = True
            self._link.close()

    def _ask_before_printing(self) -> None:
        """Raise `PrinterError` if the printer says that it cannot print."""
        self._link.look(WRITE_WAIT_MS)
        if not self._link.can_read:
            return
        # The answer to an earlier question must not be taken for one to the next.
        self._hear(0 if self._asked is None else STATUS_WAIT_MS)
        for number in (OFFLINE_CAUSE, PAPER_SENSOR):
            self._ask(number, STATUS_WAIT_MS)
            if not self._hear(STATUS_WAIT_MS):
                if self._has_answered:
                    raise DeviceTimeout("it does not answer any more; is it switched on?")
                return  # it never answers; what it cannot print will show when it is sent
            if number in self._troubles:
                self._failure = ""
                raise PrinterError(f"{self.name}: {self._troubles[number]}")

    def _reach(self) -> None:
        """Hear the answer to the last question, and ask the next one; waits for nothing."""
        now_ms = self._clock.now_ms()
        if not self._link.look():
            if self._unreached_since_ms is None:
                self._unreached_since_ms = now_ms
            if now_ms - self._unreached_since_ms >= SILENT_MS:
                raise DeviceTimeout(f"{self._link.name} does not answer; check cable and address")
            return
        self._unreached_since_ms = None
        if not self._link.can_read:
            return
        self._hear(0)
        if now_ms - self._asked_ms >= ASK_AGAIN_MS:
            self._ask(PAPER_SENSOR if self._last == OFFLINE_CAUSE else OFFLINE_CAUSE, 0)

    def _ask(self, number: int, wait_ms: int) -> None:
        self._asked = self._last = number
        self._asked_ms = self._clock.now_ms()
        if self._waiting_since_ms is None:
            self._waiting_since_ms = self._asked_ms
        self._link.write(bytes((0x10, 0x04, number)), wait_ms)

    def _hear(self, wait_ms: int) -> bool:
        """Take an answer to the last question; return whether there was one."""
        answers = [byte for byte in self._link.read(wait_ms) if byte & _FIXED_MASK == _FIXED]
        number = self._asked
        if not answers or number is None:
            return False
        self._asked = None
        self._has_answered = True
        self._failure = ""
        self._waiting_since_ms = None
        self._troubles.pop(number, None)
        for bits, trouble in _TROUBLES[number]:
            if answers[-1] & bits:
                self._troubles[number] = trouble
                break
        if number == PAPER_SENSOR:
            self._is_low = bool(answers[-1] & _PAPER_NEAR_END)
        return True

    def _is_silent(self) -> bool:
        """Whether a printer has not answered for long."""
        if self._waiting_since_ms is None:
            return False
        return self._clock.now_ms() - self._waiting_since_ms >= SILENT_MS

    def _notes(self) -> str:
        """Return what staff should know although printing works; empty when nothing."""
        notes = []
        if self._unreached_since_ms is not None:
            notes.append("it is being reached")
        if self._is_low:
            notes.append("the paper is nearly used up; have a roll at hand")
        if not self._link.can_read or self._is_silent():
            notes.append("it does not tell whether there is paper")
        if self._typesetter.missing:
            found = ", ".join(
                f"U+{ord(sign):04X}" for sign in sorted(self._typesetter.missing)[:8]
            )
            notes.append(f"no font has {found}; install fonts-wqy-microhei or fonts-noto-cjk")
        notes += [f"{path} is no font" for path in self._typesetter.unusable]
        return f"{self.name}: {'; '.join(notes)}" if notes else ""
