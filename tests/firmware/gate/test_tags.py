"""Visits to the field, standing tags, and the bounds of what is remembered."""

import hashlib

import pytest

from firmware.gate.errors import EventInvalid
from firmware.gate.events import TagRead
from firmware.gate.tags import CAME_IN_MAX, Moments, TagTable, check_read

UID = "e004010000000001"


def read(uid=UID, pii=None, owner=None):
    return TagRead(uid, "in_stock", pii, owner)


def seen(*times_ms):
    table = TagTable()
    for at_ms in times_ms:
        table.see("lane-1", read(), at_ms)
    return table.get(UID)


def test_ten_seconds_in_the_field_is_standing():
    """Reads at most 5 s apart are one visit; at 10 s the tag stands."""
    assert not seen(0, 5_000, 9_999).standing
    assert seen(0, 5_000, 10_000).standing


def test_a_gap_of_more_than_five_seconds_is_another_visit():
    """Who comes back to the gate later has not been standing there."""
    tag = seen(0, 4_000, 9_001, 12_000)

    assert (tag.standing, tag.first_ms) == (False, 9_001)


@pytest.mark.parametrize(("away_ms", "standing"), [(29_999, True), (30_000, False)])
def test_standing_lasts_until_thirty_seconds_away(away_ms, standing):
    """A tag that stood is mute until it has been away for 30 s."""
    assert seen(0, 5_000, 10_000, 10_000 + away_ms).standing is standing


def test_a_tag_away_for_thirty_seconds_is_forgotten():
    """Its id goes with it."""
    table = TagTable()
    table.see("lane-1", read(), 0)

    table.forget(29_999)
    assert table.get(UID) is not None
    table.forget(30_000)
    assert table.get(UID) is None


def test_what_the_data_block_says_is_kept_if_it_can_be():
    """A text that no database could hold, or an empty one, says nothing."""
    table = TagTable()
    table.see("lane-1", read(pii="30001", owner="DE-1"), 0)
    tag = table.get(UID)
    assert tag.list_keys() == (UID, "item:30001")

    tag.learn("\x00", "\ud800")
    assert (tag.list_keys(), tag.owner) == ((UID,), None)


def test_a_tag_belongs_to_the_lane_that_reads_it_most():
    """Two antennas may hear one tag; a draw goes to the first by name."""
    table = TagTable()
    for lane in ("lane-2", "lane-1", "lane-2"):
        table.see(lane, read(), 0)

    assert table.get(UID).lane() == "lane-2"


def test_a_full_table_forgets_who_left():
    """Room is made by a tag that is gone; with none of those a new tag is counted as ignored."""
    table = TagTable(2)
    table.see("lane-1", read("aa01"), 0)
    table.see("lane-1", read("aa02"), 4_000)
    table.see("lane-1", read("aa03"), 5_000)
    assert (table.get("aa03"), table.ignored) == (None, 1)

    table.see("lane-1", read("aa03"), 5_001)
    assert table.get("aa03") is not None
    assert table.get("aa01") is None


def test_a_standing_tag_keeps_its_place():
    """Forgetting a standing tag would let it sound: it stays until it has been away."""
    table = TagTable(1)
    for at_ms in (0, 5_000, 10_000):
        table.see("lane-1", read("aa01"), at_ms)

    table.see("lane-1", read("aa02"), 20_000)
    assert table.get("aa01").standing


def test_coming_in_lasts_for_the_day():
    """A tag that came in is known for 18 hours, and no longer."""
    table = TagTable()
    table.remember_coming_in(UID, 0)

    assert table.came_in_today(UID, 18 * 3_600_000)
    assert not table.came_in_today(UID, 18 * 3_600_000 + 1)
    assert not table.came_in_today("aa", 0)


def test_coming_in_is_bounded():
    """After a thousand newer ones the oldest is forgotten; coming in again makes it new."""
    table = TagTable()
    for number in range(CAME_IN_MAX):
        table.remember_coming_in(f"{number:04x}", 0)
    table.remember_coming_in("0000", 1)
    table.remember_coming_in("ffff", 2)

    assert table.came_in_today("0000", 3)
    assert not table.came_in_today("0001", 3)


@pytest.mark.parametrize("wrong", [TagRead("E004", "none", None, None), TagRead("", "none", 1, 1)])
def test_a_uid_that_cannot_be_is_refused(wrong):
    """A UID is lower-case hex, at most 16 bytes."""
    with pytest.raises(EventInvalid, match="uid"):
        check_read(wrong)


def test_a_security_that_cannot_be_is_refused():
    """A tag says in stock, on loan or nothing."""
    with pytest.raises(EventInvalid, match="security"):
        check_read(TagRead(UID, "maybe", None, None))


def test_moments_keep_the_last_few_things():
    """One that is noted again is the newest; what was longest known makes room."""
    moments = Moments(3)
    for number, name in enumerate(("a", "b", "c", "a", "d")):
        moments.note(name, 1_000 + number)

    assert [moments.of(name) for name in "abcd"] == [1_003, None, 1_002, 1_004]


def test_a_moment_is_never_taken_for_a_name():
    """A time whose bytes are the hash of another name says nothing of that one."""
    moments = Moments(2)
    of_b = int.from_bytes(hashlib.sha256(b"b").digest()[:8], "big")

    moments.note("a", of_b)

    assert (moments.of("a"), moments.of("b")) == (of_b, None)
