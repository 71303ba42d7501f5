"""Switches tags between *in stock* and *on loan*, reads them back, and says how it went.

One try per tag and tick, so that the screen may say "leave it there" before and nothing else
waits for a weak field. What a tag says already is not written again.
"""

from __future__ import annotations

import enum
from collections.abc import Collection
from dataclasses import dataclass, field

from hardware.errors import DeviceError, HardwareError, SecurityUnsupported, TagLost
from hardware.ports import Security, TagReader
from kiosk.store import Unfinished

TRIES = 3
"""A weak field is normal; after three tries in a row the book has to be placed anew."""


class Outcome(enum.Enum):
    """How switching one item's tags went."""

    SWITCHED = "switched"
    ASK_AGAIN = "ask_again"
    FAILED = "failed"


@dataclass(slots=True)
class Work:
    """One item whose tags shall say something else.

    `must`: those read on the pad. `patient`: somebody stands there who may place it again.
    """

    unfinished: Unfinished
    wanted: Security
    must: frozenset[str]
    may: frozenset[str]
    switched: set[str] = field(default_factory=set)
    tries: int = 0
    asked: int = 0
    patient: bool = True

    @property
    def is_done(self) -> bool:
        """Whether everything read on the pad, and at least one tag, was switched."""
        return bool(self.switched) and self.must <= self.switched


@dataclass(slots=True)
class Switcher:
    """The tags that want switching, by the key of their item."""

    reader: TagReader | None
    works: dict[str, Work] = field(default_factory=dict)
    errors: int = 0

    def start(self, key: str, work: Work) -> None:
        """Begin with an item; an older wish for it is dropped."""
        self.works[key] = work

    def take(self, key: str) -> Work | None:
        """Stop working on an item and return what was to be done."""
        return self.works.pop(key, None)

    def placed(self, uid: str) -> None:
        """A tag was put down again: new tries, a new chance."""
        for work in self.works.values():
            if uid in work.must | work.may:
                work.tries = 0

    def tick(self, present: Collection[str]) -> list[tuple[str, Outcome]]:
        """Try once for every item; return those about which there is news."""
        return [
            (key, outcome)
            for key, work in list(self.works.items())
            if (outcome := self.step(work, present)) is not None
        ]

    def step(self, work: Work, present: Collection[str]) -> Outcome | None:
        """Try once for one item; None while there is nothing new to say."""
        if self.reader is None:
            return Outcome.FAILED
        here = [uid for uid in sorted(work.must | work.may) if uid in present]
        waiting = [uid for uid in here if uid not in work.switched]
        if not here and not work.patient:
            return Outcome.FAILED
        if work.must - work.switched - set(here) and not work.asked:
            return self._ask(work)
        if waiting and work.tries >= TRIES:
            return None
        for uid in waiting:
            outcome = self._try(work, uid)
            if outcome is not None:
                return outcome
        return Outcome.SWITCHED if work.is_done else None

    def _try(self, work: Work, uid: str) -> Outcome | None:
        assert self.reader is not None
        work.tries += 1
        try:
            if self.reader.get_security(uid) is not work.wanted:
                self.reader.set_security(uid, work.wanted)
        except SecurityUnsupported:
            pass  # a tag without a place for it: gates know the item from their list
        except DeviceError:
            self.errors += 1
            return Outcome.FAILED if not self.reader.health().ok else self._after_failure(work)
        except TagLost:
            return self._ask(work)
        except HardwareError as error:
            self.errors += 1
            return self._after_failure(work) if error.retry else Outcome.FAILED
        work.switched.add(uid)
        work.tries = 0
        return None

    def _after_failure(self, work: Work) -> Outcome | None:
        if work.tries < TRIES:
            return None
        return Outcome.FAILED if work.asked else self._ask(work)

    def _ask(self, work: Work) -> Outcome:
        work.asked += 1
        return Outcome.ASK_AGAIN
