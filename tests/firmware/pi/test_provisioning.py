"""A device set up from a computer: over a pseudo terminal, by the commands one types."""

import os
import threading
import tty

import pytest
from click.testing import CliRunner

from firmware.mcu.config import Config, ConfigInvalid
from firmware.mcu.ed25519 import public_key_of
from firmware.mcu.provision import Setup
from firmware.mcu.setup_store import Store
from firmware.mcu.update import trust
from firmware.pi.__main__ import main
from firmware.pi.provisioning import look_broker_up
from firmware.pi.signing import Release, sign_update
from tests.firmware.mcu.both.test_update import Flash, whole_program

SITE_KEY = "00112233445566778899aabbccddeeff"
FILE = f"""
library = "school"
site = "main"
station = "gate-1"
site_key = "{SITE_KEY}"
members = ["DE-1", "DE-2"]
set_up_at = 1790000000

[wifi]
ssid = "Bücherei, 1. Stock"
password = "correct horse"

[broker]
host = "192.168.1.10"
username = "gate-1"
password = "battery staple"

[[lanes]]
name = "in the hall"
driver = "pad_feig"
port = "uart_2"
beams = ["beam_3"]
address = 7

[gate]
boundary = 2
alarm_on_disagreement = true
"""


class Flashed(Flash):
    """A device's files, which can be renamed too."""

    def rename(self, old, new):
        self.files[new] = self.files.pop(old)


class Device:
    """A device at the other end of a pseudo terminal, with its setup open.

    wifi: whether the network lets it in. bends: what it does to a value it is told.
    """

    def __init__(self, bends=None):
        self.files, self.wifi, self.seen, self._bends = Flashed(), True, b"", bends
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self.setup = Setup(Store(self.files), "pico_w")
        os.write(self._master, self.setup.hello())
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while not self.setup.is_over:
            try:
                given = os.read(self._master, 256)
            except OSError:
                return
            told = self.setup.receive(self._bends(given) if self._bends else given)
            if self.setup.wants_wifi_test:
                told += self.setup.answer(
                    "nothing heard" if not self.wifi else "joined", self.wifi
                )
            self.seen += told
            os.write(self._master, told)

    @property
    def config(self):
        return Config(Store(self.files).load())

    def close(self):
        os.close(self._slave)  # reading the other end fails then, and the thread ends
        self._thread.join(10)
        os.close(self._master)


@pytest.fixture
def device():
    made = Device()
    yield made
    made.close()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "gate-1.toml"
    path.write_text(FILE, encoding="utf-8")
    return path


def lendgate(*arguments, typed=""):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=typed)


def test_a_device_is_set_up_from_a_file(device, file):
    """Every value arrives, is read back where it is no secret, and the gate starts."""
    result = lendgate("provision", device.port, "--config", file)

    assert result.exit_code == 0, result.output
    assert device.setup.is_over
    config = device.config
    assert (config.library, config.site, config.station) == ("school", "main", "gate-1")
    assert config.site_key == bytes.fromhex(SITE_KEY)
    assert (config.wifi.ssid, config.wifi.password) == ("Bücherei, 1. Stock", "correct horse")
    assert (config.broker.host, config.broker.password) == ("192.168.1.10", "battery staple")
    assert (config.lanes[0].address, config.lanes[0].beams) == (7, ["beam_3"])
    assert config.gate == {"boundary": 2, "alarm_on_disagreement": 1}
    assert list(config.top.members) == ["DE-1", "DE-2"]
    assert "school/gate-1 is set up" in result.output
    assert "Wi-Fi: joined" in result.output
    assert "! site_key: this key stands in examples" in result.output


def test_the_command_line_is_enough(device):
    """Station, broker and Wi-Fi as options; what is secret is asked for; one lane as drawn."""
    result = lendgate(
        *(
            "provision",
            device.port,
            "--library",
            "school",
            "--site",
            "main",
            "--station",
            "gate-2",
        ),
        *("--broker", "10.0.0.2:8883", "--wifi", "Library"),
        typed=f"{SITE_KEY}\ncorrect horse\n",
    )

    assert result.exit_code == 0, result.output
    config = device.config
    assert (config.station, config.broker.host, config.broker.port) == ("gate-2", "10.0.0.2", 8883)
    assert config.wifi.password == "correct horse"
    assert [lane.port for lane in config.lanes] == ["uart_1"]
    assert config.top.set_up_at > 1_700_000_000  # a device without a clock starts from there


def test_no_secret_is_printed_or_sent_back(device, file):
    """Neither on the computer's screen nor on the wire from the device."""
    result = lendgate("provision", device.port, "--config", file)

    assert result.exit_code == 0
    for secret in (SITE_KEY, "correct horse", "battery staple"):
        assert secret not in result.output
        assert secret.encode() not in device.seen


def test_twice_is_the_same_as_once(file):
    """Whoever is not sure does it again, also with less in the file than before."""
    kept = []
    for text in (FILE, FILE, FILE.replace('members = ["DE-1", "DE-2"]\n', "")):
        file.write_text(text, encoding="utf-8")
        device = Device()
        if kept:
            device.files.files["config.json"] = kept[-1]
            device.setup.values = Store(device.files).load()
        assert lendgate("provision", device.port, "--config", file).exit_code == 0
        kept.append(device.files.files["config.json"])
        device.close()

    assert kept[0] == kept[1]
    assert b"DE-2" not in kept[2]


