"""A microcontroller is set up from here: the other end of `firmware/mcu/provision.py`.

What is to be set is checked with the device's own rules before the first line goes out; then each
line is answered, and what is no secret is read back. Saying all of it twice does no harm.
"""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from circulation.config import parse_config
from firmware.mcu.config import SECRETS, TOP, Config, ConfigInvalid
from firmware.mcu.provision import WIFI_TEST_MS
from firmware.pi.errors import ProvisioningFailed
from hardware.errors import DeviceError
from hardware.serial_line import SerialLine

BAUDRATE = 115_200
ANSWER_MS = 5_000
FLASH_MS = 20_000
"""To check a whole update takes a microcontroller some seconds, and nobody measured one."""
PIECE_BYTES = 384
LINES_MAX = 400
SECTIONS = ("wifi", "broker", "cards", "lanes", "gate")
LANE = {"name": "lane-1", "driver": "pad_3m", "port": "uart_1", "beams": ["beam_1", "beam_2"]}
"""As docs/firmware.md draws it."""


class SetupLine:
    """The setup of one device, over a serial line."""

    def __init__(self, line: SerialLine) -> None:
        self._line = line
        self._left = b""

    def begin(self) -> None:
        """Find the setup and make it quiet; raise ProvisioningFailed."""
        try:
            self._line.write(b"\n")
        except DeviceError as error:
            raise ProvisioningFailed(str(error)) from error
        try:
            self.ask("echo off")
        except ProvisioningFailed as error:
            raise ProvisioningFailed(
                f"{self._line.port}: no setup answers there. Is it the right port? A device that "
                "has a configuration starts its gate instead; docs/firmware.md says what to do"
            ) from error

    def ask(self, command: str, *, within_ms: int = ANSWER_MS) -> list[str]:
        """Return the lines that answer a command; raise ProvisioningFailed with why not."""
        named = " ".join(command.split()[:2])
        try:
            self._line.write(command.encode() + b"\n")
            told: list[str] = []
            for line in self._lines(within_ms):
                if line.startswith("= "):
                    told.append(line[2:])
                elif line == "ok" or line.startswith("ok "):
                    return [*told, *[line[3:]] * (line != "ok")]
                elif line.startswith("no "):
                    raise ProvisioningFailed(f"{named}: {line[3:]}")
        except DeviceError as error:
            raise ProvisioningFailed(f"{named}: {error}") from error
        raise ProvisioningFailed(f"{named}: no answer within {within_ms // 1000} s")

    def _lines(self, within_ms: int) -> Iterator[str]:
        """Yield what comes, a line each, until nothing came for so long."""
        for _ in range(LINES_MAX):
            while b"\n" not in self._left:
                got = self._line.read(1, within_ms)
                if not got:
                    return
                self._left = (self._left + got)[-4096:]
            line, _, self._left = self._left.partition(b"\n")
            yield line.decode("utf-8", "replace").strip().removeprefix("> ").strip()


def read_values(file: Path | None, given: Mapping[str, str | None]) -> dict[str, Any]:
    """Return what is to be set: the file's, and above it what was given on the command line.

    given: library, site, station, broker as HOST or HOST:PORT, wifi as a name; None leaves it.
    Raises ConfigInvalid of either package.
    """
    values = parse_config(file) if file else {}
    for name in ("library", "site", "station"):
        if given.get(name):
            values[name] = given[name]
    if given.get("wifi"):
        values["wifi"] = {**values.get("wifi", {}), "ssid": given["wifi"]}
    if given.get("broker"):
        host, colon, port = str(given["broker"]).partition(":")
        more = {"port": int(port) if port.isdigit() else port} if colon else {}
        values["broker"] = {**values.get("broker", {}), "host": host} | more
    values.setdefault("lanes", [dict(LANE)])
    gate = values.get("gate", {})
    for name in [name for name in gate if isinstance(gate[name], bool)]:
        gate[name] = int(gate[name])
    return values


def address_of(name: str) -> str:
    """Return the IPv4 address that a name has now; raise OSError."""
    found = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
    return str(found[0][4][0])


