"""The story the house is built for, played on real processes and a real broker.

A reader borrows with and without a network, a guard hears which book leaves, and the gateway
tells staff what is synced and what is not. One site serves all tests of a broker, so each test
uses books of its own.
"""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from sim.demo_files import ZONE
from tests.support.journals import facts_in
from tests.support.site import (
    AMARA,
    ATLAS,
    BACK_S,
    COSMOS,
    DUNE,
    EMIL,
    HOBBIT,
    IDA,
    KRABAT,
    LENA,
    MATILDA,
    MOMO,
    PIPPI,
    QUOTATIONS,
    SOLARIS,
    YUSUF,
    Site,
)

SILENT_SPRING, ALICE, HEIDI = "30715000000338", "30715000000072", "30715000000171"
TREASURE, ANNE, PRINCE = "30715000000106", "30715000000114", "30715000000080"
BIRDS, KNOTS = "30715000000395", "30715000000403"  # tagged, but no tag is in the catalogue
FOREIGN = "91990000000017"
STANDING_S = 60  # ten seconds in the field, and what a slow machine needs


@pytest.fixture(scope="module")
def site(any_broker, tmp_path_factory):
    """A gateway, two kiosks and a street gate; staff have sent books on their way before."""
    with Site(tmp_path_factory.mktemp("site"), any_broker) as site:
        site.record_at_desk("sent", SOLARIS, place="branch")
        site.record_at_desk("deposited", COSMOS, place="3b corner")
        site.record_at_desk("withdrawn", SILENT_SPRING)
        site.start("gateway")
        site.start("kiosk-1", "kiosk-2", "gate-1")
        yield site


def today():
    """Return the library's date."""
    return dt.datetime.now(ZoneInfo(ZONE)).date().isoformat()


def ticked_and_known(site, kiosk, card, *books):
    """Lend books and wait until the gateway lends them, too."""
    site.lend(kiosk, card, *books)
    for book in books:
        site.wait(f"the gateway lends {book}", lambda book=book: site.state(book), "on_loan")


def loans_of(site, book):
    """Return how often the gateway has applied a loan of a book."""
    return sum(fact["fields"]["kind"] == "checkout" for fact in site.item(book)["facts"])


def returns_of(site, station):
    """Return when a station came back with facts, newest first, as the diary tells it."""
    return [entry for entry in site.diary("caught_up") if entry["station"] == station]


def test_two_books_lent_are_known_at_the_gateway(site):
    """Two books on the pad: tags on loan, two ticks, and one fact each at the gateway."""
    ticked_and_known(site, "kiosk-1", LENA, MOMO, KRABAT)

    assert [site.tag(book) for book in (MOMO, KRABAT)] == ["on_loan", "on_loan"]
    assert [loans_of(site, book) for book in (MOMO, KRABAT)] == [1, 1]


def test_what_happens_offline_waits_and_arrives_once(site):
    """Off the network the kiosk lends and takes back; back on it, everything arrives once."""
    ticked_and_known(site, "kiosk-1", LENA, TREASURE)
    site.wait("nothing waits", lambda: site.drained("kiosk-1"))
    with site.plug_pulled("kiosk-1"):
        site.wait("offline", lambda: site.screen("kiosk-1").get("online"), False)
        site.lend("kiosk-1", YUSUF, EMIL, PIPPI)
        site.give_back("kiosk-1", TREASURE)
        waiting = site.screen("kiosk-1")["waiting"]
        unknown = [site.state(book) for book in (EMIL, PIPPI, TREASURE)]
    site.wait("everything has gone", lambda: site.drained("kiosk-1"), within_s=BACK_S)
    site.wait("it came back", lambda: bool(returns_of(site, "kiosk-1")))

    assert waiting >= 3
    assert unknown == ["available", "available", "on_loan"]
    assert [site.state(book) for book in (EMIL, PIPPI)] == ["on_loan", "on_loan"]
    assert site.state(TREASURE) == "to_be_shelved"
    assert [loans_of(site, book) for book in (EMIL, PIPPI, TREASURE)] == [1, 1, 1]
    assert returns_of(site, "kiosk-1")[0]["detail"]["waiting"] == waiting


def test_a_lent_book_leaves_in_silence(site):
    """Who borrowed a book hears nothing at the gate."""
    ticked_and_known(site, "kiosk-1", IDA, ANNE)

    site.walk_out("gate-1", ANNE)

    assert not site.rang("gate-1")


