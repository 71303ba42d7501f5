"""The gate on a board, from its pins and its serial port to its siren."""

import pytest

from firmware.gate.config import Limits
from firmware.mcu import board_esp32
from firmware.mcu.drivers import BLIND_LIST, DEVICE_FAILS, NO_BROKER, NO_WIFI, WELL
from hardware.ports import NTAG, Security
from sim.faults import OFF
from tests.firmware.mcu.bench import PERIOD, UID, Bench, Lists, book, values


@pytest.fixture
def bench():
    made = Bench()
    made.clear()
    made.run(3_000)
    return made


def kinds(bench):
    return [fact["kind"] for fact in bench.facts()]


def test_a_book_that_may_not_leave_sounds_the_siren(bench):
    """Read by the antenna, carried through the beams: siren, red lamp, and a fact in flash."""
    bench.pad.place(book())
    bench.run(500)
    began_ms = bench.clock.now_ms()
    bench.walk()

    assert bench.out("siren").history[0] == (began_ms + 10, 1)
    assert bench.out("lamp_red").level == 1
    fact = bench.facts()[0]
    assert (fact["kind"], fact["row"], fact["direction"]) == ("alarm", 4, "out")
    assert fact["uids"] == [UID]


def test_a_book_after_the_beam_sounds_within_the_time_for_ten_tags(bench):
    """Ten unknown tags come into the field with the beam broken: 300 ms later it sounds."""
    bench.input("beam_1").drive(1)
    bench.run(40)
    for number in range(10):
        bench.pad.place(book(f"e0040100000000{number:02x}"))
    began_ms = bench.clock.now_ms()
    bench.run(1_000)

    sounded_ms = bench.out("siren").history[0][0]
    assert sounded_ms - began_ms <= 300


def test_another_librarys_book_is_silent(bench):
    """Its owner is read from the tag in time, also when the beam was broken first."""
    bench.input("beam_1").drive(1)
    bench.run(40)
    bench.pad.place(book(owner="XX9"))
    bench.run(2_000)

    assert bench.out("siren").history == []
    assert kinds(bench) == []


def test_a_borrowed_book_is_silent(bench):
    """What the list lets go passes without a trace."""
    bench.lists.lists[0].change([["k", UID, 3]])
    bench.pad.place(book(security=Security.ON_LOAN))
    bench.run(500)
    bench.walk()

    assert bench.out("siren").history == []


@pytest.mark.parametrize("thief", [None, 7, 44])
def test_a_class_leaves_and_only_the_book_not_lent_sounds(bench, thief):
    """Forty-five pupils, three a second, each with a book: who has lent it is not stopped."""
    uids = [f"e0040100000000{number:02x}" for number in range(1, 46)]
    stolen = None if thief is None else uids[thief]
    bench.lists.lists[0].change([["k", uid, 0 if uid == stolen else 3] for uid in uids])
    inner, outer = bench.input("beam_1"), bench.input("beam_2")
    for number, uid in enumerate(uids):
        security = Security.IN_STOCK if uid == stolen else Security.ON_LOAN
        bench.pad.place(book(uid, security=security))
        bench.run(40)
        inner.drive(1)
        bench.run(100)
        outer.drive(1)
        bench.run(60)
        inner.drive(0)
        bench.run(100)
        outer.drive(0)
        bench.run(30)
        if number >= 2:
            bench.pad.lift(uids[number - 2])
    bench.run(2_000)

    alarms = [fact["uids"] for fact in bench.facts() if fact["kind"] == "alarm"]
    assert alarms == ([] if stolen is None else [[stolen]])
    assert bench.shell.devices.lanes[0].antenna.errors == 0


def test_nobody_is_missed_when_the_interrupt_is(bench):
    """An edge that no interrupt told of is found by the next look at the pin."""
    bench.pad.place(book())
    bench.run(500)
    bench.input("beam_1").drive(1, unheard=True)
    bench.run(60)

    assert bench.out("siren").level == 1


def test_the_siren_ends_on_time_although_nobody_tells_it_to(bench):
    """The output itself ends its longest time on, whatever the logic has forgotten."""
    limit_ms = bench.config.machine().siren_max_on_ms
    bench.devices = bench.shell.devices
    bench.devices.siren.on(bench.clock.now_ms())
    bench.run(limit_ms + 1_000)

    on, off = bench.out("siren").history
    assert off[0] - on[0] in range(limit_ms, limit_ms + 21)


def test_the_watchdog_is_fed_by_every_turn_that_detected(bench):
    """Between two feeds lies one turn; a detection that fails feeds nobody."""
    watchdog = bench.machine.watchdog
    assert watchdog.timeout_ms == 8_000
    assert watchdog.longest_ms <= 10

    fed_ms = watchdog.fed_ms
    bench.shell.gate.tick = broken
    bench.shell.turn()
    assert watchdog.fed_ms == fed_ms


def test_a_program_that_fails_is_silent_and_ends(bench):
    """An error of ours in detection switches everything off; the third in a row ends it all."""
    bench.pad.place(book())
    bench.run(500)
    bench.walk(100)
    assert bench.out("siren").level == 1

    bench.shell.gate.tick = broken
    bench.shell.turn()
    assert [bench.out(name).level for name in ("siren", "lamp_red", "lamp_amber")] == [0, 0, 0]
    bench.shell.turn()
    with pytest.raises(RuntimeError):
        bench.shell.turn()


