"""What the gateway answers, and what it says by itself."""

import base64
import json

import pytest
import sqlalchemy as sa

from circulation.sync.memory import MemoryJournal
from circulation.sync.uploader import Uploader
from circulation.wire.messages import (
    Ack,
    Applied,
    Change,
    Chunk,
    Fork,
    GatewayStatus,
    Head,
    Nack,
    Pointer,
    Request,
    Status,
    Telemetry,
    TimeReply,
    decode,
    decode_reply,
    encode,
    is_sealed,
)
from circulation.wire.topics import Topics
from gateway import lineage as history
from gateway import schema
from gateway.catalogue import upsert_items
from gateway.hub import Heard, Hub
from gateway.wording import event
from tests.gateway.conftest import KEY, LIBRARY, START_MS, Station

DUE_AT = START_MS + 14 * 86_400_000
TOPICS = Topics(LIBRARY)


def status(station, *, on=True, boot=None, lineage=None, **fields):
    """Return a station's birth, or its will, as heard."""
    journal = station.journal
    values = {
        "station": station.name,
        "on": on,
        "boot": boot or station.boot,
        "epoch": journal.epoch.id,
        "n": journal.epoch.n,
        "seq_last": journal.last_seq,
        "acked": journal.acked,
        "versions": {},
        "lineage": lineage,
        "firmware": "1",
        "clock": "sure",
        "role": "kiosk",
        "site": "main",
        "config_version": 0,
        "name": "Kiosk",
        "list_state": None,
        "waiting_since_wall": None,
        **fields,
    }
    return Heard(TOPICS.status(station.name), encode(Status(**values)))


def journal(station, first=1):
    """Return a batch as heard."""
    return Heard(TOPICS.journal(station.name), encode(station.batch(first).message))


def request(station, op, **fields):
    """Return a question as heard."""
    values = {"id": "q1", "op": op, "mono_sent": 5} | dict.fromkeys(
        ("kind", "version", "lineage", "offset", "count", "format")
    )
    return Heard(TOPICS.request(station.name), encode(Request(**(values | fields))))


def replies(sends, station):
    """Return what was replied to a station."""
    topic = TOPICS.reply(station.name)
    return [decode_reply(send.payload) for send in sends if send.topic == topic]


def telemetry(station, depth, **health):
    """Return telemetry as heard."""
    message = Telemetry(depth, None, None, None, 0, health, None)
    return Heard(TOPICS.telemetry(station.name), encode(message))


def current_lineage(store):
    """Return the gateway's lineage."""
    with store.read() as connection:
        return history.current(connection, LIBRARY)


def test_a_birth_is_answered_with_what_is_applied(store, hub):
    """A new station learns lineage and mark at once, and a head follows within a second."""
    kiosk = Station("kiosk-1")

    sends = hub.take([status(kiosk)], START_MS)

    (ack,) = replies(sends, kiosk)
    assert isinstance(ack, Ack)
    assert (ack.hw, ack.epoch, ack.lineage) == (
        0,
        kiosk.journal.epoch.id,
        current_lineage(store),
    )
    assert hub.tick(START_MS)[0].topic == TOPICS.head()


def test_only_who_comes_has_a_head_sent_to_all(hub):
    """A thousand busy stations that say their positions are answered, each for itself."""
    kiosk = Station("kiosk-1")
    hub.take([status(kiosk)], START_MS)
    hub.tick(START_MS)
    kiosk.write("seen", barcode="1001")

    again = hub.take([status(kiosk)], START_MS + 2_000)
    assert [type(one).__name__ for one in replies(again, kiosk)] == ["Ack"]
    assert TOPICS.head() not in [send.topic for send in hub.tick(START_MS + 3_000)]

    hub.take([status(kiosk, on=False)], START_MS + 4_000)
    hub.take([status(kiosk)], START_MS + 5_000)
    assert TOPICS.head() in [send.topic for send in hub.tick(START_MS + 6_000)]
    hub.take([status(kiosk, boot="b" * 8)], START_MS + 7_000)
    assert TOPICS.head() in [send.topic for send in hub.tick(START_MS + 8_000)]


