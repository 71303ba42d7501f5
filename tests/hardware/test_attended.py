"""Devices behind an attendant: opened when they can be, never waited for too long."""

import contextlib
import threading

import pytest

from hardware.attendant import Attendant, Patience
from hardware.attended import (
    AttendedInput,
    AttendedOutput,
    AttendedPrinter,
    AttendedReader,
    AttendedScanner,
)
from hardware.errors import DeviceError, DeviceTimeout, DeviceUnavailable, PrinterError
from hardware.ports import Inventory, Security
from sim.clock import VirtualClock
from sim.devices import SimPrinter, SimReader, SimScanner
from sim.faults import OFF
from sim.pins import SimInput, SimOutput
from sim.tags import SimTag
from tests.contract.gpio_contract import (
    MAX_ON_MS,
    InputContract,
    InputRig,
    OutputContract,
    OutputRig,
)
from tests.contract.printer_contract import PrinterContract, PrinterRig
from tests.contract.reader_contract import ReaderRig, TagReaderContract

UID, OTHER = "e004010000000001", "e004010000000002"
PATIENT = Patience(round_ms=10_000, answer_ms=10_000)
HASTY = Patience(round_ms=1, answer_ms=1)


def feel(device):
    """Ask a device how it is."""
    return device.health()


class Plug:
    """A device that can only be opened while it is plugged in; counts the tries."""

    def __init__(self, device, *, plugged=True):
        self.device, self.plugged, self.tries = device, plugged, 0

    def open(self):
        self.tries += 1
        if not self.plugged:
            raise DeviceUnavailable("pad: /dev/serial/by-id/pad is not there; plug it in")
        return self.device


class SlowReader(SimReader):
    """A reader that answers when the test lets it."""

    def __init__(self, clock):
        super().__init__(clock, name="pad")
        self.go, self.began = threading.Semaphore(0), threading.Semaphore(0)
        self._asked = []

    def inventory(self):
        self._wait("inventory")
        return super().inventory()

    def get_security(self, uid):
        self._wait(f"security {uid}")
        return super().get_security(uid)

    def _wait(self, question):
        self._asked.append(question)
        self.began.release()
        self.go.acquire()

    def asked(self, count):
        """Return what it was asked, once it was asked that often."""
        for _ in range(count):
            assert self.began.acquire(timeout=10)
        return self._asked

    def answer(self, attendant):
        """Answer the question that is open, and return when the answer is there."""
        question = attendant._asked
        self.go.release()
        question.answer.exception(timeout=10)


def settle(front):
    """Wait until what was asked last is answered."""
    question = front._attendant._asked
    if question is not None:
        question.answer.exception(timeout=10)


@pytest.fixture
def clock():
    return VirtualClock()


def attended(kind, device, clock, *, patience=None, feel=feel):
    opened = device.open if isinstance(device, Plug) else lambda: device
    return kind(Attendant("pad", opened, clock, patience=patience, feel=feel))


def slow(clock):
    """A reader that answers when told, and the attended one over it."""
    reader = SlowReader(clock)
    return reader, attended(AttendedReader, reader, clock, patience=HASTY)


class TestReaderWithAThread(TagReaderContract):
    """A reader asked by a thread of its own is a reader."""

    @pytest.fixture
    def rig(self, clock):
        reader = SimReader(clock, name="pad")
        front = attended(AttendedReader, reader, clock, patience=PATIENT)

        def place(uid, content, security):
            tag = content if isinstance(content, SimTag) else SimTag(
                uid, content=content, security=security
            )  # fmt: skip
            reader.place(tag)
            return tag

        def pull(uid, writes):
            reader.pull(uid, after_writes=writes)

        def weaken(uid, writes):
            reader.field.get(uid).ignore_writes(writes)

        yield ReaderRig(
            front, place, reader.lift, pull, weaken, lambda: reader.fail(OFF), reader.mend
        )
        front.close()


class TestPrinterBehindAnAttendant(PrinterContract):
    """A printer behind an attendant is a printer."""

    @pytest.fixture
    def rig(self, clock):
        printer = SimPrinter()
        front = attended(AttendedPrinter, printer, clock, patience=PATIENT)
        yield PrinterRig(
            front, lambda: printer.fail("paper_out"), printer.mend, lambda: list(printer.slips)
        )
        front.close()