def test_a_mistake_is_found_before_anything_is_sent(device, file):
    """The device's own rules are asked here first, and name the option."""
    file.write_text(FILE.replace('"192.168.1.10"', '"300.1.2.3"'), encoding="utf-8")

    result = lendgate("provision", device.port, "--config", file)

    assert result.exit_code == 1
    assert "broker: host must be an address of four numbers" in result.output
    assert device.seen == b""
    assert device.files.files == {}


def test_a_wifi_that_refuses_saves_nothing(device, file):
    """Before the device leaves the desk it has joined, or somebody said that it need not."""
    device.wifi = False

    refused = lendgate("provision", device.port, "--config", file)
    accepted = lendgate("provision", device.port, "--config", file, "--no-wifi-test")

    assert refused.exit_code == 1
    assert "wifi: nothing heard" in refused.output
    assert accepted.exit_code == 0, accepted.output
    assert device.config.station == "gate-1"


def test_a_noisy_cable_is_noticed(file):
    """What the device keeps is compared with what it was told; a bent value is a failure."""
    device = Device(bends=lambda given: given.replace(b"10.0.0.1", b"10.0.0.7"))
    file.write_text(FILE.replace("192.168.1.10", "10.0.0.1"), encoding="utf-8")

    result = lendgate("provision", device.port, "--config", file)
    device.close()

    assert result.exit_code == 1
    assert "set broker.host 10.0.0.1" in result.output
    assert "set broker.host 10.0.0.7" in result.output


def test_a_port_without_a_device_says_so(tmp_path, file):
    """A wrong name is a sentence and not a traceback."""
    result = lendgate("provision", tmp_path / "ttyNONE", "--config", file)

    assert result.exit_code == 1
    assert "is not there; check its plug" in result.output


def test_keys_reach_the_device(device, file):
    """Two public keys, of whose updates it takes; a weak one is refused here."""
    keys = [public_key_of(bytes([at] * 32)).hex() for at in (1, 2)]
    options = ["--update-key", keys[0], "--update-key", keys[1]]

    weak = lendgate("provision", device.port, "--config", file, "--update-key", "01" + 31 * "00")
    result = lendgate("provision", device.port, "--config", file, *options)

    assert weak.exit_code == 1
    assert result.exit_code == 0, result.output
    assert Store(device.files).trusted() == keys


def test_an_update_reaches_a_device_over_usb(device, tmp_path):
    """Signed here, sent in pieces, checked there; the next start tries it."""
    private = bytes(32)
    trust(device.files, [public_key_of(private)])
    for name, content in whole_program(5).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    update, other = tmp_path / "5.lgu", tmp_path / "other.lgu"
    update.write_bytes(sign_update(tmp_path, private, Release(version=5, minimum=1)))
    other.write_bytes(sign_update(tmp_path, bytes([1] * 32), Release(version=6, minimum=1)))

    refused = lendgate("update", device.port, other)
    result = lendgate("update", device.port, update)

    assert "signed with a key that this device does not trust" in refused.output
    assert result.exit_code == 0, result.output
    assert "version 5 is on trial from the next start" in result.output


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ('name = " x"', "name: a space at its end"),
        ('name = "a\\tb"', "name: a space at its end, or a strange character"),
        ('colour = "blue"', "no option is called colour"),
    ],
)
def test_what_no_line_can_carry_is_refused(device, file, option, said):
    """A space that would be lost, a tab, an option nobody knows: named, and nothing is saved."""
    file.write_text(option + "\n" + FILE, encoding="utf-8")

    result = lendgate("provision", device.port, "--config", file)

    assert result.exit_code == 1
    assert said in result.output
    assert device.files.files == {}


def test_a_brokers_name_is_looked_up_here_and_never_on_the_device():
    """The device gets the address of now; with TLS the name stays that of the certificate."""
    values = {"broker": {"host": "gateway.school", "ca_file": "ca.der"}}

    said = look_broker_up(values, {"gateway.school": "192.168.1.10"}.__getitem__)

    assert values["broker"] == {
        "host": "192.168.1.10",
        "ca_file": "ca.der",
        "tls_name": "gateway.school",
    }
    assert (
        said == "gateway.school is 192.168.1.10 now, and that the device keeps: it must not change"
    )


@pytest.mark.parametrize("host", ["192.168.1.10", None])
def test_an_address_is_looked_up_nowhere(host):
    """Nor is what is missing; the device's own rules say so."""
    values = {"broker": {"host": host} if host else {}}

    assert look_broker_up(values, {}.__getitem__) == ""


def test_a_name_that_nobody_knows_is_refused():
    """Before anything is sent, with what to do instead."""

    def nobody(name):
        raise OSError(-2)

    with pytest.raises(ConfigInvalid, match="give the broker's address"):
        look_broker_up({"broker": {"host": "gatway"}}, nobody)
