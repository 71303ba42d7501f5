"""Outputs, inputs and the status lamp; runs on both Pythons."""

import gc
import sys

from firmware.mcu.clock import Ticks
from firmware.mcu.drivers import (
    CODES,
    EDGES_MAX,
    PERIOD_MS,
    UPDATING,
    EdgeInput,
    Output,
    StatusLamp,
    Wiring,
)


class Pin:
    """A pin whose level anybody may set."""

    def __init__(self, level=0):
        self.level = level

    def value(self, level=None):
        if level is None:
            return self.level
        self.level = level
        return None

    def irq(self, handler=None, trigger=0, hard=False):
        self.handler, self.trigger, self.is_hard = handler, trigger, hard

    def drive(self, level):
        self.level = level
        self.handler(self)


class Board:
    """A clock of 30 bits."""

    def __init__(self):
        self.at = 0

    def ticks_ms(self):
        return self.at & 0x3FFFFFFF

    def ticks_diff(self, new, old):
        return (new - old + 0x20000000 & 0x3FFFFFFF) - 0x20000000


class Empty:
    """A board with next to nothing."""

    def __init__(self):
        self.INPUTS = {"button": 1}


def beam(level=0):
    board, pin = Board(), Pin(level)
    made = EdgeInput(pin, Ticks(board.ticks_ms, board.ticks_diff), active=1)
    made.listen(3, {"hard": True})
    return board, pin, made


def test_an_output_is_born_off_and_ends_by_itself():
    """After its longest time on it is off, and stays off until it was told to be."""
    pin = Pin(1)
    siren = Output(pin, max_on_ms=1_000)
    assert pin.level == 0

    siren.on(500)
    siren.on(1_200)  # being told again prolongs nothing
    siren.tick(1_499)
    assert pin.level == 1
    siren.tick(1_500)
    assert (pin.level, siren.state) == (0, False)
    siren.on(1_600)
    siren.tick(1_700)
    assert pin.level == 0
    siren.off()
    siren.on(1_800)
    assert pin.level == 1


def test_an_output_may_be_on_when_its_pin_is_low():
    """A relay board that is active low is off with its pin high."""
    pin = Pin(0)
    lamp = Output(pin, max_on_ms=1_000, is_on_high=False)
    assert pin.level == 1

    lamp.on(0)
    assert pin.level == 0


def test_edges_keep_their_moment_and_their_order():
    """What the interrupt stamped is told in the next turn, with the time it happened."""
    board, pin, made = beam()
    for at, level in ((100, 1), (130, 0), (131, 1)):
        board.at = at
        pin.drive(level)
    board.at = 140

    assert made.take() == ((True, 100), (False, 130), (True, 131))
    assert made.take() == ()


def test_an_edge_that_no_interrupt_told_of_is_seen():
    """The level of now is what counts in the end."""
    board, pin, made = beam()
    board.at = 50
    pin.level = 1

    assert made.take() == ((True, 50),)
    pin.level = 0
    board.at = 60
    assert made.take() == ((False, 60),)


def test_a_storm_of_edges_fills_the_ring_and_no_more():
    """What does not fit is counted, and the level of now is right all the same."""
    board, pin, made = beam()
    for number in range(1, 200):
        board.at = number
        pin.drive(number & 1)

    edges = made.take()
    assert len(edges) in (EDGES_MAX - 1, EDGES_MAX)
    assert edges[0] == (True, 1)
    assert edges[-1][0] is True
    assert made.lost == 200 - EDGES_MAX
    assert made.take() == ()


def test_an_interrupt_allocates_nothing():
    """MicroPython forbids it in a hard interrupt: tried with the heap locked."""
    board, pin, made = beam()
    board.at = 0x3FFFFFFF
    pin.level = 1
    handler = pin.handler
    if sys.implementation.name == "micropython":
        import micropython

        gc.collect()
        micropython.heap_lock()
        try:
            for _ in range(3):
                handler(pin)
        finally:
            micropython.heap_unlock()
    else:
        handler(pin)

    assert made.take()[0][0] is True


def test_a_beam_that_is_broken_at_the_start_is_told():
    """Whoever stands between the beams when the program starts is there."""
    board, _, made = beam(1)
    board.at = 5

    assert made.take() == ((True, 5),)


def test_each_code_of_the_status_lamp_can_be_counted():
    """As many flashes as the number of the code, and then darkness."""
    for code in CODES:
        pin = Pin()
        lamp = StatusLamp(Output(pin, max_on_ms=3_600_000))
        lamp.code = code
        flashes, before = 0, 0
        for now_ms in range(PERIOD_MS, 2 * PERIOD_MS, 5):
            lamp.tick(now_ms)
            flashes += pin.level and not before
            before = pin.level
        if code == UPDATING:
            assert flashes > 20
        else:
            assert flashes == code
            assert before == 0


def test_a_place_the_board_lacks_is_named():
    """The message says what there is instead."""

    said = ""
    try:
        Wiring(None, Empty(), None).input("beam_1", 1)
    except ValueError as error:
        said = str(error)
    assert said == "this board has no input beam_1; it has button"
