"""A serial line: how both ends are set, and what one hears when they are set differently.

Nothing here guesses: the bits that one end puts on the wire are sampled again at the other end's
rate, the way a UART does it, so that a wrong baud rate or parity gives the rubbish it gives in
life.
"""

from dataclasses import dataclass
from math import ceil

PARITIES = ("N", "E", "O", "M", "S")
"""None, even, odd, mark and space, in pyserial's letters."""


@dataclass(frozen=True, slots=True)
class LineSettings:
    """How one end of a line is set: baud, 5 to 8 data bits, a parity letter, stop bits."""

    baudrate: int = 9_600
    parity: str = "N"
    bytesize: int = 8
    stopbits: float = 1

    @property
    def bits(self) -> int:
        """Bits on the wire for one byte, the start bit and the stop bits included."""
        return 1 + self.bytesize + (self.parity != "N") + ceil(self.stopbits)

    def __str__(self) -> str:
        return f"{self.baudrate} {self.bytesize}{self.parity}{self.stopbits:g}"

    def duration_ms(self, count: int) -> int:
        """Return the milliseconds that so many bytes take, rounded up."""
        return -(-count * self.bits * 1_000 // self.baudrate)


def heard(data: bytes, *, sender: LineSettings, listener: LineSettings, broken: bytes) -> bytes:
    """Return the bytes that `listener` makes of what `sender` puts on the wire.

    `broken` stands for each byte with a framing or parity error: nothing for a device that drops
    it, a zero byte for a Linux tty (termios(3): without IGNPAR and PARMRK it reads as \\0).
    """
    if sender == listener or not data:
        return data
    if sender.baudrate <= 0 or listener.baudrate <= 0:  # 0 hangs up (termios(3), B0)
        return b""
    return _sampled(_levels(data, sender), sender.baudrate, listener, broken)


def _levels(data: bytes, line: LineSettings) -> list[int]:
    """Return the level of every bit on the wire, least significant data bit first."""
    levels = [1]
    for byte in data:
        bits = [byte >> number & 1 for number in range(line.bytesize)]
        levels += [0, *bits]
        if line.parity != "N":
            levels.append(_parity(bits, line.parity))
        levels += [1] * ceil(line.stopbits)
    return levels


def _parity(bits: list[int], parity: str) -> int:
    ones = sum(bits) % 2
    return {"E": ones, "O": 1 - ones, "M": 1, "S": 0}[parity]


def _sampled(levels: list[int], rate: int, line: LineSettings, broken: bytes) -> bytes:
    """Sample levels sent at `rate` in the middle of each bit of the listener's line.

    Times are counted in half bits of both rates at once, so that they stay whole numbers.
    """
    sent, read = 2 * line.baudrate, 2 * rate  # how long a bit lasts for the sender, the listener
    end = len(levels) * sent

    def level(at: int) -> int:
        return levels[at // sent] if at < end else 1

    found = bytearray()
    at = 0
    while at < end:
        if level(at):  # idle: go on to the sender's next bit, where an edge may be
            at += sent - at % sent
            continue
        middles = [level(at + read // 2 + read * number) for number in range(line.bits)]
        if middles[0]:  # too short for a start bit
            at += sent - at % sent
            continue
        bits = middles[1 : 1 + line.bytesize]
        right = line.parity == "N" or middles[1 + line.bytesize] == _parity(bits, line.parity)
        stop = middles[1 + line.bytesize + (line.parity != "N")]
        value = sum(bit << number for number, bit in enumerate(bits))
        found += bytes((value,)) if right and stop else broken
        at += read * (line.bits - 1) + read // 2
        while at < end and not level(at) and not stop:  # a break: wait for the line to rise
            at += sent - at % sent
    return bytes(found)
