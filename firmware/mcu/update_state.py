"""What a device remembers of its versions, in two copies, so that no power cut loses it.

Laws:
- A record is written as a whole file, then the other copy; each has a sequence number and the
  beginning of a SHA-256. A torn or flipped copy does not count, and then the other does.
- With both copies gone the base runs, and no update is taken until the device is provisioned.
"""

import hashlib
from struct import calcsize, pack, unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FILES = ("update-0.bin", "update-1.bin")
MAGIC = b"LGV2"
BASE, A, B = 0, 1, 2
SLOTS = ("", "program-a", "program-b")
"""Where a version lies."""
NO_KEY = bytes(32)

NO_OFFER = bytes(8)
WHY_BYTES = 64

_FORMAT = ">4sIBBBBIIIII32s32s32s32s8s64s"
_CHECK_BYTES = 8


class State:
    """Which version is good, which is on trial, and whose updates are taken.

    good, trial: BASE, A or B; a trial of BASE is none. tries: starts of the trial so far.
    floor: nothing older runs. highest: of what was ever confirmed. failed, failures: the version
    that was rolled back last, and how often. versions, digests: of what lies in A and B, and
    the SHA-256 of its manifest; version 0 is nothing. keys: the two public keys, or NO_KEY.
    offer: the last one of the gateway that was installed or refused; each is tried once. why: in
    which words it was refused or rolled back, cut after `WHY_BYTES`; empty if it was not.
    """

    def __init__(self) -> None:
        """Return that of a device just flashed."""
        self.sequence = 0
        self.good = self.trial = BASE
        self.tries = self.failures = 0
        self.floor = self.highest = self.failed = 0
        self.versions = [0, 0]
        self.digests = [bytes(32), bytes(32)]
        self.keys = [NO_KEY, NO_KEY]
        self.offer, self.why = NO_OFFER, ""

    def forget(self, slot: int) -> None:
        """Take what lies in the slot for nothing."""
        self.versions[slot - 1] = 0
        self.digests[slot - 1] = bytes(32)
        if self.trial == slot:
            self.trial, self.tries = BASE, 0
        if self.good == slot:
            self.good = BASE

    def fail(self) -> None:
        """End the trial as one that failed, and forget what was tried."""
        version = self.versions[self.trial - 1]
        self.failures = min(255, self.failures + 1) if self.failed == version else 1
        self.failed = version
        self.why = f"version {version} was rolled back"
        self.forget(self.trial)


def load(files: "Any") -> State:
    """Return the newest record that is whole, else that of a device just flashed."""
    newest = State()
    for name in FILES:
        found = _read(files, name)
        if found is not None and found.sequence > newest.sequence:
            newest = found
    return newest


def save(files: "Any", state: State) -> None:
    """Write the record to both files, first over the one that counts less; may raise OSError."""
    first, second = FILES
    one, other = _read(files, first), _read(files, second)
    if one is not None and (other is None or one.sequence > other.sequence):
        first, second = second, first
    state.sequence += 1
    content = _packed(state)
    for name in (first, second):
        with files.open(name, "wb") as file:
            file.write(content)


def _packed(state: State) -> bytes:
    record = pack(
        _FORMAT,
        MAGIC,
        state.sequence,
        state.good,
        state.trial,
        state.tries,
        state.failures,
        state.floor,
        state.highest,
        state.failed,
        state.versions[0],
        state.versions[1],
        state.digests[0],
        state.digests[1],
        state.keys[0],
        state.keys[1],
        state.offer,
        state.why.encode()[:WHY_BYTES],
    )
    return record + _check(record)


def _check(record: bytes) -> bytes:
    return hashlib.sha256(record).digest()[:_CHECK_BYTES]


def _read(files: "Any", name: str) -> "State | None":
    size = calcsize(_FORMAT)
    try:
        with files.open(name, "rb") as file:
            content = file.read(size + _CHECK_BYTES + 1)
    except OSError:
        return None
    record = content[:size]
    if len(content) != size + _CHECK_BYTES or content[size:] != _check(record):
        return None
    return _unpacked(unpack(_FORMAT, record))


def _unpacked(values: "tuple[Any, ...]") -> "State | None":
    state = State()
    magic, state.sequence, state.good, state.trial, state.tries, state.failures = values[:6]
    state.floor, state.highest, state.failed = values[6:9]
    state.versions = list(values[9:11])
    state.digests = list(values[11:13])
    state.keys = list(values[13:15])
    state.offer, why = values[15:17]
    state.why = why.rstrip(b"\0").decode()
    if magic != MAGIC or state.good > B or state.trial > B:
        return None
    return state
