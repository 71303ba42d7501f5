"""Two real kiosks and a gateway back to back: every fact arrives once, whatever the link does."""

import random

import pytest

from circulation.wire.errors import MessageInvalid
from circulation.wire.messages import Change, Command, Head, Status, decode, sealed
from circulation.wire.topics import JOURNAL, REQUEST, STATUS, parse
from kiosk.news import Marks, Turn
from sim.clock import VirtualClock
from tests.circulation.sync.pipe import Gateway
from tests.kiosk.library import (
    ANNA,
    ANNAS_CARD,
    BENS_CARD,
    GOOSE,
    LINEAGE,
    MOMO,
    SITE_KEY,
    Kiosk,
    item_doc,
    item_row,
)


class Wire:
    """Carries messages between one kiosk and the memory gateway, as lossy as it is told."""

    def __init__(self, kiosk, gateway, *, loss=0.0, chance=None):
        self.kiosk, self.gateway = kiosk, gateway
        self.loss = loss
        self.chance = chance or random.Random(1)
        self.read = 0

    def carry(self, now_ms=0):
        sent, self.read = self.kiosk.link.sent[self.read :], len(self.kiosk.link.sent)
        for topic, payload in sent:
            if parse(topic).name not in (JOURNAL, STATUS, REQUEST) or self._lost():
                continue
            if b'"op":"hw"' not in payload and parse(topic).name == REQUEST:
                continue
            for answer in self.gateway.receive(payload, now_ms):
                if not self._lost():
                    self.kiosk.hear(self.kiosk.topics.reply(self.kiosk.station), answer)

    def _lost(self):
        return self.chance.random() < self.loss


def lend_and_return(kiosk, item_id, card):
    kiosk.show_card(card)
    kiosk.place(item_id)
    kiosk.press("finish")
    kiosk.lift(item_id)
    kiosk.press("mode", mode="return")
    kiosk.place(item_id)
    kiosk.press("finish")
    kiosk.lift(item_id)


def test_every_fact_of_two_kiosks_arrives_exactly_once_over_a_bad_link(tmp_path, seed):
    """Half of all messages are lost, and the journal still empties; nothing is applied twice."""
    clock, chance = VirtualClock(), random.Random(seed)
    kiosks = [
        Kiosk(tmp_path, station=f"kiosk-{n}", clock=clock, seed=n).load().connect() for n in (1, 2)
    ]
    gateways = [Gateway() for _ in kiosks]
    wires = [
        Wire(kiosk, gateway, loss=0.5, chance=chance)
        for kiosk, gateway in zip(kiosks, gateways, strict=True)
    ]
    for kiosk, item_id, card in zip(kiosks, (GOOSE, MOMO), (ANNAS_CARD, BENS_CARD), strict=True):
        lend_and_return(kiosk, item_id, card)

    for n in range(40):
        for wire in wires:
            wire.carry()
            wire.kiosk.hear_head(n=n + 1, lineage=wire.gateway.lineage)
            wire.kiosk.run(5_000)
    for wire in wires:
        wire.loss = 0.0
        wire.kiosk.disconnect().connect()
        for _ in range(5):
            wire.carry()
            wire.kiosk.run(1_000)

    for kiosk, gateway in zip(kiosks, gateways, strict=True):
        assert kiosk.view["waiting"] == 0
        assert set(gateway.applied.values()) == {1}
        assert [fact["id"] for fact in kiosk.facts()] == gateway.order


def test_a_card_rolled_back_to_yesterday_opens_a_new_epoch_and_loses_nothing(tmp_path):
    """The gateway knows rows the card forgot; what was lent since is offered in a new epoch."""
    kiosk = Kiosk(tmp_path).load().connect()
    gateway = Gateway()
    wire = Wire(kiosk, gateway)
    kiosk.show_card()
    kiosk.place(GOOSE)
    kiosk.press("finish")
    for _ in range(3):
        wire.carry()
        kiosk.run(500)
    assert kiosk.view["waiting"] == 0
    kiosk.engine.lists.close()
    kiosk.engine.store.close()
    for file in tmp_path.glob("kiosk-1.db*"):
        file.unlink()
    kiosk.start()
    kiosk.load().connect()
    wire.read = 0
    kiosk.pad.lift("e004015000000001")
    kiosk.run(600).show_card(BENS_CARD)
    kiosk.place(MOMO)

    for _ in range(6):
        wire.carry()
        kiosk.run(500)

    (fact,) = kiosk.facts("checkout")
    assert gateway.applied[fact["id"]] == 1
    assert kiosk.view["waiting"] == 0


