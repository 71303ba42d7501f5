"""The setup over USB: typed by people and by programs, hostile lines among them; both Pythons."""

from firmware.mcu.config import Config
from firmware.mcu.ed25519 import public_key_of
from firmware.mcu.provision import HELLO, LINE_BYTES_MAX, Setup
from firmware.mcu.setup_store import Store, serve
from firmware.mcu.update import trust

SITE_KEY = "00112233445566778899aabbccddeeff"
LINES = (
    "set library school",
    "set site main",
    "set station gate-2",
    "set site_key " + SITE_KEY,
    "set wifi.ssid The Library, ground floor",
    "set wifi.password correct horse",
    "set broker.host 192.168.1.10",
    "set broker.username gate-2",
    "set broker.password battery staple",
    "set lanes[0].name in the hall",
    "set lanes[0].driver pad_3m",
    "set lanes[0].port uart_1",
    'set lanes[0].beams ["beam_1", "beam_2"]',
    "set gate.boundary 2",
)
SECRETS = (SITE_KEY, "correct horse", "battery staple")


class Files:
    """A few files in memory. full: nothing can be written."""

    def __init__(self):
        self.kept, self.full = {}, False

    def open(self, path, mode):
        if mode == "rb" and path not in self.kept:
            raise OSError(2)
        if mode == "wb" and self.full:
            raise OSError(28)
        return File(self, path)

    def rename(self, old, new):
        self.kept[new] = self.kept.pop(old)


class File:
    """One of them, open."""

    def __init__(self, files, path):
        self.files, self.path = files, path

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def read(self, _count):
        return self.files.kept[self.path]

    def write(self, content):
        self.files.kept[self.path] = bytes(content)


def quiet(files):
    setup = Setup(Store(files), "pico_w")
    setup.receive(b"echo off\n")
    return setup


def said(setup, line):
    """Return the lines that answer one."""
    return setup.receive(line.encode() + b"\n").decode().split("\r\n")[:-1]


def test_a_device_is_set_up_by_lines():
    """What was typed is what the gate starts with."""
    files = Files()
    setup = quiet(files)

    assert [said(setup, line) for line in LINES] == [["ok"]] * len(LINES)
    assert said(setup, "check") == ["= gate-2 could start", "ok"]
    assert said(setup, "save") == ["= school/gate-2 is saved", "ok"]
    assert said(setup, "start") == ["= starting", "ok"]
    assert setup.is_over
    config = Config(Store(files).load())
    assert (config.station, config.wifi.ssid) == ("gate-2", "The Library, ground floor")
    assert (config.lanes[0].beams, config.gate) == (["beam_1", "beam_2"], {"boundary": 2})


def test_the_same_lines_twice_are_the_same_configuration():
    """Whoever is not sure whether it worked does it again."""
    files = Files()
    for _ in range(2):
        setup = quiet(files)
        for line in LINES:
            said(setup, line)
        said(setup, "save")
    kept = Store(files).load()

    assert len(kept["lanes"]) == 1
    assert said(quiet(files), "show") == said(setup, "show")


def test_no_secret_ever_comes_back():
    """Neither as it is typed nor shown nor in what goes wrong; what is set can be seen."""
    setup = Setup(Store(Files()), "esp32")
    told = setup.hello()
    for line in LINES:
        told += setup.receive(line.encode() + b"\r\n")
    for line in ("  set   wifi.password  correct horse", "set site_key " + SITE_KEY + "x"):
        told += setup.receive(line.encode() + b"\r")
    for line in ("show", "check", "save", "show"):
        told += setup.receive(line.encode() + b"\n")
    text = told.decode()

    assert HELLO in text
    assert "set wifi.ssid The Library" in text
    for secret in SECRETS:
        assert secret not in text
    assert "= wifi.password is set\r\n" in text
    assert "= site_key is set\r\n" in text
    assert "set wifi.password *************\r\n" in text


def test_typing_is_echoed_and_can_be_mended():
    """A terminal shows what one types, and backspace takes it back."""
    setup = Setup(Store(Files()), "pico_w")

    assert setup.receive(b"helq\x7fp") == b"helq\x08 \x08p"
    assert setup.receive(b"\r\n").startswith(b"\r\n= help")
    assert setup.receive(b"\r\n\r\n") == b"\r\n> \r\n> "
    assert setup.receive(b"\x08") == b""


HOSTILE = (
    (b"reboot", "no reboot is no command; type help"),
    (b"__init__", "no __init__ is no command; type help"),
    (b"set", "no  is no option; docs/firmware.md lists them"),
    (b"set colour blue", "no colour is no option; docs/firmware.md lists them"),
    (b"set gate.colour 1", "no gate.colour is no option; docs/firmware.md lists them"),
    (b"set lanes.name x", "no lanes.name is no option; docs/firmware.md lists them"),
    (b"set wifi x", "no wifi is no option; docs/firmware.md lists them"),
    (b"set lanes[1].name x", "no lanes[1].name: there is no such lane"),
    (b"set lanes[-1].name x", "no lanes[-1].name: there is no such lane"),
    (b"set lanes[99999999999].name x", "no lanes[99999999999].name: there is no such lane"),
    (b"clear lanes[0].name", "no lanes[0].name: there is no such lane"),
    (b"set broker.port 0", "no broker.port must be"),
    (b"set broker.port [[[[[[[[", "no broker.port must be"),
    (b"set broker.host broker.local", "no broker.host must be an address of four numbers"),
    (b"set gate.boundary 4", "no gate.boundary must be a whole number from 1 to 3"),
    (b"set gate.boundary true", "no gate.boundary must be a whole number from 1 to 3"),
    (b"set station Gate 2", "no station must"),
    (b"set name \xff\xfe", "no a line is UTF-8, without control characters"),
    (b"set name \x00", "no a line is UTF-8, without control characters"),
    (b"set name " + LINE_BYTES_MAX * b"x", f"no a line has at most {LINE_BYTES_MAX} bytes"),
    (b"check", "no "),
    (b"save", "no "),
    (b"wifi", "no set wifi.ssid first"),
    (b"trust", "no update: one or two public keys of 32 bytes are needed"),
    (b"trust zz", "no update: one or two public keys of 32 bytes are needed"),
    (b"trust " + 64 * b"0", "no update: one or two public keys of 32 bytes are needed"),
    (b"piece AAAA", "no update comes first"),
    (b"end", "no update comes first"),
    (b"echo", "no echo on, or echo off"),
)


