"""A slip's lines as the bytes of an ESC/POS printer: python-escpos, Pillow and a font.

Laws:
- Printable ASCII goes as text. Everything else is drawn as a picture of that line: what a code
  page lacks would come out as other characters, silently, and printers disagree about the pages.
- A character that no font has is named by its number, `(U+20BB7)`, and told in `missing`; never
  printed as an empty box.
- Nothing in a title can command the printer: control characters become spaces.
- python-escpos and Pillow are imported at the first slip: they take as long as the rest of a
  kiosk's start.

Scripts that need shaping (Arabic, Devanagari) are drawn character by character in reading order.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

from hardware.errors import PrinterError

FONTS = (
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/noto/NotoSans-Regular.ttf",
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
)
"""Where Debian and Raspberry Pi OS keep fonts; the first that has a character draws it."""

WIDTHS_DOTS = (384, 512, 576)
"""Printable dots of 58 mm paper, of 80 mm on older printers, and of 80 mm: 203 dots an inch."""

CUTS = ("full", "partial", "none")

COLUMN_DOTS = 12
"""Width of a character of font A (12 × 24 dots, Epson's TM manuals)."""

FONT_DOTS = 24
"""The height of drawn letters, as font A; a Chinese character is then two columns wide."""

LINES_MAX = 300
LINE_CHARACTERS_MAX = 1_000
"""A slip longer than a metre is a mistake, and would be printed to its end."""

_NO_GLYPH = "\U0010fffe"
"""A noncharacter (Unicode 23.7): no font has it, so it draws as what a font shows for "none"."""


@dataclass(frozen=True, slots=True)
class PaperForm:
    """What the paper and the printer are like.

    `width_dots` is one of `WIDTHS_DOTS`, `cut` one of `CUTS`. `fonts` are files; of those that are
    there, the first that has a character draws it. `code_page`, a name python-escpos knows such as
    `CP858`, lets characters of that page go as text too; a printer in Chinese mode must not be
    given one. `profile` is python-escpos's name of the printer; the default suits nearly all.
    """

    width_dots: int = 576
    cut: str = "full"
    fonts: tuple[str, ...] = FONTS
    code_page: str = ""
    profile: str = "default"

    def __post_init__(self) -> None:
        if self.width_dots not in WIDTHS_DOTS:
            raise ValueError(f"width_dots is one of {WIDTHS_DOTS}, not {self.width_dots}")
        if self.cut not in CUTS:
            raise ValueError(f"cut is one of {', '.join(CUTS)}, not {self.cut!r}")

    @property
    def columns(self) -> int:
        """Characters in a line of text."""
        return self.width_dots // COLUMN_DOTS


class Typesetter:
    """Sets slips; remembers fonts, and which characters it could not draw."""

    def __init__(self, form: PaperForm) -> None:
        self.form = form
        self.missing: set[str] = set()
        self.unusable: list[str] = []
        self._fonts: tuple[Any, ...] | None = None

    def slip(self, lines: Sequence[str]) -> bytes:
        """Return the bytes that print these lines and cut.

        Lines that are too wide are broken, between words where they can be. Raises `PrinterError`
        for a slip that is too long, and when python-escpos is not installed.
        """
        if len(lines) > LINES_MAX or any(len(line) > LINE_CHARACTERS_MAX for line in lines):
            raise PrinterError(
                f"a slip has at most {LINES_MAX} lines of {LINE_CHARACTERS_MAX} characters;"
                f" this one has {len(lines)}"
            )
        try:
            from escpos.printer import Dummy
        except ImportError as error:
            raise PrinterError(
                f"printing needs the package python-escpos ({error}):"
                " pip install 'lendgate[printer]'"
            ) from error
        paper = Dummy(profile=self._profile())
        self._tell_width(paper)
        paper.hw("INIT")
        if self.form.code_page:
            self._choose_code_page(paper)
        for line in lines:
            self._set_line(paper, _clean(line))
        if self.form.cut == "none":
            paper.print_and_feed(4)
        else:
            paper.cut("FULL" if self.form.cut == "full" else "PART")
        return bytes(paper.output)

    def _profile(self) -> str:
        from escpos.capabilities import CAPABILITIES

        if self.form.profile not in CAPABILITIES["profiles"]:
            raise PrinterError(f"python-escpos knows no printer {self.form.profile!r}")
        return self.form.profile

    def _tell_width(self, paper: Any) -> None:
        """Give the printer's profile our paper's width.

        Without one python-escpos writes a warning to standard output with every picture.
        """
        media = {"width": {"pixels": self.form.width_dots, "mm": "Unknown"}}
        paper.profile.profile_data = {**paper.profile.profile_data, "media": media}

    def _choose_code_page(self, paper: Any) -> None:
        try:
            paper.charcode(self.form.code_page)
        except Exception as error:  # escpos raises its own, KeyError or ValueError by version
            raise PrinterError(
                f"the printer has no code page {self.form.code_page!r}; leave code_page out, and"
                " such lines are printed as pictures"
            ) from error

    def _set_line(self, paper: Any, line: str) -> None:
        if not self._is_text(line):
            line = self._with_glyphs(line)
        if self._is_text(line):
            for part in _broken(line, lambda text: len(text) <= self.form.columns):
                paper.text(f"{part}\n")
            return
        for part in _broken(line, lambda text: self._width(text) <= self.form.width_dots):
            paper.image(self._picture(part), impl="bitImageRaster")

    def _is_text(self, line: str) -> bool:
        if line.isascii():
            return True
        if not self.form.code_page:
            return False
        try:
            line.encode(self.form.code_page)
        except (UnicodeEncodeError, LookupError):
            return False
        return True

    def _with_glyphs(self, line: str) -> str:
        """Replace what no font has: by its letter without accents, or by its number."""
        found = []
        for character in line:
            if character.isascii() or self._font_of(character) is not None:
                found.append(character)
                continue
            self.missing.add(character)
            base = unicodedata.normalize("NFKD", character)[0]
            has_base = base.isascii() and base.isalnum()
            found.append(base if has_base else f"(U+{ord(character):04X})")
        return "".join(found)

    def _runs(self, text: str) -> list[tuple[Any, str]]:
        """Return the text in pieces of one font each."""
        pairs = [(self._font_of(character), character) for character in text]
        return [
            (font, "".join(character for _, character in run))
            for font, run in groupby(pairs, key=lambda pair: pair[0])
        ]

    def _width(self, text: str) -> int:
        return sum(_advance(font, piece) for font, piece in self._runs(text))

    def _picture(self, text: str) -> Any:
        """Return one line as a picture in two colours, as wide as it must be, in whole bytes."""
        from PIL import Image, ImageDraw

        runs = self._runs(text)
        metrics = [font.getmetrics() for font, _ in runs if font is not None]
        above = max((ascent for ascent, _ in metrics), default=FONT_DOTS)
        below = max((descent for _, descent in metrics), default=0)
        width = min(self.form.width_dots, -(-max(1, self._width(text)) // 8) * 8)
        picture = Image.new("1", (width, above + below), 1)
        pen = ImageDraw.Draw(picture)
        pen.fontmode = "1"
        at = 0
        for font, piece in runs:
            if font is not None:
                pen.text((at, above), piece, font=font, fill=0, anchor="ls")
            at += _advance(font, piece)
        return picture

    def _font_of(self, character: str) -> Any:
        """Return the first font that has the character; None when none has."""
        for font in self._loaded():
            if character == " " or _has_glyph(font, character):
                return font
        return None

    def _loaded(self) -> tuple[Any, ...]:
        if self._fonts is None:
            from PIL import ImageFont

            basic = ImageFont.Layout.BASIC
            fonts = []
            for path in self.form.fonts:
                if not Path(path).is_file():
                    continue
                try:
                    fonts.append(ImageFont.truetype(path, FONT_DOTS, layout_engine=basic))
                except OSError:  # no font, or one that may not be read: the others fill in
                    self.unusable.append(path)
            self._fonts = tuple(fonts)
        return self._fonts


@lru_cache(maxsize=4_096)
def _has_glyph(font: Any, character: str) -> bool:
    return _drawn(font, character) != _drawn(font, _NO_GLYPH)


def _drawn(font: Any, character: str) -> tuple[Any, bytes, float]:
    mask = font.getmask(character, mode="1")
    return mask.size, bytes(mask), font.getlength(character)


def _advance(font: Any, text: str) -> int:
    return COLUMN_DOTS * len(text) if font is None else round(font.getlength(text))


def _clean(line: str) -> str:
    """Return a line without anything that a printer obeys, composed as far as Unicode can."""
    composed = unicodedata.normalize("NFC", line)
    return "".join(
        " " if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") else character
        for character in composed
        if unicodedata.category(character) != "Cf"
    )


def _broken(line: str, fits: Any) -> Iterable[str]:
    """Yield the line in parts that fit: broken at the last space that helps, else anywhere."""
    while line and not fits(line):
        end = next(n for n in range(len(line) - 1, 0, -1) if n == 1 or fits(line[:n]))
        space = line.rfind(" ", 1, end + 1)
        if space > 0 and line[:space].strip():
            yield line[:space]
            line = line[space + 1 :]
        else:
            yield line[:end]
            line = line[end:]
    yield line
