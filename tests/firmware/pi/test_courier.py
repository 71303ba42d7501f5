"""The courier: what it publishes, what it tells the machine, and what it refuses."""

import json

import pytest

from circulation.gateway_http import plain
from circulation.link import Connected, Disconnected, Received
from circulation.sync.memory import MemoryJournal
from circulation.wire import messages
from circulation.wire.fact import decode_body
from circulation.wire.messages import decode, encode, sealed
from circulation.wire.topics import Topics, parse
from firmware.gate import commands, events
from firmware.gate.lists import ExactList
from firmware.pi import courier as courier_module
from firmware.pi.config import read_station_config
from firmware.pi.courier import Courier
from firmware.pi.face import Face, read_temperature, write_face
from firmware.pi.facts import FactWriter, StationTime
from firmware.pi.following import ListFollowing
from firmware.pi.lists import Fetched, ListFolder, NotFetched
from sim.clock import VirtualClock
from tests.firmware.pi.bench import LINEAGE, SITE_KEY
from tests.firmware.pi.test_config import section
from tests.firmware.pi.test_facts import FullDisk

TOPICS = Topics("school")
EPOCH, BOOT = "00000000000000e1", "0badcafe"
POINTER = messages.Pointer("may_leave", "json-1", LINEAGE, 7, 9, "0" * 64, "/list")


class SentLink:
    """A link that keeps what was published, and never loses anything."""

    def __init__(self):
        self.sent, self.filters, self.reconnects = [], [], []

    def publish(self, topic, payload, *, qos=1, retained=False):
        self.sent.append((parse(topic).name, payload, retained))
        return True

    def subscribe(self, filters):
        self.filters += filters

    def reconnect(self, why):
        self.reconnects.append(why)


class Station:
    """A courier with everything around it in memory."""

    def __init__(self, tmp_path, room=True, journal=None):
        self.clock = VirtualClock(1_000)
        self.journal = journal or MemoryJournal(EPOCH)
        self.told, self.fetches = [], []
        config = read_station_config(
            section(site_key=SITE_KEY.hex(), store={"path": str(tmp_path / "gate.db")})
        )
        numbers = iter(range(1, 10_000))
        time = StationTime(self.clock, boot=BOOT)
        writer = FactWriter(
            self.journal, time, site="main", new_id=lambda: f"{next(numbers):016x}"
        )
        self.folder = ListFolder(tmp_path / "lists")
        self.following = ListFollowing(
            base_url="http://127.0.0.1:1",
            folder=self.folder,
            tell=self.tell,
            arrived=self.fetches.append,
            random_below=lambda _: 0,
            connect=plain,
        )
        self.room = room
        self.courier = Courier(
            config, writer, self.following, tell=self.tell, random_below=lambda _: 0
        )
        self.link = self.courier.link = SentLink()

    def tell(self, event):
        if self.room:
            self.told.append(event)
        return self.room

    def take(self, *items):
        for item in items:
            self.courier.hand_over(item, self.clock.now_ms())
        self.courier.step(0)

    def hear(self, topic, message, retained=False):
        payload = message if isinstance(message, bytes) else encode(message)
        self.take(Received(topic, payload, retained))

    def sent(self, name):
        return [payload for sent, payload, _ in self.link.sent if sent == name]

    def kinds(self):
        return [decode_body(row.body)["kind"] for row in self.journal.rows(1, 100, 1 << 20)]


@pytest.fixture
def station(tmp_path):
    return Station(tmp_path)


def head(n=1, version=7, *, key=SITE_KEY, lineage=LINEAGE, recovered=False):
    message = messages.Head(lineage, n, 0, {"may_leave": version}, 3, recovered, "")
    return sealed(message, key)


def change(begins, ends, rows=(("k", "e001", 3),), key=SITE_KEY):
    rows = [list(row) for row in rows]
    return sealed(messages.Change("may_leave", LINEAGE, begins, ends, rows, ""), key)


def status(station_name, *, on=True, role="kiosk", site="main", boot="00000001"):
    return messages.Status(
        station_name,
        on,
        boot,
        EPOCH,
        1,
        0,
        0,
        {},
        None,
        "x",
        "sure",
        role,
        site,
        0,
        "",
        None,
        None,
    )


