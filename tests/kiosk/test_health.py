"""A plug is pulled, and everybody who should know does; it is put in again, and all is well."""

import pytest

from circulation.wire.messages import SiteAlarm, sealed
from hardware.ports import Health
from kiosk.devices import OUTPUTS, KioskDevices
from sim.clock import VirtualClock
from sim.devices import SimReader
from sim.faults import INTERMITTENT, OFF
from sim.pins import SimOutput
from sim.tags import SimTag
from tests.kiosk.library import (
    ANNA,
    ANNAS_CARD,
    ATLAS,
    BARCODES,
    CARD_BARCODES,
    GOOSE,
    MOMO,
    SITE_KEY,
    UIDS,
    Kiosk,
)

DEVICES = ("pad", "cards", "scanner", "printer")


@pytest.fixture
def kiosk(tmp_path):
    """A kiosk that is online and has been well for some seconds."""
    made = Kiosk(tmp_path).load().connect().run(3_000)
    yield made
    made.engine.lists.close()
    made.engine.store.close()


def ms_until(kiosk, happens, within_ms=10_000):
    """Return after how many milliseconds something is so."""
    began_ms = kiosk.clock.now_ms()
    while not happens():
        assert kiosk.clock.now_ms() - began_ms < within_ms
        kiosk.run(100)
    return kiosk.clock.now_ms() - began_ms


def told_health(kiosk):
    """What the gateway was told last."""
    return kiosk.telemetry()[-1].health


@pytest.mark.parametrize("name", DEVICES)
def test_a_pulled_plug_is_red_within_five_seconds_and_green_after(kiosk, name):
    """Screen and gateway show each device's trouble, and that it is over, without a restart."""
    device = getattr(kiosk, name)
    device.fail(OFF)

    assert ms_until(kiosk, lambda: kiosk.view["devices"][name] != "ok") <= 5_000
    assert ms_until(kiosk, lambda: told_health(kiosk)[name] == f"{name}: off") <= 1_500
    assert kiosk.view["health"] == [f"{name}: off"]
    device.mend()
    assert ms_until(kiosk, lambda: kiosk.view["health"] == []) <= 5_000
    assert ms_until(kiosk, lambda: told_health(kiosk)[name] == "ok") <= 1_500


def test_a_loose_plug_makes_no_flood(kiosk):
    """However often a device fails and comes back, the gateway hears of it once a second."""
    before = len(kiosk.telemetry())
    for _ in range(40):
        kiosk.pad.fault = None if kiosk.pad.fault else OFF
        kiosk.run(300)

    assert 2 <= len(kiosk.telemetry()) - before <= 12


def test_without_the_pad_a_book_is_lent_by_its_label(kiosk):
    """Card and book are scanned; the loan is recorded, and the tag is the gates' list's matter."""
    kiosk.pad.fail(OFF)
    kiosk.cards.fail(OFF)
    kiosk.run(2_000).scan(CARD_BARCODES[ANNA]).scan(BARCODES[GOOSE]).run(2_000)

    assert kiosk.loan(GOOSE) == ANNA
    assert not kiosk.view["pad"]
    assert kiosk.view["scanner"]


def test_without_the_scanner_a_book_is_lent_by_its_tag(kiosk):
    """A card on its spot and a book on the pad are enough."""
    kiosk.scanner.fail(OFF)
    kiosk.run(2_000).show_card().place(MOMO).run(2_000)

    assert kiosk.loan(MOMO) == ANNA
    assert not kiosk.view["scanner"]


def test_a_pad_that_comes_back_switches_tags_again(kiosk):
    """Lent by label while the pad was out, the next book is switched as ever."""
    kiosk.pad.fail(OFF)
    kiosk.run(2_000)
    kiosk.pad.mend()
    kiosk.run(2_000).show_card().place(GOOSE).run(1_000)

    assert kiosk.tiles == {"The Snow Goose": "done"}
    assert kiosk.view["pad"]


def test_a_device_that_fails_now_and_then_stops_nothing(kiosk):
    """Every second answer missing is a slow pad, not a dead kiosk."""
    kiosk.pad.fail(INTERMITTENT)
    kiosk.show_card().place(GOOSE).run(6_000)

    assert kiosk.loan(GOOSE) == ANNA


def test_a_device_that_says_nothing_of_why_is_red_all_the_same(kiosk):
    """A third party's driver without a sentence does not count as well."""
    kiosk.devices.printer = SilentlyIll(kiosk.printer)
    kiosk.run(2_000)

    assert kiosk.view["devices"]["printer"] == "it does not work"


class SilentlyIll:
    """A printer that does not say what it lacks."""

    def __init__(self, printer):
        self.printer = printer

    def health(self):
        return Health(False)

    def close(self):
        self.printer.close()


def test_lamps_and_sounds_tell_what_the_screen_tells(tmp_path):
    """Done, refused and a gate's alarm each have a rhythm; a device that is missing is silent."""
    clock = VirtualClock()
    outputs = {name: SimOutput(clock, name=name, max_on_ms=2_000) for name in OUTPUTS}
    devices = KioskDevices(
        SimReader(clock, name="pad"), card_reader=SimReader(clock, name="cards"), **outputs
    )
    kiosk = Kiosk(tmp_path, clock=clock, devices=devices).load().run(1_000)
    kiosk.pad, kiosk.cards = devices.reader, devices.card_reader

    kiosk.cards.place(SimTag(ANNAS_CARD))
    kiosk.run(500).place(GOOSE).run(2_000)
    assert heard(outputs) == {"sound_ok": 1, "lamp_ok": 1}
    kiosk.place(ATLAS)
    kiosk.pad.place(SimTag("e0040150000000ff"))
    kiosk.run(4_000)
    assert heard(outputs)["sound_problem"] == 2
    alarm = SiteAlarm(
        "gate-1", "00000000000000a1", "gate-1", "lane-1", "out", 4, UIDS[MOMO][0], None, None,
        None, 5, None, "",
    )  # fmt: skip
    kiosk.connect()
    kiosk.hear(kiosk.topics.site_alarm("main"), sealed(alarm, bytes.fromhex(SITE_KEY)))
    kiosk.run(11_000)
    assert heard(outputs)["lamp_alarm"] == 25
    kiosk.engine.store.close()


def heard(outputs):
    """How often each lamp and sound went on."""
    counts = {
        name: [on for _, on in output.history].count(True) for name, output in outputs.items()
    }
    return {name: count for name, count in counts.items() if count}
