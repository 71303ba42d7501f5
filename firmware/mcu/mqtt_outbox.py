"""Packets that wait to be written, each with one write where the socket takes it whole."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.mcu.streams import Stream

PACKETS_MAX = 24
BYTES_MAX = 16_384
"""A longer packet is taken when nothing else waits."""

_WRITES_MAX = 32


class Outbox:
    """A short queue of packets and how far its head is written."""

    def __init__(self) -> None:
        """Begin empty."""
        self._packets: list[bytes | bytearray] = []
        self._bytes = 0
        self._written = 0
        self.progress_ms = 0
        """When a byte was last taken, or the first packet began to wait."""

    def __len__(self) -> int:
        """Return the number of packets that wait."""
        return len(self._packets)

    @property
    def room(self) -> int:
        """Return how many short packets there is room for."""
        return 0 if self._bytes >= BYTES_MAX else max(0, PACKETS_MAX - len(self._packets))

    def has_room(self, length: int) -> bool:
        """Return whether a packet of this many bytes is taken now."""
        if len(self._packets) >= PACKETS_MAX:
            return False
        return not self._packets or self._bytes + length <= BYTES_MAX

    def add(self, packet: "bytes | bytearray", now_ms: int) -> None:
        """Let a packet wait; answers to the broker are added without asking for room."""
        if not self._packets:
            self.progress_ms = now_ms
        self._packets.append(packet)
        self._bytes += len(packet)

    def write(self, stream: "Stream", now_ms: int) -> bool:
        """Write what the stream takes now; return whether it took anything."""
        has_taken = False
        for _ in range(_WRITES_MAX):
            if not self._packets:
                break
            head = self._packets[0]
            count = stream.write(memoryview(head)[self._written :] if self._written else head)
            if not count:
                break
            has_taken = True
            self.progress_ms = now_ms
            self._written += count
            if self._written < len(head):
                break  # its buffer is full
            self._packets.pop(0)
            self._bytes -= len(head)
            self._written = 0
        return has_taken
