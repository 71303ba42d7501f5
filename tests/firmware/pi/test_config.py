"""The gate's configuration file and its command line."""

import json
import re
import tomllib

import pytest
from click.testing import CliRunner

from circulation.config import Section
from circulation.errors import ConfigInvalid
from circulation.patrons import card_key
from firmware.gate.config import OPTIONS
from firmware.pi.__main__ import main
from firmware.pi.config import TEMPLATE, read_station_config
from firmware.pi.devices import GateDevices, LaneDevices, open_devices
from firmware.pi.errors import DevicesUnavailable
from hardware.clock import SystemClock
from hardware.errors import DeviceUnavailable
from sim.clock import VirtualClock
from sim.devices import SimReader
from sim.pins import SimInput, SimOutput
from tests.firmware.pi.bench import Bench

SECRET = "cd6c89a6f2b73e1154a8e0037a91cc5d"


def section(**changes):
    values = tomllib.loads(TEMPLATE)
    del values["devices"]
    gate = values.pop("gate") | changes.pop("gate", {})
    return Section(values | {"gate": gate} | changes, file="gate.toml")


def wired(text):
    """Return the template with the first section of each device chosen, as people paste it."""
    chosen = {}
    for name, lines in re.findall(r"^# \[(devices[.\w-]+)\]\n((?:# .+\n)+)", text, re.MULTILINE):
        chosen.setdefault(name, re.sub("^# ", "", lines, flags=re.MULTILINE))
    return text + "".join(f"\n[{name}]\n{lines}" for name, lines in chosen.items())


def pasted(tmp_path, text=None):
    file = tmp_path / "gate.toml"
    text = wired(TEMPLATE) if text is None else text
    text = text.replace(f'site_key = "{"0" * 32}"', f'site_key = "{SECRET}"')
    file.write_text(text.replace("/var/lib/lendgate", str(tmp_path)))
    return str(file)


def devices_that_fail(section, clock):
    """A factory of devices that are not there."""
    raise DeviceUnavailable("no antenna on /dev/ttyUSB0; plug it in")


def no_devices(section, clock):
    """A factory that forgets to return them."""


def devices_of_the_bench(section, clock):
    """A factory of simulated devices."""
    return Bench(VirtualClock()).devices


def test_the_template_is_a_configuration_with_every_option():
    """What is offered for pasting is complete, and its values are the defaults."""
    top = section()
    config = read_station_config(top)
    top.close()

    assert config.options == {option.name: option.default for option in OPTIONS}
    assert config.members == ("DE-1",)
    assert config.lists.name == "gate-lists"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"library": "My Library"}, "library"),
        ({"site": "a/b"}, "site"),
        ({"gateway_url": "gateway:80"}, "gateway_url"),
        ({"gateway_url": "http://[1"}, "gateway_url"),
        ({"site_key": "12"}, "site_key"),
        ({"staff_cards": ["1234"]}, "staff_cards"),
        ({"gate": {"boundary": 4}}, "boundary"),
        ({"gate": {"alarm_on_disagreement": 1}}, "alarm_on_disagreement"),
    ],
)
def test_a_wrong_value_is_refused_by_name(changes, words):
    """Every mistake names its option."""
    with pytest.raises(ConfigInvalid, match=words):
        read_station_config(section(**changes))


def test_a_misspelt_option_is_refused():
    """A typo never becomes a default."""
    top = section(gate={"alarm_hold": 3_000})
    read_station_config(top)

    with pytest.raises(ConfigInvalid, match="alarm_hold_ms"):
        top.close()


def test_options_that_contradict_each_other_are_refused():
    """What only shows together is refused as a configuration error too."""
    config = read_station_config(section(gate={"siren_max_on_ms": 1_000}))

    with pytest.raises(ConfigInvalid, match="siren_max_on_ms"):
        config.machine(Bench().devices)


def test_lanes_have_the_beams_they_have():
    """No inner beam is no beam; an inner one alone is one."""
    bench = Bench()

    found = [
        LaneDevices(bench.antenna, inner, outer).beams
        for inner, outer in (
            (None, None),
            (None, bench.outer),
            (bench.inner, None),
            (bench.inner, bench.outer),
        )
    ]
    assert found == [0, 0, 1, 2]


