"""Returning: any item, anybody, no card; and what the devices' absence changes."""

import pytest

from hardware.chips.tag_data import AFI_ON_LOAN, new_content
from hardware.ports import Security
from kiosk.devices import KioskDevices
from sim.tags import SimTag
from tests.kiosk.library import (
    ANNA,
    BARCODES,
    BEN,
    GOOSE,
    MOMO,
    OWNER,
    SET,
    UIDS,
    Kiosk,
    item_row,
)

LENT_TO_BEN = {"state": "on_loan", "patron_id": BEN, "loan": "1" * 16, "due_at": 1, "reach": 3}


def return_mode(kiosk):
    kiosk.press("mode", mode="return")
    return kiosk


def test_a_book_comes_back_without_a_card(kiosk):
    """Any hand may bring any reader's book."""
    kiosk.load_catalogue(version=2, items=[item_row(GOOSE, last_fact="f" * 16, **LENT_TO_BEN)])
    kiosk.tag(GOOSE).afi = AFI_ON_LOAN
    return_mode(kiosk).place(GOOSE)

    (fact,) = kiosk.facts("checkin")
    assert (fact["item"], fact["loan"], fact["saw"]) == (GOOSE, "1" * 16, ["f" * 16])
    assert "patron" not in fact
    assert kiosk.tiles == {"The Snow Goose": "done"}
    assert kiosk.tag(GOOSE).security is Security.IN_STOCK
    assert kiosk.loan(GOOSE) is None


def test_books_on_the_pad_wait_for_the_button_or_the_card(kiosk):
    """Without a word from the reader nothing is lent and nothing taken back."""
    kiosk.place(GOOSE)
    assert kiosk.view["state"] == "offered"
    assert kiosk.facts() == []

    kiosk.press("mode", mode="return")
    kiosk.run(600)

    assert kiosk.tiles == {"The Snow Goose": "done"}


def test_a_return_whose_tag_stays_on_loan_is_told_to_the_gates(kiosk):
    """The book could walk out silently, so the gates learn to alarm for it."""
    kiosk.connect()
    kiosk.load_catalogue(version=2, items=[item_row(GOOSE, **LENT_TO_BEN)])
    kiosk.tag(GOOSE).afi = AFI_ON_LOAN
    kiosk.tag(GOOSE).ignore_writes(1_000)
    return_mode(kiosk).place(GOOSE)
    kiosk.press("finish")

    assert [told.state for told in kiosk.site_loans()] == ["off", "off_unsecured"]
    assert kiosk.facts("security_not_set")[0]["wanted"] == "in_stock"


def test_a_set_without_its_disc_is_taken_back_and_the_disc_named(kiosk):
    """A return is never refused; what is missing stands in the fact and on the tile."""
    kiosk.load_catalogue(version=2, items=[item_row(SET, **LENT_TO_BEN)])
    return_mode(kiosk).place(SET, part=0)
    kiosk.run(2_000)

    (tile,) = kiosk.view["items"]
    assert (tile["state"], tile["parts_missing"]) == ("done", [2])
    (fact,) = kiosk.facts("checkin")
    assert (fact["parts_read"], fact["parts_total"]) == ([1], 2)


def test_an_item_nobody_knows_is_taken_back_by_what_its_tag_says(kiosk):
    """A new book that is not on the list yet is still ours; the gateway finds out which."""
    tag = SimTag("e0040150000000aa", content=new_content("39999999", OWNER))
    return_mode(kiosk)
    kiosk.pad.place(tag)
    kiosk.run(800)

    (fact,) = kiosk.facts("checkin")
    assert "item" not in fact
    assert (fact["barcode"], fact["uids"]) == ("39999999", ["e0040150000000aa"])
    assert kiosk.view["items"][0]["notes"] == ["Please hand it to the staff."]


def test_a_tag_that_is_not_ours_is_handed_to_staff(kiosk):
    """A book of another library or a keyring makes a message, never a fact."""
    kiosk.pad.place(SimTag("e0040150000000bb"))
    kiosk.run(800)

    assert kiosk.facts() == []
    assert kiosk.view["notice"] == "We do not know this book. Please hand it to the staff."

    kiosk.show_card()
    (tile,) = kiosk.view["items"]
    assert (tile["state"], tile["notice"]) == (
        "notice", "We do not know this book. Please hand it to the staff."
    )  # fmt: skip


def test_a_return_station_takes_books_back_at_once(tmp_path):
    """Where nothing is lent no button is needed, and a card is told so."""
    kiosk = Kiosk(tmp_path, lends=False).load().run(600)
    kiosk.place(GOOSE)
    assert kiosk.tiles == {"The Snow Goose": "done"}

    kiosk.show_card()

    assert kiosk.view["notice"] == "This kiosk only takes books back."


def test_without_a_pad_a_return_by_barcode_leaves_the_book_unsecured(tmp_path):
    """Nobody could set the tag, so the gates alarm for the book until somebody does."""
    whole = Kiosk(tmp_path)
    kiosk = Kiosk(tmp_path, station="kiosk-2", devices=KioskDevices(scanner=whole.scanner))
    kiosk.scanner = whole.scanner
    kiosk.load().connect()
    return_mode(kiosk).scan(BARCODES[GOOSE])

    assert kiosk.tiles == {"The Snow Goose": "unswitched"}
    assert [told.state for told in kiosk.site_loans()] == ["off", "off_unsecured"]
    assert kiosk.site_loans()[-1].uids == list(UIDS[GOOSE])


def test_a_book_that_was_not_on_loan_counts_as_it_stands_in_the_policy(kiosk):
    """A book found on a table is a return like any other."""
    return_mode(kiosk).place(MOMO)

    (fact,) = kiosk.facts()
    assert fact["kind"] in ("checkin", "used_in_house")
    assert "loan" not in fact


@pytest.mark.parametrize("fault", ["off", "garbage"])
def test_a_pad_that_fails_midway_never_stops_the_kiosk(kiosk, fault):
    """Unplugged or confused, the pad shows in the health and lending goes on by barcode."""
    kiosk.pad.fail(fault)
    kiosk.run(6_000)
    kiosk.show_card()
    kiosk.scan(BARCODES[GOOSE])

    assert kiosk.view["pad"] is False
    assert kiosk.view["devices"]["pad"] != "ok"
    assert kiosk.tiles == {"The Snow Goose": "unswitched"}
    assert kiosk.loan(GOOSE) == ANNA
