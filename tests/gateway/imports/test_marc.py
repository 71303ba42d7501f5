"""MARC files as libraries have them, good and bad."""

import os
from pathlib import Path

import pymarc
import pytest

from gateway.imports.marc import price_cents, read_marc, read_record
from gateway.imports.rows import Problem, TitleRow

REAL_FILES = Path(os.environ.get("LENDGATE_MARC", Path(__file__).parents[4] / "shared/data/marc"))


def marc(**fields: str) -> bytes:
    """Return a UTF-8 record with a control field or one subfield a per name (f245="Momo")."""
    record = pymarc.Record(force_utf8=True)
    for name, value in fields.items():
        tag = name[1:]
        if tag < "010":
            record.add_field(pymarc.Field(tag=tag, data=value))
        else:
            pairs = [pymarc.Subfield(code=p[0], value=p[1:]) for p in value.split("$") if p]
            record.add_field(pymarc.Field(tag=tag, indicators=[" ", " "], subfields=pairs))
    return bytes(record.as_marc())


def only_title(chunk: bytes, **options: str) -> TitleRow:
    """Return the one title a record gives, which must bring no note."""
    (row,) = read_record(chunk, "record 1", **options)
    assert isinstance(row, TitleRow)
    return row


def refusal(chunk: bytes) -> str:
    """Return why a record was refused."""
    (problem,) = read_record(chunk, "record 1")
    assert isinstance(problem, Problem)
    assert problem.refused
    return str(problem)


def test_a_record_becomes_a_title_with_its_copies():
    """Title, author, numbers and copies are where MARC 21 puts them, without ISBD marks."""
    chunk = marc(
        f001="42", f003="DE-101", f020="$a978-3-522-17750-4 (pbk.)", f100="$aEnde, Michael.",
        f245="$aMomo :$bein Märchen-Roman /$cMichael Ende",
        f260="$aStuttgart :$bThienemann,$c1973.",
        f952="$p30234000517861$oKJ END$yKID$i2019-77$g12,90$7 0",
    )  # fmt: skip

    row = only_title(chunk)

    assert row.fields == {
        "control_no": "DE-101:42",
        "title": "Momo : ein Märchen-Roman",
        "author": "Ende, Michael",
        "isbn": "9783522177504",
        "year": 1973,
        "publisher": "Thienemann",
    }
    assert row.copies == (
        {
            "barcode": "30234000517861",
            "shelf_mark": "KJ END",
            "item_type": "kid",
            "accession_no": "2019-77",
            "price_cents": 1290,
            "not_for_loan": False,
        },
    )


def test_the_first_holdings_field_with_a_barcode_is_taken():
    """Copies come from 952, else 852, else 949, unless the librarian names the field."""
    chunk = marc(f001="1", f245="$aMomo", f852="$p111$hKJ$iEND", f949="$i222$aKJ END")

    assert [copy["barcode"] for copy in only_title(chunk).copies] == ["111"]
    assert only_title(chunk).copies[0]["shelf_mark"] == "KJ END"
    assert [c["barcode"] for c in only_title(chunk, copies_from="949").copies] == ["222"]
    assert only_title(chunk, copies_from="none").copies == ()


def test_a_record_without_a_number_is_named_by_what_it_says():
    """Without 001 and 035 the same record has the same name again, and another has another."""
    momo = only_title(marc(f245="$aMomo", f100="$aEnde")).fields["control_no"]
    again = only_title(marc(f245="$aMomo", f100="$aEnde")).fields["control_no"]
    other = only_title(marc(f245="$aMomo", f100="$aMüller")).fields["control_no"]

    assert momo == again
    assert momo.startswith("content:")
    assert momo != other


def test_utf8_in_a_record_that_claims_marc8_is_read():
    """A wrong leader does not spoil the letters, and the report says so."""
    chunk = bytearray(marc(f001="1", f245="$aDas Mädchen"))
    chunk[9:10] = b" "

    note, row = read_record(bytes(chunk), "record 1")

    assert str(note) == "record 1: says MARC-8 but is UTF-8; read as UTF-8"
    assert isinstance(row, TitleRow)
    assert row.fields["title"] == "Das Mädchen"