def test_a_connection_is_greeted_with_birth_time_and_telemetry(station):
    """At once it says who it is, asks the time, and tells how it feels."""
    station.take(Connected())

    (birth,) = station.sent("status")
    assert decode(messages.Status, birth).role == "gate"
    assert [decode(messages.Request, sent).op for sent in station.sent("request")] == ["time"]
    assert decode(messages.Telemetry, station.sent("telemetry")[0]).depth == 0
    assert type(station.told[0]) is events.LinkUp


def test_an_alarm_is_journalled_offered_and_told_to_the_site(station):
    """One alarm: a row on disk, a batch to the gateway, a sealed message to the kiosks."""
    station.take(Connected())
    fields = {"kind": "alarm", "lane": "lane-1", "direction": "out", "row": 4, "uid": "e001"}
    fields |= {"latency_ms": 3, "gate": "gate-1"}
    station.take(
        commands.Record("00000000000000a1", fields),
        commands.PublishAlarm("00000000000000a1", fields),
    )

    assert station.kinds() == ["alarm"]
    assert len(station.sent("journal")) == 1
    (told,) = [decode(messages.SiteAlarm, sent) for sent in station.sent("site_alarm")]
    assert (told.alarm, told.row, told.title) == ("00000000000000a1", 4, None)
    assert messages.is_sealed(told, SITE_KEY)


def test_without_a_connection_facts_wait_in_the_journal(station):
    """Offline an alarm is a row on disk, and goes when the link is back."""
    station.take(commands.Record("00000000000000a1", {"kind": "alarm"}))
    assert station.sent("journal") == []

    station.take(Connected())
    assert len(station.sent("journal")) == 1


def test_the_site_is_asked_under_seal(station):
    """An ask says which list we have, and is ours for certain."""
    station.take(commands.AskSite(LINEAGE, 7))

    (ask,) = [decode(messages.SiteAsk, sent) for sent in station.sent("site_ask")]
    assert (ask.kind, ask.lineage, ask.version) == ("may_leave", LINEAGE, 7)
    assert messages.is_sealed(ask, SITE_KEY)


def test_lenders_are_learned_and_heard(station):
    """A kiosk of this site is known from its retained birth, and heard when it speaks itself."""
    station.hear(TOPICS.status("kiosk-1"), status("kiosk-1"), retained=True)
    station.hear(TOPICS.status("kiosk-1"), status("kiosk-1", on=False))
    station.hear(TOPICS.status("kiosk-1"), status("kiosk-1"))
    telemetry = messages.Telemetry(0, None, None, None, 0, {}, None)
    station.hear(TOPICS.telemetry("kiosk-1"), telemetry)
    station.hear(TOPICS.telemetry("kiosk-1"), telemetry, retained=True)
    for other in (status("kiosk-9", site="annex"), status("gate-2", role="gate")):
        station.hear(TOPICS.status(other.station), other)

    known, heard = events.LenderKnown("kiosk-1"), events.LenderHeard("kiosk-1")
    assert [(type(e), e) for e in station.told] == [
        (type(e), e) for e in (known, known, heard, heard)
    ]
    assert TOPICS.telemetry("kiosk-1") in station.link.filters


def test_our_own_will_is_answered_with_a_birth(station):
    """When an old connection dies late and calls us dead, we say that we live."""
    station.take(Connected())
    station.clock.advance(6_000)

    station.hear(TOPICS.status("gate-1"), status("gate-1", on=False, role="gate"), retained=True)
    assert [decode(messages.Status, sent).on for sent in station.sent("status")] == [True, True]


def test_heads_and_changes_need_a_right_mac(station):
    """A forged head is no contact, and a forged delta changes nothing."""
    station.hear(TOPICS.head(), head(key=b"another key"))
    station.hear(TOPICS.change("may_leave"), change(1, 2, key=b"another key"))
    station.hear(TOPICS.head(), head(), retained=True)

    assert station.told == []
    assert station.courier.rejected == 2


def test_a_head_reaches_the_machine(station):
    """A genuine one that came just now does."""
    station.hear(TOPICS.head(), head())

    assert [type(event) for event in station.told] == [events.HeadHeard]


