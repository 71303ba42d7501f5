"""Putting the simulated Pi's modules in place of the vendors', and taking them away again."""

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from sim.errors import SimError

if TYPE_CHECKING:
    from sim.pi.board import SimPi
    from sim.pi.lgpio import Lgpio

REVISION = "c03111"
"""A Raspberry Pi 4 Model B rev 1.1 with 4 GB, in the new style of revision codes."""

ENVIRONMENT = {"RPI_LGPIO_REVISION": REVISION, "RPI_LGPIO_CHIP": "0"}

FORGOTTEN = frozenset(("RPi", "mfrc522", "gpiozero"))
"""Packages that keep a board's modules; each installation imports them afresh. Others that do are
found by what they hold."""

SPARED = sys.stdlib_module_names | {"hardware", "sim", "kiosk", "firmware", "tests", "__main__"}
"""Ours import the vendors' modules where they use them; the language's own know none."""

VENDORS = ("lgpio", "spidev", "RPi", "RPi.GPIO")

STEP_MS = 1
"""How far a program that waits for an edge moves a virtual clock at a time."""

_installed: list["SimPi"] = []


class BoardEvent:
    """A `threading.Event` in the board's time: waiting lets virtual time pass.

    rpi-lgpio's `wait_for_edge` waits on one. With the machine's own clock it would sit out the
    timeout while virtual time stood still.
    """

    pi: "SimPi"

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        """Wake who waits."""
        self._is_set = True

    def is_set(self) -> bool:
        """Return whether it was set."""
        return self._is_set

    def clear(self) -> None:
        """Unset it."""
        self._is_set = False

    def wait(self, timeout: float | None = None) -> bool:
        """Let time pass until it is set or the timeout, in seconds, is over.

        Without a timeout and with nothing planned on the board nothing will ever come: `SimError`.
        """
        end_ms = None if timeout is None else self.pi.clock.now_ms() + round(timeout * 1000)
        while not self._is_set:
            if end_ms is None and self.pi.next_ns() is None:
                raise SimError("a program waits for an edge for ever, and none is planned")
            if end_ms is not None and self.pi.clock.now_ms() >= end_ms:
                return False
            self.pi.advance(STEP_MS)
        return True


@contextmanager
def modules_in_place(pi: "SimPi", program: "Lgpio") -> Iterator[None]:
    """Install the modules; leave everything as it was, also after an exception.

    Raises `SimError` when another board is installed already.
    """
    if _installed:
        raise SimError("another simulated Pi is installed in this process already")
    modules = {"lgpio": program.fake, **_spidev(pi)}
    before = {name: sys.modules.get(name) for name in modules}
    environment = {name: os.environ.get(name) for name in ENVIRONMENT}
    _installed.append(pi)
    forget()
    sys.modules.update(modules)
    os.environ.update(ENVIRONMENT)
    try:
        if pi.is_virtual:
            _slow_down(pi)
        yield
    finally:
        forget()
        _put_back(sys.modules, before)
        _put_back(os.environ, environment)
        _installed.remove(pi)


def forget() -> None:
    """Forget every imported module that keeps a board's modules, or something out of them."""
    boards = [sys.modules[name] for name in VENDORS if name in sys.modules]
    for name, module in [*sys.modules.items()]:
        package = name.split(".")[0]
        if package in FORGOTTEN or (package not in SPARED and _holds(module, boards)):
            del sys.modules[name]


def _holds(module: ModuleType, boards: list[ModuleType]) -> bool:
    """Whether a module has a global that is one of the boards' modules, or comes from one."""
    if module in boards:
        return False
    return any(
        value in boards or getattr(value, "__module__", None) in VENDORS
        for value in [*vars(module).values()]
        if isinstance(value, ModuleType | type | FunctionType)
    )


def _put_back(place: Any, before: dict[str, Any]) -> None:
    for name, value in before.items():
        if value is None:
            place.pop(name, None)
        else:
            place[name] = value


def _spidev(pi: "SimPi") -> dict[str, ModuleType]:
    try:
        spidev = importlib.import_module("sim.pi.spidev")
    except ModuleNotFoundError:
        return {}
    module: ModuleType = spidev.make_module(pi)
    return {"spidev": module}


def _slow_down(pi: "SimPi") -> None:
    """Give rpi-lgpio the board's time for the two things it waits on."""
    try:
        gpio: Any = importlib.import_module("RPi.GPIO")
    except ImportError:
        return  # a program that uses lgpio alone, or another library on it
    gpio.Event = type("BoardEvent", (BoardEvent,), {"pi": pi})
    gpio.sleep = lambda seconds: pi.clock.sleep_ms(round(seconds * 1000))
