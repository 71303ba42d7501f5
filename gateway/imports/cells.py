"""Turning the text of one cell into a value, or saying what is wrong with it."""

import datetime
import re
import unicodedata

from circulation.barcodes import Barcodes, is_cover_ean, suspicious_barcode

YES = frozenset({"1", "yes", "y", "true", "x", "ja", "oui", "si", "是", "√"})
NO = frozenset({"0", "no", "n", "false", "nein", "non", "否"})
UID_DIGITS = re.compile(r"[0-9a-f]{8,32}")
DATE_SHAPES = ("%Y-%m-%d", "%d.%m.%Y", "%Y/%m/%d", "%Y%m%d")


class CellInvalid(ValueError):
    """This cell cannot mean what its column says; the message names both."""


def truth(name: str, text: str) -> bool:
    """Return what yes, no, 1, 0, x, ja, 是 … say."""
    plain = text.strip().lower()
    if plain in YES:
        return True
    if plain in NO:
        return False
    raise CellInvalid(f"{name}: {text!r} is neither yes nor no")


def whole(name: str, text: str, *, minimum: int, maximum: int) -> int:
    """Return a whole number within its bounds."""
    if not re.fullmatch(r"\d{1,9}", text) or not minimum <= int(text) <= maximum:
        raise CellInvalid(f"{name}: {text!r} is not a whole number from {minimum} to {maximum}")
    return int(text)


def day(name: str, text: str) -> str:
    """Return a date as ISO text; 2027-07-31, 31.07.2027 and 2027/07/31 are read.

    A date like 07/08/2027 is refused: half the world would read it wrong.
    """
    for shape in DATE_SHAPES:
        try:
            return datetime.datetime.strptime(text, shape).date().isoformat()
        except ValueError:
            continue
    raise CellInvalid(f"{name}: {text!r} is not a date; write it as 2027-07-31")


def label(name: str, text: str, kind: str, barcodes: Barcodes) -> str:
    """Return a label's number if the site's patterns take it as that kind ("item", "patron").

    A number that a spreadsheet has damaged is refused, since another book may bear the damaged
    one; so is a publisher's barcode, which every copy of a title shares.
    """
    doubt = suspicious_barcode(text, barcodes.patterns)
    if doubt is not None:
        raise CellInvalid(f"{name}: {text!r}: {doubt}")
    if kind == "item" and is_cover_ean(text):
        raise CellInvalid(f"{name}: {text!r} is the publisher's barcode, not the library's label")
    if kind not in barcodes.kinds_of(text):
        raise CellInvalid(f"{name}: {text!r} fits no pattern of this site; {_why(text, barcodes)}")
    return text


def _why(text: str, barcodes: Barcodes) -> str:
    return "; ".join(barcodes.explain(text)[1:-1])


def several(text: str) -> tuple[str, ...]:
    """Return the values of a cell that may hold more than one, parted by "|"."""
    return tuple(part.strip() for part in text.split("|") if part.strip())


def uids(name: str, text: str) -> tuple[str, ...]:
    """Return tag UIDs as lower-case hex, however they were punctuated."""
    found = tuple(re.sub(r"[\s:\-]", "", part).lower() for part in several(text))
    for uid in found:
        if not UID_DIGITS.fullmatch(uid) or len(uid) % 2:
            raise CellInvalid(f"{name}: {uid!r} is not a tag's UID (8 to 32 hex digits)")
    return found


def short_name(name: str) -> str:
    """Return a name as a screen in a public room may show it.

    >>> short_name("Maria Lopez Garcia")
    'Maria G.'
    >>> short_name("王小明")
    '王*明'
    """
    words = name.split()
    if len(words) > 1:
        return f"{words[0]} {words[-1][0]}."
    if name and "CJK" in unicodedata.name(name[0], ""):
        return name[0] + "*" + (name[-1] if len(name) > 2 else "")
    return name
