"""MicroPython's `time` on a board: milliseconds that wrap, and sleeps the board can interrupt."""

import sys

from sim.mcu.fake.board_wire import TICKS_PERIOD, TICKS_START, wire

if sys.implementation.name == "micropython":
    from utime import *  # type: ignore[import-not-found]  # noqa: F403

_HALF = TICKS_PERIOD // 2


def ticks_ms() -> int:
    """Return milliseconds that begin anew at 2 ** 30."""
    board = wire()
    board.pump()
    return (TICKS_START + board.now_ms()) & (TICKS_PERIOD - 1)


def ticks_us() -> int:
    """Return microseconds that begin anew at 2 ** 30."""
    return (wire().now_ms() * 1_000) & (TICKS_PERIOD - 1)


def ticks_add(ticks: int, delta: int) -> int:
    """Return a stamp that much later."""
    return (ticks + delta) & (TICKS_PERIOD - 1)


def ticks_diff(ticks1: int, ticks2: int) -> int:
    """Return how much later the first stamp is, from -2 ** 29 up to 2 ** 29."""
    return ((ticks1 - ticks2 + _HALF) & (TICKS_PERIOD - 1)) - _HALF


def sleep_ms(ms: int) -> None:
    """Return that much later; interrupts happen meanwhile."""
    wire().sleep_ms(ms)


def sleep_us(us: int) -> None:
    """Return that much later, in whole milliseconds."""
    wire().sleep_ms(us // 1_000)


def sleep(seconds: int) -> None:
    """Return that much later."""
    wire().sleep_ms(int(seconds * 1_000))
