"""A kiosk from its configuration: real drivers, on devices simulated below their libraries."""

import threading

import pytest

from circulation.config import Section
from circulation.errors import ConfigInvalid
from hardware.attendant import Patience
from hardware.ports import Security
from kiosk.devices import read_devices
from sim.clock import VirtualClock
from sim.devices import SimReader
from sim.serial import url
from sim.serial.pad_3m import SimPad3M
from sim.serial.scanner import SimSerialScanner
from tests.kiosk.library import ANNA, BARCODES, CARD_BARCODES, GOOSE, MOMO, Kiosk

PAD, SCANNER = "kiosk-pad", "kiosk-scanner"
SECTIONS = {
    "pad": {"driver": "pad_3m", "port": f"sim://{PAD}"},
    "scanner": {"driver": "serial", "port": f"sim://{SCANNER}"},
}
PATIENT = Patience(round_ms=5_000, answer_ms=5_000)


class Wired(Kiosk):
    """A kiosk with a 3M pad and a serial scanner, each at its cable."""

    def __init__(self, folder, *, patience=None, sections=None, is_pad_out=False):
        clock = VirtualClock()
        self.pad_device = SimPad3M(clock)
        if is_pad_out:
            self.pad_device.unplug()
        self.scanner_device = SimSerialScanner(clock)
        url.plug(PAD, self.pad_device)
        url.plug(SCANNER, self.scanner_device)
        section = Section(SECTIONS | (sections or {}), file="kiosk.toml")
        super().__init__(
            folder, clock=clock, devices=read_devices(section, clock, patience=patience)
        )
        self.devices.start()
        self.pad = self.pad_device

    def scan(self, code):
        """Hold a label under the scanner."""
        self.scanner_device.scan(code)
        return self.run(800)

    def close(self):
        self.devices.close()
        self.engine.lists.close()
        self.engine.store.close()
        url.remove(PAD)
        url.remove(SCANNER)


@pytest.fixture
def kiosk(tmp_path):
    made = Wired(tmp_path)
    yield made
    made.close()


def no_devices(section, clock):
    """A factory that forgets to return them."""


def test_a_factory_that_returns_no_devices_is_refused():
    """Before anything starts, and by its option."""
    section = Section({"factory": f"{__name__}:no_devices"}, file="kiosk.toml")

    with pytest.raises(ConfigInvalid, match="it returned None, not KioskDevices"):
        read_devices(section, VirtualClock())


def ms_until(kiosk, happens):
    """Return after how many milliseconds something is so."""
    began_ms = kiosk.clock.now_ms()
    while not happens():
        assert kiosk.clock.now_ms() - began_ms < 10_000, kiosk.view["devices"]
        kiosk.run(100)
    return kiosk.clock.now_ms() - began_ms


def test_a_book_is_lent_over_two_cables(kiosk):
    """The card's label, the book's tag: recorded, switched and ticked."""
    kiosk.load().run(1_000).scan(CARD_BARCODES[ANNA]).place(GOOSE).run(1_000)

    assert kiosk.tiles == {"The Snow Goose": "done"}
    assert kiosk.tag(GOOSE).security is Security.ON_LOAN


def test_a_kiosk_whose_pad_is_out_lends_by_barcode_and_heals(tmp_path):
    """Unplugged at the start: red, lends all the same; plugged in it switches, without restart."""
    kiosk = Wired(tmp_path, is_pad_out=True)
    kiosk.load().run(2_000).scan(CARD_BARCODES[ANNA]).scan(BARCODES[GOOSE]).run(1_000)
    assert kiosk.loan(GOOSE) == ANNA
    assert "check its plug" in kiosk.view["devices"]["pad"]
    assert not kiosk.view["pad"]

    kiosk.pad_device.plug_in()
    assert ms_until(kiosk, lambda: kiosk.view["devices"]["pad"] == "ok") <= 5_000
    kiosk.place(MOMO).run(1_000)
    assert kiosk.tag(MOMO).security is Security.ON_LOAN
    kiosk.close()


@pytest.mark.parametrize("name", ["pad", "scanner"])
def test_a_cable_that_is_pulled_is_red_within_five_seconds(kiosk, name):
    """And green within five seconds after it is in again."""
    device = {"pad": kiosk.pad_device, "scanner": kiosk.scanner_device}[name]
    kiosk.load().run(3_000)
    assert kiosk.view["devices"][name] == "ok"

    device.unplug()
    assert ms_until(kiosk, lambda: kiosk.view["devices"][name] != "ok") <= 5_000
    device.plug_in()
    assert ms_until(kiosk, lambda: kiosk.view["devices"][name] == "ok") <= 5_000


def test_a_cable_pulled_while_a_tag_is_switched_loses_no_loan(kiosk):
    """The loan stands, the gates are told to go by their list, and the next book is switched."""
    kiosk.load().run(1_000).scan(CARD_BARCODES[ANNA])
    kiosk.pad.place(kiosk.tag(GOOSE))
    for _ in range(40):
        kiosk.run(100)
        if kiosk.facts("checkout"):
            break
    kiosk.pad_device.unplug()
    kiosk.run(5_000)
    assert kiosk.loan(GOOSE) == ANNA
    is_switched = kiosk.tag(GOOSE).security is Security.ON_LOAN
    assert is_switched or kiosk.facts("security_not_set")

    kiosk.pad_device.plug_in()
    kiosk.run(4_000).place(MOMO).run(1_000)
    assert kiosk.tag(MOMO).security is Security.ON_LOAN


GO = threading.Event()


def hanging(options, clock, name):
    """A driver of somebody else's whose reader never answers."""

    class Hanging(SimReader):
        def inventory(self):
            GO.wait()
            return super().inventory()

    return lambda: Hanging(clock, name=name)


def test_a_card_reader_that_hangs_stops_nothing(tmp_path):
    """The session goes on, the reader is red, and answers count when they come at last."""
    GO.clear()
    cards = {"driver": f"{__name__}:hanging"}
    kiosk = Wired(
        tmp_path,
        patience=Patience(round_ms=100, answer_ms=5_000),
        sections={"cards": cards},
    )
    kiosk.load().run(1_000).scan(CARD_BARCODES[ANNA]).place(GOOSE).run(2_000)
    assert kiosk.tiles == {"The Snow Goose": "done"}
    assert "pull its plug" in kiosk.view["devices"]["cards"]

    GO.set()
    kiosk.devices.card_reader._attendant._asked.answer.exception(timeout=10)
    kiosk.run(3_000)
    assert kiosk.view["devices"]["cards"] == "ok"
    kiosk.close()


def test_a_kiosk_asks_its_devices_by_threads_and_lends_the_same(tmp_path):
    """As it runs in a library: each device with a thread of its own."""
    kiosk = Wired(tmp_path, patience=PATIENT)
    kiosk.load().run(1_000).scan(CARD_BARCODES[ANNA]).place(GOOSE).run(1_000)

    assert kiosk.tag(GOOSE).security is Security.ON_LOAN
    kiosk.close()
