"""From a configuration to devices that work: every driver, on a wire below its library."""

import subprocess
import sys

import pytest

from circulation.config import Section
from circulation.errors import ConfigInvalid
from hardware.attendant import Patience
from hardware.check import Checkup, Item, Kind, Verdict, check_all
from hardware.check_steps import STEPS
from hardware.chips.tag_data import new_content
from hardware.drivers import DeviceTable, made_devices
from hardware.errors import DevicesInvalid, DeviceUnavailable
from hardware.known_drivers import INPUTS, OUTPUTS, PAPER_DOTS, PRINTERS, READERS, SCANNERS
from hardware.ports import NTAG, Edge, Security
from hardware.typesetting import WIDTHS_DOTS
from sim.clock import VirtualClock
from sim.mfrc522.chip import SimMfrc522
from sim.pi.board import SimPi
from sim.serial import url
from sim.serial.pad_3m import SimPad3M
from sim.serial.pad_feig import SimPadFeig
from sim.serial.scanner import SimSerialScanner
from sim.tags import SimTag
from tests.project import ROOT

BOOK, STICKER = "e004010000000001", "04a1b2c3d4e580"
CONTENT = new_content("30001", "DE-1")
PORT = "sim://drivers-test"
VENDORS = ("spidev", "RPi", "lgpio", "mfrc522", "serial", "escpos", "PIL", "usb", "evdev")
PROGRAMS = ("kiosk.app", "firmware.pi.app", "kiosk.__main__", "firmware.pi.__main__")


@pytest.fixture
def clock():
    return VirtualClock(1_000)


@pytest.fixture
def pi(clock):
    """A Raspberry Pi with an RC522 on it, RST at GPIO 25 and IRQ at GPIO 24."""
    board = SimPi(clock)
    board.chip = SimMfrc522(clock)
    board.wire_mfrc522(board.chip, reset_gpio=25, irq_gpio=24)
    with board.installed():
        yield board


def plugged(device):
    """Plug a serial device in, and take it out after the test."""
    url.plug("drivers-test", device)
    return device


@pytest.fixture(autouse=True)
def _unplug():
    yield
    url.remove("drivers-test")


def table(clock, *, patience=None, **sections):
    return DeviceTable(Section(sections, file="kiosk.toml"), clock, patience=patience)


def options_are_all_read(clock, **sections):
    """Whether the section has no option that nobody reads."""
    section = Section(sections, file="kiosk.toml")
    DeviceTable(section, clock).reader("pad")
    section.close()


@pytest.mark.parametrize(("driver", "pad"), [("pad_3m", SimPad3M), ("pad_feig", SimPadFeig)])
def test_a_pad_for_library_tags_is_configured(clock, driver, pad):
    """A port and a driver's name are enough to read a book and to switch it."""
    device = plugged(pad(clock))
    tag = SimTag(BOOK, content=CONTENT, security=Security.IN_STOCK)
    device.place(tag)
    reader = table(clock, pad={"driver": driver, "port": PORT}).reader("pad")

    assert reader.inventory().uids == (BOOK,)
    assert reader.read_content(BOOK).pii == "30001"
    reader.set_security(BOOK, Security.ON_LOAN)
    assert (tag.afi, reader.health().ok) == (0xC2, True)
    assert reader.about()
    reader.close()


def test_a_site_chooses_its_own_afi(clock):
    """What other systems of the library write is what this one writes."""
    device = plugged(SimPad3M(clock))
    tag = SimTag(BOOK, content=CONTENT, security=Security.IN_STOCK)
    device.place(tag)
    pad = {"driver": "pad_3m", "port": PORT, "afi_in_stock": 0xD7, "afi_on_loan": 0xDA}
    reader = table(clock, pad=pad).reader("pad")

    assert reader.get_security(BOOK) is Security.NONE
    reader.set_security(BOOK, Security.ON_LOAN)
    assert tag.afi == 0xDA
    reader.close()


@pytest.mark.parametrize("pins", [{}, {"reset_gpio": 25}, {"reset_gpio": 25, "irq_gpio": 24}])
def test_an_rc522_is_configured_with_the_pins_it_has(pi, clock, pins):
    """RST and IRQ are used where they are wired, and let go of at the end."""
    pi.chip.field.put(SimTag(STICKER, technology=NTAG))
    reader = table(clock, cards={"driver": "rc522"} | pins).reader("cards")

    assert reader.inventory().uids == (STICKER,)
    assert reader.health().ok
    assert "MFRC522" in reader.about() or "0x92" in reader.about()
    owners = [gpio for gpio in (24, 25) if pi.line(gpio).owner]
    assert len(owners) == len(pins)
    reader.close()
    assert pi.line(24).owner is None


