"""`hardware-check`: what a person is told about each device, right or wrongly wired."""

import io

import pytest

from hardware.attendant import Attendant
from hardware.attended import AttendedInput, AttendedOutput, AttendedReader
from hardware.check import Checkup, Item, Kind, Verdict, check_all, driver_and_place, run_check
from hardware.check_steps import STEPS
from hardware.check_terminal import Nobody, Terminal
from hardware.chips.tag_data import new_content
from hardware.errors import DeviceUnavailable
from hardware.ports import ISO14443A, NTAG, Health, Security
from sim.clock import VirtualClock
from sim.devices import SimPrinter, SimReader, SimScanner
from sim.faults import OFF, STUCK
from sim.pins import SimInput, SimOutput
from sim.tags import SimTag

UID, OTHER = "e004010000000001", "e004010000000002"


class Somebody:
    """A person who answers as the test says, and does what they are asked to do."""

    def __init__(self, *answers, **does):
        """does: for a word in a line they are told, what they do then."""
        self.answers, self.does, self.heard, self.asked = list(answers), does, [], []
        self.impatient = False

    def say(self, text):
        self.heard.append(text)
        for word, action in self.does.items():
            if word in text:
                action()

    def agrees(self, question):
        self.asked.append(question)
        return self.answers.pop(0) if self.answers else None

    def skips(self):
        return self.impatient


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def pad(clock):
    return SimReader(clock, name="pad")


def check(kind, device, clock, person=None, **about):
    """Return verdict and words of one device's check."""
    item = Item("it", kind, device, **about)
    checkup = Checkup(person or Nobody(io.StringIO()), clock, is_alone=person is None)
    (found,) = check_all([item], checkup, STEPS)
    return found.verdict, found.said


def book(**more):
    return SimTag(UID, content=new_content("30001", "DE-1"), security=Security.IN_STOCK, **more)


def test_a_pad_is_tried_with_one_tag_to_and_fro(pad, clock):
    """A tag is read, switched with leave, left as it was, and taken away."""
    tag = book()
    person = Somebody(True, Put=lambda: pad.place(tag), Take=lambda: pad.lift(UID))

    assert check(Kind.READER, pad, clock, person) == (
        Verdict.WORKS,
        "it reads '30001', in stock; switched to and fro",
    )
    assert tag.security is Security.IN_STOCK
    assert [word for word in tag.history if word in ("released", "secured")] == [
        *("released", "secured")
    ]


def test_without_leave_no_tag_is_written(pad, clock):
    """No, and no answer, both leave the tag alone."""
    tag = book()
    person = Somebody(False, Put=lambda: pad.place(tag), Take=lambda: pad.lift(UID))

    verdict, said = check(Kind.READER, pad, clock, person)
    assert (verdict, "it was not switched" in said) == (Verdict.WORKS, True)
    assert "released" not in tag.history


def test_tags_that_read_but_do_not_switch_are_told_apart(pad, clock):
    """A weak field and a locked tag need different things."""
    weak = book()
    weak.ignore_writes(99)
    person = Somebody(True, Put=lambda: pad.place(weak))

    verdict, said = check(Kind.READER, pad, clock, person)
    assert verdict is Verdict.WRONG
    assert "switching fails" in said
    assert "off metal" in said


def test_a_tag_taken_away_while_it_is_switched_is_set_back(pad, clock):
    """Or a book would leave the check without its alarm."""
    tag = book()

    def put():
        pad.place(tag)
        pad.pull(UID, after_writes=1)

    person = Somebody(True, Put=put, again=lambda: pad.place(tag))
    verdict, said = check(Kind.READER, pad, clock, person)

    assert (verdict, "switching fails" in said, "may say" in said) == (Verdict.WRONG, True, False)
    assert tag.security is Security.IN_STOCK


def test_a_tag_that_does_not_come_back_is_named(pad, clock):
    """With what it may say now, and how to make it right."""
    tag = book()

    def put():
        pad.place(tag)
        pad.pull(UID, after_writes=1)

    _, said = check(Kind.READER, pad, clock, Somebody(True, Put=put))

    assert f"tag {UID} may say on loan now: lend its book and return it" in said


