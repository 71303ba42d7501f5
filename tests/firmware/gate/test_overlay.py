"""What the kiosks of a building say, in every order and with every loss."""

import pytest

from circulation.wire.messages import SiteLoan, sealed
from firmware.gate import overlay as overlay_module
from firmware.gate.overlay import Overlay

KEY = b"a site's key of some length"
UID, OTHER_UID = "e004010000000001", "e004010000000002"
ITEM = "00000000000000a1"


def fact(number):
    return f"{number:016x}"


def loan(seq, state="on", *, station="kiosk-1", epoch=1, saw=(), uids=(UID,), **more):
    item = more.get("item", ITEM)
    number = more.get("fact", seq)
    reach = more.get("reach", 3 if state == "on" else 0)
    barcode = more.get("barcode")
    message = SiteLoan(
        station, epoch, seq, item, list(uids), state, reach, list(saw), fact(number), 0,
        barcode, "",
    )  # fmt: skip
    return sealed(message, more.get("key", KEY))


def state(overlay, *keys):
    view = overlay.view(keys or (UID,))
    return None if view is None else view.state


@pytest.fixture
def overlay():
    return Overlay(KEY)


def test_a_loan_is_found_by_its_tag(overlay):
    """What a kiosk lent is known by any key of the item, with its reach and id."""
    assert overlay.hear(loan(1, uids=(UID, OTHER_UID), reach=2))

    assert overlay.view((OTHER_UID,)) == ("on", 2, ITEM)
    assert overlay.view(("e004010000000009",)) is None
    assert len(overlay) == 1


def test_a_wrong_mac_changes_nothing(overlay):
    """A message that was not made with the site's key is refused and counted."""
    assert not overlay.hear(loan(1, key=b"another key"))

    assert (state(overlay), overlay.refused) == (None, 1)


def test_the_same_message_again_changes_nothing(overlay):
    """A message told twice, as after every ask, is one entry."""
    overlay.hear(loan(1))

    assert not overlay.hear(loan(1))
    assert len(overlay) == 1


def test_one_station_is_ordered_by_its_own_numbers(overlay):
    """Of one kiosk the later message counts, in whatever order they come."""
    overlay.hear(loan(5, "off"))
    overlay.hear(loan(4, "on"))

    assert state(overlay) == "off"


def test_what_saw_another_takes_its_place(overlay):
    """An off that has seen the on ends it, also from another kiosk."""
    overlay.hear(loan(1, "on"))
    overlay.hear(loan(7, "off", station="kiosk-2", saw=[fact(1)]))

    assert (state(overlay), len(overlay)) == ("off", 1)


def test_what_has_been_overtaken_twice_stays_overtaken(overlay):
    """Off, on, off, on between three kiosks: the first off cannot come back by being late."""
    chain = [
        loan(1, "off", station="kiosk-1"),
        loan(12, "on", station="kiosk-2", saw=[fact(1)]),
        loan(23, "off", station="kiosk-3", saw=[fact(12)]),
        loan(34, "on", station="kiosk-4", saw=[fact(23)]),
    ]
    for message in chain:
        overlay.hear(message)

    assert [overlay.hear(message) for message in chain[:3]] == [False] * 3
    assert state(overlay) == "on"


def test_side_by_side_on_wins_and_unsecured_over_off(overlay):
    """Entries that have not seen each other stand side by side; doubt favours the reader."""
    overlay.hear(loan(1, "off"))
    overlay.hear(loan(2, "off_unsecured", station="kiosk-2"))
    assert state(overlay) == "off_unsecured"

    overlay.hear(loan(3, "on", station="kiosk-3", reach=1))
    overlay.hear(loan(4, "on", station="kiosk-4", reach=3))
    assert overlay.view((UID,)) == ("on", 3, ITEM)


def test_of_too_many_siblings_an_off_goes_first(overlay):
    """Five kiosks side by side are one too many: an off is forgotten before any on."""
    overlay.hear(loan(1, "on", station="kiosk-1", reach=3))
    overlay.hear(loan(2, "off", station="kiosk-2"))
    for number in (3, 4, 5, 6):
        overlay.hear(loan(number, "on", station=f"kiosk-{number}", reach=1))

    assert len(overlay) == overlay_module.SIBLINGS_MAX
    assert overlay.view((UID,)).reach == 1


def test_an_entry_goes_when_the_list_contains_it(overlay):
    """Covered by `applied` and reached by the list: only both together end an entry."""
    overlay.hear(loan(8, "on"))

    overlay.applied(10, {"kiosk-1": [1, 8]}, 9)
    assert state(overlay) == "on"
    overlay.reached(10)
    assert (state(overlay), len(overlay)) == (None, 0)


def test_a_mark_that_comes_again_covers_what_was_told_between(overlay):
    """Marks come with every head; what they cover is not taken in again, and ends later news."""
    overlay.applied(10, {"kiosk-1": [1, 8]}, 10)

    assert not overlay.hear(loan(8, "on"))
    assert overlay.hear(loan(9, "on"))
    overlay.applied(10, {"kiosk-1": [1, 8]}, 10)
    assert len(overlay) == 1
    overlay.applied(11, {"kiosk-1": [1, 9]}, 11)
    assert len(overlay) == 0


def test_an_entry_beyond_the_mark_stays(overlay):
    """A mark below the entry's seq, or of another station, covers nothing."""
    overlay.hear(loan(8, "on"))

    overlay.applied(10, {"kiosk-1": [1, 7], "kiosk-2": [1, 99]}, 10)

    assert state(overlay) == "on"


