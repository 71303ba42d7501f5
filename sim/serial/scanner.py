"""A barcode scanner on a serial line: what it sends when somebody holds a label under it.

AIM prefixes are `]`, a letter for the kind of code and a digit (ISO/IEC 15424): `]E0` EAN-13,
`]C0` Code 128, `]A0` Code 39, `]F0` Codabar, `]Q1` QR.
"""

from typing import Any

from hardware.ports import Clock
from sim.errors import WorldError
from sim.faults import DELAYED, GARBAGE, OFF, SLOW, STUCK, WRONG
from sim.serial.device import INPUT_BYTES_MAX, SimSerialDevice
from sim.serial.line import LineSettings

SUFFIXES = {"cr": b"\r", "lf": b"\n", "crlf": b"\r\n", "none": b""}
AIM_PREFIXES = {
    "ean13": "]E0",
    "code128": "]C0",
    "code39": "]A0",
    "codabar": "]F0",
    "qr": "]Q1",
}


class SimSerialScanner(SimSerialDevice):
    """A scanner that sends every label it reads, with a suffix and perhaps an AIM prefix.

    `suffix` is cr, lf, crlf or none, `aim` whether it sends AIM prefixes, `encoding` how it sends
    letters beyond ASCII.

    Faults. off: nothing is read. stuck: nothing is read, the port stays. garbage: bytes that no
    label has. wrong: one digit or letter is another one. slow: later. delayed: each label comes
    when the next one is scanned. intermittent: a share of the labels is not read.
    """

    settings = LineSettings(9_600)

    def __init__(
        self,
        clock: Clock,
        *,
        suffix: str = "cr",
        aim: bool = False,
        encoding: str = "utf-8",
        **line: Any,
    ) -> None:
        super().__init__(clock, **{"name": "scanner", "latency_ms": 0, **line})
        if suffix not in SUFFIXES:
            raise WorldError(f"suffix {suffix!r}: use one of {', '.join(SUFFIXES)}")
        self.suffix = suffix
        self.aim = aim
        self.encoding = encoding

    def scan(self, code: str, *, symbology: str | None = None) -> None:
        """Hold a label under the scanner; whatever it says is sent, however hostile.

        `symbology` names the AIM prefix; without one it is guessed from the code. Raises
        `WorldError` for a symbology that has no prefix here.
        """
        kind = symbology if symbology is not None else kind_of(code)
        if kind not in AIM_PREFIXES:
            raise WorldError(f"symbology {kind!r}: use one of {', '.join(AIM_PREFIXES)}")
        with self.lock:
            if self.fault in (OFF, STUCK) or not self.plugged or self.strikes():
                return
            if self.fault == WRONG:
                code = self._misread(code)
            label = ((AIM_PREFIXES[kind] if self.aim else "") + code).encode(self.encoding)
            if self.fault == GARBAGE:
                label = bytes(self._random.choice((*range(32), *range(128, 256))) for _ in label)
            sent: bytes | None = label + SUFFIXES[self.suffix]
            if self.fault == DELAYED:
                sent, self._before = self._before, sent
            if sent:
                after_ms = self.latency_ms + (self.slow_ms if self.fault == SLOW else 0)
                self._send(sent, after_ms=after_ms, words=f"label {code!r}")
        self._changed()

    def _misread(self, code: str) -> str:
        """Return the code with one digit replaced by another, or one letter by another."""
        places = [at for at, sign in enumerate(code) if sign.isalnum()]
        if not places:
            return code
        at = self._random.choice(places)
        signs = "0123456789" if code[at].isdigit() else "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        other = self._random.choice([sign for sign in signs if sign != code[at].upper()])
        return code[:at] + other + code[at + 1 :]

    def _next_frame(self, buffer: bytearray) -> bytes | None:
        """Take everything: a scanner is told nothing that this one would know."""
        whole = bytes(buffer[:INPUT_BYTES_MAX])
        buffer.clear()
        return whole or None

    def _answer(self, frame: bytes) -> bytes | None:
        return None

    def _words(self, frame: bytes, *, to_host: bool) -> str:
        return "unasked" if to_host else "ignored: the scanner knows no commands"


def kind_of(code: str) -> str:
    """Return the symbology that a library would print this code in."""
    if len(code) == 13 and code.isdigit():
        return "ean13"
    if len(code) == 14 and code.isdigit():
        return "codabar"
    if "://" in code:
        return "qr"
    return "code128"
