"""The setup of a device that has no configuration: lines over USB that any terminal can type.

    > set station gate-2
    ok
    > set wifi.password ************
    ok
    > save
    no lanes: must be a list of 1 to 2

Laws:
- Every line is answered by lines that begin with `= ` and then one with `ok` or `no` and why.
- A secret is never sent back: not typed (`*`), not shown, not in an error.
- Nothing is kept before `save`, and `save` writes only what the gate can start with. The same
  lines twice leave the same configuration.
- What comes in is bounded: a line, the lines of an update, the time of a Wi-Fi test. What nobody
  understands gets a `no` and changes nothing.
- `Setup` does no I/O of its own: bytes in, bytes out.
"""

import json
from binascii import a2b_base64, unhexlify

from circulation.wire.update import UpdateRefused
from firmware.gate.config import OPTIONS
from firmware.mcu.config import (
    BROKER,
    CARDS,
    LANE,
    LANES_MAX,
    SECRETS,
    TOP,
    WIFI,
    Config,
    ConfigInvalid,
)
from firmware.mcu.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HELLO = "lendgate setup 1"
LINE_BYTES_MAX = 1_024
CHARS_SHOWN = 40
WIFI_TEST_MS = 20_000
SECTIONS = {"": TOP, "wifi": WIFI, "broker": BROKER, "cards": CARDS, "lanes": LANE}

HELP = (
    "help                 these lines",
    "show                 what is set; a secret only whether it is",
    "set OPTION VALUE     such as: set wifi.ssid Library, set lanes[0].driver pad_3m",
    "clear OPTION         forget it; a section too: clear cards",
    "check                whether the gate could start with it",
    "wifi                 try the Wi-Fi, for 20 s at most",
    "trust KEY [KEY]      take updates signed with these public keys",
    "update · piece · end bring a signed update in: lendgate-gate update does it",
    "save                 write it to the flash",
    "start                leave the setup and start the gate",
    "echo on|off          whether what is typed comes back",
)


class SetupRefused(ValueError):
    """This line cannot be followed; nothing was changed."""