def test_a_tag_of_another_system_leads_to_the_options(pad, clock):
    """An AFI nobody expects is named with the two options that would expect it."""
    strange = SimTag(UID, content=new_content("30001", "DE-1"))
    person = Somebody(True, Put=lambda: pad.place(strange), Take=lambda: pad.lift(UID))

    verdict, said = check(Kind.READER, pad, clock, person)
    assert verdict is Verdict.WORKS
    assert "AFI is neither afi_in_stock nor afi_on_loan" in said
    assert person.asked == []


@pytest.mark.parametrize(
    ("driver", "words"),
    [("rc522", "library tags (ISO 15693) are not read by an RC522"), ("pad_3m", "below it")],
)
def test_a_reader_that_reads_nothing_says_what_it_cannot_read(pad, clock, driver, words):
    """The commonest mistake is the wrong kind of tag."""
    verdict, said = check(Kind.READER, pad, clock, Somebody(), driver=driver)

    assert verdict is Verdict.WRONG
    assert words in said
    assert clock.now_ms() >= 20_000


def test_whoever_is_in_a_hurry_skips(pad, clock):
    """Enter goes on at once."""
    person = Somebody()
    person.impatient = True
    check(Kind.READER, pad, clock, person)

    assert clock.now_ms() == 0


def test_two_tags_and_a_stuck_reader_are_noticed(pad, clock):
    """One tag at a time; and a tag that never leaves means another one, or a reader that hangs."""
    person = Somebody(Put=lambda: (pad.place(book()), pad.place(SimTag(OTHER))))
    assert check(Kind.READER, pad, clock, person)[0] is Verdict.LOOK

    stuck = SimReader(clock, name="pad")
    person = Somebody(False, Put=lambda: stuck.place(book()))
    verdict, said = check(Kind.READER, stuck, clock, person)
    assert verdict is Verdict.LOOK
    assert "not seen to leave" in said


def test_a_phone_is_no_card(clock):
    """Its number is another each time, and nothing of it is read or written."""
    spot = SimReader(clock, name="cards", technologies=(NTAG, ISO14443A))
    phone = SimTag("08a1b2c3", technology=ISO14443A)
    person = Somebody(True, Put=lambda: spot.place(phone), Take=lambda: spot.lift(phone.uid))

    assert "that was a phone" in check(Kind.READER, spot, clock, person)[1]
    assert person.asked == []


@pytest.mark.parametrize("fault", [OFF, STUCK])
def test_a_device_that_fails_is_told_in_its_own_words(pad, clock, fault):
    """What the driver says is passed on, with and without a person."""
    pad.fail(fault)

    assert check(Kind.READER, pad, clock, Somebody()) == (Verdict.WRONG, f"pad: {fault}")
    assert pad.health().detail == "pad: closed"


def test_alone_nothing_is_written_printed_or_sounded(clock):
    """A script may check a library at night."""
    tag, pad, scanner = book(), SimReader(clock, name="pad"), SimScanner()
    pad.place(tag)
    siren, printer = SimOutput(clock, max_on_ms=9_000), SimPrinter()
    quiet = SimInput(clock)

    assert check(Kind.READER, pad, clock) == (Verdict.WORKS, "it answers, 1 tag in its field")
    assert check(Kind.SCANNER, scanner, clock)[0] is Verdict.WORKS
    assert check(Kind.SOUND, siren, clock)[0] is Verdict.SKIPPED
    assert check(Kind.PRINTER, printer, clock)[0] is Verdict.SKIPPED
    assert check(Kind.BEAM, quiet, clock) == (Verdict.WORKS, "it is quiet; nobody tried it")
    assert tag.history == type(tag.history)(["placed"])
    assert (list(siren.history), list(printer.slips)) == ([], [])