class TestOutputBehindAnAttendant(OutputContract):
    """A lamp behind an attendant is a lamp."""

    @pytest.fixture
    def rig(self, clock):
        made = {}

        def make(initial, safe):
            lamp = SimOutput(clock, initial=initial, safe=safe, max_on_ms=MAX_ON_MS)
            front = attended(AttendedOutput, lamp, clock, feel=None)
            made[front] = lamp
            front.start()
            return front

        return OutputRig(make, lambda front: made[front].state, clock.advance)


class TestInputBehindAnAttendant(InputContract):
    """A beam behind an attendant is a beam."""

    @pytest.fixture
    def rig(self, clock):
        beam = SimInput(clock)
        front = attended(AttendedInput, beam, clock, feel=None)
        return InputRig(front, beam.drive, clock.advance, clock.now_ms)


def test_an_unplugged_pad_is_there_and_works_when_plugged_in(clock):
    """The program starts without the pad, says which plug, and reads as soon as it is in."""
    plug = Plug(SimReader(clock, name="pad"), plugged=False)
    pad = attended(AttendedReader, plug, clock)
    pad.start()

    assert pad.health().detail == "pad: /dev/serial/by-id/pad is not there; plug it in"
    with pytest.raises(DeviceUnavailable, match="plug it in"):
        pad.inventory()
    plug.plugged = True
    clock.advance(2_000)
    assert pad.health().ok
    assert pad.inventory() == Inventory(())


def test_an_unplugged_device_is_tried_ever_more_slowly_but_every_two_seconds(clock):
    """Opening is tried 0.2 s after it failed, then half as often each time, at last every 2 s."""
    plug = Plug(SimReader(clock, name="pad"), plugged=False)
    pad = attended(AttendedReader, plug, clock)
    tried_ms = []
    for _ in range(1_000):
        before = plug.tries
        pad.health()
        if plug.tries > before:
            tried_ms.append(clock.now_ms())
        clock.advance(10)

    assert tried_ms == [0, 200, 600, 1_400, 3_000, 5_000, 7_000, 9_000]


def test_a_driver_without_its_library_says_what_to_install(clock):
    """A missing library stops no kiosk; the sentence leads to the page that names the extra."""

    def open_it():
        raise ModuleNotFoundError("No module named 'spidev'")

    pad = AttendedReader(Attendant("pad", open_it, clock, feel=feel))

    assert pad.health().detail == (
        "pad: No module named 'spidev'; install what this driver needs (docs/hardware.md)"
    )


def test_an_error_of_a_strange_driver_is_one_of_ours(clock):
    """What a third party's driver raises never passes through to a program's loop."""

    class Strange(SimReader):
        def inventory(self):
            raise KeyError("uid")

    pad = attended(AttendedReader, Strange(clock, name="pad"), clock)

    with pytest.raises(DeviceError, match="KeyError: 'uid'"):
        pad.inventory()


def test_a_driver_cannot_end_the_program(clock):
    """A vendor's `sys.exit()` is a device that cannot be opened."""

    def open_it():
        raise SystemExit(3)

    with_thread = Attendant("pad", open_it, clock, patience=Patience(5_000, 5_000))
    for attendant in (Attendant("pad", open_it, clock), with_thread):
        assert attendant.health().detail == "pad: SystemExit: 3"
        attendant.close()


def test_a_slow_reader_gives_its_late_answer_to_the_next_round(clock):
    """Meanwhile the inventory is empty and says that it is not complete: nothing was lifted."""
    reader, pad = slow(clock)
    reader.place(SimTag(UID))

    assert pad.inventory() == Inventory((), complete=False)
    assert pad.inventory() == Inventory((), complete=False)
    reader.answer(pad._attendant)
    assert pad.inventory().uids == (UID,)
    assert reader.asked(1) == ["inventory"]


