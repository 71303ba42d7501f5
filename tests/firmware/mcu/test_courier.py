"""What goes between a microcontroller's gate and the world."""

import pytest

from circulation.wire import messages as wire
from circulation.wire.fact import decode_body
from circulation.wire.topics import Topics
from firmware.gate.lists import ExactList
from sim.faults import OFF
from tests.firmware.mcu.bench import LIBRARY, LINEAGE, SITE, SITE_KEY, STATION, UID, Bench, book

TOPICS = Topics(LIBRARY)
WALL_MS = 1_757_404_800_000


class Counts:
    """A ring of counts in memory."""

    def __init__(self):
        self.kept, self.moved = [], 0

    def keep(self, fact, stamp):
        self.kept.append((fact, stamp))

    def move(self, journal):
        self.moved += 1
        return 0

    def health(self):
        return {}


@pytest.fixture
def bench():
    made = Bench()
    made.clear()
    made.run(3_000)
    made.client.sent.clear()
    return made


def sent(bench, topic, cls):
    return [wire.decode(cls, payload) for name, payload, *_ in bench.client.sent if name == topic]


def head(n=1, version=1, lineage=LINEAGE, **more):
    return wire.Head(lineage, n, 0, {"may_leave": version}, 3, more.get("recovered", False), "")


def test_a_connection_begins_with_a_birth_a_question_and_an_ask():
    """Who I am, what time it is, and what the site's kiosks know that my list does not."""
    bench = Bench()
    bench.clear()
    bench.run(3_000)

    births = sent(bench, TOPICS.status(STATION), wire.Status)
    assert (births[0].on, births[0].role, births[0].versions) == (True, "gate", {"may_leave": 1})
    assert sent(bench, TOPICS.request(STATION), wire.Request)[0].op == "time"
    ask = sent(bench, TOPICS.site_ask(SITE), wire.SiteAsk)[0]
    assert (ask.lineage, ask.version) == (LINEAGE, 1)
    assert wire.is_sealed(ask, SITE_KEY)
    retained = [kept for name, _, kept, _ in bench.client.sent if name == TOPICS.status(STATION)]
    assert retained[0] is True


def test_the_last_will_says_that_this_station_is_gone():
    """It is set before every connection, retained, with what the journal holds."""
    bench = Bench()
    topic, payload, retained, qos = bench.client.will

    assert topic == TOPICS.status(STATION)
    assert wire.decode(wire.Status, payload).on is False
    assert (retained, qos) == (True, 1)


def test_an_alarm_is_journalled_sent_and_told_to_the_site(bench):
    """Once each, and the message to the site is sealed."""
    bench.pad.place(book())
    bench.run(500)
    bench.walk()

    batches = sent(bench, TOPICS.journal(STATION), wire.Journal)
    fact = decode_body(batches[0].events[0].encode())
    assert (fact["kind"], fact["site"], fact["uids"]) == ("alarm", SITE, [UID])
    alarm = sent(bench, TOPICS.site_alarm(SITE), wire.SiteAlarm)[0]
    assert alarm.alarm == fact["id"]
    assert wire.is_sealed(alarm, SITE_KEY)


def test_an_acknowledged_fact_is_sent_no_more(bench):
    """Only the gateway's word with our own hash counts."""
    bench.pad.place(book())
    bench.run(500)
    bench.walk()
    bench.pad.lift(UID)
    journal = bench.journal
    ack = wire.Ack(journal.epoch.id, 1, journal.hash_at(1).hex(), LINEAGE, 1, 1, 0)
    bench.tell(TOPICS.reply(STATION), ack)
    bench.run(500)
    assert bench.shell.courier.waiting == 0

    bench.client.sent.clear()
    bench.run(20_000, step_ms=100)
    assert sent(bench, TOPICS.journal(STATION), wire.Journal) == []


def test_a_journal_goes_in_batches_a_board_can_hold(bench):
    """Forty facts that waited are offered four at a time."""
    for number in range(40):
        bench.shell.courier._writer.write({"kind": "tally", "items": number}, 3_000)
    bench.shell.link.renew("for the test")
    bench.run(1_000)

    first = sent(bench, TOPICS.journal(STATION), wire.Journal)[0]
    assert len(first.events) == 4


def test_the_clock_comes_from_the_gateway(bench):
    """Unsure until it answers; then facts are dated by it, and the answer is a fact itself."""
    assert bench.shell.courier.status(on=True).clock == "unsure"
    bench.shell.link.renew("for the test")
    bench.run(500)
    question = sent(bench, TOPICS.request(STATION), wire.Request)[-1]
    bench.tell(TOPICS.reply(STATION), wire.TimeReply(question.id, question.mono_sent, WALL_MS))
    bench.run(200)

    clock = bench.facts()[-1]
    assert (clock["kind"], clock["gateway_now"], clock["sure"]) == ("clock", WALL_MS, True)
    assert abs(clock["wall"] - WALL_MS) < 500
    assert bench.shell.courier.status(on=True).clock == "sure"


