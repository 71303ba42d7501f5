"""From key presses to codes: what a keyboard's keys print in each layout, and which never do.

A scanner in keyboard mode presses the keys that would print the label on a keyboard of the layout
it was set to, then Enter or Tab. Key codes are those of the kernel (linux/input-event-codes.h);
what a key prints is as in xkeyboard-config (symbols us, de, fr). Dead keys and keys with no
character are None: a code that holds one is dropped.

A label can hold whatever its printer wanted, so a hostile one presses Ctrl, Alt and function keys
("BadBarcode"). A code in which any of these was pressed is dropped as a whole.
"""

from __future__ import annotations

from hardware.ports import SCANNER_CODE_LENGTH_MAX
from hardware.scanners.codes import LINE, RESYNC_MS, SILENCE, SILENCE_MS, CodeInbox

LAYOUTS = ("us", "de", "fr")

KEY_TAB, KEY_ENTER, KEY_KPENTER = 15, 28, 96
KEY_LEFTSHIFT, KEY_RIGHTSHIFT = 42, 54
KEY_RIGHTALT = 100
KEY_CAPSLOCK, KEY_NUMLOCK, KEY_SCROLLLOCK = 58, 69, 70
KEY_102ND = 86

SHIFTS = frozenset((KEY_LEFTSHIFT, KEY_RIGHTSHIFT))
POISONOUS = frozenset((29, 97, 56, 125, 126))
"""Control, the left Alt and the Windows keys: with one of them a key commands."""

_LOCKS = frozenset((KEY_CAPSLOCK, KEY_NUMLOCK, KEY_SCROLLLOCK))
_ENDS = frozenset((KEY_TAB, KEY_ENTER, KEY_KPENTER))

_UP, _DOWN = 0, 1
_DEAD = "\0"

# Rows of keys by the code of their first one; the same places in every layout.
_ROWS = (2, 16, 30, 43, 44, KEY_102ND)
_PRINTED = {
    "us": (
        ("1234567890-=", "qwertyuiop[]", "asdfghjkl;'`", "\\", "zxcvbnm,./", "<"),
        ("!@#$%^&*()_+", "QWERTYUIOP{}", 'ASDFGHJKL:"~', "|", "ZXCVBNM<>?", ">"),
        {},
    ),
    "de": (
        ("1234567890ß\0", "qwertzuiopü+", "asdfghjklöä\0", "#", "yxcvbnm,.-", "<"),
        ('!"§$%&/()=?\0', "QWERTZUIOPÜ*", "ASDFGHJKLÖÄ°", "'", "YXCVBNM;:_", ">"),
        {8: "{", 9: "[", 10: "]", 11: "}", 12: "\\", 16: "@", 27: "~", KEY_102ND: "|"},
    ),
    "fr": (
        ("&é\"'(-è_çà)=", "azertyuiop\0$", "qsdfghjklmù²", "*", "wxcvbn,;:!", "<"),
        ("1234567890°+", "AZERTYUIOP\0£", "QSDFGHJKLM%~", "µ", "WXCVBN?./§", ">"),
        {3: "~", 4: "#", 5: "{", 6: "[", 7: "|", 9: "\\", 11: "@", 12: "]", 13: "}"},
    ),
}
_DIGIT_PAD = dict(zip((71, 72, 73, 75, 76, 77, 79, 80, 81, 82), "7894561230", strict=True))
_SAME_EVERYWHERE = _DIGIT_PAD | {55: "*", 57: " ", 74: "-", 78: "+", 98: "/", 117: "=", 121: ","}
_KEY_KPDOT = 83


