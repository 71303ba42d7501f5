"""What counts as placed and as lifted."""

from hardware.ports import ISO15693, Inventory, TagSeen
from kiosk.pad import TAGS_MAX, Presence

TAG = "e004015000000001"
OTHER = "e004015000000002"


def field(*uids, complete=True):
    return Inventory(tuple(TagSeen(uid, ISO15693) for uid in uids), complete)


def test_a_tag_heard_twice_in_a_row_was_placed():
    """One round's echo is not a book."""
    pad = Presence()
    assert pad.observe(field(TAG)) == ([], [])

    assert pad.observe(field(TAG)) == ([TAG], [])
    assert pad.present == (TAG,)


def test_a_tag_heard_once_and_not_again_never_was_there():
    """A tag that passes by does not add up over the day."""
    pad = Presence()
    for _ in range(5):
        assert pad.observe(field(TAG)) == ([], [])
        assert pad.observe(field()) == ([], [])


def test_a_short_silence_does_not_lift_a_book():
    """A weak field must not make a book flicker on the screen."""
    pad = Presence()
    pad.observe(field(TAG))
    pad.observe(field(TAG))
    assert pad.observe(field()) == ([], [])
    assert pad.observe(field()) == ([], [])
    assert pad.observe(field(TAG)) == ([], [])

    assert pad.present == (TAG,)


def test_three_rounds_of_silence_lift_a_book():
    """A book that was taken is taken."""
    pad = Presence()
    pad.observe(field(TAG, OTHER))
    pad.observe(field(TAG, OTHER))
    pad.observe(field(OTHER))
    pad.observe(field(OTHER))

    assert pad.observe(field(OTHER)) == ([], [TAG])
    assert pad.present == (OTHER,)


def test_an_incomplete_round_lifts_nothing():
    """A tag may be hidden by the one that could not be told apart."""
    pad = Presence()
    pad.observe(field(TAG))
    pad.observe(field(TAG))

    for _ in range(10):
        assert pad.observe(field(complete=False)) == ([], [])


def test_more_tags_than_fit_are_not_taken_in():
    """A crate on the pad does not flood the screen."""
    crate = [f"e0040150{number:08x}" for number in range(TAGS_MAX + 20)]
    pad = Presence()
    pad.observe(field(*crate))
    pad.observe(field(*crate))

    assert len(pad.present) == 64