class Setup:
    """One conversation.

    wants_wifi_test: the caller tries the Wi-Fi and calls `answer`. is_over: `start` was said.
    """

    def __init__(self, store: "Any", board: str) -> None:
        """store: see `Store`. board: the name of its file."""
        self._store, self._board = store, board
        self.values: dict[str, Any] = store.load()
        self.wants_wifi_test = self.is_over = False
        self._line = b""
        self._echoes = True
        self._is_too_long = self._was_return = False
        self._incoming: Any = None

    def hello(self) -> bytes:
        """Return the first lines."""
        lines = [HELLO, f"board {self._board}, version {VERSION}", "type help"]
        return _told(lines) + b"> "

    def receive(self, given: bytes) -> bytes:
        """Return what to send back for what was typed."""
        told = b""
        for at in range(len(given)):
            told += self._typed(given[at : at + 1])
        return told

    def answer(self, text: str, is_good: bool) -> bytes:
        """Return the answer to a line whose work the caller has done."""
        self.wants_wifi_test = False
        return self._ended(text, is_good)

    def _typed(self, byte: bytes) -> bytes:
        follows_return, self._was_return = self._was_return, byte == b"\r"
        if byte == b"\n" and follows_return:
            return b""
        if byte in (b"\r", b"\n"):
            return (b"\r\n" if self._echoes else b"") + self._entered()
        if byte in (b"\x08", b"\x7f"):
            had, self._line = len(self._line), self._line[:-1]
            return b"\x08 \x08" if self._echoes and had else b""
        if len(self._line) >= LINE_BYTES_MAX:
            self._is_too_long = True
            return b""
        self._line += byte
        if not self._echoes or byte < b" ":
            return b""
        return b"*" if self._is_secret() else byte

    def _is_secret(self) -> bool:
        """Return whether what is typed now may not be seen."""
        words = self._line.split(None, 2)
        return len(words) == 3 and words[0] == b"set" and words[1].split(b".")[-1] in _SECRETS

    def _entered(self) -> bytes:
        line, self._line = self._line, b""
        is_too_long, self._is_too_long = self._is_too_long, False
        try:
            if is_too_long:
                raise SetupRefused(f"a line has at most {LINE_BYTES_MAX} bytes")
            return self._followed(_text(line))
        except (SetupRefused, ConfigInvalid, UpdateRefused) as error:
            return self._ended(str(error), False)
        except OSError as error:
            return self._ended(f"the flash cannot be written: error {error.args[0]}", False)

    def _followed(self, line: str) -> bytes:
        word, _, rest = line.strip().partition(" ")
        rest = rest.strip()
        if not word:
            return b"> " if self._echoes else b""
        follow = getattr(self, f"_do_{word}", None) if word in _COMMANDS else None
        if follow is None:
            raise SetupRefused(f"{word[:CHARS_SHOWN]} is no command; type help")
        lines = follow(rest)
        return b"" if lines is None else _told(lines) + self._ended("", True)

    def _ended(self, text: str, is_good: bool) -> bytes:
        line = ("ok " if is_good else "no ") + text
        return line.strip().encode() + b"\r\n" + (b"> " if self._echoes else b"")

    def _do_help(self, _: str) -> "list[str]":
        return list(HELP)

    def _do_echo(self, word: str) -> "list[str]":
        if word not in ("on", "off"):
            raise SetupRefused("echo on, or echo off")
        self._echoes = word == "on"
        return []

    def _do_show(self, _: str) -> "list[str]":
        lines = [f"board {self._board}", f"version {VERSION}"]
        lines += [f"trusts {key}" for key in self._store.trusted()]
        for name in sorted(self.values):
            lines += _shown(name, self.values[name])
        return lines

    def _do_set(self, rest: str) -> "list[str]":
        path, _, word = rest.partition(" ")
        place, option, check = self._place(path, is_new=True)
        given = word.strip()
        fault, value = check(given), given
        if fault is not None:
            value = _parsed(given)
            fault = check(value)
        if fault is not None:
            raise SetupRefused(f"{path} {fault}")
        self._kept(place)[option] = value
        return []

    def _do_clear(self, path: str) -> "list[str]":
        if path in ("wifi", "broker", "cards", "lanes", "gate"):
            self.values.pop(path, None)
            return []
        place, option, _ = self._place(path, is_new=False)
        self._kept(place).pop(option, None)
        return []

    def _do_check(self, _: str) -> "list[str]":
        return [f"{Config(self.values).station} could start"]

    def _do_wifi(self, _: str) -> None:
        if not self.values.get("wifi", {}).get("ssid"):
            raise SetupRefused("set wifi.ssid first")
        self.wants_wifi_test = True

    def _do_trust(self, rest: str) -> "list[str]":
        try:
            keys = [unhexlify(word) for word in rest.split()]
        except ValueError:
            keys = []
        self._store.trust(keys)
        return [f"trusts {key}" for key in self._store.trusted()]

    def _do_update(self, _: str) -> "list[str]":
        self._incoming = self._store.install()
        return []

    def _do_piece(self, rest: str) -> "list[str]":
        incoming = self._begun()
        try:
            piece = a2b_base64(rest)
        except ValueError:
            piece = b""
        if not piece:
            raise SetupRefused("a piece is base64")
        while piece:
            piece = piece[incoming.feed(piece) :]
        return []

    def _do_end(self, _: str) -> "list[str]":
        incoming, self._incoming = self._begun(), None
        version = incoming.finish()
        while version is None:
            version = incoming.finish()
        return [f"version {version} is on trial from the next start"]

    def _begun(self) -> "Any":
        if self._incoming is None:
            raise SetupRefused("update comes first")
        return self._incoming

    def _do_save(self, _: str) -> "list[str]":
        config = Config(self.values)
        self._store.save(self.values)
        return [f"{config.library}/{config.station} is saved"]

    def _do_start(self, _: str) -> "list[str]":
        if self._store.load() != self.values:
            raise SetupRefused("save comes first")
        self.is_over = True
        return ["starting"]

    def _place(self, path: str, is_new: bool) -> "tuple[tuple[str, int], str, Any]":
        """Return section and number, option, and what its value must pass."""
        section, _, option = path.rpartition(".")
        number = -1
        if section.startswith("lanes[") and section.endswith("]"):
            digits = section[6:-1]
            number = int(digits) if digits in ("0", "1") else LANES_MAX
            section = "lanes"
            there = len(self.values.get("lanes", ()))
            if number >= LANES_MAX or number > there - (not is_new):
                raise SetupRefused(f"{path[:CHARS_SHOWN]}: there is no such lane")
        if (section == "lanes") != (number >= 0):
            section = "?"
        check = _check_of(section, option)
        if check is None:
            raise SetupRefused(f"{path[:CHARS_SHOWN]} is no option; docs/firmware.md lists them")
        return (section, number), option, check

    def _kept(self, place: "tuple[str, int]") -> "dict[str, Any]":
        """Return the section to write to, made if it is not there."""
        section, number = place
        if not section:
            return self.values
        if number < 0:
            kept: dict[str, Any] = self.values.setdefault(section, {})
            return kept
        lanes = self.values.setdefault("lanes", [])
        if number == len(lanes):
            lanes.append({})
        lane: dict[str, Any] = lanes[number]
        return lane


_SECRETS = tuple([name.encode() for name in SECRETS])
_COMMANDS = tuple("help echo show set clear check wifi trust update piece end save start".split())


def _check_of(section: str, option: str) -> "Any":
    if section == "gate":
        for known in OPTIONS:
            if known.name == option:
                return _Bounds(known.minimum, known.maximum)
    for field in SECTIONS.get(section, ()):
        if field.name == option:
            return field.check
    return None


class _Bounds:
    """What a whole number must pass."""

    def __init__(self, minimum: int, maximum: int) -> None:
        self._minimum, self._maximum = minimum, maximum

    def __call__(self, value: object) -> "str | None":
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if is_number and self._minimum <= value <= self._maximum:  # type: ignore[operator]
            return None
        return f"must be a whole number from {self._minimum} to {self._maximum}"


def _parsed(text: str) -> "Any":
    try:
        return json.loads(text)
    except (ValueError, RuntimeError):  # RuntimeError: brackets nested beyond the stack
        return None


def _text(line: bytes) -> str:
    text = None
    try:
        text = line.decode()
    except ValueError:  # MicroPython's UnicodeError is one
        text = None
    if text is None or [byte for byte in line if byte < 32]:
        raise SetupRefused("a line is UTF-8, without control characters")
    return text


def _shown(name: str, value: "Any") -> "list[str]":
    """Return a line for each value, as one would type it; of a secret, that it is set."""
    if isinstance(value, dict):
        lines: list[str] = []
        for inner in sorted(value):
            lines += _shown(f"{name}.{inner}", value[inner])
        return lines
    if name == "lanes":
        lines = []
        for number, lane in enumerate(value):
            lines += _shown(f"lanes[{number}]", lane)
        return lines
    if name.rpartition(".")[2] in SECRETS:
        return [f"{name} is set"]
    text = value if isinstance(value, str) else json.dumps(value)
    return [f"set {name} {text}"]


def _told(lines: "list[str]") -> bytes:
    return b"".join([f"= {line}\r\n".encode() for line in lines])