def test_an_error_in_the_network_half_stops_no_detection(bench):
    """It is noted and shown, and the next turn detects as ever."""
    bench.shell.courier.tick = broken
    bench.pad.place(book())
    bench.run(500)
    bench.walk()

    assert bench.out("siren").history != []
    assert bench.shell.failed.startswith("network: RuntimeError")


def test_a_start_leaves_everything_off():
    """Whatever the pins did before the reset, the program's first act is silence."""
    bench = Bench()
    bench.out("siren").value(1)
    bench.start()

    assert [bench.out(name).level for name in ("siren", "lamp_red", "lamp_amber")] == [0, 0, 0]


def test_stopping_leaves_everything_off_and_counted(bench):
    """A gate that is stopped on purpose is quiet, and its count is in the journal."""
    bench.walk()
    bench.shell.stop()

    assert bench.out("siren").level == 0
    assert [(f["kind"], f["out"]) for f in bench.facts()] == [("passages", 1)]


def test_the_button_quiets_the_siren(bench):
    """Pressed for longer than it bounces, it ends siren and lamp and is recorded."""
    bench.pad.place(book())
    bench.run(500)
    bench.walk(100)
    button = bench.input("button")
    for level, after_ms in ((0, 3), (1, 2), (0, 60), (1, 60)):
        button.drive(level)
        bench.run(after_ms, step_ms=1)

    assert bench.out("siren").level == 0
    assert kinds(bench) == ["alarm", "alarm_answered"]


def test_the_status_lamp_tells_what_is_missing(bench):
    """Each trouble has its number of flashes, the nearest to the gate first."""
    bench.run(1_000)
    assert bench.shell.devices.status.code == WELL

    bench.pad.fail(OFF)
    bench.run(3_000)
    assert bench.shell.devices.status.code == DEVICE_FAILS
    bench.pad.mend()
    bench.client.events = [("closed", "gone")]
    bench.client.accepts = False
    bench.run(3_000)
    assert bench.shell.devices.status.code == NO_BROKER
    bench.wlan.is_there = False
    bench.run(3_000)
    assert bench.shell.devices.status.code == NO_WIFI


def test_a_gate_without_a_list_flashes_for_it():
    """Connected, and blind: whoever looks at the lamp knows to ask at the gateway."""
    bench = Bench(lists=Lists())
    bench.clear()
    bench.run(4_000)

    assert bench.shell.devices.status.code == BLIND_LIST


@pytest.mark.parametrize("code", range(1, 7))
def test_the_flashes_can_be_counted(bench, code):
    """A code is as many flashes as its number, and then a pause."""
    status = bench.out("status")
    bench.shell.devices.status.code = code
    began_ms = bench.clock.now_ms() // 3_000 * 3_000 + 3_000
    status.history.clear()
    while bench.clock.now_ms() < began_ms + 3_000:
        bench.shell.devices.status.tick(bench.clock.now_ms())
        bench.clock.advance(10)

    flashes = [at for at, level in status.history if level == 1 and at >= began_ms]
    assert len(flashes) == code


def test_the_gate_lives_through_the_wrap_of_its_ticks():
    """Where the board's milliseconds begin anew, beams, holds and the siren go on."""
    bench = Bench(started_at=PERIOD - 3_600)
    bench.clear()
    bench.run(3_000)
    bench.pad.place(book())
    bench.run(400)
    bench.walk()
    bench.run(4_000)

    assert [level for _, level in bench.out("siren").history] == [1, 0]
    on, off = bench.out("siren").history
    assert off[0] - on[0] in range(3_000, 3_021)


def test_a_staff_card_lets_a_trolley_pass():
    """Shown at the RC522 spot, hashed with the library's key, it is one pass."""
    from circulation.patrons import card_key
    from sim.tags import SimTag

    card = "04a1b2c3d4e580"
    given = values(
        cards={"port": "spi_1"}, card_key="11" * 16, staff_cards=[card_key(b"\x11" * 16, card)]
    )
    bench = Bench(given)
    bench.clear()
    bench.run(3_000)
    bench.chip.field.put(SimTag(card, technology=NTAG))
    bench.run(500)
    bench.pad.place(book())
    bench.run(500)
    bench.walk()

    assert bench.out("siren").history == []
    assert kinds(bench) == ["alarm_answered"]


def test_the_other_board_guards_too():
    """The same program on an ESP32: other pins, smaller limits."""
    bench = Bench(board=board_esp32)
    bench.clear()
    bench.run(3_000)
    bench.pad.place(book())
    bench.run(500)
    bench.walk()

    assert bench.out("siren").history != []
    assert isinstance(board_esp32.LIMITS, Limits)


@pytest.mark.parametrize(
    "lane",
    [
        {"name": "lane-1", "driver": "pad_3m", "port": "uart_9"},
        {"name": "lane-1", "driver": "pad_3m", "port": "uart_1", "beams": ["beam_9"]},
        {"name": "lane-1", "driver": "rc522", "port": "uart_1"},
    ],
)
def test_a_place_the_board_lacks_is_named(lane):
    """A configuration for another board is refused with the places there are."""
    with pytest.raises(ValueError, match=r"this board has no \w+.*; it has "):
        Bench(values(lanes=[lane]))


def broken(*_):
    raise RuntimeError("planted")
