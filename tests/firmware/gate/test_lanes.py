"""From beams to passages and counts, dense around every limit."""

import pytest

from firmware.gate.lanes import PASSAGES_MAX, LanePassages, Portal

DEBOUNCE_MS = 10


def gate(*beams):
    return Portal([LanePassages(f"lane-{i}", n, DEBOUNCE_MS) for i, n in enumerate(beams, 1)])


def fed(portal, *edges, until_ms=None):
    """Give edges (at_ms, beam, broken[, lane]); return the directions counted."""
    counted = []
    for at_ms, beam, broken, *lane in edges:
        counted += portal.edge(lane[0] if lane else "lane-1", beam, broken, at_ms)
        counted += portal.settle(at_ms)
    counted += portal.settle(until_ms if until_ms is not None else edges[-1][0] + DEBOUNCE_MS)
    return [crossing.direction for crossing in counted]


def walk(first, second, at_ms, lane="lane-1"):
    return [
        (at_ms, first, True, lane),
        (at_ms + 120, second, True, lane),
        (at_ms + 260, first, False, lane),
        (at_ms + 380, second, False, lane),
    ]


OUT = ("inner", "outer")
IN = ("outer", "inner")


@pytest.mark.parametrize(("way", "direction"), [(OUT, "out"), (IN, "in")])
def test_two_beams_tell_the_direction(way, direction):
    """The beam broken first tells the direction, and one person is counted."""
    portal = gate(2)

    assert fed(portal, *walk(*way, 1_000)) == [direction]
    assert [passage.direction for passage in portal.passages] == [direction]


def test_out_is_known_at_the_first_beam():
    """Nobody waits for the second beam: the passage begins as soon as the inner one is broken."""
    portal = gate(2)

    fed(portal, (1_000, "inner", True))
    assert [(p.direction, p.start_ms) for p in portal.passages] == [("out", 1_000)]


def test_in_is_known_a_moment_later():
    """The outer beam alone may still be two people at once; after 40 ms it is somebody inbound."""
    portal = gate(2)

    fed(portal, (1_000, "outer", True), until_ms=1_040)
    assert portal.passages[0].direction == "pending"
    portal.settle(1_041)
    assert portal.passages[0].direction == "in"


@pytest.mark.parametrize(
    ("apart_ms", "first", "direction"),
    [
        (30, "outer", "unknown"),
        (31, "outer", "in"),
        (30, "inner", "unknown"),
        (31, "inner", "out"),
    ],
)
def test_both_beams_at_once_have_no_direction(apart_ms, first, direction):
    """Up to 30 ms apart nobody can tell."""
    portal = gate(2)
    second = "inner" if first == "outer" else "outer"

    fed(portal, (1_000, first, True), (1_000 + apart_ms, second, True))
    assert portal.passages[0].direction == direction


def test_the_last_beam_to_clear_counts_two_at_once():
    """Without a direction in, the way they left is counted."""
    edges = [(1_000, "outer", True), (1_010, "inner", True), (1_300, "inner", False)]

    assert fed(gate(2), *edges, (1_400, "outer", False)) == ["out"]


@pytest.mark.parametrize("first", ["inner", "outer"])
def test_who_turns_back_is_nobody(first):
    """One beam broken and cleared, or both and back, is not counted."""
    second = "inner" if first == "outer" else "outer"
    there_and_back = [
        (1_000, first, True),
        (1_200, second, True),
        (1_300, second, False),
        (1_500, first, False),
    ]

    assert fed(gate(2), (1_000, first, True), (1_300, first, False)) == []
    assert fed(gate(2), *there_and_back) == []


