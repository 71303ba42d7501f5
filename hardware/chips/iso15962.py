"""The compaction schemes of ISO/IEC 15962 that ISO 28560-2 uses. Portable.

A scheme packs a text into fewer bytes (ISO 28560-2, 7.4): which one is stored in three bits beside
it. Bits are filled from the high end of each byte; what is left in the last byte is filled up with
0 (5 bits), 10 0000 (6 bits) or 1 (7 bits, ISIL). The tests hold the standard's examples.
"""

from hardware.chips.tag_content import TagDataInvalid, checked_text, latin_bytes, latin_text

APPLICATION_DEFINED = 0
INTEGER = 1
NUMERIC = 2
FIVE_BIT = 3
SIX_BIT = 4
SEVEN_BIT = 5
OCTETS = 6
UTF8 = 7

_INTEGER_DIGITS_MAX = 19
_INTEGER_BYTES_MAX = 16
"""What is read: twice of what the standard's 19 digits need. More is no number of anybody's, and
CPython refuses to print what a large tag could hold."""

# An ISIL (ISO 28560-2, annex on the encoding of ISIL) is written in three character sets. Each
# has a code that changes to another set for good, and one for the next character alone.
_UPPER, _LOWER, _DIGIT = 0, 1, 2
_SETS = (
    "-ABCDEFGHIJKLMNOPQRSTUVWXYZ:",
    "-abcdefghijklmnopqrstuvwxyz/",
    "0123456789-:",
)
_WIDTHS = (5, 5, 4)
_OTHERS = ((_LOWER, _DIGIT), (_UPPER, _DIGIT), (_UPPER, _LOWER))


