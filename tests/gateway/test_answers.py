"""What a station that was away asks for: short for one, in turn for a thousand."""

import json

import pytest

from circulation.sync.changes import ChangeFollower
from circulation.sync.effects import ApplyChanges, SendRequest
from circulation.wire.limits import GATE_MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX
from circulation.wire.messages import Head, Request, decode, decode_reply
from gateway import schema
from gateway.catalogue import upsert_items
from gateway.desk import DeskJournal
from gateway.hub import Hub
from gateway.outbox import SINCE_MESSAGES_MAX, Outbox
from gateway.requests import ANSWERS_BYTES_PER_S, WAITING_MAX, Requests
from gateway.service import Service
from gateway.snapshots import Snapshots
from tests.gateway.conftest import LIBRARY, START_MS

KEY = bytes(16)


@pytest.fixture
def outbox(store):
    return Outbox(store, LIBRARY, key=KEY)


@pytest.fixture
def requests(store, outbox, tmp_path):
    return Requests(store, LIBRARY, outbox, Snapshots(store, LIBRARY, tmp_path / "s"))


def shelve(store, *marks, barcode="1001"):
    """Change one item, a transaction each time."""
    for mark in marks:
        with store.write(LIBRARY) as write:
            upsert_items(write, [{"barcode": barcode, "shelf_mark": mark}])


def state_of(outbox):
    """Return lineage and versions as a head tells them."""
    head = decode(Head, outbox.head(0).payload)
    return head.lineage, head.versions


def since(kind, version, lineage, name="c1"):
    return Request(name, "since", 0, kind, version, lineage, None, None, None)


def read(replies):
    return [json.loads(reply) for reply in replies]


def test_small_steps_are_told_together(store, outbox):
    """A day of single loans is a handful of messages; of one item the last word is enough."""
    for number in range(300):
        shelve(store, f"A {number}", barcode=f"2{number % 40:03}")
    lineage, versions = state_of(outbox)

    (told,) = read(outbox.since("catalogue", 0, lineage))

    marks = {row["doc"]["barcode"]: row["doc"]["shelf_mark"] for row in told["changes"]}
    assert (told["from"], told["to"]) == (0, versions["catalogue"])
    assert len(told["changes"]) == 40
    assert marks["2007"] == "A 287"


@pytest.mark.parametrize(
    ("kind", "bytes_max"),
    [("catalogue", MESSAGE_BYTES_MAX), ("may_leave", GATE_MESSAGE_BYTES_MAX)],
)
def test_an_answer_is_a_chain_of_messages_that_fit(store, outbox, kind, bytes_max):
    """A microcontroller takes 4 KiB; what lies between two messages is nothing."""
    with store.write(LIBRARY) as write:
        rows = [
            {"barcode": f"5{n:04}", "uids": [f"e0040100000{n:05}"], "initial": "withdrawn"}
            for n in range(700)
        ]
        upsert_items(write, rows)
    shelve(store, *"ABC", barcode="50001")
    lineage, versions = state_of(outbox)

    replies = outbox.since(kind, 0, lineage)
    told = read(replies)

    assert max(map(len, replies)) <= bytes_max
    assert 1 < len(told) <= SINCE_MESSAGES_MAX
    assert [one["from"] for one in told] == [0, *(one["to"] for one in told[:-1])]
    assert told[-1]["to"] == versions[kind]
    assert sum(len(one["changes"]) for one in told) >= 700


def test_an_answer_is_bounded_and_the_next_goes_on(store, outbox):
    """Thousands of changes are several answers; following them all leads to the present."""
    with store.write(LIBRARY) as write:
        rows = [{"barcode": f"5{n:05}", "shelf_mark": "x" * 200} for n in range(3_000)]
        upsert_items(write, rows)
    lineage, versions = state_of(outbox)
    follower = ChangeFollower("catalogue", random_below=lambda _: 0)
    follower.on_loaded(lineage, 0)

    answers = rows_told = 0
    while follower.version != versions["catalogue"]:
        replies = outbox.since("catalogue", follower.version, lineage)
        assert sum(map(len, replies)) <= SINCE_MESSAGES_MAX * MESSAGE_BYTES_MAX
        answers += 1
        for reply in replies:
            for effect in follower.on_change(decode_reply(reply), 0):
                assert isinstance(effect, ApplyChanges)
                rows_told += len(effect.changes)

    assert 2 <= answers <= 6
    assert rows_told == 3_000


def test_a_change_that_nobody_can_read_is_left_to_the_snapshot(store, outbox):
    """One row that no message can carry does not keep a station behind for ever."""
    shelve(store, "A")
    lineage, versions = state_of(outbox)
    with store.write(LIBRARY) as write:
        table = schema.CHANGE
        whole = table.c.version == versions["catalogue"]
        write.execute(write.update(table).where(whole).values(body='{"key":"\\ud800"}'))

    shelve(store, "B", barcode="1002")
    sent = []

    outbox.send_changes(lambda send: sent.append(send) is None)

    assert outbox.since("catalogue", 0, lineage) is None
    assert [one["from"] for one in read(send.payload for send in sent)] == [0, 1, 1]