@pytest.mark.parametrize(("way", "flicker"), [(IN, "inner"), (OUT, "outer")])
def test_the_gaps_of_a_trolley_are_its_tail(way, flicker):
    """What breaks the far beam just after a passage and clears it again belongs to that one."""
    portal = gate(2)
    edges = walk(*way, 1_000)

    tail = [(1_600, flicker, True), (1_700, flicker, False), (2_300, flicker, True)]
    counted = fed(portal, *edges, *tail, (2_400, flicker, False))

    assert len(counted) == 1
    assert [p.direction for p in portal.passages[1:]] == ["", ""]


@pytest.mark.parametrize(("way", "back"), [(IN, OUT), (OUT, IN)])
def test_somebody_right_behind_the_other_way_is_somebody(way, back):
    """What breaks the other beam too was no tail: it is a passage of its own."""
    portal = gate(2)

    counted = fed(portal, *walk(*way, 1_000), *walk(*back, 1_900))
    assert len(counted) == 2
    assert portal.passages[1].direction == counted[1]


def test_later_than_a_second_is_no_tail():
    """More than a second after somebody came in, the inner beam is somebody going out."""
    portal = gate(2)

    fed(portal, *walk(*IN, 1_000), (2_381, "inner", True))
    assert portal.passages[-1].direction == "out"


def test_a_bag_behind_the_body_is_the_same_person():
    """A beam broken again before the lane is clear belongs to whoever is in it."""
    portal = gate(2)
    bag = [(1_300, "inner", True), (1_340, "inner", False), (1_400, "outer", False)]
    edges = [(1_000, "inner", True), (1_120, "outer", True), (1_260, "inner", False), *bag]

    assert fed(portal, *edges) == ["out"]
    assert len(portal.passages) == 1


def test_a_blocked_beam_opens_no_passage():
    """After 10 s a broken beam is a poster; the other beam goes on without a direction."""
    portal = gate(2)
    fed(portal, (1_000, "outer", True))
    portal.settle(11_000)
    assert portal.lanes["lane-1"].faults(11_000) == {
        "outer": "is broken all the time; clear it or align it"
    }

    counted = fed(portal, (12_000, "inner", True), (12_300, "inner", False))
    assert counted == ["unknown"]
    fed(portal, (20_000, "outer", False))
    assert portal.lanes["lane-1"].faults(20_010) == {}


def test_a_chattering_beam_is_reported():
    """A beam that never settles is nobody, and a fault."""
    portal = gate(2)
    for i in range(1_300):
        portal.edge("lane-1", "inner", i % 2 == 0, 1_000 + 2 * i)

    assert portal.settle(3_600) == []
    assert list(portal.lanes["lane-1"].faults(3_600)) == ["inner"]


def test_one_body_in_two_lanes_is_one():
    """Up to 200 ms apart in the same direction two lanes see one person; later it is another."""
    near = sorted([*walk(*OUT, 1_000, "lane-1"), *walk(*OUT, 1_200, "lane-2")])
    apart = sorted([*walk(*OUT, 1_000, "lane-1"), *walk(*OUT, 1_201, "lane-2")])
    against = sorted([*walk(*OUT, 1_000, "lane-1"), *walk(*IN, 1_100, "lane-2")])

    assert fed(gate(2, 2), *near) == ["out"]
    assert fed(gate(2, 2), *apart) == ["out", "out"]
    assert sorted(fed(gate(2, 2), *against)) == ["in", "out"]


def test_passages_are_bounded_and_forgotten():
    """However wild the beams, only the last few passages are kept, and those not for long."""
    portal = gate(1)
    for i in range(40):
        fed(portal, (1_000 + 100 * i, "inner", True), (1_050 + 100 * i, "inner", False))
    assert len(portal.passages) == PASSAGES_MAX

    portal.forget(10_000)
    assert portal.passages == []


def test_a_clear_beam_without_a_passage_is_nothing():
    """A beam that clears after its passage was given up ends nothing twice."""
    portal = gate(2)
    fed(portal, (1_000, "inner", True), (1_100, "outer", True))
    portal.settle(11_500)

    assert fed(portal, (12_000, "inner", False), (12_100, "outer", False)) == []
