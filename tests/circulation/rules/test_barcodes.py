"""Labels: whose they are and why one is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circulation.barcodes import (
    Barcodes,
    Match,
    NoMatch,
    clean_barcode,
    code_39_character,
    ean_digit,
    is_cover_ean,
    luhn_digit,
    suspicious_barcode,
)
from circulation.doc import Doc, PolicyInvalid
from circulation.reasons import Reason

CARD = {"kind": "patron", "mask": "2#{13}", "check": "codabar_mod10"}
BOOK = {"kind": "item", "mask": "3#{13}", "check": "codabar_mod10"}


def barcodes(*patterns):
    return Barcodes.from_doc(Doc(list(patterns), "barcodes"))


def mask(text, check="none", kind="item"):
    return barcodes({"kind": kind, "mask": text, "check": check}).patterns[0]


@pytest.mark.parametrize(
    "barcode", ["30234000517861", "33191000105864", "23529001000463", "23529000035676"]
)
def test_published_codabar_numbers_pass(barcode):
    """Numbers found in public library files agree with the rule."""
    assert luhn_digit(barcode[:-1]) == barcode[-1]


@pytest.mark.parametrize(
    ("barcode", "expected"), [("31000000123456", "8"), ("35555000012349", "6")]
)
def test_invented_codabar_numbers_fail(barcode, expected):
    """Samples that somebody made up have a wrong last digit."""
    assert luhn_digit(barcode[:-1]) == expected


def test_code_39_has_a_check_character():
    """The word CODE39 ends in W."""
    assert code_39_character("CODE39") == "W"
    assert mask("?{2,20}", "code39_mod43").fits("CODE39W")
    assert not mask("?{2,20}", "code39_mod43").fits("CODE39X")


def test_an_ean_has_a_check_digit():
    """978-3-16-148410-0 is the specimen every manual prints."""
    assert ean_digit("978316148410") == "0"
    assert mask("2#{12}", "ean13").fits("2001234567893")
    assert not mask("2#{12}", "ean13").fits("2001234567890")


@pytest.mark.parametrize(
    ("check", "text", "why"),
    [
        ("ean13", "12345678", "ean13 cannot be computed"),
        ("codabar_mod10", "A2345", "codabar_mod10 cannot be computed"),
        ("codabar_mod10", "7", "codabar_mod10 cannot be computed"),
        ("code39_mod43", "abc", "code39_mod43 cannot be computed"),
        ("code39_mod43", "A", "code39_mod43 cannot be computed"),
        ("codabar_mod10", "31000000123456", "the check digit is '6', codabar_mod10 says '8'"),
    ],
)
def test_a_check_digit_that_is_wrong_or_impossible_says_so(check, text, why):
    """The tester names the digit it expected."""
    assert why in mask("?{1,20}", check).problem(text)


@pytest.mark.parametrize(
    ("pattern", "text", "problem"),
    [
        ("3#{13}", "30234000517861", None),
        ("3#{13}", "3023400051786", "too short: ends after 13 characters"),
        ("3#{13}", "302340005178612", "position 15: expected the end, found '2'"),
        ("3#{13}", "20234000517861", "position 1: expected '3', found '2'"),
        ("3#{13}", "3023400051786X", "position 14: expected a digit, found 'X'"),
        ("@{2}-#{1,3}", "AB-1", None),
        ("@{2}-#{1,3}", "AB-123", None),
        ("@{2}-#{1,3}", "AB-1234", "position 7: expected the end, found '4'"),
        ("@{2}-#{1,3}", "AB-", "too short: ends after 3 characters"),
        ("@{2}-#{1,3}", "A1-1", "position 2: expected a letter, found '1'"),
        ("#{0,2}@", "A", None),
        ("#{0,2}@", "12A", None),
        ("#{0,2}@", "-", "position 1: expected a digit or a letter, found '-'"),
        ("?{0,3}", "", None),
        ("?", "-", "position 1: expected a letter or a digit, found '-'"),
    ],
)
def test_a_mask_says_where_a_text_leaves_it(pattern, text, problem):
    """The position and what was expected there."""
    assert mask(pattern).problem(text) == problem


def test_a_hostile_mask_is_quick():
    """Thousands of ways to match are walked at once, not one after another."""
    greedy = mask("?{0,64}" * 9)

    assert greedy.problem("a" * 63 + "-") == "position 64: expected a letter or a digit, found '-'"


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ({"kind": "item", "mask": "#{8"}, "write a repetition like"),
        ({"kind": "item", "mask": "#{}"}, "write a repetition like"),
        ({"kind": "item", "mask": "#{a}"}, "write a repetition like"),
        ({"kind": "item", "mask": "#{1,999}"}, "write a repetition like"),
        ({"kind": "item", "mask": "#{8,4}"}, "repeat at most 64 times"),
        ({"kind": "item", "mask": "#{1,65}"}, "repeat at most 64 times"),
        ({"kind": "item", "mask": "#{0}"}, "repeat at most 64 times"),
        ({"kind": "item", "mask": "{8}"}, "a brace must follow what it repeats"),
        ({"kind": "item", "mask": "#" * 65}, "a mask has at most 64 characters"),
        ({"kind": "book", "mask": "#"}, "barcodes[0].kind: 'book' is not one of patron, item"),
        ({"kind": "item", "mask": "#", "check": "mod11"}, "'mod11' is not one of none,"),
        ({"kind": "item"}, "barcodes[0]: 'mask' is missing"),
    ],
)
def test_a_mistake_in_a_pattern_is_named(pattern, message):
    """Patterns are read as strictly as everything else."""
    with pytest.raises(PolicyInvalid) as caught:
        barcodes(pattern)

    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("scanned", "barcode"),
    [
        ("30234000517861\r\n", "30234000517861"),
        ("]E09783161484100", "9783161484100"),
        ("]F0A30234000517861B", "30234000517861"),
        ("a30234000517861d", "30234000517861"),
        ("*CODE39W*", "CODE39W"),
        ("A123X", "A123X"),
        ("]1", "]1"),
        ("**", "**"),
        ("AB", "AB"),
    ],
)
def test_what_scanners_add_is_taken_away(scanned, barcode):
    """Line ends, AIM prefixes, asterisks and frame letters are no part of a number."""
    assert clean_barcode(scanned) == barcode


@pytest.mark.parametrize("text", ["", "   ", "a\x00b", "１２３", "x" * 65, "x" * 1_000_000])
def test_what_cannot_be_a_barcode_is_refused(text):
    """Empty, hidden, full-width or endless texts change nothing."""
    assert barcodes().identify(text) == NoMatch((Reason.BARCODE_INVALID,))
    assert "empty, too long, or not printable" in barcodes().explain(text)[0]


@pytest.mark.parametrize(
    "text", ["9783161484100", "978-3-16-148410-0", "978316148410051299", "9770317847001"]
)
def test_a_cover_ean_is_never_an_item(text):
    """Several copies share it; even a pattern of thirteen digits does not let it in."""
    found = barcodes({"kind": "item", "mask": "?{13,18}"}, CARD).identify(text)

    assert is_cover_ean(text)
    assert found == NoMatch((Reason.COVER_BARCODE,))


@pytest.mark.parametrize(
    "text", ["9783161484101", "978316148410", "2001234567893", "97831614841000"]
)
def test_other_numbers_are_no_cover_ean(text):
    """A wrong check digit, length or prefix is no publisher's code."""
    assert not is_cover_ean(text)


