"""Lending: in the right order, durable before shown, ticked when the tag is switched."""

import pytest

from hardware.chips.tag_data import AFI_ON_LOAN
from hardware.errors import TagLost
from hardware.ports import NTAG, Security
from kiosk.devices import KioskDevices
from sim.clock import VirtualClock
from sim.devices import SimReader
from tests.kiosk.library import (
    ANNA,
    ANNAS_CARD,
    ATLAS,
    BARCODES,
    BEN,
    BENS_CARD,
    DAY_MS,
    GOOSE,
    MOMO,
    SET,
    UIDS,
    Kiosk,
    item_row,
    patron_row,
)

DUE_MS = 1_759_874_399_000
"""28 days after the virtual clock's start, at the end of that day in Berlin."""


def test_a_book_is_lent_with_two_gestures(kiosk):
    """A card and a book on the pad: that is all a reader does."""
    kiosk.show_card(ANNAS_CARD)
    kiosk.place(GOOSE)

    assert kiosk.view["patron"] == "Anna B."
    assert kiosk.tiles == {"The Snow Goose": "done"}
    assert kiosk.tag(GOOSE).security is Security.ON_LOAN
    assert kiosk.loan(GOOSE) == ANNA


def test_the_fact_says_all_that_was_read_and_decided(kiosk):
    """What the gateway needs later stands in the fact, and the reader only as a hash."""
    kiosk.show_card(ANNAS_CARD)
    kiosk.place(GOOSE)

    (fact,) = kiosk.facts("checkout")
    row = kiosk.engine.store.journal.rows(1, 1, 1)[0]
    assert fact["item"] == GOOSE
    assert fact["uids"] == ["e004015000000001"]
    assert fact["barcode"] == "30000001"
    assert fact["owner"] == "DE-715"
    assert fact["due_at"] == DUE_MS
    assert (fact["reach"], fact["policy"], fact["room"]) == (3, 1, "hall")
    assert fact["category"] == "reader"
    assert len(fact["patron"]) == 64
    assert row.patron == ANNA
    assert ANNA.encode() not in row.body


def test_the_gates_are_told_before_the_tag_is_switched(kiosk):
    """If the power goes between the two, the reader passes the gate."""
    kiosk.connect()
    kiosk.show_card(ANNAS_CARD)
    kiosk.tag(GOOSE).ignore_writes(1_000)
    kiosk.place(GOOSE)

    (told,) = kiosk.site_loans()
    assert (told.state, told.item, told.uids, told.reach) == ("on", GOOSE, list(UIDS[GOOSE]), 3)
    assert kiosk.tag(GOOSE).security is Security.IN_STOCK


def test_nothing_is_ticked_before_the_tag_is_switched(kiosk):
    """Children lift the book at the first sign of yes, so there is none before it is true."""
    kiosk.show_card(ANNAS_CARD)
    kiosk.tag(GOOSE).ignore_writes(1_000)
    kiosk.place(GOOSE)

    assert len(kiosk.facts("checkout")) == 1
    assert "done" not in kiosk.tiles.values()
    assert kiosk.view["sound"][1] != "done"


def test_a_book_lifted_too_early_is_asked_for_again(kiosk):
    """The loan stands; placed once more, its tag is switched and the tick comes."""
    kiosk.show_card(ANNAS_CARD)
    kiosk.pad.pull(UIDS[GOOSE][0], after_writes=0)
    kiosk.place(GOOSE)
    assert kiosk.tiles == {"The Snow Goose": "again"}

    kiosk.place(GOOSE)

    assert kiosk.tiles == {"The Snow Goose": "done"}
    assert kiosk.tag(GOOSE).security is Security.ON_LOAN
    assert kiosk.facts("security_not_set") == []


def test_a_tag_that_cannot_be_switched_ends_in_words_the_gate_understands(kiosk):
    """Asked again in vain: the loan stands, a fact says so, the screen says what to show."""
    kiosk.show_card(ANNAS_CARD)
    kiosk.tag(GOOSE).ignore_writes(1_000)
    kiosk.place(GOOSE)
    kiosk.lift(GOOSE)
    kiosk.place(GOOSE)

    (fact,) = kiosk.facts("security_not_set")
    assert (fact["item"], fact["wanted"]) == (GOOSE, "on_loan")
    assert kiosk.tiles == {"The Snow Goose": "unswitched"}
    assert kiosk.loan(GOOSE) == ANNA


def test_finishing_early_settles_what_was_not_switched(kiosk):
    """Whoever presses finish while a book is asked for again leaves no open end."""
    kiosk.show_card(ANNAS_CARD)
    kiosk.tag(GOOSE).ignore_writes(1_000)
    kiosk.place(GOOSE)

    kiosk.press("finish")

    assert len(kiosk.facts("security_not_set")) == 1
    assert kiosk.engine.store.unfinished() == []
    assert kiosk.view["farewell"] == {"lent": 1, "returned": 0, "unswitched": 1}