@pytest.mark.parametrize(
    "factory", ["nothing", "no.such.module:devices", "firmware.pi.app:no_such", ":x"]
)
def test_devices_that_cannot_be_made_are_named(factory):
    """A factory that is not there, and one whose devices are not, say so."""
    with pytest.raises(DevicesUnavailable, match="module:function"):
        open_devices(Section({"factory": factory}, file="gate.toml"), VirtualClock())


def test_devices_come_from_the_factory_that_is_named():
    """The function is called with its section and the clock; its troubles are told."""
    here = "tests.firmware.pi.test_config"
    good = Section({"factory": f"{here}:devices_of_the_bench"}, file="gate.toml")
    bad = Section({"factory": f"{here}:devices_that_fail"}, file="gate.toml")

    none = Section({"factory": f"{here}:no_devices"}, file="gate.toml")

    assert isinstance(open_devices(good, VirtualClock()), GateDevices)
    with pytest.raises(DevicesUnavailable, match="returned None, not GateDevices"):
        open_devices(none, VirtualClock())
    with pytest.raises(DevicesUnavailable, match="plug it in"):
        open_devices(bad, VirtualClock())


def test_template_check_and_card(tmp_path):
    """The printed template checks with its devices, and a card's entry is its keyed hash."""
    runner = CliRunner()
    file = pasted(tmp_path, wired(runner.invoke(main, ["template"]).output))

    assert "all right" in runner.invoke(main, ["check", file]).output
    printed = runner.invoke(main, ["card", file, "30234000517861"]).output.strip()
    assert printed == card_key(bytes(16), "30234000517861")
    assert runner.invoke(main, ["card", file, " "]).exit_code == 1


def test_the_bare_template_says_which_devices_a_gate_needs(tmp_path):
    """Nothing is claimed to be wired: what a gate cannot do without is asked for by name."""
    bare = CliRunner().invoke(main, ["check", pasted(tmp_path, TEMPLATE)])

    assert bare.exit_code == 1
    assert "[devices.siren] nor [devices.lamp_red]" in bare.output


@pytest.mark.parametrize(
    ("line", "words", "told"),
    [
        ('driver = "pad_3m"', 'driver = "pad_3n"', "did you mean pad_3m?"),
        ('driver = "pad_3m"', 'driver = "no.such:pad"', "no.such:pad cannot be found"),
        ("gpio = 17", "gpio = 28", "must be from 2 to 27"),
        ("max_on_ms = 30000", "max_on = 30000", "option max_on_ms is missing"),
        ("baudrate = 19200", "baud = 19200", "option baud is not an option here"),
        ("[devices.lanes.lane-1.antenna]", "[devices.lanes.lane-1.antena]", "antenna] is missing"),
        ("[devices.button]", "[devices.buton]", "option buton is not an option here"),
        ("afi_on_loan = 0xC2", "afi_on_loan = 0x07", "must be able to tell them apart"),
    ],
)
@pytest.mark.parametrize("command", ["check", "run"])
def test_a_mistake_about_a_device_stops_the_start(tmp_path, command, line, words, told):
    """Check and run name section and option, and open nothing."""
    text = wired(TEMPLATE)
    end = text.rindex("[devices.lanes.lane-1.antenna]")
    assert line in text[end:]
    file = pasted(tmp_path, text[:end] + text[end:].replace(line, words))

    result = CliRunner().invoke(main, [command, file])
    assert result.exit_code == 1
    assert told in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("line", "words", "told"),
    [
        (f'site_key = "{SECRET}"', f'site_key = "{"0" * 32}"', "site_key: this key stands in"),
        ("staff_cards = []", f'staff_cards = ["{SECRET}"]', "card_key: this key stands in"),
        (
            "gpio = 6\n",
            "gpio = 17\n",
            "[devices.lanes.lane-1.beam_outer] and [devices.siren] both",
        ),
    ],
)
def test_what_nobody_should_rely_on_is_named_with_what_to_do(tmp_path, line, words, told):
    """A gate that others can speak for, and one whose beam hangs at the siren's wire."""
    file = pasted(tmp_path)
    text = (tmp_path / "gate.toml").read_text()
    assert line in text
    (tmp_path / "gate.toml").write_text(text.replace(line, words))

    result = CliRunner().invoke(main, ["check", file])
    assert result.exit_code == 1
    assert f"  ! {told}" in result.output
    assert result.output.count("  ! ") == 1