class Bits:
    """Bits written one after the other, the highest of each number first."""

    def __init__(self) -> None:
        self.value = 0
        self.count = 0

    def add(self, number: int, width: int) -> None:
        """Append a number of `width` bits."""
        self.value = self.value << width | number
        self.count += width

    def filled(self, filler: int) -> bytes:
        """Return whole bytes; the last is filled up with the high bits of an 8-bit `filler`."""
        spare = -self.count % 8
        whole = self.value << spare | filler >> 8 - spare
        return whole.to_bytes((self.count + spare) // 8, "big")


class BitReader:
    """Takes numbers out of bytes, from the high bit on."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self.left = len(data) * 8

    def take(self, width: int) -> int:
        """Return the next `width` bits; the caller looks at `left` first."""
        self.left -= width
        return self._value >> self.left & (1 << width) - 1


def choose(text: str) -> int:
    """Return the scheme the standard chooses for a text: the shortest that can hold it."""
    digits = all(character in _SETS[_DIGIT][:10] for character in text)
    if digits and len(text) >= 2:
        is_number = text[0] != "0" and len(text) <= _INTEGER_DIGITS_MAX
        return INTEGER if is_number else NUMERIC
    if len(text) >= 3 and _within(text, 0x41, 0x5F):
        return FIVE_BIT
    if len(text) >= 4 and _within(text, 0x20, 0x5F) and text[-1] != " ":
        return SIX_BIT
    if len(text) >= 8 and _within(text, 0x00, 0x7E):
        return SEVEN_BIT
    return OCTETS if _within(text, 0x00, 0xFF) else UTF8


def compact(text: str, scheme: int) -> bytes:
    """Return the text packed in a scheme that `choose` returned, or that fits as well."""
    if scheme == INTEGER:
        value, length = int(text), 1
        while value >> 8 * length:
            length += 1
        return value.to_bytes(length, "big")
    if scheme == NUMERIC:
        return _packed([int(character) for character in text], 4, 0xFF)
    if scheme == FIVE_BIT:
        return _packed([ord(character) & 0x1F for character in text], 5, 0x00)
    if scheme == SIX_BIT:
        return _packed([ord(character) & 0x3F for character in text], 6, 0x80)
    if scheme == SEVEN_BIT:
        return _packed([ord(character) for character in text], 7, 0xFF)
    return text.encode("utf-8") if scheme == UTF8 else latin_bytes(text)


def expand(data: bytes, scheme: int) -> str:
    """Return the text in packed data.

    Raises `TagDataInvalid` for data that no encoder writes in this scheme. Application-defined
    data have one character a byte.
    """
    if scheme == INTEGER:
        if any(data[:-_INTEGER_BYTES_MAX]):
            raise TagDataInvalid(f"an integer of {len(data)} bytes")
        return str(int.from_bytes(data, "big"))
    if scheme == NUMERIC:
        return _expand_numeric(data)
    if scheme == FIVE_BIT:
        return _expand_five_bit(data)
    if scheme == SIX_BIT:
        return _expand_six_bit(data)
    if scheme == SEVEN_BIT:
        return _expand_seven_bit(data)
    return checked_text("element", data) if scheme == UTF8 else latin_text(data)


def compact_isil(isil: str) -> bytes:
    """Return an ISIL packed as ISO 28560-2 wants it; raises `TagDataInvalid` for other texts."""
    if not 1 <= len(isil) <= 16:
        raise TagDataInvalid(f"owner {isil!r}: an ISIL has 1 to 16 characters (ISO 15511)")
    bits = Bits()
    current = _UPPER
    for at, character in enumerate(isil):
        wanted = _set_of(character, current)
        if wanted != current:
            alone = at + 1 == len(isil) or isil[at + 1] in _SETS[current]
            bits.add(_change(current, wanted, alone), _WIDTHS[current])
            current = current if alone else wanted
        bits.add(_code(character, wanted), _WIDTHS[wanted])
    return bits.filled(0xFF)


def expand_isil(data: bytes) -> str:
    """Return the ISIL in packed data."""
    bits = BitReader(data)
    text = ""
    current = following = _UPPER
    while bits.left >= _WIDTHS[current]:
        width = _WIDTHS[current]
        code = bits.take(width)
        change = code - ((1 << width) - 4)
        if change >= 0:
            target = _OTHERS[current][change >> 1]
            # An odd code changes for one character; a change of that change stays with the last.
            following = current if change & 1 else target
            current = target
            continue
        text += _character(code, current)
        current = following
    return text


def _set_of(character: str, current: int) -> int:
    """Return the current set if it has the character, else the first that does."""
    for wanted in (current, _UPPER, _LOWER, _DIGIT):
        if character in _SETS[wanted]:
            return wanted
    raise TagDataInvalid(f"owner: {character!r} is not a character of an ISIL (ISO 15511)")


def _change(current: int, wanted: int, alone: bool) -> int:
    first = (1 << _WIDTHS[current]) - 4
    return first + 2 * _OTHERS[current].index(wanted) + (1 if alone else 0)


def _code(character: str, charset: int) -> int:
    return _SETS[charset].index(character)


def _character(code: int, charset: int) -> str:
    return _SETS[charset][code]


def _within(text: str, first: int, last: int) -> bool:
    return all(first <= ord(character) <= last for character in text)


def _packed(codes: "list[int]", width: int, filler: int) -> bytes:
    bits = Bits()
    for code in codes:
        bits.add(code, width)
    return bits.filled(filler)


def _expand_numeric(data: bytes) -> str:
    bits = BitReader(data)
    text = ""
    while bits.left:
        digit = bits.take(4)
        if digit == 0xF and bits.left == 0:
            break
        if digit > 9:
            raise TagDataInvalid(f"a decimal number with the digit {digit}")
        text += str(digit)
    return text


def _expand_five_bit(data: bytes) -> str:
    bits = BitReader(data)
    text = ""
    while bits.left >= 5:
        code = bits.take(5)
        if code == 0:
            break
        text += chr(0x40 | code)
    return text


def _expand_six_bit(data: bytes) -> str:
    bits = BitReader(data)
    text = ""
    while bits.left >= 6:
        code = bits.take(6)
        if code == 0x20 and bits.left == 0:
            break
        text += chr(code if code & 0x20 else 0x40 | code)
    return text


def _expand_seven_bit(data: bytes) -> str:
    bits = BitReader(data)
    text = ""
    while bits.left >= 7:
        code = bits.take(7)
        if code == 0x7F and bits.left == 0:
            break
        text += chr(code)
    return text
