"""What a driver is, and how it is told what a site has set.

A driver is a function `(options, clock, name) -> opener`. It reads its options at once, each
bounded where it is read, and imports and opens nothing; the opener, called later and again after
it failed, imports what it needs, opens the device and returns it, or raises `DeviceError`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from hardware.ports import Clock

T_co = TypeVar("T_co", covariant=True)


class Options(Protocol):
    """The options of one device, as `circulation.config.Section` gives them.

    Each method raises the configuration's own error, which names file, section and option.
    """

    def text(
        self, option: str, *, default: str = ..., chars_max: int = ..., empty: bool = ...
    ) -> str:
        """Return a text; an empty one is refused unless `empty`."""

    def integer(self, option: str, *, default: int = ..., minimum: int, maximum: int) -> int:
        """Return a whole number within both bounds."""

    def secret(self, option: str, *, default: str = ..., bytes_min: int = ...) -> bytes:
        """Return a key written in hexadecimal digits; no message repeats it."""

    def boolean(self, option: str, *, default: bool = ...) -> bool:
        """Return true or false."""

    def choice(self, option: str, choices: Sequence[str], *, default: str = ...) -> str:
        """Return one of the given words."""

    def has(self, option: str) -> bool:
        """Return whether the option is there."""

    def section(self, option: str, *, optional: bool = False) -> Options:
        """Return a section below this one."""

    def table(self, option: str, *, optional: bool = False) -> Mapping[str, Options]:
        """Return the named sections below this one."""


class Driver(Protocol[T_co]):
    """Reads its options and returns what opens the device; see the laws above."""

    def __call__(self, options: Options, clock: Clock, name: str, /) -> Callable[[], T_co]:
        """Return what opens the device. Raises only the configuration's error."""
