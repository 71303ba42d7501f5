"""The keyboard scanner on a stream of input events: contract, grab, plugs, lost events."""

import errno
import os
import struct
from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.scanners.codes import LINE, SILENCE
from hardware.scanners.keyboard import EVIOCGRAB, Kernel, KeyboardScanner
from sim.clock import VirtualClock
from sim.serial.input_events import SimKeyboard
from tests.contract.scanner_contract import ScannerContract, ScannerRig

REOPENED_MS = 2_000
NAME = "usb-Scanner_1-event-kbd"


class Desk:
    """A scanner that types, and our driver reading its events."""

    def __init__(self, folder, *, event_bytes=24, layout="us", ends=LINE, kernel=None, **keyboard):
        """kernel: turns the simulated kernel into the one that the driver gets."""
        self.clock = VirtualClock(5_000)
        self.device = SimKeyboard(folder / NAME, self.clock, layout=layout, **keyboard)
        self.device.event_bytes = event_bytes
        given = kernel(self.device.kernel) if kernel else self.device.kernel
        self.scanner = KeyboardScanner(
            str(self.device.path), self.clock, layout=layout, ends=ends, kernel=given
        )

    def plug_in(self):
        """Put the plug in and let the time pass in which the kiosk looks for it."""
        self.device.plug_in()
        self.clock.advance(REOPENED_MS)


def in_bits(kernel, device, count):
    """Read 25 bytes at once: one event and the beginning of the next."""
    return kernel.read(device, 25)


@pytest.mark.parametrize("event_bytes", [24, 16], ids=["64-bit", "32-bit"])
class TestKeyboardScanner(ScannerContract):
    """The contract, on both sizes of an event."""

    @pytest.fixture
    def rig(self, tmp_path, event_bytes):
        desk = Desk(tmp_path, event_bytes=event_bytes)
        return ScannerRig(desk.scanner, desk.device.scan, desk.device.unplug, desk.plug_in)


@pytest.mark.parametrize("layout", ["us", "de", "fr"])
@pytest.mark.parametrize("suffix", ["enter", "kpenter", "tab"])
@pytest.mark.parametrize("keypad", [False, True])
def test_labels_are_read_in_each_layout(tmp_path, layout, suffix, keypad):
    """Digits, letters and signs of library labels come through as printed."""
    desk = Desk(tmp_path, layout=layout, suffix=suffix, keypad=keypad)
    labels = ["30234000517861", "CODE-39 $/+%.W", "abcXYZ", "]C0QA268.L55"]
    for label in labels:
        desk.device.scan(label)

    assert desk.scanner.poll() == ["30234000517861", "CODE-39 $/+%.W", "abcXYZ", "QA268.L55"]


def test_the_device_is_held_alone_until_it_is_closed(tmp_path):
    """The grab comes before the first event is read, and ends with the descriptor."""
    desk = Desk(tmp_path)
    before = os.listdir("/proc/self/fd")
    assert desk.device.grabs == []
    desk.scanner.health()
    assert desk.device.grabs == [True]
    assert len(os.listdir("/proc/self/fd")) == len(before) + 1
    desk.scanner.close()

    assert os.listdir("/proc/self/fd") == before


def test_a_device_held_by_another_program_is_not_read(tmp_path):
    """Without the grab nothing is delivered, and health says what to do."""
    desk = Desk(tmp_path)
    desk.device.held_by_another = True
    desk.device.scan("30001")

    assert desk.scanner.poll() == []
    health = desk.scanner.health()
    assert (health.ok, "stop that program" in health.detail) == (False, True)
    desk.device.held_by_another = False
    desk.clock.advance(REOPENED_MS)
    assert desk.scanner.poll() == ["30001"]


def test_caps_lock_and_its_lamp_are_followed(tmp_path):
    """A scanner that looks at the lamp types turned round; the code comes out as printed."""
    desk = Desk(tmp_path)
    desk.device.caps_lock = True  # before we look: the lamp is asked for
    desk.device.scan("Abc-1")
    assert desk.scanner.poll() == ["Abc-1"]
    desk.device.lamp(False)
    desk.device.scan("Abc-2")
    desk.device.press(58)
    desk.device.scan("Abc-3")
    assert desk.scanner.poll() == ["Abc-2", "Abc-3"]


def test_a_label_that_commands_is_dropped(tmp_path):
    """A label with control characters types Ctrl keys; none of it is a code."""
    desk = Desk(tmp_path)
    desk.device.scan("300\x1201")
    desk.device.scan("30002")

    assert desk.scanner.poll() == ["30002"]
    assert desk.scanner.last_drop == "control keys"


def test_lost_events_drop_the_code_and_resynchronise_the_keys(tmp_path):
    """After SYN_DROPPED the open code is gone, and what is held is asked for."""
    desk = Desk(tmp_path)
    desk.device.press(2)
    desk.device.overflow()
    desk.device.press(3)
    desk.device.press(28)
    desk.device.scan("30001")
    assert desk.scanner.poll() == ["30001"]
    desk.device.overflow(42)
    desk.device.press(28)
    desk.device.press(30)
    desk.device.press(28)

    assert desk.scanner.poll() == ["A"]
    assert (desk.scanner.dropped, desk.scanner.last_drop) == (2, "key presses were lost")


