"""Reading MARC 21 files (ISO 2709) through pymarc, one record at a time.

Real files are worse than the standard: leaders with stray bytes, UTF-8 declared as MARC-8, a
length that does not fit. So the file is cut at the record terminator (ISO 2709 §4.7.1: 0x1D) and
each record stands or falls alone; the number reported is its place in the file, from 1.
"""

import hashlib
import io
import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from pathlib import Path

import pymarc

from gateway.imports.rows import Fields, Problem, TitleRow

RECORD_TERMINATOR = b"\x1d"
# A MARC 21 record's own length field has five digits; nothing longer can be one.
RECORD_BYTES_MAX = 99_999
READ_BYTES = 1 << 16

# Where libraries keep their copies: field -> subfields. 852 is MARC 21 holdings, 952 Koha's,
# 949 what Sirsi and many American systems write.
COPY_FIELDS = {
    "952": {"barcode": "p", "shelf_mark": "o", "item_type": "y", "accession_no": "i"},
    "852": {"barcode": "p", "shelf_mark": "hi", "accession_no": ""},
    "949": {"barcode": "i", "shelf_mark": "a", "item_type": "t"},
}
PRICE_SUBFIELDS = {"952": ("v", "g"), "949": ("p",)}
HOME_SUBFIELDS = {"952": "a", "852": "b", "949": "m"}

Outcome = TitleRow | Problem


def read_marc(path: Path, *, copies_from: str = "auto") -> Iterator[Outcome]:
    """Yield a title or problems for every record of the file, in file order.

    ``copies_from`` is "auto" (the first of 952, 852, 949 that carries a barcode), one of those
    tags, or "none". Both MARC-8 and UTF-8 are read; what a record claims is checked against its
    bytes.
    """
    seen: dict[str, str] = {}
    for number, chunk in enumerate(_chunks(path), start=1):
        place = f"record {number}"
        for outcome in read_record(chunk, place, copies_from=copies_from):
            if isinstance(outcome, TitleRow):
                yield from _repeats(outcome, seen)
            yield outcome


def read_record(chunk: bytes, place: str, *, copies_from: str = "auto") -> list[Outcome]:
    """Return what one record says: notes first, then the title, or the refusal alone."""
    try:
        record, notes = _decode(chunk, place)
        title = _title_row(record, place, copies_from)
    except _Unreadable as error:
        return [Problem(place, str(error))]
    return [*notes, title]


class _Unreadable(ValueError):
    """This record cannot become a title; the message says why."""


def _chunks(path: Path) -> Iterator[bytes]:
    """Yield the file's records without reading it whole, each with its terminator."""
    rest = b""
    with path.open("rb") as stream:
        while block := stream.read(READ_BYTES):
            *whole, rest = (rest + block).split(RECORD_TERMINATOR)
            for chunk in whole:
                # Some exporters write a line end after each record.
                yield chunk.lstrip(b"\r\n\x00 ") + RECORD_TERMINATOR
            if len(rest) > RECORD_BYTES_MAX:
                # Not a MARC file, or one that lost its terminators: give up on what is held.
                yield rest
                rest = b""
    if rest.strip(b"\r\n\x00\x1a "):
        yield rest


def _decode(chunk: bytes, place: str) -> tuple[pymarc.Record, list[Problem]]:
    notes: list[Problem] = []
    _check_frame(chunk)
    declared_utf8 = chunk[9:10] == b"a"
    is_utf8 = _is_utf8(chunk)
    if is_utf8 and not declared_utf8:
        notes.append(Problem(place, "says MARC-8 but is UTF-8; read as UTF-8", refused=False))
    if declared_utf8 and not chunk.isascii() and not is_utf8:
        notes.append(Problem(place, "says UTF-8 but is not; read as MARC-8", refused=False))
        chunk = chunk[:9] + b" " + chunk[10:]
    complaints = io.StringIO()
    try:
        # pymarc tells an unknown MARC-8 character on the error stream and goes on.
        with redirect_stderr(complaints):
            record = pymarc.Record(data=chunk, to_unicode=True, force_utf8=is_utf8)
    except UnicodeDecodeError as error:
        raise _Unreadable(f"character {error.object[error.start]:#04x} cannot be read") from error
    except Exception as error:
        # pymarc lets whatever a broken directory causes out: ValueError, IndexError, its own.
        raise _Unreadable(f"is not readable as MARC: {error or type(error).__name__}") from error
    if complaints.getvalue():
        first = complaints.getvalue().strip().splitlines()[0]
        notes.append(Problem(place, f"a character was dropped: {first}", refused=False))
    return record, notes