def test_a_card_that_looks_like_a_cover_is_a_card():
    """A library whose cards begin with 978 has said so in a pattern."""
    found = barcodes({"kind": "patron", "mask": "978#{10}"}).identify("9783161484100")

    assert found == Match("patron", "9783161484100")


def test_patterns_tell_cards_from_items():
    """The first digit decides, and the check digit guards."""
    site = barcodes(CARD, BOOK)

    assert site.identify("23529001000463") == Match("patron", "23529001000463")
    assert site.identify("30234000517861") == Match("item", "30234000517861")
    assert site.identify("30234000517862") == NoMatch((Reason.BARCODE_INVALID,))


def test_a_number_that_may_be_both_is_resolved_by_what_exists():
    """Without patterns, the one of the two that is known is meant."""
    found = barcodes().identify("1234", known=lambda kind, barcode: kind == "item")

    assert found == Match("item", "1234")


def test_a_number_that_is_both_is_resolved_by_what_is_expected_and_reported():
    """A card and an item of one number: the session decides, staff are told."""
    found = barcodes().identify("1234", expecting="patron", known=lambda kind, barcode: True)

    assert found == Match("patron", "1234", ambiguous=True)


def test_a_number_that_nobody_knows_is_taken_for_what_is_expected():
    """Unknown to both, expected to be a card: the card is then unknown, not ambiguous."""
    found = barcodes().identify("1234", expecting="patron")

    assert found == Match("patron", "1234", ambiguous=False)


def test_a_number_that_may_be_both_is_reported_when_nothing_decides():
    """Nobody guesses."""
    assert barcodes().identify("1234") == NoMatch((Reason.BARCODE_AMBIGUOUS,))


def test_the_tester_prints_every_pattern_and_a_verdict():
    """Each line says fits, or why not."""
    assert barcodes(CARD, BOOK).explain("30234000517862\r") == [
        "30234000517862: 14 characters",
        "cleaned: the scanner sent '30234000517862\\r'",
        "patron 2#{13} (codabar_mod10): position 1: expected '2', found '3'",
        "item 3#{13} (codabar_mod10): the check digit is '2', codabar_mod10 says '1'",
        "suspicious: blanks around it",
        "verdict: refused",
    ]


