"""Items and readers from CSV files as Excel and school offices write them."""

from pathlib import Path

import pytest

from circulation.barcodes import Barcodes
from circulation.doc import Doc
from gateway.imports import cells
from gateway.imports.items_csv import read_items
from gateway.imports.patrons_csv import read_patrons
from gateway.imports.rows import PatronRow, Problem, TitleRow
from gateway.imports.table import TableInvalid


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where a test puts its CSV file."""
    return tmp_path / "list.csv"


def outcomes(file: Path, text: str, *, encoding: str = "utf-8") -> list[TitleRow | Problem]:
    """Return what reading this text as items gives."""
    file.write_bytes(text.encode(encoding))
    return list(read_items(file))


def test_a_line_becomes_a_title_and_its_copy(file: Path):
    """Every column lands where the catalogue keeps it; empty cells say nothing."""
    (row,) = outcomes(
        file,
        "barcode,title,author,isbn,year,shelf_mark,reference,parts,price,uids,home\n"
        '1001,Momo,Michael Ende,978-3-522-17750-4,1973,KJ END,no,2,"12,90",E0:04:01:50|'
        "04a1b2c3d4e580,\n",
    )

    assert isinstance(row, TitleRow)
    assert row.place == "line 2"
    assert row.fields == {
        "title": "Momo",
        "author": "Michael Ende",
        "isbn": "9783522177504",
        "year": 1973,
        "control_no": "isbn:9783522177504",
    }
    assert row.copies == (
        {
            "barcode": "1001",
            "shelf_mark": "KJ END",
            "reference": False,
            "parts_total": 2,
            "price_cents": 1290,
            "uids": ("e0040150", "04a1b2c3d4e580"),
        },
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_chinese_headings_in_any_encoding_are_understood(file: Path, encoding: str):
    """Excel's encodings are told apart by their bytes, headings by what they mean."""
    (row,) = outcomes(file, "条码;书名;作者\n1001;毛毛;米切尔·恩德\n", encoding=encoding)

    assert isinstance(row, TitleRow)
    assert row.fields["title"] == "毛毛"
    assert row.copies[0]["barcode"] == "1001"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (",Momo,,", "line 2: barcode: is empty"),
        ("1001,,,", "line 2: title: is empty"),
        ("1001,Momo,maybe,", "line 2: reference: 'maybe' is neither yes nor no"),
        ("1001,Momo,,0", "line 2: parts_total: '0' is not a whole number from 1 to 99"),
        ("1001,Momo,,1e1", "line 2: parts_total: '1e1' is not a whole number from 1 to 99"),
        ("1001,Momo,,1,2", "line 2: has 5 cells under 4 headings; quote the text"),
    ],
)
def test_a_bad_line_is_named_with_its_reason(file: Path, line: str, reason: str):
    """The report gives the line of the file, the column and what is wrong."""
    (problem,) = outcomes(file, f"barcode,title,reference,parts_total\n{line}\n")

    assert str(problem) == reason
    assert isinstance(problem, Problem)
    assert problem.refused


def test_excels_barcodes_are_caught(file: Path):
    """A number that Excel rounded is refused, since another book may have that label."""
    (problem,) = outcomes(file, "barcode,title\n3.02E+13,Momo\n")

    assert isinstance(problem, Problem)
    assert problem.refused
    assert "3.02E+13" in str(problem)


def test_a_publishers_barcode_is_no_label(file: Path):
    """Every copy of a title bears the same cover barcode."""
    (problem,) = outcomes(file, "barcode,title\n9783522177504,Momo\n")

    assert "is the publisher's barcode" in str(problem)


def test_zeros_that_a_spreadsheet_dropped_are_noticed(file: Path):
    """With the site's patterns, a number too short by its leading zeros is refused."""
    file.write_text("barcode,title\n1234,Momo\n004321,Jim Knopf\nX1,Krabat\n")
    patterns = Barcodes.from_doc(Doc([{"kind": "item", "mask": "00####"}], "barcodes"))

    short, fine, odd = read_items(file, barcodes=patterns)

    assert "zeros in front are missing: it may have been 001234" in str(short)
    assert isinstance(fine, TitleRow)
    assert "fits no pattern of this site" in str(odd)


