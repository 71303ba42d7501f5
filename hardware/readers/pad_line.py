"""Questions and answers with a serial pad, each answer believed only where it belongs.

Laws:
- One question at a time, and what came before it is thrown away. An answer counts when its
  checksum is right and it answers this question: command, tag, blocks.
- After silence, a wrong checksum or a foreign answer the pad may be out of step, answering the
  question before. It is believed again when it has answered two different questions in a row.
- The same question is not asked twice in a row: an answer that came one question late would look
  right. Another one goes between; of an inventory only every two seconds, as a late one is the
  field as it was a moment ago.
- Every failure is a `DeviceError` that says what to do; none is swallowed here.
- `health` costs the pad nothing while it is in use, and never waits longer than `FEEL_WAIT_MS`.

One thread owns it, as it owns the line.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from hardware.chips.pad_errors import AnswerForeign, AnswerInvalid, PadError
from hardware.errors import DeviceError, DeviceGarbled, DeviceTimeout, DeviceUnavailable
from hardware.ports import Clock, Health
from hardware.serial_line import SerialLine

FELT_MS = 2_000
"""What a pad's last answer says about now; older, and it is asked how it is."""
STEP_MS = 2_000
"""How long inventories may follow one another before another question shows them in step."""
FEEL_AGAIN_MS = 500
"""How soon a pad in trouble is asked again by `health`."""
FEEL_WAIT_MS = 40
FEEL_TIMEOUT_MS = 2_000
"""However patient a site is with answers: staff see a dead pad within five seconds."""
QUIET_MS = 50
"""Silence after which nothing of an older answer is on its way any more: 1,000 bits at 19,200
baud, and USB bridges hand over what they have after 16 ms."""
QUIET_ROUNDS_MAX = 20
BYTES_MAX = 8_192
"""More than this between a question and its answer is babble."""
FOREIGN_MAX = 16

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Parser(Protocol):
    """What cuts answers out of bytes; see `hardware/chips/pad_3m.py`."""

    noise: int
    broken: int

    def feed(self, data: bytes) -> None:
        """Take in what has arrived."""

    def take(self) -> bytes | None:
        """Return the next whole answer, None while there is none."""

    @property
    def wanted(self) -> int:
        """How many bytes must come before there can be a whole answer."""

    @property
    def pending(self) -> int:
        """How many bytes of an unfinished answer are held."""


@dataclass(frozen=True, slots=True)
class Question(Generic[T_co]):
    """What goes over the line, and what makes an answer's bytes mean something.

    `understand` raises `PadError`: `AnswerForeign` for what answers another question. `repeats`:
    a late answer does no harm, so it may be asked several times in a row.
    """

    frame: bytes
    understand: Callable[[bytes], T_co]
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class Language:
    """A maker's language: its parser, and the questions that keep a pad in step.

    `greetings` are two different questions that every such pad answers at once; `between` is one
    unlike any that is asked otherwise.
    """

    parser: Callable[[], Parser]
    greetings: tuple[Question[object], Question[object]]
    between: Question[object]


