"""`sim://`: pyserial's face on a virtual clock, without a thread and without waiting."""

import threading

import pytest
import serial

from hardware.clock import SystemClock
from sim.clock import VirtualClock
from sim.errors import WorldError
from sim.serial.pad_3m import SimPad3M
from sim.serial.pad_feig import SimPadFeig
from sim.serial.scanner import SimSerialScanner
from sim.serial.url import device_named, plug, remove

PROBE = bytes.fromhex("d500050400118c66")
PROBE_ANSWER = bytes.fromhex("d500090400110a0500027250")


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def pad(clock):
    device = SimPad3M(clock)
    plug("url-test", device)
    yield device
    remove("url-test")


def opened(**settings):
    return serial.serial_for_url("sim://url-test", **{"baudrate": 19_200, **settings})


class TestTime:
    """A blocking read on a virtual clock."""

    def test_a_read_without_an_answer_ends_at_its_time_out(self, pad, clock):
        """Time jumps to the time-out, exactly."""
        with opened(timeout=0.35) as port:
            assert port.read(10) == b""
        assert clock.now_ms() == 350

    def test_a_read_ends_with_its_last_byte(self, pad, clock):
        """No longer than the answer takes."""
        pad.split_answers(4, gap_ms=30)
        with opened(timeout=10) as port:
            port.write(PROBE)
            assert port.read(12) == PROBE_ANSWER
        assert clock.now_ms() == 5 + 30

    def test_a_read_that_asks_for_more_has_what_came(self, pad, clock):
        """Partial reads are the normal case on a line."""
        with opened(timeout=1) as port:
            port.write(PROBE)
            assert port.read(100) == PROBE_ANSWER
        assert clock.now_ms() == 1_000

    def test_a_zero_time_out_never_waits(self, pad, clock):
        """Polling takes what is there."""
        with opened(timeout=0) as port:
            port.write(PROBE)
            assert port.read(100) == b""
            assert port.in_waiting == 0
            clock.advance(5)
            assert port.in_waiting == 12
            assert port.read(2) == PROBE_ANSWER[:2]
            assert port.read(100) == PROBE_ANSWER[2:]
        assert clock.now_ms() == 5

    def test_a_read_for_ever_is_refused_when_nothing_comes(self, pad):
        """It would hang the test; on a virtual clock it is an error that says so."""
        with opened(timeout=None) as port:
            port.write(PROBE)
            assert port.read(12) == PROBE_ANSWER
            with pytest.raises(serial.SerialException, match="never end"):
                port.read(1)

    def test_silence_between_bytes_ends_a_read(self, pad, clock):
        """pyserial's inter-byte time-out."""
        pad.split_answers(4, gap_ms=500)
        with opened(timeout=5, inter_byte_timeout=0.1) as port:
            port.write(PROBE)
            assert port.read(12) == PROBE_ANSWER[:4]
        assert clock.now_ms() == 5 + 100

    def test_two_runs_are_the_same_to_the_millisecond(self):
        """Nothing depends on the machine."""

        def run():
            clock = VirtualClock()
            device = SimPad3M(clock, paced=True, seed=3)
            plug("url-test", device)
            device.fail("intermittent", share=0.4, seed=9)
            with opened(timeout=0.2) as port:
                for _ in range(20):
                    port.write(PROBE)
                    port.read(12)
            remove("url-test")
            return [str(frame) for frame in device.history], clock.now_ms()

        assert run() == run()

    def test_on_the_machines_clock_it_waits_as_long(self):
        """The same port for the bench, where time is real."""
        device = SimPad3M(SystemClock(), latency_ms=20)
        plug("url-test", device)
        try:
            with opened(timeout=5) as port:
                port.write(PROBE)
                assert port.read(12) == PROBE_ANSWER
        finally:
            remove("url-test")


