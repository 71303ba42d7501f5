"""What crosses a wire is recorded and replayed; anything else asked is told in words."""

import random
import stat
import types
from pathlib import Path

import pytest
import serial
from click.testing import CliRunner

from circulation.link import Connected, Disconnected, Received
from circulation.wire.messages import SiteAsk, encode, sealed
from hardware.errors import DeviceUnavailable, TagLost
from hardware.ports import Inventory, TagSeen
from sim.__main__ import main
from sim.clock import VirtualClock
from sim.devices import SimReader
from sim.errors import RecordingInvalid, ReplayDiffers
from sim.house.broker import Broker, BusLink
from sim.pi.board import SimPi
from sim.recording.drivers import replay_through
from sim.recording.file import read_recording
from sim.recording.recorder import Recorder
from sim.recording.replay import Replay
from sim.serial import url
from sim.serial.pad_3m import SimPad3M
from sim.tags import SimTag

FOLDER = Path(__file__).parent / "recordings"
FILES = sorted(FOLDER.glob("*.jsonl"))
HEADER = '{"lendgate_recording": 1, "wires": {"spi0.0": "mfrc522"}}\n'


def run(*arguments):
    """Return the exit code and everything that was said."""
    result = CliRunner().invoke(main, [str(part) for part in arguments])
    return result.exit_code, result.output


def replayed(path):
    return Replay(read_recording(path))


class Echo:
    """A chip that answers each byte with its opposite."""

    def transfer(self, data):
        if data == b"\xff":
            raise DeviceUnavailable("spi0.0: gone")
        return bytes(255 - value for value in data)


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "wire.jsonl"


@pytest.fixture
def recorder(path, clock):
    with Recorder(path, clock, wires={"spi0.0": "echo"}) as made:
        yield made


# Regression: conversations with the emulators, recorded once


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_todays_driver_says_what_it_said_when_it_was_recorded(file):
    """A changed conversation is a decision: see tests/sim/make_recordings.py."""
    assert replay_through(read_recording(file)) >= 5


def test_every_driver_has_a_recording():
    """The board and both pads are there."""
    assert {read_recording(file).header["driver"] for file in FILES} == {
        "rc522",
        "pad_3m",
        "pad_feig",
    }


def test_a_flipped_bit_on_the_wire_is_noticed(tmp_path):
    """The regression tests can fail: an answer that was other leads the driver elsewhere."""
    file = tmp_path / "flipped.jsonl"
    text = (FOLDER / "rc522_two_stickers.jsonl").read_text()
    file.write_text(text.replace('"out":"ee00","in":"0092"', '"out":"ee00","in":"0000"', 1))

    with pytest.raises(ReplayDiffers):
        replay_through(read_recording(file))


# Each wire


def test_an_spi_bus_answers_again(recorder, path):
    """Bytes and errors come back as they were, and all of them were asked."""
    bus = recorder.spi(Echo())
    assert bus.transfer(b"\x01\x02") == b"\xfe\xfd"
    with pytest.raises(DeviceUnavailable):
        bus.transfer(b"\xff")
    recorder.close()

    replay = replayed(path)
    again = replay.spi()
    assert again.transfer(b"\x01\x02") == b"\xfe\xfd"
    with pytest.raises(DeviceUnavailable, match=r"spi0\.0: gone"):
        again.transfer(b"\xff")
    replay.finish()


def test_the_first_other_question_is_told_with_both(recorder, path, clock):
    """File, line, moment, what was recorded, what was asked, where they differ."""
    bus = recorder.spi(Echo())
    bus.transfer(b"\x01\x02")
    clock.advance(120)
    bus.transfer(b"\x03\x04")
    recorder.close()
    again = replayed(path).spi()
    again.transfer(b"\x01\x02")

    with pytest.raises(ReplayDiffers) as differs:
        again.transfer(b"\x03\x05")

    assert str(differs.value) == (
        f"{path}:3: another question than was recorded, at 0 ms\n"
        "  recorded: spi0.0: 03 04 → fc fb\n"
        "  asked:    spi0.0: 03 05 → \n"
        "  differs:  byte 1\n"
        "  before:\n"
        "    line 2: spi0.0: 01 02 → fe fd"
    )


