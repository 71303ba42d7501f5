"""The receipt printer: its bytes read back by a decoder of the test's own, on all links."""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from PIL import ImageFont

from hardware.clock import SystemClock
from hardware.errors import DeviceTimeout, PrinterError
from hardware.printer import (
    DummyLink,
    EscposPrinter,
    FileLink,
    NetworkLink,
    PaperForm,
    SerialLink,
    UsbLink,
)
from hardware.serial_line import SerialLine
from sim.clock import VirtualClock
from sim.faults import OFF
from sim.pi.paper import SimPaperPrinter
from sim.serial.pty import PtyCable
from sim.serial.tcp import TcpCable
from sim.serial.url import plug, remove
from tests.contract.printer_contract import PrinterContract, PrinterRig

WQY = "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc"


# ------ a decoder that knows nothing of ours: what a slip's bytes put on paper ------


def decoded(data):
    """Return lines: texts, and pictures as sets of black dots; feeds and cuts are left out."""
    lines, text, at = [], "", 0
    while at < len(data):
        two = data[at : at + 2]
        if two in (b"\x1bt", b"\x1bd", b"\x1dV"):
            at += 3
        elif two == b"\x1b@":
            at += 2
        elif two == b"\x1dv":
            width, height = data[at + 4] + 256 * data[at + 5], data[at + 6] + 256 * data[at + 7]
            lines.append(black_dots(data[at + 8 : at + 8 + width * height], width))
            at += 8 + width * height
        elif data[at] == 10:
            lines.append(text)
            text, at = "", at + 1
        else:
            assert 32 <= data[at] < 127, f"byte {data[at]:#x} at {at} is no text"
            text, at = text + chr(data[at]), at + 1
    return lines


