"""Pins, buses and lamps of a board, over `machine` or over anything that looks like it.

Laws:
- Every output is born off, is off when it is let go, and switches itself off after its longest
  time on, whatever the program says. While the program hangs nobody does that: the watchdog
  resets the board within its time-out, and after a reset no pin drives anything.
- An interrupt allocates nothing: it stamps a place of a ring made beforehand. What did not fit,
  or was never told, is made good by the level that every turn looks at.
"""

from array import array

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from firmware.mcu.clock import Ticks

EDGES_MAX = 64
"""Of one input between two turns; a power of two, one place always free. Chatter is faster than
that, and `firmware/gate/debounce.py` says so from what was kept."""
_MASK = EDGES_MAX - 1

LAMP_MAX_ON_MS = 3_600_000
NOBODY: "tuple[tuple[bool, int], ...]" = ()

# Flashes of the status lamp: how many, then a pause. docs/firmware.md shows this table.
WELL = 1
NO_WIFI = 2
NO_BROKER = 3
BLIND_LIST = 4
DEVICE_FAILS = 5
NO_CONFIG = 6
UPDATING = 0  # no pause at all: it flickers
CODES = {
    WELL: "all is well",
    NO_WIFI: "no Wi-Fi",
    NO_BROKER: "Wi-Fi, but no broker",
    BLIND_LIST: "no list of what may leave: ask at the gateway",
    DEVICE_FAILS: "an antenna or a beam does not work",
    NO_CONFIG: "no configuration: provision this device",
    UPDATING: "flickering: a new program is coming in; leave the power on",
}
FLASH_MS = 150
PERIOD_MS = 3_000
FLICKER_MS = 60


class Output:
    """A siren or a lamp."""

    def __init__(self, pin: "Any", *, max_on_ms: int, is_on_high: bool = True) -> None:
        """pin: already an output, off. max_on_ms: the longest time on at a stretch."""
        if max_on_ms <= 0:
            raise ValueError(f"the longest time on must be above 0 ms, not {max_on_ms}")
        self.state = False
        self._pin = pin
        self._max_on_ms = max_on_ms
        self._high = is_on_high
        self._since_ms: int | None = None
        self._set(False)

    def on(self, now_ms: int) -> None:
        """Switch it on; being told again prolongs nothing until it was told to be off."""
        if self._since_ms is None:
            self._since_ms = now_ms
            self._set(True)

    def off(self) -> None:
        """Switch it off."""
        self._since_ms = None
        self._set(False)

    def tick(self, now_ms: int) -> None:
        """Switch it off if it has been on for its longest time."""
        since_ms = self._since_ms
        if self.state and since_ms is not None and now_ms - since_ms >= self._max_on_ms:
            self._set(False)

    def _set(self, state: bool) -> None:
        self.state = state
        self._pin.value(1 if state == self._high else 0)


class EdgeInput:
    """A beam or a button: raw edges with the moment they happened."""

    def __init__(self, pin: "Any", ticks: "Ticks", *, active: int) -> None:
        """pin: already an input. active: its level while the beam is broken, the button down."""
        self.lost = 0
        self._pin = pin
        self._ticks = ticks
        self._stamp = ticks.stamp
        self._active = active
        self._last = False  # clear, until an edge or a look says otherwise
        self._stamps = array("L", [0] * EDGES_MAX)
        self._levels = bytearray(EDGES_MAX)
        self._write = 0
        self._read = 0
        self._handler = self._on_edge  # making it in the interrupt would allocate

    def listen(self, trigger: int, options: "dict[str, Any]") -> None:
        """Have every edge stamped from now on; options: of the board's `Pin.irq`."""
        self._pin.irq(handler=self._handler, trigger=trigger, **options)

    def take(self) -> "tuple[tuple[bool, int], ...]":
        """Return the edges since the last call, oldest first: (active, at_ms).

        The last of them is the level as it is now, if no interrupt told of it.
        """
        is_active = self._pin.value() == self._active
        if self._read == self._write and is_active == self._last:
            return NOBODY
        edges = []
        while self._read != self._write:
            slot = self._read
            level = self._levels[slot] == self._active
            edges.append((level, self._ticks.at_ms(self._stamps[slot])))
            self._read = (slot + 1) & _MASK
            self._last = level
        if is_active != self._last:
            self._last = is_active
            edges.append((is_active, self._ticks.now_ms()))
        return tuple(edges)

    def _on_edge(self, pin: "Any") -> None:
        slot = self._write
        after = (slot + 1) & _MASK
        if after == self._read:
            self.lost += 1
            return
        self._stamps[slot] = self._stamp()
        self._levels[slot] = pin.value()
        self._write = after


