"""A signed program, offered by the real gateway, into the real slots of a board's flash."""

import random

import pytest

from circulation.wire.messages import Offer, decode, decode_reply, encode, is_sealed
from circulation.wire.topics import Topics
from firmware.mcu.ed25519 import public_key_of
from firmware.mcu.update import choose, confirm, give_up, slot_bytes, trust
from firmware.mcu.update_following import UpdateFollowing
from firmware.mcu.update_install import Device
from firmware.pi.signing import Release, sign_update
from gateway.board import Desk
from gateway.hub import Heard, Hub
from gateway.snapshots import Snapshots
from gateway.store import Store
from gateway.updates import Updates
from gateway.wording import event
from sim.mcu.flash import FlashFiles, PowerCut, Supply
from tests.firmware.mcu.both.test_update import Believe, whole_program
from tests.gateway.conftest import LIBRARY, Clock, Station
from tests.gateway.test_hub import status, telemetry

KEY = bytes(range(16))
PRIVATE = bytes(32)
TOPICS = Topics(LIBRARY)
LIST_BYTES = 229_464
CUTS = 25


class Flash(FlashFiles):
    """The flash of a Pico W whose lists, journal and counts are as large as they ever are."""

    def __init__(self, seed=1):
        super().__init__(supply=Supply(seed))
        for name, size in (("list-a", LIST_BYTES), ("list-b", LIST_BYTES), ("rings", 60 * 4_096)):
            self.contents[name] = bytearray(size)
        trust(self, [public_key_of(PRIVATE)])

    def free_bytes(self):
        return self.free_blocks * self.block_bytes

    def flash_bytes(self):
        return self.blocks * self.block_bytes


class Gate:
    """One gate on a board, as its updates see it."""

    def __init__(self, name, board, chance, files=None):
        self.station, self.board, self.chance = Station(name), board, chance
        self.files = Flash() if files is None else files
        self.start()

    def start(self):
        """Start, as after a reset; return what runs."""
        choice = choose(self.files, 1)
        self.following = UpdateFollowing(
            self.files,
            choice,
            Device(1, self.board, slot_bytes(self.files.flash_bytes()), 2_048),
            station=self.station.name,
            random_below=self.chance.randrange,
            verification=Believe,
        )
        return choice

    def sync(self):
        """Have the first good sync of this start."""
        confirm(self.files)
        self.following.confirmed()


