"""Checks for values that came from outside: small objects that say what is wrong.

A check is called with a value and returns `None` when it is fine, else what was expected, as
words that finish the sentence "field due_at …". Checks hold no state and are made once, at
import. `strip` looks at characters in C: what is left of a text after stripping all allowed
characters from both ends begins with one that is not.
"""

from circulation.wire.limits import INTEGER_MAX, LIST_ITEMS_MAX, TEXT_CHARS_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Check = Callable[[object], str | None]

HEX_DIGITS = "0123456789abcdef"
NAME_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789-"
HALF_A_PAIR = "must not contain half of a surrogate pair"
WORD_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789_"


def text_fault(value: str) -> str | None:
    """Return what makes a text unfit for a database, or None.

    NUL ends a string in SQLite and PostgreSQL, and half of a surrogate pair cannot be
    encoded at all; both are legal in JSON.
    """
    if "\0" in value:
        return "must not contain NUL"
    try:
        encoded = value.encode()
    except ValueError:
        return HALF_A_PAIR
    if b"\xed" not in encoded:
        return None
    # MicroPython encodes it, as 0xED and more, which then is no UTF-8 for anybody else.
    halves = [0xD800 <= ord(one) <= 0xDFFF for one in value]
    return HALF_A_PAIR if True in halves else None


def tree_fault(value: object, depth_max: int) -> str | None:
    """Return what is wrong anywhere inside a JSON value, or None.

    depth_max: how many objects and arrays may still be opened, this one included.
    """
    if isinstance(value, str):
        return text_fault(value)
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, int):
        in_range = -INTEGER_MAX <= value <= INTEGER_MAX
        return None if in_range else "must not hold an integer beyond 2^53"
    if isinstance(value, (dict, list, tuple)):
        return _children_fault(value, depth_max)
    return f"must not hold a {type(value).__name__}; numbers are whole"


def _children_fault(
    value: "dict[object, object] | list[object] | tuple[object, ...]", depth_max: int
) -> str | None:
    if depth_max == 0:
        return "is nested too deeply"
    texts = []
    if isinstance(value, dict):
        texts = [key for key in value if isinstance(key, str)]
        if len(texts) < len(value):
            return "must have texts as keys"
        value = list(value.values())
    texts += [child for child in value if isinstance(child, str)]
    fault = text_fault("".join(texts))  # of clean texts together every one is
    for child in value:
        if fault is None and not isinstance(child, str):
            fault = tree_fault(child, depth_max - 1)
    return fault


class Integer:
    """A whole number within bounds, both included."""

    def __init__(self, low: int = 0, high: int = INTEGER_MAX) -> None:
        """Accept numbers from low to high."""
        self.low = low
        self.high = high

    def __call__(self, value: object) -> str | None:
        """Return what was expected, or None."""
        is_whole = isinstance(value, int) and value is not True and value is not False
        if is_whole and self.low <= value <= self.high:  # type: ignore[operator]
            return None
        return f"must be a whole number from {self.low} to {self.high}"


class Flag:
    """True or false."""

    def __call__(self, value: object) -> str | None:
        """Return what was expected, or None."""
        return None if isinstance(value, bool) else "must be true or false"


class Text:
    """A text that a database can hold."""

    def __init__(self, chars_max: int = TEXT_CHARS_MAX, chars_min: int = 0) -> None:
        """Accept texts of chars_min to chars_max characters."""
        self.chars_max = chars_max
        self.chars_min = chars_min

    def __call__(self, value: object) -> str | None:
        """Return what was expected, or None."""
        if not isinstance(value, str):
            return "must be a text"
        if not self.chars_min <= len(value) <= self.chars_max:
            return f"must have {self.chars_min} to {self.chars_max} characters"
        return text_fault(value)


class Name:
    """A library, site, room or station: lower-case letters, digits and hyphens."""

    def __init__(self, chars_max: int = 32) -> None:
        """Accept names of 1 to chars_max characters."""
        self.chars_max = chars_max

    def __call__(self, value: object) -> str | None:
        """Return what was expected, or None."""
        is_short = isinstance(value, str) and 1 <= len(value) <= self.chars_max
        if is_short and not value.strip(NAME_CHARACTERS):  # type: ignore[attr-defined]
            return None
        return f"must be 1 to {self.chars_max} of a-z, 0-9 and hyphen"