def test_a_gate_with_such_a_mistake_runs_and_its_log_says_so(tmp_path, caplog):
    """It guards with what is left; here the start ends at times that contradict each other."""
    text = wired(TEMPLATE).replace("siren_max_on_ms = 30000", "siren_max_on_ms = 1000")
    file = pasted(tmp_path, text.replace("gpio = 27 ", "gpio = 17 "))

    result = CliRunner().invoke(main, ["run", file])
    assert "[devices.siren] and [devices.lamp_red] both take GPIO 17" in caplog.text
    assert result.exit_code == 1
    assert "both take" not in result.output


def test_a_wrong_file_is_told_in_words(tmp_path):
    """No file, or a file that is wrong: one line, no traceback, exit code 1."""
    runner = CliRunner()
    wrong = pasted(tmp_path, TEMPLATE.replace("boundary = 3", "boundary = 9"))

    for command, file in (("check", wrong), ("run", wrong), ("check", str(tmp_path / "none"))):
        result = runner.invoke(main, [command, file])
        assert (result.exit_code, result.output.startswith("Error: ")) == (1, True)


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_missing_certificate_is_named_before_the_gate_runs(tmp_path, command):
    """A gate that hears of no loan would sound for readers: it does not begin without its CA."""
    absent = wired(TEMPLATE).replace('gateway_ca_file = ""', 'gateway_ca_file = "/none.crt"')

    result = CliRunner().invoke(main, [command, pasted(tmp_path, absent)])
    assert result.exit_code == 1
    assert "gateway_ca_file: /none.crt: No such file or directory" in result.output


def test_status_tells_how_the_gate_is(tmp_path):
    """Well, unwell, and not running are told apart by words and exit code."""
    runner, file = CliRunner(), pasted(tmp_path)
    shown = {"station": "gate-1", "at": SystemClock().wall_ms(), "connected": True}
    shown |= {"list": "FRESH", "version": 5, "waiting": 0, "overlay": 2, "health": {}}
    shown |= {"notices": ["Emma (QA 1)"]}
    face = tmp_path / "gate-status.json"

    assert runner.invoke(main, ["status", file]).exit_code == 1
    face.write_text(json.dumps(shown))
    well = runner.invoke(main, ["status", file])
    assert (well.exit_code, "Emma (QA 1)" in well.output) == (0, True)
    face.write_text(json.dumps(shown | {"at": 0, "health": {"lane-1": "no antenna"}}))
    unwell = runner.invoke(main, ["status", file])
    assert unwell.exit_code == 1
    assert "no antenna" in unwell.output
    assert "is it running?" in unwell.output


def antenna_on_a_table(options, clock, name):
    """A driver of somebody else's."""
    return lambda: SimReader(clock, name=name)


def pin_on_a_table(options, clock, name):
    """A beam that nobody breaks, or a lamp."""
    lamp = options.boolean("lamp", default=False)
    return lambda: SimOutput(clock, max_on_ms=900) if lamp else SimInput(clock)


def test_the_hardware_check_goes_through_every_device(tmp_path):
    """Lanes, beams, lamps and button, each by its own name."""
    here = "tests.firmware.pi.test_config"
    file = tmp_path / "gate.toml"
    file.write_text(
        f'[devices.siren]\ndriver = "{here}:pin_on_a_table"\nlamp = true\n'
        f'[devices.button]\ndriver = "{here}:pin_on_a_table"\n'
        f'[devices.lanes.north.antenna]\ndriver = "{here}:antenna_on_a_table"\n'
        f'[devices.lanes.north.beam_inner]\ndriver = "{here}:pin_on_a_table"\n'
    )

    result = CliRunner().invoke(main, ["hardware-check", "--config", str(file), "--yes"])
    verdicts = [line.split() for line in result.output.splitlines()[-4:]]
    assert result.exit_code == 0
    assert [(words[0], words[-1]) for words in verdicts] == [
        ("siren", "tried"),
        ("button", "works"),
        ("north", "works"),
        ("north", "works"),
    ]
