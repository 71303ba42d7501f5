"""From what a scanner sends to codes: cut, stripped, and checked before anybody sees them.

Laws:
- A code is whole or nothing. What was cut off, overrun or disturbed is dropped and counted, never
  passed on shortened: a short number may be somebody else's book.
- A code has 1 to 64 printable characters. An AIM prefix (`]E0` before an EAN-13: AIM symbology
  identifiers, ISO/IEC 15424) says what was printed, not what it says; it is taken away.

A scanner ends a code with CR, LF or CRLF (`LINE`), or with nothing but silence (`SILENCE`).
"""

from __future__ import annotations

import string
from collections import deque

from hardware.ports import SCANNER_CODE_LENGTH_MAX

LINE = "line"
SILENCE = "silence"
ENDS = (LINE, SILENCE)

SILENCE_MS = 100
"""A code is sent without pauses: 64 characters take 67 ms at 9,600 baud, gaps between USB packets
are under 10 ms, and scanners that type rest at most 99 ms between two keys. Between two scans of
one person lie 300 ms and more."""

RESYNC_MS = 500
"""After a code that broke off, the rest of it may still come: for so long it is not a new one."""

CODES_MAX = 64
"""Codes kept between two calls of `poll`; of more, the oldest are dropped."""

_AIM_LENGTH = 3
_FRAME_BYTES_MAX = 4 * SCANNER_CODE_LENGTH_MAX + _AIM_LENGTH
_CR, _LF = 0x0D, 0x0A


class CodeInbox:
    """The codes that came whole, and how many did not: `dropped`, and why the last one."""

    def __init__(self) -> None:
        self.dropped = 0
        self.last_drop = ""
        self._codes: deque[str] = deque()

    def accept(self, text: str) -> None:
        """Take a whole code as sent; an empty one is nothing, a bad one is dropped."""
        code = without_aim_prefix(text)
        if not text:
            return
        if not code:
            self.drop("a prefix without a code")
        elif len(code) > SCANNER_CODE_LENGTH_MAX:
            self.drop(f"longer than {SCANNER_CODE_LENGTH_MAX} characters")
        elif not code.isprintable():
            self.drop("characters that cannot be printed")
        else:
            self._codes.append(code)
        if len(self._codes) > CODES_MAX:
            self._codes.popleft()
            self.drop("more codes than anybody asked for")

    def drop(self, reason: str) -> None:
        """Count a code that is not passed on."""
        self.dropped += 1
        self.last_drop = reason

    def take(self) -> list[str]:
        """Return the codes since the last call, oldest first."""
        codes = list(self._codes)
        self._codes.clear()
        return codes


class ByteFrames:
    """Cuts the bytes of a serial scanner into codes; bytes may come in any pieces."""

    def __init__(self, inbox: CodeInbox, *, ends: str = LINE, encoding: str = "utf-8") -> None:
        """Raises `ValueError` for an unknown ending, `LookupError` for an unknown encoding."""
        if ends not in ENDS:
            raise ValueError(f"ends {ends!r}: must be one of {', '.join(ENDS)}")
        "".encode(encoding)
        self._inbox = inbox
        self._ends = ends
        self._encoding = encoding
        self._frame = bytearray()
        self._overrun = False
        self._broken_until_ms: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether a code has begun and not ended."""
        return bool(self._frame) or self._overrun

    def feed(self, data: bytes, now_ms: int) -> None:
        """Take the next bytes, received at `now_ms`."""
        if self._broken_until_ms is not None and now_ms > self._broken_until_ms:
            self._broken_until_ms = None
        for at, byte in enumerate(data):
            if byte not in (_CR, _LF):
                self._add(byte)
            elif byte == _LF and self._frame and data[at + 1 : at + 2] == b"\r":
                # No scanner ends a code with LF CR: this LF was printed on the label.
                self._add(byte)
            else:
                self._end()

    def silence(self, now_ms: int) -> None:
        """Note that nothing came for `SILENCE_MS`: an open code is complete, or broken off."""
        if not self.is_open:
            return
        if self._ends == SILENCE:
            self._end()
            return
        self.break_off("broken off before its end")
        self._broken_until_ms = now_ms + RESYNC_MS

    def break_off(self, reason: str) -> None:
        """Drop an open code."""
        if self.is_open:
            self._inbox.drop(reason)
        self._frame.clear()
        self._overrun = False

    def _add(self, byte: int) -> None:
        if len(self._frame) < _FRAME_BYTES_MAX:
            self._frame.append(byte)
        else:
            self._overrun = True

    def _end(self) -> None:
        frame, overrun = bytes(self._frame), self._overrun
        self._frame.clear()
        self._overrun = False
        if self._broken_until_ms is not None:
            self._broken_until_ms = None
            if frame:
                self._inbox.drop("the rest of a code that broke off")
        elif overrun:
            self._inbox.drop(f"longer than {SCANNER_CODE_LENGTH_MAX} characters")
        else:
            self._decode(frame)

    def _decode(self, frame: bytes) -> None:
        try:
            self._inbox.accept(frame.decode(self._encoding))
        except UnicodeDecodeError:
            self._inbox.drop(f"bytes that are not {self._encoding}")


def without_aim_prefix(text: str) -> str:
    """Return the code behind an AIM prefix: `]`, a letter for the symbology, a modifier."""
    if len(text) >= _AIM_LENGTH and text[0] == "]":
        letter, modifier = text[1], text[2]
        if letter in string.ascii_letters and modifier in string.ascii_letters + string.digits:
            return text[_AIM_LENGTH:]
    return text