def test_messages_of_the_site_reach_the_machine_unless_retained(station):
    """What a broker kept is no news; what a kiosk says now is."""
    loan = messages.SiteLoan(
        "kiosk-1", 1, 1, None, ["e001"], "on", 3, [], EPOCH, 0, None, "0" * 32
    )
    fields = ("kiosk-1", EPOCH, "gate-1", "lane-1", "out", 4, None, None, "Emma", "QA", 0)
    asked = messages.SiteAlarm(*fields, None, "0" * 32)
    answer = messages.SiteAlarm(*fields, EPOCH, "0" * 32)
    for retained in (True, False):
        station.hear(TOPICS.site_loan("main"), loan, retained=retained)
        station.hear(TOPICS.site_alarm("main"), asked, retained=retained)
        station.hear(TOPICS.site_alarm("main"), answer, retained=retained)
    station.hear(TOPICS.applied("main"), messages.Applied(7, {"kiosk-1": [1, 1]}, LINEAGE))

    names = [type(event).__name__ for event in station.told]
    assert names == ["SiteLoanHeard", "SiteAlarmHeard", "AppliedHeard"]


def test_a_list_is_followed_from_its_version_on(station):
    """A fetched list and the deltas after it go to the machine, each from where the last ended."""
    station.take(Fetched(ExactList(LINEAGE, 7).loaded([], [])))
    station.hear(TOPICS.change("may_leave"), change(7, 8))
    station.hear(TOPICS.reply("gate-1"), change(8, 9))
    station.hear(TOPICS.change("may_leave"), change(7, 8))

    assert [type(event).__name__ for event in station.told] == [
        "ListLoaded",
        "ListChanged",
        "ListChanged",
    ]
    assert [(e.from_version, e.to_version) for e in station.told[1:]] == [(7, 8), (8, 9)]
    assert station.courier.status(on=True).versions == {"may_leave": 9}


def test_an_older_download_is_left_alone(station):
    """What took long to come is not used over what is already newer."""
    for version in (7, 6):
        station.take(Fetched(ExactList(LINEAGE, version).loaded([], [])))

    assert len(station.told) == 1


def test_a_gap_is_asked_for(station):
    """A delta that begins beyond our version makes a question, not a guess."""
    station.take(Connected(), Fetched(ExactList(LINEAGE, 7).loaded([], [])))
    station.hear(TOPICS.change("may_leave"), change(9, 10))

    asked = [decode(messages.Request, sent) for sent in station.sent("request")]
    assert [(request.op, request.version) for request in asked][-1:] == [("since", 7)]


def test_a_pointer_starts_the_download_it_was_missing(station):
    """Wanted before it was announced, the list is fetched when the announcement comes."""
    station.hear(TOPICS.head(), head())
    assert station.fetches == []
    other = messages.Pointer("may_leave", "fuse-1", LINEAGE, 7, 9, "0" * 64, "/list")
    station.hear(TOPICS.snapshot("may_leave", "fuse-1"), other, retained=True)
    station.hear(TOPICS.snapshot("may_leave", "json-1"), POINTER, retained=True)
    station.following.wait()

    (result,) = station.fetches
    station.take(result)
    station.take(Face("BLIND", 0, 0, {}))
    shown = json.loads(station.courier.config.face.read_text())
    assert "cannot be fetched" in shown["health"]["list"]


def test_an_appointment_at_the_gateway_is_kept(station):
    """Not a second earlier, whatever is heard meanwhile; and nothing is wrong with that."""
    station.take(Connected())
    station.hear(TOPICS.snapshot("may_leave", "json-1"), POINTER, retained=True)
    station.following.wait()
    station.fetches.clear()
    station.take(NotFetched("the gateway serves other stations first", again_ms=70_000))

    station.clock.advance(69_000)
    station.hear(TOPICS.head(), head())
    station.hear(TOPICS.reply("gate-1"), POINTER)
    station.following.wait()
    assert station.fetches == []
    assert station.following.trouble == ""
    station.clock.advance(1_000)
    station.take()
    station.following.wait()

    assert len(station.fetches) == 1
    station.take(*station.fetches)
    assert "cannot be fetched" in station.following.trouble


def test_a_pointer_in_an_answer_is_fetched_too(station):
    """When a question reached back too far, the answer is where the whole list lies."""
    station.hear(TOPICS.reply("gate-1"), POINTER)
    station.following.wait()

    assert isinstance(station.fetches[0], NotFetched)


