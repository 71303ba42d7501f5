"""Both pads keep the promises of a tag reader: on `sim://`, and on a real pseudo terminal."""

import itertools

import pytest

from hardware.clock import SystemClock
from hardware.readers.serial_pad import Pad3m, PadFeig, PadOptions
from hardware.serial_line import SerialLine
from sim.clock import VirtualClock
from sim.serial import url
from sim.serial.pad_3m import SimPad3M
from sim.serial.pad_feig import SimPadFeig
from sim.serial.pty import PtyCable
from sim.tags import SimTag
from tests.contract.reader_contract import ReaderRig, TagReaderContract

NAMES = (f"contract-{number}" for number in itertools.count())
TRIES = PadOptions().tries


def rig_of(reader, pad, *, unplug, plug_in):
    """Return the contract's rig; a weak field has to outlast the driver's own tries."""

    def place(uid, content, security):
        tag = content if isinstance(content, SimTag) else None
        tag = tag or pad.field.get(uid) or SimTag(uid, content=content, security=security)
        pad.place(tag)
        return tag

    return ReaderRig(
        reader,
        place=place,
        lift=pad.lift,
        pull=lambda uid, writes: pad.pull(uid, after_writes=writes),
        weaken=lambda uid, writes: pad.field.get(uid).ignore_writes(writes * TRIES),
        unplug=unplug,
        plug_in=plug_in,
    )


def on_url(pad_type, reader_type, parity="N"):
    """Yield a rig over pyserial's `sim://`, in virtual time."""
    clock, name = VirtualClock(), next(NAMES)
    pad = pad_type(clock, name="pad")
    line = SerialLine(
        url.plug(name, pad), baudrate=pad.settings.baudrate, parity=parity, clock=clock
    )
    reader = reader_type(line, clock, name="pad")
    yield rig_of(reader, pad, unplug=pad.unplug, plug_in=pad.plug_in)
    reader.close()
    url.remove(name)


def on_terminal(pad_type, reader_type, folder, parity="N"):
    """Yield a rig over a real pseudo terminal, found by its name in a folder like by-id."""
    clock = SystemClock()
    pad = pad_type(clock, name="pad", latency_ms=1)
    with PtyCable(pad, folder) as cable:
        line = SerialLine(
            str(cable.path), baudrate=pad.settings.baudrate, parity=parity, clock=clock
        )
        reader = reader_type(line, clock, name="pad", options=PadOptions(timeout_ms=5_000))

        def plug_in():
            pad.plug_in()
            cable.settle()

        def unplug():
            pad.unplug()
            cable.settle()

        yield rig_of(reader, pad, unplug=unplug, plug_in=plug_in)
        reader.close()


class TestPad3mOnUrl(TagReaderContract):
    """A 3M pad below pyserial."""

    @pytest.fixture
    def rig(self):
        yield from on_url(SimPad3M, Pad3m)


class TestPadFeigOnUrl(TagReaderContract):
    """A Feig reader below pyserial."""

    @pytest.fixture
    def rig(self):
        yield from on_url(SimPadFeig, PadFeig, parity="E")


class TestPad3mOnTerminal(TagReaderContract):
    """A 3M pad behind a real tty."""

    @pytest.fixture
    def rig(self, tmp_path):
        yield from on_terminal(SimPad3M, Pad3m, tmp_path)


class TestPadFeigOnTerminal(TagReaderContract):
    """A Feig reader behind a real tty, which takes no parity."""

    @pytest.fixture
    def rig(self, tmp_path):
        yield from on_terminal(SimPadFeig, PadFeig, tmp_path, parity="E")
