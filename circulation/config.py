"""Configuration files: TOML, bounded where it is read, and no option nobody reads.

Laws:
1. Every value is checked against its bounds at the place that uses it.
2. An option nobody read is an error: a typo never silently becomes a default.
3. Each error names file, section and option, and says what would be right.
"""

import difflib
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from circulation.errors import ConfigInvalid

TEXT_CHARS_MAX = 1024
FILE_BYTES_MAX = 256 * 1024


class _Required:
    """Marks an option that has no default."""


REQUIRED = _Required()


class Section:
    """One table of a configuration file; remembers which options were asked for."""

    def __init__(self, values: dict[str, Any], *, file: str, name: str = "") -> None:
        """values: the table as TOML gave it. name: its dotted name, empty for the file itself."""
        self._values = values
        self._file = file
        self._name = name
        self._asked: set[str] = set()
        self._sections: list[Section] = []

    def text(
        self,
        option: str,
        *,
        default: str | _Required = REQUIRED,
        chars_max: int = TEXT_CHARS_MAX,
        empty: bool = False,
    ) -> str:
        """Return a text; an empty one is refused unless `empty`."""
        value = self._take(option, default)
        if not isinstance(value, str):
            raise self._wrong(option, "must be a text in quotes")
        if not value and not empty:
            raise self._wrong(option, "must not be empty")
        if len(value) > chars_max:
            raise self._wrong(option, f"must have at most {chars_max} characters")
        return value

    def integer(
        self, option: str, *, default: int | _Required = REQUIRED, minimum: int, maximum: int
    ) -> int:
        """Return a whole number within both bounds."""
        value = self._take(option, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._wrong(option, "must be a whole number")
        if not minimum <= value <= maximum:
            raise self._wrong(option, f"must be from {minimum} to {maximum}, not {value}")
        return value

    def boolean(self, option: str, *, default: bool | _Required = REQUIRED) -> bool:
        """Return true or false."""
        value = self._take(option, default)
        if not isinstance(value, bool):
            raise self._wrong(option, "must be true or false, without quotes")
        return value

    def choice(
        self, option: str, choices: Sequence[str], *, default: str | _Required = REQUIRED
    ) -> str:
        """Return one of the given words."""
        value = self._take(option, default)
        if not isinstance(value, str) or value not in choices:
            meant = self._nearest(str(value), choices)
            raise self._wrong(option, f"must be one of {', '.join(choices)}{meant}")
        return value

    def secret(
        self, option: str, *, default: str | _Required = REQUIRED, bytes_min: int = 16
    ) -> bytes:
        """Return a key written as hexadecimal digits; the message never repeats it."""
        value = self._take(option, default)
        try:
            key = bytes.fromhex(value) if isinstance(value, str) else b""
        except ValueError:
            key = b""
        if len(key) < bytes_min:
            raise self._wrong(option, f"must be at least {2 * bytes_min} hex digits in quotes")
        return key

    def texts(
        self, option: str, *, default: Sequence[str] | _Required = REQUIRED, items_max: int = 64
    ) -> tuple[str, ...]:
        """Return a list of texts."""
        value = self._take(option, default)
        is_list = isinstance(value, (list, tuple)) and len(value) <= items_max
        if not is_list or not all(isinstance(entry, str) and entry for entry in value):
            raise self._wrong(option, f"must be a list of at most {items_max} texts")
        return tuple(value)

    def has(self, option: str) -> bool:
        """Return whether the option is in the file; asking is not reading."""
        return option in self._values

    def section(self, option: str, *, optional: bool = False) -> "Section":
        """Return a table of this one; if optional, an empty one when it is not there."""
        value = self._take(option, {} if optional else REQUIRED)
        if not isinstance(value, dict):
            raise self._wrong(option, "must be a section")
        return self._below(value, self._path(option))

    def table(self, option: str, *, optional: bool = False) -> dict[str, "Section"]:
        """Return named tables: `[lane.north]` and `[lane.south]` for the option lane."""
        value = self._take(option, {} if optional else REQUIRED)
        if not isinstance(value, dict) or not all(isinstance(v, dict) for v in value.values()):
            raise self._wrong(option, f"must hold sections, as [{self._path(option)}.name]")
        path = self._path(option)
        return {name: self._below(inner, f"{path}.{name}") for name, inner in value.items()}

    def close(self) -> None:
        """Raise ConfigInvalid if the file holds an option, at any depth, that nobody read."""
        for name in self._values:
            if name not in self._asked:
                meant = self._nearest(name, self._asked)
                raise self._wrong(name, f"is not an option here{meant}")
        for section in self._sections:
            section.close()

    def _take(self, option: str, default: Any) -> Any:
        self._asked.add(option)
        if option in self._values:
            return self._values[option]
        if default is REQUIRED:
            raise self._wrong(option, "is missing")
        return default

    def _below(self, values: dict[str, Any], name: str) -> "Section":
        section = Section(values, file=self._file, name=name)
        self._sections.append(section)
        return section

    def _path(self, option: str) -> str:
        return f"{self._name}.{option}" if self._name else option

    def _wrong(self, option: str, problem: str) -> ConfigInvalid:
        place = f"section [{self._name}]" if self._name else "top level"
        return ConfigInvalid(f"{self._file}, {place}: option {option} {problem}")

    def _nearest(self, word: str, known: Iterable[str]) -> str:
        near = difflib.get_close_matches(word, sorted(known), n=1)
        return f"; did you mean {near[0]}?" if near else ""


def read_config(path: Path | str) -> Section:
    """Return the file's top level; raise ConfigInvalid if it cannot be read."""
    return Section(parse_config(path), file=str(path))


def parse_config(path: Path | str) -> dict[str, Any]:
    """Return the file's values as TOML gives them; raise ConfigInvalid if it cannot be read."""
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigInvalid(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > FILE_BYTES_MAX:
        raise ConfigInvalid(f"{path}: larger than {FILE_BYTES_MAX} bytes")
    try:
        values = tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigInvalid(f"{path}: not UTF-8 at byte {error.start}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigInvalid(f"{path}: not TOML: {error}") from error
    return values