class Word:
    """A word of our own vocabulary, such as the kind of a fact: a-z, digits and underscore."""

    def __call__(self, value: object) -> str | None:
        """Return what was expected, or None."""
        if isinstance(value, str) and len(value) <= 32 and value.strip(WORD_CHARACTERS) == "":
            return None if value else "must not be empty"
        return "must be 1 to 32 of a-z, 0-9 and underscore"


class Hex:
    """Bytes as lower-case hexadecimal digits."""

    def __init__(self, digits_min: int, digits_max: int | None = None) -> None:
        """Accept digits_min to digits_max digits (digits_min exactly, if left out)."""
        self.digits_min = digits_min
        self.digits_max = digits_max if digits_max is not None else digits_min

    def __call__(self, value: object) -> str | None:
        """Return what was expected, or None."""
        if isinstance(value, str) and not value.strip(HEX_DIGITS):
            count = len(value)
            if self.digits_min <= count <= self.digits_max and count % 2 == 0:
                return None
        if self.digits_min == self.digits_max:
            return f"must be {self.digits_min} lower-case hex digits"
        return f"must be {self.digits_min} to {self.digits_max} lower-case hex digits"


class OneOf:
    """One of a few given values."""

    def __init__(self, *choices: object) -> None:
        """Accept exactly these values."""
        self.choices = choices

    def __call__(self, value: object) -> str | None:
        """Return what was expected, or None."""
        for choice in self.choices:
            if value == choice and isinstance(value, bool) == isinstance(choice, bool):
                return None
        return "must be one of " + ", ".join([str(choice) for choice in self.choices])


class Optional:
    """What another check accepts, or nothing at all."""

    def __init__(self, check: "Check") -> None:
        """Accept null, a missing field, and whatever `check` accepts."""
        self.check = check

    def __call__(self, value: object) -> str | None:
        """Return what was expected, or None."""
        return None if value is None else self.check(value)


class ListOf:
    """A list whose every element passes one check."""

    def __init__(self, check: "Check", items_max: int = LIST_ITEMS_MAX) -> None:
        """Accept up to items_max elements."""
        self.check = check
        self.items_max = items_max

    def __call__(self, value: object) -> str | None:
        """Return what was expected, or None."""
        if not isinstance(value, (list, tuple)):
            return "must be a list"
        if len(value) > self.items_max:
            return f"must have at most {self.items_max} elements"
        for index, element in enumerate(value):
            fault = self.check(element)
            if fault is not None:
                return f"element {index} {fault}"
        return None


class Sequence:
    """A list of fixed length, each place with its own check."""

    def __init__(self, *checks: "Check") -> None:
        """Accept exactly as many elements as there are checks."""
        self.checks = checks

    def __call__(self, value: object) -> str | None:
        """Return what was expected, or None."""
        if not isinstance(value, (list, tuple)) or len(value) != len(self.checks):
            return f"must be a list of {len(self.checks)}"
        for index, check in enumerate(self.checks):
            fault = check(value[index])
            if fault is not None:
                return f"element {index} {fault}"
        return None


class MapOf:
    """An object whose keys pass one check and whose values pass another."""

    def __init__(self, key: "Check", value: "Check", items_max: int = LIST_ITEMS_MAX) -> None:
        """Accept up to items_max entries."""
        self.key = key
        self.value = value
        self.items_max = items_max

    def __call__(self, value: object) -> str | None:
        """Return what was expected, or None."""
        if not isinstance(value, dict):
            return "must be an object"
        if len(value) > self.items_max:
            return f"must have at most {self.items_max} entries"
        for key, element in value.items():
            fault = self.key(key) or self.value(element)
            if fault is not None:
                shown = repr(key)[:40]
                return f"entry {shown} {fault}"
        return None


class Record:
    """An object with named fields; others beside them are left alone."""

    def __init__(self, **fields: "Check") -> None:
        """Accept objects whose named fields pass their checks."""
        self.fields = fields

    def __call__(self, value: object) -> str | None:
        """Return what was expected, or None."""
        if not isinstance(value, dict):
            return "must be an object"
        for name, check in self.fields.items():
            fault = check(value.get(name))
            if fault is not None:
                return f"field {name} {fault}"
        return None


class Tree:
    """Any JSON value made of whole numbers and clean texts, up to some depth."""

    def __init__(self, depth_max: int) -> None:
        """Accept values nested up to depth_max objects and arrays."""
        self.depth_max = depth_max

    def __call__(self, value: object) -> str | None:
        """Return what was expected, or None."""
        return tree_fault(value, self.depth_max)
