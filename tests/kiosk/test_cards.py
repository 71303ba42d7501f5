"""Cards, codes and PINs: whom the kiosk lets in, and what it says to the rest."""

import pytest
from argon2 import PasswordHasher

from hardware.ports import ISO14443A, NTAG, Health, Inventory, TagSeen
from kiosk.fetching import SnapshotReady
from sim.tags import SimTag
from tests.kiosk.library import (
    ANNA,
    ANNAS_CARD,
    BARCODES,
    BEN,
    BENS_CARD,
    CARD_BARCODES,
    GOOSE,
    POLICY,
    UIDS,
    Kiosk,
    patron_row,
    pointer,
    write_catalogue,
    write_patrons,
)

PIN_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("2468")
PIN_POLICY = POLICY | {
    "versions": [{"version": 1, "from": "2020-01-01", "rules": [{"pin_needed": True}]}]
}


def test_two_cards_that_share_their_first_bytes_are_two_readers(kiosk):
    """A UID is taken whole; the 7-byte cards of one batch begin alike."""
    kiosk.show_card(ANNAS_CARD)
    assert kiosk.view["patron"] == "Anna B."

    kiosk.show_card(BENS_CARD)

    assert kiosk.view["patron"] == "Ben C."


def test_a_scanned_card_opens_a_visit(kiosk):
    """A card may be read by its barcode."""
    kiosk.scan(CARD_BARCODES[ANNA])

    assert kiosk.view["patron"] == "Anna B."


def test_a_card_laid_on_the_book_pad_is_understood(kiosk):
    """A reader who lays the card where the books go is let in all the same."""
    kiosk.load(version=2, cards=[("e0040150000000c1", ANNA, "active")])
    kiosk.pad.place(SimTag("e0040150000000c1"))
    kiosk.run(800)

    assert kiosk.view["patron"] == "Anna B."
    assert kiosk.view["items"] == []


PHONE, HALF = "08a1b2c3", "8804a1b2"
NAMELESS = {
    PHONE: {
        "en": "A phone shows a different number each time. Please use your library card.",
        "de": "Ein Telefon zeigt jedes Mal eine andere Nummer. Bitte die Bibliothekskarte nehmen.",
        "zh": "手机每次显示的号码都不同。请用借书证。",
    },
    HALF: {
        "en": "This reader sees only half of the number. Please hold the barcode under the"
        " scanner.",
        "de": "Dieses Lesegerät sieht nur die halbe Nummer. Bitte den Strichcode unter den Scanner"
        " halten.",
        "zh": "此读写器只能读到一半号码。请将条形码对准扫描器。",
    },
}


class OldReader:
    """A card reader that stops after four bytes; no tag says that itself."""

    def __init__(self, uid):
        self.uid = uid

    def inventory(self):
        return Inventory((TagSeen(self.uid, ISO14443A),))

    def health(self):
        return Health(True)

    def close(self):
        pass


@pytest.mark.parametrize("language", ["en", "de", "zh"])
@pytest.mark.parametrize("uid", [PHONE, HALF])
def test_a_number_that_names_nobody_is_no_card(kiosk, uid, language):
    """A phone's random UID and half of a long one are refused, though the list holds them."""
    kiosk.load(version=2, cards=[(uid, ANNA, "active")])
    kiosk.press("language", language=language)
    kiosk.devices.card_reader = OldReader(uid)
    kiosk.run(500)

    assert kiosk.view["patron"] is None
    assert kiosk.view["notice"] == NAMELESS[uid][language]


@pytest.mark.parametrize("uid", [PHONE, HALF])
def test_a_number_that_names_nobody_lends_nothing_on_the_pad(kiosk, uid):
    """Neither a reader nor a book of the list is taken for it; the tile says why."""
    kiosk.load(version=2, cards=[(uid, ANNA, "active")], uids=UIDS | {GOOSE: (uid,)})
    kiosk.show_card()
    kiosk.cards.lift(ANNAS_CARD)
    kiosk.pad.place(SimTag(uid))
    kiosk.run(800)

    (tile,) = kiosk.view["items"]
    assert (tile["state"], tile["notice"]) == ("notice", NAMELESS[uid]["en"])
    assert kiosk.loan(GOOSE) is None


