"""The days that broke simpler kiosks, each as a test."""

import pytest

from circulation.wire.messages import Applied, SiteAlarm, SiteAsk, SiteLoan, decode, sealed
from hardware.chips.tag_data import AFI_ON_LOAN
from hardware.ports import Security
from kiosk.devices import KioskDevices
from sim.clock import WALL_START_MS, VirtualClock
from tests.kiosk.library import (
    ANNA,
    ANNAS_CARD,
    BARCODES,
    BEN,
    DAY_MS,
    GOOSE,
    LINEAGE,
    MOMO,
    POLICY,
    SITE_KEY,
    UIDS,
    Kiosk,
    item_row,
    patron_row,
)

KEY = bytes.fromhex(SITE_KEY)
HOUR_MS = 3_600_000
SCHOOL_HOURS = POLICY | {
    "calendars": {"*": {"hours": {"mon": ["08:00-16:00"], "tue": ["08:00-16:00"]}}}
}


def lend(kiosk, item_id=GOOSE, card=ANNAS_CARD):
    kiosk.show_card(card)
    kiosk.place(item_id)
    kiosk.press("finish")
    kiosk.lift(item_id)
    return kiosk


def test_a_power_cut_morning_refuses_nobody_for_the_clocks_sake(tmp_path):
    """Story 5: the machine thinks it is four in the morning of an earlier day."""
    kiosk = Kiosk(tmp_path).load(policy=SCHOOL_HOURS).run(600)
    lend(kiosk)
    kiosk.lift(GOOSE)
    kiosk.clock.set_wall(WALL_START_MS - 3 * DAY_MS - 4 * HOUR_MS, sure=False)
    kiosk.power_cut()
    expired_then = patron_row(ANNA, expires_on="2025-09-01")
    kiosk.load(version=2, policy=SCHOOL_HOURS, patrons=[expired_then]).run(600)

    kiosk.show_card()
    kiosk.place(MOMO)

    assert kiosk.view["clock"] == "unsure"
    assert kiosk.tiles["Momo"] == "done"
    fact = kiosk.facts("checkout")[-1]
    assert fact["sure"] is False
    assert fact["wall"] >= WALL_START_MS
    assert fact["due_at"] > fact["wall"]


def test_a_snapshot_built_before_my_last_acks_does_not_unlend_my_books(tmp_path):
    """Story 12: news stay until the gateway applied them and our list has that version."""
    kiosk = Kiosk(tmp_path).load(version=5).connect()
    lend(kiosk)
    assert kiosk.loan(GOOSE) == ANNA

    kiosk.load_catalogue(version=6)
    assert kiosk.loan(GOOSE) == ANNA

    mark = {"kiosk-1": [1, 1]}
    kiosk.hear(kiosk.topics.applied("main"), Applied(8, mark, LINEAGE))
    assert kiosk.loan(GOOSE) == ANNA
    returned = item_row(GOOSE, last_fact="9" * 16)
    kiosk.load_catalogue(version=8, items=[returned])
    kiosk.hear_head(catalogue=8)

    assert kiosk.loan(GOOSE) is None
    kiosk.press("mode", mode="return")
    kiosk.place(GOOSE)
    assert kiosk.facts("checkin", "used_in_house")[-1]["saw"] == ["9" * 16]


def test_a_loan_the_gateway_has_not_applied_outlives_one_it_has(tmp_path):
    """Story 12: letting go of the covered loan must not let go of the next one."""
    kiosk = Kiosk(tmp_path).load(version=5).connect()
    lend(kiosk, GOOSE)
    lend(kiosk, MOMO)
    kiosk.hear(kiosk.topics.applied("main"), Applied(6, {"kiosk-1": [1, 1]}, LINEAGE))
    kiosk.load_catalogue(version=6)
    kiosk.hear_head(catalogue=6)

    assert kiosk.loan(GOOSE) is None
    assert kiosk.loan(MOMO) == ANNA


def test_the_pad_dies_and_lending_goes_on_by_barcode(tmp_path):
    """Story 18: tags stay in stock, so the gates are told the tags the list knows."""
    scanner_only = Kiosk(tmp_path, station="spare")
    kiosk = Kiosk(tmp_path, devices=KioskDevices(scanner=scanner_only.scanner))
    kiosk.scanner = scanner_only.scanner
    kiosk.load().connect()
    kiosk.scan("2000001")
    kiosk.scan(BARCODES[GOOSE])

    assert kiosk.tiles == {"The Snow Goose": "unswitched"}
    assert kiosk.view["pad"] is False
    (told,) = kiosk.site_loans()
    assert (told.state, told.uids, told.reach) == ("on", list(UIDS[GOOSE]), 3)
    assert kiosk.facts("security_not_set")[0]["wanted"] == "on_loan"


