"""Items from a CSV file: one line a copy, with its title."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from circulation.barcodes import Barcodes
from gateway.imports import cells
from gateway.imports.marc import price_cents
from gateway.imports.rows import Fields, Problem, TitleRow
from gateway.imports.table import Columns, Line, read_table

COLUMNS = Columns(
    known={
        "barcode": ("label", "Strichcode", "Mediennummer", "条码", "条形码", "條碼"),
        "title": ("Titel", "titre", "题名", "书名", "書名"),
        "author": ("Autor", "Verfasser", "auteur", "作者", "责任者"),
        "isbn": ("ISBN/ISSN",),
        "year": ("Jahr", "année", "出版年"),
        "publisher": ("Verlag", "éditeur", "出版社"),
        "language": ("Sprache", "langue", "语种"),
        "control_no": ("record", "MARC 001", "控制号"),
        "accession_no": ("accession", "Inventarnummer", "登录号", "財產號"),
        "item_type": ("type", "Medienart", "文献类型"),
        "shelf_mark": ("call number", "Signatur", "cote", "索书号", "索書號"),
        "home": ("room", "Standort", "馆藏地"),
        "owner": ("ISIL", "Bibliothek"),
        "reference": ("reference only", "Präsenzbestand"),
        "not_for_loan": ("not for loan", "gesperrt"),
        "parts_total": ("parts", "Teile"),
        "price": ("Preis", "prix", "价格", "定价"),
        "uids": ("uid", "tag", "RFID"),
    },
    required=("barcode", "title"),
)
TITLE_COLUMNS = ("title", "author", "isbn", "publisher", "language")
ANY_BARCODE = Barcodes()
ITEM_COLUMNS = ("barcode", "accession_no", "item_type", "shelf_mark", "home", "owner")


def read_items(
    path: Path, *, encoding: str = "auto", barcodes: Barcodes = ANY_BARCODE
) -> Iterator[TitleRow | Problem]:
    """Yield one title with its copy for every line, or what is wrong with the line.

    ``barcodes`` are the site's patterns, by which lost zeros are noticed.
    Raises `TableInvalid` if the file is no such table.
    """
    notes, lines = read_table(path, COLUMNS, encoding=encoding)
    yield from notes
    seen: dict[str, str] = {}
    for line in lines:
        yield line if isinstance(line, Problem) else _checked(line, seen, barcodes)


def _checked(line: Line, seen: dict[str, str], barcodes: Barcodes) -> TitleRow | Problem:
    try:
        row = _title_row(line, barcodes)
    except cells.CellInvalid as error:
        return Problem(line.place, str(error))
    barcode = line.cells["barcode"]
    if barcode in seen:
        return Problem(line.place, f"barcode {barcode} stands in {seen[barcode]} already")
    seen[barcode] = line.place
    return row


def _title_row(line: Line, barcodes: Barcodes) -> TitleRow:
    for name in COLUMNS.required:
        if name not in line.cells:
            raise cells.CellInvalid(f"{name}: is empty")
    cells.label("barcode", line.cells["barcode"], "item", barcodes)
    title: Fields = {name: line.cells[name] for name in TITLE_COLUMNS if name in line.cells}
    if "isbn" in title:
        title["isbn"] = title["isbn"].replace("-", "").replace(" ", "")
    if "year" in line.cells:
        title["year"] = cells.whole("year", line.cells["year"], minimum=0, maximum=2_200)
    title["control_no"] = line.cells.get("control_no") or _made_control_no(title)
    return TitleRow(line.place, title, (_copy(line),))


def _copy(line: Line) -> Fields:
    copy: Fields = {name: line.cells[name] for name in ITEM_COLUMNS if name in line.cells}
    for name in ("reference", "not_for_loan"):
        if name in line.cells:
            copy[name] = cells.truth(name, line.cells[name])
    if "parts_total" in line.cells:
        parts = line.cells["parts_total"]
        copy["parts_total"] = cells.whole("parts_total", parts, minimum=1, maximum=99)
    if "price" in line.cells:
        copy["price_cents"] = price_cents(line.cells["price"])
        if copy["price_cents"] is None:
            raise cells.CellInvalid(f"price: {line.cells['price']!r} has no amount in it")
    if "uids" in line.cells:
        copy["uids"] = cells.uids("uids", line.cells["uids"])
    return copy


def _made_control_no(title: Fields) -> str:
    """Name a title that has no number of its own, so that its copies find each other."""
    if title.get("isbn"):
        return f"isbn:{title['isbn']}"[:64]
    said = f"{title['title']}\x1f{title.get('author', '')}".casefold()
    return "content:" + hashlib.sha256(said.encode()).hexdigest()[:40]