def test_the_birth_says_who_the_kiosk_is_and_the_will_that_it_is_gone(tmp_path):
    """The gateway learns epoch, last row and lists from one message."""
    kiosk = Kiosk(tmp_path).load(version=5).connect()

    births = kiosk.statuses()
    will = decode(Status, kiosk.engine.uplink.will()[1])
    assert (births[0].on, births[0].role, births[0].seq_last) == (True, "kiosk", 0)
    assert births[0].versions == {"catalogue": 5, "patrons": 5, "policy": 5}
    assert (will.on, will.boot) == (False, births[0].boot)


def test_a_kiosk_that_starts_on_a_full_disk_says_that_it_is_there(tmp_path):
    """Staff must see that it is on, and why it does not lend; its birth writes nothing."""
    kiosk = Kiosk(tmp_path).load().connect()
    kiosk.show_card()
    kiosk.place(GOOSE)
    kiosk.disconnect()
    kiosk.power_cut()
    kiosk.link.sent.clear()
    said = []
    kiosk.engine.store.connection.set_trace_callback(said.append)

    kiosk.connect()

    kiosk.engine.store.connection.set_trace_callback(None)
    assert [status.on for status in kiosk.statuses()] == [True]
    assert said.count("BEGIN IMMEDIATE") == 0


def change(kiosk, kind, start, end, rows):
    message = sealed(Change(kind, LINEAGE, start, end, rows, ""), bytes.fromhex(SITE_KEY))
    return kiosk.hear(kiosk.topics.change(kind), message)


def test_a_delta_changes_what_the_kiosk_believes_and_survives_a_restart(tmp_path):
    """Changes are kept in the database beside the snapshot they belong to."""
    kiosk = Kiosk(tmp_path).load(version=5).connect()
    lent = item_doc(GOOSE, state="on_loan", patron_id=ANNA, loan="1" * 16, due_at=5, reach=3)
    change(kiosk, "catalogue", 5, 6, [{"key": GOOSE, "doc": lent}])
    assert kiosk.loan(GOOSE) == ANNA

    kiosk.power_cut()

    assert kiosk.loan(GOOSE) == ANNA
    assert [known.item.item_id for known in kiosk.engine.lists.beliefs.open_loans(ANNA)] == [GOOSE]
    assert kiosk.engine.lists.version("catalogue") == 6


def test_a_delta_may_bring_a_tag_a_barcode_or_the_end_of_an_item(tmp_path):
    """A lookup asks the changes first, and an old label no longer finds a changed item."""
    kiosk = Kiosk(tmp_path).load(version=5).connect()
    relabelled = item_doc(GOOSE, uids=["e0040150000000ff"], barcode="30000099")
    rows = [{"key": GOOSE, "doc": relabelled}, {"key": MOMO, "doc": None}]
    change(kiosk, "catalogue", 5, 6, rows)

    beliefs = kiosk.engine.lists.beliefs
    assert beliefs.by_uid("e0040150000000ff").item.item_id == GOOSE
    assert beliefs.by_barcode("30000099").item.item_id == GOOSE
    assert beliefs.by_uid("e004015000000001") is None
    assert beliefs.by_barcode("30000001") is None
    assert beliefs.by_uid("e004015000000002") is None
    assert beliefs.item(MOMO) is None


def test_a_delta_that_found_no_room_on_the_disk_leaves_no_hole_behind(tmp_path):
    """The next one fits, but not over what was never written: it is asked for again."""
    kiosk = Kiosk(tmp_path).load(version=5).connect()
    connection = kiosk.engine.store.connection
    pages = connection.execute("PRAGMA max_page_count").fetchone()[0]
    many = [{"key": f"{n:016x}", "doc": {"note": "x" * 2_000}} for n in range(100, 120)]

    connection.execute("PRAGMA max_page_count = 1")
    change(kiosk, "catalogue", 5, 6, many)
    connection.execute(f"PRAGMA max_page_count = {pages}")
    lent = item_doc(GOOSE, state="on_loan", patron_id=ANNA, loan="1" * 16, due_at=5, reach=3)
    change(kiosk, "catalogue", 6, 7, [{"key": GOOSE, "doc": lent}])

    assert kiosk.loan(GOOSE) is None
    assert kiosk.engine.lists.version("catalogue") == 5
    assert kiosk.engine.store.list_states()["catalogue"].version == 5


def test_a_delta_with_a_gap_is_not_applied_but_asked_for(tmp_path):
    """A change that does not begin at my version changes nothing."""
    kiosk = Kiosk(tmp_path).load(version=5).connect()
    kiosk.link.sent.clear()
    change(kiosk, "catalogue", 7, 8, [{"key": GOOSE, "doc": None}])

    assert kiosk.engine.lists.beliefs.item(GOOSE) is not None
    assert kiosk.engine.lists.version("catalogue") == 5
    assert any(b'"since"' in payload for _, payload in kiosk.link.sent)