def test_a_refusal_names_every_reason_and_the_next_step(kiosk):
    """No reason hides behind another."""
    blocked = patron_row(ANNA, blocked='["unpaid"]', expires_on="2024-01-01")
    kiosk.load(version=2, patrons=[blocked], items=[item_row(GOOSE, not_for_loan=1)])
    kiosk.show_card(ANNAS_CARD)
    kiosk.place(GOOSE)

    (tile,) = kiosk.view["items"]
    assert tile["state"] == "refused"
    codes = [reason["code"] for reason in tile["reasons"]]
    assert codes == ["patron_expired", "patron_blocked", "not_for_loan"]
    assert all(reason["what"] and reason["next"] for reason in tile["reasons"])
    assert kiosk.facts("checkout") == []


def test_a_reference_book_is_lent_to_be_read_here(kiosk):
    """It is recorded, due the same day, and its tag keeps the street door's alarm."""
    kiosk.connect()
    kiosk.show_card(ANNAS_CARD)
    kiosk.place(ATLAS)

    (tile,) = kiosk.view["items"]
    assert (tile["state"], tile["on_site"], tile["due_on"]) == ("done", True, "2025-09-09")
    assert kiosk.tag(ATLAS).security is Security.IN_STOCK
    assert kiosk.site_loans()[0].reach == 0


def test_an_on_site_loan_whose_tag_says_on_loan_is_unsecured(kiosk):
    """A tag that would open the street door joins the set that alarms whatever it says."""
    kiosk.connect()
    kiosk.tag(ATLAS).afi = AFI_ON_LOAN
    kiosk.tag(ATLAS).ignore_writes(1_000)
    kiosk.show_card(ANNAS_CARD)
    kiosk.place(ATLAS)
    kiosk.press("finish")

    assert [told.state for told in kiosk.site_loans()] == ["on", "off_unsecured"]
    assert kiosk.facts("security_not_set")[0]["wanted"] == "in_stock"
    assert kiosk.loan(ATLAS) == ANNA


def test_a_set_is_lent_when_all_its_parts_lie_there(kiosk):
    """Book and disc are one loan, one tile, and both tags are switched."""
    kiosk.show_card(ANNAS_CARD)
    kiosk.place(SET, part=0)
    assert "done" not in kiosk.tiles.values()
    kiosk.place(SET, part=1)

    assert kiosk.tiles == {"Learn Finnish, with disc": "done"}
    assert kiosk.facts("checkout")[0]["parts_read"] == [1, 2]
    assert [kiosk.tag(SET, part=part).security for part in (0, 1)] == [Security.ON_LOAN] * 2


def test_a_set_without_its_disc_names_the_missing_part(kiosk):
    """The desk waits a moment for the disc, then says what is missing."""
    kiosk.show_card(ANNAS_CARD)
    kiosk.place(SET, part=0)
    kiosk.run(2_000)

    (tile,) = kiosk.view["items"]
    assert [reason["code"] for reason in tile["reasons"]] == ["parts_missing"]

    kiosk.place(SET, part=1)
    assert kiosk.tiles == {"Learn Finnish, with disc": "done"}


def test_a_book_the_reader_has_already_is_offered_for_renewal_or_return(kiosk):
    """Nobody knows what a reader means who lays their own book down, so the screen asks."""
    due_at = kiosk.clock.wall_ms() + 2 * DAY_MS
    lent = item_row(
        GOOSE, state="on_loan", patron_id=ANNA, loan="1" * 16, due_at=due_at, reach=3,
        last_fact="f" * 16,
    )  # fmt: skip
    kiosk.load_catalogue(version=2, items=[lent])
    kiosk.show_card(ANNAS_CARD)
    kiosk.place(GOOSE)
    assert kiosk.tiles == {"The Snow Goose": "held"}

    assert kiosk.press("renew", item=GOOSE) == {"ok": True}

    (fact,) = kiosk.facts("renewal")
    assert (fact["loan"], fact["due_at"], fact["saw"]) == ("1" * 16, DUE_MS, ["f" * 16])
    assert kiosk.tiles == {"The Snow Goose": "done"}


def test_a_loan_is_renewed_from_the_list_of_loans(kiosk):
    """The book may lie at home: a button beside the loan is enough."""
    lent = item_row(
        MOMO, state="on_loan", patron_id=ANNA, loan="1" * 16, reach=3,
        due_at=kiosk.clock.wall_ms() + DAY_MS,
    )  # fmt: skip
    kiosk.load_catalogue(version=2, items=[lent])
    kiosk.show_card(ANNAS_CARD)
    assert [loan["title"] for loan in kiosk.view["loans"]] == ["Momo"]

    kiosk.press("renew", item=MOMO)

    assert kiosk.tiles == {"Momo": "done"}
    assert kiosk.view["loans"] == []


def test_nobody_renews_another_readers_loan(kiosk):
    """A button works on the reader's own loans only, whoever asks."""
    lent = item_row(MOMO, state="on_loan", patron_id=BEN, loan="1" * 16, due_at=1, reach=3)
    kiosk.load_catalogue(version=2, items=[lent])
    kiosk.show_card(ANNAS_CARD)

    assert kiosk.press("renew", item=MOMO)["ok"] is False
    assert kiosk.facts("renewal") == []


