"""What a kiosk tells the gates of its building, and what the real gate makes of it."""

import pytest

from circulation.wire.messages import Fork
from hardware.chips.tag_data import AFI_ON_LOAN
from hardware.ports import Security
from kiosk.devices import KioskDevices
from tests.kiosk.gate import BUILDING, ROOM, STREET, Gate
from tests.kiosk.library import (
    ANNA,
    ANNAS_CARD,
    ATLAS,
    BARCODES,
    BENS_CARD,
    CARD_BARCODES,
    GOOSE,
    MOMO,
    POLICY,
    Kiosk,
)


def lend(kiosk, item_id, card=ANNAS_CARD):
    kiosk.show_card(card)
    kiosk.place(item_id)
    kiosk.press("finish")
    return kiosk.lift(item_id)


def test_an_honest_reader_of_a_book_whose_tag_nobody_knows_is_left_in_peace(tmp_path):
    """Story 18: no UID in the catalogue, the pad dead, lent by barcode, its tag in stock."""
    kiosk = Kiosk(tmp_path)
    kiosk.devices = KioskDevices(scanner=kiosk.scanner)
    kiosk.power_cut()
    kiosk.load(uids={}).connect()
    gate = Gate(kiosk, known=())
    book = kiosk.tag(GOOSE)
    assert gate.alarms(book)

    kiosk.scan(CARD_BARCODES[ANNA])
    kiosk.scan(BARCODES[GOOSE])
    gate.listen()

    (told,) = kiosk.site_loans()
    assert (told.uids, told.barcode, told.reach) == ([], BARCODES[GOOSE], STREET)
    assert not gate.alarms(book)
    assert gate.alarms(kiosk.tag(MOMO))


def test_a_return_by_barcode_ends_what_the_gate_heard_by_barcode(tmp_path):
    """The next person who carries it out has not borrowed it."""
    kiosk = Kiosk(tmp_path)
    kiosk.devices = KioskDevices(scanner=kiosk.scanner)
    kiosk.power_cut()
    kiosk.load(uids={}).connect()
    gate = Gate(kiosk, known=())
    kiosk.scan(CARD_BARCODES[ANNA])
    kiosk.scan(BARCODES[GOOSE])
    kiosk.press("finish")
    kiosk.press("mode", mode="return")
    kiosk.scan(BARCODES[GOOSE])

    assert gate.listen().alarms(kiosk.tag(GOOSE))


def test_a_gate_that_asks_later_hears_the_barcode_too(tmp_path):
    """What is told again is what was told."""
    kiosk = Kiosk(tmp_path).load(uids={}).run(600)
    lend(kiosk, GOOSE)
    kiosk.connect()

    (told,) = kiosk.site_loans()
    assert told.barcode == BARCODES[GOOSE]


def test_kiosks_know_each_others_loans_by_barcode(tmp_path):
    """A message without item and tag still names a book that the other kiosk knows."""
    kiosk = Kiosk(tmp_path).load().connect()
    other = Kiosk(tmp_path, station="kiosk-2", seed=3, clock=kiosk.clock).load().connect()
    lend(kiosk, GOOSE)
    told = kiosk.site_loans()[0]._replace(item=None, uids=[])

    other.hear_loan(told)

    assert other.loan(GOOSE) == "somebody"


@pytest.mark.parametrize(
    ("boundary", "reach", "sounds"),
    [
        (ROOM, 0, True), (BUILDING, 0, True), (STREET, 0, True),
        (ROOM, 1, False), (BUILDING, 1, True), (STREET, 1, True),
        (ROOM, 2, False), (BUILDING, 2, False), (STREET, 2, True),
    ],
)  # fmt: skip
def test_a_reading_room_loan_goes_as_far_as_it_may_whatever_its_tag_says(
    tmp_path, boundary, reach, sounds
):
    """Story 15: the tag was released by mistake and cannot be set back; the street is shut."""
    rules = [{"loan": {"days": 28}, "on_site_reach": reach}]
    policy = POLICY | {"versions": [{"version": 1, "from": "2020-01-01", "rules": rules}]}
    kiosk = Kiosk(tmp_path).load(policy=policy).connect()
    gate = Gate(kiosk, boundary=boundary)
    atlas = kiosk.tag(ATLAS)
    atlas.afi = AFI_ON_LOAN
    atlas.ignore_writes(1_000)
    lend(kiosk, ATLAS)
    kiosk.run(600)

    gate.listen()

    assert atlas.security is Security.ON_LOAN
    assert kiosk.site_loans()[-1].state == "off_unsecured"
    assert gate.alarms(atlas) is sounds
    assert kiosk.engine.lists.beliefs.item(ATLAS).item.loan.reach == reach


def fork(kiosk, common):
    """The gateway has rows that this kiosk's card forgot."""
    journal = kiosk.engine.store.journal
    hashes = [[common, journal.hash_at(common).hex()]]
    answer = Fork(journal.epoch.id, 1, journal.last_seq + 9, common, hashes)
    return kiosk.hear(kiosk.topics.reply(kiosk.station), answer).run(200)


def test_after_a_fork_the_gates_hear_our_loans_under_their_new_places(tmp_path):
    """A gate that knows the new epoch refuses the old one's messages, and must not alarm."""
    kiosk = Kiosk(tmp_path).load().connect()
    lend(kiosk, GOOSE)
    lend(kiosk, MOMO, BENS_CARD)
    fork(kiosk, 1)
    late = Gate(kiosk).applied(2, 0, version=1)

    late.listen()

    assert not late.alarms(kiosk.tag(MOMO))
    last = {told.item: (told.epoch, told.seq) for told in kiosk.site_loans()}
    assert last == {GOOSE: (2, 1), MOMO: (2, 1)}


def test_after_a_fork_what_a_gate_remembered_goes_when_the_list_has_it(tmp_path):
    """Told again under its new place, an entry is covered like any other."""
    kiosk = Kiosk(tmp_path).load().connect()
    gate = Gate(kiosk)
    lend(kiosk, GOOSE)
    lend(kiosk, MOMO, BENS_CARD)
    assert gate.listen().remembered == 2
    fork(kiosk, 1)

    gate.listen().applied(2, 1, version=5).reach_version(5)

    assert gate.remembered == 0


def test_a_kiosk_that_hears_of_anothers_fork_lets_go_of_its_news_in_time(tmp_path):
    """Rows of the old epoch are not covered by the new one's marks until told again."""
    kiosk = Kiosk(tmp_path).load().connect()
    other = Kiosk(tmp_path, station="kiosk-2", seed=3, clock=kiosk.clock).load().connect()
    lend(kiosk, GOOSE)
    for told in kiosk.site_loans():
        other.hear_loan(told)
    other.hear_applied({"kiosk-1": [2, 1]}, version=2)
    other.load_catalogue(version=2)
    other.hear_head(catalogue=2)
    assert other.loan(GOOSE) == "somebody"

    fork(kiosk, 0)
    other.hear_loan(kiosk.site_loans()[-1])
    other.hear_applied({"kiosk-1": [2, 2]}, version=2)

    assert other.loan(GOOSE) is None
