"""The format of recordings: read with every limit, written line by line."""

import json
import logging
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hardware.ports import Clock
from sim.errors import RecordingInvalid

VERSION = 1
EVENTS_MAX = 500_000
LINE_BYTES_MAX = 256 * 1024
FILE_BYTES_MAX = 256 * 1024 * 1024

Event = dict[str, Any]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording read into memory; `lines[i]` is where event i stands in the file."""

    file: str
    header: dict[str, Any]
    events: tuple[Event, ...]
    lines: tuple[int, ...]

    @property
    def wires(self) -> dict[str, str]:
        """The recorded wires by name, and what is at their end."""
        return dict(self.header.get("wires", {}))


def read_recording(path: Path) -> Recording:
    """Return the recording in a file; raises `RecordingInvalid` naming the line."""
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise RecordingInvalid(f"{path}: larger than {FILE_BYTES_MAX} bytes")
        with path.open("rb") as file:
            return _read(str(path), iter(lambda: file.readline(LINE_BYTES_MAX + 1), b""))
    except OSError as error:
        raise RecordingInvalid(f"{path}: cannot be read ({error.strerror})") from error


def _read(name: str, lines: Any) -> Recording:
    header: dict[str, Any] | None = None
    events: list[Event] = []
    numbers: list[int] = []
    for number, line in enumerate(lines, 1):
        where = f"{name}:{number}"
        found = _object(line, where)
        if header is None:
            header = _checked_header(found, where)
        else:
            events.append(_checked_event(found, where))
            numbers.append(number)
        if len(events) > EVENTS_MAX:
            raise RecordingInvalid(f"{where}: more than {EVENTS_MAX} events")
    if header is None:
        raise RecordingInvalid(f"{name}: empty; a recording begins with its header")
    return Recording(name, header, tuple(events), tuple(numbers))


def _object(line: bytes, where: str) -> dict[str, Any]:
    if len(line) > LINE_BYTES_MAX:
        raise RecordingInvalid(f"{where}: a line longer than {LINE_BYTES_MAX} bytes")
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RecordingInvalid(f"{where}: not JSON ({error})") from error
    if not isinstance(found, dict):
        raise RecordingInvalid(f"{where}: must be a JSON object")
    return found


def _checked_header(found: dict[str, Any], where: str) -> dict[str, Any]:
    version = found.get("lendgate_recording")
    if version is None:
        raise RecordingInvalid(f"{where}: not the header of a recording (lendgate_recording)")
    if version != VERSION:
        raise RecordingInvalid(f"{where}: version {version!r}; this program reads {VERSION}")
    wires = found.get("wires", {})
    texts = isinstance(wires, dict) and all(isinstance(end, str) for end in wires.values())
    if not texts:
        raise RecordingInvalid(f"{where}: wires must map names to what is at their end")
    return found


def _checked_event(found: dict[str, Any], where: str) -> Event:
    at_ms = found.get("t_ms")
    if not isinstance(at_ms, int) or isinstance(at_ms, bool) or at_ms < 0:
        raise RecordingInvalid(f"{where}: t_ms must be milliseconds from the start")
    for name in ("wire", "do"):
        if not isinstance(found.get(name), str):
            raise RecordingInvalid(f"{where}: {name} is missing")
    if "error" not in found and "in" not in found and found["do"] not in _UNANSWERED:
        raise RecordingInvalid(f"{where}: in is missing: what was answered?")
    for name, (fits, must) in _FIELDS.items():
        if name in found and not fits(found[name]):
            raise RecordingInvalid(f"{where}: {name} must be {must}")
    answer_fits, must = _ANSWERS.get(found["do"], (lambda value: True, ""))
    if "error" not in found and not answer_fits(found.get("in")):
        raise RecordingInvalid(f"{where}: in must be {must}")
    for name in _NEEDED.get(found["do"], ()):
        if name not in found:
            raise RecordingInvalid(f"{where}: {name} is missing")
    return found


def _is_hex(value: Any) -> bool:
    try:
        bytes.fromhex(value)
    except (TypeError, ValueError):
        return False
    return True


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_UNANSWERED = frozenset(("deliver", "edge"))
_HEX = (_is_hex, "hex")
_COUNT = (_is_count, "a whole number")
_TEXT = (_is_text, "a text")
_FIELDS = {
    "out": _HEX,
    "hex": _HEX,
    "times": (lambda value: _is_count(value) and value >= 1, "a count"),
    "args": (lambda value: isinstance(value, list), "a list"),
    "options": (lambda value: isinstance(value, dict), "an object"),
    "channel": (lambda value: value is None or _is_count(value) or _is_text(value), "a channel"),
    **dict.fromkeys(("error", "message", "uid", "name", "event", "topic", "text", "part"), _TEXT),
}
_ANSWERS = {
    "transfer": _HEX,
    "read": _HEX,
    **dict.fromkeys(("in_waiting", "now_ms", "wall_ms"), _COUNT),
}
_NEEDED = {"constant": ("name",), "edge": ("channel", "args"), "deliver": ("event",)}


class RecordingFile:
    """A recording being written; every method may be called from any thread, and never raises.

    A context manager. `full` says that nothing more is written.
    """

    def __init__(
        self, path: Path, clock: Clock, *, header: dict[str, Any], events_max: int = EVENTS_MAX
    ) -> None:
        """Make the file, readable for its owner alone; raises OSError if that cannot be done."""
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._file = os.fdopen(handle, "w", encoding="utf-8")
        self._lock = threading.RLock()
        self._clock = clock
        self._start_ms = clock.now_ms()
        self._left = events_max
        self._waiting: Event | None = None
        self.full = False
        self.path = path
        self._write({"lendgate_recording": VERSION, **header})

    def note(self, wire: str, do: str, **fields: Any) -> None:
        """Write an event; calls of a clock that answer alike become one line with a count."""
        with self._lock:
            at_ms = max(0, self._clock.now_ms() - self._start_ms)
            waiting = self._waiting
            if waiting and (waiting["wire"], waiting["do"], waiting["in"]) == (
                wire,
                do,
                fields.get("in"),
            ):
                waiting["times"] += 1
                return
            self._flush()
            event = {"t_ms": at_ms, "wire": wire, "do": do, **fields}
            if do in _COUNTED:
                self._waiting = {**event, "times": 1}
            else:
                self._add(event)

    def close(self) -> None:
        """Finish the file; what is noted afterwards is dropped."""
        with self._lock:
            if not self.full:
                self._flush()
            self.full = True
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._add(waiting)

    def _add(self, event: Event) -> None:
        if self.full:
            return
        if self._left <= 0:
            self.full = True
            _log.warning("%s: full; the device goes on unrecorded", self.path)
            return
        self._left -= 1
        self._write(event)

    def _write(self, event: dict[str, Any]) -> None:
        try:
            self._file.write(json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n")
        except (OSError, TypeError, ValueError) as error:
            self.full = True
            _log.warning("%s: recording ends (%s); the device goes on", self.path, error)


_COUNTED = frozenset(("now_ms", "wall_ms", "wall_is_sure"))
"""Questions to the clock: drivers that wait ask them all the time."""