def test_the_late_answer_about_a_tag_is_given_to_who_asks_again(clock):
    """A reader that is always too slow is understood all the same, each answer one turn later."""
    reader, pad = slow(clock)
    reader.place(SimTag(UID, security=Security.ON_LOAN))
    with pytest.raises(DeviceTimeout):
        pad.get_security(UID)
    with pytest.raises(DeviceTimeout, match="busy"):
        pad.get_security(OTHER)
    assert pad.inventory() == Inventory((), complete=False)
    reader.answer(pad._attendant)

    assert pad.inventory() == Inventory((), complete=False)  # the next question, begun just now
    assert pad.get_security(UID) is Security.ON_LOAN
    assert reader.asked(2) == [f"security {UID}", "inventory"]


def test_a_late_answer_is_forgotten_after_two_seconds(clock):
    """What a tag said some seconds ago says nothing about now: it is asked anew."""
    reader, pad = slow(clock)
    reader.place(SimTag(UID))
    with pytest.raises(DeviceTimeout):
        pad.get_security(UID)
    reader.answer(pad._attendant)
    pad.inventory()
    reader.answer(pad._attendant)
    clock.advance(2_001)

    with pytest.raises(DeviceTimeout):
        pad.get_security(UID)
    assert reader.asked(3) == [f"security {UID}", "inventory", f"security {UID}"]


def test_what_a_tag_said_before_it_was_written_is_forgotten(clock):
    """A late answer of before the write would say that the write did nothing."""
    reader, pad = slow(clock)
    reader.place(SimTag(UID, security=Security.IN_STOCK))
    with pytest.raises(DeviceTimeout):
        pad.get_security(UID)
    reader.answer(pad._attendant)
    with contextlib.suppress(DeviceTimeout):
        pad.set_security(UID, Security.ON_LOAN)
    settle(pad)

    with pytest.raises(DeviceTimeout):
        pad.get_security(UID)
    assert reader.asked(2) == [f"security {UID}", f"security {UID}"]


def test_a_reader_that_hangs_is_unhealthy_after_two_seconds_and_heals(clock):
    """The program is told, waits for nothing, and the reader's first answer makes it well."""
    reader, pad = slow(clock)
    pad.inventory()
    clock.advance(2_000)

    with pytest.raises(DeviceTimeout, match="pull its plug"):
        pad.inventory()
    assert "pull its plug" in pad.health().detail
    reader.answer(pad._attendant)
    assert pad.inventory() == Inventory(())
    assert pad._attendant._felt.ok


def test_closing_a_reader_that_hangs_does_not_wait_for_it(clock):
    """A program that ends leaves a hanging driver to its thread."""
    reader, pad = slow(clock)
    pad.inventory()

    pad.close()
    assert not pad.health().ok
    reader.go.release()


def test_a_scanner_that_cannot_be_opened_reads_nothing(clock):
    """Unplugged is an empty list, and shows in its health."""
    plug = Plug(SimScanner(), plugged=False)
    scanner = attended(AttendedScanner, plug, clock, patience=PATIENT)

    assert scanner.poll() == []
    assert not scanner.health().ok
    plug.plugged = True
    clock.advance(2_000)
    plug.device.scan("30000001")
    assert scanner.poll() == ["30000001"]
    scanner.close()


def test_a_slow_printer_holds_up_nobody(clock):
    """A slip goes on printing while the kiosk works; the next one is refused by name."""
    go, printed = threading.Semaphore(0), []

    class SlowPrinter(SimPrinter):
        def print_lines(self, lines):
            go.acquire()
            printed.append(tuple(lines))

    printer = attended(AttendedPrinter, SlowPrinter(), clock, patience=HASTY)
    printer.print_lines(["Momo"])

    with pytest.raises(PrinterError, match="busy with the slip before"):
        printer.print_lines(["Krabat"])
    go.release()
    printer._attendant._asked.answer.result(timeout=10)
    assert printed == [("Momo",)]
    printer.close()


def test_a_lamp_whose_pin_is_taken_says_so_and_is_off(clock):
    """Switching raises by name until the pin is free, and shows in its health."""
    lamp = SimOutput(clock, max_on_ms=MAX_ON_MS)
    plug = Plug(lamp, plugged=False)
    front = attended(AttendedOutput, plug, clock, feel=None)
    with pytest.raises(DeviceUnavailable):
        front.on()
    assert not front.state
    assert not front.health().ok
    plug.plugged = True
    clock.advance(2_000)

    front.on()
    assert front.health().ok
    assert lamp.state
