"""What counts as placed and as lifted."""

from hardware.ports import ISO15693, Inventory, TagSeen
from kiosk.pad import LIFT_MS, TAGS_MAX, Presence

TAG = "e004015000000001"
OTHER = "e004015000000002"


def field(*uids, complete=True):
    return Inventory(tuple(TagSeen(uid, ISO15693) for uid in uids), complete)


class Pad(Presence):
    """Hears a round every 100 ms, as the kiosk does."""

    def __init__(self):
        super().__init__()
        self.now_ms = 0

    def hear(self, *uids, complete=True):
        self.now_ms += 100
        return self.observe(field(*uids, complete=complete), self.now_ms)


def test_a_tag_heard_twice_in_a_row_was_placed():
    """One round's echo is not a book."""
    pad = Pad()
    assert pad.hear(TAG) == ([], [])

    assert pad.hear(TAG) == ([TAG], [])
    assert pad.present == (TAG,)


def test_a_tag_heard_once_and_not_again_never_was_there():
    """A tag that passes by does not add up over the day."""
    pad = Pad()
    for _ in range(5):
        assert pad.hear(TAG) == ([], [])
        assert pad.hear() == ([], [])


def test_a_short_silence_does_not_lift_a_book():
    """A weak field must not make a book flicker on the screen, nor count it as placed anew."""
    pad = Pad()
    pad.hear(TAG)
    pad.hear(TAG)
    for _ in range(3):
        for _ in range(LIFT_MS // 100):
            assert pad.hear() == ([], [])
        assert pad.hear(TAG) == ([], [])

    assert pad.present == (TAG,)


def test_after_some_silent_rounds_a_tag_is_not_near_until_it_is_back():
    """Nobody writes to a tag that has just been lifted; heard again, it may be tried again."""
    pad = Pad()
    pad.hear(TAG)
    pad.hear(TAG)
    pad.hear()
    pad.hear()
    assert (pad.near, pad.back) == ((TAG,), ())
    pad.hear()
    assert (pad.near, pad.present) == ((), (TAG,))

    assert pad.hear(TAG) == ([], [])
    assert (pad.near, pad.back) == ((TAG,), (TAG,))
    pad.hear(TAG)
    assert pad.back == ()


def test_a_second_and_a_half_of_silence_lifts_a_book():
    """A book that was taken is taken."""
    pad = Pad()
    pad.hear(TAG, OTHER)
    pad.hear(TAG, OTHER)
    for _ in range(15):
        assert pad.hear(OTHER) == ([], [])

    assert pad.hear(OTHER) == ([], [TAG])
    assert pad.present == (OTHER,)


def test_a_reader_that_was_long_silent_lifts_nothing_at_its_first_word():
    """After a pulled cable some rounds must agree before a book counts as taken."""
    pad = Pad()
    pad.hear(TAG)
    pad.hear(TAG)
    pad.hear()
    pad.now_ms += 60_000

    assert pad.hear() == ([], [])
    assert pad.hear() == ([], [TAG])


def test_an_incomplete_round_lifts_nothing():
    """A tag may be hidden by the one that could not be told apart."""
    pad = Pad()
    pad.hear(TAG)
    pad.hear(TAG)

    for _ in range(30):
        assert pad.hear(complete=False) == ([], [])


def test_more_tags_than_fit_are_not_taken_in():
    """A crate on the pad does not flood the screen."""
    crate = [f"e0040150{number:08x}" for number in range(TAGS_MAX + 20)]
    pad = Pad()
    pad.hear(*crate)
    pad.hear(*crate)

    assert len(pad.present) == 64
