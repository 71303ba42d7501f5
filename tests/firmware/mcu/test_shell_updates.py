"""A whole gate takes an update while people pass: they come first, and its lamp says so."""

import base64
import hashlib

import pytest

from circulation.wire.messages import Chunk, Offer, Request, Status, Telemetry, decode
from circulation.wire.topics import Topics
from firmware.mcu import app
from firmware.mcu.drivers import UPDATING
from firmware.mcu.shell import RESTART_QUIET_MS
from firmware.mcu.update import choose, confirm
from firmware.mcu.update_following import UpdateFollowing
from firmware.mcu.update_state import A
from tests.firmware.mcu.bench import LIBRARY, STATION, UID, Bench, book
from tests.firmware.mcu.both.test_update import BOARD, DEVICE, Believe, provisioned
from tests.firmware.mcu.both.test_update_following import big

TOPICS = Topics(LIBRARY)
OFFER_TOPIC = TOPICS.snapshot("firmware", BOARD)
CONTENT = big(2)


class Gate(Bench):
    """A gate with a flash for updates, and a gateway that hands out one file."""

    def __init__(self):
        self.flash = provisioned()
        super().__init__()
        self.clear()
        self.run(3_000)

    def start(self):
        """Start the program, as after a reset."""
        shell = super().start()
        running = choose(self.flash, 1)
        shell.follow_updates(
            UpdateFollowing(
                self.flash,
                running,
                DEVICE,
                station=STATION,
                random_below=self.random_below,
                verification=Believe,
            )
        )
        return shell

    def offer(self, **more):
        """Let the broker bring the offer, as it was kept."""
        values = {
            "id": "00000000000000f1",
            "format": BOARD,
            "version": 2,
            "minimum": 1,
            "base": 0,
            "bytes": len(CONTENT),
            "sha256": hashlib.sha256(CONTENT).hexdigest(),
            "within_ms": 0,
            "only": [],
            "mac": "",
            **more,
        }
        self.tell(OFFER_TOPIC, Offer(**values), retained=True)

    def asked(self):
        """Return the requests for pieces so far."""
        sent = [payload for topic, payload, *_ in self.client.sent if topic.endswith("/request")]
        requests = [decode(Request, payload) for payload in sent]
        return [one for one in requests if one.kind == "firmware"]

    def answer(self):
        """Answer the newest request."""
        asked = self.asked()[-1]
        block = CONTENT[asked.offset : asked.offset + asked.count]
        last = asked.offset + len(block) >= len(CONTENT)
        digest = hashlib.sha256(block).hexdigest()
        data = base64.b64encode(block).decode()
        reply = Chunk(asked.id, asked.kind, asked.version, asked.offset, data, last, digest)
        self.tell(TOPICS.reply(STATION), reply)

    def fetch(self):
        """Let it fetch all of it."""
        answered = 0
        for _ in range(3_000):
            if len(self.asked()) > answered:
                answered = len(self.asked())
                self.answer()
            self.run(100, step_ms=50)
            if self.shell.updates.is_ready:
                return
        raise AssertionError("it was not fetched within five minutes")

    def told(self, cls, end):
        """Return the newest message of a kind."""
        sent = [payload for topic, payload, *_ in self.client.sent if topic.endswith(end)]
        return decode(cls, sent[-1])


@pytest.fixture
def gate():
    """A gate that runs what was flashed."""
    return Gate()


def test_a_gate_listens_for_offers_to_its_board(gate):
    """And to no other's."""
    assert [name for name in gate.client.filters if "/firmware/" in name][-1:] == [OFFER_TOPIC]


def test_the_lamp_flickers_while_a_program_comes_in(gate):
    """From the first question until the restart: leave the power on."""
    gate.offer()
    gate.run(2_000)
    assert gate.shell.devices.status.code == UPDATING

    gate.fetch()
    gate.run(1_000)
    assert gate.shell.devices.status.code == UPDATING


def test_an_offer_without_the_key_is_ignored(gate):
    """Whoever writes to the broker alone makes no gate fetch anything."""
    gate.offer(mac="0" * 32)
    gate.run(60_000)

    assert (gate.asked(), gate.shell.courier.rejected) == ([], 1)


