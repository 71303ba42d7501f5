"""What every cable to a simulated serial device does: sim://, a pseudo terminal, a socket."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import serial

from sim.serial.pad_3m import SimPad3M

PROBE = bytes.fromhex("d500050400118c66")
PROBE_ANSWER = bytes.fromhex("d500090400110a0500027250")


@dataclass
class CableRig:
    """A 3M pad and the way to it.

    `open(**settings)` opens the host's end, `settle()` waits until the cable has followed the
    plug; both are bounded.
    """

    device: SimPad3M
    open: Callable[..., Any]
    settle: Callable[[], Any]


def ask(port, request, length=200):
    port.write(request)
    return port.read(length)


def use(port):
    """Read and write for a while, at most as often as bytes may be left over."""
    for _ in range(20):
        port.read(100)
        port.write(PROBE)


def expect_dead(port):
    """The port says that its device is gone."""
    with pytest.raises((serial.SerialException, OSError)):
        use(port)


class CableContract:
    """Inherit, give the fixture `rig` a `CableRig`, and have all of these."""

    def test_a_request_is_answered(self, rig):
        """Bytes get to the device and its answer gets back, byte for byte."""
        with rig.open() as port:
            assert ask(port, PROBE, len(PROBE_ANSWER)) == PROBE_ANSWER

    def test_reading_ends_at_its_time_out(self, rig):
        """Nothing said is nothing read, and no error."""
        with rig.open(timeout=0.05) as port:
            assert port.read(10) == b""

    def test_an_answer_in_pieces_is_read_whole(self, rig):
        """A read waits for the rest of an answer that comes in pieces."""
        rig.device.split_answers(1, 3, gap_ms=10)

        with rig.open() as port:
            assert ask(port, PROBE, len(PROBE_ANSWER)) == PROBE_ANSWER

    def test_half_an_answer_is_half_an_answer(self, rig):
        """An answer cut short is what has come when the time is out."""
        rig.device.cut_answer(5)

        with rig.open() as port:
            assert ask(port, PROBE, 5) == PROBE_ANSWER[:5]
            patience_s, port.timeout = port.timeout, 0.05
            assert port.read(len(PROBE_ANSWER)) == b""
            port.timeout = patience_s
            assert ask(port, PROBE, len(PROBE_ANSWER)) == PROBE_ANSWER

    def test_noise_comes_before_the_answer(self, rig):
        """Bytes of a bad cable stand before the frame."""
        rig.device.make_noise(b"\x00\xff")

        with rig.open() as port:
            assert ask(port, PROBE, 2 + len(PROBE_ANSWER)) == b"\x00\xff" + PROBE_ANSWER

    def test_what_came_while_nobody_listened_is_gone(self, rig):
        """A port starts empty."""
        rig.device.say(b"hello?")
        rig.settle()

        with rig.open() as port:
            assert ask(port, PROBE, len(PROBE_ANSWER)) == PROBE_ANSWER

    def test_an_unplugged_device_cannot_be_opened(self, rig):
        """Without a plug there is no port, and pyserial says so."""
        rig.device.unplug()
        rig.settle()

        with pytest.raises(serial.SerialException):
            rig.open()

    def test_a_port_dies_with_its_plug_and_stays_dead(self, rig):
        """The port that was open does not come back by itself; a new one works."""
        port = rig.open()
        assert ask(port, PROBE, len(PROBE_ANSWER)) == PROBE_ANSWER
        port.timeout = 0.1
        rig.device.unplug()
        rig.settle()
        expect_dead(port)
        rig.device.plug_in()
        rig.settle()

        expect_dead(port)
        port.close()
        with rig.open() as again:
            assert ask(again, PROBE, len(PROBE_ANSWER)) == PROBE_ANSWER

    def test_a_read_ends_when_the_plug_is_pulled(self, rig):
        """Somebody who waits for bytes learns of the pulled plug, long before the time-out."""
        with rig.open(timeout=30) as port:
            assert ask(port, PROBE, len(PROBE_ANSWER)) == PROBE_ANSWER
            puller = threading.Timer(0.05, rig.device.unplug)
            puller.start()

            with pytest.raises((serial.SerialException, OSError)):
                port.read(1)
            puller.join()

    def test_a_plug_pulled_twenty_times_works_twenty_times(self, rig):
        """Nothing is used up by pulling and putting in."""
        for _ in range(20):
            rig.device.unplug()
            rig.settle()
            rig.device.plug_in()
            rig.settle()

        with rig.open() as port:
            assert ask(port, PROBE, len(PROBE_ANSWER)) == PROBE_ANSWER
