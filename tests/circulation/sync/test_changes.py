"""Following a list: from my version only, else ask, else a snapshot."""

import pytest

from circulation.sync.changes import ChangeFollower
from circulation.sync.effects import ApplyChanges, FetchSnapshot, SendRequest
from circulation.wire.messages import Change, Head, Pointer

LINEAGE = "00000000000000a1"
OTHER = "00000000000000a2"
FETCH = [FetchSnapshot("policy")]


def change(start, end, *, lineage=LINEAGE, kind="policy"):
    """Return a delta."""
    return Change(kind, lineage, start, end, [{"key": str(end)}], "0" * 32)


def head(version, *, lineage=LINEAGE, stations=1):
    """Return a heartbeat that names the newest version."""
    versions = {} if version is None else {"policy": version}
    return Head(lineage, 1, 0, versions, stations, True, "0" * 32)


def pointer(version, *, lineage=LINEAGE, kind="policy"):
    """Return where the newest snapshot is."""
    return Pointer(kind, "json-1", lineage, version, 1, "0" * 64, "/x")


@pytest.fixture
def follower():
    """A follower of a list at version 10, which always draws the shortest wait: 5 s."""
    follower = ChangeFollower("policy", random_below=lambda limit: 0)
    follower.on_loaded(LINEAGE, 10)
    return follower


def asks_since(effects, version):
    """Return whether the only effect asks for all since this version."""
    (effect,) = effects
    message = effect.message
    return type(effect) is SendRequest and (message.op, message.kind, message.version) == (
        "since",
        "policy",
        version,
    )


def test_a_delta_from_my_version_is_applied(follower):
    """Each delta begins where the one before ended."""
    assert follower.on_change(change(10, 12), 0) == [ApplyChanges("policy", [{"key": "12"}], 12)]
    assert follower.on_change(change(12, 13), 0) == [ApplyChanges("policy", [{"key": "13"}], 13)]
    assert follower.version == 13


def test_a_delta_that_was_applied_is_ignored(follower):
    """The gateway publishes again after a crash."""
    assert follower.on_change(change(8, 10), 0) == []
    assert follower.on_change(change(8, 9), 0) == []
    assert follower.on_change(change(10, 11, kind="patrons"), 0) == []


def test_a_gap_is_asked_for_once_and_then_filled(follower):
    """While the answer is on its way, further deltas do not ask again."""
    assert asks_since(follower.on_change(change(11, 12), 0), 10)
    assert follower.on_change(change(12, 13), 10) == []

    assert follower.on_change(change(10, 13), 20)[0].version == 13
    assert follower.tick(100_000) == []


def test_an_answer_that_ends_early_is_continued_at_once(follower):
    """An answer is short for a gate's sake; the rest needs neither patience nor another head."""
    follower.on_head(head(13), 0)
    assert asks_since(follower.tick(3_000), 10)

    follower.on_change(change(10, 11), 3_100)

    assert follower.tick(3_349) == []
    assert asks_since(follower.tick(3_350), 11)


def test_the_last_delta_that_was_lost_is_asked_for(follower):
    """A head names a version that never came; a moment later it is asked for."""
    assert follower.on_head(head(11), 0) == []
    assert follower.tick(2_999) == []
    assert follower.on_head(head(11), 2_999) == []
    assert asks_since(follower.tick(3_000), 10)


def test_a_head_that_overtakes_its_delta_asks_nothing(follower):
    """The delta comes while we are still patient."""
    follower.on_head(head(11), 0)
    follower.on_change(change(10, 11), 1_000)

    assert follower.tick(3_000) == []


def test_a_head_of_my_version_or_without_my_list_asks_nothing(follower):
    """There is nothing to do for a list that is up to date, or that nobody has."""
    follower.on_head(head(10), 0)
    follower.on_head(head(None), 0)

    assert follower.tick(100_000) == []


def test_three_unanswered_questions_end_in_a_snapshot(follower):
    """Nobody asks for ever."""
    follower.on_head(head(11), 0)

    asked = [follower.tick(ms) for ms in (3_000, 8_000, 13_000)]

    assert all(asks_since(effects, 10) for effects in asked)
    assert follower.tick(18_000) == FETCH
    assert follower.tick(23_000) == []


