"""The MFRC522 as its host sees it: SPI, registers, interrupts.

`transfer` is one chip-select: an address byte, then data (data sheet 8.1.2). What goes on behind
the registers is in `transceiver.py`. Nothing here knows a driver; the data sheet and ISO 14443-3
are the only sources.
"""

import random
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from hardware.ports import Clock
from sim.faults import DELAYED, GARBAGE, INTERMITTENT, OFF, SLOW, STUCK, Faulty
from sim.mfrc522 import registers as reg
from sim.mfrc522.field import RadioField
from sim.mfrc522.timebase import Timebase, timebase
from sim.mfrc522.transceiver import Transceiver

HISTORY_MAX = 10_000

SPI_HZ_DEFAULT = 1_000_000
TRANSFER_NS = 10_000
"""What a host adds to each transfer by opening and closing it; an assumption."""

OSCILLATOR_NS = 38_000
"""1,024 cycles of 27.12 MHz after the supply or NRSTPD came up (data sheet 8.8.2). PowerDown reads
1 so long; what is written meanwhile is taken all the same, as hosts are slower than that."""


class Transfer(NamedTuple):
    """One chip-select on the bus: when it ended, what the host sent and got."""

    at_ns: int
    sent: bytes
    got: bytes


class SimMfrc522(Faulty):
    """One reader chip with its antenna.

    `version` is what VersionReg says: 0x91 and 0x92 are NXP's, 0x88, 0x12 and 0xB2 clones.
    `collpos` chooses one of two readings of CollPos that the data sheets leave open once whole
    bytes of the uid are known: "frame" counts in the received frame, RxAlign included, "uid"
    counts in the whole uid of the level. `pull` is the level of MISO while nobody drives it.

    Faults: off, no supply; stuck, every register stays what it was and takes nothing; garbage,
    random bytes on MISO; slow, the bus is held up for `slow_ms` before every command; delayed,
    MISO lags a whole transfer behind; intermittent, a share of the transfers never reaches it.
    """

    faults_known = frozenset((OFF, STUCK, GARBAGE, SLOW, DELAYED, INTERMITTENT))

    def __init__(
        self,
        clock: Clock,
        *,
        version: int = 0x92,
        collpos: str = "frame",
        field: RadioField | None = None,
        pull: int = 0x00,
        seed: int = 0,
    ) -> None:
        if collpos not in ("frame", "uid"):
            raise ValueError(f"collpos {collpos!r}: must be 'frame' or 'uid'")
        if pull not in (0x00, 0xFF):
            raise ValueError(f"pull {pull:#04x}: MISO floats to 0x00 or to 0xFF")
        super().__init__("mfrc522")
        self.field = field if field is not None else RadioField(seed=seed)
        self.spi_hz = SPI_HZ_DEFAULT
        self.transfers = 0
        self.history: deque[Transfer] = deque(maxlen=HISTORY_MAX)
        self.on_irq: Callable[[bool], None] | None = None
        self._pull = pull
        self._clock = clock
        self._frozen: list[int] = []
        self._late = b""
        self._time: Timebase = timebase(clock)
        self._random = random.Random(seed)
        self._core = Transceiver(self.field, version, collpos, self._random)
        self._has_power = True
        self._reset_released = True
        self._awake_ns = 0
        self._irq_told = self._level()

    # The wires

    def transfer(self, data: bytes) -> bytes:
        """Return what the chip answers while `data` is shifted out to it."""
        if self.fault == SLOW and _starts_command(data):
            self._clock.sleep_ms(self.slow_ms)
        with self.field.lock:
            self._time.spend(TRANSFER_NS + 8 * len(data) * 1_000_000_000 // self.spi_hz)
            self.transfers += 1
            self.field.count_transfer(self.transfers)
            self._catch_up()
            got = self._answer(bytes(data))
            self.history.append(Transfer(self._time.now_ns(), bytes(data), got))
            self._tell_irq()
            return got

    def reset_pin(self, level: bool) -> None:
        """Drive NRSTPD: low is hard power-down, the rising edge resets (data sheet 8.6.1)."""
        with self.field.lock:
            self._catch_up()
            if level and not self._reset_released:
                self._wake()
            self._reset_released = level
            if not level:
                self._core.power_down(self._time.now_ns())
            self._tell_irq()

    def power(self, on: bool) -> None:
        """Switch the supply: off, the bus reads `pull`; on again, every register is reset."""
        with self.field.lock:
            self._catch_up()
            if on and not self._has_power:
                self._core.forget()
                self._wake()
            self._has_power = on
            if not on:
                self._core.power_down(self._time.now_ns())
            self._tell_irq()

    def overheat(self, hot: bool) -> None:
        """Let the temperature sensor trip, or cool down (TempErr, data sheet table 32)."""
        with self.field.lock:
            self._catch_up()
            self._core.overheat(hot)
            self._tell_irq()

    def brown_out(self) -> None:
        """Let the supply dip: all registers are reset and the host is not told."""
        self.power(False)
        self.power(True)

    @property
    def irq_level(self) -> bool:
        """The level of the IRQ pin now, with a pull-up where it is open drain."""
        with self.field.lock:
            self._catch_up()
            self._tell_irq()
            return self._level()

    def next_event_ms(self) -> int | None:
        """Return how soon something will happen by itself, in ms rounded up; None for never."""
        with self.field.lock:
            due_ns = self._core.next_due_ns()
            if due_ns is None or not self._is_awake:
                return None
            return max(0, -(-(due_ns - self._time.now_ns()) // 1_000_000))

    def register(self, address: int) -> int:
        """Return a register as the host would read it, without a transfer; for people."""
        with self.field.lock:
            self._catch_up()
            return self._core.peek(address & 0x3F)

    # Inside

    @property
    def _is_awake(self) -> bool:
        return self._has_power and self._reset_released

    def _wake(self) -> None:
        now_ns = self._time.now_ns()
        self._core.reset(now_ns)
        self._awake_ns = now_ns + OSCILLATOR_NS

    def _catch_up(self) -> None:
        if self._is_awake:
            self._core.run(self._time.now_ns())

    def _on_fault(self) -> None:
        with self.field.lock:
            self._catch_up()
            self._frozen = [self._core.peek(address) for address in range(64)]
            self._late = b""
        self.power(self.fault != OFF)

    def _level(self) -> bool:
        if self.fault == STUCK:
            return self._irq_told
        if not self._is_awake:
            return True
        return self._core.irq != bool(self._core.stored(reg.COM_IEN) & 0x80)

    def _tell_irq(self) -> None:
        level = self._level()
        if level != self._irq_told:
            self._irq_told = level
            if self.on_irq is not None:
                self.on_irq(level)

    def _answer(self, data: bytes) -> bytes:
        """Return MISO, the chip's fault considered."""
        if self.strikes() or not self._is_awake:
            return bytes((self._pull,)) * len(data)
        if self.fault == STUCK:
            return bytes(1) + bytes(self._frozen[address >> 1 & 0x3F] for address in data[:-1])
        if self.fault == GARBAGE:
            self._shift(data)
            return self._random.randbytes(len(data))
        if self.fault == DELAYED:
            late, self._late = self._late, self._shift(data)
            return (late + bytes(len(data)))[: len(data)]
        return self._shift(data)

    def _shift(self, data: bytes) -> bytes:
        """Return MISO for MOSI: data sheet tables 6 and 7."""
        if not data:
            return b""
        starting = self._time.now_ns() < self._awake_ns
        if not data[0] & 0x80:
            for value in data[1:]:
                self._core.write(data[0] >> 1 & 0x3F, value)
            return bytes(len(data))
        got = bytearray(1)
        for address in data[:-1]:
            value = self._core.read(address >> 1 & 0x3F) if address & 0x80 else 0x00
            if starting and address >> 1 & 0x3F == reg.COMMAND:
                value |= reg.POWER_DOWN
            got.append(value)
        return bytes(got)


def _starts_command(data: bytes) -> bool:
    """Whether this transfer writes a command other than Idle."""
    return len(data) > 1 and data[0] == reg.COMMAND << 1 and data[1] & 0x0F != reg.IDLE
