"""What a kiosk says of itself, and when it says it again."""

import pytest

from sim.clock import WALL_START_MS
from sim.devices import OFF
from tests.kiosk.library import GOOSE, Kiosk


@pytest.fixture
def online(tmp_path):
    """A kiosk that was just connected, its clock unsure, and its birth forgotten."""
    made = Kiosk(tmp_path).load()
    made.clock.set_wall(WALL_START_MS, sure=False)
    yield made.run(600).connect()
    made.engine.lists.close()
    made.engine.store.close()


def test_a_clock_that_becomes_sure_is_said_within_a_second(online):
    """The gateway's page must not show "unsure" until the next birth."""
    assert [status.clock for status in online.statuses()] == ["unsure"]

    online.hear_time().run(1_000)

    assert [status.clock for status in online.statuses()] == ["unsure", "sure"]


def test_what_changes_all_the_time_is_said_at_most_every_15_seconds(online):
    """A busy kiosk must not make its status another journal."""
    desk = online.engine.desk
    goose = online.engine.lists.beliefs.item(GOOSE)
    for _ in range(9):
        desk.ledger.tag_seen(goose, desk.table.reading(GOOSE))
        online.run(5_000)

    said = [status.seq_last for status in online.statuses()]
    assert len(said) == 4
    assert said[-1] > said[-2] > said[-3]


def test_a_kiosk_with_nothing_new_says_nothing_new(online):
    """Silence about itself is no silence: the telemetry goes on."""
    online.hear_time().run(2_000)
    online.hear_head(catalogue=1)
    online.run(30_000)
    before = len(online.statuses())

    for n in range(2, 14):
        online.hear_head(n=n, catalogue=1)
        online.run(5_000)

    assert len(online.statuses()) == before


def test_the_telemetry_lets_gates_hear_the_kiosk_within_60_seconds(online):
    """Every 30 s, so that one lost message does not make a gate doubt."""
    online.run(95_000)

    assert len(online.telemetry()) == 4


def test_a_pad_that_fails_is_told_at_once(online):
    """Staff hear of it when it happens, not half a minute later."""
    online.run(10_000)
    before = len(online.telemetry())
    online.pad.fault = OFF
    online.run(6_000)

    (told,) = online.telemetry()[before:]
    assert told.health["pad"] == "pad: off"