@pytest.mark.parametrize(
    ("uid", "notice"),
    [
        ("04ffffffffffff", "We do not know this card. Please try again or ask at the desk."),
        ("08a1b2c3", "A phone shows a different number each time. Please use your library card."),
        ("04000000000001", "This card was reported lost. Please bring it to the desk."),
        ("04000000000002", "This card is no longer valid. Please ask at the desk."),
    ],
)
def test_a_card_that_opens_no_visit_is_told_why(kiosk, uid, notice):
    """Each kind of useless card has its own sentence."""
    cards = [("04000000000001", ANNA, "lost"), ("04000000000002", ANNA, "void")]
    kiosk.load(version=2, cards=cards)

    kiosk.show_card(uid)

    assert kiosk.view["notice"] == notice
    assert kiosk.view["state"] == "idle"


def test_a_book_held_to_the_card_reader_is_sent_to_the_pad(tmp_path):
    """A tagged book with an NTAG sticker is no card."""
    uids = {GOOSE: ("04c0ffee000001",)}
    kiosk = Kiosk(tmp_path).load(uids=uids).run(600)

    kiosk.show_card("04c0ffee000001")

    assert kiosk.view["notice"] == "That is a book. Please lay it on the pad."


def test_a_card_on_the_pad_while_returning_is_no_book(kiosk):
    """Who returns needs no card, and a card is not taken for a book."""
    kiosk.load(version=2, cards=[("e0040150000000c1", ANNA, "active")])
    kiosk.press("mode", mode="return")
    kiosk.pad.place(SimTag("e0040150000000c1"))
    kiosk.run(800)

    assert kiosk.view["notice"] == "That is a card. Please lay only books here."
    assert kiosk.facts() == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("9780131103627", "That barcode belongs to the edition."),
        ("39999998", "We do not know this barcode."),
        ("!!!", "That did not read well."),
        ("2999999", "We do not know this card."),
        ("x" * 64, "That did not read well."),
    ],
)
def test_a_code_that_is_no_item_of_ours_is_told_why(kiosk, code, words):
    """An ISBN, a stranger's label, a bad read and an unknown card are four different things."""
    kiosk.show_card()
    kiosk.scan(code)

    assert kiosk.view["notice"].startswith(words)
    assert kiosk.view["items"] == []


def test_a_card_that_needs_a_pin_waits_for_it(tmp_path):
    """Where the policy says so, a card alone opens nothing."""
    kiosk = Kiosk(tmp_path).load(policy=PIN_POLICY, patrons=[patron_row(ANNA, pin_hash=PIN_HASH)])
    kiosk.run(600).show_card()
    assert kiosk.view["state"] == "pin"
    assert kiosk.view["patron"] is None

    kiosk.press("pin", pin="1111")
    assert kiosk.view["notice"] == "That PIN is not right. Tries left: 2."
    kiosk.press("pin", pin="2468")

    assert kiosk.view["patron"] == "Anna B."
    kiosk.place(GOOSE)
    assert kiosk.tiles == {"The Snow Goose": "done"}


def test_three_wrong_pins_pause_the_card_for_ten_minutes(tmp_path):
    """Guessing four digits takes weeks."""
    kiosk = Kiosk(tmp_path).load(policy=PIN_POLICY, patrons=[patron_row(ANNA, pin_hash=PIN_HASH)])
    kiosk.run(600).show_card()
    for _ in range(3):
        kiosk.press("pin", pin="0000")
    assert kiosk.view["notice"] == "Too many tries. Please ask at the desk."
    kiosk.show_card()
    kiosk.press("pin", pin="2468")
    assert kiosk.view["patron"] is None

    kiosk.clock.advance(600_000)
    kiosk.run(31_000).show_card()
    kiosk.press("pin", pin="2468")

    assert kiosk.view["patron"] == "Anna B."


def test_a_typed_number_always_needs_a_pin(tmp_path):
    """A number is no card in the hand."""
    kiosk = Kiosk(tmp_path, typed_numbers=True).load(patrons=[patron_row(ANNA, pin_hash=PIN_HASH)])
    kiosk.run(600).press("number", number=CARD_BARCODES[ANNA])
    assert kiosk.view["state"] == "pin"

    kiosk.press("pin", pin="2468")

    assert kiosk.view["patron"] == "Anna B."


def test_a_typed_number_without_a_pin_on_record_goes_to_the_desk(tmp_path):
    """Nobody is let in by a number alone."""
    kiosk = Kiosk(tmp_path, typed_numbers=True).load().run(600)
    kiosk.press("number", number=CARD_BARCODES[BEN])

    assert kiosk.view["notice"].startswith("Your card needs a PIN")
    assert kiosk.view["patron"] is None