def test_returned_with_a_failed_write_then_lent_again(kiosk):
    """Story 20: the later loan takes the book off the unsecured set at every gate."""
    kiosk.connect()
    kiosk.load_catalogue(
        version=2,
        items=[item_row(GOOSE, state="on_loan", patron_id=BEN, loan="1" * 16, due_at=1, reach=3)],
    )
    kiosk.tag(GOOSE).afi = AFI_ON_LOAN
    kiosk.tag(GOOSE).ignore_writes(100)
    kiosk.press("mode", mode="return")
    kiosk.place(GOOSE)
    kiosk.press("finish")
    kiosk.lift(GOOSE)
    lend(kiosk)

    states = [told.state for told in kiosk.site_loans()]
    assert states == ["off", "off_unsecured", "on"]
    unsecured, lent = kiosk.site_loans()[1:]
    assert lent.saw == [unsecured.fact]
    assert kiosk.tag(GOOSE).security is Security.ON_LOAN


@pytest.mark.parametrize("writes", [0, 1])
def test_a_child_that_lifts_the_book_early_gets_no_tick(kiosk, writes):
    """Story 22: before the tag is read back there is neither tick nor sound."""
    kiosk.show_card()
    kiosk.pad.pull(UIDS[GOOSE][0], after_writes=writes)
    kiosk.place(GOOSE)

    assert kiosk.tiles == {"The Snow Goose": "again"}
    assert kiosk.view["sound"][1] == "attention"


def test_a_cut_after_the_commit_undoes_the_loan_whose_book_still_lies_there(kiosk):
    """Story 23: the reader walked off without the book, so the loan must not stay."""
    kiosk.show_card()
    kiosk.tag(GOOSE).ignore_writes(100)
    kiosk.place(GOOSE)
    assert "done" not in kiosk.tiles.values()

    kiosk.power_cut()
    kiosk.tag(GOOSE).ignore_writes(0)
    kiosk.connect().run(1_500)

    checkout, undone = kiosk.facts("checkout", "not_shown")
    assert undone["loan"] == checkout["id"]
    assert undone["saw"] == [checkout["id"]]
    assert kiosk.loan(GOOSE) is None
    assert kiosk.tag(GOOSE).security is Security.IN_STOCK
    assert kiosk.site_loans()[-1].state == "off"
    assert kiosk.engine.store.unfinished() == []


def test_a_cut_after_the_commit_keeps_the_loan_whose_book_is_gone(kiosk):
    """Story 23, the other half: somebody took the book; the gates go by their list."""
    kiosk.show_card()
    kiosk.tag(GOOSE).ignore_writes(100)
    kiosk.place(GOOSE)
    kiosk.power_cut()
    kiosk.pad.lift(UIDS[GOOSE][0])

    kiosk.run(1_500)

    assert kiosk.loan(GOOSE) == ANNA
    assert kiosk.facts("not_shown") == []
    assert kiosk.facts("security_not_set")[0]["wanted"] == "on_loan"
    assert kiosk.engine.store.unfinished() == []


def test_a_cut_between_return_and_tag_finishes_the_return(kiosk):
    """What lies there is set in stock before anybody is served."""
    kiosk.tag(GOOSE).afi = AFI_ON_LOAN
    kiosk.tag(GOOSE).ignore_writes(100)
    kiosk.press("mode", mode="return")
    kiosk.place(GOOSE)
    kiosk.power_cut()
    kiosk.tag(GOOSE).ignore_writes(0)

    kiosk.run(2_000)

    assert kiosk.tag(GOOSE).security is Security.IN_STOCK
    assert kiosk.engine.store.unfinished() == []
    assert kiosk.facts("security_not_set") == []


def test_a_ticked_loan_survives_the_cut_untouched(kiosk):
    """What was shown is never undone, even with the book still on the pad."""
    kiosk.show_card()
    kiosk.place(GOOSE)
    assert kiosk.tiles == {"The Snow Goose": "done"}

    kiosk.power_cut()
    kiosk.run(1_500)

    assert kiosk.loan(GOOSE) == ANNA
    assert [fact["kind"] for fact in kiosk.facts()] == ["checkout"]


