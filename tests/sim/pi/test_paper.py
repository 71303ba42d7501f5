"""The simulated receipt printer: commands, status, and what it does without paper."""

import random

import pytest

from sim.clock import VirtualClock
from sim.errors import FaultUnknown
from sim.faults import OFF, PAPER_OUT, STUCK
from sim.pi.escpos import Raster
from sim.pi.paper import SimPaperPrinter, picture_of

CUT = b"\x1dV\x00"
STATUS = {1: b"\x10\x04\x01", 2: b"\x10\x04\x02", 3: b"\x10\x04\x03", 4: b"\x10\x04\x04"}


@pytest.fixture
def printer():
    """A printer on virtual time."""
    return SimPaperPrinter(VirtualClock())


def asked(printer, number):
    """Return the answer to DLE EOT `number`, as bits."""
    printer.receive(STATUS[number])
    printer.clock.advance(50)
    return printer.take().hex()


def test_lines_are_cut_into_slips(printer):
    """Text between line feeds, feeds as empty lines, a cut ends the slip."""
    printer.receive(b"\x1b@Momo\nKra")
    printer.receive(b"bat\n\x1bd\x02" + CUT + b"next")

    assert printer.slips[0].texts == ("Momo", "Krabat")
    assert printer.slips[0].lines == ["Momo", "Krabat", "", ""]
    assert printer.slips[0].is_cut
    assert printer.hanging.lines == []


@pytest.mark.parametrize(
    ("page", "byte", "letter"), [(0, 0x81, "ü"), (19, 0xD5, "€"), (16, 0x8A, "Š")]
)
def test_bytes_mean_what_the_code_page_says(printer, page, byte, letter):
    """ESC t chooses it, ESC @ goes back to page 0."""
    printer.receive(b"\x1bt" + bytes((page, byte)) + b"\n\x1b@\x81\n" + CUT)

    assert printer.slips[0].texts == (letter, "ü")


def test_a_raster_is_a_picture_dot_by_dot(printer):
    """GS v 0: two bytes wide, two rows; bit 7 is the leftmost dot."""
    printer.receive(b"\x1dv0\x00\x02\x00\x02\x00" + b"\x80\x01\x00\xff" + CUT)
    raster = printer.slips[0].lines[0]

    assert raster == Raster(16, (b"\x80\x01", b"\x00\xff"))
    assert [raster.is_black(x, 0) for x in (0, 1, 15)] == [True, False, True]


@pytest.mark.parametrize(
    "command",
    [
        *(b"\x1b!\x08", b"\x1ba\x01", b"\x1bE\x01", b"\x1b2", b"\x1b3\x1e", b"\x1b$\x10\x00"),
        *(b"\x1bp\x00\x19\x19", b"\x1bD\x08\x10\x00", b"\x1b*\x21\x02\x00" + b"\n" * 6),
        *(b"\x1d!\x11", b"\x1dk\x04ABC\x00", b"\x1dk\x49\x03A\nC", b"\x1dL\x10\x00", b"\x1c."),
        *(b"\x1d(k\x04\x00\x31\x41\x32\x00", b"\x10\x14\x01\x00\x01"),
    ],
)
def test_commands_without_a_meaning_here_leave_no_trace(printer, command):
    """Their bytes are counted off, never printed, also when a parameter looks like a line feed."""
    printer.receive(b"a" + command + b"b\n" + CUT)

    assert printer.slips[0].texts == ("ab",)
    assert printer.unknown == []


def test_unknown_commands_show(printer):
    """A command no printer knows is printed as letters, as on real paper, and remembered."""
    printer.receive(b"\x1b~x\n" + CUT)

    assert printer.unknown == [b"\x1b~"]
    assert printer.slips[0].texts == ("~x",)


def test_bytes_may_come_in_any_pieces(printer, seed):
    """A slip sent byte by byte is the same slip."""
    slip = b"\x1b@Momo\n\x1dv0\x00\x01\x00\x02\x00\n\x1d\x1dk\x04AB\x00x\n\x1bd\x06" + CUT
    printer.receive(slip)
    chance = random.Random(seed)
    rest = slip
    while rest:
        size = chance.randrange(1, 8)
        printer.receive(rest[:size])
        rest = rest[size:]

    assert printer.slips[0].lines == printer.slips[1].lines


@pytest.mark.parametrize(
    ("hand", "answers"),
    [
        (lambda _printer: None, ["12", "12", "12", "12"]),
        (lambda printer: printer.run_out(), ["1a", "32", "12", "7e"]),
        (lambda printer: printer.open_cover(), ["1a", "16", "12", "12"]),
        (lambda printer: setattr(printer, "is_nearly_out", True), ["12", "12", "12", "1e"]),
        (lambda printer: printer.fail(PAPER_OUT), ["1a", "32", "12", "7e"]),
    ],
    ids=["fine", "out of paper", "open", "nearly out", "fault"],
)
def test_status_is_answered_bit_by_bit(printer, hand, answers):
    """DLE EOT 1 to 4, as in the manuals of Epson and Samsung."""
    hand(printer)

    assert [asked(printer, number) for number in (1, 2, 3, 4)] == answers


def test_without_paper_it_keeps_what_it_was_sent(printer):
    """Nothing is printed twice, nothing is lost, and status is answered meanwhile."""
    printer.run_out()
    printer.receive(b"Momo\n" + CUT)
    assert printer.slips == []
    assert asked(printer, 4) == "7e"
    printer.refill()

    assert [slip.texts for slip in printer.slips] == [("Momo",)]
    assert asked(printer, 4) == "12"


def test_a_power_cut_loses_half_a_command(printer):
    """The rest of it is then text, as on a real one."""
    printer.receive(b"lost\n\x1dv0\x00\x02")
    printer.unplug()
    printer.plug_in()
    printer.receive(b"Momo\n" + CUT)

    assert printer.slips[0].texts[-1] == "Momo"


def test_faults_are_those_of_serial_devices(printer):
    """Off answers nothing; stuck says that all is well; others are refused loudly."""
    printer.fail(OFF)
    assert asked(printer, 1) == ""
    printer.mend()
    printer.fail(STUCK)
    printer.run_out()
    assert asked(printer, 4) == "12"
    with pytest.raises(FaultUnknown):
        printer.fail("on fire")


def test_the_slip_as_one_picture(printer):
    """For the bench: text and pictures below each other, as wide as the paper."""
    printer.receive(b"Momo\n\x1dv0\x00\x01\x00\x01\x00\xf0" + CUT)
    picture = picture_of(printer.slips[0], width_dots=384)

    assert picture.size == (384, 31)
    assert [picture.getpixel((x, 30)) for x in range(8)] == [0, 0, 0, 0, 255, 255, 255, 255]
    assert picture.crop((0, 0, 48, 30)).getextrema()[0] == 0