def test_a_book_nobody_lent_is_named_at_the_gateway(site):
    """The siren sounds at the gate, and the gateway says which book it was."""
    site.walk_out("gate-1", DUNE, lane="lane-2")

    assert site.rang("gate-1")
    site.wait("the book is named", lambda: [one["title"] for one in site.alarms()][:1], ["Dune"])
    alarm = site.alarms()[0]
    assert (alarm["lane"], alarm["direction"], alarm["deciding_row"]) == ("lane-2", "out", 4)
    assert "Dune" in site.diary("alarm")[0]["detail"]["what"]
    assert site.station("gate-1")["last_alarm"]["title"] == "Dune"


def test_a_book_carried_in_never_sounds(site):
    """What comes in from the street may be anything, and is no theft."""
    site.walk_in("gate-1", HEIDI)

    assert not site.rang("gate-1")


def test_another_librarys_book_leaves_in_silence_and_unnamed(site):
    """A book of another library is nobody's business here: no siren, and its number stays here."""
    known = len(site.alarms())
    book = site.world.add_book(FOREIGN, "A book of the city library", owner="DE-999")

    site.walk_out("gate-1", FOREIGN)

    assert not site.rang("gate-1")
    site.wait("the gate has sent all", lambda: site.face("gate-1").get("waiting"), 0)
    told = [str(fact["fields"]) for fact in site.api("facts?station=gate-1")]
    assert not [text for text in told if book.tag.uid in text or FOREIGN in text]
    assert len(site.alarms()) == known


def test_a_returns_cart_beside_the_antenna_lights_the_amber_lamp(site):
    """A book that stands in the field and goes nowhere is no thief: a lamp, and no siren."""
    site.rang("gate-1")
    site.place("gate-1/lane-1", HEIDI)

    site.wait("the amber lamp", lambda: site.gate("gate-1").lamp_amber.state, within_s=STANDING_S)

    assert not site.rang("gate-1")
    site.place("shelf", HEIDI)


def test_a_crate_a_class_box_and_a_withdrawn_book_leave_in_silence(site):
    """What staff sent, deposited or withdrew is no loan and may leave all the same."""
    for book, state in ((SOLARIS, "in_transit"), (SILENT_SPRING, "withdrawn")):
        assert site.state(book) == state

    site.walk_out("gate-1", SOLARIS, COSMOS, SILENT_SPRING)

    assert not site.rang("gate-1")


def test_a_reference_book_is_lent_for_today_and_stays_inside(site):
    """Lent on site: recorded, due today, its tag left in stock; the street gate sounds."""
    before = today()
    tile = site.lend("kiosk-1", AMARA, ATLAS)[ATLAS]
    site.wait("the gateway lends it", lambda: site.state(ATLAS), "on_loan")

    assert tile["on_site"]
    assert tile["due_on"] in (before, today())
    assert site.tag(ATLAS) == "in_stock"
    site.walk_out("gate-1", ATLAS)
    assert site.rang("gate-1")


def test_a_reference_book_with_a_wrongly_released_tag_is_stopped(site):
    """A tag that says "on loan" does not carry a book out that is lent on site only."""
    site.world.thing(QUOTATIONS).tag.afi = 0xC2
    site.lend("kiosk-1", AMARA, QUOTATIONS)
    site.wait("the gateway lends it", lambda: site.state(QUOTATIONS), "on_loan")

    site.walk_out("gate-1", QUOTATIONS)

    assert site.rang("gate-1")
    titles = "Dictionary of Quotations"
    site.wait("it is named", lambda: site.alarms()[0]["title"], titles)


def test_a_gate_off_the_network_stops_the_reference_book_too(site):
    """The gate decides alone: without a network the book lent on site sounds as well."""
    with site.plug_pulled("gate-1"):
        site.wait("it has no network", lambda: site.face("gate-1").get("connected"), False)
        site.walk_out("gate-1", ATLAS)
        rang = site.rang("gate-1")

    assert rang


def test_a_book_whose_tag_nobody_knew_leaves_in_silence_when_it_is_lent(site):
    """The catalogue came without tag numbers: the loan is known by what the pad read."""
    assert site.item(KNOTS)["uids"] == []

    ticked_and_known(site, "kiosk-1", LENA, KNOTS)
    site.walk_out("gate-1", KNOTS)

    assert not site.rang("gate-1")
    uid = site.world.thing(KNOTS).tag.uid
    site.wait("the gateway knows the tag", lambda: site.item(KNOTS)["uids"], [uid])