def test_a_thousand_stations_are_answered_in_turn(store, requests, outbox):
    """What they all ask for is read once, and goes out no faster than a line may carry it."""
    with store.write(LIBRARY) as write:
        rows = [{"barcode": f"5{n:05}", "shelf_mark": "x" * 200} for n in range(150)]
        upsert_items(write, rows)
    lineage, _ = state_of(outbox)
    for number in range(1_000):
        requests.ask(f"kiosk-{number}", since("catalogue", 0, lineage))

    told, seconds, most = [], 0, 0
    while len({station for station, _ in told}) < 1_000:
        now = requests.answers(START_MS + 1_000 * seconds)
        most = max(most, sum(len(reply) for _, reply in now)) if seconds else most
        told += now
        seconds += 1

    size = sum(len(reply) for _, reply in told)
    first_come = list(dict.fromkeys(station for station, _ in told))
    assert first_come == [f"kiosk-{number}" for number in range(1_000)]
    assert most <= ANSWERS_BYTES_PER_S + 2_000_000
    assert seconds <= 2 + size / (ANSWERS_BYTES_PER_S / 2)
    assert requests.answers(START_MS + 10**6) == []


def test_a_station_that_asks_again_is_answered_once(store, requests, outbox):
    """It keeps its place, and gets what it lacks by now."""
    shelve(store, "A")
    lineage, versions = state_of(outbox)
    shelve(store, "B")
    requests.ask("kiosk-1", since("catalogue", 0, lineage))
    requests.ask("kiosk-2", since("catalogue", 0, lineage))
    requests.ask("kiosk-1", since("catalogue", versions["catalogue"], lineage))
    requests.ask("kiosk-1", since("may_leave", 0, lineage))

    told = requests.answers(START_MS)

    assert [station for station, _ in told] == ["kiosk-1", "kiosk-2", "kiosk-1"]
    assert json.loads(told[0][1])["from"] == versions["catalogue"]


def test_nobody_is_answered_while_the_link_is_behind(store, outbox, tmp_path):
    """What the broker does not take would pile up in memory; acknowledgements go first."""
    hub = Hub(store, LIBRARY, Snapshots(store, LIBRARY, tmp_path / "s"), key=KEY, boot="0" * 8)
    shelve(store, "A")
    lineage, _ = state_of(outbox)
    hub.requests.ask("kiosk-1", since("catalogue", 0, lineage))

    def answered(**link):
        return [s for s in hub.tick(START_MS, **link) if s.topic == hub.topics.reply("kiosk-1")]

    assert answered(is_behind=True) == []
    assert len(answered(is_behind=False)) == 1


class Line:
    """A link that takes nothing until it is free."""

    def __init__(self):
        self.is_free, self.sent = False, []

    def subscribe(self, topic_filters):
        """Everything is heard."""

    def publish(self, topic, payload, *, retained=False):
        self.sent += [topic] if self.is_free else []
        return self.is_free


def test_answers_wait_for_what_could_not_be_sent_yet(store, outbox, tmp_path):
    """The program asks the hub for them only when everything before has gone out."""
    hub = Hub(store, LIBRARY, Snapshots(store, LIBRARY, tmp_path / "s"), key=KEY, boot="0" * 8)
    service = Service(hub, DeskJournal(store, LIBRARY, tmp_path / "desk.db"), beat=lambda: None)
    line = Line()
    service.join(line)
    shelve(store, "A")
    lineage, _ = state_of(outbox)
    service.take()
    hub.requests.ask("kiosk-1", since("catalogue", 0, lineage))

    service.take()
    held = len(hub.requests._waiting)
    line.is_free = True
    service.take()
    service.take()

    told = [topic.rpartition("/")[2] for topic in line.sent]
    assert held == 1
    assert told.count("reply") == 1
    assert told.index("head") < told.index("reply")
    assert service.is_idle


def test_no_more_wait_than_there_is_room_for(requests):
    """A hostile station that invents names fills no memory."""
    for number in range(WAITING_MAX + 10):
        requests.ask(f"s{number}", since("catalogue", 0, "0" * 16))

    assert len(requests._waiting) == WAITING_MAX


def test_a_clock_put_back_stops_no_answer_for_ever(store, requests, outbox):
    """What may be sent is counted on from the new time."""
    shelve(store, "A")
    lineage, _ = state_of(outbox)
    requests.answers(START_MS)
    requests._may_send = -1.0
    requests.ask("kiosk-1", since("catalogue", 0, lineage))

    back = [len(requests.answers(START_MS - 10**9 + second)) for second in (0, 1_000)]

    assert back == [0, 1]


def test_a_kiosk_that_was_away_catches_up_while_others_change_things(store, requests, outbox):
    """Ten changes a second for five seconds: at their end the kiosk is where the list is."""
    lineage, versions = state_of(outbox)
    follower = ChangeFollower("catalogue", random_below=lambda _: 0)
    follower.on_loaded(lineage, versions["catalogue"])
    shelve(store, *(f"away {n}" for n in range(80)))
    live = []
    outbox.send_changes(lambda send: True)
    follower.on_head(decode(Head, outbox.head(0).payload), 0)

    for now_ms in range(0, 5_000, 100):
        shelve(store, f"at {now_ms}")
        outbox.send_changes(lambda send: live.append(send) is None)
        heard = [json.loads(s.payload) for s in live if s.topic.endswith("/catalogue")]
        effects = follower.tick(now_ms)
        for one in heard:
            effects += follower.on_change(decode_reply(json.dumps(one).encode()), now_ms)
        live.clear()
        for effect in effects:
            if isinstance(effect, SendRequest):
                requests.ask("kiosk-1", effect.message)
        for _, reply in requests.answers(START_MS + now_ms):
            follower.on_change(decode_reply(reply), now_ms)

    assert follower.version == state_of(outbox)[1]["catalogue"]
