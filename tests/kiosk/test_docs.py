"""What docs/kiosk.md says is what the kiosk does."""

import re
import socket

import pytest
from click.testing import CliRunner

from circulation.config import read_config
from hardware.errors import DeviceUnavailable
from kiosk.__main__ import main
from kiosk.config import TEMPLATE, read_kiosk_config
from kiosk.diagram import draw
from kiosk.web.actions import NAMES
from kiosk.wording import texts
from sim.devices import SimReader
from tests.kiosk.library import SITE_KEY, Kiosk
from tests.project import ROOT

PAGE = (ROOT / "docs/kiosk.md").read_text(encoding="utf-8")


def test_the_picture_of_the_session_is_drawn_from_its_table():
    """The file is what the table draws now."""
    assert (ROOT / "docs/kiosk-session.svg").read_text(encoding="utf-8") == draw()


@pytest.mark.parametrize(
    "name", ["finish", "return_books", "renew", "more_time", "stopped", "again", "refused",
             "unswitched_lend", "clock_unsure"],
)  # fmt: skip
def test_buttons_and_messages_are_named_as_they_are_shown(name):
    """A reader finds the card's words on the screen."""
    assert texts("en")[name] in PAGE


def test_the_badge_is_quoted_as_it_is_drawn():
    """Staff recognise it."""
    assert texts("en")["waiting"].replace("{n}", "12") in PAGE


def test_every_action_of_the_interface_is_on_the_page():
    """A program finds all buttons there."""
    documented = re.findall(r"POST /session/([a-z]+)` ?(?:`([a-z]+)`)? ?(?:`([a-z]+)`)?", PAGE)

    assert {name for row in documented for name in row if name} == set(NAMES)


def test_every_command_is_on_the_page():
    """No command is a secret, and none named there is gone."""
    named = set(re.findall(r"lendgate-kiosk ([a-z-]+)", PAGE))

    assert named == set(main.commands)


def test_options_on_the_page_exist():
    """What is to be changed can be changed."""
    section = PAGE.partition("Options people change most")[2].partition("\n\n")[0]
    for option in re.findall(r"`([a-z_]+)(?: = \w+)?`", section):
        assert re.search(rf"^{option} = ", TEMPLATE, re.M), option


def test_fields_of_the_state_on_the_page_are_in_the_state(tmp_path):
    """A program finds the fields it was promised."""
    row = next(line for line in PAGE.splitlines() if "GET /api/state" in line)
    promised = set(re.findall(r"`([a-z]+)`", row.partition("JSON:")[2]))

    assert promised <= set(Kiosk(tmp_path).load().run(200).view)


def run(*arguments):
    return CliRunner().invoke(main, list(arguments))


READY = TEMPLATE.replace("0" * 32, "cd6c89a6f2b73e1154a8e0037a91cc5d")
PAD = '[devices.pad]\ndriver = "pad_3m"\nport = "/dev/serial/by-id/usb-3M"\n'
SCANNER = '[devices.scanner]\ndriver = "serial"\nport = "/dev/serial/by-id/usb-scanner"\n'
"""The template with keys of its own, and a reader of items each."""


def checked(tmp_path, text):
    """Return what `check` says of a configuration, and its exit code."""
    file = tmp_path / "kiosk.toml"
    file.write_text(text)
    result = run("check", str(file))
    return result.output, result.exit_code


@pytest.mark.parametrize("reader", [PAD, SCANNER])
def test_the_template_is_a_working_configuration(tmp_path, reader):
    """With keys and a reader it is accepted."""
    said, code = checked(tmp_path, READY + reader)

    assert code == 0
    assert "kiosk-1 at main, library school: all right" in said


def test_the_template_as_it_is_says_what_is_to_be_changed(tmp_path):
    """Whoever pastes it and goes on has a list: two keys, and something that reads items."""
    said, code = checked(tmp_path, run("template").output)

    assert code == 1
    assert [line.split(":")[0] for line in said.splitlines() if line.startswith("  ! ")] == [
        "  ! site_key",
        "  ! card_key",
        "  ! devices",
    ]
    assert said.count("`lendgate-gateway station-file` prints it") == 2
    assert "neither [devices.pad] nor [devices.scanner] is there, so no item can be lent" in said


def test_a_spot_for_cards_alone_reads_no_items(tmp_path):
    """A reader could say who they are, and nothing else."""
    said, code = checked(tmp_path, READY + '[devices.cards]\ndriver = "rc522"\n')

    assert code == 1
    assert "neither [devices.pad] nor [devices.scanner] is there" in said


