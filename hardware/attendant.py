"""Who looks after one device: opens it when it can be, and never waits for it too long.

Laws:
- A device that cannot be opened is there, unhealthy, and tried again: 0.2 s later, then ever more
  slowly up to every 2 s. Nobody restarts anything because a plug was out.
- Each device that may be slow is asked by a thread of its own. The program waits a moment; what
  comes later is kept and given to whoever asks the same again.
- A question that is open for longer than two seconds makes the device unhealthy. The program
  does not wait for it a second time.
- Whatever a driver raises comes out as an error of `hardware/errors.py`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

from hardware.errors import (
    DeviceError,
    DeviceGarbled,
    DeviceTimeout,
    DeviceUnavailable,
    HardwareError,
)
from hardware.ports import Clock, Health

OPEN_AGAIN_MS = 200
OPEN_AGAIN_MS_MAX = 2_000
LATE_MS = 2_000
"""An answer older than this says nothing about now."""
LATE_MAX = 16
FEEL_MS = 1_000

_log = logging.getLogger(__name__)


class Closable(Protocol):
    """What every device can do."""

    def close(self) -> None:
        """Let go of the device."""


D = TypeVar("D", bound=Closable)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a program waits for one answer, in real milliseconds.

    `round_ms`: for an inventory or a scan, which is asked again anyway. `answer_ms`: for what is
    asked about one tag. `hang_ms`: a question open for so long makes the device unhealthy.
    """

    round_ms: int
    answer_ms: int
    hang_ms: int = 2_000


class NoAnswerYet(DeviceTimeout):
    """The device was asked and has not answered yet; ask the same again."""


class Busy(NoAnswerYet):
    """The device was not even asked: it is busy with the question before."""


class _Question:
    """Something a device is asked, and its answer when there is one."""

    def __init__(self, key: Hashable, action: Callable[[], Any], asked_ms: int) -> None:
        self.key = key
        self.asked_ms = asked_ms
        self.answered_ms = 0
        self.answer: Future[Any] = Future()
        self._action = action
        self._waited_ms = 0

    def work(self, now_ms: Callable[[], int]) -> None:
        """Ask the device; called by its thread."""
        try:
            result = self._action()
        except BaseException as error:
            self.answered_ms = now_ms()
            self.answer.set_exception(error)
            return
        self.answered_ms = now_ms()
        self.answer.set_result(result)

    def is_answered(self, wait_ms: int) -> bool:
        """Wait at most that long in all, over every call; return whether there is an answer."""
        left_ms = wait_ms - self._waited_ms
        if not self.answer.done() and left_ms > 0:
            self._waited_ms = wait_ms
            wait((self.answer,), left_ms / 1000)
        return self.answer.done()