def test_the_tester_names_a_cover_and_an_ambiguity():
    """The two cases people ask about most."""
    assert "a publisher's barcode from a cover: never an item" in barcodes().explain(
        "9783161484100"
    )
    assert barcodes().explain("1234")[-1] == "verdict: patron or item"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("30234000517861", ["as codabar_mod10: the check digit '1' is right"]),
        ("33191000105864", ["as codabar_mod10: the check digit '4' is right"]),
        ("23529001000463", ["as codabar_mod10: the check digit '3' is right"]),
        ("31000000123456", ["as codabar_mod10: the check digit '6' is wrong, '8' would be right"]),
        ("35555000012349", ["as codabar_mod10: the check digit '9' is wrong, '6' would be right"]),
        ("CODE39W", ["as code39_mod43: the check digit 'W' is right"]),
        ("CODE39X", ["as code39_mod43: the check digit 'X' is wrong, 'W' would be right"]),
        ("2001234567893", ["as ean13: the check digit '3' is right"]),
        ("7-5053-9013-9", ["as isbn10: the check digit '9' is right"]),
        ("1565921879", ["as isbn10: the check digit '9' is right"]),
        ("080442957X", ["as isbn10: the check digit 'X' is right"]),
        ("0804429570", ["as isbn10: the check digit '0' is wrong, 'X' would be right"]),
        ("12345", []),
    ],
)
def test_without_patterns_the_tester_tries_every_check_digit(text, lines):
    """Numbers of public library files and of covers, right and wrong, by the rule they follow."""
    found = [line for line in barcodes().explain(text) if line.startswith("as ")]

    assert [line for line in found if not line.startswith("as code39") or "CODE" in text] == lines


def test_an_isbn_10_is_a_rule_for_patterns_too():
    """A library that numbers by ISBN may say so."""
    assert mask("#{9}?", "isbn10").fits("080442957X")
    assert not mask("#{9}?", "isbn10").fits("0804429570")
    assert "cannot be computed" in mask("#{9}?", "isbn10").problem("080442957A")


@pytest.mark.parametrize(
    ("sent", "cleaned", "says"),
    [
        ("]E09780131103627", "9780131103627", "EAN or UPC"),
        ("]A0CODE39W", "CODE39W", "Code 39"),
        ("]C030001234567", "30001234567", "Code 128"),
        ("]F0A30234000517861B", "30234000517861", "Codabar"),
        ("]Q130001", "30001", "QR Code"),
    ],
)
def test_the_tester_names_what_the_scanner_says(sent, cleaned, says):
    """An AIM prefix is taken away and told."""
    lines = barcodes().explain(sent)

    assert lines[0].startswith(f"{cleaned}: ")
    assert lines[1] == f"cleaned: the scanner sent {sent!r}, which says that it is {says}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("3.02E+13", "scientific notation"),
        ("3,02E+13", "scientific notation"),
        ("3E+13", "scientific notation"),
        ("3.5E13", "scientific notation"),
        ("30234000517861.0", "it may have been 30234000517861"),
        ("30234000517861,00", "it may have been 30234000517861"),
        ("1234567890123450", "keeps 15 digits"),
        ("'30234000517861", "apostrophe"),
        ("########", "too narrow"),
        (" 30234000517861", "blanks"),
        ("３０２３４", "full-width"),
    ],
)
def test_a_spreadsheets_damage_is_noticed(text, problem):
    """Story 28: a spreadsheet turns barcodes into other numbers, and says nothing."""
    assert problem in suspicious_barcode(text)


@pytest.mark.parametrize(
    "text",
    ["30234000517861", "12E5", "E+13", "3.02E+", "1.5", "123456789012345", "AB-7", "1.2.0", ""],
)
def test_an_untouched_barcode_is_not_suspected(text):
    """Honest labels pass, also those that look a little like numbers."""
    assert suspicious_barcode(text) is None


def test_lost_zeros_are_noticed_by_the_pattern_they_would_fit():
    """Story 28: 00417 became 417; only the site's pattern can tell."""
    padded = barcodes({"kind": "item", "mask": "#{8}"}, {"kind": "item", "mask": "9#"}).patterns

    assert "it may have been 00000417" in suspicious_barcode("417", padded)
    assert suspicious_barcode("00000417", padded) is None
    assert suspicious_barcode("417A", padded) is None
    assert suspicious_barcode("417", ()) is None


@given(st.text(st.sampled_from("0123456789"), min_size=1, max_size=40))
def test_one_wrong_digit_is_always_caught(digits):
    """Luhn finds every single wrong digit."""
    good = digits + luhn_digit(digits)
    for place in range(len(good)):
        wrong = good[:place] + str((int(good[place]) + 1) % 10) + good[place + 1 :]
        assert luhn_digit(wrong[:-1]) != wrong[-1]


@given(st.text(max_size=80))
def test_no_text_breaks_the_tester(text):
    """Whatever a scanner or a cat on a keyboard sends."""
    site = barcodes(CARD, BOOK)

    assert site.explain(text)
    assert isinstance(site.identify(text), Match | NoMatch)
    suspicious_barcode(text, site.patterns)