def test_two_devices_at_one_port_are_named_before_the_kiosk_runs(tmp_path):
    """A copied line is the commonest mistake of all."""
    said, code = checked(tmp_path, READY + PAD + SCANNER.replace("usb-scanner", "usb-3M"))

    assert code == 1
    assert "[devices.pad] and [devices.scanner] both take /dev/serial/by-id/usb-3M" in said


def test_the_devices_of_a_factory_are_left_to_whoever_wrote_it(tmp_path):
    """What it makes is not in the file; the keys are."""
    factory = '# factory = "module:function"'
    assert factory in READY
    made = READY.replace(factory, 'factory = "mine:devices"')

    assert checked(tmp_path, made)[1] == 0
    assert (
        "site_key"
        in checked(tmp_path, made.replace("cd6c89a6f2b73e1154a8e0037a91cc5d", "0" * 32))[0]
    )


def test_a_kiosk_with_such_mistakes_runs_and_its_log_says_so(tmp_path, caplog):
    """A lamp on a wrong pin is no reason to lend nothing."""
    file = tmp_path / "kiosk.toml"
    lamps = "".join(
        f'[devices.lamp_{name}]\ndriver = "gpio"\ngpio = 16\nmax_on_ms = 99\n'
        for name in ("ok", "alarm")
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:  # which ends the start right after
        port = f"port = {taken.getsockname()[1]}"
        file.write_text((READY + PAD + lamps).replace("port = 18081", port))
        result = run("run", str(file))

    assert "[devices.lamp_ok] and [devices.lamp_alarm] both take GPIO 16" in caplog.text
    assert result.exit_code == 1
    assert "both take" not in result.output


def test_the_template_gives_each_pin_to_one_device():
    """Whoever takes all of its devices wires no two of them to one pin."""
    pins = re.findall(r"^# (?:reset_|irq_)?gpio = (\d+)", TEMPLATE, re.M)

    assert len(pins) == 8
    assert len(set(pins)) == 8


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("quiet_s = 60", "quite_s = 60"),
        ('station = "kiosk-1"', 'station = "Kiosk One"'),
        ('gateway_url = "http://127.0.0.1:18080"', 'gateway_url = "ftp://x"'),
        ('languages = ["en", "de", "zh"]', 'languages = ["en", "tlh"]'),
        ('languages = ["en", "de", "zh"]', "languages = []"),
        ("port = 1883", "port = 0"),
        ("port = 18081", 'port = "many"'),
        ("lends = true", "lends = 1"),
        ("[web]", "[web"),
        ("countdown_s = 20", "countdown_s = 1"),
        (f'site_key = "{"0" * 32}"', 'site_key = "secret"'),
    ],
)
def test_a_hostile_configuration_is_one_clear_line(tmp_path, line, words):
    """Each mistake names its option; none shows a traceback."""
    assert line in TEMPLATE
    file = tmp_path / "kiosk.toml"
    file.write_text(TEMPLATE.replace(line, words))

    result = run("run", str(file))

    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert "Traceback" not in result.output


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"x" * 300_000, b"[[[["])
def test_a_file_that_is_no_configuration_is_named(tmp_path, content):
    """Whatever the file holds, the message names it."""
    file = tmp_path / "kiosk.toml"
    file.write_bytes(content)

    result = run("check", str(file))

    assert result.exit_code == 1
    assert "Traceback" not in result.output


@pytest.mark.parametrize("factory", ["nothing", "no.such:thing", "kiosk.devices:missing"])
def test_devices_that_cannot_be_made_are_named(tmp_path, factory):
    """A typing mistake in the factory is told before anything starts."""
    file = tmp_path / "kiosk.toml"
    offered = '# factory = "module:function"'
    assert offered in TEMPLATE
    file.write_text(TEMPLATE.replace(offered, f'factory = "{factory}"'))

    result = run("run", str(file))

    assert result.exit_code == 1
    assert f"devices.factory: {factory} cannot be found" in result.output


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ('[devices.pad]\ndriver = "pad3m"', "no driver here is called 'pad3m'"),
        ('[devices.pad]\ndriver = "no.such:pad"', "no.such:pad cannot be found"),
        ('[devices.pad]\ndriver = "pad_3m"', "option port is missing"),
        ('[devices.pad]\nport = "/dev/ttyUSB0"', "option driver is missing"),
        ('[devices.pads]\ndriver = "pad_3m"', "option pads is not an option here"),
        ('[devices.sound_ok]\ndriver = "gpio"\ngpio = 1\nmax_on_ms = 99', "from 2 to 27"),
        ('[devices.cards]\ndriver = "rc522"\nmifare_key = "0102030405"', "mifare_key"),
        ('[devices.cards]\ndriver = "rc522"\nmifare_key = "01020304050607"', "12 hex digits"),
        ('[devices.scanner]\ndriver = "rc522"', "choose serial, keyboard"),
    ],
)
@pytest.mark.parametrize("command", ["check", "run"])
def test_a_mistake_about_a_device_stops_the_start(tmp_path, command, section, told):
    """Check and run name section and option, and open nothing."""
    file = tmp_path / "kiosk.toml"
    file.write_text(f"{TEMPLATE}\n{section}\n".replace("/var/lib/lendgate", str(tmp_path)))

    result = run(command, str(file))

    assert result.exit_code == 1
    assert told in result.output
    assert "Traceback" not in result.output