def test_hostile_lines_are_answered_and_change_nothing():
    """Each gets one line that says no and why; nothing is kept of it."""
    for line, expected in HOSTILE:
        files = Files()
        setup = quiet(files)
        answer = setup.receive(line + b"\n").decode()
        assert answer.startswith(expected), (line, answer)
        assert answer.count("\r\n") == 1, line
        assert (setup.values, files.kept) == ({}, {}), line


def test_noise_on_the_line_is_survived():
    """Every byte there is, in any order: the next line is understood again."""
    setup = quiet(Files())
    for step in (1, 3, 7, 11, 101):
        setup.receive(bytes([at * step % 256 for at in range(2_000)]))
    setup.receive(b"\n")

    assert said(setup, "set station gate-2") == ["ok"]


def test_an_unsaved_change_does_not_start():
    """Nothing is lost by a start that was too early, and nothing half done is started."""
    setup = quiet(Files())
    for line in LINES:
        said(setup, line)

    assert said(setup, "start") == ["no save comes first"]
    assert not setup.is_over


def test_a_full_flash_is_said_and_leaves_the_old_configuration():
    """What cannot be written is not believed to be."""
    files = Files()
    setup = quiet(files)
    for line in (*LINES, "save", "set station gate-3"):
        said(setup, line)
    files.full = True

    assert said(setup, "save") == ["no the flash cannot be written: error 28"]
    assert Store(files).load()["station"] == "gate-2"


def test_a_section_can_be_cleared():
    """What was a mistake goes without beginning anew."""
    setup = quiet(Files())
    for line in (*LINES, "clear lanes", "clear gate", "clear broker.username"):
        assert said(setup, line) == ["ok"]

    assert said(setup, "check") == ["no lanes: must be a list of 1 to 2"]
    assert "gate" not in setup.values
    assert "username" not in setup.values["broker"]


def test_keys_of_updates_are_taken_and_shown():
    """A public key is no secret; two of them allow for rotation."""
    files = Files()
    keys = [public_key_of(bytes([at] * 32)) for at in (1, 2)]
    setup = quiet(files)

    answer = said(setup, "trust " + " ".join([key.hex() for key in keys]))

    assert answer == [f"= trusts {key.hex()}" for key in keys] + ["ok"]
    assert said(setup, "show")[2:4] == answer[:2]


class Typist:
    """Somebody at a terminal who types a line as soon as the one before was answered."""

    def __init__(self, lines):
        self.left, self.seen = "\n".join(lines).encode() + b"\n", b""

    def read(self):
        byte, self.left = self.left[:1], self.left[1:]
        return byte

    def write(self, content):
        self.seen += content


class Radio:
    """A `network.WLAN` that joins after so many looks, if ever."""

    def __init__(self, looks):
        self.looks, self.asked = looks, []

    def active(self, on):
        assert on

    def disconnect(self):
        self.asked = []

    def connect(self, *asked):
        self.asked = asked

    def isconnected(self):
        self.looks -= 1
        return self.looks < 0

    def ifconfig(self):
        return ("192.168.1.77", "255.255.255.0", "192.168.1.1", "192.168.1.1")


class Ticks:
    """Time that passes by sleeping."""

    def __init__(self):
        self.ms = 0

    def now_ms(self):
        return self.ms

    def sleep_ms(self, ms):
        self.ms += ms


def talk(lines, radio):
    """Hold a whole conversation; return what was seen, the files and the time it took."""
    files, ticks, typist = Files(), Ticks(), Typist(lines)
    serve(
        Setup(Store(files), "pico_w"),
        typist,
        wlan=radio,
        ticks=ticks,
        sleep_ms=ticks.sleep_ms,
        idle=lambda: None,
    )
    return typist.seen.decode(), files, ticks


def test_the_wifi_can_be_tried_before_it_is_saved():
    """Whoever set it up knows at once whether name and password are right."""
    seen, _, _ = talk((*LINES, "wifi", "save", "start"), Radio(looks=5))

    assert "ok joined, address 192.168.1.77\r\n" in seen
    assert seen.endswith("= starting\r\nok\r\n> ")


def test_a_wifi_that_does_not_answer_is_given_up():
    """After 20 s the setup goes on, and says what to look at."""
    seen, files, ticks = talk((*LINES, "wifi", "save", "start"), Radio(looks=1_000_000))

    assert "no nothing heard in 20 s; check name and password\r\n" in seen
    assert ticks.ms == 20_000
    assert Config(Store(files).load()).wifi.password == "correct horse"


def test_trust_survives_what_comes_after():
    """Saving a configuration leaves the keys alone."""
    files = Files()
    trust(files, [public_key_of(bytes(32))])
    setup = quiet(files)
    for line in (*LINES, "save"):
        said(setup, line)

    assert Store(files).trusted() == [public_key_of(bytes(32)).hex()]
