"""How many frames a pad needs for what, and how long they take on its line."""

import pytest

from hardware.clock import SystemClock
from hardware.ports import Security
from hardware.readers.serial_pad import Pad3m, PadOptions
from hardware.serial_line import SerialLine
from sim.serial.pad_3m import SimPad3M
from sim.serial.tcp import TcpCable
from sim.tags import SimTag
from tests.hardware.readers.pads import BOOK, CONTENT, MAKERS, Table


def frames_of(table, action):
    """Return how many questions an action costs and how long all bytes take on the line."""
    before = len(table.pad.history)
    action()
    frames = list(table.pad.history)[before:]
    duration_ms = sum(table.pad.settings.duration_ms(len(frame.raw)) for frame in frames)
    return sum(not frame.to_host for frame in frames), duration_ms


@pytest.fixture(params=sorted(MAKERS))
def table(request):
    table = Table(request.param)
    table.place()
    table.reader.inventory()
    return table


@pytest.mark.parametrize(
    ("action", "costs"),
    [
        (lambda reader: reader.inventory(), {"3m": 1, "feig": 2}),
        (lambda reader: reader.read_content(BOOK), {"3m": 2, "feig": 2}),
        (lambda reader: reader.get_security(BOOK), {"3m": 1, "feig": 1}),
        (lambda reader: reader.set_security(BOOK, Security.ON_LOAN), {"3m": 2, "feig": 2}),
        (lambda reader: reader.write(BOOK, 0, bytes(36)), {"3m": 5, "feig": 4}),
    ],
    ids=["inventory", "content", "security", "switching", "writing"],
)
def test_each_step_costs_the_frames_that_the_docstring_says(table, action, costs):
    """The table in `hardware/readers/serial_pad.py` is counted, not estimated."""
    frames, _ = frames_of(table, lambda: action(table.reader))

    assert frames == costs[table.maker]


@pytest.mark.parametrize(
    ("maker", "security", "cost"),
    [
        ("3m", Security.IN_STOCK, 1),
        ("3m", Security.ON_LOAN, 1),
        ("feig", Security.IN_STOCK, 2),
        ("feig", Security.ON_LOAN, 7),
    ],
)
def test_security_by_eas_costs_what_the_docstring_says(maker, security, cost):
    """On a Feig reader a clear bit is a silence, and one silence is not enough."""
    table = Table(maker, options=PadOptions(security_by="eas"))
    table.place(security=security).eas = security is Security.IN_STOCK
    table.reader.inventory()
    frames, _ = frames_of(table, lambda: table.reader.get_security(BOOK))

    assert frames == cost


def lend(reader):
    """Do what a kiosk does with a book that was put down, from its placing to the tick."""
    reader.inventory()
    reader.inventory()
    content = reader.read_content(BOOK)
    assert reader.get_security(BOOK) is Security.IN_STOCK
    reader.set_security(BOOK, Security.ON_LOAN)
    return content


@pytest.mark.parametrize(("maker", "cost"), [("3m", (7, 144)), ("feig", (9, 85))])
def test_a_lending_costs_the_frames_that_the_docstring_says(maker, cost):
    """Two inventories, content, security, switched and read back; and their time on the wire."""
    table = Table(maker)
    table.place()
    table.reader.inventory()

    assert frames_of(table, lambda: lend(table.reader)) == cost


@pytest.mark.parametrize(("maker", "cost"), [("3m", 3), ("feig", 4)])
def test_the_first_use_costs_two_frames_more(maker, cost):
    """The two greetings that show a pad in step."""
    table = Table(maker)
    frames, _ = frames_of(table, table.reader.inventory)

    assert frames == cost


def test_a_pad_across_a_socket_lends_too():
    """As the demo has it: the pad in another process, behind pyserial's own socket://."""
    clock = SystemClock()
    pad = SimPad3M(clock, name="pad", latency_ms=1)
    pad.place(SimTag(BOOK, content=CONTENT, security=Security.IN_STOCK))
    with TcpCable(pad) as cable:
        reader = Pad3m(SerialLine(cable.url, baudrate=19_200, clock=clock), clock)
        content = lend(reader)
        reader.close()

    assert content.pii == CONTENT.pii
    assert pad.field.get(BOOK).security is Security.ON_LOAN
