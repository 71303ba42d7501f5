"""Who connects is told what it missed: soon, all of it, once; and what is known costs nothing."""

import pytest

from circulation.link import Received
from circulation.wire.messages import Applied, Fork, SiteAsk, SiteLoan, encode, sealed
from tests.kiosk.library import (
    ANNAS_CARD,
    ATLAS,
    GOOSE,
    LINEAGE,
    MOMO,
    SITE_KEY,
    Kiosk,
    item_row,
)

KEY = bytes.fromhex(SITE_KEY)
OTHERS_LOANS = 20


@pytest.fixture
def kiosk(tmp_path):
    """A connected kiosk with its lists, a while after it connected."""
    return Kiosk(tmp_path).load().connect().run(2_000)


def lend(kiosk, item_id=GOOSE):
    """A reader takes a book; what was said up to now is forgotten by the test."""
    kiosk.show_card(ANNAS_CARD)
    kiosk.place(item_id)
    kiosk.press("finish")
    kiosk.lift(item_id)
    kiosk.run(2_000)
    return kiosk


def ask(kiosk, station, version=7, lineage=LINEAGE):
    """A station of the site asks; the next step of the kiosk hears it."""
    said = sealed(SiteAsk(station, "may_leave", lineage, version, ""), KEY)
    kiosk.engine.inbox.deliver(Received(kiosk.topics.site_ask("main"), encode(said), False))
    return kiosk


def told(kiosk):
    """Return which items the kiosk told of since this was asked last."""
    found = [loan.item for loan in kiosk.site_loans()]
    kiosk.link.sent.clear()
    return found


def echo(kiosk, loan):
    """The broker sends the kiosk its own word back."""
    return kiosk.hear(kiosk.topics.site_loan("main"), loan)


def others_loan(number, *, epoch=1, seq=None, item=None, state="on", key=KEY):
    """Another kiosk lends the book of that number."""
    item = item or f"{number:016x}"
    fact = f"{0xFAC70000 + number:016x}"
    place = ("kiosk-2", epoch, seq or number)
    return sealed(SiteLoan(*place, item, [], state, 3, [], fact, 1, None, ""), key)


def hear(kiosk, *loans):
    """The loans come within one turn of the kiosk."""
    for loan in loans:
        topic = kiosk.topics.site_loan("main")
        kiosk.engine.inbox.deliver(Received(topic, encode(loan), False))
    kiosk.engine.step()


def commits(kiosk, do):
    """Return how many transactions the kiosk wrote while it did that."""
    said = []
    kiosk.engine.store.connection.set_trace_callback(said.append)
    do()
    kiosk.engine.store.connection.set_trace_callback(None)
    return said.count("COMMIT")


def heard_of(kiosk):
    """Return how many news of other kiosks are kept."""
    query = "SELECT count(*) FROM news WHERE own=0"
    return kiosk.engine.store.reader.execute(query).fetchone()[0]


# ------------------------------------------------------------------------------ who asks


def test_who_asks_first_in_a_quiet_second_is_answered_at_once(kiosk):
    """A gate that was away for a moment hears of the loan before its reader is at the door."""
    lend(kiosk)
    told(kiosk)

    ask(kiosk, "gate-1").engine.step()

    assert told(kiosk) == [GOOSE]


def test_who_asks_in_the_same_second_is_answered_with_the_others_when_it_is_over(kiosk):
    """After a broker's restart all ask at once, and one answer is heard by everybody."""
    lend(kiosk)
    told(kiosk)
    ask(kiosk, "gate-1").engine.step()
    told(kiosk)

    for station in ("gate-2", "kiosk-2", "kiosk-3", "gate-1"):
        ask(kiosk, station).run(200)

    assert told(kiosk) == []
    kiosk.run(200)
    assert told(kiosk) == [GOOSE]
    kiosk.run(10_000)
    assert told(kiosk) == []