def test_the_same_book_twice_in_one_visit_is_one_loan(kiosk):
    """Lifting a ticked book and putting it back changes nothing."""
    kiosk.show_card(ANNAS_CARD)
    kiosk.place(GOOSE)
    kiosk.lift(GOOSE)
    kiosk.place(GOOSE)

    assert len(kiosk.facts()) == 1
    assert kiosk.tiles == {"The Snow Goose": "done"}


def test_a_second_readers_checkout_names_what_it_saw(kiosk):
    """Ben takes Anna's book back out: the new fact says which older one it knows."""
    kiosk.show_card(ANNAS_CARD)
    kiosk.place(GOOSE)
    kiosk.press("finish")
    kiosk.lift(GOOSE)
    kiosk.show_card(BENS_CARD)
    kiosk.place(GOOSE)

    first, second = kiosk.facts("checkout")
    assert second["saw"] == [first["id"]]
    assert kiosk.loan(GOOSE) == BEN


def test_a_book_is_lent_by_its_barcode_and_then_laid_on_the_pad(kiosk):
    """A scanned label makes the loan; the pad then switches the tag."""
    kiosk.show_card(ANNAS_CARD)
    kiosk.scan(BARCODES[GOOSE])
    assert kiosk.tiles == {"The Snow Goose": "again"}

    kiosk.place(GOOSE)

    assert kiosk.tiles == {"The Snow Goose": "done"}
    assert len(kiosk.facts("checkout")) == 1


@pytest.mark.parametrize("quiet_ms", [80_000])
def test_after_a_visit_nothing_of_the_reader_is_left_on_the_screen(kiosk, quiet_ms):
    """The next person sees no name, no title, no date of the last one."""
    kiosk.show_card(ANNAS_CARD)
    kiosk.place(GOOSE)

    kiosk.run(quiet_ms)

    shown = {name: value for name, value in kiosk.view.items() if name != "texts"}
    assert "Anna" not in str(shown)
    assert "Goose" not in str(shown)


@pytest.mark.parametrize("away_ms", [200, 1_000, 1_400, 2_000, 2_800])
def test_a_left_book_that_flickers_is_never_lent_to_the_next_card(kiosk, away_ms):
    """Anna forgot her book on the pad; whatever the weak field does, Ben gets nothing by it."""
    kiosk.show_card(ANNAS_CARD)
    kiosk.place(GOOSE)
    kiosk.press("finish")
    kiosk.run(7_000).flicker(GOOSE, away_ms)
    assert kiosk.view["state"] == "idle"

    kiosk.show_card(BENS_CARD)
    for _ in range(3):
        kiosk.flicker(GOOSE, away_ms)

    assert kiosk.loan(GOOSE) == ANNA
    assert kiosk.view["items"] == []
    assert kiosk.view["left_over"] is True


def test_a_flickering_book_is_lent_once(kiosk):
    """The same visit, the same book: one fact, one tick."""
    kiosk.show_card(ANNAS_CARD)
    kiosk.place(GOOSE)
    for _ in range(4):
        kiosk.flicker(GOOSE, 1_000)

    assert len(kiosk.facts("checkout")) == 1
    assert kiosk.tiles == {"The Snow Goose": "done"}
    assert kiosk.facts("renewal") == []


class WeakReader(SimReader):
    """Hears that tags are there; what they say is lost while it is weak."""

    is_weak = False

    def read_content(self, uid):
        if self.is_weak:
            raise TagLost(uid, "reading")
        return super().read_content(uid)


def test_a_book_that_could_not_be_read_in_time_is_not_the_next_readers(tmp_path):
    """A tag that answers only after its reader has gone opens no tile in the next visit."""
    clock = VirtualClock()
    pad, cards = WeakReader(clock), SimReader(clock, technologies=(NTAG,))
    kiosk = Kiosk(tmp_path, clock=clock, devices=KioskDevices(pad, card_reader=cards))
    kiosk.pad, kiosk.cards = pad, cards
    kiosk.load().run(600).show_card(ANNAS_CARD)
    pad.is_weak = True
    kiosk.place(GOOSE)
    kiosk.press("finish")
    pad.is_weak = False

    kiosk.show_card(BENS_CARD)

    assert kiosk.view["patron"] == "Ben C."
    assert kiosk.loan(GOOSE) is None


def test_what_lies_on_the_pad_at_start_is_nobodys(tmp_path):
    """After a power cut nobody knows whose book that is; it must be taken off first."""
    kiosk = Kiosk(tmp_path).load().run(600)
    kiosk.show_card(ANNAS_CARD)
    kiosk.place(GOOSE)
    kiosk.power_cut()
    kiosk.run(1_500)

    kiosk.show_card(BENS_CARD)

    assert kiosk.loan(GOOSE) == ANNA
    assert kiosk.view["left_over"] is True
    kiosk.lift(GOOSE)
    kiosk.place(GOOSE)
    assert kiosk.loan(GOOSE) == BEN
