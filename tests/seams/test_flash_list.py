"""The gateway's own filter, through its own messages, into a microcontroller's flash."""

import random

import pytest

from circulation.sync.effects import SendRequest
from circulation.wire.messages import Change, Chunk, Head, Pointer, decode, decode_reply, encode
from circulation.wire.topics import Topics
from firmware.gate.config import gate_config
from firmware.gate.errors import EventInvalid
from firmware.gate.lists import ExactList
from firmware.gate.machine import GateMachine
from firmware.mcu.following import ListFollowing
from firmware.mcu.list_files import ListSlots
from firmware.mcu.list_store import ListStore
from gateway import lineage as history
from gateway.catalogue import upsert_items
from gateway.hub import Heard, Hub
from gateway.list_files import version_of
from gateway.snapshots import Snapshots
from gateway.store import Store
from sim.mcu.flash import FlashFiles
from tests.gateway.conftest import LIBRARY, Clock, Station
from tests.support.lists import may_leave_document

KEY = bytes(range(16))
ITEMS = 5_000
TOPICS = Topics(LIBRARY)


def uid_of(number):
    return f"e00401000{number:07}"


class Exit:
    """A gateway and one gate on a microcontroller; the broker between them is two loops."""

    def __init__(self, folder, chance):
        self.chance = chance
        self.clock = Clock()
        self.store = Store.at(folder / "gateway.db", clock=self.clock)
        self.store.migrate()
        self.store.create_library(LIBRARY, "The test library")
        with self.store.write(LIBRARY) as write:
            rows = [{"barcode": f"{n}", "uids": [uid_of(n)]} for n in range(ITEMS)]
            self.items = upsert_items(write, rows).ids
        snapshots = Snapshots(self.store, LIBRARY, folder / "snapshots")
        self.hub = Hub(self.store, LIBRARY, snapshots, key=KEY, boot="0000000b")
        self.kiosk, self.next_row, self.lent = Station("kiosk-1"), 1, {}
        self.files = FlashFiles()
        self.now_ms = 0
        self.lost_deltas = 0
        self.start()

    def start(self):
        """Switch the gate on."""
        self.machine = GateMachine(gate_config("gate-1", [["lane", 2]]), KEY, lambda: "0" * 16)
        below = self.chance.randrange
        store = ListStore(ListSlots("/lists", self.files), 3, below, 6_144)
        self.following = ListFollowing(store, self._tell, below)
        self.following.start()

    def _tell(self, event):
        try:
            self.machine.receive(event, self.now_ms)
        except EventInvalid:
            return False
        return True

    def change(self, count):
        """Lend and take back so many items at the kiosk; the gateway applies it."""
        for number in self.chance.choices(range(ITEMS), k=count):
            item, loan = self.items[number], self.lent.pop(number, None)
            if loan is None:
                self.lent[number] = self.kiosk.write(
                    "checkout", item=item, patron="7", reach=3, due_at=self.clock.now_ms
                )
            else:
                unsecured = {"unsecured": True} if self.chance.random() < 0.1 else {}
                self.kiosk.write("checkin", item=item, saw=[loan], **unsecured)
        while self.next_row <= self.kiosk.journal.last_seq:
            batch = self.kiosk.batch(self.next_row)
            self.hub.ingest.take([batch])
            self.next_row += len(batch.message.events)

    def run(self, seconds, until=lambda: False):
        """Let time pass, five turns a second."""
        for _ in range(5 * seconds):
            self.now_ms += 200
            self.clock.now_ms += 200
            self._speak()
            self._ask(self.following.tick(self.now_ms))
            if until():
                return True
        return False

    def _speak(self):
        """Do what the gateway does by itself."""
        sent = []
        self.hub.outbox.send_changes(lambda send: sent.append(send) is None)
        if self.now_ms % 5_000 == 0:
            for due in self.hub.snapshots.due():
                sent.append(self.hub.outbox.pointer(self.hub.snapshots.build(*due)))
        if self.now_ms % 15_000 == 0:
            sent.append(self.hub.outbox.head(self.now_ms))
        for send in sent:
            self._hear(send.topic, send.payload)

    def _hear(self, topic, payload):
        if topic == TOPICS.head():
            self._ask(self.following.on_head(decode(Head, payload), self.now_ms))
        elif "/snapshot/may_leave/" in topic:
            self._ask(self.following.on_pointer(decode(Pointer, payload), self.now_ms))
        elif topic == TOPICS.change("may_leave"):
            if self.chance.random() < 0.1:  # lost on the way
                self.lost_deltas += 1
                return
            self._ask(self.following.on_change(decode(Change, payload), self.now_ms))

    def _ask(self, effects):
        for effect in effects:
            assert isinstance(effect, SendRequest)
            heard = Heard(TOPICS.request("gate-1"), encode(effect.message))
            now_ms = self.clock.now_ms
            for send in self.hub.take([heard], now_ms) + self.hub.tick(now_ms):
                if send.topic == TOPICS.reply("gate-1"):
                    self._answer(decode_reply(send.payload))

    def _answer(self, reply):
        takes = {
            Chunk: self.following.on_chunk,
            Change: self.following.on_change,
            Pointer: self.following.on_pointer,
        }
        self._ask(takes[type(reply)](reply, self.now_ms))

    def is_abreast(self):
        """Whether the gate has every change."""
        with self.store.read() as connection:
            return self.following.version == version_of(connection, LIBRARY, "may_leave")

    def differences(self):
        """Return the keys that may leave and would sound, and those that may not and pass."""
        with self.store.read() as connection:
            said = may_leave_document(connection, LIBRARY)
        exact = ExactList(said["lineage"], said["version"]).loaded(said["keys"], said["unsecured"])
        held = self.machine.holdings.list
        keys = [uid_of(number) for number in range(ITEMS)]
        unsecured = [key for key in keys if held.is_unsecured(key) != exact.is_unsecured(key)]
        alarms = [key for key in keys if held.reach(key) < exact.reach(key)]
        passing = [key for key in keys if held.reach(key) > exact.reach(key)]
        return alarms + unsecured, passing