def _check_frame(chunk: bytes) -> None:
    """Refuse what is not a record at all, in words a librarian can pass on to the supplier."""
    if len(chunk) > RECORD_BYTES_MAX:
        raise _Unreadable("no record end within 99,999 bytes; is this a MARC (ISO 2709) file?")
    if not chunk.endswith(RECORD_TERMINATOR):
        raise _Unreadable("breaks off before its end; was the file cut short?")
    if len(chunk) < 26:
        raise _Unreadable(f"is only {len(chunk)} bytes long")
    leader = chunk[:24]
    if not leader.isascii():
        stray = next(byte for byte in leader if byte > 0x7F)
        raise _Unreadable(f"has the stray byte {stray:#04x} in its leader")
    if not leader[:5].isdigit() or not leader[12:17].isdigit():
        raise _Unreadable("has a leader without its two lengths; is this a MARC file?")


def _is_utf8(chunk: bytes) -> bool:
    """Tell whether the bytes beyond ASCII are UTF-8.

    MARC-8 puts its combining marks (0xE0…0xFE) before an ASCII letter, which UTF-8 never does.
    """
    if chunk.isascii():
        return False
    try:
        chunk.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _repeats(title: TitleRow, seen: dict[str, str]) -> Iterator[Problem]:
    first = seen.setdefault(title.fields["control_no"], title.place)
    if first != title.place:
        reason = f"is the same title as {first}; its copies join that one"
        yield Problem(title.place, reason, refused=False)


def _title_row(record: pymarc.Record, place: str, copies_from: str) -> TitleRow:
    title = _trimmed(" ".join(_values(record, ("245",), "abnp")))
    if not title:
        raise _Unreadable("has no title (field 245)")
    author = _first(record, ("100", "110", "111"), "a") or _first(record, ("245",), "c")
    fields: Fields = {
        "control_no": _control_no(record),
        "title": title,
        "author": _trimmed(author),
        "isbn": _isbn(record),
        "year": _year(record),
        "publisher": _trimmed(_first(record, ("264", "260"), "b")),
        "language": _control_text(record, "008")[35:38].strip(" |"),
    }
    return TitleRow(place, _said(fields), _copies(record, copies_from))


def _said(fields: Fields) -> Fields:
    """Leave out what the record does not say, so that a repeated import never empties a field."""
    return {name: value for name, value in fields.items() if value not in {"", None}}


def _control_no(record: pymarc.Record) -> str:
    """Return the name under which the source will send this record again.

    MARC 21: 001 is unique within the system that 003 names. A record without 001 is named by
    what it says; a corrected one then counts as another title, and the report shows it.
    """
    number = _control_text(record, "001").strip()
    if number:
        return f"{_control_text(record, '003').strip()}:{number}"[:64]
    system_no = _first(record, ("035",), "a").strip()
    if system_no:
        return f"035:{system_no}"[:64]
    said = "\x1f".join(_values(record, ("245", "100", "110", "250", "260", "264", "773"), ""))
    fixed = _control_text(record, "008")
    return "content:" + hashlib.sha256(f"{fixed}\x1f{said}".encode()).hexdigest()[:40]


def _copies(record: pymarc.Record, copies_from: str) -> tuple[Fields, ...]:
    if copies_from == "none":
        return ()
    tags = tuple(COPY_FIELDS) if copies_from == "auto" else (copies_from,)
    for tag in tags:
        copies = tuple(
            _copy(field, tag)
            for field in record.get_fields(tag)
            if _joined(field, COPY_FIELDS[tag]["barcode"])
        )
        if copies:
            return copies
    return ()


