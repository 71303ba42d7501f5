"""Lamps and sounds: their rhythms, as the table in `hardware/indicators.py` says them."""

import re

import pytest

from hardware import indicators
from hardware.errors import DeviceUnavailable
from hardware.gpio import Buzzer
from hardware.indicators import PATTERNS, Indicators, Pattern, Signal, Step
from sim.clock import VirtualClock
from sim.pi.board import SimPi
from sim.pins import SimOutput

ALL = list(Signal)


@pytest.fixture
def clock():
    """A clock that moves when told."""
    return VirtualClock()


def rig(clock, **more):
    """Return a lamp, a siren, and indicators that use them for everything."""
    lamp = SimOutput(clock, name="lamp", max_on_ms=60_000)
    siren = SimOutput(clock, name="siren", max_on_ms=60_000)
    every = Indicators(lamps=dict.fromkeys(ALL, lamp), sounds=dict.fromkeys(ALL, siren), **more)
    return lamp, siren, every


def play(clock, every, signal, until_ms):
    """Show a signal and call `tick` whenever it wants to be called."""
    end_ms = clock.now_ms() + until_ms
    due_ms = every.show(signal, clock.now_ms())
    while due_ms is not None and due_ms <= end_ms:
        clock.advance(due_ms - clock.now_ms())
        due_ms = every.tick(clock.now_ms())
    clock.advance(end_ms - clock.now_ms())


def lit_ms(output, end_ms):
    """Return when an output was on, as (from, until)."""
    assert not output.state
    changes = [at_ms for at_ms, _ in output.history]
    assert all(at_ms <= end_ms for at_ms in changes)
    return list(zip(changes[::2], changes[1::2], strict=True))


def table():
    """Return the rows of the module's table, by signal."""
    rows = [line.strip("|").split("|") for line in indicators.__doc__.split("\n") if "| " in line]
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in rows[1:]}


def steps_of(words):
    """Read `150/100 150/350 × 10` as steps."""
    rhythm, _, times = words.partition("×")
    found = [
        Step(int(on_ms), int(off_ms or 0))
        for on_ms, off_ms in re.findall(r"(\d+)(?:/(\d+))?", rhythm)
    ]
    return Pattern(tuple(found) * int(times or 1))


@pytest.mark.parametrize("signal", ALL)
def test_the_table_says_what_is_played(signal):
    """Rhythm, tone, colour and length of every signal are those of the documentation."""
    sound, tone_hz, lamp, colour, duration_ms = table()[signal.value]
    indication = PATTERNS[signal]

    assert steps_of(sound) == indication.sound
    assert steps_of(lamp) == indication.lamp
    assert int(tone_hz) == indication.tone_hz
    assert colour == indication.colour
    assert int(duration_ms) == max(indication.sound.duration_ms, indication.lamp.duration_ms)


@pytest.mark.parametrize("signal", ALL)
def test_every_sound_has_a_visual_twin_that_lasts_as_long(signal):
    """Who cannot hear misses nothing."""
    indication = PATTERNS[signal]

    assert indication.lamp.steps
    assert indication.lamp.duration_ms >= indication.sound.duration_ms


def test_signals_differ_in_rhythm_and_not_only_in_colour():
    """Heard or seen in black and white they are still three."""
    assert len({indication.sound for indication in PATTERNS.values()}) == 3
    assert len({indication.lamp for indication in PATTERNS.values()}) == 3


@pytest.mark.parametrize("signal", ALL)
def test_no_lamp_flashes_more_than_three_times_a_second(signal):
    """WCAG 2.3.1: nobody gets a seizure at our gate."""
    starts_ms = PATTERNS[signal].lamp.starts_ms

    assert all(
        sum(1 for other in starts_ms if start <= other < start + 1_000) <= 3 for start in starts_ms
    )


@pytest.mark.parametrize("signal", ALL)
def test_nothing_lasts_longer_than_ten_seconds(signal):
    """A guard who needs longer has the gate's own siren."""
    indication = PATTERNS[signal]

    assert max(indication.sound.duration_ms, indication.lamp.duration_ms) <= 10_000


def test_refused_is_two_long_tones_and_three_flashes(clock):
    """Played to its end, everything is off and nothing more is wanted."""
    lamp, siren, every = rig(clock)
    play(clock, every, Signal.REFUSED, 5_000)

    assert lit_ms(siren, 1_000) == [(0, 400), (600, 1_000)]
    assert lit_ms(lamp, 3_000) == [(0, 500), (1_000, 1_500), (2_000, 2_500)]
    assert every.signal is None
    assert every.tick(clock.now_ms()) is None