def test_one_question_too_many_or_too_few_is_told(recorder, path):
    """The end of a wire is an answer too."""
    recorder.spi(Echo()).transfer(b"\x01")
    recorder.close()
    replay = replayed(path)

    with pytest.raises(ReplayDiffers, match=r"never asked: spi0\.0: 01 → fe"):
        replay.finish()
    replay.spi().transfer(b"\x01")
    with pytest.raises(ReplayDiffers, match="nothing more on this wire"):
        replay.spi().transfer(b"\x01")


class FakePort:
    """What pyserial gives: some bytes, a time-out, then the plug is pulled."""

    timeout = 0
    in_waiting = 3

    def __init__(self):
        self.answers = [b"\xd6\x00\x05", b"", serial.SerialException("device disconnected")]

    def read(self, size=1):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def write(self, data):
        return len(data)

    def reset_input_buffer(self):
        pass

    def close(self):
        pass


def use(port):
    """Use a port as a driver does; returns what it saw."""
    seen = [port.write(b"\xd5\x00"), port.in_waiting, port.read(3), port.read(2)]
    port.timeout = 0.5
    port.reset_input_buffer()
    try:
        port.read(1)
    except serial.SerialException as error:
        seen.append(str(error))
    port.close()
    return seen


def test_a_serial_port_answers_again(recorder, path):
    """Bytes, silence, and the pulled plug, which is an error of pyserial's own class."""
    port = recorder.open_port("pad", lambda *args, **settings: FakePort())("/dev/x", baudrate=9600)
    seen = use(port)
    assert seen == [2, 3, b"\xd6\x00\x05", b"", "device disconnected"]
    recorder.close()

    replay = replayed(path)
    assert use(replay.open_port("pad")("/dev/x", baudrate=9600)) == seen
    replay.finish()


def test_a_port_that_cannot_be_opened_cannot_be_opened_again(recorder, path):
    """The reason keeps its number, by which drivers tell what to say."""

    def opener(*_args, **_settings):
        raise serial.SerialException(2, "No such file or directory")

    with pytest.raises(serial.SerialException):
        recorder.open_port("pad", opener)("/dev/x")
    recorder.close()

    with pytest.raises(serial.SerialException) as refused:
        replayed(path).open_port("pad")("/dev/x")
    assert refused.value.errno == 2


def blink(gpio, seen):
    """A small program on a GPIO module: a lamp and a button."""
    gpio.setmode(gpio.BCM)
    gpio.setup(17, gpio.OUT, initial=0)
    gpio.setup(27, gpio.IN, pull_up_down=gpio.PUD_UP)
    gpio.add_event_detect(27, gpio.BOTH, callback=lambda pin: seen.append((pin, gpio.input(27))))
    gpio.output(17, 1)


def test_a_gpio_module_answers_again_with_its_edges(recorder, path, clock):
    """The real rpi-lgpio on a simulated Pi is recorded; the replay needs neither."""
    pi, seen = SimPi(clock), []
    with pi.installed():
        from RPi import GPIO

        gpio = recorder.gpio(GPIO)
        blink(gpio, seen)
        pi.line(27).drive(False)
        pi.advance(50)
        gpio.output(17, 0)
        gpio.cleanup()
    recorder.close()
    assert seen == [(27, 0)]

    replay, again = replayed(path), []
    gpio = replay.gpio()
    blink(gpio, again)
    gpio.output(17, 0)
    gpio.cleanup()
    assert again == seen
    replay.finish()


def test_parts_of_a_gpio_module_are_recorded_too(recorder, path):
    """A PWM is an object of the module, with calls of its own."""
    started = []
    wave = types.SimpleNamespace(start=started.append, stop=lambda: None)
    gpio = recorder.gpio(types.SimpleNamespace(PWM=lambda pin, hz: wave, OUT=0))

    def buzz(module):
        made = module.PWM(18, 2_000)
        made.start(50)
        made.stop()

    buzz(gpio)
    recorder.close()
    replay = replayed(path)
    buzz(replay.gpio())

    assert started == [50]
    replay.finish()


