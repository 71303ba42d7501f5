"""Simulated devices keep the contracts of their ports, and fail as they are told to."""

import pytest

from hardware.clock import SystemClock
from hardware.errors import (
    DeviceGarbled,
    DeviceTimeout,
    DeviceUnavailable,
    PrinterError,
    SecurityUnsupported,
    TagLocked,
)
from hardware.ports import NTAG, Security
from sim.clock import VirtualClock
from sim.devices import SimPrinter, SimReader, SimScanner
from sim.errors import FaultUnknown
from sim.pins import SimInput, SimOutput
from sim.tags import SimTag
from tests.contract.clock_contract import ClockContract
from tests.contract.gpio_contract import (
    MAX_ON_MS,
    InputContract,
    InputRig,
    OutputContract,
    OutputRig,
)
from tests.contract.printer_contract import PrinterContract, PrinterRig
from tests.contract.reader_contract import CONTENT, UID, ReaderRig, TagReaderContract
from tests.contract.scanner_contract import ScannerContract, ScannerRig


def reader_rig(reader, technology):
    """Return the hand in front of a simulated reader."""

    def place(uid, content, security):
        if isinstance(content, SimTag):
            tag = content
        else:
            tag = SimTag(uid, technology=technology, content=content, security=security)
        reader.place(tag)
        return tag

    return ReaderRig(
        reader=reader,
        place=place,
        lift=reader.lift,
        pull=lambda uid, writes: reader.pull(uid, after_writes=writes),
        weaken=lambda uid, writes: reader.field.get(uid).ignore_writes(writes),
        unplug=lambda: reader.fail("off"),
        plug_in=reader.mend,
    )


class TestSimReaderWithLibraryTags(TagReaderContract):
    """A pad for ISO 15693 tags."""

    @pytest.fixture
    def rig(self):
        return reader_rig(SimReader(VirtualClock()), "iso15693")


class TestSimReaderWithStickers(TagReaderContract):
    """A small reader for NTAG stickers, which keep security in a byte of memory."""

    @pytest.fixture
    def rig(self):
        return reader_rig(SimReader(VirtualClock(), technologies=(NTAG,)), NTAG)


class TestSimScanner(ScannerContract):
    """The simulated barcode scanner."""

    @pytest.fixture
    def rig(self):
        scanner = SimScanner()
        return ScannerRig(scanner, scanner.scan, lambda: scanner.fail("off"), scanner.mend)


class TestSimOutput(OutputContract):
    """The simulated lamp or siren."""

    @pytest.fixture
    def rig(self):
        clock = VirtualClock()

        def make(initial, safe):
            return SimOutput(clock, initial=initial, safe=safe, max_on_ms=MAX_ON_MS)

        return OutputRig(make, lambda output: output.state, clock.advance)


class TestSimInput(InputContract):
    """The simulated beam or button."""

    @pytest.fixture
    def rig(self):
        clock = VirtualClock(5_000)
        wire = SimInput(clock)
        return InputRig(wire, wire.drive, clock.advance, clock.now_ms)


class TestSimPrinter(PrinterContract):
    """The simulated receipt printer."""

    @pytest.fixture
    def rig(self):
        printer = SimPrinter()
        return PrinterRig(
            printer, lambda: printer.fail("paper_out"), printer.mend, lambda: list(printer.slips)
        )


class TestVirtualClock(ClockContract):
    """The clock that moves when told."""

    @pytest.fixture
    def clock(self):
        return VirtualClock()


class TestSystemClock(ClockContract):
    """The machine's own clock."""

    @pytest.fixture
    def clock(self):
        return SystemClock()


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def reader(clock):
    return SimReader(clock)


@pytest.fixture
def tag():
    return SimTag(UID, content=CONTENT, security=Security.IN_STOCK)


def test_a_tag_remembers_what_it_went_through(reader, tag):
    """History reads like what a witness would say."""
    reader.place(tag)
    reader.read_content(UID)
    reader.set_security(UID, Security.ON_LOAN)
    reader.set_security(UID, Security.IN_STOCK)
    reader.lift(UID)

    assert list(tag.history) == ["placed", "read", "released", "secured", "lifted"]
    assert reader.history == tag.history


def test_lifting_what_is_not_there_is_nothing(reader):
    """A hand that takes nothing leaves no trace."""
    reader.lift(UID)

    assert list(reader.history) == []


def test_a_stuck_reader_shows_the_old_field(reader, tag):
    """A stuck reader repeats its last inventory and answers nothing else."""
    reader.place(tag)
    reader.inventory()
    reader.fail("stuck")
    reader.lift(UID)

    assert reader.inventory().uids == (UID,)
    with pytest.raises(DeviceTimeout, match=UID):
        reader.read_content(UID)
    assert "stuck" in reader.health().detail


