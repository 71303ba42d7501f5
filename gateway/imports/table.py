"""Reading a table out of a CSV file as libraries have them: exported from Excel, in any encoding.

Every problem names the line of the file, counted from 1 with the header, so that it can be found
in an editor or spreadsheet.
"""

import csv
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.imports.rows import Problem

SAMPLE_CHARACTERS = 8_192
FIELD_CHARACTERS_MAX = 10_000
DELIMITERS = ",;\t|"
# Tried in this order: each refuses bytes that are not its own, but the last. GB18030 is what
# Chinese Excel writes, cp1252 what Western Excel does; cp1252 cannot tell, so it comes last.
ENCODINGS = ("utf-8-sig", "gb18030", "cp1252")


class TableInvalid(ValueError):
    """The file as a whole is not a table this import can read; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Line:
    """One data line: its place, and the text under each known column that is not empty."""

    place: str
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns an import knows: name → other headings people use for it."""

    known: Mapping[str, tuple[str, ...]]
    required: tuple[str, ...]

    def name_of(self, heading: str) -> str | None:
        """Return the column a heading means, however it is written."""
        plain = _plain(heading)
        for name, others in self.known.items():
            if plain in {_plain(name), *map(_plain, others)}:
                return name
        return None


def read_table(
    path: Path, columns: Columns, *, encoding: str = "auto"
) -> tuple[list[Problem], Iterator[Line | Problem]]:
    """Return notes on the header, and an iterator over the lines.

    Raises `TableInvalid` if the file is empty, not text, or lacks a required column.
    """
    text = _decoded(path, encoding)
    if not text.strip():
        raise TableInvalid(f"{path}: is empty; the first line must name the columns")
    rows = _rows(text)
    header = next(rows)
    names, notes = _header(path, header[1], columns)
    return notes, _lines(rows, names)


def _decoded(path: Path, encoding: str) -> str:
    raw = path.read_bytes()
    if encoding != "auto":
        try:
            return raw.decode(encoding)
        except LookupError:
            raise TableInvalid(f"{encoding}: no such encoding; try utf-8") from None
        except UnicodeDecodeError as error:
            raise TableInvalid(
                f"{path}: byte {error.start} is not {encoding}; leave --encoding out to guess"
            ) from None
    if raw[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        # What Excel calls "Unicode text".
        return raw.decode("utf-16", errors="replace")
    if b"\x00" in raw[:SAMPLE_CHARACTERS] or raw[:2] == b"PK":
        raise TableInvalid(
            f"{path}: is a spreadsheet or another binary file; save it as CSV (UTF-8) first"
        )
    for candidate in ENCODINGS:
        try:
            return raw.decode(candidate)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the first line number and the cells of every row."""
    first_line = text.lstrip("\r\n").split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=first_line.count)
    csv.field_size_limit(FIELD_CHARACTERS_MAX * 10)
    reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter)
    start = 1
    for cells in reader:
        if any(cell.strip() for cell in cells):
            yield start, [cell.strip() for cell in cells]
        start = reader.line_num + 1


def _header(
    path: Path, headings: list[str], columns: Columns
) -> tuple[list[str | None], list[Problem]]:
    names = [columns.name_of(heading) for heading in headings]
    missing = [name for name in columns.required if name not in names]
    if missing:
        known = ", ".join(columns.known)
        raise TableInvalid(
            f"{path}: has no column {missing[0]!r} (its first line reads "
            f"{', '.join(headings)[:200]!r}); the columns are: {known}"
        )
    notes = [
        Problem("line 1", f"column {heading!r} is not read{_nearest(heading, columns)}", False)
        for heading, name in zip(headings, names, strict=True)
        if name is None and heading
    ]
    return names, notes


def _lines(
    rows: Iterator[tuple[int, list[str]]], names: list[str | None]
) -> Iterator[Line | Problem]:
    while True:
        try:
            number, cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield Problem("after the last line read", f"cannot be read as CSV: {error}")
            return
        yield _line(f"line {number}", cells, names)


def _line(place: str, cells: list[str], names: list[str | None]) -> Line | Problem:
    if len(cells) > len(names) and any(cells[len(names) :]):
        return Problem(
            place, f"has {len(cells)} cells under {len(names)} headings; quote the text"
        )
    found: dict[str, str] = {}
    for name, cell in zip(names, cells, strict=False):
        if len(cell) > FIELD_CHARACTERS_MAX:
            return Problem(place, f"{name}: is longer than {FIELD_CHARACTERS_MAX} characters")
        if "\x00" in cell:
            return Problem(place, f"{name}: holds a NUL character; export the file again")
        if name is not None and cell:
            found[name] = cell
    return Line(place, found)


def _plain(heading: str) -> str:
    return heading.strip().lower().replace("_", "").replace(" ", "").replace("-", "")


def _nearest(heading: str, columns: Columns) -> str:
    close = difflib.get_close_matches(heading.lower(), columns.known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