def test_a_code_read_in_two_polls_is_whole(tmp_path):
    """The gap that counts is between the keys, not between our polls."""
    desk = Desk(tmp_path)
    desk.device.press(2)
    assert desk.scanner.poll() == []
    desk.clock.advance(90)
    desk.device.press(3)
    desk.device.press(28)

    assert desk.scanner.poll() == ["12"]


@pytest.mark.parametrize("epoch_ms", [0, 1_700_000_000_000], ids=["monotonic", "wall"])
def test_a_code_that_stops_is_dropped(tmp_path, epoch_ms):
    """Keys without an end are dropped half a second after the last one, by whichever clock."""
    desk = Desk(tmp_path, suffix="none")
    desk.device.stamps_jump(epoch_ms)
    desk.device.scan("30001")
    desk.scanner.poll()
    desk.clock.advance(600)

    assert desk.scanner.poll() == []
    assert (desk.scanner.dropped, desk.scanner.last_drop) == (1, "broken off before its end")


@pytest.mark.parametrize("epoch_ms", [0, 1_700_000_000_000], ids=["monotonic", "wall"])
def test_a_scanner_without_a_suffix_is_read_by_its_pauses(tmp_path, epoch_ms):
    """Where the configuration says so, a tenth of a second ends the code."""
    desk = Desk(tmp_path, suffix="none", ends=SILENCE)
    desk.device.stamps_jump(epoch_ms)
    desk.device.scan("30001")
    assert desk.scanner.poll() == []
    desk.clock.advance(101)

    assert desk.scanner.poll() == ["30001"]


def test_half_an_event_waits_for_its_other_half(tmp_path):
    """A pipe may deliver half a struct; the kernel never does, and neither confuses us."""
    desk = Desk(tmp_path, kernel=lambda whole: replace(whole, read=partial(in_bits, whole)))
    desk.device.scan("30001")

    assert desk.scanner.poll() == ["30001"]


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENODEV, "is not there; check its plug"),
        (errno.EIO, "cannot be used"),
    ],
)
def test_a_device_that_goes_away_is_opened_again(tmp_path, number, says):
    """A read that fails is health red, and the path is tried again."""
    failing = [True]

    def read(device, count):
        if failing[0]:
            raise OSError(number, "gone")
        return os.read(device, count)

    desk = Desk(tmp_path, kernel=lambda kernel: replace(kernel, read=read))
    desk.device.scan("30001")
    health = desk.scanner.health()
    assert not health.ok
    assert says in health.detail
    failing[0] = False
    assert desk.scanner.health().ok
    assert desk.scanner.poll() == ["30001"]


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.EACCES, "group input"),
        (errno.ENOTTY, "/dev/input/by-id/"),
        (errno.EBUSY, "stop that program"),
    ],
)
def test_a_device_that_cannot_be_taken_says_why(tmp_path, number, says):
    """Each refusal of the kernel is a sentence that says what to do."""

    def ioctl(device, request, argument):
        raise OSError(number, "no")

    desk = Desk(tmp_path, kernel=lambda kernel: replace(kernel, ioctl=ioctl))

    assert says in desk.scanner.health().detail


def test_a_missing_device_is_tried_ever_more_slowly(tmp_path):
    """0.2 s, then twice as long each time, at most 2 s: never a busy loop."""
    attempts = []

    def opened(path, flags):
        attempts.append(desk.clock.now_ms())
        return os.open(path, flags)

    desk = Desk(tmp_path, kernel=lambda kernel: replace(kernel, open=opened))
    desk.device.unplug()
    for _ in range(10_000):
        desk.scanner.health()
        desk.clock.advance(1)

    gaps = [b - a for a, b in pairwise(attempts)]
    assert gaps == [200, 400, 800, 1_600, 2_000, 2_000, 2_000]


def test_a_clock_that_jumps_does_not_spoil_codes(tmp_path):
    """Where the kernel stamps with the wall clock, a jump back loses at most nothing."""
    desk = Desk(tmp_path)
    desk.device.scan("30001")
    desk.device.stamps_jump(-4_000)
    desk.device.scan("30002")

    assert desk.scanner.poll() == ["30001", "30002"]


def test_the_native_size_of_an_event_is_the_kernels():
    """A program without a simulator reads what its own C compiler would: two longs in front."""
    assert Kernel().event_bytes == 2 * struct.calcsize("l") + 8
    assert EVIOCGRAB == 0x40044590


@given(st.binary(max_size=960))
def test_no_events_break_the_reader(data):
    """Whatever a device sends, codes are short and printable, and nothing is raised."""
    pieces = [data]

    def read(device, count):
        if not pieces:
            raise BlockingIOError
        return pieces.pop() or b"\0"

    kernel = Kernel(
        open=lambda path, flags: os.open(os.devnull, flags),
        ioctl=lambda device, request, argument: 0,
        read=read,
        event_bytes=24,
    )
    scanner = KeyboardScanner("/dev/input/by-id/any", VirtualClock(), kernel=kernel)

    for code in scanner.poll():
        assert 1 <= len(code) <= 64
        assert code.isprintable()
    assert scanner.health().ok
    scanner.close()