class TestPort:
    """The rest of what pyserial's users use."""

    def test_lines_are_read_to_their_end(self, clock):
        """`read_until` and `readline` over a scanner."""
        scanner = SimSerialScanner(clock, suffix="crlf")
        plug("url-test", scanner)
        try:
            with opened(baudrate=9_600, timeout=1) as port:
                scanner.scan("123")
                assert port.read_until(b"\r\n") == b"123\r\n"
                scanner.scan("456")
                assert port.readline() == b"456\r\n"
                assert port.read_until(b"\r\n") == b""
        finally:
            remove("url-test")

    def test_buffers_are_emptied(self, pad, clock):
        """What has come is forgotten; what is on its way is not."""
        with opened(timeout=0) as port:
            port.write(PROBE)
            port.reset_input_buffer()
            port.reset_output_buffer()
            clock.advance(5)
            assert port.in_waiting == 12
            port.reset_input_buffer()
            assert (port.in_waiting, port.out_waiting) == (0, 0)
            port.flush()

    def test_a_wrong_baud_rate_is_heard_as_rubbish(self, pad):
        """Setting it right heals without opening again."""
        with opened(baudrate=38_400, timeout=0.1) as port:
            port.write(PROBE)
            assert port.read(12) != PROBE_ANSWER
            port.baudrate = 19_200
            port.write(PROBE)
            assert port.read(12) == PROBE_ANSWER

    def test_settings_go_with_the_port(self, pad):
        """What one host had set wrong does not trouble the next, whatever cable it uses."""
        opened(baudrate=300).close()
        pad.receive(PROBE)
        pad.clock.advance(5)

        assert pad.take() == PROBE_ANSWER

    def test_a_forgotten_parity_is_silence(self, clock):
        """Feig's 8E1."""
        plug("url-test", SimPadFeig(clock))
        try:
            with opened(baudrate=38_400, timeout=0.3) as port:
                port.write(bytes.fromhex("05ff65e5cb"))
                assert port.read(20) == b""
                port.parity = "E"
                port.write(bytes.fromhex("05ff65e5cb"))
                assert port.read(20)[:4].hex() == "0d006500"
        finally:
            remove("url-test")

    def test_a_device_that_takes_nothing_times_the_write_out(self, pad, clock):
        """`write_timeout`, in virtual time; without one it is an error at once."""
        pad.takes_writes = False
        with opened(write_timeout=0.7) as port:
            with pytest.raises(serial.SerialTimeoutException):
                port.write(PROBE)
            assert clock.now_ms() == 700
            port.write_timeout = None
            with pytest.raises(serial.SerialException, match="never end"):
                port.write(PROBE)

    def test_a_waiting_read_can_be_cancelled(self):
        """From another thread, on the machine's clock."""
        device = SimPad3M(SystemClock())
        plug("url-test", device)
        try:
            with opened(timeout=30) as port:
                canceller = threading.Timer(0.05, port.cancel_read)
                canceller.start()
                assert port.read(1) == b""
                canceller.join()
        finally:
            remove("url-test")

    def test_modem_lines_may_be_missing(self, pad):
        """A cable without them says so with error 25, and opens all the same."""
        with opened() as port:
            assert (port.cts, port.dsr, port.cd, port.ri) == (True, True, True, False)
        pad.has_modem_lines = False
        with pytest.raises(OSError, match="25"):
            opened().dtr = False

    def test_a_closed_port_refuses_everything(self, pad):
        """As every pyserial port does; closing twice is harmless."""
        port = opened()
        port.close()
        port.close()

        for use in (lambda: port.read(1), lambda: port.write(b"x"), lambda: port.in_waiting):
            with pytest.raises(serial.PortNotOpenError):
                use()
        assert pad.listeners == []

    def test_two_exclusive_openers_exclude_each_other(self, pad):
        """As with TIOCEXCL; one who does not ask is let in."""
        with opened(exclusive=True):
            with pytest.raises(serial.SerialException, match="lock"):
                opened(exclusive=True)
            opened().close()
        opened(exclusive=True).close()

    def test_a_port_that_is_open_cannot_be_opened(self, pad):
        """pyserial's own rule."""
        with opened() as port, pytest.raises(serial.SerialException, match="already open"):
            port.open()


class TestNames:
    """Who is found under which name."""

    def test_an_unknown_name_is_no_port(self):
        """As a device file that does not exist."""
        with pytest.raises(serial.SerialException, match="No such device"):
            serial.serial_for_url("sim://nobody")

    def test_a_name_is_taken_once(self, pad, clock):
        """Two devices under one name would be a riddle; the same one twice is not."""
        assert plug("url-test", pad) == "sim://url-test"
        with pytest.raises(WorldError, match="taken"):
            plug("url-test", SimPad3M(clock))
        assert device_named("url-test") is pad

    @pytest.mark.parametrize("name", ["", "a/b", "a b", "?"])
    def test_a_name_is_letters_and_digits(self, pad, name):
        """Anything else would be part of a URL."""
        with pytest.raises(WorldError, match="letters"):
            plug(name, pad)