def test_an_entry_covered_is_not_heard_again(overlay):
    """A replay of what the list contains changes nothing."""
    overlay.applied(10, {"kiosk-1": [1, 8]}, 10)

    assert not overlay.hear(loan(8, "on"))
    assert overlay.hear(loan(9, "on"))


def test_a_late_off_stays_late_after_its_winner_is_covered(overlay):
    """What an on had overtaken cannot come back when that on has gone into the list."""
    overlay.hear(loan(1, "off", station="kiosk-1"))
    overlay.hear(loan(5, "on", station="kiosk-2", saw=[fact(1)]))
    overlay.applied(10, {"kiosk-2": [1, 5]}, 10)

    assert not overlay.hear(loan(1, "off", station="kiosk-1"))
    assert state(overlay) is None


def test_a_newer_epoch_is_another_count(overlay):
    """A mark of a newer epoch covers no entry of the older one; its copy is the same fact."""
    overlay.hear(loan(2, "on", fact=7))
    overlay.applied(10, {"kiosk-1": [2, 3]}, 10)
    assert state(overlay) == "on"

    assert not overlay.hear(loan(91, "on", fact=8, uids=(OTHER_UID,), item=None))
    assert not overlay.hear(loan(5, "on", fact=7, epoch=2))
    overlay.applied(11, {"kiosk-1": [2, 5]}, 11)
    assert state(overlay) is None


def test_marks_that_wait_are_bounded(overlay):
    """A list far behind keeps the oldest mark, which it will reach first."""
    overlay.hear(loan(1, "on"))
    overlay.applied(10, {"kiosk-1": [1, 1]}, 9)
    for version in range(11, 40):
        overlay.applied(version, {"kiosk-1": [1, version]}, 9)

    overlay.reached(10)

    assert state(overlay) is None


def test_another_lineage_forgets_the_marks(overlay):
    """Versions compare only within one history: old marks refuse nothing any more."""
    overlay.applied(10, {"kiosk-1": [1, 8]}, 10)
    overlay.lineage_changed()

    assert overlay.hear(loan(8, "on"))


def test_a_full_overlay_forgets_off_entries_first():
    """Room is made by the oldest off, then by the oldest on; never by the newest entry."""
    small = Overlay(KEY, 3)
    names = [f"{number:016x}" for number in range(1, 7)]
    states = ["on", "off", "on", "on", "on"]
    for number, what in enumerate(states):
        uid = f"e0040100000000{number:02x}"
        small.hear(loan(number + 1, what, uids=(uid,), item=names[number]))

    found = [state(small, f"e0040100000000{number:02x}") for number in range(5)]
    assert found == [None, None, "on", "on", "on"]


def test_one_entry_alone_may_fill_an_overlay():
    """With room for one entry, two siblings of one item cannot stay: the item is dropped."""
    tiny = Overlay(KEY, 1)
    tiny.hear(loan(1, "on", station="kiosk-1"))
    tiny.hear(loan(2, "on", station="kiosk-2"))

    assert len(tiny) == 0


def test_an_item_known_by_its_tag_alone(overlay):
    """A message without an item id joins the item of its tag, whose id another message said."""
    overlay.hear(loan(1, "on", item=None))
    overlay.hear(loan(2, "off", station="kiosk-2", saw=[fact(1)]))

    assert overlay.view((UID,)) == ("off", 0, ITEM)


def test_a_tag_moved_to_another_item(overlay):
    """A tag that two items claim is found with the later one; covering one leaves the other."""
    overlay.hear(loan(1, "on", uids=(UID,), item=fact(71)))
    overlay.hear(loan(2, "on", uids=(OTHER_UID,), item=fact(72), station="kiosk-2"))
    overlay.hear(loan(3, "off", uids=(UID,), item=fact(72), station="kiosk-2"))
    assert state(overlay) == "off"

    overlay.applied(10, {"kiosk-1": [1, 1]}, 10)
    assert state(overlay) == "off"


def test_a_barcode_stands_in_for_an_unknown_tag(overlay):
    """A message that names the barcode of a tag nobody has read is found by what the tag says."""
    assert overlay.hear(loan(1, uids=(), barcode="30001"))

    assert state(overlay, UID, "item:30001") == "on"


def test_stations_are_bounded(overlay):
    """A flood of stations leaves no room for a mark: the entry stays, in the reader's favour."""
    flood = {f"s{number}": [1, 1] for number in range(overlay_module.STATIONS_MAX + 10)}
    overlay.applied(1, flood, 1)
    overlay.hear(loan(1, "on", station="late"))
    overlay.applied(2, {"late": [1, 1]}, 2)

    assert state(overlay) == "on"


def test_overtaken_facts_are_bounded(overlay):
    """Of the facts that were overtaken and whose winners have gone, the oldest are forgotten."""
    count = overlay_module.SETTLED_MAX + 1
    for number in range(1, count + 1):
        saw = [fact(10_000 + number)]
        overlay.hear(loan(number, "on", saw=saw, item=fact(number), uids=()))
    overlay.applied(1, {"kiosk-1": [1, count]}, 1)

    first, last = (
        loan(9, "off", station="kiosk-2", fact=10_000 + n, item=fact(n)) for n in (1, count)
    )
    assert not overlay.hear(last)
    assert overlay.hear(first)
