"""Readers from a CSV file: one line a person, with the cards she holds."""

from collections.abc import Iterator
from pathlib import Path

from circulation.barcodes import Barcodes
from gateway.imports import cells
from gateway.imports.rows import Fields, PatronRow, Problem
from gateway.imports.table import Columns, Line, read_table

COLUMNS = Columns(
    known={
        "number": ("patron", "Lesernummer", "Ausweisnummer", "numéro", "读者证号", "學號", "学号"),
        "name": ("full name", "Name", "nom", "姓名"),
        "short_name": ("screen name",),
        "category": ("group", "Gruppe", "Benutzergruppe", "catégorie", "读者类型"),
        "class": ("class_id", "Klasse", "classe", "班级", "班級"),
        "member": ("ISIL", "Bibliothek"),
        "expires_on": ("expires", "gültig bis", "valable", "有效期"),
        "born_on": ("birthday", "geboren", "né le", "出生日期"),
        "language": ("Sprache", "langue", "语言"),
        "cards": ("card", "UID", "Karte", "carte", "卡号"),
    },
    required=("number", "name"),
)
PLAIN_COLUMNS = {"number": "number", "category": "category", "class": "class_id"} | {
    name: name for name in ("member", "language")
}
ANY_BARCODE = Barcodes()
DATE_COLUMNS = ("expires_on", "born_on")


def read_patrons(
    path: Path, *, encoding: str = "auto", barcodes: Barcodes = ANY_BARCODE
) -> Iterator[PatronRow | Problem]:
    """Yield a reader for every line, or what is wrong with the line.

    A number or card that stands in two lines is refused the second time: two people with one
    card would borrow for each other. Raises `TableInvalid` if the file is no such table.
    """
    notes, lines = read_table(path, COLUMNS, encoding=encoding)
    yield from notes
    seen: dict[str, str] = {}
    for line in lines:
        yield line if isinstance(line, Problem) else _checked(line, seen, barcodes)


def _checked(line: Line, seen: dict[str, str], barcodes: Barcodes) -> PatronRow | Problem:
    try:
        row = _patron_row(line, barcodes)
    except cells.CellInvalid as error:
        return Problem(line.place, str(error))
    names = [f"number {row.fields['number']}", *(f"card {card}" for card in row.cards)]
    for name in names:
        if name in seen:
            return Problem(line.place, f"{name} stands in {seen[name]} already")
    seen.update(dict.fromkeys(names, line.place))
    return row


def _patron_row(line: Line, barcodes: Barcodes) -> PatronRow:
    for name in COLUMNS.required:
        if name not in line.cells:
            raise cells.CellInvalid(f"{name}: is empty")
    cells.label("number", line.cells["number"], "patron", barcodes)
    fields: Fields = {
        field: line.cells[column]
        for column, field in PLAIN_COLUMNS.items()
        if column in line.cells
    }
    for name in DATE_COLUMNS:
        if name in line.cells:
            fields[name] = cells.day(name, line.cells[name])
    full = line.cells["name"]
    fields["short_name"] = line.cells.get("short_name") or cells.short_name(full)
    # The full name stays on the gateway; screens in public rooms show the short one.
    fields["extra"] = {"name": full}
    return PatronRow(line.place, fields, _cards(line))


def _cards(line: Line) -> tuple[str, ...]:
    """Return the card ids as card readers give them; the printed number counts as one."""
    named = [_card(text) for text in cells.several(line.cells.get("cards", ""))]
    return tuple(dict.fromkeys([line.cells["number"], *named]))


def _card(text: str) -> str:
    # A UID as card readers print it, or a number as it stands on the card.
    plain = text.replace(":", "").lower() if ":" in text else text
    return cells.label("cards", plain, "patron", ANY_BARCODE)