def test_the_package_mfrc522_is_configured(pi, clock):
    """The same board by the other driver, with its limits."""
    pi.chip.field.put(SimTag("0a1b2c3d", technology="mifare_classic"))
    reader = table(clock, cards={"driver": "mfrc522"}).reader("cards")

    assert reader.inventory().uids == ("0a1b2c3d",)
    reader.close()


def test_a_serial_scanner_is_configured(clock):
    """A code that was scanned comes out of poll."""
    device = plugged(SimSerialScanner(clock))
    scanner = table(clock, scanner={"driver": "serial", "port": PORT}).scanner("scanner")
    scanner.poll()
    device.scan("30001")
    clock.advance(500)

    assert scanner.poll() == ["30001"]
    scanner.close()


def test_lamps_buzzers_beams_and_buttons_are_configured(pi, clock):
    """Outputs go off by themselves and end low; inputs tell edges with their times."""
    lamp = {"driver": "gpio", "gpio": 17, "active_high": False, "max_on_ms": 500}
    tone = {"driver": "buzzer", "gpio": 18, "frequency_hz": 1_000, "max_on_ms": 500}
    beam = {"driver": "gpio", "gpio": 5}
    devices = table(clock, lamp_ok=lamp, sound_ok=tone, beam=beam)
    light, buzzer, beam = (
        devices.output("lamp_ok"),
        devices.output("sound_ok"),
        devices.input("beam"),
    )
    for device in (light, buzzer, beam):
        device.start()

    assert pi.line(17).level
    light.on()
    assert not pi.line(17).level
    assert (light.tone_hz, buzzer.tone_hz) == (0, 1_000)
    buzzer.tone_hz = 2_000
    assert buzzer.tone_hz == 2_000
    beam.edges()
    pi.line(5).drive(False)
    assert beam.edges() == [Edge(True, clock.now_ms())]
    for device in (light, buzzer, beam):
        device.close()
    assert pi.line(17).level


@pytest.mark.parametrize(
    ("port", "told"),
    [
        ("socket://", "write socket://host:9100"),
        ("socket://host:99999", "write socket://host:9100"),
        ("usb:4b8:e15", "as lsusb lists it"),
    ],
)
def test_a_printers_port_that_is_none_is_refused(clock, port, told):
    """The message shows how it is written."""
    with pytest.raises(DevicesInvalid, match=told):
        table(clock, printer={"driver": "escpos", "port": port}).printer("printer")


def test_paper_that_nobody_makes_is_refused(clock):
    """The widths there are, are named, and are those the typesetter knows."""
    paper = {"driver": "escpos", "port": "/dev/usb/lp0", "width_dots": 400}
    with pytest.raises(DevicesInvalid, match="one of 384, 512, 576"):
        table(clock, printer=paper).printer("printer")
    assert PAPER_DOTS == WIDTHS_DOTS


def test_a_printer_is_configured_by_its_file(clock, tmp_path):
    """A slip is bytes in the device's file."""
    file = tmp_path / "lp0"
    file.touch()
    printer = table(clock, printer={"driver": "escpos", "port": str(file)}).printer("printer")

    printer.print_lines(["Momo"])
    assert b"Momo" in file.read_bytes()
    printer.close()


@pytest.mark.parametrize("port", ["socket://127.0.0.1:1", "usb:04b8:0e15", "/dev/ttyS99"])
def test_a_printer_that_is_not_there_is_unhealthy(clock, port):
    """Network, USB and serial printers are named when they are missing."""
    printer = table(clock, printer={"driver": "escpos", "port": port}).printer("printer")

    assert not printer.health().ok or printer.health().detail
    printer.close()


def test_a_keyboard_that_is_not_there_is_unhealthy(clock):
    """It is named, and there as soon as it is plugged in."""
    device = {"driver": "keyboard", "device": "/dev/input/by-id/none"}
    scanner = table(clock, scanner=device).scanner("scanner")

    assert scanner.poll() == []
    assert "/dev/input/by-id/none is not there" in scanner.health().detail


def test_every_driver_has_a_name_of_its_own():
    """The names of the design, and no other."""
    assert [sorted(names) for names in (READERS, SCANNERS, PRINTERS, OUTPUTS, INPUTS)] == [
        ["mfrc522", "pad_3m", "pad_feig", "rc522"],
        ["keyboard", "serial"],
        ["escpos"],
        ["buzzer", "gpio"],
        ["gpio"],
    ]