def test_after_a_reset_time_is_the_latest_known():
    """A board has no clock: it goes on from its newest fact, and says that it is unsure."""
    bench = Bench()
    bench.shell.courier._time.learn(mono_sent=0, mono_received=0, gateway_now=WALL_MS)
    bench.shell.courier._writer.write({"kind": "tally", "items": 1}, 5_000)
    bench.start()
    bench.shell.courier._writer.write({"kind": "tally", "items": 2}, 1_000)

    fact = bench.facts()[-1]
    assert fact["wall"] >= WALL_MS + 5_000
    assert fact["sure"] is False


def test_a_change_is_followed_and_a_gap_is_asked_about(bench):
    """A delta from our version is applied; from another one the gateway is asked since ours."""
    change = wire.Change("may_leave", LINEAGE, 1, 2, [["k", UID, 3]], "")
    bench.tell(TOPICS.change("may_leave"), change)
    bench.run(100)
    assert bench.shell.gate.holdings.list.reach(UID) == 3

    gap = wire.Change("may_leave", LINEAGE, 5, 6, [["k", UID, 0]], "")
    bench.tell(TOPICS.change("may_leave"), gap)
    bench.run(100)
    since = sent(bench, TOPICS.request(STATION), wire.Request)[-1]
    assert (since.op, since.version, since.lineage) == ("since", 2, LINEAGE)


def test_a_forged_change_changes_nothing(bench):
    """Without the site's key nobody lets a book go."""
    change = wire.Change("may_leave", LINEAGE, 1, 2, [["k", UID, 3]], "")
    forged = wire.sealed(change, b"another key of some length")
    bench.tell(TOPICS.change("may_leave"), forged)
    bench.run(100)

    assert bench.shell.gate.holdings.list.reach(UID) == 0
    assert bench.shell.courier.health()["messages"] == "1 messages refused"


def test_another_history_fetches_a_whole_list(bench):
    """A head of another lineage: the store is told to fetch, and what arrives is used."""
    pointer = wire.Pointer("may_leave", "test-1", "b" * 16, 9, 100, "0" * 64, "/list")
    bench.tell(TOPICS.snapshot("may_leave", "test-1"), pointer, retained=True)
    bench.run(100)
    assert [one.version for one in bench.lists.pointers] == [9]
    assert bench.lists.wishes == 1

    bench.lists.made = ExactList("b" * 16, 9)
    bench.run(200)
    assert bench.shell.following.version == 9
    assert bench.shell.following.lineage == "b" * 16


def test_pieces_of_a_list_go_to_the_store(bench):
    """A chunk on the reply topic is the store's, and its requests are sent."""
    chunk = wire.decode(
        wire.Chunk,
        b'{"v":1,"reply":"chunk","id":"1","kind":"may_leave","version":9,"offset":0,'
        b'"data":"AAAA","last":true,"sha256":"' + b"0" * 64 + b'"}',
    )
    bench.tell(TOPICS.reply(STATION), chunk)
    bench.run(100)

    assert [one.offset for one in bench.lists.chunks] == [0]


def test_a_failing_antenna_is_told_at_once(bench):
    """Staff see it within three seconds, and that it is well again as soon."""
    bench.run(60_000, step_ms=50)
    bench.client.sent.clear()
    bench.pad.fail(OFF)
    bench.run(3_500)
    said = sent(bench, TOPICS.telemetry(STATION), wire.Telemetry)
    assert "lane-1" in said[-1].health
    assert said[-1].disk_free == 500_000

    bench.pad.mend()
    bench.run(3_500)
    said = sent(bench, TOPICS.telemetry(STATION), wire.Telemetry)
    assert said[-1].health == {}
    assert said[-1].reader_errors >= 2


def test_when_all_is_well_telemetry_comes_once_a_minute():
    """And no oftener, for a thousand gates do the same."""
    bench = Bench()
    bench.clear()
    bench.run(3_000)
    for n in range(1, 21):
        bench.tell(TOPICS.head(), head(n))
        bench.run(15_000, step_ms=50)

    assert len(sent(bench, TOPICS.telemetry(STATION), wire.Telemetry)) in (5, 6)


def test_our_own_will_is_answered_with_a_birth(bench):
    """An old connection of ours died late and calls us dead: we say that we live."""
    will = bench.shell.courier.status(on=False)
    bench.tell(TOPICS.status(STATION), will)
    bench.run(100)

    assert [status.on for status in sent(bench, TOPICS.status(STATION), wire.Status)] == [True]