@pytest.fixture
def way_out(tmp_path, seed):
    """A library whose gate is a microcontroller."""
    built = Exit(tmp_path, random.Random(seed))
    yield built
    built.store.close()


def test_a_microcontroller_s_gate_knows_what_the_gateway_knows(way_out):
    """5,000 items; list after list, deltas between, some lost, a restart: no false alarm."""
    way_out.change(1_200)
    assert way_out.run(600, way_out.is_abreast)
    assert way_out.differences()[0] == []
    first = way_out.machine.holdings.list.file.header.version

    for _ in range(5):
        way_out.change(140)
        assert way_out.run(300, way_out.is_abreast)
        alarms, passing = way_out.differences()
        assert alarms == []
        assert len(passing) < 50
    way_out.run(300, lambda: way_out.machine.holdings.list.percent < 75)

    held = way_out.machine.holdings.list
    assert way_out.differences()[0] == []
    assert held.file.header.version > first  # the room for changes was full once
    assert held.percent < 75
    assert way_out.lost_deltas > 0

    way_out.start()
    assert way_out.machine.holdings.list.version <= held.version
    assert way_out.run(300, way_out.is_abreast)
    assert way_out.differences()[0] == []


def test_a_restored_gateway_s_list_stands_beside_the_old_one(way_out):
    """A new history: the gate fetches its list, and uses both until it has recovered."""
    way_out.change(500)
    assert way_out.run(600, way_out.is_abreast)

    history.rotate(way_out.store, LIBRARY, "restored")
    lineage = decode(Head, way_out.hub.outbox.head(0).payload).lineage
    assert way_out.run(900, lambda: way_out.following.lineage == lineage)

    both = way_out.machine.holdings.list
    assert (both.lineage, both.new.lineage) == (lineage, lineage)
    assert both.old.lineage != lineage
    assert way_out.differences()[0] == []
