"""The module `lgpio` of the simulated Pi: what rpi-lgpio, gpiozero and others import.

Modelled after lgpio 0.2.2.0 on a kernel with GPIO character devices, version 2: who owns a line,
what a claim does to a line that is claimed already, edges with debounce and watchdog, software
PWM, error numbers and exceptions. Three of its habits are kept on purpose, because drivers meet
them on real boards:
- claiming an output that is one already changes nothing, not even its level;
- writing to a free line claims it;
- a debounce time stays with the line until the chip is closed, whatever is claimed in between.

Waves, groups of more than one line, I2C and serial are refused by name: a silent stub would let a
driver pass that fails on a board.
"""

from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING

from sim.pi.alerts import BOTH, Alert
from sim.pi.gpiochip import (
    CHIP_LABEL,
    CHIP_NAME,
    DEBOUNCE_US_MAX,
    GPIOCHIP,
    LG_BITS,
    PULSE_US_MIN,
    PWM_HZ_RANGE,
    TX_ROOM,
    WATCHDOG_US_MAX,
    Callback,
    Chip,
    kernel_flags,
)
from sim.pi.lgpio_numbers import CONSTANTS, ERRORS, NUMBERS, error_text
from sim.pi.line import ALERT, INPUT, OUTPUT, Pwm

if TYPE_CHECKING:
    from sim.pi.board import SimPi


class error(Exception):
    """What lgpio raises; `value` is a sentence of `error_text`."""

    def __init__(self, value: str) -> None:
        super().__init__(value)
        self.value = value

    def __str__(self) -> str:
        return repr(self.value)