def test_a_program_that_stops_calling_leaves_nothing_on(clock):
    """Each time on is a pulse that ends by itself."""
    lamp, siren, every = rig(clock)
    every.show(Signal.ALARM, clock.now_ms())
    clock.advance(200)

    assert not siren.state
    assert not lamp.state


def test_a_late_call_keeps_the_rhythm(clock):
    """Called in the middle of a step, the rest of it is played; called after it, none."""
    lamp, siren, every = rig(clock)
    every.show(Signal.REFUSED, clock.now_ms())
    clock.advance(700)
    every.tick(clock.now_ms())
    clock.advance(800)
    every.tick(clock.now_ms())
    clock.advance(100)

    assert lit_ms(siren, 1_000) == [(0, 400), (700, 1_000)]
    assert lit_ms(lamp, 1_500) == [(0, 500)]


def test_an_alarm_is_not_interrupted_by_a_kind_word(clock):
    """Ok while the alarm sounds changes nothing; refused gives way to an alarm at once."""
    _, siren, every = rig(clock)
    every.show(Signal.REFUSED, clock.now_ms())
    clock.advance(100)
    every.show(Signal.ALARM, clock.now_ms())
    clock.advance(50)
    every.show(Signal.OK, clock.now_ms())

    assert every.signal is Signal.ALARM
    clock.advance(150)
    assert not siren.state
    assert list(siren.history) == [(0, True), (100, False), (100, True), (250, False)]


def test_the_same_signal_again_keeps_its_rhythm(clock):
    """Two things refused at once sound like one; after the last tone it is told anew."""
    _, siren, every = rig(clock)
    every.show(Signal.REFUSED, clock.now_ms())
    clock.advance(200)
    play(clock, every, Signal.REFUSED, 800)
    assert lit_ms(siren, 1_000) == [(0, 400), (600, 1_000)]
    every.show(Signal.REFUSED, clock.now_ms())

    assert siren.state


def test_ok_may_follow_when_the_alarm_is_over(clock):
    """A finished signal is in nobody's way, also if nobody called `tick` at its end."""
    _, _, every = rig(clock)
    every.show(Signal.ALARM, clock.now_ms())
    clock.advance(10_000)
    every.show(Signal.OK, clock.now_ms())

    assert every.signal is Signal.OK


def test_quiet_ends_everything_at_once(clock):
    """The button."""
    lamp, siren, every = rig(clock)
    every.show(Signal.ALARM, clock.now_ms())
    every.quiet()
    every.quiet()

    assert not lamp.state
    assert not siren.state
    assert every.tick(clock.now_ms() + 500) is None


def test_a_sound_without_anything_to_see_is_refused(clock):
    """A screen may be the twin, and then it is said."""
    siren = SimOutput(clock, max_on_ms=60_000)
    with pytest.raises(ValueError, match="the sound for alarm has no lamp"):
        Indicators(lamps={}, sounds={Signal.ALARM: siren})
    every = Indicators(lamps={}, sounds={Signal.ALARM: siren}, on_screen=True)
    every.show(Signal.ALARM, clock.now_ms())

    assert siren.state


class Broken(SimOutput):
    """A lamp whose wire is off."""

    def pulse(self, duration_ms):
        """Fail."""
        raise DeviceUnavailable("lamp: gone")


def test_a_lamp_that_fails_does_not_silence_the_siren(clock, caplog):
    """One device less is one device less; the log says which."""
    siren = SimOutput(clock, max_on_ms=60_000)
    lamp = Broken(clock, max_on_ms=60_000)
    every = Indicators(lamps={Signal.OK: lamp}, sounds={Signal.OK: siren})
    every.show(Signal.OK, clock.now_ms())

    assert siren.state
    assert "lamp: gone" in caplog.text


def test_a_buzzer_is_given_the_signals_tone(clock):
    """On the pin, OK is a higher tone than refused."""
    with SimPi(clock).installed() as pi:
        buzzer = Buzzer(18, clock=clock, max_on_ms=5_000)
        every = Indicators(lamps={}, sounds=dict.fromkeys(ALL, buzzer), on_screen=True)
        every.show(Signal.OK, clock.now_ms())
        assert round(pi.line(18).pwm.frequency_hz) == 2_597
        every.show(Signal.REFUSED, clock.now_ms())
        assert round(pi.line(18).pwm.frequency_hz) == 1_000
        buzzer.close()