def test_a_garbled_reader_never_answers_wrongly(reader, tag):
    """Garbage on the wire is an error, not another book."""
    reader.place(tag)
    reader.fail("garbage")

    with pytest.raises(DeviceGarbled, match="checksum"):
        reader.inventory()


def test_a_slow_reader_takes_its_time(reader, tag, clock):
    """A slow reader is healthy and late."""
    reader.place(tag)
    reader.fail("slow", slow_ms=700)

    assert reader.inventory().uids == (UID,)
    assert clock.now_ms() == 700
    assert reader.health().ok


def test_more_tags_than_it_can_tell_apart_are_an_incomplete_inventory(clock):
    """A small reader says that it did not see everything."""
    reader = SimReader(clock, tags_max=1)
    reader.place(SimTag("e004010000000001"))
    reader.place(SimTag("e004010000000002"))

    inventory = reader.inventory()

    assert len(inventory.tags) == 1
    assert not inventory.complete


def test_a_reader_sees_only_its_own_technology(reader):
    """A card on a book pad is air."""
    reader.place(SimTag("04a1b2c3d4e580", technology=NTAG))

    assert reader.inventory().tags == ()


def test_a_locked_block_is_never_written(reader, tag):
    """A locked block refuses for good, and says so."""
    reader.place(tag)
    tag.locked_blocks.add(0)

    with pytest.raises(TagLocked) as locked:
        reader.write(UID, 0, bytes(4))
    assert not locked.value.retry


def test_a_tag_too_small_for_a_security_byte_refuses(clock):
    """A sticker without room for the security byte says so and reads as none."""
    reader = SimReader(clock, technologies=(NTAG,))
    reader.place(SimTag("04a1b2c3d4e580", technology=NTAG, blocks=9))

    assert reader.get_security("04a1b2c3d4e580") is Security.NONE
    with pytest.raises(SecurityUnsupported, match="36 bytes"):
        reader.set_security("04a1b2c3d4e580", Security.ON_LOAN)


@pytest.mark.parametrize(
    "device",
    [SimReader(VirtualClock()), SimScanner(), SimPrinter(), SimInput(VirtualClock())],
    ids=["reader", "scanner", "printer", "input"],
)
def test_an_unknown_fault_is_refused(device):
    """A fault that is not modelled is an error: silently ignored, it would prove nothing."""
    with pytest.raises(FaultUnknown, match="on_fire"):
        device.fail("on_fire")
    assert device.fault is None


def test_a_scanner_reading_garbage_keeps_the_length():
    """Garbage has no digits, so it can never be another item's barcode."""
    scanner = SimScanner()
    scanner.fail("garbage")
    scanner.scan("30000000001")

    (code,) = scanner.poll()

    assert len(code) == 11
    assert not any(character.isalnum() for character in code)


def test_a_stuck_beam_keeps_its_level(clock):
    """A stuck wire neither changes nor reports edges, until it is mended."""
    beam = SimInput(clock)
    beam.drive(True)
    beam.fail("stuck")
    beam.drive(False)

    assert beam.read()
    assert [edge.level for edge in beam.edges()] == [True]


def test_an_output_needs_a_longest_time_on(clock):
    """No output may be on for ever."""
    with pytest.raises(ValueError, match="longest time on"):
        SimOutput(clock, name="siren", max_on_ms=0)


def test_an_output_remembers_when_it_changed(clock):
    """History has the moment it went off by itself, not the moment somebody looked."""
    siren = SimOutput(clock, max_on_ms=3_000)
    siren.on()
    clock.advance(10_000)

    assert not siren.state
    assert list(siren.history) == [(0, True), (3_000, False)]


def test_a_printer_that_is_off_says_so():
    """Every fault of the printer is a printer error."""
    printer = SimPrinter()
    printer.fail("off")

    with pytest.raises(PrinterError, match="off"):
        printer.print_lines(["Momo"])


def test_a_reader_that_is_off_names_itself(clock):
    """The message tells staff which device to look at."""
    reader = SimReader(clock, name="kiosk-1/pad")
    reader.fail("off")

    with pytest.raises(DeviceUnavailable, match="kiosk-1/pad"):
        reader.inventory()


@pytest.mark.parametrize("uid", ["", "E004010000000001", "e0040", "zz04010000000001"])
def test_a_uid_is_lower_case_hex(uid):
    """A tag with an impossible uid cannot be made."""
    with pytest.raises(ValueError, match=r"uid|hex"):
        SimTag(uid)


def test_a_virtual_clock_jumps_only_on_the_wall():
    """A wrong battery moves the wall clock; monotonic time goes on."""
    clock = VirtualClock(1_000)
    clock.set_wall(0, sure=False)
    clock.advance(50)

    assert (clock.now_ms(), clock.wall_ms(), clock.wall_is_sure()) == (1_050, 50, False)
    with pytest.raises(ValueError, match="go back"):
        clock.advance(-1)
