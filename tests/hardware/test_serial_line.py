"""The serial line: opened when used, reopened after a plug was pulled, and never shared."""

import errno
import os
import pty
import termios
import tty

import pytest
import serial

from hardware.clock import SystemClock
from hardware.errors import DeviceTimeout, DeviceUnavailable
from hardware.serial_line import SerialLine
from sim.clock import VirtualClock


class Plug:
    """A port made of memory: `arrives` is what can be read, `error` what every use raises.

    Like a cable without modem lines, it fails when somebody touches one.
    """

    def __init__(self):
        self.opened = []
        self.sent = b""
        self.arrives = b""
        self.error = None
        self.refuses = None
        self.timeout = 0
        self.closed = 0

    def open(self, port, **settings):
        self.opened.append((port, settings))
        if self.refuses is not None:
            raise self.refuses
        return self

    def __setattr__(self, name, value):
        if name in ("dtr", "rts", "break_condition"):
            raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")
        object.__setattr__(self, name, value)

    def __getattr__(self, name):
        raise OSError(errno.ENOTTY, f"Inappropriate ioctl for device: {name}")

    @property
    def in_waiting(self):
        self._fail()
        return len(self.arrives)

    def read(self, size=1):
        self._fail()
        found, self.arrives = self.arrives[:size], self.arrives[size:]
        return found

    def write(self, data):
        self._fail()
        self.sent += data
        return len(data)

    def reset_input_buffer(self):
        self._fail()
        self.arrives = b""

    def close(self):
        self.closed += 1

    def _fail(self):
        if self.error is not None:
            raise self.error


@pytest.fixture
def clock():
    return VirtualClock(now_ms=5_000)


@pytest.fixture
def plug():
    return Plug()


@pytest.fixture
def line(clock, plug):
    return SerialLine("/dev/pad", baudrate=19_200, parity="E", clock=clock, open_port=plug.open)


@pytest.fixture
def terminal():
    """The two ends of a real pseudo terminal: our file, and its name for the line."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    name = os.ttyname(theirs)
    os.close(theirs)
    yield ours, name
    os.close(ours)


def test_nothing_is_opened_before_the_first_use(line, plug):
    """Making a line costs nothing: a kiosk starts although no pad is there."""
    assert plug.opened == []
    line.write(b"\x01")
    line.write(b"\x02")

    assert [port for port, _ in plug.opened] == ["/dev/pad"]
    assert plug.sent == b"\x01\x02"


def test_the_port_is_ours_alone_and_set_as_told(line, plug):
    """Baud rate and parity are passed on, and a second program is locked out."""
    line.write(b"\x01")
    settings = plug.opened[0][1]

    assert settings["baudrate"] == 19_200
    assert settings["parity"] == "E"
    assert settings["exclusive"] is True
    assert settings["write_timeout"] == 1.0


def test_what_arrived_is_read_and_flushed(line, plug):
    """Reading takes at most what was asked for; flushing forgets the rest."""
    plug.arrives = b"\x01\x02\x03\x04"

    assert line.read(1, 0) == b"\x01"
    line.flush()
    assert line.read(4, 0) == b""


def test_the_ports_own_timeout_does_the_waiting(line, plug, clock):
    """Milliseconds become the port's timeout; no clock is watched meanwhile."""
    line.read(1, 250)

    assert plug.timeout == 0.25
    assert clock.now_ms() == 5_000


@pytest.mark.parametrize(
    "error",
    [
        serial.SerialException("device reports readiness to read but returned no data"),
        OSError(errno.EIO, "Input/output error"),
        termios.error(errno.EIO, "Input/output error"),
    ],
)
@pytest.mark.parametrize(
    "use",
    [
        lambda line: line.read(1, 10),
        lambda line: line.write(b"x"),
        lambda line: line.flush(),
    ],
    ids=["read", "write", "flush"],
)
def test_a_port_that_fails_is_closed_and_said(line, plug, error, use):
    """Whatever pyserial raises when a plug is pulled is one named error; the port is let go."""
    line.write(b"x")
    plug.error = error

    with pytest.raises(DeviceUnavailable, match=r"/dev/pad: .*check its plug"):
        use(line)
    assert plug.closed == 1


def test_a_replugged_port_is_opened_by_the_next_use(line, plug):
    """The first try after a loss comes at once: most plugs are back before anybody asks."""
    line.write(b"x")
    plug.error = OSError(errno.EIO, "gone")
    with pytest.raises(DeviceUnavailable):
        line.read(1, 10)
    plug.error = None
    line.write(b"y")

    assert len(plug.opened) == 2
    assert plug.sent == b"xy"


def test_a_port_that_stays_away_is_tried_ever_more_slowly(line, plug, clock):
    """0.2 s after the first refusal, then doubling up to every 2 s: a log that stays readable."""
    plug.refuses = FileNotFoundError(errno.ENOENT, "No such file or directory")
    tried_ms = []
    for _ in range(9_000):
        before = len(plug.opened)
        with pytest.raises(DeviceUnavailable, match="is not there; check its plug"):
            line.read(1, 0)
        if len(plug.opened) > before:
            tried_ms.append(clock.now_ms() - 5_000)
        clock.advance(1)

    assert tried_ms == [0, 200, 600, 1_400, 3_000, 5_000, 7_000]