def test_a_weekend_offline_keeps_every_return_and_when_it_was(kiosk):
    """Story 24: forty parents are not reminded of books that lie in the library."""
    for _ in range(10):
        kiosk.press("mode", mode="return")
        for item_id in (GOOSE, MOMO):
            kiosk.place(item_id)
            kiosk.lift(item_id)
        kiosk.press("finish")
        kiosk.clock.advance(HOUR_MS)

    returns = kiosk.facts("checkin", "used_in_house")
    assert len(returns) == 20
    assert kiosk.view["waiting"] == 20
    assert kiosk.view["oldest"] == returns[0]["wall"]
    walls = [fact["wall"] for fact in returns]
    assert walls == sorted(walls)
    assert walls[-1] - walls[0] > 9 * HOUR_MS


def test_on_reconnect_the_gates_hear_again_what_no_list_has(kiosk):
    """Story 19: a gate's power blip, a broker away: uncovered loans are told again."""
    lend(kiosk)
    assert kiosk.site_loans() == []

    kiosk.connect()

    (told,) = kiosk.site_loans()
    assert (told.item, told.state, told.seq) == (GOOSE, "on", 1)


def test_a_gate_that_asks_is_told_what_its_list_lacks(kiosk):
    """Covered news answer a gate with an older list, and only such a gate."""
    kiosk.connect()
    lend(kiosk)
    kiosk.hear(kiosk.topics.applied("main"), Applied(8, {"kiosk-1": [1, 1]}, LINEAGE))

    def answers(station, version):
        kiosk.link.sent.clear()
        ask = sealed(SiteAsk(station, "may_leave", LINEAGE, version, ""), KEY)
        kiosk.hear(kiosk.topics.site_ask("main"), ask).run(1_000)
        return [told.item for told in kiosk.site_loans()]

    assert answers("gate-1", 7) == [GOOSE]
    assert answers("gate-2", 8) == []


def test_a_gate_that_asks_again_at_once_is_answered_a_second_later(kiosk):
    """Story 19: its power blinked twice, and what it was told after the first is gone."""
    kiosk.connect()
    lend(kiosk)
    kiosk.link.sent.clear()

    def ask():
        said = sealed(SiteAsk("gate-1", "may_leave", LINEAGE, 7, ""), KEY)
        kiosk.hear(kiosk.topics.site_ask("main"), said)
        return [told.item for told in kiosk.site_loans()]

    assert ask() == [GOOSE]
    assert ask() == [GOOSE]
    kiosk.run(1_000)
    assert [told.item for told in kiosk.site_loans()] == [GOOSE, GOOSE]


def test_loans_that_find_no_room_on_the_link_are_told_as_soon_as_there_is(kiosk):
    """A gate asked for much: the newest loans come first, the others when there is room."""
    kiosk.connect()
    for item in (GOOSE, MOMO):
        lend(kiosk, item).run(3_000)
    kiosk.link.sent.clear()
    kiosk.link.room = 1
    ask = sealed(SiteAsk("gate-1", "may_leave", LINEAGE, 7, ""), KEY)
    kiosk.hear(kiosk.topics.site_ask("main"), ask)
    assert [told.item for told in kiosk.site_loans()] == [MOMO]

    kiosk.link.room = 10
    kiosk.run(100)

    assert [told.item for told in kiosk.site_loans()] == [MOMO, GOOSE]


def test_an_item_is_told_again_by_its_newest_news_alone(kiosk):
    """A return must not be undone by the loan before it, whichever a gate hears first."""
    lend(kiosk).run(3_000)
    kiosk.place(GOOSE)
    kiosk.press("mode", mode="return")
    kiosk.run(3_000)
    lent, returned = (fact["id"] for fact in kiosk.facts("checkout", "checkin"))

    kiosk.connect()

    (told,) = kiosk.site_loans()
    assert (told.fact, told.state, told.saw) == (returned, "off", [lent])


