"""What a device was asked and what it answered, newest last, for people who look inside.

The same question with the same answer is one line with a count: a pad is asked ten times a
second, and what matters is when the answer changed.
"""

from collections import deque
from dataclasses import dataclass, replace
from typing import Any

from sim.serial.device import Frame

LINES_MAX = 200
TEXT_MAX = 240

_QUIET = {"health", "state", "edges", "release", "transfer", "reset_pin"}
"""Calls that say nothing about a tag, a code or a slip: they would drown those that do."""


@dataclass(frozen=True, slots=True)
class BusLine:
    """One exchange: when it was last so, what was asked and answered, how often in a row."""

    at_ms: int
    text: str
    count: int = 1


class BusLog:
    """The last exchanges with one device; older ones are dropped."""

    def __init__(self) -> None:
        self._lines: deque[BusLine] = deque(maxlen=LINES_MAX)

    @property
    def lines(self) -> list[BusLine]:
        """The exchanges, oldest first."""
        return list(self._lines)

    def add(self, at_ms: int, text: str) -> None:
        """Note an exchange; text beyond 240 characters is cut."""
        text = text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 1] + "…"
        last = self._lines[-1] if self._lines else None
        if last is not None and last.text == text:
            self._lines[-1] = replace(last, at_ms=at_ms, count=last.count + 1)
        else:
            self._lines.append(BusLine(at_ms, text))


class FrameTeller:
    """Notes the frames of a serial line: a question and its answer make one line."""

    def __init__(self, bus: BusLog) -> None:
        self._bus = bus
        self._asked: Frame | None = None

    def __call__(self, frame: Frame) -> None:
        """Take a frame; a question that nothing answers is told when the next one comes."""
        asked = self._asked
        self._asked = None if frame.to_host else frame
        if asked is not None:
            answer = _frame_text(frame) if frame.to_host else "no answer"
            self._bus.add(frame.at_ms, f"{_frame_text(asked)} → {answer}")
        elif frame.to_host:
            self._bus.add(frame.at_ms, _frame_text(frame))


def _frame_text(frame: Frame) -> str:
    raw = frame.raw.hex(" ")
    return f"{frame.words} [{raw}]" if frame.words else f"[{raw}]"


def exchange_text(call: str, args: list[Any], result: Any) -> str | None:
    """Return a call of a port and its answer in words; None for calls nobody wants to read."""
    if call in _QUIET or (call == "read" and not args):
        return None
    asked = " ".join([call.replace("_", " "), *(str(arg) for arg in args)])
    return f"{asked} → {_answer_text(call, result)}"


def _answer_text(call: str, result: Any) -> str:
    if isinstance(result, BaseException):
        return str(result)
    if call == "inventory":
        uids = [uid for uid, _ in result["tags"]]
        more = "" if result["complete"] else " and something that cannot be told apart"
        return (", ".join(uids) or "empty") + more
    if call == "read_content":
        return "no library data" if result is None else f"{result[0]} of {result[1]}"
    if result is None:
        return "done"
    return str(result) if result != [] else "nothing"