def test_a_port_that_came_back_begins_with_short_pauses_again(line, plug, clock):
    """A success forgets the failures before it."""
    plug.refuses = FileNotFoundError(errno.ENOENT, "gone")
    for _ in range(5):
        with pytest.raises(DeviceUnavailable):
            line.read(1, 0)
        clock.advance(2_000)
    plug.refuses = None
    line.read(1, 0)
    plug.error = OSError(errno.EIO, "gone")
    plug.refuses = FileNotFoundError(errno.ENOENT, "gone")
    for _ in range(2):
        with pytest.raises(DeviceUnavailable):
            line.read(1, 0)
    opened = len(plug.opened)
    clock.advance(200)
    with pytest.raises(DeviceUnavailable):
        line.read(1, 0)

    assert len(plug.opened) == opened + 1


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (serial.SerialException(errno.ENOENT, "x"), "is not there; check its plug"),
        (
            serial.SerialException(errno.EACCES, "x"),
            "add this program's user to the group dialout",
        ),
        (serial.SerialException(errno.EAGAIN, "x"), "held by another program; stop that program"),
        (serial.SerialException(errno.EBUSY, "x"), "held by another program; stop that program"),
        (termios.error(errno.EINVAL, "x"), "refuses these settings; check baud rate and parity"),
        (serial.SerialException("no idea"), "cannot be opened (no idea); check its plug"),
        (ValueError("invalid URL"), "cannot be a port (invalid URL); correct it"),
        (ImportError("serial"), "needs the package pyserial; install it"),
    ],
)
def test_a_port_that_cannot_be_opened_says_what_to_do(line, plug, error, sentence):
    """Each reason has its own next step, with the port's name in front."""
    plug.refuses = error

    with pytest.raises(DeviceUnavailable) as refused:
        line.write(b"x")
    assert str(refused.value).startswith("/dev/pad: ")
    assert sentence in str(refused.value)


def test_a_port_that_takes_nothing_is_a_timeout(line, plug):
    """A hung bridge is told apart from a pulled plug."""
    plug.error = serial.SerialTimeoutException("Write timeout")

    with pytest.raises(DeviceTimeout, match="unplug it and plug it in"):
        line.write(b"x")


def test_health_sees_a_plug_that_nobody_uses(line, plug):
    """Green when it can be opened; red at the next question after the plug was pulled."""
    assert line.health().ok
    plug.error = OSError(errno.EIO, "gone")

    assert not line.health().ok
    assert "check its plug" in line.health().detail


def test_health_heals_by_itself(line, plug, clock):
    """A line that nobody reads is green again within 2 s of replugging."""
    assert line.health().ok
    plug.error, plug.refuses = OSError(errno.EIO, "gone"), OSError(errno.ENOENT, "gone")
    for _ in range(100):
        clock.advance(100)
        assert not line.health().ok
    plug.error = plug.refuses = None
    clock.advance(2_000)

    assert line.health().ok
    assert line.health().detail == ""


def test_closing_is_for_good(line, plug):
    """A closed line is unavailable and unhealthy, however often it was closed."""
    line.write(b"x")
    line.close()
    line.close()

    assert plug.closed == 1
    assert not line.health().ok
    with pytest.raises(DeviceUnavailable, match="closed"):
        line.write(b"y")
    assert len(plug.opened) == 1


def test_closing_a_port_that_is_gone_is_no_error(clock, plug):
    """The last use of a pulled plug is to let go of it."""
    line = SerialLine("/dev/pad", baudrate=9_600, clock=clock, open_port=plug.open)
    line.write(b"x")
    object.__setattr__(plug, "close", lambda: (_ for _ in ()).throw(OSError(errno.EIO, "gone")))
    line.close()

    assert not line.health().ok


def test_a_real_terminal_without_parity_is_used_all_the_same(terminal):
    """A pseudo terminal refuses even parity (errno 22) and modem lines (errno 25): no matter."""
    ours, name = terminal
    line = SerialLine(name, baudrate=38_400, parity="E", clock=SystemClock())
    line.write(b"\x05\xff")
    os.write(ours, b"\x01\x02\x03")

    assert os.read(ours, 10) == b"\x05\xff"
    assert line.read(3, 1_000) == b"\x01\x02\x03"
    assert line.read(1, 1) == b""
    line.close()


def test_a_real_terminal_is_held_by_one_program(terminal):
    """The second opener is told who is in the way, and the first goes on."""
    _, name = terminal
    first = SerialLine(name, baudrate=19_200, clock=SystemClock())
    assert first.health().ok
    second = SerialLine(name, baudrate=19_200, clock=SystemClock())

    assert second.health().detail == f"{name}: is held by another program; stop that program"
    assert first.health().ok
    first.close()
    second.close()


def test_a_real_terminal_is_found_again_under_its_name(tmp_path):
    """Unplugged and plugged into another socket, the device has the same name in by-id."""
    by_id = tmp_path / "usb-3M_pad"
    clock = VirtualClock()
    line = SerialLine(str(by_id), baudrate=19_200, clock=clock)
    for number in (1, 2):
        ours, theirs = pty.openpty()
        tty.setraw(theirs)
        by_id.symlink_to(os.ttyname(theirs))
        os.close(theirs)
        clock.advance(2_000)
        assert line.health().ok
        os.write(ours, bytes((number,)))
        assert line.read(1, 1_000) == bytes((number,))
        by_id.unlink()
        os.close(ours)
        assert not line.health().ok

    assert "check its plug" in line.health().detail
    line.close()
