"""The seven words for what fails, and what each of them does to each simulated device."""

import pytest

from hardware.errors import DeviceGarbled, DeviceTimeout, PrinterError, WriteFailed
from hardware.ports import Edge, Security
from sim.clock import VirtualClock
from sim.devices import SimPrinter, SimReader, SimScanner
from sim.errors import FaultUnknown
from sim.faults import FAULTS, Faulty, fault_options
from sim.pins import SimInput, SimOutput
from sim.tags import SimTag
from tests.contract.reader_contract import CONTENT, UID

UID_MISHEARD = "e004010000000000"
LABEL = "30000000001"


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def reader(clock):
    """A pad with one book in stock on it."""
    made = SimReader(clock)
    made.place(SimTag(UID, content=CONTENT, security=Security.IN_STOCK))
    return made


def every_device(clock):
    return {
        "reader": SimReader(clock),
        "scanner": SimScanner(),
        "printer": SimPrinter(),
        "input": SimInput(clock),
        "output": SimOutput(clock, max_on_ms=1_000),
    }


def test_the_vocabulary_is_that_of_px4():
    """Whoever knows the failure command of PX4 knows ours."""
    words = "off stuck garbage wrong slow delayed intermittent"

    assert words.split() == list(FAULTS)


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ("reader", "off stuck garbage wrong slow delayed intermittent"),
        ("scanner", "off stuck garbage wrong delayed intermittent"),
        ("printer", "off stuck garbage intermittent paper_out"),
        ("input", "off stuck wrong delayed intermittent"),
        ("output", "off stuck"),
    ],
)
def test_a_device_says_which_faults_it_models(clock, device, words):
    """The words it takes are taken; any other is refused with a list of them."""
    tried = every_device(clock)[device]
    for word in words.split():
        tried.fail(word)
        assert tried.fault == word

    with pytest.raises(FaultUnknown) as refused:
        tried.fail("on_fire")

    assert str(refused.value).endswith(f"it models {', '.join(words.split())}")
    assert tried.fault == words.split()[-1], "a refused fault changes nothing"


@pytest.mark.parametrize(
    ("fault", "options", "says"),
    [
        ("off", {"slow_ms": 5}, "off: unknown option 'slow_ms'; it takes none"),
        ("slow", {"share": 0.5}, "slow: unknown option 'share'; it takes slow_ms"),
        ("slow", {"slow_ms": 0}, "must be 1 to 60000, not 0"),
        ("slow", {"slow_ms": "5"}, "must be a number, not '5'"),
        ("slow", {"slow_ms": True}, "must be a number, not True"),
        ("slow", {"slow_ms": 1.5}, "must be a number, not 1.5"),
        ("intermittent", {"share": 0}, "above 0 to 1, not 0"),
        ("intermittent", {"share": 1.1}, "above 0 to 1, not 1.1"),
        ("intermittent", {"seed": -1}, "seed: must be 0 to"),
    ],
)
def test_an_option_that_means_nothing_is_refused(reader, fault, options, says):
    """What is said beside a fault is checked too, and a device that refuses goes on."""
    with pytest.raises(FaultUnknown, match=says):
        reader.fail(fault, **options)

    assert reader.fault is None


def test_options_have_a_default():
    """What is not said is half a second, or three requests in ten."""
    assert fault_options("slow", {}) == {"slow_ms": 500}
    assert fault_options("intermittent", {"seed": 9}) == {"share": 0.3, "seed": 9}
    assert fault_options("off", {}) == {}


def test_an_intermittent_fault_plays_the_same_each_time():
    """The seed says which requests fail, and the share how many."""
    device = Faulty("device")
    device.faults_known = frozenset({"intermittent"})
    played = []
    for _ in range(2):
        device.fail("intermittent", share=0.25, seed=42)
        played.append([device.strikes() for _ in range(400)])

    assert played[0] == played[1]
    assert 70 <= sum(played[0]) <= 130
    device.mend()
    assert not any(device.strikes() for _ in range(100))


def test_a_reader_that_hears_wrong_is_believed(reader):
    """Wrong is well formed: another uid, the opposite security, and a green light."""
    reader.fail("wrong")

    assert reader.inventory().uids == (UID_MISHEARD,)
    assert reader.get_security(UID_MISHEARD) is Security.ON_LOAN
    assert reader.read_content(UID_MISHEARD).pii == LABEL
    assert reader.health().ok


def test_a_reader_that_hears_wrong_cannot_verify_a_write(reader):
    """Reading back catches what reading alone does not."""
    reader.fail("wrong")

    with pytest.raises(WriteFailed, match="still not on_loan"):
        reader.set_security(UID_MISHEARD, Security.ON_LOAN)


def test_a_delayed_reader_is_one_question_behind(reader):
    """Each inventory is the one before."""
    reader.fail("delayed")

    assert reader.inventory().uids == ()
    reader.lift(UID)
    assert reader.inventory().uids == (UID,)
    assert reader.inventory().uids == ()


@pytest.mark.parametrize(
    "ask",
    [
        lambda reader: reader.read_content(UID),
        lambda reader: reader.read(UID, 0, 1),
        lambda reader: reader.get_security(UID),
        lambda reader: reader.set_security(UID, Security.ON_LOAN),
        lambda reader: reader.write(UID, 0, bytes(4)),
    ],
)
def test_an_answer_to_another_question_is_not_taken(reader, ask):
    """Out of step is noticed wherever the answer names its tag."""
    reader.fail("delayed")

    with pytest.raises(DeviceGarbled, match="another question"):
        ask(reader)
    assert not reader.health().ok


