"""A barcode scanner on a serial port: USB in CDC mode, or a real RS-232 line."""

from __future__ import annotations

from hardware.errors import DeviceError
from hardware.ports import Clock, Health
from hardware.scanners.codes import LINE, SILENCE_MS, ByteFrames, CodeInbox
from hardware.serial_line import SerialLine

READ_BYTES = 4_096
"""What is read at once: all a kernel keeps for a terminal."""

POLL_MS_MAX = 600
"""The longest one `poll` waits for the rest of codes: 64 characters at 1,200 baud."""


class SerialScanner:
    """A `Scanner` over a `SerialLine`.

    `ends` says how a code ends (`codes.LINE` or `codes.SILENCE`), `encoding` how letters beyond
    ASCII are sent. `poll` waits only while a code is half received, and at most `POLL_MS_MAX`.
    """

    def __init__(
        self,
        line: SerialLine,
        clock: Clock,
        *,
        name: str = "scanner",
        ends: str = LINE,
        encoding: str = "utf-8",
    ) -> None:
        self._line = line
        self._clock = clock
        self._name = name
        self._inbox = CodeInbox()
        self._frames = ByteFrames(self._inbox, ends=ends, encoding=encoding)
        self._closed = False

    @property
    def dropped(self) -> int:
        """How many codes were dropped since the start."""
        return self._inbox.dropped

    @property
    def last_drop(self) -> str:
        """Why the last one was."""
        return self._inbox.last_drop

    def poll(self) -> list[str]:
        """See `Scanner.poll`."""
        if self._closed:
            return []
        try:
            self._receive()
        except DeviceError:
            self._frames.break_off("broken off by a pulled plug")
        return self._inbox.take()

    def health(self) -> Health:
        """See `Scanner.health`."""
        if self._closed:
            return Health(False, f"{self._name}: closed")
        health = self._line.health()
        return health if health.ok else Health(False, f"{self._name}: {health.detail}")

    def close(self) -> None:
        """See `Scanner.close`."""
        self._closed = True
        self._line.close()

    def _receive(self) -> None:
        """Take what is there, and the rest of a code that has begun."""
        until_ms = self._clock.now_ms() + POLL_MS_MAX
        data = self._line.read(READ_BYTES, 0)
        while True:
            self._frames.feed(data, self._clock.now_ms())
            if not self._frames.is_open:
                return
            if self._clock.now_ms() >= until_ms:
                self._frames.break_off("never ends")
                return
            # The first byte alone is waited for: a read of more would wait out its time.
            data = self._line.read(1, SILENCE_MS)
            if not data:
                self._frames.silence(self._clock.now_ms())
                return
            data += self._line.read(READ_BYTES, 0)