@pytest.mark.parametrize(
    "tell",
    [
        lambda follower, ms: follower.on_change(change(10, 11, lineage=OTHER), ms),
        lambda follower, ms: follower.on_head(head(10, lineage=OTHER), ms),
        lambda follower, ms: follower.on_pointer(pointer(10, lineage=OTHER), ms),
    ],
)
def test_another_lineage_needs_a_snapshot(follower, tell):
    """Both histories have a version 10, with other content; a delta would never show it."""
    assert tell(follower, 0) == FETCH
    assert tell(follower, 59_999) == []
    assert tell(follower, 60_000) == FETCH
    assert follower.version == 10


@pytest.mark.parametrize(
    "tell",
    [
        lambda follower: follower.on_change(change(10, 11), 0),
        lambda follower: follower.on_head(head(10), 0),
        lambda follower: follower.on_pointer(pointer(3), 0),
    ],
)
def test_a_station_without_a_list_fetches_one(tell):
    """Whatever tells of a list first."""
    assert tell(ChangeFollower("policy", random_below=lambda limit: 0)) == FETCH


def test_a_pointer_is_followed_only_as_an_answer(follower):
    """Deltas keep a list up to date; a newer snapshot alone is no reason to fetch it."""
    assert follower.on_pointer(pointer(20), 0) == []
    assert follower.on_pointer(pointer(20, kind="patrons"), 0) == []
    follower.on_change(change(19, 20), 0)

    assert follower.on_pointer(pointer(10), 0) == []
    assert follower.on_pointer(pointer(20), 0) == FETCH


def test_a_list_that_was_fetched_is_followed_from_its_version(follower):
    """What was asked before does not matter any more."""
    follower.on_change(change(19, 20), 0)
    follower.on_loaded(OTHER, 3)

    assert (follower.lineage, follower.version) == (OTHER, 3)
    assert follower.tick(100_000) == []
    assert follower.on_change(change(3, 4, lineage=OTHER), 0)[0].version == 4


def of_many(*, draws):
    """Return a follower at version 10 that knows of 1,000 stations and draws these numbers."""
    limits = []

    def random_below(limit):
        limits.append(limit)
        return draws.pop(0) if draws else 0

    follower = ChangeFollower("policy", random_below=random_below)
    follower.on_loaded(LINEAGE, 10)
    follower.on_head(head(10, stations=1_000), 0)
    return follower, limits


def test_a_delta_that_nobody_got_is_not_asked_for_by_all_at_once():
    """A broker that lost a message lost it for a thousand stations; each asks in its turn."""
    follower, limits = of_many(draws=[20_000])

    assert follower.on_change(change(11, 12), 0) == []
    assert follower.on_change(change(12, 13), 5_000) == []
    assert follower.tick(19_999) == []
    assert asks_since(follower.tick(20_000), 10)
    assert limits[0] == 30_001


def test_the_last_delta_is_asked_for_in_turn_too():
    """All hear the same head; patience first, then each its own wait."""
    follower, _ = of_many(draws=[7_000])
    follower.on_head(head(11, stations=1_000), 0)

    assert follower.tick(9_999) == []
    assert asks_since(follower.tick(10_000), 10)


def test_a_new_history_is_fetched_in_turn():
    """A restored gateway is not asked for a thousand lists in the same second."""
    follower, _ = of_many(draws=[12_000])

    assert follower.on_head(head(1, lineage=OTHER, stations=1_000), 0) == []
    assert follower.on_pointer(pointer(1, lineage=OTHER), 5_000) == []
    assert follower.tick(11_999) == []
    assert follower.tick(12_000) == FETCH
    assert follower.tick(12_100) == []


def test_a_delta_that_comes_after_all_ends_the_waiting():
    """What was to be asked or fetched is not, once the list is up to date."""
    follower, _ = of_many(draws=[20_000])
    follower.on_change(change(11, 12), 0)

    follower.on_change(change(10, 12), 1_000)

    assert follower.tick(60_000) == []


def test_a_station_without_a_list_does_not_wait_its_turn():
    """It can neither lend nor judge: it asks at once, and the gateway says when it is served."""
    follower = ChangeFollower("policy", random_below=lambda limit: limit - 1)

    assert follower.on_head(head(10, stations=1_000), 0) == FETCH


def test_a_library_of_few_stations_hardly_waits():
    """Three stations spread over 90 ms."""
    follower, limits = of_many(draws=[])
    follower.on_head(head(10, stations=3), 0)
    follower.on_change(change(11, 12), 0)

    assert limits[0] == 91