def test_who_asks_together_is_told_what_the_oldest_list_lacks(kiosk):
    """The one with the older list needs more, and the others may hear it as well."""
    lend(kiosk)
    kiosk.hear(kiosk.topics.applied("main"), Applied(8, {"kiosk-1": [1, 1]}, LINEAGE))
    lend(kiosk, MOMO)
    told(kiosk)

    ask(kiosk, "gate-1", version=9)
    ask(kiosk, "gate-2", version=7)
    kiosk.engine.step()
    assert told(kiosk) == [MOMO, GOOSE]

    kiosk.run(1_000)
    ask(kiosk, "gate-1", version=9).engine.step()
    assert told(kiosk) == [MOMO]


def test_a_list_of_another_history_has_nothing_of_what_we_tell(kiosk):
    """Its version 9 is not ours."""
    lend(kiosk)
    kiosk.hear(kiosk.topics.applied("main"), Applied(8, {"kiosk-1": [1, 1]}, LINEAGE))
    told(kiosk)

    ask(kiosk, "gate-1", version=9, lineage="0b" * 8).engine.step()

    assert told(kiosk) == [GOOSE]


def test_what_was_told_after_the_last_had_asked_is_not_told_again(kiosk):
    """They were connected then, and have heard it."""
    lend(kiosk)
    ask(kiosk, "gate-1").engine.step()
    told(kiosk)
    ask(kiosk, "gate-2").engine.step()
    kiosk.engine.uplink.site.tell_again()
    assert told(kiosk) == [GOOSE]

    kiosk.run(1_000)

    assert told(kiosk) == []


def test_what_was_told_before_the_last_had_asked_is_told_again(kiosk):
    """That one may have connected in between, and nobody is left without."""
    lend(kiosk)
    ask(kiosk, "gate-1").engine.step()
    ask(kiosk, "gate-2").engine.step()
    kiosk.engine.uplink.site.tell_again()
    told(kiosk)
    ask(kiosk, "gate-3").engine.step()

    kiosk.run(1_000)

    assert told(kiosk) == [GOOSE]


def test_whoever_connects_with_us_is_answered_within_the_second(kiosk):
    """A broker is back: we tell what we lent without it, they ask, and are told when all did."""
    kiosk.disconnect()
    lend(kiosk)
    told(kiosk)
    kiosk.connect()
    assert told(kiosk) == [GOOSE]

    ask(kiosk, "gate-1").run(100)
    ask(kiosk, "gate-2").run(100)
    assert told(kiosk) == []

    kiosk.run(900)
    assert told(kiosk) == [GOOSE]


# ----------------------------------------------------------------------- who connects


def test_what_came_back_to_us_is_not_told_again_when_we_connect(kiosk):
    """The broker had it, so whoever was connected has it, and who was not asks."""
    lend(kiosk)
    echo(kiosk, kiosk.site_loans()[0])
    lend(kiosk, MOMO)
    told(kiosk)

    kiosk.disconnect().connect()

    assert told(kiosk) == [MOMO]


def test_a_word_of_ours_that_somebody_made_up_keeps_nothing_from_the_gates(kiosk):
    """Only the site's key makes it ours."""
    lend(kiosk)
    echo(kiosk, kiosk.site_loans()[0]._replace(mac="0" * 32))
    told(kiosk)

    kiosk.disconnect().connect()

    assert told(kiosk) == [GOOSE]
    assert kiosk.engine.uplink.site.refused == 1


def test_after_a_restart_everything_uncovered_is_told_once_more(kiosk):
    """What came back before is forgotten with the power."""
    lend(kiosk)
    echo(kiosk, kiosk.site_loans()[0])

    kiosk.power_cut()
    kiosk.connect()

    assert told(kiosk) == [GOOSE]


def test_after_a_fork_what_had_come_back_is_told_under_its_new_place(kiosk):
    """No mark covers the old one any more; and its late echo is not the new one's."""
    lend(kiosk)
    before = kiosk.site_loans()[0]
    echo(kiosk, before)
    told(kiosk)
    journal = kiosk.engine.store.journal
    answer = Fork(journal.epoch.id, 1, journal.last_seq + 9, 0, [[0, journal.hash_at(0).hex()]])

    kiosk.hear(kiosk.topics.reply(kiosk.station), answer).run(200)
    assert [(loan.epoch, loan.item) for loan in kiosk.site_loans()] == [(2, GOOSE)]

    told(kiosk)
    echo(kiosk, before)
    kiosk.disconnect().connect()
    assert told(kiosk) == [GOOSE]