def test_a_forged_change_or_head_is_counted_and_changes_nothing(tmp_path):
    """Only the gateway tells what the lists say."""
    kiosk = Kiosk(tmp_path).load(version=5).connect()
    forged = Change("catalogue", LINEAGE, 5, 6, [{"key": GOOSE, "doc": None}], "0" * 32)
    kiosk.hear(kiosk.topics.change("catalogue"), forged)
    kiosk.hear(kiosk.topics.reply("kiosk-1"), forged)
    kiosk.hear(kiosk.topics.head(), Head(LINEAGE, 1, 0, {"catalogue": 5}, 1, True, "0" * 32))

    assert kiosk.engine.lists.version("catalogue") == 5
    assert kiosk.view["online"] is False
    assert kiosk.engine.uplink.rejected == 3


def test_a_lost_card_is_refused_as_soon_as_the_delta_is_there(tmp_path):
    """The report of a lost card reaches every kiosk as a change of its reader."""
    kiosk = Kiosk(tmp_path).load(version=5).connect()
    card_key = kiosk.engine.desk.identifier.card_key_of(ANNAS_CARD)
    doc = {
        "patron_id": ANNA, "short_name": "Anna B.", "category": "reader", "class": None,
        "member": None, "expires_on": None, "blocked": [], "fee_cents": 0, "pin_hash": None,
        "cards": [{"card_key": card_key, "key_id": "k1", "status": "lost"}],
    }  # fmt: skip
    change(kiosk, "patrons", 5, 6, [{"key": ANNA, "doc": doc}])

    kiosk.show_card()

    assert kiosk.view["notice"].startswith("This card was reported lost.")


def test_a_policy_that_does_not_read_leaves_the_last_good_one_in_force(tmp_path):
    """Also over a restart; staff see what is wrong with the new one."""
    week = {"version": 2, "from": "2020-01-01", "rules": [{"loan": {"days": 7}}]}
    kiosk = Kiosk(tmp_path).load(version=5, policy={"zone": "UTC", "versions": [week]})
    kiosk.load_policy({"zone": "Atlantis/Deep", "versions": []}, version=6)
    assert "Atlantis" in kiosk.engine.lists.trouble["policy"]

    kiosk.power_cut()
    kiosk.run(600).show_card()
    kiosk.place(GOOSE)

    (fact,) = kiosk.facts("checkout")
    assert fact["policy"] == 2


def test_after_the_gateways_restore_our_news_are_told_again(tmp_path):
    """A new lineage may have forgotten what the old one had covered."""
    kiosk = Kiosk(tmp_path).load(version=5).connect()
    kiosk.show_card()
    kiosk.place(GOOSE)
    kiosk.engine.store.take_in(Turn(applied=[Marks(6, {"kiosk-1": (1, 1)})]))
    kiosk.load_catalogue(version=6, items=[item_row(GOOSE)])
    kiosk.hear_head(catalogue=6)
    assert kiosk.loan(GOOSE) is None

    kiosk.load_catalogue(version=3, lineage="2b" * 8)

    assert kiosk.loan(GOOSE) == ANNA


def test_a_command_counts_once_and_only_with_the_sites_key(tmp_path):
    """A replayed or forged order does nothing."""
    kiosk = Kiosk(tmp_path).load().connect()
    genuine = sealed(Command(4, "look", {}, ""), bytes.fromhex(SITE_KEY))
    for command in (Command(3, "forged", {}, "0" * 32), genuine, genuine):
        kiosk.hear(kiosk.topics.reply("kiosk-1"), command)

    assert kiosk.engine.uplink.notices == [("command", "look")]


def test_sixty_seconds_without_a_head_open_a_new_connection(tmp_path):
    """A half-dead connection is noticed by its silence."""
    kiosk = Kiosk(tmp_path).load().connect()
    kiosk.run(70_000)

    assert kiosk.link.reconnects == ["no head for 60 s"]


def test_only_a_fresh_head_makes_the_kiosk_online(tmp_path):
    """A retained head of yesterday and a broker alone are no gateway."""
    kiosk = Kiosk(tmp_path).load().connect()
    assert kiosk.view["online"] is False

    kiosk.hear_head(catalogue=1)
    assert kiosk.view["online"] is True
    assert kiosk.engine.uplink.is_stale(kiosk.engine.time.mono_ms) is False


def test_a_message_of_our_own_making_is_always_sendable(tmp_path):
    """Whatever is published decodes again; nothing unsendable leaves the kiosk."""
    kiosk = Kiosk(tmp_path).load().connect()
    lend_and_return(kiosk, GOOSE, ANNAS_CARD)
    kiosk.run(61_000)

    for topic, payload in kiosk.link.sent:
        assert len(payload) <= 65_536
        if parse(topic).name == STATUS:
            try:
                decode(Status, payload)
            except MessageInvalid as error:
                pytest.fail(str(error))
