"""The detection loop: what a turn senses, that turn answers."""

import dataclasses

import pytest

from circulation.patrons import card_key
from circulation.wire.messages import Head
from firmware.gate import commands, events
from firmware.pi.loop import TOLD_MAX
from hardware.errors import DeviceUnavailable
from hardware.ports import NTAG, Security
from sim.faults import OFF, STUCK
from sim.tags import SimTag
from tests.firmware.pi.bench import LINEAGE, UID, Bench, book

CARD_KEY = bytes(16)
CARD = "04a1b2c3d4e580"


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture
def outbox():
    return []


def records(outbox):
    return [item.fields for item in outbox if type(item) is commands.Record]


def test_tag_and_beam_sound_in_the_turn_that_saw_them(bench, outbox):
    """The later of tag and beam, and the siren is on before that turn ends."""
    loop = bench.loop(outbox)
    bench.antenna.place(book())
    bench.inner.drive(True)
    bench.clock.advance(15)

    loop.turn()
    assert bench.siren.state
    assert bench.red.state
    assert [fields["latency_ms"] for fields in records(outbox)] == [0]


def test_a_tag_after_the_beam_sounds_in_its_turn(bench, outbox):
    """Also when the beam came first, one turn is enough: the owner is read within it."""
    loop = bench.loop(outbox)
    bench.inner.drive(True)
    bench.clock.advance(15)
    loop.turn()

    bench.antenna.place(book())
    loop.turn()
    assert bench.siren.state
    assert bench.antenna.field.get(UID).history[-1] == "read"


def test_another_librarys_book_is_silent(bench, outbox):
    """Its owner is read and nothing sounds, nothing is recorded."""
    loop = bench.loop(outbox)
    bench.antenna.place(book(owner="XX9"))
    bench.inner.drive(True)
    bench.clock.advance(15)

    loop.turn()
    assert not bench.siren.state
    assert records(outbox) == []


def test_a_borrowed_book_is_silent_without_any_network(bench, outbox):
    """Nothing of the decision is asked of anybody."""
    loop = bench.loop(outbox)
    loop.machine.holdings.list.change([["k", UID, 3]])
    bench.antenna.place(book(security=Security.ON_LOAN))
    bench.inner.drive(True)
    bench.clock.advance(15)

    loop.turn()
    assert not bench.siren.state


def test_the_siren_stops_by_itself(bench, outbox):
    """After its hold the siren is off, and the lamp stays for the guard."""
    loop = bench.loop(outbox)
    bench.antenna.place(book())
    bench.inner.drive(True)
    bench.clock.advance(15)
    loop.turn()

    bench.clock.advance(3_000)
    loop.turn()
    assert not bench.siren.state
    assert bench.red.state


def test_the_button_is_debounced_and_quiets(bench, outbox):
    """A bouncing button is one press."""
    loop = bench.loop(outbox)
    bench.antenna.place(book())
    bench.inner.drive(True)
    bench.clock.advance(15)
    loop.turn()

    now_ms = bench.clock.now_ms()
    for after_ms, level in ((0, True), (3, False), (5, True)):
        bench.button.drive(level, now_ms + after_ms)
    bench.clock.advance(40)
    loop.turn()
    loop.turn()
    assert not bench.siren.state
    assert [fields["kind"] for fields in records(outbox)].count("alarm_answered") == 1


def test_a_staff_card_lets_a_trolley_pass(bench, outbox):
    """A card on the spot is one pass, however long it lies there; it is never judged itself."""
    loop = bench.loop(outbox, staff_cards=frozenset({card_key(CARD_KEY, CARD)}), card_key=CARD_KEY)
    bench.cards.place(SimTag(CARD))
    for _ in range(3):
        loop.turn()
    bench.antenna.place(book())
    bench.inner.drive(True)
    bench.clock.advance(15)
    loop.turn()

    assert not bench.siren.state
    assert [fields["by"] for fields in records(outbox)] == ["staff_card"]


def test_the_card_spot_is_asked_five_times_a_second(bench, outbox):
    """A reader that takes 13 ms a look must not be looked at in every turn of 20 ms."""
    loop = bench.loop(outbox, staff_cards=frozenset({card_key(CARD_KEY, CARD)}), card_key=CARD_KEY)
    asked = []
    inventory = bench.cards.inventory
    bench.cards.inventory = lambda: asked.append(bench.clock.now_ms()) or inventory()
    for _ in range(50):
        loop.turn()
        bench.clock.advance(20)

    assert asked == [0, 200, 400, 600, 800]


def test_a_staff_card_in_the_lane_counts_too(bench, outbox):
    """Carried through the antenna the card opens the pass, and is no tag of the passage."""
    loop = bench.loop(outbox, staff_cards=frozenset({card_key(CARD_KEY, CARD)}), card_key=CARD_KEY)
    bench.antenna.place(SimTag(CARD))

    loop.turn()
    assert [fields["by"] for fields in records(outbox)] == ["staff_card"]
    assert loop.machine.health(0) == {}


def test_a_dead_antenna_is_reported_and_comes_back(bench, outbox):
    """A reader that fails is tried again, named in health, and stops nothing else."""
    loop = bench.loop(outbox)
    bench.antenna.fail(OFF)
    loop.turn()
    assert "lane-1" in loop.health()
    assert loop.reader_errors == 1

    bench.antenna.mend()
    bench.antenna.place(book())
    loop.turn()
    assert loop.health() != {}  # not tried again before half a second
    bench.clock.advance(1_000)
    loop.turn()
    assert loop.health() == {}