@pytest.mark.parametrize(
    ("pad", "told"),
    [
        ({"driver": "pad_3m", "port": PORT, "baud": 9_600}, "option baud is not an option here"),
        ({"driver": "pad_3m", "port": PORT, "baudrate": 1}, "must be from 1200 to"),
        ({"driver": "pad_3m", "port": PORT, "tries": 0}, "must be from 1 to 10"),
        (
            {"driver": "pad_3m", "port": PORT, "security_by": "epc"},
            "must be one of afi, eas, both",
        ),
        ({"driver": "pad_3m", "port": ""}, "must not be empty"),
        ({"driver": "pad_feig", "port": PORT, "address": 256}, "must be from 0 to 255"),
        ({"driver": "rc522", "spi_bus": 7}, "must be from 0 to 6"),
        ({"driver": "rc522", "speed_hz": 50_000_000}, "must be from 100000 to"),
        ({"driver": "rc522", "irq_gpio": True}, "must be a whole number"),
        ({"port": PORT}, "option driver is missing"),
    ],
)
def test_an_option_out_of_its_bounds_is_refused_by_name(clock, pad, told):
    """Before anything is opened, with section and option."""
    with pytest.raises(ConfigInvalid, match=told):
        options_are_all_read(clock, pad=pad)


@pytest.mark.parametrize(
    ("driver", "told"),
    [
        ("pad_3n", "did you mean pad_3m"),
        ("zzz", "choose pad_3m"),
        ("os:nothing", "cannot be found"),
    ],
)
def test_a_driver_nobody_has_is_refused_by_name(clock, driver, told):
    """With the one that was probably meant."""
    with pytest.raises(DevicesInvalid, match=told):
        table(clock, pad={"driver": driver}).reader("pad")


def raises(options, clock, name):
    raise RuntimeError("boom")


def ends_the_program(options, clock, name):
    raise SystemExit(3)


def opens_nothing(options, clock, name):
    """Forgets to return what opens the device."""


def takes_nothing():
    """Is no driver at all."""


no_function = 5


