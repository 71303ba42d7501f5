"""Reading scenario files: lines to steps, or one error that names file and line.

Laws:
- A file is UTF-8, at most 64 KiB and 1,000 steps; a line is at most 500 characters.
- Nothing is guessed: a word that is not understood is an error, with what was expected there and
  the nearest word that exists.
"""

import difflib
import re
from dataclasses import dataclass, field
from pathlib import Path

from sim.errors import ScenarioInvalid
from sim.scenario.forms import FORMS, SLOTS, Form

FILE_BYTES_MAX = 64 * 1024
STEPS_MAX = 1_000
LINE_LENGTH_MAX = 500
TIME_MS_MAX = 24 * 3600 * 1000
NUMBER_MAX = 1_000_000

_TOKEN = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|(#.*)|([^\s"#]\S*))')
_TIME = re.compile(r"(\d+(?:\.\d+)?)(ms|s|min|h)")
_UNITS_MS = {"ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000}
_OPTION = re.compile(r"([a-z_]+)=(\S+)")


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a line, and whether it was quoted."""

    text: str
    quoted: bool = False


Value = str | int | list[str] | dict[str, int | float]


@dataclass(frozen=True, slots=True)
class Step:
    """One line: what it is, its values by slot name, and where it stands.

    `at_ms` counts from the scenario's start; `after_ms` from the end of the step before.
    """

    name: str
    values: dict[str, Value]
    text: str
    place: str
    at_ms: int | None = None
    after_ms: int = 0
    meanwhile: bool = False

    def word(self, slot: str, default: str = "") -> str:
        """Return a slot's text."""
        value = self.values.get(slot, default)
        return value if isinstance(value, str) else default

    def number(self, slot: str, default: int) -> int:
        """Return a slot's whole number: a count, or milliseconds."""
        value = self.values.get(slot, default)
        return value if isinstance(value, int) else default

    def words(self, slot: str) -> list[str]:
        """Return a slot's list; none where the clause is missing."""
        value = self.values.get(slot, [])
        return value if isinstance(value, list) else []

    def options(self) -> dict[str, int | float]:
        """Return the options of a fault."""
        value = self.values.get("OPTIONS", {})
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True)
class Scenario:
    """A file's steps; `title` is its first comment."""

    file: str
    title: str
    steps: tuple[Step, ...] = field(default=())


def read_scenario(path: Path) -> Scenario:
    """Return the scenario in a file; raises `ScenarioInvalid`."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ScenarioInvalid(f"{path}: cannot be read ({error.strerror})") from error
    if len(content) > FILE_BYTES_MAX:
        raise ScenarioInvalid(f"{path}: more than {FILE_BYTES_MAX} bytes; play two files")
    try:
        return parse_scenario(content.decode("utf-8"), str(path))
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ScenarioInvalid(f"{path}:{line}: not UTF-8 text") from error


def parse_scenario(text: str, file: str = "scenario") -> Scenario:
    """Return the scenario in a text; `file` is how errors call it. Raises `ScenarioInvalid`."""
    title, steps = "", []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        stripped = line.strip()
        if stripped.startswith("#"):
            title = title or stripped.lstrip("# ").rstrip(".")
        elif stripped:
            steps.append(parse_step(stripped, f"{file}:{number}"))
    if not steps:
        raise ScenarioInvalid(f"{file}: no step in it")
    if len(steps) > STEPS_MAX:
        raise ScenarioInvalid(f"{file}: {len(steps)} steps; at most {STEPS_MAX}")
    return Scenario(file, title or Path(file).stem.replace("_", " "), tuple(steps))


def parse_step(line: str, place: str) -> Step:
    """Return the step on a line; `place` is its file and line. Raises `ScenarioInvalid`."""
    tokens = _tokens(line, place)
    at_ms: int | None = None
    after_ms, meanwhile = 0, False
    while len(tokens) > 1 and not tokens[0].quoted and tokens[0].text in _BEFORE:
        before = tokens.pop(0).text
        if before == "meanwhile":
            meanwhile = True
        elif before == "at":
            at_ms = _time(tokens, place, line)
        else:
            after_ms = _time(tokens, place, line)
    if not tokens:
        raise ScenarioInvalid(f"{place}: a time alone; write behind it what happens then: {line}")
    name, values = _matched(tokens, place)
    return Step(name, values, line, place, at_ms, after_ms, meanwhile)


_BEFORE = ("at", "after", "meanwhile")


def _tokens(line: str, place: str) -> list[Token]:
    if len(line) > LINE_LENGTH_MAX:
        raise ScenarioInvalid(f"{place}: a line of {len(line)} characters; at most 500")
    if not line.replace("\t", " ").isprintable():
        raise ScenarioInvalid(f"{place}: a control character in the line")
    tokens, at = [], 0
    while at < len(line):
        match = _TOKEN.match(line, at)
        if match is None:
            if line[at:].isspace():
                break
            raise ScenarioInvalid(f"{place}: a quotation that does not end: {line[at:].strip()}")
        at = match.end()
        quoted, comment, word = match.groups()
        if comment is not None:
            break
        if quoted is not None:
            tokens.append(Token(re.sub(r"\\(.)", r"\1", quoted), quoted=True))
        else:
            tokens.append(Token(word))
    return tokens


def _matched(tokens: list[Token], place: str) -> tuple[str, dict[str, Value]]:
    """Return the form these words have, and its values."""
    verb = tokens[0].text
    verbs = list(dict.fromkeys(form.head.split()[0] for form in FORMS))
    if verb not in verbs:
        raise ScenarioInvalid(
            f"{place}: no verb {verb[:40]!r}{_nearest(verb, verbs)}; there are {', '.join(verbs)}"
        )
    mismatches = []
    for form in sorted(_of_verb(verb), key=lambda form: -len(form.head.split())):
        try:
            return form.name, _values(form, list(tokens))
        except _Mismatch as error:
            mismatches.append(error)
    raise ScenarioInvalid(f"{place}: {_told(mismatches)}") from None


def _of_verb(verb: str) -> list[Form]:
    return [form for form in FORMS if form.head.split()[0] == verb]


class _Mismatch(Exception):
    """A form that does not fit; the deeper it fitted, the more it was meant.

    `word` is the one that was expected, empty where a slot or a clause was.
    """

    def __init__(self, depth: int, found: str, word: str, text: str) -> None:
        super().__init__(text)
        self.depth, self.found, self.word = depth, found, word


def _told(mismatches: list[_Mismatch]) -> str:
    """Return what was expected, of the forms that fitted best."""
    deepest = max(error.depth for error in mismatches)
    best = [error for error in mismatches if error.depth == deepest]
    words = list(dict.fromkeys(error.word for error in best))
    if "" in words or len(words) == 1:
        return str(next(error for error in best if not error.word or len(words) == 1))
    found = repr(best[0].found[:40]) if best[0].found else "the end of the line"
    return f"expected {' or '.join(words)}, not {found}{_nearest(best[0].found, words)}"


def _values(form: Form, tokens: list[Token]) -> dict[str, Value]:
    rest, values = _Rest(tokens, form), {}
    for element in form.head.split():
        values.update(rest.take(element))
    clauses = list(form.clauses)
    while rest.tokens:
        clause = rest.clause(clauses)
        clauses.remove(clause)
        for element in clause.split():
            values.update(rest.take(element))
    return values


class _Rest:
    """The words of a line that a form has not taken yet."""

    def __init__(self, tokens: list[Token], form: Form) -> None:
        self.tokens = tokens
        self._form = form
        self._count = len(tokens)

    def take(self, element: str) -> dict[str, Value]:
        """Take one element of a form; returns the value of a slot by its name."""
        if element not in SLOTS:
            if not self.tokens or self.tokens[0].quoted or self.tokens[0].text != element:
                raise self.mismatch(f"expected {element!r}", element, word=element)
            self.tokens.pop(0)
            return {}
        if not self.tokens:
            raise self.mismatch(f"expected {element}, {SLOTS[element]}")
        if element == "THINGS":
            return {"THINGS": self._things()}
        if element == "OPTIONS":
            return {"OPTIONS": self._options()}
        return {element: self._value(element)}

    def clause(self, clauses: list[str]) -> str:
        """Return the clause that begins here."""
        first = self.tokens[0]
        for clause in clauses:
            start = clause.split()[0]
            if start in SLOTS:
                if first.text not in ("with", "within", "naming", "for", "saying"):
                    return clause
            elif not first.quoted and first.text == start:
                return clause
        starts = [clause.split()[0] for clause in clauses]
        wanted = " or ".join(f"'{clause}'" for clause in clauses) or "nothing more"
        raise self.mismatch(f"expected {wanted}", *starts)

    def mismatch(self, what: str, *words: str, word: str = "") -> _Mismatch:
        """Return what does not fit here, with the nearest of `words`."""
        depth = self._count - len(self.tokens)
        found = repr(self.tokens[0].text[:40]) if self.tokens else "the end of the line"
        near = _nearest(self.tokens[0].text, list(words)) if self.tokens else ""
        text = f"{what}, not {found}{near}; write: {self._form.usage}"
        return _Mismatch(depth, self.tokens[0].text if self.tokens else "", word, text)

    def _value(self, slot: str) -> Value:
        if slot == "TIME":
            return _time(self.tokens, "", self._form.usage, self)
        token = self.tokens[0]
        if slot == "NUMBER":
            if not re.fullmatch(r"[0-9]{1,7}", token.text) or int(token.text) > NUMBER_MAX:
                raise self.mismatch(f"expected {SLOTS[slot]}")
            return int(self.tokens.pop(0).text)
        choices = _CHOICES.get(slot)
        if choices and token.text not in choices:
            raise self.mismatch(f"expected {' or '.join(choices)}", *choices)
        if not token.text:
            raise self.mismatch(f"expected {slot}, {SLOTS[slot]}")
        return self.tokens.pop(0).text

    def _things(self) -> list[str]:
        things = [str(self._value("THING"))]
        while len(self.tokens) > 1 and self.tokens[0] == Token("and"):
            self.tokens.pop(0)
            things.append(str(self._value("THING")))
        return things

    def _options(self) -> dict[str, int | float]:
        options: dict[str, int | float] = {}
        while self.tokens:
            match = _OPTION.fullmatch(self.tokens[0].text)
            try:
                if match is None:
                    raise ValueError
                number = match[2]
                options[match[1]] = float(number) if "." in number else int(number)
            except ValueError:
                raise self.mismatch(f"expected {SLOTS['OPTIONS']}") from None
            self.tokens.pop(0)
        return options


_CHOICES = {"WHERE": ("out", "in"), "LINK": ("up", "down", "stalled")}


def _time(tokens: list[Token], place: str, usage: str, rest: _Rest | None = None) -> int:
    """Take a time, written as one word or two, and return its milliseconds."""
    for count in (1, 2):
        match = _TIME.fullmatch("".join(token.text for token in tokens[:count]))
        if match and not any(token.quoted for token in tokens[:count]):
            ms = round(float(match[1]) * _UNITS_MS[match[2]])
            if ms <= TIME_MS_MAX:
                del tokens[:count]
                return ms
    if rest is not None:
        raise rest.mismatch(f"expected a time, {SLOTS['TIME']}")
    found = tokens[0].text if tokens else "the end of the line"
    raise ScenarioInvalid(f"{place}: expected a time, {SLOTS['TIME']}, not {found!r}: {usage}")


def _nearest(word: str, words: list[str]) -> str:
    """Return " (did you mean …?)" with the nearest of the words, or nothing."""
    close = difflib.get_close_matches(word, words, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