def test_an_alarm_during_an_update_is_as_quick_and_stops_it_meanwhile(gate):
    """The siren comes in the same turn; while it sounds and they are near nothing is written."""
    gate.offer()
    while not gate.asked():
        gate.run(100)
    gate.pad.place(book())
    gate.run(500)
    gate.answer()
    gate.out("siren").history.clear()
    began_ms = gate.clock.now_ms()
    spent = gate.flash.spent
    gate.walk()

    sounded = [at for at, level in gate.out("siren").history if level == 1]
    assert sounded[0] - began_ms == 10
    assert gate.flash.spent == spent
    gate.pad.lift(UID)
    gate.run(60_000, step_ms=100)
    assert gate.flash.spent > spent
    gate.fetch()


def test_it_restarts_when_nobody_has_been_near_for_a_while(gate):
    """Not while a book lies in the field, nor just after somebody has passed."""
    gate.pad.place(book())
    gate.run(1_000)
    gate.pad.lift(UID)
    gate.offer()
    gate.fetch()
    gate.pad.place(book())
    gate.run(RESTART_QUIET_MS + 5_000)
    assert not gate.shell.is_to_restart

    gate.pad.lift(UID)
    gate.run(RESTART_QUIET_MS - 1_000)
    assert not gate.shell.is_to_restart
    gate.run(3_000)
    assert gate.shell.is_to_restart


def test_the_status_says_what_runs_and_whether_it_is_on_trial(gate):
    """The gateway shows it; after the first good sync the trial is over."""
    gate.offer()
    gate.fetch()
    assert gate.told(Status, "/status").firmware == "lendgate 1 pico-w-6"

    gate.start()
    gate.run(2_000)
    assert gate.told(Status, "/status").firmware == "lendgate 2 pico-w-6 on trial"

    confirm(gate.flash)
    gate.shell.updates.confirmed()
    gate.run(20_000)
    assert gate.told(Status, "/status").firmware == "lendgate 2 pico-w-6"
    assert choose(gate.flash, 1) == (A, 2, False, "")


def test_what_was_refused_is_in_the_telemetry(gate):
    """Staff read the gate's own words, and no longer than it is offered."""
    gate.offer(version=1, id="00000000000000f2", base=3)
    gate.offer(version=2, id="00000000000000f3", base=3)
    gate.run(3_000)
    said = gate.told(Telemetry, "/telemetry").health
    assert said["update"] == "version 2 builds on 3, and this is 1"

    gate.offer(version=0, id="00000000000000f3")
    gate.run(3_000)
    assert "update" not in gate.told(Telemetry, "/telemetry").health


class Synced:
    """A gate that had its first good sync, and then a program to restart for."""

    def __init__(self, bench):
        self.bench, self.turns, self.heard, self.stopped = bench, 0, [], 0
        self.ticks, self.is_synced, self.updates = bench.shell.ticks, True, self

    def confirmed(self):
        self.heard.append(self.turns)

    @property
    def is_to_restart(self):
        return self.turns >= 3

    def turn(self, now_ms):
        self.turns += 1

    def stop(self):
        self.stopped += 1


def test_the_program_ends_for_a_new_one_and_says_goodbye(gate):
    """The loop returns, and the board is reset; a trial that was confirmed is told once."""
    gate.offer()
    gate.fetch()
    assert choose(gate.flash, 1)[:3] == (A, 2, True)
    shell = Synced(gate)
    app.guard(shell, app.Trial(gate.flash), lambda _: None)

    assert (shell.turns, shell.heard, shell.stopped) == (3, [1], 1)
    assert choose(gate.flash, 1) == (A, 2, False, "")


def test_a_device_s_own_files_make_its_following(tmp_path, monkeypatch, gate):
    """What boot.py chose, the board's room and its station's name."""
    monkeypatch.chdir(tmp_path)
    made = app.make_updates(gate.config, app.DeviceFiles())

    assert (made.board, made.firmware) == (BOARD, "lendgate 1 pico-w-6")
