"""What a kiosk is heard to say: each sound has a rhythm, and the screen says it too."""

import pytest

from hardware.ports import NTAG
from kiosk.devices import KioskDevices
from sim.clock import VirtualClock
from sim.devices import SimReader
from sim.pins import SimOutput
from tests.kiosk.library import GOOSE, Kiosk


@pytest.fixture
def kiosk(tmp_path):
    """A kiosk with two sounds."""
    clock = VirtualClock()
    pad, cards = SimReader(clock), SimReader(clock, technologies=(NTAG,))
    done = SimOutput(clock, name="sound_ok", max_on_ms=5_000)
    problem = SimOutput(clock, name="sound_problem", max_on_ms=5_000)
    devices = KioskDevices(pad, card_reader=cards, sound_ok=done, sound_problem=problem)
    made = Kiosk(tmp_path, clock=clock, devices=devices)
    made.pad, made.cards, made.done, made.problem = pad, cards, done, problem
    yield made.load().run(600)
    made.engine.lists.close()
    made.engine.store.close()


def beeps_ms(output):
    """Return how long each beep was, and drop it from the history."""
    assert not output.state
    changes = [at_ms for at_ms, _ in output.history]
    output.history.clear()
    return [off_ms - on_ms for on_ms, off_ms in zip(changes[::2], changes[1::2], strict=True)]


def test_a_tick_is_one_short_beep(kiosk):
    """Beside the tick on the screen."""
    kiosk.show_card()
    beeps_ms(kiosk.done)
    kiosk.place(GOOSE).run(2_000)

    assert kiosk.tiles == {"The Snow Goose": "done"}
    assert beeps_ms(kiosk.done) == [120]
    assert beeps_ms(kiosk.problem) == []


def test_a_question_is_two_long_beeps(kiosk):
    """A book lifted too early: somebody has to look, and nothing sounds like a yes."""
    kiosk.show_card()
    beeps_ms(kiosk.done)
    kiosk.pad.pull(kiosk.tag(GOOSE).uid, after_writes=0)
    kiosk.place(GOOSE).run(2_000)

    assert kiosk.view["sound"][1] == "attention"
    assert beeps_ms(kiosk.problem) == [400, 400]
    assert beeps_ms(kiosk.done) == []