def test_a_machine_without_room_starts_over_with_the_list(tmp_path):
    """If the loop cannot take a list or a delta, nothing is believed to be in use."""
    station = Station(tmp_path, room=False)
    station.take(Fetched(ExactList(LINEAGE, 7).loaded([], [])))
    assert station.following.version is None

    station.room = True
    station.take(Fetched(ExactList(LINEAGE, 7).loaded([], [])))
    station.room = False
    station.hear(TOPICS.change("may_leave"), change(7, 8))
    assert station.following.version is None


def test_lists_on_the_disk_are_used_at_the_start(station):
    """After a power cut the gate decides with what it had, before any network."""
    content = {"lineage": LINEAGE, "version": 4, "keys": [["e001", 3]], "unsecured": []}
    station.folder.keep(json.dumps(content).encode())

    station.following.start()
    assert [event.list.version for event in station.told] == [4]


def test_a_recovered_gateway_ends_the_history_before(station):
    """The old list goes from the disk when the new history says it is whole."""
    for lineage, version in (("00000000000000bb", 500), (LINEAGE, 7)):
        content = {"lineage": lineage, "version": version, "keys": [], "unsecured": []}
        station.folder.keep(json.dumps(content).encode())
    station.following.start()

    station.hear(TOPICS.head(), head(recovered=True))
    assert [kept.version for kept in station.folder.kept()] == [7]


def test_the_gateways_clock_is_journalled_and_believed(station):
    """An answer to our question becomes a clock fact, and the machine hears the time."""
    station.take(Connected())
    asked = decode(messages.Request, station.sent("request")[0])
    station.hear(TOPICS.reply("gate-1"), messages.TimeReply(asked.id, asked.mono_sent, 1_000_000))

    assert station.kinds() == ["clock"]
    assert events.ClockSet in [type(event) for event in station.told]


def test_rubbish_is_counted_and_the_next_message_taken(station):
    """No message, however wrong, stops the courier."""
    for topic, payload in (
        (TOPICS.head(), b"\xff"),
        ("lg/1/school/nonsense", b""),
        (TOPICS.reply("gate-1"), b"[]"),
    ):
        station.hear(topic, payload)
    station.hear("lg/1/other-school/gateway/head", head())
    station.hear(TOPICS.journal("kiosk-1"), b"not for a gate")
    station.hear(TOPICS.head(), head())

    assert station.courier.rejected == 3
    assert len(station.told) == 1


def test_an_error_of_our_own_does_not_end_the_courier(station):
    """What nobody thought of is logged, and the next item is taken."""
    station.take(commands.PublishAlarm("a", {}), commands.Record(EPOCH, {"kind": "alarm"}))

    assert station.kinds() == ["alarm"]


def test_a_message_of_ours_that_cannot_be_is_not_sent(station):
    """Our own nonsense is an error in the log, not a message."""
    station.take(commands.AskSite("no lineage", 7))

    assert station.sent("site_ask") == []


def test_silence_of_the_gateway_makes_a_new_connection(station):
    """A minute without a head, and the link is renewed."""
    station.take(Connected())
    station.clock.advance(70_000)
    station.take()

    assert station.link.reconnects == ["no head for 60 s"]
    station.take(Disconnected("asked to"))
    assert type(station.told[-1]) is events.LinkDown


def test_a_restarted_gateway_hears_from_us_again(station):
    """Another boot of the gateway wants our birth, within the spread."""
    station.take(Connected())
    for boot in ("00000001", "00000002"):
        gateway = messages.GatewayStatus(True, LINEAGE, boot)
        station.hear(TOPICS.gateway_status(), gateway, retained=True)
    station.take()

    assert len(station.sent("status")) == 2


def test_a_changed_face_is_told_but_not_too_often(station):
    """The dashboard learns a new state of the list within a second, without a storm."""
    station.take(Connected())
    station.take(Face("STALE", 0, 0, {}))
    assert len(station.sent("status")) == 1

    station.clock.advance(1_000)
    station.take(Face("STALE", 0, 0, {}))
    station.clock.advance(15_000)
    station.take(Face("STALE", 0, 0, {}))
    states = [decode(messages.Status, sent).list_state for sent in station.sent("status")]
    assert states == ["BLIND", "STALE"]


