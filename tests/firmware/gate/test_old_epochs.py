"""What a gate still has of a kiosk's older epoch."""

from circulation.wire.messages import SiteLoan, sealed
from firmware.gate.overlay import Overlay

KEY = b"a site's key of some length"
UID = "e004015000000001"


def told(state, *, epoch, seq, fact):
    message = SiteLoan(
        "kiosk-1", epoch, seq, 15 * "0" + "1", [UID], state, 3 if state == "on" else 0, [], fact,
        0, None, "",
    )  # fmt: skip
    return sealed(message, KEY)


def test_a_return_of_an_older_epoch_does_not_outlive_it():
    """No mark covers its place again; the list must decide, or the next reader is stopped."""
    overlay = Overlay(KEY)
    overlay.hear(told("off", epoch=1, seq=10, fact="a" * 16))

    overlay.applied(5, {"kiosk-1": [2, 3]}, 5)

    assert overlay.view((UID,)) is None


def test_a_loan_of_an_older_epoch_stays_until_it_is_told_at_its_new_place():
    """It may be among the rows that wait in the new epoch: doubt favours the reader."""
    overlay = Overlay(KEY)
    overlay.hear(told("on", epoch=1, seq=10, fact="a" * 16))

    overlay.applied(5, {"kiosk-1": [2, 3]}, 5)
    assert overlay.view((UID,)).state == "on"
    overlay.hear(told("on", epoch=2, seq=7, fact="a" * 16))
    overlay.applied(6, {"kiosk-1": [2, 9]}, 6)

    assert overlay.view((UID,)) is None


def test_a_loan_that_died_with_its_card_ends_when_as_much_has_been_recorded_again():
    """It was two rows ahead of the gateway: after two rows of the new epoch nobody waits."""
    overlay = Overlay(KEY)
    overlay.applied(5, {"kiosk-1": [1, 10_000]}, 5)
    overlay.hear(told("on", epoch=1, seq=10_002, fact="a" * 16))

    overlay.applied(6, {"kiosk-1": [2, 1]}, 6)
    assert overlay.view((UID,)).state == "on"
    overlay.applied(7, {"kiosk-1": [2, 2]}, 7)

    assert overlay.view((UID,)) is None


def test_a_loan_ends_with_its_epoch_also_where_no_mark_of_that_was_heard():
    """A gate that began between the two knows neither mark; no thief may pass for ever."""
    overlay = Overlay(KEY)
    overlay.hear(told("on", epoch=1, seq=50_000, fact="a" * 16))

    overlay.applied(6, {"kiosk-1": [2, 499]}, 6)
    assert overlay.view((UID,)).state == "on"
    overlay.applied(7, {"kiosk-1": [2, 500]}, 7)

    assert overlay.view((UID,)) is None


def test_a_loan_far_ahead_of_the_gateway_waits_for_no_more_than_may_be_carried():
    """A month without a gateway, and a card that died at its end."""
    overlay = Overlay(KEY)
    overlay.applied(5, {"kiosk-1": [1, 10]}, 5)
    overlay.hear(told("on", epoch=1, seq=9_000, fact="a" * 16))

    overlay.applied(6, {"kiosk-1": [2, 499]}, 6)
    assert overlay.view((UID,)).state == "on"
    overlay.applied(7, {"kiosk-1": [2, 500]}, 7)

    assert overlay.view((UID,)) is None


def test_what_another_history_had_applied_ends_nothing():
    """A restored gateway has less, and more rows are carried to it than were ahead before."""
    overlay = Overlay(KEY)
    overlay.applied(5, {"kiosk-1": [1, 5]}, 5)
    overlay.hear(told("on", epoch=1, seq=7, fact="a" * 16))
    overlay.applied(6, {"kiosk-1": [2, 0]}, 6)
    overlay.lineage_changed()

    overlay.applied(1, {"kiosk-1": [2, 499]}, 1)
    assert overlay.view((UID,)).state == "on"
    overlay.applied(2, {"kiosk-1": [2, 500]}, 2)

    assert overlay.view((UID,)) is None


def test_a_loan_of_an_epoch_long_past_waits_for_all_that_may_be_carried():
    """What the epoch between had applied says nothing of it."""
    overlay = Overlay(KEY)
    overlay.applied(5, {"kiosk-1": [1, 0]}, 5)
    overlay.hear(told("on", epoch=1, seq=9, fact="a" * 16))
    overlay.applied(6, {"kiosk-1": [2, 8]}, 6)

    overlay.applied(7, {"kiosk-1": [3, 499]}, 7)
    assert overlay.view((UID,)).state == "on"
    overlay.applied(8, {"kiosk-1": [3, 500]}, 8)

    assert overlay.view((UID,)) is None


def test_a_return_in_the_new_epoch_ends_a_loan_of_the_old_one():
    """However far it still was from being covered."""
    overlay = Overlay(KEY)
    overlay.hear(told("on", epoch=1, seq=400, fact="a" * 16))
    overlay.applied(6, {"kiosk-1": [2, 3]}, 6)

    overlay.hear(told("off", epoch=2, seq=4, fact="b" * 16))

    assert overlay.view((UID,)).state == "off"


def test_marks_that_wait_together_each_cover_their_own_epoch():
    """A list that takes both versions in one step has the rows of both."""
    overlay = Overlay(KEY)
    overlay.hear(told("on", epoch=1, seq=10, fact="a" * 16))
    overlay.applied(5, {"kiosk-1": [1, 10]}, 4)
    overlay.applied(6, {"kiosk-1": [2, 3]}, 4)

    overlay.reached(6)

    assert overlay.view((UID,)) is None
