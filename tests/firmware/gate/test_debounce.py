"""Raw edges and what can be believed of them; the pulse trains are those of rpi-lgpio's docs."""

import pytest

from firmware.gate.debounce import CHATTER_EDGES_MAX, Debounce


def fed(stable_ms, edges, until_ms):
    """Return (level, since) of every level that settled."""
    debounce, found = Debounce(stable_ms), []
    for at_ms, level in edges:
        since_ms = debounce.edge(level, at_ms)
        if since_ms is not None:
            found.append((debounce.level, since_ms))
    since_ms = debounce.settle(until_ms)
    return found if since_ms is None else [*found, (debounce.level, since_ms)]


@pytest.mark.parametrize(
    ("stable_ms", "settled"),
    [(1, [(True, 2), (False, 3), (True, 4)]), (2, [(True, 4)]), (3, [(True, 4)])],
)
def test_pulses_at_2_3_and_4_ms(stable_ms, settled):
    """Only a level that has held long enough counts, from the edge that began it."""
    assert fed(stable_ms, [(2, True), (3, False), (4, True)], 20) == settled


def test_a_pulse_train_is_nobody():
    """Changes every 2 ms never settle within 3 ms."""
    train = [(2 * i, i % 2 == 1) for i in range(1, 50)]

    assert fed(3, train, 99) == []


def test_an_edge_told_late_settles_at_once():
    """What has lasted longer than the time asked for needs no further wait."""
    debounce = Debounce(10)

    debounce.edge(True, 100)
    assert debounce.settle(115) == 100
    assert debounce.settle(116) is None


def test_time_never_runs_backwards():
    """An edge that claims to be older than the one before counts as simultaneous with it."""
    assert fed(5, [(100, True), (90, False)], 200) == []


def test_the_same_level_twice_is_one_edge():
    """A backend that repeats a level does not restart the time it has held."""
    assert fed(5, [(100, True), (103, True)], 105) == [(True, 100)]


def test_chatter_is_noticed_and_forgotten():
    """More edges in a minute than people can make are reported until a quiet minute passed."""
    debounce = Debounce(10)
    for i in range(CHATTER_EDGES_MAX + 1):
        debounce.edge(i % 2 == 0, i)

    assert debounce.is_chattering(59_999)
    assert not debounce.is_chattering(180_000)
    debounce.edge(True, 180_000)
    assert not debounce.is_chattering(180_001)