def test_a_birth_that_found_no_room_is_said_again(bench):
    """A full queue takes nothing; a second later the birth is said after all."""
    send = bench.client.send
    bench.client.send = lambda *_: None
    bench.shell.link.renew("for the test")
    bench.run(400)
    bench.client.send = send
    bench.run(2_500)

    assert len(sent(bench, TOPICS.status(STATION), wire.Status)) == 1


def test_a_topic_the_broker_keeps_from_us_is_told(bench):
    """An access list that is too narrow shows on the dashboard, and goes with the connection."""
    bench.client.events.append(("refused", TOPICS.head()))
    bench.run(2_500)
    said = sent(bench, TOPICS.telemetry(STATION), wire.Telemetry)
    assert said[-1].health["broker"] == f"it does not let us hear {TOPICS.head()}"

    bench.shell.link.renew("for the test")
    bench.run(2_500)
    assert "broker" not in bench.shell.courier.health()


def test_a_title_that_a_kiosk_knows_reaches_the_machine(bench):
    """A kiosk answers an alarm with its book; the gate takes it without a complaint."""
    bench.pad.place(book())
    bench.run(500)
    bench.walk()
    alarm = sent(bench, TOPICS.site_alarm(SITE), wire.SiteAlarm)[0]
    fields = dict(zip(alarm._fields, alarm, strict=True))
    fields |= {"station": "kiosk-1", "answers": alarm.alarm, "title": "Emma", "mac": ""}
    bench.tell(TOPICS.site_alarm(SITE), wire.SiteAlarm(**fields))
    bench.run(100)

    assert bench.shell.courier.rejected == 0
    assert list(bench.shell.gate._alarms.values()) == ["Emma"]


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (TOPICS.head(), b"{}"),
        (TOPICS.head(), b"\xff\xfe"),
        (TOPICS.reply(STATION), b'{"v":1,"reply":"ack"}'),
        (TOPICS.reply(STATION), b'{"v":1,"reply":"dance"}'),
        (TOPICS.applied(SITE), b"[" * 2_000),
        (TOPICS.site_loan(SITE), b'{"v":2}'),
        (TOPICS.change("may_leave"), b'{"v":1,"kind":"may_leave"}'),
        (TOPICS.snapshot("may_leave", "test-1"), b""),
        ("lg/1/school/zz/gate-2/status", b"{}"),
        ("nobody/knows", b"{}"),
    ],
)
def test_nonsense_is_counted_and_the_next_message_is_taken(bench, topic, payload):
    """Whatever a broker delivers: one refused, nothing changed, and on."""
    bench.client.events.append(("message", topic, payload, False))
    bench.tell(TOPICS.change("may_leave"), wire.Change("may_leave", LINEAGE, 1, 2, [], ""))
    bench.run(200)

    assert bench.shell.courier.rejected == 1
    assert bench.shell.failed == ""
    assert bench.shell.following.version == 2


def test_another_librarys_messages_are_none_of_ours(bench):
    """Two libraries on one broker do not hear each other."""
    other = Topics("another")
    bench.client.events.append(("message", other.head(), b"{}", False))
    bench.run(100)

    assert bench.shell.courier.rejected == 0


def test_a_retained_head_is_no_sign_of_life(bench):
    """What a broker kept says nothing about now."""
    bench.tell(TOPICS.head(), head(), retained=True)
    bench.run(1_100)
    assert bench.shell.list_state() == "STALE"

    bench.tell(TOPICS.head(), head())
    bench.run(1_100)
    assert bench.shell.list_state() == "FRESH"


def test_counts_wait_apart_while_alarms_are_sent():
    """People counted go to their own ring, and to the journal when nothing else waits."""
    bench = Bench()
    bench.passages = Counts()
    bench.start()
    bench.clear()
    bench.run(3_000)
    bench.walk()
    bench.run(900_000, step_ms=1_000)

    assert [fact["out"] for fact, _ in bench.passages.kept] == [1]
    assert bench.facts() == []
    assert bench.passages.moved > 0


def test_what_flash_refuses_waits_and_is_told():
    """A journal that cannot be written keeps nothing from sounding; later it is all there."""
    bench = Bench()
    append = bench.journal.append
    bench.journal.append = refuses
    bench.clear()
    bench.run(3_000)
    bench.pad.place(book())
    bench.run(500)
    bench.walk()
    assert bench.out("siren").history != []
    assert "flash" in bench.shell.courier.health()["journal"]

    bench.journal.append = append
    bench.run(300)
    assert [fact["kind"] for fact in bench.facts()] == ["alarm"]
    assert "journal" not in bench.shell.courier.health()


def refuses(*_):
    raise OSError(28, "no space left")