def test_a_write_of_a_delayed_reader_has_happened(reader):
    """An error is no proof that nothing was written."""
    reader.fail("delayed")
    with pytest.raises(DeviceGarbled):
        reader.set_security(UID, Security.ON_LOAN)
    reader.mend()

    assert reader.get_security(UID) is Security.ON_LOAN


def test_an_intermittent_reader_is_ill_after_three_misses(reader):
    """One miss is a weak field; three in a row are an illness, until it answers again."""
    reader.fail("intermittent", share=0.5, seed=3)
    misses, seen = 0, set()
    for _ in range(60):
        try:
            reader.inventory()
            misses = 0
        except DeviceTimeout:
            misses += 1
        seen.add((min(misses, 3), reader.health().ok))

    assert seen == {(0, True), (1, True), (2, True), (3, False)}


def test_a_scanner_that_reads_wrong_turns_one_digit():
    """A wrong code looks like a right one: only its check digit can tell."""
    scanner = SimScanner(seed=5)
    scanner.fail("wrong")
    scanner.scan(LABEL)

    (code,) = scanner.poll()

    assert len(code) == len(LABEL)
    assert code.isdigit()
    assert sum(one != other for one, other in zip(code, LABEL, strict=True)) == 1


def test_a_delayed_scanner_hands_over_the_label_before():
    """Nothing first, then always the last but one; mended, the one that hung is forgotten."""
    scanner = SimScanner()
    scanner.fail("delayed")

    scanner.scan("1")
    assert scanner.poll() == []
    scanner.scan("2")
    assert scanner.poll() == ["1"]
    scanner.mend()
    scanner.scan("3")
    assert scanner.poll() == ["3"]


def test_an_intermittent_scanner_misses_labels():
    """Some labels have to be held under it twice."""
    scanner = SimScanner()
    scanner.fail("intermittent", share=0.5, seed=1)
    for number in range(40):
        scanner.scan(str(number))

    read = scanner.poll()

    assert 5 < len(read) < 35
    assert read == sorted(read, key=int)


@pytest.mark.parametrize("fault", ["off", "stuck", "paper_out"])
def test_a_printer_that_cannot_print_says_why(fault):
    """Each of these is a printer error that names the fault."""
    printer = SimPrinter()
    printer.fail(fault)

    with pytest.raises(PrinterError, match=fault):
        printer.print_lines(["Momo"])
    assert list(printer.slips) == []


def test_a_printer_printing_garbage_does_not_know_it():
    """Nothing of a slip can be read, and the printer is well."""
    printer = SimPrinter()
    printer.fail("garbage")
    printer.print_lines(["Momo"])

    assert list(printer.slips) == [("????",)]
    assert printer.health().ok


def test_an_intermittent_printer_refuses_some_slips():
    """A loose plug is an error for that slip."""
    printer = SimPrinter()
    printer.fail("intermittent", share=1)

    with pytest.raises(PrinterError, match="this time"):
        printer.print_lines(["Momo"])


def test_a_wrong_beam_is_upside_down(clock):
    """Free reads broken and broken reads free, from the moment it goes wrong until mended."""
    beam = SimInput(clock)
    beam.fail("wrong")
    assert beam.read()
    beam.drive(True)
    assert not beam.read()
    beam.mend()

    assert beam.read()
    assert [edge.level for edge in beam.edges()] == [True, False, True]


def test_a_bad_contact_chatters(clock):
    """Each change comes three times within milliseconds, none of them before its time."""
    beam = SimInput(clock)
    beam.fail("intermittent", share=1)
    beam.drive(True)

    assert beam.edges() == [Edge(True, 0)]
    clock.advance(10)
    assert beam.edges() == [Edge(False, 1), Edge(True, 2)]
    assert beam.read()


def test_a_delayed_beam_shows_a_change_when_the_next_one_comes(clock):
    """Late by one change, dated when it happened."""
    beam = SimInput(clock)
    beam.fail("delayed")
    beam.drive(True)
    clock.advance(40)
    assert beam.edges() == []

    beam.drive(False)

    assert beam.edges() == [Edge(True, 0)]
    assert beam.read()


@pytest.mark.parametrize("fault", ["off", "stuck"])
def test_a_mended_beam_shows_what_its_wire_is(clock, fault):
    """Somebody who stepped into a dead beam is seen when it comes back."""
    beam = SimInput(clock)
    beam.fail(fault)
    beam.drive(True)
    clock.advance(70)
    assert not beam.read()

    beam.mend()

    assert beam.read()
    assert beam.edges() == [Edge(True, 70)]


def test_a_dead_lamp_stays_dark_until_it_is_mended(clock):
    """The program does not notice; a new bulb shines at once if it was meant to."""
    lamp = SimOutput(clock, max_on_ms=60_000)
    lamp.fail("off")
    lamp.on()
    assert not lamp.state
    clock.advance(20)
    lamp.mend()

    assert lamp.state
    assert list(lamp.history) == [(20, True)]


def test_a_welded_relay_stays_on_beyond_its_longest_time(clock):
    """No program can switch it off; mended, it obeys what was said last."""
    siren = SimOutput(clock, max_on_ms=1_000)
    siren.on()
    siren.fail("stuck")
    siren.off()
    clock.advance(5_000)
    assert siren.state

    siren.mend()

    assert not siren.state
    assert list(siren.history) == [(0, True), (5_000, False)]