@pytest.mark.parametrize(
    ("driver", "told"),
    [
        ("raises", "raises failed with RuntimeError: boom"),
        ("ends_the_program", "failed with SystemExit: 3"),
        ("opens_nothing", "returned None; it must return a function"),
        ("takes_nothing", "failed with TypeError: takes_nothing"),
        ("no_function", "no_function is no function"),
    ],
)
def test_a_driver_of_somebodys_that_is_none_is_refused_by_name(clock, driver, told):
    """Never taken for a device that nobody configured, and never a traceback."""
    with pytest.raises(DevicesInvalid, match=f"devices.pad.driver: .*{told}"):
        table(clock, pad={"driver": f"{__name__}:{driver}"}).reader("pad")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def (", "failed with SyntaxError"),
        ("raise OSError('no licence')", "failed with OSError: no licence"),
    ],
)
def test_a_module_that_cannot_be_loaded_is_refused_by_name(
    clock, tmp_path, monkeypatch, text, told
):
    """Its import runs whatever stands in it."""
    (tmp_path / "broken_driver.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(DevicesInvalid, match=f"broken_driver:pad {told}"):
        table(clock, pad={"driver": "broken_driver:pad"}).reader("pad")


def test_a_relative_module_cannot_be_found(clock):
    """`..drivers:pad` is relative to nothing."""
    with pytest.raises(DevicesInvalid, match="cannot be found"):
        table(clock, pad={"driver": "..drivers:pad"}).reader("pad")


def test_a_device_without_a_section_is_not_there(clock):
    """Nothing is claimed that nobody wrote."""
    devices = table(clock)

    assert [devices.reader("pad"), devices.scanner("scanner"), devices.printer("printer")] == [
        *(None, None, None)
    ]
    assert (devices.output("siren"), devices.input("button")) == (None, None)


def test_a_factory_makes_what_it_likes(clock):
    """The rest of the section is its own; when its devices are missing, that is told."""
    section = Section({"factory": f"{__name__}:factory", "port": "x"}, file="kiosk.toml")
    assert made_devices(section, clock, str, lambda table: "built", None) == "made with x"

    section = Section({"factory": f"{__name__}:factory", "port": "none"}, file="kiosk.toml")
    with pytest.raises(DevicesInvalid, match="devices: nothing at none"):
        made_devices(section, clock, str, lambda table: "built", None)


@pytest.mark.parametrize("factory", ["no_function", "takes_nothing"])
def test_a_factory_that_fails_is_named(clock, factory):
    """As a driver's mistakes are."""
    section = Section({"factory": f"{__name__}:{factory}"}, file="kiosk.toml")
    with pytest.raises(DevicesInvalid, match=f"devices.factory: .*{factory}"):
        made_devices(section, clock, str, lambda table: "built", None)


def factory(section, clock):
    port = section.text("port")
    if port == "none":
        raise DeviceUnavailable("nothing at none")
    return f"made with {port}"


def test_an_unplugged_pad_works_when_it_is_plugged_in_also_with_a_thread(clock):
    """As kiosks hold it: opened by its own thread, healthy as soon as it can be."""
    device = SimPad3M(clock)
    device.unplug()
    plugged(device)
    patience = Patience(round_ms=5_000, answer_ms=5_000)
    reader = table(clock, patience=patience, pad={"driver": "pad_3m", "port": PORT}).reader("pad")
    reader.start()

    assert not reader.health().ok
    device.plug_in()
    clock.advance(4_000)
    assert reader.health().ok
    assert reader.inventory().uids == ()
    reader.close()


@pytest.mark.parametrize("module", PROGRAMS)
def test_a_program_imports_no_vendor(module):
    """A kiosk with a pad only never imports spidev, and one without a printer no fonts."""
    code = f"import sys, {module}; print([name for name in {VENDORS} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


class Willing:
    """A person who agrees to everything and does what they are asked."""

    def __init__(self, **does):
        self.does = does

    def say(self, text):
        for word, action in self.does.items():
            if word in text:
                action()

    def agrees(self, question):
        return True

    def skips(self):
        return False


def checked(device, kind, clock, person=None, **about):
    """Return what `hardware-check` finds out about a real driver's device."""
    checkup = Checkup(person or Willing(), clock, is_alone=person is None)
    (found,) = check_all([Item("it", kind, device, **about)], checkup, STEPS)
    return found.verdict, found.said


def test_an_rc522_without_power_is_told_as_wiring(pi, clock):
    """Registers that read 00 are a wire, not an empty field."""
    pi.chip.power(False)
    reader = table(clock, cards={"driver": "rc522"}).reader("cards")

    verdict, said = checked(reader, Kind.READER, clock)
    assert verdict is Verdict.WRONG
    assert "3.3 V" in said


def test_spi_that_is_not_enabled_is_told(pi, clock):
    """The device file is missing: the command that makes it is named."""
    reader = table(clock, cards={"driver": "rc522", "spi_bus": 1}).reader("cards")

    assert "raspi-config" in checked(reader, Kind.READER, clock)[1]


def test_a_locked_afi_is_told_as_the_tags_fault(clock):
    """A tag that can never be lent is replaced, not wired."""
    pad = plugged(SimPad3M(clock))
    tag = SimTag(BOOK, content=CONTENT, security=Security.IN_STOCK)
    tag.afi_locked = True
    person = Willing(Put=lambda: pad.place(tag))
    reader = table(clock, pad={"driver": "pad_3m", "port": PORT}).reader("pad")

    verdict, said = checked(reader, Kind.READER, clock, person)
    assert verdict is Verdict.WRONG
    assert "try another" in said
    assert tag.security is Security.IN_STOCK


def test_a_pad_is_switched_to_and_fro_over_its_cable(clock):
    """The whole step with a real driver; the tag ends as it was."""
    pad = plugged(SimPad3M(clock))
    tag = SimTag(BOOK, content=CONTENT, security=Security.IN_STOCK)
    person = Willing(Put=lambda: pad.place(tag), Take=lambda: pad.lift(BOOK))
    reader = table(clock, pad={"driver": "pad_3m", "port": PORT}).reader("pad")

    verdict, said = checked(reader, Kind.READER, clock, person)
    assert (verdict, said.endswith("in stock; switched to and fro")) == (Verdict.WORKS, True)
    assert tag.security is Security.IN_STOCK


@pytest.mark.parametrize(
    ("options", "level", "told"),
    [
        ({"active_low": False}, True, "active_low"),
        ({"active_low": True}, False, "active_low"),
        ({"pull": "none", "active_low": True}, True, None),
    ],
)
def test_an_inverted_beam_is_told_on_the_wire(pi, clock, options, level, told):
    """A beam nobody breaks that says broken is set the wrong way round."""
    pi.line(5).drive(level)
    beam = table(clock, beam={"driver": "gpio", "gpio": 5} | options).input("beam")

    verdict, said = checked(beam, Kind.BEAM, clock)
    assert (verdict is Verdict.WRONG) == (told is not None)
    assert told is None or told in said


def test_a_siren_sounds_for_half_a_second_on_its_wire(pi, clock):
    """Far below its longest time on, and the wire is low afterwards."""
    siren = {"driver": "gpio", "gpio": 17, "max_on_ms": 30_000}
    output = table(clock, siren=siren).output("siren")

    assert checked(output, Kind.SOUND, clock, Willing())[0] is Verdict.WORKS
    assert not pi.line(17).level
    assert any(level for _, level in pi.line(17).history)