def test_a_link_takes_and_delivers_again(recorder, path):
    """What was published must be published; what came in comes in where it came."""
    broker, heard = Broker(), []
    link = BusLink(broker, recorder.hear(heard.append))
    recorded = recorder.link(link)
    recorded.subscribe(["lg/#"])
    recorded.start()
    recorded.publish("lg/a", b'{"v":1}', retained=True)
    recorded.publish("lg/b", b"\xff\x00")
    recorded.stop()
    recorder.close()
    assert heard == [
        Connected(),
        Received("lg/a", b'{"v":1}', False),
        Received("lg/b", b"\xff\x00", False),
        Disconnected("pulled"),
    ]

    replay, again = replayed(path), []
    link = replay.link(again.append)
    link.subscribe(["lg/#"])
    link.start()
    link.deliver()
    assert link.publish("lg/a", b'{"v":1}', retained=True)
    link.deliver()
    with pytest.raises(ReplayDiffers, match=r"text was .* is"):
        link.publish("lg/b", b"other")


def test_the_clock_answers_again_however_often_it_was_asked(recorder, path, clock):
    """A driver that waits takes the same turns, and its sleeping is a question too."""
    told = recorder.clock()
    asked = [told.now_ms(), told.now_ms()]
    told.sleep_ms(30)
    asked += [told.now_ms(), told.wall_ms(), told.wall_is_sure()]
    recorder.close()
    assert asked[:3] == [0, 0, 30]

    again = replayed(path).clock()
    assert [again.now_ms(), again.now_ms()] == asked[:2]
    again.sleep_ms(30)
    assert [again.now_ms(), again.wall_ms(), again.wall_is_sure()] == asked[2:]


def test_without_a_recorded_clock_time_follows_the_wire(recorder, path, clock):
    """The replay's clock is never behind what has been played."""
    bus = recorder.spi(Echo())
    clock.advance(700)
    bus.transfer(b"\x01")
    recorder.close()
    replay = replayed(path)
    again = replay.clock()
    before_ms = again.now_ms()
    replay.spi().transfer(b"\x01")

    assert (before_ms, again.now_ms()) == (0, 700)


def test_a_readers_answers_stand_at_the_port(recorder, path, clock):
    """Inventories, contents and errors are recorded as what they are."""
    reader = SimReader(clock)
    reader.place(SimTag("e004010000000001"))
    wrapped = recorder.reader(reader)
    assert wrapped.inventory() == Inventory((TagSeen("e004010000000001", "iso15693"),))
    with pytest.raises(TagLost):
        wrapped.read("e004010000000002", 0, 1)
    recorder.close()

    listed, lost = read_recording(path).events
    assert listed["in"]["tags"] == [["e004010000000001", "iso15693"]]
    assert (lost["error"], lost["uid"]) == ("TagLost", "e004010000000002")


# The file


def test_a_recording_is_its_owners_and_warns(recorder, path):
    """Card numbers may be in it: nobody else on the machine reads it, and it says so itself."""
    recorder.close()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "may name people" in read_recording(path).header["caution"]


def test_a_full_recording_stops_and_the_device_goes_on(path, clock, caplog):
    """The limit is said once; no call fails for it."""
    with Recorder(path, clock, events_max=2) as recorder:
        bus = recorder.spi(Echo())
        answers = [bus.transfer(bytes([number])) for number in range(5)]

    assert len(answers) == 5
    assert len(read_recording(path).events) == 2
    assert caplog.text.count("full; the device goes on unrecorded") == 1


def test_a_disk_that_refuses_stops_the_recording_only(path, clock):
    """A recorder never breaks what it records."""
    recorder = Recorder(path, clock)
    recorder._file.close()

    assert recorder.spi(Echo()).transfer(b"\x01") == b"\xfe"
    assert recorder.full


