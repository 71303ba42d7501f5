"""What every output and input pin does."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from hardware.ports import Edge, Input, Output

MAX_ON_MS = 3_000


@dataclass
class OutputRig:
    """A way to make outputs, and their clock.

    `make(initial, safe)` returns an output with a longest time on of `MAX_ON_MS`;
    `level(output)` is what the wire does, also after closing; `advance(ms)` lets time pass.
    """

    make: Callable[[bool, bool], Output]
    level: Callable[[Output], bool]
    advance: Callable[[int], None]


@dataclass
class InputRig:
    """An input, `drive(level)` on its wire, and its clock."""

    input: Input
    drive: Callable[[bool], None]
    advance: Callable[[int], None]
    now_ms: Callable[[], int]


class OutputContract:
    """Inherit, give the fixture `rig` an `OutputRig`, and have all of these."""

    @pytest.mark.parametrize("initial", [False, True])
    def test_an_output_is_born_in_its_initial_state(self, rig, initial):
        """Nothing flickers at the start: the first state is the declared one."""
        assert rig.make(initial, False).state is initial

    def test_on_and_off(self, rig):
        """On is on, off is off, and saying it twice changes nothing."""
        output = rig.make(False, False)

        output.on()
        output.on()
        assert output.state
        output.off()
        output.off()
        assert not output.state

    def test_it_goes_off_after_its_longest_time_on(self, rig):
        """A forgotten siren ends by itself, to the millisecond."""
        output = rig.make(False, False)
        output.on()

        rig.advance(MAX_ON_MS - 1)
        assert output.state
        rig.advance(1)
        assert not output.state

    def test_saying_on_again_does_not_stretch_the_longest_time(self, rig):
        """A program stuck in a loop cannot keep a siren alive."""
        output = rig.make(False, False)
        output.on()
        rig.advance(MAX_ON_MS - 1)
        output.on()

        rig.advance(1)
        assert not output.state

    @pytest.mark.parametrize(("asked_ms", "on_ms"), [(100, 100), (MAX_ON_MS * 9, MAX_ON_MS)])
    def test_a_pulse_ends_by_itself(self, rig, asked_ms, on_ms):
        """A pulse lasts as long as asked, and never longer than the longest time on."""
        output = rig.make(False, False)
        output.pulse(asked_ms)

        rig.advance(on_ms - 1)
        assert output.state
        rig.advance(1)
        assert not output.state

    @pytest.mark.parametrize("duration_ms", [0, -5])
    def test_a_pulse_of_nothing_is_nothing(self, rig, duration_ms):
        """No duration, no pulse."""
        output = rig.make(False, False)
        output.pulse(duration_ms)

        assert not output.state

    @pytest.mark.parametrize("safe", [False, True])
    def test_closing_leaves_the_safe_state(self, rig, safe):
        """When the program lets go, the wire has its safe state; twice is harmless."""
        output = rig.make(not safe, safe)
        output.close()
        output.close()

        assert rig.level(output) is safe

    def test_a_closed_output_stays_as_it_is(self, rig):
        """Nothing switches an output that was let go of."""
        output = rig.make(False, False)
        output.close()
        output.on()
        output.pulse(100)

        assert not rig.level(output)


class InputContract:
    """Inherit, give the fixture `rig` an `InputRig`, and have all of these."""

    def test_the_level_is_what_the_wire_is(self, rig):
        """A broken beam reads True, a free one False."""
        assert not rig.input.read()
        rig.drive(True)
        assert rig.input.read()
        rig.drive(False)
        assert not rig.input.read()

    def test_edges_carry_their_own_time(self, rig):
        """An edge is dated when it happened, not when it was fetched."""
        start_ms = rig.now_ms()
        rig.drive(True)
        rig.advance(40)
        rig.drive(False)
        rig.advance(500)

        assert rig.input.edges() == [Edge(True, start_ms), Edge(False, start_ms + 40)]
        assert rig.input.edges() == []

    def test_the_same_level_is_no_edge(self, rig):
        """Only changes are edges."""
        rig.drive(False)
        rig.drive(True)
        rig.drive(True)

        assert [edge.level for edge in rig.input.edges()] == [True]

    def test_of_too_many_edges_the_oldest_are_dropped(self, rig):
        """A chattering wire cannot fill the memory."""
        for number in range(600):
            rig.drive(number % 2 == 0)

        edges = rig.input.edges()
        assert len(edges) == 256
        assert edges[-1].level is False

    def test_closing_twice_is_harmless(self, rig):
        """A closed input reads free and has no edges."""
        rig.drive(True)
        rig.input.close()
        rig.input.close()

        assert not rig.input.read()
        assert rig.input.edges() == []
