"""The serial scanner on simulated cables: the contract of scanners, suffixes, pauses, plugs."""

import pytest

from hardware.scanners.codes import SILENCE
from hardware.scanners.serial import SerialScanner
from hardware.serial_line import SerialLine
from sim.clock import VirtualClock
from sim.faults import GARBAGE, SLOW
from sim.serial.scanner import SimSerialScanner
from sim.serial.url import plug, remove
from tests.contract.scanner_contract import ScannerContract, ScannerRig

REOPENED_MS = 2_000


class Desk:
    """A simulated scanner, its cable, and our driver at the other end."""

    def __init__(self, *, suffix="cr", aim=False, encoding="utf-8", paced=False, **options):
        self.clock = VirtualClock()
        self.device = SimSerialScanner(
            self.clock, suffix=suffix, aim=aim, encoding=encoding, paced=paced
        )
        self.url = plug("scanner-under-test", self.device)
        line = SerialLine(self.url, baudrate=9_600, clock=self.clock)
        self.scanner = SerialScanner(line, self.clock, **options)
        self.scanner.health()

    def plug_in(self):
        """Put the plug in and let the time pass in which the kiosk looks for it."""
        self.device.plug_in()
        self.clock.advance(REOPENED_MS)
        self.scanner.health()


@pytest.fixture
def desk_of():
    """Return a maker of desks whose cable is taken down afterwards."""
    yield Desk
    remove("scanner-under-test")


class TestSerialScanner(ScannerContract):
    """The contract, over `sim://`."""

    @pytest.fixture
    def rig(self, desk_of):
        desk = desk_of()
        return ScannerRig(desk.scanner, desk.device.scan, desk.device.unplug, desk.plug_in)


@pytest.mark.parametrize("suffix", ["cr", "lf", "crlf"])
def test_each_suffix_ends_a_code(desk_of, suffix):
    """A scanner with any of the three suffixes works without being configured."""
    desk = desk_of(suffix=suffix, aim=True)
    desk.device.scan("9780131103627")
    desk.device.scan("30234000517861")

    assert desk.scanner.poll() == ["9780131103627", "30234000517861"]


def test_a_scanner_without_a_suffix_is_read_by_its_pauses(desk_of):
    """The code comes in the poll in which it ended, a tenth of a second later."""
    desk = desk_of(suffix="none", ends=SILENCE)
    desk.device.scan("30001234567")
    before_ms = desk.clock.now_ms()

    assert desk.scanner.poll() == ["30001234567"]
    assert desk.clock.now_ms() - before_ms == 100


def test_a_code_that_arrives_slowly_is_whole(desk_of):
    """At 9,600 baud a poll in the middle of a code waits for its end."""
    desk = desk_of(paced=True)
    desk.device.scan("9" * 64)
    desk.clock.advance(10)

    assert desk.scanner.poll() == ["9" * 64]
    assert desk.scanner.dropped == 0


def test_a_code_without_an_end_is_dropped(desk_of):
    """A scanner set to no suffix, read as one with a suffix, delivers nothing and is counted."""
    desk = desk_of(suffix="none")
    desk.device.scan("30001234567")

    assert desk.scanner.poll() == []
    assert (desk.scanner.dropped, desk.scanner.last_drop) == (1, "broken off before its end")


def test_a_plug_pulled_in_the_middle_of_a_code_leaves_no_half(desk_of):
    """What came before the plug was pulled is dropped, and the next code is read whole."""
    desk = desk_of(paced=True)
    desk.device.scan("30001234567")
    desk.clock.advance(5)
    desk.device.unplug()

    assert desk.scanner.poll() == []
    desk.plug_in()
    desk.device.scan("30007654321")
    desk.clock.advance(50)
    assert desk.scanner.poll() == ["30007654321"]


def test_noise_that_never_ends_does_not_hold_the_program(desk_of):
    """A poll gives up after 600 ms, whatever comes."""
    desk = desk_of(paced=True)
    for _ in range(40):
        desk.device._send(b"z" * 50, after_ms=0, words="noise")
    desk.clock.advance(5)
    before_ms = desk.clock.now_ms()

    assert desk.scanner.poll() == []
    assert desk.clock.now_ms() - before_ms <= 700
    assert desk.scanner.last_drop == "never ends"


def test_garbage_is_counted_and_slow_codes_come(desk_of):
    """A broken scanner names no item; a slow one does, later."""
    desk = desk_of()
    desk.device.fail(GARBAGE)
    desk.device.scan("30001234567")
    assert desk.scanner.poll() == []
    assert desk.scanner.dropped >= 1
    desk.clock.advance(1_000)
    desk.device.fail(SLOW)
    desk.device.scan("30001234567")
    assert desk.scanner.poll() == []
    desk.clock.advance(600)
    assert desk.scanner.poll() == ["30001234567"]


def test_health_names_the_scanner_and_what_to_do(desk_of):
    """Unplugged, it says which scanner and to look at its plug."""
    desk = desk_of(name="desk scanner")
    desk.device.unplug()

    health = desk.scanner.health()

    assert not health.ok
    assert health.detail.startswith("desk scanner: sim://")
    assert "check its plug" in health.detail