class Attendant(Generic[D]):
    """Opens one device, asks it, and opens it again. Used by one thread."""

    def __init__(
        self,
        name: str,
        open_device: Callable[[], D],
        clock: Clock,
        *,
        patience: Patience | None = None,
        feel: Callable[[D], Health] | None = None,
    ) -> None:
        """open_device raises `DeviceError` when it cannot; feel asks an open device how it is.

        Without patience no thread is made, and whoever asks waits as long as it takes.
        """
        self.name = name
        self.patience = patience
        self._open_device = open_device
        self._clock = clock
        self._device: D | None = None
        self._trouble = f"{name}: not opened yet"
        self._open_from_ms: int | None = None
        self._open_again_ms = OPEN_AGAIN_MS
        self._closed = False
        self._feel = feel or _is_open
        self._felt = Health(False, self._trouble)
        self._felt_ms: int | None = None
        self._asked: _Question | None = None
        self._late: dict[Hashable, _Question] = {}
        self._questions: SimpleQueue[_Question | None] | None = None

    def ask(self, key: Hashable, action: Callable[[D], T], wait_ms: int) -> T:
        """Return what the device answers.

        key: the same for the same question, so that a late answer finds who asks again; None for
        what must not be asked twice. Raises `NoAnswerYet` when it takes longer than `wait_ms`.
        """
        if self._closed:
            raise DeviceUnavailable(f"{self.name}: closed")
        if self.patience is None:
            return self._answer(action)
        self._drop_old()
        late = self._late.pop(key, None)
        question = late or self._question(key, action, wait_ms)
        if not question.is_answered(wait_ms):
            raise NoAnswerYet(f"{self.name}: no answer within {wait_ms} ms")
        if question is self._asked:
            self._asked = None
        return question.answer.result()  # type: ignore[no-any-return]

    @property
    def is_closed(self) -> bool:
        """Whether the device was let go of."""
        return self._closed

    @property
    def hangs(self) -> bool:
        """Whether a question has been open for so long that staff should look."""
        asked, patience = self._asked, self.patience
        if asked is None or patience is None or asked.answer.done():
            return False
        return self._clock.now_ms() - asked.asked_ms >= patience.hang_ms

    def health(self) -> Health:
        """Return how the device is, as it said at most a second ago; tries to open it."""
        if self._closed:
            return Health(False, f"{self.name}: closed")
        try:
            self.ask("health", self._felt_by, self.patience.round_ms if self.patience else 0)
        except NoAnswerYet:
            if self.hangs:
                return Health(False, self._hanging())
        except HardwareError as error:
            return Health(False, str(error) or self._trouble)
        return self._felt

    def start(self) -> None:
        """Begin to open the device, without waiting for it if it has a thread."""
        if self.patience is None:
            self.health()
        elif self._asked is None:
            self._question("health", self._felt_by, 0)

    def close(self) -> None:
        """Let go of the device; one that hangs is left to its thread."""
        if self._closed:
            return
        self._closed = True
        if self._questions is None:
            self._release()
            return
        last = _Question(None, self._release, self._clock.now_ms())
        self._questions.put(last)
        self._questions.put(None)
        last.is_answered(self.patience.answer_ms if self.patience else 0)

    def no_answer(self) -> DeviceTimeout:
        """Return the error of a device that does not answer at all."""
        return DeviceTimeout(self._hanging())

    def _hanging(self) -> str:
        return f"{self.name}: no answer for some seconds; pull its plug and put it in again"

    def _drop_old(self) -> None:
        """Forget answers that nobody asked for again in time."""
        now_ms = self._clock.now_ms()
        if self._asked is not None and self._asked.answer.done():
            if self._asked.key is not None:
                self._late[self._asked.key] = self._asked
            self._asked = None
        for key, late in list(self._late.items()):
            if now_ms - late.answered_ms > LATE_MS or len(self._late) > LATE_MAX:
                del self._late[key]

    def _question(self, key: Hashable, action: Callable[[D], Any], wait_ms: int) -> _Question:
        """Return the question with this key: the one it is asked just now, or a new one."""
        asked = self._asked
        if asked is not None and asked.key == key and key is not None:
            return asked
        if asked is not None and not asked.is_answered(wait_ms):
            raise Busy(f"{self.name}: busy with the question before")
        self._drop_old()
        if key is None:
            self._late.clear()  # what was answered before a write says nothing about after it
        question = _Question(key, lambda: self._answer(action), self._clock.now_ms())
        self._asked = question
        self._thread().put(question)
        return question

    def _thread(self) -> SimpleQueue[_Question | None]:
        if self._questions is None:
            self._questions = questions = SimpleQueue[_Question | None]()
            target = threading.Thread(
                target=_work, args=(questions, self._clock.now_ms), name=self.name, daemon=True
            )
            target.start()
        return self._questions

    def _answer(self, action: Callable[[D], T]) -> T:
        """Ask the device itself, opening it if need be."""
        device = self._opened()
        try:
            return action(device)
        except DeviceError:
            self._felt_ms = None  # ask at once how it is
            raise
        except HardwareError:
            raise
        except (Exception, SystemExit) as error:
            _log.exception("%s: its driver failed", self.name)
            raise DeviceGarbled(f"{self.name}: {type(error).__name__}: {error}") from error
        finally:
            if self._felt_ms is None or self._clock.now_ms() - self._felt_ms >= FEEL_MS:
                self._felt_by(device)

    def _felt_by(self, device: D) -> None:
        """Remember how the device is; a busy one is asked after the questions it is busy with."""
        self._felt_ms = self._clock.now_ms()
        try:
            self._felt = self._feel(device)
        except (Exception, SystemExit) as error:
            self._felt = Health(False, _told(self.name, error))

    def _opened(self) -> D:
        if self._device is not None:
            return self._device
        now_ms = self._clock.now_ms()
        if self._open_from_ms is not None and now_ms < self._open_from_ms:
            raise DeviceUnavailable(self._trouble)
        try:
            self._device = self._open_device()
        except (Exception, SystemExit) as error:  # no driver ends the program
            self._trouble = _told(self.name, error)
            self._felt = Health(False, self._trouble)
            self._open_from_ms = self._clock.now_ms() + self._open_again_ms
            self._open_again_ms = min(2 * self._open_again_ms, OPEN_AGAIN_MS_MAX)
            raise DeviceUnavailable(self._trouble) from error
        self._open_again_ms = OPEN_AGAIN_MS
        return self._device

    def _release(self) -> None:
        device, self._device = self._device, None
        if device is None:
            return
        try:
            device.close()
        except Exception as error:  # unplugged: nothing is left to let go of
            _log.debug("%s: closing: %s", self.name, error)


def _work(questions: SimpleQueue[_Question | None], now_ms: Callable[[], int]) -> None:
    """Answer one question after the other; None ends the thread."""
    while (question := questions.get()) is not None:
        question.work(now_ms)


def _is_open(_device: object) -> Health:
    return Health(True)


def _told(name: str, error: BaseException) -> str:
    """Return a sentence for staff about a device that could not be opened."""
    if isinstance(error, ImportError):
        return f"{name}: {error}; install what this driver needs (docs/hardware.md)"
    if isinstance(error, HardwareError):
        return str(error)
    return f"{name}: {type(error).__name__}: {error}"