def _copy(field: pymarc.Field, tag: str) -> Fields:
    codes = COPY_FIELDS[tag]
    prices = [_joined(field, code) for code in PRICE_SUBFIELDS.get(tag, ())]
    fields: Fields = {
        "barcode": _joined(field, codes["barcode"]),
        "shelf_mark": _joined(field, codes["shelf_mark"]),
        "item_type": _joined(field, codes.get("item_type", "")).lower(),
        "accession_no": _joined(field, codes.get("accession_no", "")),
        "home": _joined(field, HOME_SUBFIELDS[tag]).lower(),
        "price_cents": next((cents for cents in map(price_cents, prices) if cents), None),
    }
    if tag == "952":
        # Koha's 952$7: anything but 0 means not for loan.
        fields["not_for_loan"] = _joined(field, "7") not in {"", "0"}
    return _said(fields)


def price_cents(text: str) -> int | None:
    """Return a price as cents: "CNY25.00", "$19.95", "12,50 €", "1.234,50"; None if it is none."""
    found = re.search(r"\d[\d.,' ]*", text)
    if not found:
        return None
    number = re.sub(r"[' ]", "", found.group()).rstrip(".,")
    # The last separator is the decimal one if one or two digits follow it.
    decimal = re.fullmatch(r"(.*\d)[.,](\d{1,2})", number)
    whole, part = (decimal[1], decimal[2]) if decimal else (number, "")
    digits = re.sub(r"[.,]", "", whole)
    return int(digits[:9]) * 100 + int(part.ljust(2, "0") or 0)


def _isbn(record: pymarc.Record) -> str:
    """Return the first ISBN, digits only; what a publisher wrote behind it is left."""
    for text in _values(record, ("020",), "a"):
        found = re.match(r"\s*(97[89][\d-]{10,14}|[\d-]{9,12}[\dXx])(?![\d-])", text)
        digits = found.group(1).replace("-", "").upper() if found else ""
        if len(digits) in {10, 13}:
            return digits
    return ""


def _year(record: pymarc.Record) -> int | None:
    fixed = _control_text(record, "008")[7:11]
    texts = [fixed, *_values(record, ("264", "260"), "c")]
    for text in texts:
        found = re.search(r"(?<!\d)(1[4-9]\d\d|20\d\d)(?!\d)", text)
        if found:
            return int(found.group())
    return None


def _control_text(record: pymarc.Record, tag: str) -> str:
    field = next(iter(record.get_fields(tag)), None)
    return (field.data or "") if field is not None and field.is_control_field() else ""


def _values(record: pymarc.Record, tags: tuple[str, ...], codes: str) -> list[str]:
    """Return the subfields' values in the order of the record; no codes means all of them."""
    wanted: Callable[[str], bool] = (lambda code: code in codes) if codes else (lambda _: True)
    return [
        subfield.value
        for field in record.get_fields(*tags)
        if not field.is_control_field()
        for subfield in field.subfields
        if wanted(subfield.code)
    ]


def _first(record: pymarc.Record, tags: tuple[str, ...], code: str) -> str:
    return next(iter(_values(record, tags, code)), "")


def _joined(field: pymarc.Field, codes: str) -> str:
    if not codes or field.is_control_field():
        return ""
    return " ".join(s.value.strip() for s in field.subfields if s.code in codes).strip()


def _trimmed(text: str) -> str:
    """Drop the punctuation that cataloguing rules put between areas (ISBD); compose accents.

    A full stop goes too, unless it belongs to an initial or a short word ("M.", "Inc.").
    """
    plain = re.sub(r"\s+", " ", unicodedata.normalize("NFC", text))
    return re.sub(r"(?<=\w{4})\.$", "", re.sub(r"[\s/:;,=]+$", "", plain)).strip()