def test_a_scanner_reads_a_label_or_is_set_up_wrongly(clock):
    """The label is repeated; without one, the three settings that matter are named."""
    scanner = SimScanner()
    person = Somebody(Scan=lambda: scanner.scan("30001"))

    assert check(Kind.SCANNER, scanner, clock, person) == (Verdict.WORKS, "it read 30001")
    verdict, said = check(Kind.SCANNER, SimScanner(), clock, Somebody())
    assert verdict is Verdict.WRONG
    assert 'ends = "silence"' in said


@pytest.mark.parametrize(
    ("answers", "verdict", "words"),
    [
        ((True, True), Verdict.WORKS, "it prints"),
        ((True, False), Verdict.WRONG, "fonts-wqy-microhei"),
        ((None,), Verdict.SKIPPED, "nothing was printed"),
    ],
)
def test_a_slip_is_printed_with_leave_and_looked_at(clock, answers, verdict, words):
    """Whether Chinese came out right only a person can see."""
    printer = SimPrinter()

    found = check(Kind.PRINTER, printer, clock, Somebody(*answers))
    assert (found[0], words in found[1]) == (verdict, True)
    assert len(printer.slips) == (answers[0] is True)


@pytest.mark.parametrize(("kind", "on_ms"), [(Kind.SOUND, 500), (Kind.LAMP, 2_000)])
def test_a_siren_sounds_briefly_and_with_leave(clock, kind, on_ms):
    """Far below its longest time on, and off by itself."""
    output = SimOutput(clock, max_on_ms=30_000)

    assert check(kind, output, clock, Somebody(True, True))[0] is Verdict.WORKS
    (began, _), (ended, _) = list(output.history)[:2]
    assert ended - began == on_ms


def test_a_lamp_that_is_on_when_it_should_not_be_is_wired_low(clock):
    """Most relay boards are on while the wire is low."""
    lamp = SimOutput(clock, max_on_ms=30_000)

    verdict, said = check(Kind.LAMP, lamp, clock, Somebody(True, False), place="GPIO 17")
    assert verdict is Verdict.WRONG
    assert "active_high = false" in said
    assert "GPIO 17" in said


def test_a_beam_is_broken_and_let_go(clock):
    """A hand in the beam is seen, and that it is gone."""
    beam = SimInput(clock, name="beam")

    def hand():
        beam.drive(True)
        beam.drive(False, clock.now_ms() + 300)

    assert check(Kind.BEAM, beam, clock, Somebody(Hold=hand)) == (
        Verdict.WORKS,
        "it was broken and let go",
    )


def test_wires_that_float_or_are_inverted_or_dead_are_told_apart(clock):
    """Three mistakes of every gate, each with what to change."""
    floating, inverted, dead = (SimInput(clock) for _ in range(3))
    for number in range(30):
        floating.drive(number % 2 == 0, clock.now_ms() + 40 * number)
    inverted.drive(True)

    assert 'pull = "up"' in check(Kind.BEAM, floating, clock, Somebody())[1]
    assert "active_low" in check(Kind.BUTTON, inverted, clock, Somebody())[1]
    assert "never broken" in check(Kind.BEAM, dead, clock, Somebody())[1]


def test_a_pin_that_cannot_be_had_is_told(clock):
    """Whoever holds it is named by the driver; the next device is checked all the same."""

    def taken():
        raise DeviceUnavailable("siren: GPIO 17 is held by 'other'")

    items = [
        Item("siren", Kind.SOUND, AttendedOutput(Attendant("siren", taken, clock))),
        Item("button", Kind.BUTTON, AttendedInput(Attendant("b", lambda: SimInput(clock), clock))),
    ]
    found = check_all(items, Checkup(Nobody(io.StringIO()), clock, is_alone=True), STEPS)

    assert [one.verdict for one in found] == [Verdict.WRONG, Verdict.WORKS]
    assert found[0].said == "siren: GPIO 17 is held by 'other'"


def test_what_works_today_and_not_tomorrow_is_said(pad, clock):
    """A port by number is another device after a plug was pulled."""
    verdict, said = check(Kind.READER, pad, clock, place="/dev/ttyUSB0")

    assert verdict is Verdict.LOOK
    assert "/dev/serial/by-id/" in said