def test_an_alarm_is_answered_with_title_and_shelf_mark(kiosk):
    """Story 21: the guard at night reads the title on the kiosk and at the gate."""
    kiosk.connect()
    alarm = SiteAlarm(
        "gate-1", "a1" * 8, "gate-1", "lane-1", "out", 4, UIDS[MOMO][0], None, None, None, 3,
        None, "",
    )  # fmt: skip
    kiosk.hear(kiosk.topics.site_alarm("main"), sealed(alarm, KEY))

    assert kiosk.view["alarm"] == {"gate": "gate-1", "title": "Momo", "shelf_mark": "QA 268"}
    topic, payload = kiosk.link.sent[-1]
    answer = decode(SiteAlarm, payload)
    assert topic == kiosk.topics.site_alarm("main")
    assert (answer.answers, answer.title, answer.shelf_mark) == ("a1" * 8, "Momo", "QA 268")

    kiosk.run(61_000)
    assert kiosk.view["alarm"] is None


def test_two_kiosks_of_a_site_know_each_others_loans(tmp_path):
    """While the gateway is away, kiosk 2 knows that kiosk 1 lent the book."""
    clock = VirtualClock()
    first = Kiosk(tmp_path, clock=clock).load().connect()
    second = Kiosk(tmp_path, station="kiosk-2", clock=clock, seed=99).load().connect()
    lend(first)

    for told in first.site_loans():
        second.hear(second.topics.site_loan("main"), sealed(told, KEY))

    known = second.engine.lists.beliefs.item(GOOSE)
    assert known.item.state.value == "on_loan"
    assert known.newest == first.facts("checkout")[0]["id"]
    assert known.patron_id == "somebody"


def test_a_message_without_the_sites_key_changes_nothing(kiosk):
    """A phone on the library's network cannot lend books."""
    kiosk.connect()
    forged = SiteLoan(
        "kiosk-9", 1, 1, GOOSE, list(UIDS[GOOSE]), "on", 3, [], "f" * 16, 1, None, "0" * 32
    )
    kiosk.hear(kiosk.topics.site_loan("main"), forged)

    assert kiosk.engine.lists.beliefs.item(GOOSE).item.loan is None
    assert kiosk.engine.uplink.site.refused == 1


@pytest.mark.parametrize(
    "payload",
    [b"", b"{", b"\xff\xfe", b"[]", b'{"v":1}', b'{"v":2}', b"x" * 70_000, b'"\\ud800"',
     b'{"v":1,"station":1e400}', b"[" * 5_000],
)  # fmt: skip
def test_a_hostile_message_is_counted_and_changes_nothing(kiosk, payload):
    """Whatever comes over MQTT, the kiosk goes on lending."""
    kiosk.connect()
    for topic in (*kiosk.engine.uplink.filters(), "lg/1/school/zz/x", "nonsense", "lg/1//"):
        kiosk.hear(topic.replace("+", "sqlite-1"), payload)

    assert kiosk.engine.uplink.rejected > 0
    lend(kiosk)
    assert kiosk.loan(GOOSE) == ANNA


def test_a_full_disk_stops_lending_before_a_fact_is_lost(kiosk):
    """With too little room left the screen says so, and lends again by itself later."""
    room = {"free": 1 << 30}
    kiosk.engine.disk_free = lambda: room["free"]
    kiosk.show_card()
    room["free"] = 1 << 20
    kiosk.run(6_000)
    assert kiosk.view["state"] == "stopped"
    kiosk.place(GOOSE)
    assert kiosk.facts() == []
    kiosk.lift(GOOSE)

    room["free"] = 1 << 30
    kiosk.run(6_000)
    lend(kiosk)

    assert kiosk.loan(GOOSE) == ANNA


def test_a_write_that_finds_the_disk_full_leaves_neither_loan_nor_tick(kiosk):
    """SQLite's own word that nothing was written is believed."""
    kiosk.show_card()
    kiosk.engine.store.connection.execute("PRAGMA max_page_count = 1")
    pages = kiosk.engine.store.connection.execute("PRAGMA page_count").fetchone()[0]
    kiosk.engine.store.connection.execute(f"PRAGMA max_page_count = {pages}")
    visit = (
        lambda: kiosk.place(GOOSE), lambda: kiosk.press("finish"), lambda: kiosk.lift(GOOSE),
        lambda: kiosk.press("mode", mode="return"), lambda: kiosk.place(GOOSE),
        lambda: kiosk.press("finish"), lambda: kiosk.lift(GOOSE), kiosk.show_card,
    )  # fmt: skip
    for step in 60 * visit:
        step()
        if kiosk.view["state"] == "stopped":
            break

    assert kiosk.view["state"] == "stopped"
    assert kiosk.view["stopped"] == "disk_full"
    assert "done" not in kiosk.tiles.values()
