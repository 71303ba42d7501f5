"""Lending: in the right order, durable before shown, ticked when the tag is switched."""

from hardware.ports import Security
from tests.kiosk.library import ANNA, ANNAS_CARD, GOOSE


def test_a_book_is_lent_with_two_gestures(kiosk):
    """A card and a book on the pad: that is all a reader does."""
    kiosk.show_card(ANNAS_CARD)
    kiosk.place(GOOSE)

    assert kiosk.view["patron"] == "Anna B."
    assert kiosk.tiles == {"The Snow Goose": "done"}
    assert kiosk.tag(GOOSE).security is Security.ON_LOAN
    assert kiosk.loan(GOOSE) == ANNA