def test_the_chip_says_what_it_is(clock):
    """Version and notes of a driver are part of what is said."""

    class Told(SimReader):
        notes = "MFRC522 version 2.0 (0x92)"

    reader = AttendedReader(
        Attendant("pad", lambda: Told(clock), clock, feel=lambda device: device.health())
    )
    assert check(Kind.READER, reader, clock)[1].startswith(
        "MFRC522 version 2.0 (0x92); it answers"
    )


def test_two_devices_at_one_place_are_told(clock, pad):
    """A pin or a port can be one device's alone."""
    items = [
        Item("siren", Kind.SOUND, SimOutput(clock, max_on_ms=900), "gpio", "GPIO 17"),
        Item("lamp", Kind.LAMP, SimOutput(clock, max_on_ms=900), "gpio", "GPIO 17"),
    ]
    written = io.StringIO()

    assert not run_check(items, Checkup(Nobody(written), clock, is_alone=True), STEPS)
    assert "GPIO 17" in written.getvalue()


def test_two_owners_of_one_module_are_refused(clock, pad):
    """What to uninstall is said before anything else, and the check fails."""
    written = io.StringIO()
    checkup = Checkup(
        Nobody(written), clock, is_alone=True, conflict=lambda: "pip uninstall RPi.GPIO rpi-lgpio"
    )

    assert not run_check([Item("pad", Kind.READER, pad)], checkup, STEPS)
    assert written.getvalue().startswith("RPi.GPIO: pip uninstall RPi.GPIO rpi-lgpio")


def test_the_table_at_the_end_shows_every_device(clock, pad):
    """One line each, the columns below each other."""
    written = io.StringIO()
    items = [Item("pad", Kind.READER, pad, "pad_3m", "/dev/serial/by-id/x")]

    assert run_check(items, Checkup(Nobody(written), clock, is_alone=True), STEPS)
    assert written.getvalue().splitlines()[-2:] == [
        "device  driver  at",
        "pad     pad_3m  /dev/serial/by-id/x  works",
    ]


@pytest.mark.parametrize(
    ("section", "shown"),
    [
        ({"driver": "gpio", "gpio": 17}, ("gpio", "GPIO 17, place 11 of the header")),
        ({"driver": "rc522"}, ("rc522", "/dev/spidev0.0")),
        ({"driver": "pad_3m", "port": "sim://pad"}, ("pad_3m", "sim://pad")),
        ({"driver": "a:b"}, ("a:b", "")),
        (None, ("", "")),
    ],
)
def test_where_a_device_is_is_said_for_people(section, shown):
    """A pin by its number and its place on the header, the rest as it is written."""
    assert driver_and_place(section) == shown


def test_a_terminal_understands_yes_no_and_nothing(tmp_path):
    """y, n, Enter; and the end of the input is nobody there."""
    answers = tmp_path / "answers"
    answers.write_text("y\nno\n\nmaybe\n")
    with answers.open() as keys:
        terminal = Terminal(io.StringIO(), keys)

        assert [terminal.agrees("?") for _ in range(5)] == [True, False, None, None, None]
        assert terminal.skips()


def test_a_device_without_health_counts_as_there(clock):
    """A lamp of a third party may have no health of its own; its errors are told."""

    class Lamp:
        def pulse(self, duration_ms):
            raise DeviceUnavailable("lamp: gone")

        def close(self):
            pass

    assert check(Kind.LAMP, Lamp(), clock, Somebody(True)) == (Verdict.WRONG, "lamp: gone")


def test_notes_of_a_healthy_device_are_passed_on(clock):
    """An input whose edges are polled works, and says what it may miss."""

    class Polled(SimInput):
        def health(self):
            return Health(True, "edges are polled")

    assert check(Kind.BEAM, Polled(clock), clock)[1].endswith("edges are polled")


def test_a_terminal_without_keys_is_nobody(monkeypatch):
    """`<&-`: questions are not answered, and nothing waits; the pad is not to blame."""
    monkeypatch.setattr("sys.stdin", None)
    terminal = Terminal(io.StringIO())

    assert terminal.agrees("May I?") is None
    assert terminal.skips()
