"""Simulated readers, scanners and printers; pins are in `sim/pins.py`.

Each passes the contract of its port. Besides the port's methods each has the verbs of a hand
(`place`, `lift`, `scan`), the faults of `sim/faults.py`, and a `history` a test can read.
"""

import random
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager

from hardware.errors import (
    DeviceGarbled,
    DeviceTimeout,
    DeviceUnavailable,
    PrinterError,
    SecurityUnsupported,
    TagLost,
    WriteFailed,
)
from hardware.ports import (
    BLOCK_BYTES,
    ISO15693,
    SCANNER_CODE_LENGTH_MAX,
    Clock,
    Health,
    Inventory,
    Security,
    TagContent,
    TagSeen,
)
from sim.faults import (
    DELAYED,
    GARBAGE,
    INTERMITTENT,
    OFF,
    PAPER_OUT,
    SLOW,
    STUCK,
    WRONG,
    Faulty,
)
from sim.tags import HISTORY_MAX, SimTag

SCANS_MAX = 64
SLIPS_MAX = 100

MISSES_ILL = 3
"""So many questions in a row without an answer are an illness; fewer are a weak field."""

_OPPOSITE = {
    Security.IN_STOCK: Security.ON_LOAN,
    Security.ON_LOAN: Security.IN_STOCK,
    Security.NONE: Security.NONE,
}

Settle = Callable[[], None]
Watch = Callable[[str, SimTag | None], None]


def nothing() -> None:
    """Settle nothing: the default of devices that stand alone, outside a world."""


def nobody(what: str, tag: SimTag | None) -> None:
    """Watch nothing: the default of devices that stand alone."""


class Field:
    """The tags within reach of one antenna, or lying in one place."""

    def __init__(self) -> None:
        self._tags: dict[str, SimTag] = {}

    def put(self, tag: SimTag) -> None:
        """Bring a tag into the field."""
        self._tags[tag.uid] = tag

    def take(self, uid: str) -> None:
        """Take a tag out of the field; nothing happens if it is not there."""
        self._tags.pop(uid, None)

    def get(self, uid: str) -> SimTag | None:
        """Return the tag, None when it is not in the field."""
        return self._tags.get(uid)

    def tags(self) -> list[SimTag]:
        """Return the tags in the order of their uids."""
        return [self._tags[uid] for uid in sorted(self._tags)]