@pytest.mark.parametrize("fault", [OFF, STUCK])
def test_a_pulled_plug_is_on_the_gates_face_within_five_seconds(bench, outbox, fault):
    """Red soon after an antenna or the card spot fails, green soon after it works again."""
    loop = bench.loop(outbox)
    for name, reader in (("lane-1", bench.antenna), ("cards", bench.cards)):
        reader.fail(fault)
        assert ms_until(bench, loop, lambda name=name: name in shown(outbox)) <= 2_000
        reader.mend()
        assert ms_until(bench, loop, lambda name=name: name not in shown(outbox)) <= 2_000


def test_a_lamp_that_cannot_be_switched_is_switched_when_it_can(bench, outbox):
    """A pin that another program held lights the lamp as soon as it is free."""
    stubborn = StubbornLamp(bench.red)
    bench.devices = dataclasses.replace(bench.devices, lamp_red=stubborn)
    loop = bench.loop(outbox)
    bench.antenna.place(book())
    bench.inner.drive(True)
    bench.clock.advance(15)
    loop.turn()
    assert bench.siren.state
    assert "GPIO 17 is taken" in loop.health()["lamp red"]

    stubborn.is_taken = False
    bench.clock.advance(1_000)
    loop.turn()
    assert bench.red.state
    assert loop.health() == {}


def test_a_lamp_wanted_no_more_is_not_switched_on_late(bench, outbox):
    """What an alarm wanted a minute ago is not made up for when the pin is free."""
    stubborn = StubbornLamp(bench.red)
    bench.devices = dataclasses.replace(bench.devices, lamp_red=stubborn)
    loop = bench.loop(outbox)
    bench.antenna.place(book())
    bench.inner.drive(True)
    bench.clock.advance(15)
    loop.turn()
    bench.clock.advance(31_000)
    loop.turn()

    stubborn.is_taken = False
    bench.clock.advance(1_000)
    loop.turn()
    assert not bench.red.state


class StubbornLamp:
    """A lamp whose pin another program holds."""

    def __init__(self, lamp):
        self.lamp, self.is_taken = lamp, True

    def on(self):
        self._refuse()
        self.lamp.on()

    def off(self):
        self._refuse()
        self.lamp.off()

    def _refuse(self):
        if self.is_taken:
            raise DeviceUnavailable("lamp red: GPIO 17 is taken by another program")


def shown(outbox):
    """What the gate's face said last is wrong."""
    return [item for item in outbox if type(item).__name__ == "Face"][-1].health


def ms_until(bench, loop, happens):
    """Return after how many milliseconds of the loop something is so."""
    began_ms = bench.clock.now_ms()
    loop.turn()
    while not happens():
        assert bench.clock.now_ms() - began_ms < 10_000
        bench.clock.advance(20)
        loop.turn()
    return bench.clock.now_ms() - began_ms


def test_what_the_network_says_waits_in_a_bounded_queue(bench, outbox):
    """More than the queue holds is dropped, counted and said; the loop never blocks."""
    loop = bench.loop(outbox)

    told = [loop.tell(events.LenderKnown("kiosk-1")) for _ in range(TOLD_MAX + 2)]
    assert told.count(False) == 2
    loop.turn()
    assert "loop" in loop.health()


def test_nonsense_from_the_network_changes_nothing(bench, outbox):
    """An event the machine refuses is logged, and the turn goes on."""
    loop = bench.loop(outbox)
    loop.tell(events.ListChanged("bb", 7, 8, []))
    bench.antenna.place(book())
    bench.inner.drive(True)
    bench.clock.advance(15)

    loop.turn()
    assert bench.siren.state


def test_a_blank_sticker_is_nobodys(bench, outbox):
    """A tag without library data and without security passes in silence."""
    loop = bench.loop(outbox)
    bench.antenna.place(SimTag("e004010000000099"))
    bench.antenna.place(SimTag("04a1b2c3d4e599", technology=NTAG))
    bench.inner.drive(True)
    bench.clock.advance(15)

    loop.turn()
    assert not bench.siren.state


def test_stopping_switches_everything_off(bench, outbox):
    """A program that ends leaves siren and lamps off."""
    loop = bench.loop(outbox)
    bench.antenna.place(book())
    bench.inner.drive(True)
    bench.clock.advance(15)
    loop.turn()

    loop.stop()
    assert [bench.siren.state, bench.red.state, bench.amber.state] == [False] * 3


def test_the_gate_shows_its_face_once_a_second(bench, outbox):
    """State of the list and health go out often enough to be believed, and no oftener."""
    loop = bench.loop(outbox)
    for _ in range(10):
        loop.turn()
        bench.clock.advance(200)

    faces = [item for item in outbox if type(item).__name__ == "Face"]
    assert [face.list_state for face in faces] == ["STALE", "STALE"]


def test_the_gate_shows_at_once_that_its_list_is_fresh(bench, outbox):
    """Whoever waits for it, at the door or for a lamp, need not wait for the next second."""
    loop = bench.loop(outbox)
    loop.turn()
    bench.clock.advance(200)
    loop.tell(events.HeadHeard(Head(LINEAGE, 1, 0, {"may_leave": 1}, 1, False, "")))

    loop.turn()
    bench.clock.advance(200)
    loop.turn()

    faces = [item for item in outbox if type(item).__name__ == "Face"]
    assert [face.list_state for face in faces] == ["STALE", "FRESH"]


def test_a_closed_gate_is_in_its_safe_state(bench):
    """Closing twice is fine; every output is off."""
    bench.siren.on()

    bench.devices.close()
    bench.devices.close()
    assert not bench.siren.state