def black_dots(raster, width_bytes):
    """Return where a raster is black, moved so that its ink begins at (0, 0)."""
    return moved(
        (n % width_bytes * 8 + bit, n // width_bytes)
        for n, byte in enumerate(raster)
        for bit in range(8)
        if byte & 0x80 >> bit
    )


def moved(dots):
    """Return dots from the left and upper end of their ink."""
    dots = set(dots)
    left = min((x for x, _ in dots), default=0)
    top = min((y for _, y in dots), default=0)
    return frozenset((x - left, y - top) for x, y in dots)


def drawn(text):
    """Return the black dots of a text in the test's font, drawn without our help."""
    font = ImageFont.truetype(WQY, 24, layout_engine=ImageFont.Layout.BASIC)
    mask = font.getmask(text, mode="1")
    width = mask.size[0]
    return moved((n % width, n // width) for n, dot in enumerate(bytes(mask)) if dot)


def read(lines, candidates):
    """Return lines with each picture replaced by the text it shows, or by `?`."""
    shown = {drawn(text): text for text in candidates}
    return tuple(line if isinstance(line, str) else shown.get(line, "?") for line in lines)


def printed(lines, **form):
    """Return what our printer sends for these lines, decoded."""
    link = DummyLink()
    EscposPrinter(link, clock=VirtualClock(), form=PaperForm(**form)).print_lines(lines)
    return decoded(bytes(link.written))


def on_paper(device):
    """Tear off a simulated printer's slips, and read their pictures by the decoder above."""
    slips = []
    for slip in device.tear_off():
        lines = [
            line if isinstance(line, str) else black_dots(b"".join(line.rows), len(line.rows[0]))
            for line in slip.lines
        ]
        while lines and not lines[-1]:
            lines.pop()
        slips.append(read(lines, ["zurück bis 3. Okt.", "毛毛"]))
    return slips


# ------ the contract, on three links ------


class SlipArrives:
    """Waits until a printer behind a real cable has cut its next slip."""

    def __init__(self, device):
        self._device = device
        self._changed = threading.Condition()
        device.listeners.append(self._tell)

    def _tell(self):
        with self._changed:
            self._changed.notify_all()

    def slips(self, count=1):
        """Return the slips once there are so many."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._device.slips) >= count, 10)
        return on_paper(self._device)


class TestOnASerialLine(PrinterContract):
    """Through pyserial, on virtual time."""

    @pytest.fixture
    def rig(self):
        """A printer at sim://receipt."""
        clock = VirtualClock()
        device = SimPaperPrinter(clock)
        line = SerialLine(plug("receipt", device), baudrate=9_600, clock=clock)
        printer = EscposPrinter(SerialLink(line), clock=clock)

        yield PrinterRig(printer, device.run_out, device.refill, lambda: on_paper(device))
        remove("receipt")


class TestOnADeviceFile(PrinterContract):
    """A pseudo terminal stands in for /dev/usb/lp0."""

    @pytest.fixture
    def rig(self, tmp_path):
        """A printer behind a file."""
        device = SimPaperPrinter(SystemClock())
        arrives = SlipArrives(device)
        with PtyCable(device, tmp_path, name="lp0") as cable:
            printer = EscposPrinter(FileLink(str(cable.path)), clock=SystemClock())
            yield PrinterRig(printer, device.run_out, device.refill, arrives.slips)
            printer.close()


class TestOnTheNetwork(PrinterContract):
    """A loopback port stands in for port 9100."""

    @pytest.fixture
    def rig(self):
        """A printer behind a socket."""
        device = SimPaperPrinter(SystemClock())
        arrives = SlipArrives(device)
        with TcpCable(device) as cable:
            printer = EscposPrinter(NetworkLink("127.0.0.1", cable.port), clock=SystemClock())
            yield PrinterRig(printer, device.run_out, device.refill, arrives.slips)
            printer.close()


# ------ what is on the paper ------


def test_ascii_goes_as_text_and_everything_else_as_its_picture():
    """The drawn lines show the letters asked for, dot by dot."""
    lines = ["Momo", "Křídla č. 3", "漢字", "Ende der Welt…"]
    found = printed(lines)

    assert [type(line) for line in found[:4]] == [str, frozenset, frozenset, frozenset]
    assert read(found[:4], lines) == tuple(lines)


def test_two_characters_are_two_pictures_and_neither_is_an_empty_box():
    """漢 and 字 differ from each other and from what the font shows for what it lacks."""
    one, other = printed(["漢", "字"])[:2]

    assert len({one, other, drawn("\U0010fffe")}) == 3
    assert len(one) > 100


def test_letters_composed_in_two_ways_are_printed_alike():
    """u + combining diaeresis is ü: data comes from many programs."""
    composed, decomposed = printed(["Bücher", "Bu\u0308cher"])[:2]

    assert composed == decomposed == drawn("Bücher")


def test_what_no_font_has_is_named_and_told():
    """A rare character is printed as its number; staff read in health what to install."""
    link = DummyLink()
    printer = EscposPrinter(link, clock=VirtualClock())
    printer.print_lines(["毛 \U00020bb7"])

    assert read(decoded(bytes(link.written))[:1], ["毛 (U+20BB7)"]) == ("毛 (U+20BB7)",)
    assert "no font has U+20BB7; install fonts-wqy-microhei" in printer.health().detail


def test_without_any_font_letters_lose_their_accents_and_the_rest_is_numbers():
    """A Pi without fonts still prints a slip one can read, as text."""
    assert printed(["zurück 毛"], fonts=("/nowhere.ttf",))[0] == "zuruck (U+6BDB)"


def test_a_file_that_is_no_font_costs_no_slip(tmp_path):
    """The others fill in, and staff read which it is."""
    file = tmp_path / "letters.ttf"
    file.write_text("letters")
    link = DummyLink()
    printer = EscposPrinter(link, clock=VirtualClock(), form=PaperForm(fonts=(str(file), WQY)))
    printer.print_lines(["毛"])

    assert read(decoded(bytes(link.written))[:1], ["毛"]) == ("毛",)
    assert f"{file} is no font" in printer.health().detail


def test_a_font_of_ones_own_comes_first():
    """A configured font draws what it has; the others fill in."""
    dejavu = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
    found = printed(["ü", "毛"], fonts=(dejavu, WQY))

    assert found[0] != drawn("ü")
    assert found[1] == drawn("毛")


def test_a_code_page_lets_its_characters_go_as_text():
    """With CP858 ü is one byte; what the page lacks is still drawn."""
    link = DummyLink()
    EscposPrinter(link, clock=VirtualClock(), form=PaperForm(code_page="CP858")).print_lines(
        ["ü", "毛"]
    )

    assert b"\x1bt\x13" in link.written
    assert b"\x81\n" in link.written
    assert bytes(link.written).count(b"\x1dv0") == 1


@pytest.mark.parametrize("form", [{"code_page": "CP1"}, {"profile": "TM-NONE"}])
def test_what_the_library_does_not_know_is_said(form):
    """A typo in the configuration is a sentence at the first slip, not a traceback."""
    with pytest.raises(PrinterError, match=r"CP1|TM-NONE"):
        printed(["Momo"], **form)


@pytest.mark.parametrize(
    ("width_dots", "parts"),
    [
        (384, ["The Curious Incident of the Dog", "in the Night-Time"]),
        (512, ["The Curious Incident of the Dog in the", "Night-Time"]),
        (576, ["The Curious Incident of the Dog in the", "Night-Time"]),
    ],
)
def test_long_lines_are_broken_between_words(width_dots, parts):
    """32, 42 or 48 columns; no word is cut where a space will do."""
    title = "The Curious Incident of the Dog in the Night-Time"

    assert printed([title], width_dots=width_dots)[:2] == parts


def test_pictures_are_never_wider_than_the_paper():
    """A long Chinese title is broken anywhere; all of it is there."""
    title = "毛" * 40
    found = printed([title], width_dots=384)
    pictures = [line for line in found if isinstance(line, frozenset)]

    assert [picture == drawn("毛" * 16) for picture in pictures] == [True, True, False]
    assert pictures[2] == drawn("毛" * 8)


def test_a_title_cannot_command_the_printer():
    """Escape sequences in data are spaces and letters on paper."""
    found = printed(["\x1b@\x1dV\x00evil\x10\x04\x01", "two\nlines", "\u202etfel"])

    assert found[:2] == [" @ V evil   ", "two lines"]
    assert found[2] == "tfel"


def test_a_slip_as_long_as_a_book_is_refused():
    """Nothing is printed of it."""
    link = DummyLink()
    printer = EscposPrinter(link, clock=VirtualClock())
    for lines in (["x"] * 301, ["x" * 1_001]):
        with pytest.raises(PrinterError, match="at most 300 lines of 1000"):
            printer.print_lines(lines)

    assert not link.written


@pytest.mark.parametrize(
    ("cut", "ends_with"),
    [("full", b"\x1dV\x00"), ("partial", b"\x1dV\x01"), ("none", b"\x1bd\x04")],
)
def test_the_cut_is_as_configured(cut, ends_with):
    """Full, partial, or only feed where there is no knife."""
    link = DummyLink()
    EscposPrinter(link, clock=VirtualClock(), form=PaperForm(cut=cut)).print_lines(["x"])

    assert link.written.endswith(ends_with)


@pytest.mark.parametrize("form", [{"width_dots": 400}, {"cut": "half"}])
def test_a_form_that_does_not_exist_is_refused(form):
    """Bounded where it is made."""
    with pytest.raises(ValueError, match="is one of"):
        PaperForm(**form)


# ------ what the printer says ------


@pytest.fixture
def desk():
    """A simulated printer, ours, and their clock, without a cable in between."""
    clock = VirtualClock()
    device = SimPaperPrinter(clock)
    line = SerialLine(plug("desk", device), baudrate=9_600, clock=clock)
    yield device, EscposPrinter(SerialLink(line), clock=clock), clock
    remove("desk")


def looked(printer, clock, times=4):
    """Return the health after a few looks, a second apart."""
    for _ in range(times):
        printer.health()
        clock.advance(1_100)
    return printer.health()


def test_an_open_cover_is_told_apart_from_missing_paper(desk):
    """Each trouble has its own sentence, before anything is printed."""
    device, printer, _ = desk
    device.open_cover()
    with pytest.raises(PrinterError, match="cover is open; close it"):
        printer.print_lines(["Momo"])
    device.close_cover()
    printer.print_lines(["Momo"])

    assert [slip.texts for slip in device.slips] == [("Momo",)]


def test_health_finds_missing_paper_without_printing_and_without_waiting(desk):
    """The clock stands still during a look; the second look knows."""
    device, printer, clock = desk
    assert looked(printer, clock).ok
    device.run_out()
    before_ms = clock.now_ms()
    printer.health()
    assert clock.now_ms() == before_ms

    assert looked(printer, clock).detail == "printer: it is out of paper; put a new roll in"
    device.refill()
    assert looked(printer, clock) == (printer.health())
    assert printer.health().ok


def test_paper_that_is_nearly_used_up_is_told_while_printing_works(desk):
    """Staff fetch a roll before a reader waits."""
    device, printer, clock = desk
    device.is_nearly_out = True
    found = looked(printer, clock)

    assert found.ok
    assert "nearly used up" in found.detail


def test_a_printer_that_never_answers_is_tried_and_its_paper_unknown(desk):
    """Cheap printers say nothing: that is said, and printing works."""
    device, printer, clock = desk
    device.answers_status = False
    printer.print_lines(["Momo"])
    found = looked(printer, clock, times=8)

    assert [slip.texts for slip in device.slips] == [("Momo",)]
    assert found.ok
    assert "does not tell whether there is paper" in found.detail


def test_a_printer_that_falls_silent_is_unhealthy_and_refuses(desk):
    """It answered before, so silence means that it is off: no slip is sent into nothing."""
    device, printer, clock = desk
    assert looked(printer, clock).ok
    device.fail(OFF)
    assert "switched on?" in looked(printer, clock, times=8).detail
    assert not printer.health().ok
    with pytest.raises(PrinterError, match="switched on"):
        printer.print_lines(["Momo"])
    device.mend()
    printer.print_lines(["Krabat"])

    assert [slip.texts for slip in device.slips] == [("Krabat",)]
    assert looked(printer, clock).ok


def test_a_pulled_plug_heals_without_a_restart(desk):
    """Red while it is out, green and printing when it is in again."""
    device, printer, clock = desk
    printer.print_lines(["Momo"])
    device.unplug()
    assert not looked(printer, clock).ok
    with pytest.raises(PrinterError, match="desk"):
        printer.print_lines(["Ronja"])
    device.plug_in()
    assert looked(printer, clock).ok
    printer.print_lines(["Krabat"])

    assert [slip.texts for slip in device.slips] == [("Momo",), ("Krabat",)]


def test_noise_on_the_line_is_no_status(desk):
    """Bytes without the fixed bits are not answers, even when nothing better comes."""
    device, printer, clock = desk
    device.answers_status = False
    printer.health()
    device.say(b"\x60\x7d\xff")
    clock.advance(100)

    assert printer.health().ok


# ------ links ------


def test_a_plain_file_takes_slips_and_is_never_read(tmp_path):
    """For trying it out: the bytes are appended, and the paper is unknown."""
    path = tmp_path / "slips.bin"
    path.write_bytes(b"")
    printer = EscposPrinter(FileLink(str(path)), clock=VirtualClock())
    printer.print_lines(["Momo"])
    printer.print_lines(["Krabat"])
    printer.close()

    assert [line for line in decoded(path.read_bytes()) if line] == ["Momo", "Krabat"]


def test_a_device_that_is_not_there_says_what_to_check(tmp_path):
    """And works as soon as it is."""
    path = tmp_path / "lp0"
    printer = EscposPrinter(FileLink(str(path)), clock=VirtualClock())
    with pytest.raises(PrinterError, match="check its plug and whether it is switched on"):
        printer.print_lines(["Momo"])
    assert not printer.health().ok
    path.write_bytes(b"")
    printer.print_lines(["Momo"])

    assert printer.health().ok
    path.unlink()
    assert not printer.health().ok


def test_a_printer_that_takes_nothing_does_not_stop_the_kiosk(tmp_path):
    """A pipe nobody empties: writing ends by itself and names what to check."""
    path = tmp_path / "lp0"
    os.mkfifo(path)

    with pytest.raises(DeviceTimeout, match="takes nothing: check paper and cover"):
        FileLink(str(path)).write(b"\0" * 1_000_000, 10)


def test_a_refused_connection_says_so(tmp_path):
    """A network printer that is off, or another port."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        port = door.getsockname()[1]
        link = NetworkLink("127.0.0.1", port)
        printer = EscposPrinter(link, clock=SystemClock())
        with pytest.raises(PrinterError, match="refuses the connection"):
            printer.print_lines(["Momo"])
        assert not printer.health().ok
        assert not EscposPrinter(link, clock=SystemClock()).health().ok


def test_a_host_nobody_knows_says_so():
    """Names are looked up beside the kiosk's work; a wrong one is named."""
    printer = EscposPrinter(NetworkLink("printer.invalid"), clock=SystemClock())

    with pytest.raises(PrinterError, match=r"printer\.invalid:9100 (is not a known|does not)"):
        printer.print_lines(["Momo"])


class Unreachable(DummyLink):
    """A printer whose connection is being made for ever."""

    def look(self, wait_ms=0):
        return False


def test_a_printer_that_is_never_reached_is_unhealthy_after_a_while():
    """A connection being made is no trouble yet; after four seconds it is."""
    clock = VirtualClock()
    printer = EscposPrinter(Unreachable(), clock=clock)
    assert printer.health().ok
    assert "being reached" in printer.health().detail
    clock.advance(3_999)
    assert printer.health().ok
    clock.advance(1)

    assert "does not answer; check cable and address" in printer.health().detail
    assert not printer.health().ok


def test_a_network_printer_that_hung_up_is_called_again():
    """Most close an idle connection; the next slip is printed all the same."""
    device = SimPaperPrinter(SystemClock())
    arrives = SlipArrives(device)
    with TcpCable(device) as cable:
        printer = EscposPrinter(NetworkLink("127.0.0.1", cable.port), clock=SystemClock())
        printer.print_lines(["Momo"])
        assert arrives.slips() == [("Momo",)]
        device.unplug()
        device.plug_in()
        assert cable.settle()
        printer.print_lines(["Krabat"])

        assert arrives.slips() == [("Krabat",)]
        printer.close()


class FakeUsb:
    """What python-escpos gives for a USB printer."""

    def __init__(self):
        self.sent = b""

    def _raw(self, data):
        self.sent += data

    def close(self):
        """Nothing to close."""


def usb_device(folder: Path, vendor: str, product: str):
    """Put a device into a folder like /sys/bus/usb/devices."""
    device = folder / "1-1.2"
    device.mkdir(parents=True)
    (device / "idVendor").write_text(f"{vendor}\n")
    (device / "idProduct").write_text(f"{product}\n")


def test_a_usb_printer_is_found_by_its_numbers(tmp_path):
    """The kernel's list says whether it is plugged in; sending goes through python-escpos."""
    fake = FakeUsb()
    link = UsbLink(0x04B8, 0x0E15, open_printer=lambda *_: fake, devices=tmp_path)
    printer = EscposPrinter(link, clock=VirtualClock())
    assert not printer.health().ok
    with pytest.raises(PrinterError, match="04b8:0e15 is not there"):
        printer.print_lines(["Momo"])
    usb_device(tmp_path, "04b8", "0e15")
    printer.print_lines(["Momo"])

    assert decoded(fake.sent)[0] == "Momo"
    assert printer.health().ok


def test_usb_without_its_library_is_a_sentence(tmp_path):
    """pyusb is a package of its own."""
    usb_device(tmp_path, "04b8", "0e15")
    printer = EscposPrinter(UsbLink(0x04B8, 0x0E15, devices=tmp_path), clock=VirtualClock())

    with pytest.raises(PrinterError, match=r"USB printer 04b8:0e15.*needs the package pyusb"):
        printer.print_lines(["Momo"])


def test_nothing_heavy_is_imported_before_the_first_slip():
    """python-escpos and Pillow take half of a kiosk's start: not at import, not for health."""
    program = (
        "import sys; from hardware.clock import SystemClock\n"
        "from hardware.printer import *\n"
        "printer = EscposPrinter(FileLink('/dev/null'), clock=SystemClock())\n"
        "printer.health()\n"
        "heavy = {'escpos', 'PIL', 'serial', 'usb'}\n"
        "before = heavy & set(sys.modules)\n"
        "printer.print_lines(['x'])\n"
        "print(sorted(before), 'escpos' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout == "[] True\n"