def test_a_label_that_stands_twice_is_refused_the_second_time(file: Path):
    """Two books with one label would share one history."""
    first, second = outcomes(file, "barcode,title\n1001,Momo\n1001,Jim Knopf\n")

    assert isinstance(first, TitleRow)
    assert str(second) == "line 3: barcode 1001 stands in line 2 already"


def test_lines_are_counted_as_an_editor_does(file: Path):
    """A quoted line break and an empty line do not shift the numbers."""
    _, problem = outcomes(file, 'barcode,title\n1001,"Momo\nein Roman"\n\n1002,\n')

    assert str(problem) == "line 5: title: is empty"


def test_an_unknown_column_is_pointed_out_and_the_rest_read(file: Path):
    """A typing error in a heading never loses a column silently."""
    note, row = outcomes(file, "barcode,title,shelf_mrk\n1001,Momo,KJ\n")

    assert str(note) == "line 1: column 'shelf_mrk' is not read; did you mean 'shelf_mark'?"
    assert isinstance(row, TitleRow)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty; the first line must name the columns"),
        (b"Titel;Autor\nMomo;Ende\n", "has no column 'barcode'"),
        (b"PK\x03\x04\x00\x00", "save it as CSV (UTF-8) first"),
    ],
)
def test_what_is_no_table_is_refused_as_a_whole(file: Path, content: bytes, says: str):
    """The message says what the file is and what to do."""
    file.write_bytes(content)

    with pytest.raises(TableInvalid) as caught:
        list(read_items(file))

    assert says in str(caught.value)


def test_a_wrong_encoding_option_is_named(file: Path):
    """Someone who asks for an encoding is told when the file is not in it."""
    file.write_bytes("barcode,title\n1,Mädchen\n".encode("cp1252"))

    with pytest.raises(TableInvalid, match=r"byte 17 is not utf-8"):
        list(read_items(file, encoding="utf-8"))
    with pytest.raises(TableInvalid, match=r"no such encoding"):
        list(read_items(file, encoding="utf-9"))


def test_a_reader_keeps_her_full_name_at_the_gateway(file: Path):
    """Screens get the short name; the number is a card too; dates become ISO."""
    file.write_text(
        "Lesernummer;Name;Klasse;gültig bis;Karte\n"
        "P-17;Maria Lopez Garcia;3b;31.07.2027;04:A1:B2:C3\n"
    )

    (row,) = read_patrons(file)

    assert isinstance(row, PatronRow)
    assert row.fields == {
        "number": "P-17",
        "class_id": "3b",
        "expires_on": "2027-07-31",
        "short_name": "Maria G.",
        "extra": {"name": "Maria Lopez Garcia"},
    }
    assert row.cards == ("P-17", "04a1b2c3")


def test_two_readers_never_share_a_card(file: Path):
    """A card that stands in two lines is refused the second time."""
    file.write_text("number,name,cards\nP-1,Ana,04a1b2c3\nP-2,Bo,04a1b2c3\n")

    _, problem = read_patrons(file)

    assert str(problem) == "line 3: card 04a1b2c3 stands in line 2 already"


@pytest.mark.parametrize("text", ["07/08/2027", "2027-13-01", "soon"])
def test_a_date_that_could_be_read_two_ways_is_refused(text: str):
    """Half the world would read 07/08 wrong."""
    with pytest.raises(cells.CellInvalid, match="write it as 2027-07-31"):
        cells.day("expires_on", text)


@pytest.mark.parametrize("text", ["e00", "e004015", "e00401503", "nothex!!"])
def test_what_is_no_tag_is_refused(text: str):
    """A cut-off UID would name another book."""
    with pytest.raises(cells.CellInvalid, match="is not a tag's UID"):
        cells.uids("uids", text)


@pytest.mark.parametrize(
    ("name", "short"),
    [("Maria Lopez Garcia", "Maria G."), ("Ana", "Ana"), ("王小明", "王*明"), ("王明", "王*")],
)
def test_a_screen_shows_a_short_name(name: str, short: str):
    """Enough for a reader to know herself, not enough for the queue behind her."""
    assert cells.short_name(name) == short
