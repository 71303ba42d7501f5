"""Every expectation can fail: on a quiet house each untrue one is told, with what was seen."""

import pytest

from sim.house.house import House
from sim.scenario.forms import FORMS
from sim.scenario.house import HouseStage
from sim.scenario.play import Player
from sim.scenario.text import parse_scenario

UNTRUE = {
    "expect alarm at gate-1 within 100 ms": "no siren at gate-1",
    "expect lamp amber at gate-1 within 100 ms": "on at gate-1: nothing",
    "expect lamp green at gate-1": "the lamps are red and amber",
    "expect tick for Momo at kiosk-1 within 100 ms": "the screen is idle; tiles: none",
    "expect tile refused for Momo at kiosk-1 within 100 ms": "tiles: none",
    "expect tile notice for code 123 at kiosk-1 within 100 ms": "tiles: none",
    "expect greeting Lena at kiosk-1 within 100 ms": "kiosk-1 greets None (idle)",
    "expect screen lending at kiosk-1 within 100 ms": "state of kiosk-1 is 'idle'",
    "expect offline at kiosk-1 within 100 ms": "online of kiosk-1 is True",
    "expect waiting 3 at kiosk-1 within 100 ms": "waiting of kiosk-1 is 0",
    "expect slip at kiosk-1 within 100 ms": "no slip at kiosk-1",
    "expect health of kiosk-1/pad red within 100 ms": "kiosk-1 says: all is well",
    "expect health of gate-1/lane-1/antenna red within 100 ms": "gate-1 says: all is well",
    "expect health of kiosk-1/pad red at gateway within 100 ms": "shows of kiosk-1: all is well",
    "expect health of kiosk-1/pad blue": "health is red or green",
    "expect item Momo on_loan at gateway within 100 ms": "at the gateway Momo is available",
    "expect tag Momo on_loan within 100 ms": "the tag of Momo says in_stock",
}

BROKEN = """
unplug kiosk-1/pad
fault gate-2/lane-1/antenna off
link kiosk-2 down
meanwhile walk out through gate-1 with Dune
wait 6 s
"""

UNTRUE_WHEN_BROKEN = {
    "expect silence at gate-1 for 100 ms": "the siren of gate-1 sounds",
    "expect lamp red off at gate-1 within 100 ms": "on at gate-1: ",
    'expect alarm at gate-1 within 100 ms naming "Momo"': "the gateway names Dune",
    "expect health of kiosk-1/pad green within 100 ms": "pad: ",
    "expect health of gate-2/lane-1/antenna green within 100 ms": "lane-1: ",
    "expect health of kiosk-1/pad green at gateway within 100 ms": "kiosk-1/pad",
    "expect online at kiosk-2 within 100 ms": "online of kiosk-2 is False",
}

LENT = """
show "Lena Hoffmann" at kiosk-1
place Momo on kiosk-1/pad
expect tick for Momo at kiosk-1
remove Momo
press finish at kiosk-1
expect slip at kiosk-1
"""

UNTRUE_WHEN_LENT = {
    "expect no slip at kiosk-1 for 100 ms": "a slip at kiosk-1: ",
    'expect slip at kiosk-1 within 100 ms naming "Krabat"': "the slip says ",
}


def played(stage, text):
    player = Player(parse_scenario(text), stage)
    player.play()
    return player


@pytest.fixture(scope="module")
def quiet():
    with House(seed=2) as house:
        yield HouseStage(house)


@pytest.mark.parametrize("step", UNTRUE)
def test_what_is_not_so_is_told(quiet, step):
    """Nothing has happened; whoever expects something is told what there is instead."""
    player = played(quiet, step)

    assert player.failed
    assert UNTRUE[step] in player.reports[-1].said


@pytest.mark.parametrize("step", UNTRUE_WHEN_BROKEN)
def test_what_is_broken_is_not_well(step):
    """Silence, health and network are looked at, and not believed."""
    with House(seed=2) as house:
        player = played(HouseStage(house), BROKEN + step)

    assert player.failed
    assert player.reports[-1].step.text == step
    assert UNTRUE_WHEN_BROKEN[step] in player.reports[-1].said


@pytest.mark.parametrize("step", UNTRUE_WHEN_LENT)
def test_a_slip_that_came_is_not_none(step):
    """What came out of the printer is read."""
    with House(seed=2) as house:
        player = played(HouseStage(house), LENT + step)

    assert player.failed
    assert player.reports[-1].step.text == step
    assert UNTRUE_WHEN_LENT[step] in player.reports[-1].said


def test_every_expectation_is_tried():
    """No form of `expect` is missing above."""
    steps = [*UNTRUE, *UNTRUE_WHEN_BROKEN, *UNTRUE_WHEN_LENT]
    tried = {step.name for one in steps for step in parse_scenario(one).steps}

    assert {form.name for form in FORMS if form.head.startswith("expect")} == tried