def test_no_key_is_written(path, clock):
    """Of a signed message the file has the mac; the key that made it never crosses the wire."""
    key = bytes.fromhex("5e" * 16)
    with Recorder(path, clock) as recorder:
        link = recorder.link(BusLink(Broker(), print))
        link.publish(
            "lg/1/x/site/main/ask",
            encode(sealed(SiteAsk("gate-1", "may_leave", None, 0, ""), key)),
        )
    text = path.read_text()

    assert '\\"mac\\"' in text
    assert "5e5e5e5e" not in text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "empty; a recording begins with its header"),
        ("not json\n", ":1: not JSON"),
        ("[]\n", ":1: must be a JSON object"),
        ("{}\n", ":1: not the header of a recording"),
        ('{"lendgate_recording": 2}\n', ":1: version 2; this program reads 1"),
        ('{"lendgate_recording": 1, "wires": [1]}\n', ":1: wires must map"),
        (HEADER + "{}\n", ":2: t_ms must be milliseconds"),
        (HEADER + '{"t_ms": true}\n', ":2: t_ms must be milliseconds"),
        (HEADER + '{"t_ms": -1}\n', ":2: t_ms must be milliseconds"),
        (HEADER + '{"t_ms": 1, "wire": 5}\n', ":2: wire is missing"),
        (HEADER + '{"t_ms": 1, "wire": "a"}\n', ":2: do is missing"),
        (
            HEADER + '{"t_ms": 1, "wire": "a", "do": "transfer", "out": "zz", "in": ""}\n',
            ":2: out must be hex",
        ),
        (
            HEADER + '{"t_ms": 1, "wire": "a", "do": "x", "a": "' + "x" * 300_000,
            ":2: a line longer",
        ),
        (HEADER + "[" * 100_000 + "\n", ":2: not JSON"),
    ],
)
def test_a_hostile_file_is_refused_by_name(path, content, says):
    """File, line, and what is wrong."""
    path.write_text(content)

    with pytest.raises(RecordingInvalid) as refused:
        read_recording(path)
    assert says in str(refused.value)


def test_no_bytes_break_the_reader(path, seed):
    """Whatever is in a file, the answer is a recording or one named error."""
    chance = random.Random(seed)
    good = bytearray((FOLDER / "pad_3m_three_books.jsonl").read_bytes())
    refused = 0
    for _ in range(200):
        bad = bytearray(good)
        for _ in range(chance.randrange(1, 4)):
            bad[chance.randrange(len(bad))] = chance.randrange(256)
        path.write_bytes(bad)
        try:
            replay_through(read_recording(path))
        except (RecordingInvalid, ReplayDiffers):
            refused += 1

    assert refused > 50


# The command line


def test_showing_a_recording_is_readable():
    """When, which wire, and what registers mean."""
    code, said = run("show", FOLDER / "rc522_two_stickers.jsonl", "--wire", "spi0.0")

    assert code == 0
    assert "0.000 s  spi0.0: ee 00 → 00 92  (read VersionReg 92)" in said
    assert "clock:" not in said


def test_replaying_says_how_much_was_compared():
    """Zero is the exit code of a driver that answers as it did."""
    code, said = run("replay", *FILES)

    assert code == 0
    assert said.count("the same as when it was recorded") == 3


def test_replaying_tells_the_first_difference(tmp_path):
    """One is the exit code of a driver that answers otherwise."""
    file = tmp_path / "changed.jsonl"
    text = (FOLDER / "pad_3m_three_books.jsonl").read_text()
    file.write_text(text.replace('"in":"on_loan"', '"in":"in_stock"'))
    code, said = run("replay", file)

    assert code == 1
    assert "get_security answers otherwise" in said
    assert "recorded: in_stock" in said
    assert "now:      on_loan" in said


def test_what_cannot_be_replayed_is_two(path):
    """No file, no driver, no question: a sentence each."""
    assert run("replay", path)[0] == 2
    path.write_text(HEADER)
    code, said = run("replay", path)

    assert code == 2
    assert "made through 'no driver'" in said
    assert run("show", path)[0] == 0
    assert run("show", path.with_name("none"))[0] == 2


def test_a_reader_is_recorded_from_the_command_line(path, clock):
    """A pad at any address is looked at for a while; nothing is written to its tags."""
    pad = SimPad3M(clock, name="pad")
    pad.place(SimTag("e004010000000001"))
    port = url.plug("recorded-by-hand", pad)
    code, said = run("record", path, "--driver", "pad_3m", "--port", port, "--seconds", 1)
    url.remove("recorded-by-hand")

    assert code == 0
    assert "tag e004010000000001" in said
    assert "may name people" in said
    assert run("replay", path)[0] == 0


def test_recording_a_pad_needs_its_port(path):
    """What is missing is a usage error with the option's name."""
    code, said = run("record", path, "--driver", "pad_3m")

    assert code == 2
    assert "--port" in said