class Layout:
    """What each key prints: plain, with Shift, with AltGr."""

    def __init__(self, name: str) -> None:
        """Raises `ValueError` for a layout that is not in `LAYOUTS`."""
        if name not in _PRINTED:
            raise ValueError(f"layout {name!r}: must be one of {', '.join(LAYOUTS)}")
        plain, shifted, alternate = _PRINTED[name]
        self.name = name
        everywhere = _SAME_EVERYWHERE | {_KEY_KPDOT: "," if name == "de" else "."}
        self.plain = _keys(plain) | everywhere
        self.shifted = _keys(shifted) | everywhere
        self.alternate: dict[int, str] = alternate

    def character(self, key: int, *, shift: bool, caps: bool, alternate: bool) -> str | None:
        """Return what a key prints, None if nothing. Caps Lock turns Shift round for letters."""
        if alternate:
            return None if shift else self.alternate.get(key)
        plain = self.plain.get(key)
        if plain is None:
            return None
        turned = caps and plain.isalpha() and plain.upper() == self.shifted.get(key)
        return self.shifted.get(key) if shift != turned else plain


class Typist:
    """Follows the keys of one scanner, and puts its codes into an inbox.

    `ends`: a code ends with Enter or Tab (`codes.LINE`), or with silence (`codes.SILENCE`).
    """

    def __init__(self, inbox: CodeInbox, layout: Layout, *, ends: str = LINE) -> None:
        self._inbox = inbox
        self._layout = layout
        self._ends = ends
        self._held: set[int] = set()
        self._caps = False
        self._text = ""
        self._poison = ""
        self._last_ms: int | None = None

    def key(self, key: int, value: int, at_ms: int) -> None:
        """Follow one key: `value` 0 is up, 1 down, 2 repeated by itself; `at_ms` never goes back.

        Repeats are ignored: a scanner presses each key, it does not lean on one.
        """
        self.quiet(at_ms)
        self._last_ms = at_ms
        if value == _UP:
            self._held.discard(key)
        elif value == _DOWN:
            self._held.add(key)
            self._press(key)

    def quiet(self, now_ms: int) -> None:
        """Note that until `now_ms` no further key was followed."""
        if self._last_ms is None or (not self._text and not self._poison):
            return
        silent_ms = now_ms - self._last_ms
        if self._ends == SILENCE:
            if silent_ms > SILENCE_MS:
                self._end()
        elif silent_ms > RESYNC_MS:
            self.break_off("broken off before its end")
        elif silent_ms > SILENCE_MS:
            self._poison = self._poison or "broken off before its end"

    def caps(self, on: bool) -> None:
        """Follow the Caps Lock lamp, which scanners look at too."""
        self._caps = on

    def held(self, keys: set[int]) -> None:
        """Believe that these keys are held now, and no others."""
        self._held = set(keys)

    def spoil(self, reason: str) -> None:
        """Note that the code which is being typed cannot be had whole any more."""
        self._poison = self._poison or reason

    def break_off(self, reason: str) -> None:
        """Drop an open code."""
        if self._text or self._poison:
            self._inbox.drop(self._poison or reason)
        self._text = self._poison = ""

    def _press(self, key: int) -> None:
        if key in _LOCKS:
            self._caps ^= key == KEY_CAPSLOCK
        elif key in POISONOUS:
            self._poison = "control keys"
        elif key in _ENDS and not self._held & POISONOUS:
            self._end()
        elif key not in SHIFTS and key != KEY_RIGHTALT:
            self._print(key)

    def _print(self, key: int) -> None:
        character = self._layout.character(
            key,
            shift=bool(self._held & SHIFTS),
            caps=self._caps,
            alternate=KEY_RIGHTALT in self._held,
        )
        if character is None or self._held & POISONOUS:
            self._poison = self._poison or f"key {key}, which prints nothing"
        elif len(self._text) > SCANNER_CODE_LENGTH_MAX + 3:
            self._poison = self._poison or f"longer than {SCANNER_CODE_LENGTH_MAX} characters"
        else:
            self._text += character

    def _end(self) -> None:
        if self._poison:
            self.break_off(self._poison)
        else:
            self._inbox.accept(self._text)
            self._text = ""


def _keys(rows: tuple[str, ...]) -> dict[int, str]:
    return {
        first + place: character
        for first, row in zip(_ROWS, rows, strict=True)
        for place, character in enumerate(row)
        if character != _DEAD
    }