class Door:
    """A gateway and its gates; the broker between them keeps what is retained."""

    def __init__(self, folder, chance, boards=("pico-w-6",)):
        self.folder, self.clock, self.now_ms = folder, Clock(), 0
        self.store = Store.at(folder / "gateway.db", clock=self.clock)
        self.store.migrate()
        self.store.create_library(LIBRARY, "The test library")
        self.updates = Updates(self.store, LIBRARY)
        self.kept = {}
        self.gates = [Gate(f"gate-{n}", board, chance) for n, board in enumerate(boards, 1)]
        self.open_gateway()

    def open_gateway(self):
        """Start the gateway, as after a restart of it and of the broker."""
        snapshots = Snapshots(self.store, LIBRARY, self.folder / "snapshots")
        self.hub = Hub(self.store, LIBRARY, snapshots, key=KEY, boot="0000000b")
        self.kept = {}
        self.publish(self.hub.on_connected())

    def publish(self, sends):
        """Keep and deliver what concerns programs."""
        for send in sends:
            if "/firmware/" in send.topic:
                assert send.retained
                self.kept[send.topic] = send.payload
                for gate in self.gates:
                    self.hear(gate)

    def hear(self, gate):
        """Let a gate hear what the broker keeps for its board."""
        payload = self.kept.get(TOPICS.snapshot("firmware", gate.board))
        if payload is not None:
            offer = decode(Offer, payload)
            assert is_sealed(offer, KEY)
            gate.following.on_offer(offer, self.now_ms)

    def restart(self, gate):
        """Let a gate start anew and subscribe; return what it runs."""
        gate.files.supply.restore()
        choice = gate.start()
        self.hear(gate)
        return choice

    def run(self, ms, until=lambda: False):
        """Let time pass, ten turns a second."""
        for _ in range(ms // 100):
            self.now_ms += 100
            self.clock.now_ms += 100
            self.publish(self.hub.tick(self.clock.now_ms))
            for gate in self.gates:
                self.work(gate)
            if until():
                return True
        return False

    def work(self, gate):
        """Let a gate do its little."""
        for effect in gate.following.tick(self.now_ms, True):
            topic = TOPICS.request(gate.station.name)
            heard = Heard(topic, encode(effect.message))
            for send in self.hub.take([heard], self.clock.now_ms):
                gate.following.on_chunk(decode_reply(send.payload), self.now_ms)

    def is_ready(self):
        return all(gate.following.is_ready for gate in self.gates)

    def report(self):
        """Let every gate say how it is; return what staff see of what is offered."""
        for gate in self.gates:
            trouble = gate.following.trouble
            health = {"update": trouble} if trouble else {}
            told = [
                status(gate.station, role="gate", name="", firmware=gate.following.firmware),
                telemetry(gate.station, 0, **health),
            ]
            self.hub.take(told, self.clock.now_ms)
        self.hub.contacts.save(self.clock.now_ms, at_once=True)
        return Desk(self.store, LIBRARY).board().updates


@pytest.fixture
def door(tmp_path, seed):
    """A library whose exit has one gate, on a Pico W."""
    built = Door(tmp_path, random.Random(seed))
    yield built
    built.store.close()


def signed(folder, version, *, board="pico_w", size=20_000):
    """Return a program that fills some pieces, as the signer makes it."""
    contents = whole_program(version) | {"firmware/gate/rules.py": b"#" * size}
    release = Release(version=version, minimum=1, board=board)
    return sign_update(laid_out(folder / f"{board}-{version}", contents), PRIVATE, release)


def laid_out(folder, contents):
    """Write files into a folder and return it."""
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def test_an_update_is_offered_taken_confirmed_and_shown(door, tmp_path):
    """Within a minute of the command the gates hear of it; staff see who runs it."""
    (gate,) = door.gates
    door.report()
    door.updates.offer(signed(tmp_path, 2), within_ms=600_000)

    assert door.run(900_000, door.is_ready)
    assert door.report()[0].waiting == ["gate-1"]
    assert door.restart(gate)[1:3] == (2, True)
    assert door.report()[0].waiting == ["gate-1"]  # on trial
    gate.sync()
    assert door.report()[0].taken == ["gate-1"]

    door.run(60_000)
    door.open_gateway()
    door.run(60_000)
    assert gate.following.is_updating is False
    assert door.report()[0].taken == ["gate-1"]


def test_each_board_takes_its_own(tmp_path, seed):
    """Two programs are offered beside each other; none is taken for the other's."""
    door = Door(tmp_path, random.Random(seed), ("pico-w-6", "esp32-6"))
    door.updates.offer(signed(tmp_path, 3, board="esp32"), within_ms=0)
    door.run(120_000)
    assert [gate.following.is_ready for gate in door.gates] == [False, True]

    door.updates.offer(signed(tmp_path, 2), within_ms=0)
    assert door.run(120_000, door.is_ready)
    assert [door.restart(gate).version for gate in door.gates] == [2, 3]
    door.store.close()


def test_a_version_that_fails_its_trial_is_told_and_not_taken_again(door, tmp_path):
    """Staff read it once; the same file offered anew is tried anew."""
    (gate,) = door.gates
    door.report()
    content = signed(tmp_path, 2)
    door.updates.offer(content, within_ms=0)
    assert door.run(120_000, door.is_ready)
    assert door.restart(gate).on_trial
    give_up(gate.files)

    assert door.restart(gate).version == 1
    assert not door.run(600_000, door.is_ready)
    for _ in range(2):
        assert door.report()[0].refused == {"gate-1": "version 2 was rolled back"}
    told = [event(entry) for entry in Desk(door.store, LIBRARY).board().events]
    assert told.count("gate-1 does not take the update: version 2 was rolled back") == 1

    door.updates.offer(content, within_ms=0)
    assert door.run(120_000, door.is_ready)


def test_an_update_that_fills_its_slot_fits_beside_everything_else(door, tmp_path):
    """The largest that is taken, twice, beside two lists of 200,000 keys; one byte more is not."""
    (gate,) = door.gates
    room = slot_bytes(gate.files.flash_bytes())
    for version in (2, 3):
        content = filled(tmp_path, version, room)
        assert len(content) == room
        door.updates.offer(content, within_ms=0)
        assert door.run(300_000, door.is_ready)
        assert door.restart(gate).version == version
        gate.sync()
    assert gate.files.free_blocks >= 4

    door.updates.offer(filled(tmp_path, 4, room + 1), within_ms=0)
    assert not door.run(120_000, door.is_ready)
    assert f"{room + 1} bytes; {room} have room here" in gate.following.trouble


def filled(folder, version, size):
    """Return an update of exactly that many bytes."""
    contents = whole_program(version)
    contents |= {f"firmware/gate/fill{at}.py": b"#" * 20_000 for at in range(2)}
    release = Release(version=version, minimum=1, board="pico_w")
    rest = 10_000
    for _ in range(2):
        contents["firmware/gate/rules.py"] = b"#" * rest
        made = sign_update(laid_out(folder / f"filled-{version}", contents), PRIVATE, release)
        rest += size - len(made)
    return made


@pytest.mark.parametrize("is_torn", [False, True], ids=["littlefs", "fat"])
def test_a_power_cut_at_any_moment_ends_with_the_new_version(is_torn, tmp_path, seed):
    """At bytes of a seeded sample: the gate starts with the old version or the new one, and the
    offer that still stands brings it to the new."""
    chance = random.Random(seed)
    door = Door(tmp_path, chance)
    door.updates.offer(signed(tmp_path, 2, size=6_000), within_ms=0)

    def live(cut_after):
        """Let a new gate live until it runs the new version; return how much it wrote."""
        door.gates = [Gate("gate-1", "pico-w-6", chance)]
        (gate,) = door.gates
        gate.files.is_torn = is_torn
        door.hear(gate)
        begun = gate.files.supply.steps
        gate.files.supply.cut_after(cut_after)
        try:
            assert door.run(120_000, door.is_ready)
            door.restart(gate)
        except PowerCut:
            choice = door.restart(gate)
            assert choice[:2] in ((0, 1), (1, 2)), cut_after
            assert choice.version == 2 or door.run(300_000, door.is_ready), cut_after
            door.restart(gate)
        gate.sync()
        assert door.restart(gate) == (1, 2, False, ""), cut_after
        return gate.files.supply.steps - begun

    whole = live(1 << 30)
    assert whole > 7_000
    for steps in chance.sample(range(whole), CUTS):
        live(steps)
    door.store.close()