# ------------------------------------------------------------------------- what we hear


def test_what_comes_in_one_turn_is_kept_in_one_commit(kiosk):
    """On an SD card each commit keeps a reader waiting."""
    loans = [others_loan(number) for number in range(1, OTHERS_LOANS + 1)]

    assert commits(kiosk, lambda: hear(kiosk, *loans)) == 1
    assert heard_of(kiosk) == 20


def test_what_is_told_again_writes_nothing(kiosk):
    """Five hundred loans told again cost no write at all, and the same one twice costs one."""
    loans = [others_loan(number) for number in range(1, OTHERS_LOANS + 1)]
    assert commits(kiosk, lambda: hear(kiosk, *loans, *loans)) == 1

    assert commits(kiosk, lambda: hear(kiosk, *loans)) == 0
    assert commits(kiosk, lambda: hear(kiosk, others_loan(91, seq=3, item=f"{5:016x}"))) == 0
    assert heard_of(kiosk) == 20


def test_what_moved_to_a_newer_epoch_is_no_retelling(kiosk):
    """Marks of the new epoch must find it under its new place."""
    hear(kiosk, others_loan(5))

    assert commits(kiosk, lambda: hear(kiosk, others_loan(5, epoch=2, seq=1))) == 1
    assert commits(kiosk, lambda: hear(kiosk, others_loan(5, epoch=1))) == 0

    query = "SELECT epoch_n, seq FROM news WHERE own=0"
    assert [tuple(row) for row in kiosk.engine.store.reader.execute(query)] == [(2, 1)]


def test_a_forged_loan_among_genuine_ones_is_left_out_alone(kiosk):
    """One bad message in a turn spoils no other."""
    hear(kiosk, others_loan(1), others_loan(2, key=b"another key"), others_loan(3))

    assert heard_of(kiosk) == 2
    assert kiosk.engine.uplink.site.refused == 1


def test_a_loan_its_mark_and_our_list_in_one_turn_are_one_commit(kiosk):
    """Heard, applied and in our own catalogue: it is done with as soon as it is kept."""
    kiosk.load_catalogue(version=9, items=[item_row(ATLAS)])
    topic = kiosk.topics.applied("main")
    applied = encode(Applied(9, {"kiosk-2": [1, 7]}, LINEAGE))

    def turn():
        kiosk.engine.inbox.deliver(Received(topic, applied, False))
        hear(kiosk, others_loan(7, item=ATLAS), others_loan(8, item=MOMO))

    assert commits(kiosk, turn) == 1
    assert kiosk.loan(ATLAS) is None
    assert kiosk.loan(MOMO) == "somebody"


def test_a_mark_of_a_history_that_ended_in_the_same_turn_covers_nothing(kiosk):
    """A list of the gateway's new history came behind it; the new one may not have our loan."""
    lend(kiosk)
    applied = encode(Applied(1, {"kiosk-1": [1, 1]}, LINEAGE))
    topic = kiosk.topics.applied("main")
    kiosk.engine.uplink.handle(Received(topic, applied, False), kiosk.engine.time.mono_ms)
    kiosk.load_catalogue(version=3, lineage="2b" * 8)

    kiosk.run(200)

    assert kiosk.loan(GOOSE) is not None


def test_in_one_turn_an_older_word_on_a_book_comes_too_late_as_ever(kiosk):
    """What a kiosk said of a book before its newest word adds nothing to it."""
    lent, back = others_loan(9, item=MOMO), others_loan(12, item=MOMO, state="off")

    hear(kiosk, back, lent)

    assert heard_of(kiosk) == 1
    assert kiosk.loan(MOMO) is None