def test_an_uploader_believes_our_acks(hub, books):
    """A kiosk's own uploader, joined to the hub, ends with nothing waiting."""
    kiosk = Station("kiosk-1")
    for _ in range(120):
        kiosk.write("seen", item=books["1001"])
    uploader = Uploader(
        kiosk.journal,
        station="kiosk-1",
        clock=lambda _: {"mono": 0, "wall": 0, "sure": True, "boot": kiosk.boot},
        random_below=lambda _: 0,
    )
    effects = uploader.on_connected(0)
    for _ in range(20):
        heard = [
            Heard(TOPICS.journal("kiosk-1"), encode(effect.message))
            for effect in effects
            if type(effect).__name__ == "SendJournal"
        ]
        sends = hub.take(heard, START_MS)
        effects = [e for r in replies(sends, kiosk) for e in uploader.on_reply(r, 0)]

    assert uploader.waiting == 0
    assert kiosk.journal.acked == 120


def test_one_ack_answers_many_batches(hub, books):
    """Of several acks to one station only the last says anything."""
    kiosk = Station("kiosk-1")
    for _ in range(150):
        kiosk.write("seen", item=books["1001"])

    sends = hub.take([journal(kiosk, first) for first in (1, 51, 101)], START_MS)

    (ack,) = replies(sends, kiosk)
    assert (ack.hw, ack.hash) == (150, kiosk.journal.hash_at(150).hex())
    assert ack.now == START_MS


def test_a_gap_is_nacked_once_in_five_seconds(hub, books):
    """A station with several batches under way does not get a storm of nacks."""
    kiosk = Station("kiosk-1")
    for _ in range(9):
        kiosk.write("seen", item=books["1001"])

    sends = hub.take([journal(kiosk, 4), journal(kiosk, 5), journal(kiosk, 6)], START_MS)
    later = hub.take([journal(kiosk, 4)], START_MS + 5_000)

    assert replies(sends, kiosk) == [Nack(kiosk.journal.epoch.id, 0, "gap")]
    assert len(replies(later, kiosk)) == 1


def test_what_nobody_can_read_is_nacked_as_invalid(hub):
    """The station then sends smaller pieces until the offender stands alone."""
    kiosk = Station("kiosk-1")
    hub.take([status(kiosk)], START_MS)

    sends = hub.take([Heard(TOPICS.journal("kiosk-1"), b'{"v":1,"epoch":')], START_MS)

    (nack,) = replies(sends, kiosk)
    assert (nack.why, nack.epoch) == ("invalid", kiosk.journal.epoch.id)


@pytest.mark.parametrize(
    "heard",
    [
        Heard("lg/1/main/00/kiosk-1/status", b"{}"),
        Heard("elsewhere", b""),
        Heard(TOPICS.status("kiosk-1"), b"\xff"),
        Heard(TOPICS.request("kiosk-1"), b"[]"),
        Heard(TOPICS.telemetry("kiosk-1"), b'{"v":1}'),
        Heard(TOPICS.site_alarm("main"), b"null"),
    ],
    ids=["bucket", "topic", "status", "request", "telemetry", "alarm"],
)
def test_nonsense_is_left_alone(hub, books, heard):
    """Bad input is named in the log and changes nothing, also for what came beside it."""
    kiosk = Station("kiosk-1")
    kiosk.write("seen", item=books["1001"])

    sends = hub.take([heard, journal(kiosk)], START_MS)

    assert [reply.hw for reply in replies(sends, kiosk)] == [1]


def test_a_status_under_another_name_is_refused(hub, board):
    """A station speaks for itself only."""
    liar, other = Station("kiosk-1"), Station("kiosk-2")
    hub.take([Heard(TOPICS.status("kiosk-2"), status(liar).payload)], START_MS)

    assert board.station(other.name) is None


