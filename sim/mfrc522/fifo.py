"""The 64-byte FIFO buffer (data sheet 8.3) and the internal buffer of 25 bytes (10.3.1.2)."""

from collections import deque

FIFO_BYTES = 64
BUFFER_BYTES = 25


class Fifo:
    """A queue of bytes that notes when somebody wrote into a full one."""

    def __init__(self) -> None:
        self._bytes: deque[int] = deque()
        self.overflown = False

    def __len__(self) -> int:
        return len(self._bytes)

    def push(self, byte: int) -> bool:
        """Append a byte; a full buffer drops it, notes the overflow and returns False."""
        if len(self._bytes) >= FIFO_BYTES:
            self.overflown = True
            return False
        self._bytes.append(byte & 0xFF)
        return True

    def pop(self) -> int:
        """Return the oldest byte, 0x00 from an empty buffer."""
        return self._bytes.popleft() if self._bytes else 0x00

    def drain(self) -> bytes:
        """Return all bytes and leave the buffer empty."""
        data = bytes(self._bytes)
        self._bytes.clear()
        return data

    def flush(self) -> None:
        """Clear pointers and the overflow, as FlushBuffer does (table 40)."""
        self._bytes.clear()
        self.overflown = False

    def alerts(self, water_level: int) -> tuple[bool, bool]:
        """Return (HiAlert, LoAlert) for that water level (table 34)."""
        return FIFO_BYTES - len(self) <= water_level, len(self) <= water_level