def test_a_kiosk_that_does_not_run_says_so(tmp_path):
    """Status of nothing is a sentence."""
    file = tmp_path / "kiosk.toml"
    file.write_text(TEMPLATE.replace("port = 18081", "port = 1"))

    result = run("status", str(file))

    assert result.exit_code == 1
    assert "kiosk-1 is not running" in result.output


def test_the_barcode_tester_explains_every_pattern(tmp_path):
    """Staff see what the kiosk makes of a label, by the rules it decided by last."""
    kiosk = Kiosk(tmp_path).load()
    file = tmp_path / "kiosk.toml"
    file.write_text(TEMPLATE.replace("/var/lib/lendgate/station.db", str(tmp_path / "kiosk-1.db")))
    result = run("test-barcode", "30000001", "--config", str(file))

    kiosk.engine.store.close()
    assert result.output.splitlines()[-1] == "verdict: item"
    assert "patron 2#{6} (none): position 1" in result.output


def test_the_barcode_tester_needs_no_kiosk():
    """A cover's barcode is known anywhere."""
    assert "publisher's barcode" in run("test-barcode", "9780131103627").output


def test_secrets_are_never_printed(tmp_path):
    """A configuration that is shown or complained about keeps its keys."""
    file = tmp_path / "kiosk.toml"
    file.write_text(TEMPLATE.replace("0" * 32, SITE_KEY).replace("quiet_s", "quiet_x"))

    result = run("check", str(file))

    assert "quiet_x" in result.output
    assert SITE_KEY not in result.output
    assert read_kiosk_config(read_config(file)).site_key == bytes.fromhex(SITE_KEY)


def test_a_missing_certificate_is_named_before_the_kiosk_runs(tmp_path):
    """Whoever copied everything but the gateway's certificate learns which file is not there."""
    file = tmp_path / "kiosk.toml"
    file.write_text(TEMPLATE.replace('gateway_ca_file = ""', 'gateway_ca_file = "/none.crt"'))

    result = run("check", str(file))

    assert result.exit_code == 1
    assert "gateway_ca_file: /none.crt: No such file or directory" in result.output


def pad_on_a_table(options, clock, name):
    """A driver of somebody else's: its options are read at once, the device is made later."""
    technology = options.text("technology")
    return lambda: SimReader(clock, name=name, technologies=(technology,))


def scanner_that_is_out(options, clock, name):
    """A driver whose device is not plugged in."""

    def open_scanner():
        raise DeviceUnavailable(f"{name}: it is not plugged in")

    return open_scanner


def test_the_hardware_check_goes_through_every_device(tmp_path):
    """One that is out does not hide the others; the exit code says whether all is well."""
    file = tmp_path / "kiosk.toml"
    pad = f'[devices.pad]\ndriver = "{__name__}:pad_on_a_table"\ntechnology = "iso15693"\n'
    scanner = f'[devices.scanner]\ndriver = "{__name__}:scanner_that_is_out"\n'
    file.write_text(f"{TEMPLATE}\n{pad}")

    well = run("hardware-check", "--config", str(file), "--yes")
    assert (well.exit_code, "works: it answers" in well.output) == (0, True)
    file.write_text(f"{TEMPLATE}\n{pad}{scanner}")
    unwell = run("hardware-check", "--config", str(file), "--yes")
    assert unwell.exit_code == 1
    assert "scanner: it is not plugged in" in unwell.output
    assert unwell.output.splitlines()[-1].endswith("does not work")


def test_the_hardware_check_of_a_wrong_file_is_one_line(tmp_path):
    """A mistake in the configuration is told before anything is opened."""
    file = tmp_path / "kiosk.toml"
    file.write_text('[devices.pad]\ndriver = "pad_3m"\nport = "/dev/x"\nbaud = 1\n')

    result = run("hardware-check", "--config", str(file), "--yes")
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert "baud" in result.output