def test_a_kept_birth_is_no_sign_of_life(hub, board):
    """What the broker kept says who somebody is, not that he is there."""
    kiosk = Station("kiosk-1")
    kept = status(kiosk)

    sends = hub.take([Heard(kept.topic, kept.payload, retained=True)], START_MS)

    assert sends == []
    assert board.station("kiosk-1").state == "expected"
    assert board.station("kiosk-1").name == "Kiosk"


def test_a_will_makes_a_station_silent_and_contact_connected_again(hub, board, clock):
    """A will is a hint; whoever is heard afterwards is there."""
    kiosk = Station("kiosk-1")
    hub.take([status(kiosk)], START_MS)
    connected = board.station("kiosk-1").state

    clock.now_ms += 1_000
    hub.take([status(kiosk, on=False)], clock.now_ms)
    silent = board.station("kiosk-1").state
    clock.now_ms += 1_000
    hub.take([telemetry(kiosk, 0)], clock.now_ms)

    assert (connected, silent) == ("connected", "silent")
    assert board.station("kiosk-1").state == "connected"


def test_the_will_of_a_replaced_program_is_ignored(hub, board, clock):
    """An old half-open connection dies late; the station is long back under a new boot."""
    kiosk = Station("kiosk-1")
    hub.take([status(kiosk, boot="00000aaa")], START_MS)
    hub.take([status(kiosk, boot="00000bbb")], START_MS)

    clock.now_ms += 5_000
    hub.take([status(kiosk, boot="00000aaa", on=False)], clock.now_ms)

    assert board.station("kiosk-1").state == "connected"


def test_two_programs_under_one_name_are_shown(hub, board, books):
    """Two stations with one id take turns; neither is simply believed."""
    one, two = Station("kiosk-1"), Station("kiosk-1")
    hub.take([status(one), status(two), status(one)], START_MS)

    assert board.station("kiosk-1").twin
    assert "twin" in [event["code"] for event in board.board().events]


def test_telemetry_says_how_much_is_waiting(hub, board):
    """The page shows what a station holds before any of it has arrived."""
    kiosk = Station("kiosk-1")
    hub.take([status(kiosk), telemetry(kiosk, 12, printer="paper is low")], START_MS)
    hub.tick(START_MS + 2_000)

    view = board.station("kiosk-1")
    assert (view.waiting, view.troubles) == (12, ["printer: paper is low"])


def test_coming_back_is_told_with_numbers(hub, board, books, clock):
    """The diary says how much waited and how fast it was applied."""
    kiosk = Station("kiosk-1")
    for _ in range(12):
        kiosk.write("seen", item=books["1001"])
    hub.take([status(kiosk)], START_MS)
    hub.take([journal(kiosk)], START_MS + 400)
    hub.tick(START_MS + 1_500)

    (event,) = [one for one in board.board().events if one["code"] == "caught_up"]
    assert event["detail"] == {"waiting": 12, "applied": 12, "took": "0.4 s"}


def test_a_birth_with_fewer_rows_than_we_have_is_a_fork(hub, books):
    """A rolled-back card shows at connect, before new facts are lost to the old numbers."""
    kiosk = Station("kiosk-1")
    for _ in range(3):
        kiosk.write("seen", item=books["1001"])
    image = MemoryJournal(kiosk.journal.epoch.id)
    hub.take([journal(kiosk)], START_MS)
    kiosk.journal = image

    sends = hub.take([status(kiosk)], START_MS)

    (fork,) = replies(sends, kiosk)
    assert isinstance(fork, Fork)
    assert (fork.hw, fork.n) == (3, 1)


def test_a_station_that_knows_more_makes_a_new_lineage(store, hub, board, books):
    """A restored backup is noticed by the first station that was told more."""
    kiosk = Station("kiosk-1")
    kiosk.write("seen", item=books["1001"])
    old = current_lineage(store)
    kiosk.journal.mark_acked(1, 1)

    sends = hub.take([status(kiosk, lineage=old)], START_MS)

    new = current_lineage(store)
    assert new != old
    assert not board.board().recovered
    assert decode(GatewayStatus, sends[0].payload).lineage == new
    assert replies(sends, kiosk)[-1].lineage == new


