"""The simulated keyboard scanner, looked at with nothing but struct and the kernel's numbers."""

import errno
import os
import struct

import pytest

from sim.clock import VirtualClock
from sim.errors import FaultUnknown, WorldError
from sim.faults import GARBAGE, OFF, SLOW, STUCK
from sim.serial.input_events import SimKeyboard

GRAB, LEDS, KEYS = 0x40044590, 0x80084519, 0x80604518


@pytest.fixture
def keyboard(tmp_path):
    """Return a maker of keyboards and what reads their events raw."""
    opened = []

    def make(**options):
        device = SimKeyboard(tmp_path / "event-kbd", VirtualClock(1_500), **options)
        opened.append(os.open(device.path, os.O_RDONLY | os.O_NONBLOCK))
        return device, lambda: os.read(opened[-1], 65_536)

    yield make
    for descriptor in opened:
        os.close(descriptor)


@pytest.mark.parametrize(("size", "layout"), [(24, "<qqHHi"), (16, "<IIHHi")])
def test_a_key_is_five_events_of_either_size(keyboard, size, layout):
    """Scan code, key down, report, key up, report: as hid-input sends them, with their time."""
    device, read = keyboard()
    device.event_bytes = size
    device.press(2)

    raw = read()
    assert len(raw) == 5 * size
    assert list(struct.iter_unpack(layout, raw)) == [
        (1, 502_000, 4, 4, 0x70002),
        (1, 502_000, 1, 2, 1),
        (1, 502_000, 0, 0, 0),
        (1, 502_000, 1, 2, 0),
        (1, 502_000, 0, 0, 0),
    ]


def keys_of(raw):
    """Return the keys pressed down in these events of 24 bytes."""
    events = struct.iter_unpack("<qqHHi", raw)
    return [code for _, _, kind, code, value in events if (kind, value) == (1, 1)]


@pytest.mark.parametrize(
    ("options", "label", "keys"),
    [
        ({}, "A1z", [42, 30, 2, 44, 28]),
        ({"layout": "de"}, "A1z", [42, 30, 2, 21, 28]),
        ({"layout": "fr"}, "A1z", [42, 16, 42, 2, 17, 28]),
        ({"keypad": True}, "10", [79, 82, 28]),
        ({"suffix": "tab"}, "1", [2, 15]),
        ({"suffix": "kpenter"}, "1", [2, 96]),
        ({"suffix": "none"}, "1", [2]),
        ({"layout": "de"}, "]", [100, 10, 28]),
        ({}, "\x03", [29, 46, 28]),
        ({}, "1漢2", [2, 3, 28]),
    ],
)
def test_labels_are_typed_as_a_keyboard_of_that_country_would(keyboard, options, label, keys):
    """Each character is the key, or the keys, that print it; what no key prints is left out."""
    device, read = keyboard(**options)
    device.scan(label)

    assert keys_of(read()) == keys


def test_a_second_program_is_refused_the_grab(keyboard):
    """The device belongs to one program, until the plug is pulled."""
    device, _ = keyboard()
    device.ioctl(0, GRAB, 1)
    assert device.is_grabbed
    device.held_by_another = True

    with pytest.raises(OSError, match="grab") as refused:
        device.ioctl(0, GRAB, 1)
    assert refused.value.errno == errno.EBUSY
    device.unplug()
    assert not device.is_grabbed


def test_lamps_and_held_keys_are_told(keyboard):
    """EVIOCGLED and EVIOCGKEY fill in a bit for each."""
    device, _ = keyboard()
    device.press(58)
    device.send(1, 42, 1)
    lamps, held = bytearray(8), bytearray(96)
    device.ioctl(0, LEDS, lamps)
    device.ioctl(0, KEYS, held)

    assert lamps.hex() == "02" + "00" * 7
    assert held[5] == 1 << 2
    assert sum(held) == 4
    with pytest.raises(OSError, match="unknown"):
        device.ioctl(0, 0x1234, 0)


def test_a_pulled_plug_ends_the_stream_and_takes_the_path(keyboard):
    """Who reads finds the end; the path is there again when the plug is."""
    device, read = keyboard()
    device.scan("1")
    read()
    device.unplug()
    device.unplug()
    device.scan("2")

    assert read() == b""
    assert not device.path.exists()
    device.plug_in()
    device.plug_in()
    assert device.path.exists()


@pytest.mark.parametrize("fault", [OFF, STUCK])
def test_a_dead_scanner_types_nothing(keyboard, fault):
    """Off and stuck are silence; mended, it types again."""
    device, read = keyboard()
    device.fail(fault)
    device.scan("1")
    with pytest.raises(BlockingIOError):
        read()
    device.mend()
    device.scan("1")
    assert keys_of(read()) == [2, 28]


def test_garbage_presses_control_keys_and_other_faults_are_refused(keyboard):
    """A broken one types what no label says; a fault it does not model is an error."""
    device, read = keyboard()
    device.fail(GARBAGE)
    device.scan("123")

    assert keys_of(read()).count(29) == 3
    with pytest.raises(FaultUnknown, match="slow"):
        device.fail(SLOW)


def test_a_program_that_does_not_read_loses_events_and_nothing_breaks(keyboard):
    """A pipe that is full drops what comes, as the kernel's buffer does."""
    device, read = keyboard()
    for _ in range(200):
        device.scan("9" * 64)

    assert len(read()) % 24 == 0


def test_an_unknown_suffix_is_refused(tmp_path):
    """A mistake in a test is named."""
    with pytest.raises(WorldError, match="'cr': use one of enter"):
        SimKeyboard(tmp_path / "kbd", VirtualClock(), suffix="cr")