class PadLine:
    """Asks one pad in its language."""

    def __init__(
        self, line: SerialLine, clock: Clock, language: Language, *, name: str, timeout_ms: int
    ) -> None:
        self.name = name
        self._line = line
        self._clock = clock
        self._language = language
        self._timeout_ms = timeout_ms
        self._last_frame = b""
        self._stepped_ms = 0
        self._in_step = False
        self._has_answered = False
        self._trouble = f"{name}: has not answered yet; check its plug"
        self._felt_ms: int | None = None
        self._feeling: tuple[Question[object], Parser, int] | None = None
        self._felt_with = 0
        self._closed = False

    def ask(self, question: Question[T]) -> T:
        """Return what the pad answers.

        Raises what the answer says (`PadError`), or `DeviceUnavailable`, `DeviceTimeout` or
        `DeviceGarbled`: after the last two, what was asked may have happened.
        """
        self._get_in_step()
        if question.frame == self._last_frame and self._may_be_late(question):
            with contextlib.suppress(PadError):
                self._asked(self._language.between)
            self._stepped_ms = self._clock.now_ms()
        return self._asked(question)

    def _may_be_late(self, question: Question[T]) -> bool:
        return not question.repeats or self._clock.now_ms() - self._stepped_ms >= STEP_MS

    def health(self) -> Health:
        """Return how the pad is: by its last answer, or by a question if that is too old."""
        if not self._closed:
            with contextlib.suppress(DeviceError):  # it is in `_trouble` then
                self._feel()
        return Health(not self._trouble, self._trouble)

    def close(self) -> None:
        """Let go of the line."""
        self._closed = True
        self._trouble = f"{self.name}: closed"
        self._line.close()

    def _get_in_step(self) -> None:
        if self._closed:
            raise DeviceUnavailable(self._trouble)
        if self._in_step and self._feeling is None:
            return
        self._feeling = None
        self._in_step = False
        self._be_quiet()
        for greeting in self._language.greetings:
            with contextlib.suppress(PadError):  # a refusal is an answer too, and in step
                self._asked(greeting)
        self._in_step = True
        self._stepped_ms = self._clock.now_ms()

    def _asked(self, question: Question[T]) -> T:
        parser = self._send(question)
        deadline_ms = self._clock.now_ms() + self._timeout_ms
        foreign = 0
        while foreign < FOREIGN_MAX:
            answer = self._next_answer(parser, deadline_ms)
            if answer is None:
                break
            try:
                result = question.understand(answer)
            except AnswerForeign:
                foreign += 1
                continue
            except AnswerInvalid as error:
                raise self._failed(DeviceGarbled(f"{self.name}: {error}; ask again")) from error
            except PadError:
                self._answered()
                raise
            self._answered()
            return result
        raise self._failed(self._no_answer(parser, foreign))

    def _send(self, question: Question[T]) -> Parser:
        try:
            self._line.flush()
            self._line.write(question.frame)
        except DeviceError as error:
            self._failed(error)
            raise
        self._last_frame = question.frame
        return self._language.parser()

    def _next_answer(self, parser: Parser, deadline_ms: int) -> bytes | None:
        """Return the next answer, None when the time is over or the line speaks nonsense."""
        total = 0
        while total < BYTES_MAX:
            answer = parser.take()
            if parser.broken:
                return None  # what looks right behind damage may be part of it
            if answer is not None:
                return answer
            left_ms = deadline_ms - self._clock.now_ms()
            if left_ms <= 0:
                return None
            try:
                piece = self._line.read(parser.wanted, left_ms)
            except DeviceError as error:
                self._failed(error)
                raise
            if not piece:
                return None
            total += len(piece)
            parser.feed(piece)
        return None

    def _no_answer(self, parser: Parser, foreign: int) -> DeviceError:
        if foreign:
            return DeviceGarbled(
                f"{self.name}: answers another question than it was asked; "
                "unplug it and plug it in again"
            )
        if parser.broken or parser.noise or parser.pending:
            return DeviceGarbled(
                f"{self.name}: an answer came damaged; check its cable, baud rate and parity"
            )
        check = "its power and cable"
        if not self._has_answered:
            check = "its power and cable, and that driver, baud rate and parity are its own"
        return DeviceTimeout(f"{self.name}: no answer within {self._timeout_ms} ms; check {check}")

    def _answered(self) -> None:
        self._felt_ms = self._clock.now_ms()
        self._has_answered = True
        self._trouble = ""

    def _failed(self, error: DeviceError) -> DeviceError:
        """Note what went wrong, so that nothing is believed before the pad is in step."""
        self._in_step = False
        self._felt_ms = self._clock.now_ms()
        message = str(error)
        self._trouble = message if message.startswith(self.name) else f"{self.name}: {message}"
        return error

    def _be_quiet(self) -> None:
        """Wait until nothing of an older answer comes any more."""
        for _ in range(QUIET_ROUNDS_MAX):
            try:
                if not self._line.read(256, QUIET_MS):
                    return
            except DeviceError as error:
                self._failed(error)
                raise
        raise self._failed(
            DeviceGarbled(f"{self.name}: never stops talking; is it another device?")
        )

    def _feel(self) -> None:
        """Ask the pad how it is, unless that is known; its answer may come at a later call.

        The two greetings take turns: a pad that is one question late fails each of them.
        """
        now_ms = self._clock.now_ms()
        if self._feeling is None:
            fresh_ms = FEEL_AGAIN_MS if self._trouble else FELT_MS
            if self._felt_ms is not None and now_ms - self._felt_ms < fresh_ms:
                return
            probe = self._language.greetings[self._felt_with]
            self._felt_with = 1 - self._felt_with
            self._feeling = (probe, self._send(probe), now_ms)
        probe, parser, asked_ms = self._feeling
        answer = self._next_answer(parser, now_ms + FEEL_WAIT_MS)
        if answer is not None:
            self._feeling = None
            self._take_feeling(probe, answer)
        elif parser.broken or now_ms - asked_ms >= min(self._timeout_ms, FEEL_TIMEOUT_MS):
            self._feeling = None
            self._failed(self._no_answer(parser, 0))

    def _take_feeling(self, probe: Question[object], answer: bytes) -> None:
        try:
            probe.understand(answer)
        except AnswerInvalid:
            self._failed(self._no_answer(self._language.parser(), 1))
        except PadError:
            self._answered()
        else:
            self._answered()