class SimReader(Faulty):
    """A tag reader over a field.

    `technologies` are those it can read; with more than `tags_max` tags in the field its
    inventories are incomplete, as a small reader's are.

    Faults. off: no answer. stuck: the last inventory for ever, nothing about any tag. garbage:
    checksums that are wrong. wrong: every uid has its last bit turned, and security reads as its
    opposite; memory, which carries its own checksum, is read as it is. slow: the right answer
    later. delayed: the inventory of the question before; about one tag the driver sees that the
    answer belongs to another question, while a write has happened nevertheless. intermittent: a
    share of the questions has no answer; three in a row make it ill.
    """

    faults_known = frozenset((OFF, STUCK, GARBAGE, WRONG, SLOW, DELAYED, INTERMITTENT))

    def __init__(
        self,
        clock: Clock,
        *,
        name: str = "reader",
        technologies: Iterable[str] = (ISO15693,),
        tags_max: int = 100,
        settle: Settle = nothing,
        lock: AbstractContextManager[object] | None = None,
    ) -> None:
        super().__init__(name)
        self.field = Field()
        self.watch: Watch = nobody
        self.history: deque[str] = deque(maxlen=HISTORY_MAX)
        self._clock = clock
        self._technologies = frozenset(technologies)
        self._tags_max = tags_max
        self._settle = settle
        self._lock = lock if lock is not None else threading.RLock()
        self._pulls: dict[str, int] = {}
        self._last = Inventory(())
        self._misses = 0
        self._closed = False

    def place(self, tag: SimTag) -> None:
        """Put a tag into the field."""
        with self._lock:
            self.field.put(tag)
            self._happened(tag, "placed")

    def lift(self, uid: str) -> None:
        """Take a tag out of the field."""
        with self._lock:
            tag = self.field.get(uid)
            if tag is not None:
                self.field.take(uid)
                self._happened(tag, "lifted")

    def pull(self, uid: str, *, after_writes: int) -> None:
        """Let a tag leave the field in the middle of writing, after that many writes."""
        self._pulls[uid] = after_writes

    def inventory(self) -> Inventory:
        """See `TagReader.inventory`."""
        self._answer()
        with self._lock:
            if self.fault == STUCK:
                return self._last
            before = self._last
            seen = [tag for tag in self.field.tags() if tag.technology in self._technologies]
            listed = [TagSeen(self._heard(tag.uid), tag.technology) for tag in seen]
            listed = sorted(listed[: self._tags_max], key=lambda tag: tag.uid)
            self._last = Inventory(tuple(listed), complete=len(seen) <= self._tags_max)
            return before if self.fault == DELAYED else self._last

    def read_content(self, uid: str) -> TagContent | None:
        """See `TagReader.read_content`."""
        self._answer()
        with self._lock:
            tag = self._tag(uid, "reading its content")
            self._stay_in_step()
            self._happened(tag, "read")
            return tag.content

    def get_security(self, uid: str) -> Security:
        """See `TagReader.get_security`."""
        self._answer()
        with self._lock:
            security = self._tag(uid, "reading its security").security
            self._stay_in_step()
            return _OPPOSITE[security] if self.fault == WRONG else security

    def set_security(self, uid: str, security: Security) -> None:
        """See `TagReader.set_security`."""
        if security is Security.NONE:
            raise SecurityUnsupported(uid, "a tag is set in stock or on loan, not to none")
        self._answer()
        with self._lock:
            tag = self._tag(uid, "setting its security")
            self._spend_write(tag.uid)
            if tag.set_security(security):
                self._happened(tag, "released" if security is Security.ON_LOAN else "secured")
            self._spend_write(tag.uid, reading_back=True)
            self._stay_in_step()
            if self.fault == WRONG or self._tag(uid, "reading back").security is not security:
                raise WriteFailed(uid, f"still not {security.value}; place it again")

    def read(self, uid: str, first: int, count: int) -> bytes:
        """See `TagReader.read`."""
        self._answer()
        with self._lock:
            tag = self._tag(uid, f"reading block {first}")
            self._stay_in_step()
            self._happened(tag, "read")
            return tag.read(first, count)

    def write(self, uid: str, first: int, data: bytes) -> None:
        """See `TagReader.write`."""
        self._answer()
        with self._lock:
            tag = self._tag(uid, f"writing block {first}")
            tag.check_range(first, len(data))
            for at in range(0, len(data), BLOCK_BYTES):
                self._spend_write(tag.uid)
                tag.write_block(first + at // BLOCK_BYTES, data[at : at + BLOCK_BYTES])
            self._spend_write(tag.uid, reading_back=True)
            self._stay_in_step()
            self._tag(uid, "reading back").verify(first, data)
            self._happened(tag, "written")

    def health(self) -> Health:
        """See `TagReader.health`."""
        if self._closed:
            return Health(False, f"{self.name}: closed")
        if self.fault in (None, SLOW, WRONG) or (
            self.fault == INTERMITTENT and self._misses < MISSES_ILL
        ):
            return Health(True)
        return Health(False, f"{self.name}: {self.fault}")

    def close(self) -> None:
        """See `TagReader.close`."""
        self._closed = True

    def _answer(self) -> None:
        """Raise what the reader's fault makes of any question.

        Called without the lock: a slow reader must not slow the others of its world.
        """
        if self._closed or self.fault == OFF:
            raise DeviceUnavailable(f"{self.name}: no answer; check its plug")
        if self.fault == SLOW:
            self._clock.sleep_ms(self.slow_ms)
        if self.fault == GARBAGE:
            raise DeviceGarbled(f"{self.name}: the answer's checksum is wrong")
        self._misses = self._misses + 1 if self.strikes() else 0
        if self._misses:
            raise DeviceTimeout(f"{self.name}: no answer this time; check its plug")
        self._settle()

    def _heard(self, uid: str) -> str:
        """Return the uid as this reader hears it: with its last bit turned if it hears wrong."""
        if self.fault != WRONG:
            return uid
        return f"{int(uid, 16) ^ 1:0{len(uid)}x}"

    def _stay_in_step(self) -> None:
        """Notice that the answer about a tag belongs to the question before."""
        if self.fault == DELAYED:
            raise DeviceGarbled(f"{self.name}: the answer belongs to another question")

    def _tag(self, uid: str, during: str) -> SimTag:
        if self.fault == STUCK:
            raise DeviceTimeout(f"{self.name}: no answer while {during} of tag {uid}")
        tag = self.field.get(self._heard(uid))
        if tag is None or tag.technology not in self._technologies:
            raise TagLost(uid, during)
        return tag

    def _spend_write(self, uid: str, *, reading_back: bool = False) -> None:
        """Let a tag that is being pulled leave before its next write or its reading back."""
        left = self._pulls.get(uid)
        if left is None:
            return
        if left == 0:
            del self._pulls[uid]
            self.lift(uid)
            raise TagLost(uid, "reading back" if reading_back else "writing")
        if not reading_back:
            self._pulls[uid] = left - 1

    def _happened(self, tag: SimTag, what: str) -> None:
        tag.history.append(what)
        self.history.append(what)
        self.watch(what, tag)


class SimScanner(Faulty):
    """A barcode scanner somebody holds a label under.

    Faults. off: nothing is read or handed over. stuck: nothing is read. garbage: signs
    that are neither letters nor digits, as many as the label has. wrong: one digit or letter is
    another one. delayed: each label comes when the next one is scanned. intermittent: a share of
    the labels is not read.
    """

    faults_known = frozenset((OFF, STUCK, GARBAGE, WRONG, DELAYED, INTERMITTENT))

    def __init__(self, *, name: str = "scanner", settle: Settle = nothing, seed: int = 0) -> None:
        super().__init__(name)
        self.history: deque[str] = deque(maxlen=HISTORY_MAX)
        self._codes: deque[str] = deque(maxlen=SCANS_MAX)
        self._late = ""
        self._settle = settle
        self._random = random.Random(seed)
        self._closed = False

    def scan(self, code: str) -> None:
        """Hold a label under the scanner; what no scanner would deliver is dropped."""
        if self.fault in (OFF, STUCK) or self._closed:
            return
        if not 1 <= len(code) <= SCANNER_CODE_LENGTH_MAX or not code.isprintable():
            return
        if self.strikes():
            return
        if self.fault == GARBAGE:
            code = "".join(self._random.choice("#$%*+-./:=?@") for _ in code)
        if self.fault == WRONG:
            code = self._misread(code)
        self.history.append(code)
        if self.fault == DELAYED:
            late, self._late = self._late, code
            self._codes.extend([late] if late else [])
        else:
            self._codes.append(code)

    def _misread(self, code: str) -> str:
        """Return the code with one digit replaced by another, or one letter by another."""
        at = self._random.choice([n for n, one in enumerate(code) if one.isalnum()] or [0])
        signs = "0123456789" if code[at].isdigit() else "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        other = self._random.choice([sign for sign in signs if sign != code[at]])
        return code[:at] + other + code[at + 1 :]

    def _on_fault(self) -> None:
        self._late = ""

    def poll(self) -> list[str]:
        """See `Scanner.poll`."""
        self._settle()
        codes = []
        while self._codes and not self._closed and self.fault != OFF:
            codes.append(self._codes.popleft())
        return codes

    def health(self) -> Health:
        """See `Scanner.health`."""
        if self._closed or self.fault in (OFF, STUCK):
            return Health(False, f"{self.name}: {self.fault or 'closed'}")
        return Health(True)

    def close(self) -> None:
        """See `Scanner.close`."""
        self._closed = True


class SimPrinter(Faulty):
    """A receipt printer; `slips` holds what it printed, newest last.

    Faults. off: no answer. paper_out: no paper. stuck: the paper is jammed. garbage: slips of
    question marks. intermittent: a share of the slips is refused.
    """

    faults_known = frozenset((OFF, PAPER_OUT, STUCK, GARBAGE, INTERMITTENT))

    def __init__(self, *, name: str = "printer") -> None:
        super().__init__(name)
        self.slips: deque[tuple[str, ...]] = deque(maxlen=SLIPS_MAX)
        self.watch: Watch = nobody
        self._closed = False

    def print_lines(self, lines: Sequence[str]) -> None:
        """See `Printer.print_lines`."""
        health = self.health()
        if not health.ok:
            raise PrinterError(health.detail)
        if self.strikes():
            raise PrinterError(f"{self.name}: no answer this time; check its plug")
        if self.fault == GARBAGE:
            lines = ["?" * len(line) for line in lines]
        self.slips.append(tuple(lines))
        self.watch("prints a slip", None)

    def health(self) -> Health:
        """See `Printer.health`."""
        if self._closed or self.fault in (OFF, PAPER_OUT, STUCK):
            return Health(False, f"{self.name}: {self.fault or 'closed'}")
        return Health(True)

    def close(self) -> None:
        """See `Printer.close`."""
        self._closed = True
