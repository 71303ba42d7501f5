"""The digital half of the chip: registers, interrupts, timer and the commands without radio.

Laws:
- A bit the data sheet calls reserved or read-only cannot be written; a write-only one reads 0.
- An interrupt bit is set by its event and cleared by the host, never by reading.
- Time moves only in `run`: what is due happens in the order of its time.
"""

import random
from collections.abc import Callable

from sim.mfrc522 import registers as reg
from sim.mfrc522.coprocessor import Coprocessor
from sim.mfrc522.field import RadioField
from sim.mfrc522.fifo import BUFFER_BYTES, Fifo
from sim.mfrc522.modem import Modem
from sim.mfrc522.timer import Timer

COMMAND_NS = 2_000
"""What Mem and GenerateRandomID take; the data sheet is silent."""

WAKE_NS = 38_000

GAIN_DB = (18, 23, 18, 23, 33, 38, 43, 48)
"""RxGain in RFCfgReg (table 98)."""

Happening = Callable[[int], None]


class Transceiver:
    """Everything behind the bus."""

    def __init__(
        self, field: RadioField, version: int, collpos: str, chance: random.Random
    ) -> None:
        self.field = field
        self.fifo = Fifo()
        self.timer = Timer()
        self.now_ns = 0
        self.command = reg.IDLE
        self.modem = Modem(self, field, counts_uid=collpos == "uid")
        self.crc = Coprocessor(version, chance)
        self._version = version
        self._chance = chance
        self._buffer = bytes(BUFFER_BYTES)
        self._due: dict[str, tuple[int, Happening]] = {}
        self._stored = [register.reset for register in reg.REGISTERS]
        self._com_irq = self._div_irq = self._error = 0
        self._wakes_ns: int | None = None
        self._hot = False
        self._reads = self._reading()
        self._writes: dict[int, Callable[[int], None]] = {
            reg.COMMAND: self._write_command,
            reg.COM_IRQ: self._write_com_irq,
            reg.DIV_IRQ: self._write_div_irq,
            reg.FIFO_DATA: self._write_fifo,
            reg.FIFO_LEVEL: self._write_fifo_level,
            reg.CONTROL: self._write_control,
        }
        self._starts: dict[int, Callable[[], None]] = {
            reg.MEM: lambda: self._soon(self._move_buffer),
            reg.GENERATE_RANDOM_ID: lambda: self._soon(self._make_random_id),
            reg.CALC_CRC: self._start_crc,
            reg.TRANSMIT: self.modem.transmit,
            reg.RECEIVE: self.modem.listen,
            reg.TRANSCEIVE: self.modem.wait_for_start,
            reg.MF_AUTHENT: self.modem.authenticate,
        }
        self.reset(0)

    # Supply

    def reset(self, now_ns: int) -> None:
        """Set every register to its value after reset; the internal buffer stays."""
        self.now_ns = now_ns
        self._due.clear()
        self.fifo.flush()
        self.timer = Timer()
        self.command = reg.IDLE
        self._stored = [register.reset for register in reg.REGISTERS]
        self._com_irq, self._div_irq, self._error = reg.REGISTERS[reg.COM_IRQ].reset, 0, 0
        self._wakes_ns = None
        self.crc.reset()
        self.modem.reset()
        self._switch_carrier()

    def forget(self) -> None:
        """Lose the internal buffer: the supply was gone."""
        self._buffer = bytes(BUFFER_BYTES)

    def power_down(self, now_ns: int) -> None:
        """Stop everything, the carrier too."""
        self.now_ns = now_ns
        self._due.clear()
        self.command = reg.IDLE
        self.modem.reset()
        self.field.carrier(False, now_ns)

    def overheat(self, hot: bool) -> None:
        """Let the temperature sensor trip: TempErr is set and the antenna goes off (table 32)."""
        self._hot = hot
        if hot:
            self.raise_error(reg.TEMP_ERR)
        else:
            self.clear_errors(reg.TEMP_ERR)
        self._switch_carrier()

    # Time

    def schedule(self, name: str, at_ns: int, happening: Happening) -> None:
        """Let something happen; one of a name is due at a time."""
        self._due[name] = (at_ns, happening)

    def cancel(self, *names: str) -> None:
        """Let what was scheduled under these names not happen."""
        for name in names:
            self._due.pop(name, None)

    def next_due_ns(self) -> int | None:
        """Return when the next thing happens by itself, None for never."""
        soonest_ns = self.timer.expires_ns()
        for at_ns, _ in self._due.values():
            if soonest_ns is None or at_ns < soonest_ns:
                soonest_ns = at_ns
        return soonest_ns

    def run(self, until_ns: int) -> None:
        """Let everything happen that is due by then."""
        due_ns = self.next_due_ns()
        while due_ns is not None and due_ns <= until_ns:
            self.now_ns = max(self.now_ns, due_ns)
            self._happen(due_ns, until_ns)
            due_ns = self.next_due_ns()
        self.now_ns = max(self.now_ns, until_ns)

    def _happen(self, due_ns: int, until_ns: int) -> None:
        if self.timer.expires_ns() == due_ns:
            # A timer that restarts every microsecond must not be followed one by one.
            others_ns = [at_ns for at_ns, _ in self._due.values()]
            self.timer.expire(min([until_ns, *others_ns]))
            self.raise_irq(reg.TIMER_IRQ)
            return
        name = min(self._due, key=lambda candidate: self._due[candidate][0])
        _, happening = self._due.pop(name)
        happening(due_ns)

    # Interrupts and errors

    @property
    def irq(self) -> bool:
        """The bit IRq of Status1Reg: an enabled interrupt waits."""
        com = self._com_irq & self._stored[reg.COM_IEN] & 0x7F
        div = self._div_irq & self._stored[reg.DIV_IEN] & 0x14
        return bool(com or div)

    def raise_irq(self, bits: int) -> None:
        """Set interrupt bits of ComIrqReg."""
        self._com_irq |= bits

    def raise_error(self, bits: int) -> None:
        """Set bits of ErrorReg, and ErrIRq with them."""
        if bits:
            self._error |= bits
            self.raise_irq(reg.ERR_IRQ)

    def clear_errors(self, bits: int) -> None:
        """Clear bits of ErrorReg, as the receiver does when it starts."""
        self._error &= ~bits

    def stored(self, address: int) -> int:
        """Return what a register holds, whatever of it can be read."""
        return self._stored[address]

    def store(self, address: int, value: int) -> None:
        """Let the chip itself change a register."""
        self._stored[address] = value

    @property
    def gain_db(self) -> int:
        """The receiver's gain."""
        return GAIN_DB[self._stored[reg.RF_CFG] >> 4 & 7]

    def finish(self) -> None:
        """End the running command by itself: idle, and IdleIRq (table 28)."""
        self.command = reg.IDLE
        self.raise_irq(reg.IDLE_IRQ)

    def fifo_filled(self) -> None:
        """Note that bytes came into the FIFO: it may be almost full now."""
        if self.fifo.alerts(self._stored[reg.WATER_LEVEL])[0]:
            self.raise_irq(reg.HI_ALERT_IRQ)

    def fifo_drained(self) -> None:
        """Note that bytes left the FIFO: it may be almost empty now.

        Only then: hosts that cleared ComIrqReg and wrote a short frame read 00 from a real chip,
        and 44h once it was sent.
        """
        if self.fifo.alerts(self._stored[reg.WATER_LEVEL])[1]:
            self.raise_irq(reg.LO_ALERT_IRQ)

    def receive_byte(self, value: int) -> None:
        """Put a received byte into the FIFO."""
        if not self.fifo.push(value):
            self.raise_error(reg.BUFFER_OVFL)
        self.fifo_filled()

    # Registers

    def peek(self, address: int) -> int:
        """Return a register without any effect of reading it."""
        read = self._reads.get(address)
        value = self._stored[address] if read is None else read()
        return value & reg.REGISTERS[address].readable

    def _reading(self) -> dict[int, Callable[[], int]]:
        return {
            reg.COMMAND: self._read_command,
            reg.COM_IRQ: lambda: self._com_irq,
            reg.DIV_IRQ: lambda: self._div_irq,
            reg.ERROR: lambda: self._error | (reg.BUFFER_OVFL if self.fifo.overflown else 0),
            reg.STATUS1: self._read_status1,
            reg.STATUS2: lambda: self._stored[reg.STATUS2] & ~7 | self.modem.state,
            reg.FIFO_LEVEL: lambda: len(self.fifo),
            reg.CRC_RESULT_H: lambda: self.crc.result >> 8,
            reg.CRC_RESULT_L: lambda: self.crc.result & 0xFF,
            reg.T_COUNTER_H: lambda: self.timer.value(self.now_ns) >> 8,
            reg.T_COUNTER_L: lambda: self.timer.value(self.now_ns) & 0xFF,
            reg.VERSION: lambda: self._version,
        }

    def read(self, address: int) -> int:
        """Return a register as the host reads it."""
        if address != reg.FIFO_DATA:
            return self.peek(address)
        if self.command == reg.MF_AUTHENT:
            self.raise_error(reg.WR_ERR)
            return 0x00
        value = self.fifo.pop()
        self.fifo_drained()
        return value

    def write(self, address: int, value: int) -> None:
        """Write a register as the host does."""
        value &= 0xFF
        write = self._writes.get(address)
        if write is not None:
            write(value)
            return
        writable = reg.REGISTERS[address].writable
        self._stored[address] = self._stored[address] & ~writable | value & writable
        if address == reg.BIT_FRAMING:
            self._stored[address] &= 0x7F
            if value & 0x80 and self.command == reg.TRANSCEIVE:
                self.modem.start_send()
        elif address == reg.TX_CONTROL:
            self._switch_carrier()
        elif address == reg.WATER_LEVEL:
            self.fifo_filled()
            self.fifo_drained()
        elif address in (reg.T_MODE, reg.T_PRESCALER, reg.T_RELOAD_H, reg.T_RELOAD_L, reg.DEMOD):
            self._set_timer()

    def _read_command(self) -> int:
        waking = self._wakes_ns is not None and self.now_ns < self._wakes_ns
        return self._stored[reg.COMMAND] & 0x30 | self.command | (reg.POWER_DOWN if waking else 0)

    def _read_status1(self) -> int:
        high, low = self.fifo.alerts(self._stored[reg.WATER_LEVEL])
        flags = (
            (0x40, self.crc.ready and self.crc.result == 0),
            (0x20, self.crc.ready),
            (0x10, self.irq),
            (0x08, self.timer.running),
            (0x02, high),
            (0x01, low),
        )
        return sum(bit for bit, is_set in flags if is_set)

    def _write_com_irq(self, value: int) -> None:
        bits = value & 0x7F
        self._com_irq = self._com_irq | bits if value & 0x80 else self._com_irq & ~bits

    def _write_div_irq(self, value: int) -> None:
        bits = value & 0x14
        self._div_irq = self._div_irq | bits if value & 0x80 else self._div_irq & ~bits

    def _write_fifo(self, value: int) -> None:
        if self.command == reg.MF_AUTHENT or self.modem.is_between_send_and_receive:
            self.raise_error(reg.WR_ERR)
            return
        if self.command == reg.CALC_CRC and self.crc.ready:
            self._calculate(bytes((value,)))
            return
        if not self.fifo.push(value):
            self.raise_error(reg.BUFFER_OVFL)
        self.fifo_filled()

    def _write_fifo_level(self, value: int) -> None:
        if value & 0x80:
            self.fifo.flush()
            self.clear_errors(reg.BUFFER_OVFL)

    def _write_control(self, value: int) -> None:
        if value & 0x80:
            self.timer.stop(self.now_ns)
        if value & 0x40:
            self.timer.start(self.now_ns)

    def _set_timer(self) -> None:
        mode = self._stored[reg.T_MODE]
        self.timer.prescaler = (mode & 0x0F) << 8 | self._stored[reg.T_PRESCALER]
        self.timer.restarts = bool(mode & 0x10)
        self.timer.even = bool(self._stored[reg.DEMOD] & 0x10)
        self.timer.reload = self._stored[reg.T_RELOAD_H] << 8 | self._stored[reg.T_RELOAD_L]

    def _switch_carrier(self) -> None:
        asleep = bool(self._stored[reg.COMMAND] & reg.POWER_DOWN)
        on = bool(self._stored[reg.TX_CONTROL] & 0x03) and not asleep and not self._hot
        came = on and not self.field.is_on
        self.field.carrier(on, self.now_ns)
        if came and self._stored[reg.T_MODE] & 0x80:
            # Only old revisions of the data sheet say that TAuto starts the timer here as well; a
            # register dump of a real chip that never sent anything has TimerIRq set.
            self.timer.start(self.now_ns)
        if on:
            self.modem.field_came()

    # Commands

    def _write_command(self, value: int) -> None:
        command = value & 0x0F
        if command == reg.SOFT_RESET:
            self.reset(self.now_ns)
            return
        was_asleep = bool(self._stored[reg.COMMAND] & reg.POWER_DOWN)
        self._stored[reg.COMMAND] = value & 0x30
        if bool(value & reg.POWER_DOWN) != was_asleep:
            self._wakes_ns = self.now_ns + WAKE_NS if was_asleep else None
            self._switch_carrier()
        if command != reg.NO_CMD_CHANGE:
            self._start(command)

    def _start(self, command: int) -> None:
        self.cancel("command")
        self.modem.abort()
        self.command = command
        if command == reg.IDLE:
            return
        self._error &= reg.TEMP_ERR | reg.BUFFER_OVFL
        start = self._starts.get(command)
        if start is None:
            self.finish()  # an unknown code (table 28, IdleIRq)
        else:
            start()

    def _soon(self, action: Callable[[], None]) -> None:
        def happen(_now_ns: int) -> None:
            action()
            self.finish()

        self.schedule("command", self.now_ns + COMMAND_NS, happen)

    def _move_buffer(self) -> None:
        """Move 25 bytes into the internal buffer, or out of it when the FIFO is empty."""
        if len(self.fifo):
            taken = bytes(self.fifo.pop() for _ in range(min(BUFFER_BYTES, len(self.fifo))))
            self._buffer = taken + self._buffer[len(taken) :]
            self.fifo_drained()
        else:
            for byte in self._buffer:
                self.fifo.push(byte)
            self.fifo_filled()

    def _make_random_id(self) -> None:
        self._buffer = self._chance.randbytes(10) + self._buffer[10:]

    def _start_crc(self) -> None:
        data = self.fifo.drain()
        self.fifo_drained()
        if self._stored[reg.AUTO_TEST] & 0x0F == 0x09:
            blank = self._buffer == bytes(BUFFER_BYTES) and data == b"\x00"
            self._then_crc_done(self.crc.SELF_TEST_NS, lambda: self._self_tested(blank))
            return
        mode = self._stored[reg.MODE]
        self.crc.start(mode & 0x03, msb_first=bool(mode & 0x80))
        self._calculate(data)

    def _calculate(self, data: bytes) -> None:
        self._then_crc_done(self.crc.duration_ns(len(data)), lambda: self.crc.feed(data))

    def _then_crc_done(self, duration_ns: int, action: Callable[[], None]) -> None:
        self.crc.ready = False

        def happen(_now_ns: int) -> None:
            action()
            self.crc.ready = True
            self._div_irq |= reg.CRC_IRQ

        self.schedule("command", self.now_ns + duration_ns, happen)

    def _self_tested(self, blank: bool) -> None:
        for byte in self.crc.self_test(blank):
            self.fifo.push(byte)
        self.fifo_filled()
