"""Which barcodes are readers' cards and which are items, and why a label is refused.

A pattern is written the way a label looks: `#` a digit, `@` a letter, `?` a letter or digit,
anything else itself; `{4,8}` repeats what stands before it. So `2#{13}` is a Codabar card of 14
digits that begins with 2. It is no regular expression: a pattern cannot hang a kiosk.
"""

import string
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from circulation.doc import Doc
from circulation.reasons import Reason

BARCODE_LENGTH_MAX = 64
MASK_LENGTH_MAX = 64
PATRON, ITEM = "patron", "item"
KINDS = (PATRON, ITEM)

# Code 39's characters in the order of their values (ISO/IEC 16388, annex A).
CODE_39 = string.digits + string.ascii_uppercase + "-. $/+%"
# The prefixes of what publishers print: 978 and 979 books, 977 periodicals.
COVER_PREFIXES = ("977", "978", "979")
# What a scanner says of a label before it: `]`, a letter, a modifier (ISO/IEC 15424).
AIM_SYMBOLOGIES = {
    "A": "Code 39",
    "C": "Code 128",
    "E": "EAN or UPC",
    "F": "Codabar",
    "G": "Code 93",
    "I": "Interleaved 2 of 5",
    "L": "PDF417",
    "Q": "QR Code",
    "d": "Data Matrix",
    "e": "GS1 DataBar",
    "z": "Aztec Code",
}
_CLASSES = {
    "#": string.digits,
    "@": string.ascii_letters,
    "?": string.digits + string.ascii_letters,
}
_CLASS_NAMES = {"#": "a digit", "@": "a letter", "?": "a letter or a digit"}


