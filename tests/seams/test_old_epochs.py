"""What a gate still has of a kiosk's older epoch."""

from circulation.wire.messages import SiteLoan, sealed
from firmware.gate.overlay import Overlay
from tests.seams.house import KEY

UID = "e004015000000001"


def told(state, *, epoch, seq, fact):
    values = {
        "station": "kiosk-1", "epoch": epoch, "seq": seq, "item": "0" * 15 + "1", "uids": [UID],
        "state": state, "reach": 3 if state == "on" else 0, "saw": [], "fact": fact, "wall": 0,
        "barcode": None, "mac": "",
    }  # fmt: skip
    return sealed(SiteLoan(*[values[name] for name in SiteLoan._fields]), KEY)


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


def test_marks_that_wait_together_each_cover_their_own_epoch():
    """A list that takes both versions in one step has the rows of both."""
    overlay = Overlay(KEY)
    overlay.hear(told("on", epoch=1, seq=10, fact="a" * 16))
    overlay.applied(5, {"kiosk-1": [1, 10]}, 4)
    overlay.applied(6, {"kiosk-1": [2, 3]}, 4)

    overlay.reached(6)

    assert overlay.view((UID,)) is None
