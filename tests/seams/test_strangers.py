"""Books of other libraries, whose numbers may be ours too."""

from hardware.chips.tag_data import new_content
from hardware.ports import Security
from sim.tags import SimTag
from tests.kiosk.library import ANNA, BARCODES, GOOSE, OWNER

STRANGER = "e0040150ffffff01"


def lay(kiosk, owner):
    content = new_content(BARCODES[GOOSE], owner)
    kiosk.pad.place(SimTag(STRANGER, content=content, security=Security.IN_STOCK))
    kiosk.run(1_500)


def test_a_strangers_book_with_a_number_of_ours_is_not_ours(house):
    """Numbers are unique in one library only; the tag says whose it is, and nobody is billed."""
    house.open()
    kiosk = house["kiosk-1"]
    kiosk.show_card()

    lay(kiosk, "DE-999")

    assert kiosk.facts("checkout") == []
    assert kiosk.loan(GOOSE) is None


def test_our_own_book_with_a_new_tag_is_known_by_its_number(house):
    """A tag that replaced another names us and the number; that is enough."""
    house.open()
    kiosk = house["kiosk-1"]
    kiosk.show_card()

    lay(kiosk, OWNER)

    assert kiosk.loan(GOOSE) == ANNA
