"""The three cables to the same simulated device keep one contract."""

import os
import socket
import threading
from functools import partial

import pytest
import serial

from hardware.clock import SystemClock
from sim.serial.pad_3m import SimPad3M
from sim.serial.pty import PtyCable
from sim.serial.tcp import TcpCable
from sim.serial.url import plug, remove
from tests.sim.serial.cable_contract import (
    PROBE,
    PROBE_ANSWER,
    CableContract,
    CableRig,
    ask,
    use,
)

TIMEOUT_S = 60
"""Bound of a read that succeeds long before."""


def descriptors():
    return len(os.listdir("/proc/self/fd"))


class TestUrl(CableContract):
    """sim://, in the same process, on the machine's clock."""

    @pytest.fixture
    def rig(self):
        device = SimPad3M(SystemClock(), name="pad")
        url = plug("cable-test", device)
        opened = partial(serial.serial_for_url, url, baudrate=19_200, timeout=TIMEOUT_S)
        yield CableRig(device, opened, lambda: None)
        remove("cable-test")


class TestPty(CableContract):
    """A real pseudo terminal."""

    @pytest.fixture
    def rig(self, tmp_path):
        device = SimPad3M(SystemClock(), name="pad")
        with PtyCable(device, tmp_path / "by-id") as cable:
            yield CableRig(
                device, partial(serial.Serial, str(cable.path), timeout=TIMEOUT_S), cable.settle
            )

    def test_the_name_goes_with_the_plug(self, tmp_path):
        """The link under by-id vanishes with the plug and returns with it."""
        device = SimPad3M(SystemClock(), name="pad-7")
        with PtyCable(device, tmp_path) as cable:
            there = [path.name for path in tmp_path.iterdir()]
            device.unplug()
            cable.settle()
            gone = list(tmp_path.iterdir())
            device.plug_in()
            cable.settle()
            back = cable.path.resolve().exists()

        assert there == ["usb-Lendgate_pad-7-if00-port0"]
        assert gone == []
        assert back
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_cannot_be_made_is_an_error(self, tmp_path):
        """What keeps the cable from being put up is raised where it was asked for."""
        (tmp_path / "file").write_text("")
        cable = PtyCable(SimPad3M(SystemClock()), tmp_path / "file" / "by-id")

        with pytest.raises(OSError, match="file"):
            cable.open()
        cable.close()


class TestTcp(CableContract):
    """A loopback server, as the demo uses it."""

    @pytest.fixture
    def rig(self):
        device = SimPad3M(SystemClock(), name="pad")
        with TcpCable(device) as cable:
            yield CableRig(
                device,
                partial(serial.serial_for_url, cable.url, timeout=TIMEOUT_S),
                cable.settle,
            )

    def test_a_second_host_is_turned_away(self, rig):
        """A cable has one end; the first host keeps it."""
        with rig.open() as port:
            assert ask(port, PROBE, len(PROBE_ANSWER)) == PROBE_ANSWER
            with rig.open() as other, pytest.raises(serial.SerialException):
                use(other)
            assert ask(port, PROBE, len(PROBE_ANSWER)) == PROBE_ANSWER

    def test_the_number_stays_while_the_plug_is_out(self):
        """Nobody else can take the port in the meantime."""
        device = SimPad3M(SystemClock())
        with TcpCable(device) as cable:
            device.unplug()
            cable.settle()

            with socket.socket() as thief, pytest.raises(OSError, match="in use"):
                thief.bind(("127.0.0.1", cable.port))


def threads():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("cable")]


@pytest.mark.parametrize("kind", ["pty", "tcp"])
def test_a_cable_leaves_nothing_behind(tmp_path, kind):
    """Closed, unplugged or plugged, used or never opened: no thread and no descriptor stays."""
    before = descriptors()
    for number in range(6):
        device = SimPad3M(SystemClock())
        cable = PtyCable(device, tmp_path) if kind == "pty" else TcpCable(device)
        if number % 3:
            cable.open()
        if number % 2:
            device.unplug()
        cable.close()
        cable.close()

    assert threads() == []
    assert descriptors() == before