def luhn_digit(digits: str) -> str:
    """Return the check digit of a library's Codabar number (mod 10, Luhn)."""
    doubled = (int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(digits)))
    return str(-sum(value // 10 + value % 10 for value in doubled) % 10)


def code_39_character(text: str) -> str:
    """Return the check character of a Code 39 text (mod 43)."""
    return CODE_39[sum(CODE_39.index(character) for character in text) % 43]


def ean_digit(digits: str) -> str:
    """Return the check digit of the first twelve digits of an EAN-13."""
    return str(-sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(digits)) % 10)


def isbn_10_character(digits: str) -> str:
    """Return the check character of the first nine digits of an ISBN-10 (mod 11, X is ten)."""
    total = sum((10 - place) * int(digit) for place, digit in enumerate(digits))
    return "0123456789X"[-total % 11]


def _check_luhn(text: str) -> str | None:
    return luhn_digit(text[:-1]) if _is_digits(text) and len(text) > 1 else None


def _check_code_39(text: str) -> str | None:
    valid = len(text) > 1 and all(character in CODE_39 for character in text)
    return code_39_character(text[:-1]) if valid else None


def _check_ean(text: str) -> str | None:
    return ean_digit(text[:-1]) if _is_digits(text) and len(text) == 13 else None


def _check_isbn_10(text: str) -> str | None:
    digits = text.replace("-", "")
    shaped = len(digits) == 10 and _is_digits(digits[:9]) and digits[9] in string.digits + "X"
    return isbn_10_character(digits[:9]) if shaped else None


CHECKS: dict[str, Callable[[str], str | None]] = {
    "codabar_mod10": _check_luhn,
    "code39_mod43": _check_code_39,
    "ean13": _check_ean,
    "isbn10": _check_isbn_10,
}
CHECK_NAMES = ("none", *CHECKS)


def _is_digits(text: str) -> bool:
    return text != "" and all(character in string.digits for character in text)


def is_cover_ean(text: str) -> bool:
    """Return whether this is what a publisher prints: an EAN of a book or a periodical.

    An add-on of two or five digits (price, issue) may follow.
    """
    digits = text.replace("-", "")
    if not _is_digits(digits) or len(digits) not in (13, 15, 18):
        return False
    return digits.startswith(COVER_PREFIXES) and ean_digit(digits[:12]) == digits[12]


@dataclass(frozen=True, slots=True)
class Token:
    """One place of a mask and how often it may repeat."""

    symbol: str
    minimum: int
    maximum: int

    def takes(self, character: str) -> bool:
        """Return whether the character fits here."""
        return character in _CLASSES.get(self.symbol, self.symbol)

    def __str__(self) -> str:
        """Return what is expected, in words."""
        return _CLASS_NAMES.get(self.symbol, repr(self.symbol))


@dataclass(frozen=True, slots=True)
class Pattern:
    """How one kind of label looks, and which check digit it ends in."""

    kind: str
    mask: str
    check: str
    tokens: tuple[Token, ...]

    @classmethod
    def from_doc(cls, doc: Doc) -> "Pattern":
        """Read {kind, mask, check}."""
        mask = doc.at("mask").text()
        pattern = cls(
            doc.at("kind").choice(KINDS),
            mask,
            doc.at("check", "none").choice(CHECK_NAMES),
            _tokens(mask, doc.at("mask")),
        )
        doc.close()
        return pattern

    def to_doc(self) -> dict[str, object]:
        """Return the table this pattern was read from."""
        return {"kind": self.kind, "mask": self.mask, "check": self.check}

    def problem(self, text: str) -> str | None:
        """Return why a text does not fit, None if it does."""
        return _misfit(self.tokens, text) or self._check_problem(text)

    def fits(self, text: str) -> bool:
        """Return whether a text fits, check digit included."""
        return self.problem(text) is None

    def _check_problem(self, text: str) -> str | None:
        if self.check == "none":
            return None
        expected = CHECKS[self.check](text)
        if expected is None:
            return f"{self.check} cannot be computed for it"
        if expected != text[-1]:
            return f"the check digit is {text[-1]!r}, {self.check} says {expected!r}"
        return None


@dataclass(frozen=True, slots=True)
class Match:
    """What a barcode is; ambiguous: it fits both kinds, and what was expected decided."""

    kind: str
    barcode: str
    ambiguous: bool = False


@dataclass(frozen=True, slots=True)
class NoMatch:
    """A text that is nobody's barcode, or everybody's; reasons in the fixed order."""

    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Barcodes:
    """One site's patterns; a kind without a pattern may look like anything."""

    patterns: tuple[Pattern, ...] = ()

    @classmethod
    def from_doc(cls, doc: Doc) -> "Barcodes":
        """Read a list of patterns; raises PolicyInvalid naming the path."""
        return cls(tuple(Pattern.from_doc(item) for item in doc.items()))

    def to_doc(self) -> list[dict[str, object]]:
        """Return the list these patterns were read from."""
        return [pattern.to_doc() for pattern in self.patterns]

    def kinds_of(self, text: str) -> tuple[str, ...]:
        """Return the kinds a cleaned text may be, by its looks."""
        if is_cover_ean(text) and not self._is_card(text):
            return ()
        return tuple(kind for kind in KINDS if self._looks_like(kind, text))

    def _is_card(self, text: str) -> bool:
        return any(pattern.fits(text) for pattern in self._of(PATRON))

    def _of(self, kind: str) -> tuple[Pattern, ...]:
        return tuple(pattern for pattern in self.patterns if pattern.kind == kind)

    def _looks_like(self, kind: str, text: str) -> bool:
        if kind == ITEM and is_cover_ean(text):
            return False
        patterns = self._of(kind)
        return not patterns or any(pattern.fits(text) for pattern in patterns)

    def identify(
        self,
        text: str,
        *,
        expecting: str | None = None,
        known: Callable[[str, str], bool] | None = None,
    ) -> Match | NoMatch:
        """Return what a scanned or typed text is.

        A text that may be both is decided by `known(kind, barcode)` if only one of the two
        exists, then by what the session expects, then not at all.
        """
        barcode = clean_barcode(text)
        if barcode is None:
            return NoMatch((Reason.BARCODE_INVALID,))
        kinds = self.kinds_of(barcode)
        if not kinds:
            cover = is_cover_ean(barcode)
            return NoMatch((Reason.COVER_BARCODE if cover else Reason.BARCODE_INVALID,))
        if len(kinds) == 1:
            return Match(kinds[0], barcode)
        existing = [kind for kind in kinds if known is not None and known(kind, barcode)]
        if len(existing) == 1:
            return Match(existing[0], barcode)
        if expecting in kinds:
            return Match(expecting, barcode, ambiguous=len(existing) == 2)
        return NoMatch((Reason.BARCODE_AMBIGUOUS,))

    def explain(self, text: str) -> list[str]:
        """Return what the barcode tester prints, a line each: every pattern and the verdict."""
        barcode = clean_barcode(text)
        if barcode is None:
            return [f"{text[:BARCODE_LENGTH_MAX]!r}: empty, too long, or not printable"]
        lines = [f"{barcode}: {len(barcode)} characters"]
        if barcode != text:
            lines.append(f"cleaned: the scanner sent {text!r}{_said_by_scanner(text)}")
        if is_cover_ean(barcode):
            lines.append("a publisher's barcode from a cover: never an item")
        if not self.patterns:
            lines += _check_digit_lines(barcode)
        for pattern in self.patterns:
            why = pattern.problem(barcode)
            lines.append(f"{pattern.kind} {pattern.mask} ({pattern.check}): {why or 'fits'}")
        doubt = suspicious_barcode(text, self.patterns)
        if doubt is not None:
            lines.append(f"suspicious: {doubt}")
        lines.append(f"verdict: {' or '.join(self.kinds_of(barcode)) or 'refused'}")
        return lines


def _said_by_scanner(text: str) -> str:
    sent = text.strip()
    symbology = AIM_SYMBOLOGIES.get(sent[1:2]) if sent.startswith("]") else None
    return f", which says that it is {symbology}" if symbology else ""


def _check_digit_lines(barcode: str) -> list[str]:
    """Return what each rule that may apply to such a text says of its last character."""
    may_apply = {
        "codabar_mod10": len(barcode) == 14,
        "code39_mod43": any(character.isalpha() for character in barcode),
        "ean13": True,
        "isbn10": True,
    }
    lines = []
    for name, check in CHECKS.items():
        expected = check(barcode) if may_apply[name] else None
        if expected is not None:
            last = barcode[-1]
            verdict = "right" if expected == last else f"wrong, {expected!r} would be right"
            lines.append(f"as {name}: the check digit {last!r} is {verdict}")
    return lines


def clean_barcode(text: str) -> str | None:
    """Return a scan without what scanners add, None if nothing usable is left.

    Taken away: blanks around it, an AIM prefix such as `]E0`, the asterisks of Code 39, and
    the letters A to D that frame a Codabar number.
    """
    if len(text) > 2 * BARCODE_LENGTH_MAX:
        return None
    found = text.strip()
    if len(found) > 3 and found[0] == "]" and found[1] in string.ascii_letters:
        found = found[3:]
    if len(found) > 2 and found[0] == found[-1] == "*":
        found = found[1:-1]
    if (
        len(found) > 2
        and _is_digits(found[1:-1])
        and {*found[0 :: len(found) - 1]} <= {*"ABCDabcd"}
    ):
        found = found[1:-1]
    usable = 0 < len(found) <= BARCODE_LENGTH_MAX and found.isascii() and found.isprintable()
    return found if usable else None


def suspicious_barcode(text: str, patterns: Sequence[Pattern] = ()) -> str | None:
    """Return what a spreadsheet probably did to a barcode, None if it looks untouched."""
    found = text.strip()
    if found != text:
        return "blanks around it"
    if not found.isascii():
        return "characters that no barcode holds, perhaps full-width digits"
    damage = _spreadsheet_damage(found)
    return damage or _lost_zeros(found, patterns)


def _spreadsheet_damage(text: str) -> str | None:
    mantissa, exponent_mark, exponent = text.upper().replace(",", ".").partition("E")
    # 12E5 may be an honest Code 39 label; a spreadsheet writes a sign or a decimal mark.
    signed = exponent.startswith(("+", "-")) or "." in mantissa
    is_number = _is_digits(exponent.lstrip("+-")) and _is_number(mantissa)
    if exponent_mark and signed and is_number:
        return "a number in scientific notation: format the column as text and export again"
    if text.startswith("'"):
        return "a leading apostrophe from a spreadsheet"
    if set(text) == {"#"}:
        return "a spreadsheet's column was too narrow: only # signs are left"
    whole, _, fraction = text.replace(",", ".").partition(".")
    if fraction != "" and _is_number(text.replace(",", ".")) and set(fraction) == {"0"}:
        return f"a number with decimals: it may have been {whole}"
    if len(text) > 15 and _is_digits(text) and set(text[15:]) == {"0"}:
        return "a spreadsheet keeps 15 digits: what followed may have become zeros"
    return None


def _lost_zeros(text: str, patterns: Sequence[Pattern]) -> str | None:
    if not _is_digits(text) or any(pattern.fits(text) for pattern in patterns):
        return None
    longer = (text.zfill(length) for length in range(len(text) + 1, BARCODE_LENGTH_MAX + 1))
    restored = next((zeros for zeros in longer if any(p.fits(zeros) for p in patterns)), None)
    return None if restored is None else f"zeros in front are missing: it may have been {restored}"


def _is_number(text: str) -> bool:
    return _is_digits(text.replace(".", "", 1))


def _tokens(mask: str, doc: Doc) -> tuple[Token, ...]:
    if len(mask) > MASK_LENGTH_MAX:
        doc.fail(f"a mask has at most {MASK_LENGTH_MAX} characters")
    tokens: list[Token] = []
    rest = mask
    while rest:
        symbol, rest = rest[0], rest[1:]
        minimum = maximum = 1
        if symbol in "{}":
            doc.fail("a brace must follow what it repeats, like #{4,8}")
        if rest.startswith("{"):
            inside, closing, rest = rest[1:].partition("}")
            minimum, maximum = _repeats(inside if closing else "", doc)
        tokens.append(Token(symbol, minimum, maximum))
    return tuple(tokens)


def _repeats(inside: str, doc: Doc) -> tuple[int, int]:
    first, comma, last = inside.partition(",")
    last = last if comma else first
    if not _is_digits(first) or not _is_digits(last) or len(first) > 2 or len(last) > 2:
        doc.fail("write a repetition like #{8} or #{4,8}")
    minimum, maximum = int(first), int(last)
    if not minimum <= maximum <= BARCODE_LENGTH_MAX or maximum == 0:
        doc.fail(f"repeat at most {BARCODE_LENGTH_MAX} times, the smaller number first")
    return minimum, maximum


def _misfit(tokens: Sequence[Token], text: str) -> str | None:
    """Walk the text with every place it may be at in the mask; never more than mask × text."""
    flat = [(token, count >= token.minimum) for token in tokens for count in range(token.maximum)]
    places = _reach({0}, flat)
    for position, character in enumerate(text, start=1):
        expected = {str(flat[place][0]): None for place in sorted(places) if place < len(flat)}
        stepped = {p + 1 for p in places if p < len(flat) and flat[p][0].takes(character)}
        if not stepped:
            wanted = " or ".join(expected) or "the end"
            return f"position {position}: expected {wanted}, found {character!r}"
        places = _reach(stepped, flat)
    if len(flat) not in places:
        return f"too short: ends after {len(text)} characters"
    return None


def _reach(places: Iterable[int], flat: Sequence[tuple[Token, bool]]) -> set[int]:
    found: set[int] = set()
    for place in places:
        end = place
        while end < len(flat) and flat[end][1]:  # optional: may be left out
            end += 1
        found.update(range(place, end + 1))
    return found