class Lgpio:
    """The functions of the module; their names and arguments are the vendor's."""

    def __init__(self, pi: "SimPi") -> None:
        self.pi = pi
        self.chips: dict[int, Chip] = {}
        self.spi_handles: dict[int, tuple[int, int]] = {}
        self.fake = ModuleType("lgpio", "lgpio, on a simulated Raspberry Pi")
        numbers = {name: number for number, (name, _) in ERRORS.items()}
        functions = {
            name: getattr(self, name)
            for name in vars(Lgpio)
            if name.startswith(("gpio", "tx_", "spi_", "i2c_", "serial_")) or name == "callback"
        }
        vars(self.fake).update(
            **CONSTANTS,
            **numbers,
            **functions,
            error=error,
            error_text=error_text,
            exceptions=True,
        )

    def close(self) -> None:
        """Close every chip: the program has ended."""
        for chip in self.chips.values():
            chip.close()
        self.chips.clear()
        self.pi.callbacks.clear()

    # ------ the chip ------

    def gpiochip_open(self, gpiochip: int) -> int:
        """Return a handle to /dev/gpiochip`gpiochip`."""
        if gpiochip < 0:
            return self._told(NUMBERS["BAD_GPIOCHIP"])
        if gpiochip != GPIOCHIP:
            return self._told(NUMBERS["CANNOT_OPEN_CHIP"])
        number = next(n for n in range(len(self.chips) + 1) if n not in self.chips)
        self.chips[number] = Chip(self.pi)
        return number | gpiochip << 16

    def gpiochip_close(self, handle: int) -> int:
        """Free the chip's lines and forget the handle."""
        chip = self.chips.pop(handle & 0xFFFF, None)
        if chip is None:
            return self._told(NUMBERS["BAD_HANDLE"])
        chip.close()
        return 0

    def gpio_get_chip_info(self, handle: int) -> list[int | str]:
        """Return [status, lines, name, label]."""
        if handle & 0xFFFF not in self.chips:
            return [self._told(NUMBERS["BAD_HANDLE"]), 0, "", ""]
        return [0, len(self.pi.lines), CHIP_NAME, CHIP_LABEL]

    def gpio_get_line_info(self, handle: int, gpio: int) -> list[int | str]:
        """Return [status, gpio, flags, name, user]."""
        chip, number = self._chip(handle, gpio)
        if chip is None:
            return [self._told(number), 0, 0, "", ""]
        line = chip.line(gpio)
        return [0, gpio, kernel_flags(line), f"GPIO{gpio}", line.owner or ""]

    def gpio_get_mode(self, handle: int, gpio: int) -> int:
        """Return the kernel's bits, and lgpio's own if this program has the line."""
        chip, number = self._chip(handle, gpio)
        if chip is None:
            return self._told(number)
        return kernel_flags(chip.line(gpio)) | LG_BITS.get(chip.mode(gpio) or "", 0)

    # ------ lines ------

    def gpio_claim_input(self, handle: int, gpio: int, lFlags: int = 0) -> int:
        """Claim a line as an input; one that is this program's input already stays as it is."""
        chip, number = self._chip(handle, gpio)
        if chip is None or chip.mode(gpio) == INPUT:
            return self._told(number)
        return self._told(chip.claim(gpio, chip.request(INPUT, lFlags)))

    def gpio_claim_output(
        self,
        handle: int,
        gpio: int,
        level: int = 0,
        lFlags: int = 0,
    ) -> int:
        """Claim a line as an output; one that is this program's output keeps even its level."""
        chip, number = self._chip(handle, gpio)
        if chip is None or chip.mode(gpio) == OUTPUT:
            return self._told(number)
        return self._told(chip.claim(gpio, chip.request(OUTPUT, lFlags), bool(level)))

    def gpio_claim_alert(
        self,
        handle: int,
        gpio: int,
        eFlags: int,
        lFlags: int = 0,
        notify_handle: int | None = None,
    ) -> int:
        """Claim a line as an input whose edges are reported to the callbacks."""
        if notify_handle is not None:
            raise NotImplementedError("the simulated Pi has no notification pipes; use callback()")
        chip, number = self._chip(handle, gpio)
        if chip is None:
            return self._told(number)
        status = chip.claim(gpio, chip.request(ALERT, lFlags, eFlags & BOTH))
        if status == 0:
            alert = Alert(gpio, eFlags & BOTH)
            alert.debounce_ns = chip.debounce_us.get(gpio, 0) * 1_000
            alert.watchdog_ns = chip.watchdog_us.get(gpio, 0) * 1_000
            self.pi.watch(gpio, alert)
        return self._told(status)

    def gpio_free(self, handle: int, gpio: int) -> int:
        """Let a line go."""
        chip, number = self._chip(handle, gpio)
        return self._told(number if chip is None else chip.free(gpio))

    def gpio_read(self, handle: int, gpio: int) -> int:
        """Return 0 or 1; a free line is claimed as an input first."""
        chip, number = self._chip(handle, gpio)
        if chip is None:
            return self._told(number)
        if chip.mode(gpio) is None and chip.claim(gpio, chip.request(INPUT, 0)) != 0:
            return self._told(NUMBERS["GPIO_NOT_ALLOCATED"])
        return int(chip.line(gpio).value)

    def gpio_write(self, handle: int, gpio: int, level: int) -> int:
        """Set an output; any other line is claimed as one first."""
        chip, number = self._chip(handle, gpio)
        if chip is None:
            return self._told(number)
        if chip.mode(gpio) != OUTPUT:
            return self._told(chip.claim(gpio, chip.request(OUTPUT, 0), bool(level)))
        chip.line(gpio).write(bool(level))
        return 0

    def gpio_set_debounce_micros(self, handle: int, gpio: int, debounce_micros: int) -> int:
        """Report edges only once they were stable for that long."""
        chip, number = self._chip(handle, gpio)
        if not 0 <= debounce_micros <= DEBOUNCE_US_MAX:
            return self._told(NUMBERS["BAD_DEBOUNCE_MICS"])
        if chip is None:
            return self._told(number)
        chip.debounce_us[gpio] = debounce_micros
        if chip.mode(gpio) == ALERT:
            self.pi.alerts[gpio].debounce_ns = debounce_micros * 1_000
        return 0

    def gpio_set_watchdog_micros(self, handle: int, gpio: int, watchdog_micros: int) -> int:
        """Report level 2 once when no edge was reported for that long."""
        chip, number = self._chip(handle, gpio)
        if not 0 <= watchdog_micros <= WATCHDOG_US_MAX:
            return self._told(NUMBERS["BAD_WATCHDOG_MICS"])
        if chip is None:
            return self._told(number)
        chip.watchdog_us[gpio] = watchdog_micros
        if chip.mode(gpio) == ALERT:
            self.pi.alerts[gpio].watchdog_ns = watchdog_micros * 1_000
        return 0

    def callback(
        self,
        handle: int,
        gpio: int,
        edge: int = 1,
        func: Callable[[int, int, int, int], object] | None = None,
    ) -> Callback:
        """Call a function at the edges `gpio_claim_alert` asked for; `edge` is not looked at."""
        return Callback(self.pi, handle >> 16, gpio, func)

    # ------ square waves ------

    def tx_pwm(
        self,
        handle: int,
        gpio: int,
        pwm_frequency: float,
        pwm_duty_cycle: float,
        *when: int,
        **named: int,
    ) -> int:
        """Put a square wave on an output; 0 Hz ends it."""
        if pwm_frequency == 0:
            return self.tx_pulse(handle, gpio, 0, 0)
        if not PWM_HZ_RANGE[0] <= pwm_frequency <= PWM_HZ_RANGE[1]:
            return self._told(NUMBERS["BAD_PWM_FREQ"])
        if not 0 <= pwm_duty_cycle <= 100:
            return self._told(NUMBERS["BAD_PWM_DUTY"])
        period_us = int(1e6 / pwm_frequency + 0.5)
        on_us = int(pwm_duty_cycle / 100 * period_us + 0.5)
        return self.tx_pulse(handle, gpio, on_us, period_us - on_us, *when, **named)

    def tx_pulse(
        self, handle: int, gpio: int, pulse_on: int, pulse_off: int, *when: int, **named: int
    ) -> int:
        """Put pulses of that many microseconds on an output; 0 and 0 end them.

        A wave replaces the one before at once, where lgpio waits for the end of its period; and
        there is no queue of more than one. `pulse_offset` in microseconds and `pulse_cycles`
        (0: for ever) may follow.
        """
        offset_us, cycles = _offset_and_cycles(*when, **named)
        chip, number = self._chip(handle, gpio)
        if chip is None:
            return self._told(number)
        if chip.mode(gpio) != OUTPUT and chip.claim(gpio, chip.request(OUTPUT, 0)) != 0:
            return self._told(NUMBERS["GPIO_NOT_AN_OUTPUT"])
        line = chip.line(gpio)
        if pulse_on + pulse_off == 0 and line.pwm is not None:
            line.wave(None)
            return 0
        if pulse_on + pulse_off <= PULSE_US_MIN:
            return self._told(NUMBERS["BAD_PWM_MICROS"])
        start_ns = self.pi.now_ns() + offset_us * 1_000
        length_ns = (pulse_on + pulse_off) * 1_000 * cycles
        line.wave(Pwm(pulse_on, pulse_off, start_ns, start_ns + length_ns if cycles else None))
        return TX_ROOM - 1

    def tx_busy(self, handle: int, gpio: int, kind: int) -> int:
        """Return 1 while a wave is on the line."""
        if kind != CONSTANTS["TX_PWM"]:
            return self._told(NUMBERS["BAD_TX_TYPE"])
        chip, number = self._chip(handle, gpio)
        if chip is None:
            return self._told(number)
        pwm = chip.line(gpio).pwm
        return int(pwm is not None and (pwm.ends_ns is None or self.pi.now_ns() < pwm.ends_ns))

    def tx_room(self, handle: int, gpio: int, kind: int) -> int:
        """Return how many waves may still be queued."""
        busy = self.tx_busy(handle, gpio, kind)
        return TX_ROOM - 1 if busy == 1 else TX_ROOM if busy == 0 else busy

    # ------ the board's SPI buses, which lgpio reaches too ------

    def spi_open(self, spi_device: int, spi_channel: int, baud: int, spi_flags: int = 0) -> int:
        """Return a handle to /dev/spidev`device`.`channel`."""
        if (spi_device, spi_channel) not in self.pi.spi:
            return self._told(NUMBERS["SPI_OPEN_FAILED"])
        number = next(n for n in range(len(self.spi_handles) + 1) if n not in self.spi_handles)
        self.spi_handles[number] = (spi_device, spi_channel)
        return number

    def spi_close(self, handle: int) -> int:
        """Forget the handle."""
        known = self.spi_handles.pop(handle, None) is not None
        return 0 if known else self._told(NUMBERS["BAD_HANDLE"])

    def spi_xfer(self, handle: int, data: bytes) -> tuple[int, bytearray]:
        """Return how many bytes came back, and those bytes."""
        if handle not in self.spi_handles:
            return self._told(NUMBERS["BAD_HANDLE"]), bytearray()
        answer = self.pi.spi[self.spi_handles[handle]].transfer(bytes(data))
        self.pi.settle()
        return len(answer), bytearray(answer)

    def i2c_open(self, i2c_bus: int, i2c_address: int, i2c_flags: int = 0) -> int:
        """Fail as a board without that bus does."""
        return self._told(NUMBERS["I2C_OPEN_FAILED"])

    def serial_open(self, tty: str, baud: int, ser_flags: int = 0) -> int:
        """Fail as a board without that port does."""
        return self._told(NUMBERS["SERIAL_OPEN_FAILED"])

    # ------ errors ------

    def _chip(self, handle: int, gpio: int) -> tuple[Chip | None, int]:
        chip = self.chips.get(handle & 0xFFFF)
        if chip is None:
            return None, NUMBERS["BAD_HANDLE"]
        if not 0 <= gpio < len(self.pi.lines):
            return None, NUMBERS["BAD_GPIO_NUMBER"]
        return chip, 0

    def _told(self, number: int) -> int:
        """Return a status; an error is raised unless the program set `exceptions` to False."""
        if number < 0 and self.fake.exceptions:
            raise error(error_text(number))
        return number


def _offset_and_cycles(pulse_offset: int = 0, pulse_cycles: int = 0) -> tuple[int, int]:
    return pulse_offset, pulse_cycles
