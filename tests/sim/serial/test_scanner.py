"""The simulated serial scanner sends what scanners send, and whatever a hostile label says."""

import pytest

from sim.clock import VirtualClock
from sim.errors import WorldError
from sim.serial.scanner import SimSerialScanner

CODE = "30715000000015"
ISBN = "9780131103627"


def scanned(scanner, code, **options):
    scanner.scan(code, **options)
    scanner.clock.advance(10)
    return scanner.take()


@pytest.mark.parametrize(
    ("suffix", "end"), [("cr", b"\r"), ("lf", b"\n"), ("crlf", b"\r\n"), ("none", b"")]
)
def test_the_suffix_is_as_it_was_set_up(suffix, end):
    """CR, LF, both or nothing."""
    scanner = SimSerialScanner(VirtualClock(), suffix=suffix)

    assert scanned(scanner, CODE) == b"30715000000015" + end


@pytest.mark.parametrize(
    ("code", "symbology", "sent"),
    [
        (ISBN, None, b"]E09780131103627\r"),
        (CODE, None, b"]F030715000000015\r"),
        ("B-17", None, b"]C0B-17\r"),
        ("https://example.org/1", None, b"]Q1https://example.org/1\r"),
        ("B-17", "code39", b"]A0B-17\r"),
    ],
)
def test_an_aim_prefix_names_the_kind_of_code(code, symbology, sent):
    """ISO/IEC 15424; the kind is guessed unless it is said."""
    scanner = SimSerialScanner(VirtualClock(), aim=True)

    assert scanned(scanner, code, symbology=symbology) == sent


def test_a_label_can_come_in_pieces():
    """As from a slow line: the host has to wait for the rest."""
    scanner = SimSerialScanner(VirtualClock())
    scanner.split_answers(4, gap_ms=30)
    scanner.scan(CODE)

    assert scanner.take() == b"3071"
    scanner.clock.advance(30)
    assert scanner.take() == b"5000000015\r"


def test_a_label_can_end_in_the_middle():
    """Half a label, and then another one."""
    scanner = SimSerialScanner(VirtualClock())
    scanner.cut_answer(6)

    assert scanned(scanner, CODE) == b"307150"
    assert scanned(scanner, ISBN) == b"9780131103627\r"


def test_on_a_paced_line_digits_come_one_by_one():
    """9600 baud: about a millisecond each."""
    scanner = SimSerialScanner(VirtualClock(), paced=True)
    scanner.scan("12")
    arrived = []
    for _ in range(5):
        arrived.append(scanner.take())
        scanner.clock.advance(1)

    assert arrived == [b"", b"", b"1", b"2", b"\r"]


@pytest.mark.parametrize(
    "label", ["\x1b[2J", "a\rb\nc", "x" * 5_000, "\x00\x11\x13", "书架 7", "]E0]E0123"]
)
def test_whatever_a_label_says_is_sent(label):
    """Control characters, line ends, thousands of letters: the host has to cope."""
    scanner = SimSerialScanner(VirtualClock())

    assert scanned(scanner, label) == label.encode() + b"\r"


def test_letters_beyond_ascii_have_an_encoding():
    """Some scanners send Latin-1 or GBK."""
    assert scanned(SimSerialScanner(VirtualClock(), encoding="gbk"), "书") == b"\xca\xe9\r"


def test_a_mistake_in_setting_up_is_named():
    """A suffix or a symbology that does not exist."""
    with pytest.raises(WorldError, match="tab"):
        SimSerialScanner(VirtualClock(), suffix="tab")
    with pytest.raises(WorldError, match="pdf417"):
        SimSerialScanner(VirtualClock()).scan(CODE, symbology="pdf417")


@pytest.mark.parametrize("fault", ["off", "stuck"])
def test_a_dead_scanner_reads_nothing(fault):
    """Nothing comes, and what was scanned meanwhile does not come later."""
    scanner = SimSerialScanner(VirtualClock())
    scanner.fail(fault)

    assert scanned(scanner, CODE) == b""
    scanner.mend()
    assert scanned(scanner, ISBN) == b"9780131103627\r"


def test_an_unplugged_scanner_reads_nothing():
    """Nor does it tell after it was plugged in."""
    scanner = SimSerialScanner(VirtualClock())
    scanner.unplug()
    scanner.scan(CODE)
    scanner.plug_in()

    assert scanned(scanner, ISBN) == b"9780131103627\r"


def test_garbage_has_no_sign_that_a_label_has():
    """Only control characters and bytes beyond ASCII, before the line's end."""
    scanner = SimSerialScanner(VirtualClock())
    scanner.fail("garbage")

    sent = scanned(scanner, CODE)

    assert len(sent) == 15
    assert all(not 32 <= byte < 127 for byte in sent[:-1])


def test_wrong_is_one_digit_off():
    """A misread label has as many digits, all but one right."""
    scanner = SimSerialScanner(VirtualClock())
    scanner.fail("wrong")

    sent = scanned(scanner, CODE)[:-1].decode()

    assert sent.isdigit()
    assert sum(a != b for a, b in zip(sent, CODE, strict=True)) == 1


def test_slow_labels_come_later():
    """The label is right, after `slow_ms`."""
    scanner = SimSerialScanner(VirtualClock())
    scanner.fail("slow", slow_ms=400)

    assert scanned(scanner, CODE) == b""
    scanner.clock.advance(390)
    assert scanner.take() == b"30715000000015\r"


def test_delayed_labels_come_with_the_next():
    """Each scan delivers the one before."""
    scanner = SimSerialScanner(VirtualClock())
    scanner.fail("delayed")

    assert scanned(scanner, CODE) == b""
    assert scanned(scanner, ISBN) == b"30715000000015\r"


def test_an_intermittent_scanner_misses_a_seeded_share():
    """The same labels with the same seed."""
    scanner = SimSerialScanner(VirtualClock())
    scanner.fail("intermittent", share=0.5, seed=4)
    first = [scanned(scanner, CODE) for _ in range(30)]
    scanner.fail("intermittent", share=0.5, seed=4)

    assert [scanned(scanner, CODE) for _ in range(30)] == first
    assert 5 < first.count(b"") < 25


def test_what_the_host_says_is_noted_and_ignored():
    """A scanner has no commands here."""
    scanner = SimSerialScanner(VirtualClock())
    scanner.receive(b"beep")
    scanner.scan(CODE)

    assert [frame.words for frame in scanner.history] == [
        "ignored: the scanner knows no commands",
        "label '30715000000015'",
    ]