def test_marc8_in_a_record_that_claims_utf8_is_read():
    """MARC-8's combining marks stand before their letter, which UTF-8 never allows."""
    chunk = bytearray(marc(f001="1", f245="$aDas Mxadchen"))
    at = chunk.index(b"Mxa")
    chunk[at : at + 3] = b"M\xe8a"

    note, row = read_record(bytes(chunk), "record 1")

    assert str(note) == "record 1: says UTF-8 but is not; read as MARC-8"
    assert isinstance(row, TitleRow)
    assert row.fields["title"] == "Das Mädchen"


@pytest.mark.parametrize(
    ("chunk", "reason"),
    [
        (b"\x1d", "record 1: is only 1 bytes long"),
        (b"this is a text file", "record 1: breaks off before its end; was the file cut short?"),
        (
            b"hello world, this is not a record" + b"\x1d",
            "record 1: has a leader without its two lengths; is this a MARC file?",
        ),
        (
            b"01256nam  2200325Ia 45\x920" + b"0" * 20 + b"\x1d",
            "record 1: has the stray byte 0x92 in its leader",
        ),
        (
            b"x" * 100_000,
            "record 1: no record end within 99,999 bytes; is this a MARC (ISO 2709) file?",
        ),
    ],
)
def test_what_is_no_record_is_refused_in_words(chunk: bytes, reason: str):
    """A librarian can pass the reason on to the supplier."""
    assert refusal(chunk) == reason


def test_a_record_without_a_title_is_refused():
    """Nobody can find, lend or return a nameless book."""
    assert refusal(marc(f001="1", f100="$aEnde")) == "record 1: has no title (field 245)"


def test_a_broken_directory_costs_one_record():
    """A directory that points outside its record is reported, not raised."""
    chunk = bytearray(marc(f001="1", f245="$aMomo"))
    chunk[24 + 12 + 3 : 24 + 12 + 7] = b"99xx"

    assert refusal(bytes(chunk)).startswith("record 1: is not readable as MARC")


def test_the_rest_of_a_damaged_file_goes_in(tmp_path: Path):
    """One bad record between two good ones is named by its place; line ends between are none."""
    file = tmp_path / "three.mrc"
    good = marc(f001="1", f245="$aMomo"), marc(f001="3", f245="$aJim Knopf")
    file.write_bytes(good[0] + b"\r\n" + b"00099garbage" + b"\x1d" + b"\n" + good[1] + b"\x1a")

    outcomes = list(read_marc(file))

    assert [type(outcome).__name__ for outcome in outcomes] == ["TitleRow", "Problem", "TitleRow"]
    assert outcomes[1].place == "record 2"


def test_a_title_that_stands_twice_is_pointed_out(tmp_path: Path):
    """Records with one number are one title; the report names the first."""
    file = tmp_path / "twice.mrc"
    file.write_bytes(marc(f001="1", f245="$aMomo") * 2)

    outcomes = list(read_marc(file))

    assert str(outcomes[1]) == (
        "record 2: is the same title as record 1; its copies join that one"
    )
    assert not outcomes[1].refused


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("CNY25.00", 2500),
        ("$19.95", 1995),
        ("12,50 €", 1250),
        ("1.234,50", 123450),
        ("1,234", 123400),
        ("15", 1500),
        ("7.5", 750),
        ("gratis", None),
        ("", None),
    ],
)
def test_prices_are_read_as_people_write_them(text: str, cents: int | None):
    """The last separator is the decimal one if one or two digits follow it."""
    assert price_cents(text) == cents


@pytest.mark.outside(REAL_FILES)
def test_the_real_jazz_catalogue_is_read_whole():
    """1,000 MARC-8 records with 1,238 labelled copies, accents included, nothing refused."""
    rows = list(read_marc(REAL_FILES / "jazz_1k.mrc"))

    titles = [row for row in rows if isinstance(row, TitleRow)]
    assert len(rows) == len(titles) == 1000
    assert sum(len(row.copies) for row in titles) == 1238
    assert titles[997].fields["author"] == "Schaeffner, André"
    assert titles[997].copies[0]["price_cents"] == 1724


@pytest.mark.outside(REAL_FILES)
def test_the_real_open_source_catalogue_loses_one_record_only():
    """41 of 42 go in; record 28 is named with its stray byte."""
    rows = list(read_marc(REAL_FILES / "oss.marc"))

    assert sum(isinstance(row, TitleRow) for row in rows) == 41
    assert [str(row) for row in rows if isinstance(row, Problem) and row.refused] == [
        "record 28: has the stray byte 0x92 in its leader"
    ]