def test_recovered_is_said_when_all_have_sent_again(store, hub, board, books, clock):
    """Gates stay patient until every station heard lately has brought what was lost."""
    kiosk = Station("kiosk-1")
    kiosk.write("seen", item=books["1001"])
    kiosk.journal.mark_acked(1, 1)
    hub.take([status(kiosk, lineage=current_lineage(store))], START_MS)
    hub.tick(START_MS + 2_000)
    early = history.settle(store, LIBRARY)

    clock.now_ms += 10_000
    hub.take([journal(kiosk)], clock.now_ms)
    clock.now_ms += 10_000
    hub.take([telemetry(kiosk, 0)], clock.now_ms)
    hub.tick(clock.now_ms + 2_000)

    assert early is False
    assert history.settle(store, LIBRARY) is True
    assert board.board().recovered


def test_the_time_is_told(hub):
    """A kiosk without a clock asks; the answer carries its own monotonic instant back."""
    kiosk = Station("kiosk-1")

    sends = hub.take([request(kiosk, "time")], START_MS)

    assert replies(sends, kiosk) == [TimeReply("q1", 5, START_MS)]


def test_a_mark_is_told_when_asked(hub, books):
    """A station that was told credit 0 probes with this."""
    kiosk = Station("kiosk-1")
    kiosk.write("seen", item=books["1001"])
    hub.take([journal(kiosk)], START_MS)

    sends = hub.take([request(kiosk, "hw")], START_MS)

    (ack,) = replies(sends, kiosk)
    assert (ack.hw, ack.hash) == (1, kiosk.journal.hash_at(1).hex())


def test_since_is_answered_with_changes_or_the_whole_list(store, hub, books):
    """A follower that missed some changes gets those; one that is too old a pointer."""
    kiosk = Station("kiosk-1")
    whole = hub.snapshots.build("catalogue")
    lineage = current_lineage(store)
    with store.write(LIBRARY) as write:
        upsert_items(write, [{"barcode": "1001", "shelf_mark": "A"}])

    def ask(version):
        asked = request(kiosk, "since", version=version, kind="catalogue", lineage=lineage)
        return replies(hub.take([asked], 0) + hub.tick(0), kiosk)

    missed, none, foreign = (ask(v) for v in (whole.version, whole.version + 1, 999))
    (change,) = missed
    assert isinstance(change, Change)
    assert (change.from_version, change.to_version) == (whole.version, whole.version + 1)
    assert is_sealed(change, KEY)
    assert none == []
    assert [type(reply) for reply in foreign] == [Pointer]


def test_a_list_is_read_in_pieces(store, hub, books):
    """A microcontroller asks for as much as it can hold, and again from where it stopped."""
    gate = Station("gate-1")
    whole = hub.snapshots.build("may_leave")
    ask = {
        "kind": "may_leave",
        "version": whole.version,
        "lineage": whole.lineage,
        "count": 20,
    }
    pieces = []
    while not pieces or not pieces[-1].last:
        offset = 20 * len(pieces)
        sends = hub.take([request(gate, "chunk", offset=offset, **ask)], START_MS)
        pieces += replies(sends, gate)

    assert all(isinstance(piece, Chunk) for piece in pieces)
    content = b"".join(base64.b64decode(piece.data) for piece in pieces)
    assert content == whole.file.read_bytes()


def test_heads_rise_and_are_sealed(store, hub, tmp_path):
    """A head's number rises, also over a restart, so that an old one is never believed."""
    first = decode(Head, hub.tick(START_MS)[0].payload)
    second = decode(Head, hub.tick(START_MS + 15_000)[0].payload)
    restarted = Hub(store, LIBRARY, hub.snapshots, key=KEY, boot="0000000c")
    third = decode(Head, restarted.tick(START_MS + 15_100)[0].payload)

    assert first.n < second.n < third.n
    assert is_sealed(second, KEY)
    assert hub.tick(START_MS + 16_000) == []