def look_broker_up(values: dict[str, Any], look_up: Callable[[str], str] = address_of) -> str:
    """Put the address of now in the place of a broker's name; return a line for people, or "".

    A microcontroller keeps the address: there, a look-up holds the whole gate for as long as the
    name server is silent. The name stays the one in the broker's certificate. Raises
    ConfigInvalid if nobody knows the name.
    """
    broker = values.get("broker")
    name = broker.get("host") if isinstance(broker, dict) else None
    if not isinstance(broker, dict) or not isinstance(name, str):
        return ""
    if not any(letter.isalpha() for letter in name):
        return ""  # an address, or none: the device's own rules tell
    try:
        address = look_up(name)
    except (OSError, UnicodeError) as error:
        raise ConfigInvalid(
            f"broker.host: nobody here knows {name!r}; give the broker's address, such as "
            "192.168.1.10"
        ) from error
    broker["host"] = address
    if broker.get("ca_file"):
        broker.setdefault("tls_name", name)
    return f"{name} is {address} now, and that the device keeps: it must not change"


def missing_secrets(values: Mapping[str, Any]) -> list[str]:
    """Return the secrets that somebody must type: `site_key`, `wifi.password`."""
    asked = [] if "site_key" in values else ["site_key"]
    wifi = values.get("wifi")
    return asked + ["wifi.password"] * (isinstance(wifi, dict) and "password" not in wifi)


def provision(
    setup: SetupLine, values: Mapping[str, Any], keys: Sequence[bytes], *, tries_wifi: bool
) -> list[str]:
    """Set a device up, which is left in its setup; return what it said, a line for people each.

    keys: public, of whose updates it shall take; none leaves those it has. Raises ConfigInvalid
    before anything was sent, ProvisioningFailed after; nothing is kept then but by `save`.
    """
    Config(dict(values))
    lines = list(_lines_of(values))
    setup.begin()
    board = setup.ask("show")
    for name in SECTIONS:
        setup.ask(f"clear {name}")
    for field in TOP:
        setup.ask(f"clear {field.name}")
    for line in lines:
        setup.ask(line)
    if keys:
        setup.ask("trust " + " ".join(key.hex() for key in keys))
    said = setup.ask("wifi", within_ms=WIFI_TEST_MS + ANSWER_MS) if tries_wifi else []
    setup.ask("save")
    _compare(setup.ask("show"), lines, keys)
    return [*board[:2], *[f"Wi-Fi: {line}" for line in said]]


def send_update(setup: SetupLine, content: bytes) -> str:
    """Bring an update in over the setup's line; return what the device says of it."""
    setup.begin()
    setup.ask("update")
    for at in range(0, len(content), PIECE_BYTES):
        piece = base64.b64encode(content[at : at + PIECE_BYTES]).decode()
        setup.ask(f"piece {piece}", within_ms=FLASH_MS)
    return setup.ask("end", within_ms=FLASH_MS)[-1]


def _lines_of(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield a `set` for each option; raise ConfigInvalid for what no line can carry."""
    for name, value in values.items():
        if name == "lanes":
            for number, lane in enumerate(value):
                yield from _set(f"lanes[{number}].", lane.items())
        elif isinstance(value, dict):
            yield from _set(f"{name}.", value.items())
        else:
            yield from _set("", [(name, value)])


def _set(prefix: str, options: Iterable[tuple[str, Any]]) -> Iterator[str]:
    for name, value in options:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if text != text.strip() or not text.isprintable():
            raise ConfigInvalid(f"{prefix}{name}: a space at its end, or a strange character")
        if text:
            yield f"set {prefix}{name} {text}"


def _compare(shown: Sequence[str], lines: Sequence[str], keys: Sequence[bytes]) -> None:
    """Raise ProvisioningFailed for anything that the device keeps otherwise than it was told."""
    expected = {f"trusts {key.hex()}" for key in keys}
    for line in lines:
        _, path, value = line.split(" ", 2)
        is_secret = path.rpartition(".")[2] in SECRETS
        expected.add(f"{path} is set" if is_secret else f"set {path} {_plain(value)}")
    kept = {_plain_line(line) for line in shown if not line.startswith(("board ", "version "))}
    if not keys:
        kept = {line for line in kept if not line.startswith("trusts ")}
    if kept != expected:
        what = " · ".join(sorted(kept ^ expected))
        raise ProvisioningFailed(f"saved, but what the device shows differs: {what}")


def _plain_line(line: str) -> str:
    words = line.split(" ", 2)
    return f"set {words[1]} {_plain(words[2])}" if words[0] == "set" and words[2:] else line


def _plain(value: str) -> str:
    """Return a value as both Pythons would write it: one puts spaces where the other has none."""
    try:
        return json.dumps(json.loads(value))
    except ValueError:
        return value