def test_typing_numbers_is_off_unless_the_library_wants_it(kiosk):
    """The option decides, not the request."""
    assert kiosk.press("number", number=CARD_BARCODES[ANNA])["ok"] is False


def test_a_kiosk_without_a_list_of_readers_says_so(tmp_path):
    """On its very first day a kiosk does not call every card unknown."""
    kiosk = Kiosk(tmp_path).run(600)
    kiosk.show_card()

    assert kiosk.view["notice"].startswith("The list of readers is still on its way.")


def test_a_tag_nobody_knew_is_paired_with_its_item_once(tmp_path):
    """The old system knew barcodes only: the first reading of a tag tells the gateway its UID."""
    kiosk = Kiosk(tmp_path).load(uids={}).run(600)
    kiosk.place(GOOSE)
    kiosk.lift(GOOSE)
    kiosk.place(GOOSE)

    (fact,) = kiosk.facts("tag_seen")
    assert (fact["item"], fact["uids"]) == (GOOSE, list(UIDS[GOOSE]))
    assert fact["barcode"] == BARCODES[GOOSE]


def test_ntag_cards_are_read_by_the_card_reader_only(kiosk):
    """The pad for books hears no cards of another technology."""
    kiosk.pad.place(SimTag(ANNAS_CARD, technology=NTAG))
    kiosk.run(800)

    assert kiosk.view["state"] == "idle"


def fetched(kiosk, kind, *, version=1):
    """A list arrives while the kiosk runs."""
    file = kiosk.folder / f"late-{kind}-{version}.db"
    write = write_patrons if kind == "patrons" else write_catalogue
    write(file, version=version)
    kiosk.engine.inbox.deliver(SnapshotReady(pointer(kind, version), file))
    return kiosk.run(500)


def test_a_card_shown_before_the_list_of_readers_is_remembered(tmp_path):
    """The first reader of the first day shows the card once; the screen says what it waits for."""
    kiosk = Kiosk(tmp_path)
    kiosk.load_catalogue(version=1)
    kiosk.load_policy(POLICY)
    kiosk.run(600).show_card()
    assert kiosk.view["notice"].startswith("The list of readers is still on its way.")

    fetched(kiosk, "patrons")

    assert kiosk.view["patron"] == "Anna B."


def test_a_remembered_card_is_forgotten_when_its_reader_may_have_gone(tmp_path):
    """Half a minute later nobody's visit opens by itself."""
    kiosk = Kiosk(tmp_path)
    kiosk.load_catalogue(version=1)
    kiosk.run(600).show_card()
    kiosk.run(31_000)

    fetched(kiosk, "patrons")

    assert kiosk.view["patron"] is None


def test_a_card_that_still_lies_there_is_never_too_old(tmp_path):
    """Who waits with the card on its spot need not lift it."""
    kiosk = Kiosk(tmp_path)
    kiosk.run(600)
    kiosk.cards.place(SimTag(ANNAS_CARD, technology=NTAG))
    kiosk.run(60_000)

    fetched(kiosk, "patrons")

    assert kiosk.view["patron"] == "Anna B."


def test_only_the_last_card_waits(tmp_path):
    """The reader who stepped in last is the one who stands there."""
    kiosk = Kiosk(tmp_path)
    kiosk.run(600).show_card(ANNAS_CARD)
    kiosk.show_card(BENS_CARD)

    fetched(kiosk, "patrons")

    assert kiosk.view["patron"] == "Ben C."


def test_a_book_laid_down_before_the_catalogue_is_read_again(tmp_path):
    """It need not be lifted: "we do not know this book" was true only for a moment."""
    kiosk = Kiosk(tmp_path).run(600)
    kiosk.place(GOOSE)
    assert kiosk.view["notice"].startswith("We do not know this book.")

    fetched(kiosk, "catalogue")

    assert kiosk.tiles == {"The Snow Goose": "placed"}


def test_a_book_that_lay_there_at_start_stays_nobodys_when_the_catalogue_comes(tmp_path):
    """Learning its title does not tell whose it is."""
    kiosk = Kiosk(tmp_path)
    kiosk.pad.place(kiosk.tag(GOOSE))
    kiosk.run(1_500)

    fetched(kiosk, "catalogue")
    fetched(kiosk, "patrons")
    kiosk.show_card()

    assert kiosk.view["items"] == []
    assert kiosk.view["left_over"] is True