def test_a_head_counts_every_station_and_every_site_hears_with_it(store, hub, books):
    """Who missed what is applied hears it again; a station without a site counts all the same."""
    kiosk, elsewhere = Station("kiosk-1"), Station("kiosk-9")
    nowhere = Station("gate-1")
    nowhere.write("tally", what="looked")
    for number, station in enumerate((kiosk, elsewhere)):
        station.write("checkout", item=books[f"100{number + 1}"], due_at=DUE_AT, reach=3)
    births = [status(kiosk), status(elsewhere, site="branch")]
    hub.take([*births, *map(journal, (kiosk, elsewhere, nowhere))], START_MS)
    hub.tick(START_MS)
    hub.applied()

    head = decode(Head, hub.tick(START_MS + 15_000)[0].payload)

    assert head.stations_known == 3
    assert [send.topic for send in hub.applied()] == [
        TOPICS.applied("branch"), TOPICS.applied("main"),
    ]  # fmt: skip


def test_applied_names_the_stations_of_a_site(store, hub, books):
    """A gate drops a kiosk's news when its list has the version that covers them."""
    kiosk, elsewhere = Station("kiosk-1"), Station("kiosk-9")
    kiosk.write("checkout", item=books["1001"], due_at=DUE_AT, reach=3)
    hub.take([status(kiosk), status(elsewhere, site="branch"), journal(kiosk)], START_MS)
    hub.tick(START_MS)

    told = {send.topic: decode(Applied, send.payload) for send in hub.applied()}

    with store.read() as connection:
        feed = connection.execute(
            sa.select(schema.FEED).where(schema.FEED.c.kind == "may_leave")
        ).one()
    assert told[TOPICS.applied("main")].stations == {"kiosk-1": [1, 1]}
    assert told[TOPICS.applied("main")].version == feed.version


def test_a_station_is_unsure_of_the_time_only_while_it_is(hub, board):
    """What it said at its birth ends with the gateway's answer, or with its next batch."""
    seen = []
    kiosk = Station("kiosk-1")
    kiosk.write("seen", barcode="1")
    for heard in (
        status(kiosk, clock="unsure"),
        request(kiosk, "time"),
        status(kiosk, clock="unsure"),
        journal(kiosk),
    ):
        hub.take([heard], START_MS)
        hub.contacts.save(START_MS, at_once=True)
        seen.append(board.station("kiosk-1").clock)

    assert seen == ["unsure", "sure", "unsure", "sure"]


def test_stations_are_called_by_their_names(hub, board):
    """Staff know the door kiosk, not kiosk-1: in the diary, in a gate's trouble, everywhere."""
    kiosk, gate = Station("kiosk-1"), Station("gate-1")
    hub.take([status(kiosk, name="Door kiosk"), status(gate, name="Main exit")], START_MS)
    hub.take([telemetry(gate, 0, lenders="not heard for a minute: kiosk-1, kiosk-9")], START_MS)
    hub.contacts.save(START_MS, at_once=True)

    sentences = [event(entry) for entry in board.board().events]
    assert sentences == ["Main exit started", "Door kiosk started"]
    assert board.station("gate-1").troubles == [
        "has not heard from Door kiosk and kiosk-9 for a minute"
    ]


def test_everything_retained_is_said_on_every_connect(hub, books):
    """A broker that forgot everything knows it again after our next connect."""
    hub.snapshots.build("may_leave")

    sends = hub.on_connected()

    assert {send.topic for send in sends if send.retained} == {
        TOPICS.gateway_status(),
        TOPICS.snapshot("may_leave", "json-1"),
    }
    will_topic, will = hub.will()
    assert (will_topic, json.loads(will)["on"]) == (TOPICS.gateway_status(), False)