def lend_by_label(site, card, book):
    """Lend a book at a kiosk whose pad is dead: its tag goes on saying "in stock"."""
    pad = site.world.kiosks["kiosk-1"].pad
    pad.fail("off")
    site.show_card("kiosk-1", card)
    site.world.scan("kiosk-1", book)
    site.wait("it is recorded", lambda: bool(site.tiles("kiosk-1").get(book, {}).get("due_on")))
    site.finish("kiosk-1", card)
    pad.mend()
    assert site.tag(book) == "in_stock"


def test_the_pad_is_dead_and_a_book_lent_by_its_label_leaves_in_silence(site):
    """Without a pad the tag stays "in stock", and the reader is let out all the same."""
    lend_by_label(site, AMARA, BIRDS)
    site.wait("the gateway lends it", lambda: site.state(BIRDS), "on_loan")

    site.walk_out("gate-1", BIRDS)

    assert not site.rang("gate-1")


def test_while_the_gateway_is_away_an_honest_reader_hears_nothing(site):
    """A kiosk lends, and tells the gate itself: in stock says the tag, and out go the books."""
    with site.plug_pulled("gateway"):
        lend_by_label(site, LENA, HOBBIT)
        site.walk_out("gate-1", HOBBIT)
        rang_at_once = site.rang("gate-1")
        lend_by_label(site, LENA, MATILDA)
        site.kill9("gate-1")
        site.start("gate-1")
        site.wait("it is told of both", lambda: site.face("gate-1").get("overlay", 0) >= 2)
        site.walk_out("gate-1", MATILDA)
        rang_after_a_power_blip = site.rang("gate-1")
        site.walk_out("gate-1", HEIDI)
        rang_for_a_thief = site.rang("gate-1")

    assert (rang_at_once, rang_after_a_power_blip, rang_for_a_thief) == (False, False, True)


def test_two_lanes_are_one_portal_with_one_alarm_and_one_count(site):
    """One body in two lanes with one book: one alarm, and one visitor in the day's count."""
    site.stop("gate-1")
    before = len(facts_in(site.folder / "gate-1.db"))
    site.start("gate-1")
    site.world.gates["gate-1"].lanes["lane-2"].antenna.place(site.world.thing(PRINCE).tag)
    site.walk_out("gate-1", PRINCE, lane="lane-1", also_breaks="lane-2")
    site.stop("gate-1")

    written = facts_in(site.folder / "gate-1.db")[before:]
    site.start("gate-1")
    alarms = [fact for fact in written if fact["kind"] == "alarm"]
    counts = [(fact["in"], fact["out"]) for fact in written if fact["kind"] == "passages"]
    assert len(alarms) == 1
    assert counts == [(0, 1)]


def test_on_a_power_cut_morning_a_kiosk_with_a_wrong_clock_lends(site):
    """No network, no clock chip, four in the morning long ago: the loan stands, dated ahead."""
    site.stop("kiosk-2")
    site.cut("kiosk-2")
    long_ago = dt.datetime(2020, 1, 1, 4, tzinfo=ZoneInfo(ZONE))
    site.start_with_clock("kiosk-2", int(long_ago.timestamp() * 1000))
    unsure = site.screen("kiosk-2")["clock"]
    tile = site.lend("kiosk-2", IDA, ALICE)[ALICE]
    site.restore("kiosk-2")

    site.wait("the gateway lends it", lambda: site.state(ALICE), "on_loan", within_s=BACK_S)
    due_at = dt.datetime.fromtimestamp(site.item(ALICE)["due_at"] / 1000, ZoneInfo(ZONE))
    assert unsure == "unsure"
    assert tile["due_on"] > today()
    assert due_at.date().isoformat() == tile["due_on"]


def test_what_was_lent_while_the_gateway_was_away_has_arrived(site):
    """The gateway came back by itself and lends the books of that hour, each once."""
    for book in (HOBBIT, MATILDA):
        site.wait(
            "the gateway lends it", lambda book=book: site.state(book), "on_loan", within_s=BACK_S
        )

    assert [loans_of(site, book) for book in (HOBBIT, MATILDA)] == [1, 1]