def test_what_staff_need_not_see_at_once_is_no_hurry(station):
    """Rows and versions move with every fact; telling that at once would be a storm."""
    station.take(Connected())
    station.take(commands.Record(EPOCH, {"kind": "alarm"}))
    station.clock.advance(14_999)
    station.take(Face("BLIND", 0, 0, {}))
    assert len(station.sent("status")) == 1

    station.clock.advance(1)
    station.take(Face("BLIND", 0, 0, {}))
    assert [decode(messages.Status, sent).seq_last for sent in station.sent("status")] == [0, 1]


def test_facts_that_wait_for_the_disk_go_later(tmp_path):
    """What the journal refused is tried again as time passes."""
    disk = FullDisk(EPOCH)
    station = Station(tmp_path, journal=disk)
    station.take(commands.Record(EPOCH, {"kind": "alarm"}))
    assert station.kinds() == []

    disk.is_full = False
    station.take()
    assert station.kinds() == ["alarm"]


def test_too_many_at_once_are_counted(station):
    """The queue is bounded; what does not fit is said in health."""
    for _ in range(courier_module.QUEUE_MAX + 3):
        station.courier.hand_over(None, 0)
    assert station.courier.dropped == 3

    station.take()
    station.take(Connected())
    for _ in range(60):
        station.take()
    assert "courier" in decode(messages.Telemetry, station.sent("telemetry")[0]).health


def test_staff_notices_and_named_alarms_are_shown(station, tmp_path):
    """The name of a book is where `lendgate-gate status` finds it."""
    station.take(commands.Notice("alarm", "Emma (QA 1)"), Face("FRESH", 2, 0, {"lane-1": "off"}))

    shown = json.loads((tmp_path / "gate-status.json").read_text())
    assert shown["notices"] == ["Emma (QA 1)"]
    assert (shown["list"], shown["overlay"], shown["health"]) == ("FRESH", 2, {"lane-1": "off"})


def test_a_second_station_with_our_name_is_told(station):
    """Two gates with one name are noticed by both."""
    station.take(Connected())
    station.hear(TOPICS.status("gate-1"), status("gate-1", role="gate", boot="0000beef"))
    station.take(Face("FRESH", 0, 0, {}))

    shown = json.loads(station.courier.config.face.read_text())
    assert shown["notices"][0].startswith("two_stations")


def test_the_last_word_is_a_birth_that_says_off(station):
    """A gate that is stopped on purpose says so, if anybody can hear it."""
    station.courier.goodbye()
    assert station.sent("status") == []

    station.take(Connected())
    station.courier.goodbye()
    assert decode(messages.Status, station.sent("status")[-1]).on is False


def test_a_full_disk_does_not_stop_the_gate_from_showing(tmp_path):
    """The state file is a convenience; failing to write it is no error."""
    write_face(tmp_path / "no such folder" / "status.json", {})

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("content", "read"), [("48312\n", 48_312), ("warm", None), (None, None)])
def test_the_temperature_if_there_is_one(tmp_path, content, read):
    """Thousandths of a degree, or nothing."""
    path = tmp_path / "temp"
    if content is not None:
        path.write_text(content)

    assert read_temperature(path) == read


def test_health_that_changes_is_told_at_once_and_once_a_second(station):
    """Staff hear of a pulled plug when it happens; a loose one makes no flood."""
    station.take(Connected())
    for number in range(40):
        wrong = {"lane-1": f"antenna: off, try {number}"} if number % 2 else {}
        station.take(Face("FRESH", 0, 0, wrong))
        station.clock.advance(250)

    said = [decode(messages.Telemetry, payload).health for payload in station.sent("telemetry")]
    assert 5 <= len(said) <= 12
    assert any("lane-1" in health for health in said)


def test_other_words_about_the_same_trouble_may_wait(station):
    """A sentence with a number in it is no news: it is told within the minute."""
    station.take(Connected())
    for number in range(1, 60):
        station.take(Face("FRESH", 0, 0, {"loop": f"{number} messages came too fast"}))
        station.clock.advance(900)

    said = [decode(messages.Telemetry, payload).health for payload in station.sent("telemetry")]
    assert [sorted(health) for health in said] == [[], ["loop"]]