class StatusLamp:
    """The lamp that tells how the board is, by the number of its flashes."""

    def __init__(self, output: Output) -> None:
        """output: of its own; it is on for a moment at a time."""
        self.code = NO_WIFI
        self._output = output

    def tick(self, now_ms: int) -> None:
        """Show the code as of now."""
        wanted = self._is_lit(now_ms)
        if wanted != self._output.state:
            self._output.on(now_ms) if wanted else self._output.off()

    def _is_lit(self, now_ms: int) -> bool:
        if self.code == UPDATING:
            return now_ms // FLICKER_MS % 2 == 0
        flash, rest = divmod(now_ms % PERIOD_MS, 2 * FLASH_MS)
        return flash < self.code and rest < FLASH_MS


class SpiBus:
    """A full-duplex bus and its chip select, as `hardware/chips/rc522.py` wants it."""

    def __init__(self, spi: "Any", select: "Any") -> None:
        """select: the chip select's pin, high."""
        self._spi = spi
        self._select = select

    def transfer(self, data: bytes) -> bytes:
        """Send these bytes and return those that came meanwhile, as many."""
        answer = bytearray(len(data))
        self._select.value(0)
        try:
            self._spi.write_readinto(data, answer)
        finally:
            self._select.value(1)
        return bytes(answer)


class Wiring:
    """Makes what stands behind the names of a board's file."""

    def __init__(self, machine: "Any", board: "Any", ticks: "Ticks") -> None:
        """machine: MicroPython's module, or a fake. board: one of the `board_*` modules."""
        self._machine = machine
        self._board = board
        self._ticks = ticks

    def output(self, name: str, max_on_ms: int) -> Output:
        """Return the output of that name, off."""
        pin, is_on_high = self._board.OUTPUTS[name]
        off = 0 if is_on_high else 1
        made = self._machine.Pin(pin, self._machine.Pin.OUT, value=off)
        return Output(made, max_on_ms=max_on_ms, is_on_high=is_on_high)

    def input(self, name: str, active: int) -> EdgeInput:
        """Return the input of that name, listening; raise ValueError if the board has none."""
        number = _named(self._board.INPUTS, name, "input")
        kinds = self._machine.Pin
        made = EdgeInput(kinds(number, kinds.IN, kinds.PULL_UP), self._ticks, active=active)
        made.listen(kinds.IRQ_RISING | kinds.IRQ_FALLING, self._board.IRQ_OPTIONS)
        return made

    def uart(self, name: str, baudrate: int, parity: str) -> "Any":
        """Return the serial port of that name; neither reading nor writing ever waits."""
        number, tx, rx = _named(self._board.UARTS, name, "serial port")
        pins = self._machine.Pin
        return self._machine.UART(
            number,
            baudrate=baudrate,
            bits=8,
            parity=0 if parity == "E" else None,  # 0: even
            stop=1,
            tx=pins(tx),
            rx=pins(rx),
            timeout=0,
            timeout_char=0,
            rxbuf=1_024,
            txbuf=256,
        )

    def spi(self, name: str) -> SpiBus:
        """Return the bus of that name with its chip select high."""
        number, sck, mosi, miso, select = _named(self._board.SPIS, name, "bus")
        pins = self._machine.Pin
        spi = self._machine.SPI(
            number, baudrate=1_000_000, sck=pins(sck), mosi=pins(mosi), miso=pins(miso)
        )
        return SpiBus(spi, pins(select, pins.OUT, value=1))


def quiet(machine: "Any", board: "Any") -> None:
    """Switch every output off, before anything else is known."""
    for pin, is_on_high in board.OUTPUTS.values():
        machine.Pin(pin, machine.Pin.OUT, value=0 if is_on_high else 1)


def _named(places: "dict[str, Any]", name: str, what: str) -> "Any":
    if name not in places:
        names = ", ".join(sorted(places))
        raise ValueError(f"this board has no {what} {name}; it has {names}")
    return places[name]
