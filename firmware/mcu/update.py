"""Which version of the program runs: signed updates into two folders, and the way back.

    base: what was flashed over USB, frozen or in /lib     slots A and B: versions that came later

A version lies in its slot as the one file it came as, and is mounted as a folder of modules
(program.py): as files of their own, 90 of 2 KB would take 360 KB of a flash that counts in blocks
of 4 KB. For the same reason a slot is no folder, which would take two blocks more.

`choose` at every start, `confirm` after the first good sync, `Install` while a new one comes in.

Laws:
- Nothing runs that was not whole at this very start: every byte of it is hashed again. The
  signature was checked when it was installed.
- A new version is on trial. After `TRIES_MAX` starts without a good sync, or `TRIAL_MS` in one of
  them, the one before runs again; a version that failed `FAILURES_MAX` times is not taken again.
- Nothing older than what was confirmed is taken, nor run below the `minimum` it named.
- The slot of what runs is never written to, and the record is written twice (update_state.py):
  a power cut after any byte leaves a device that starts, with the old version or the new one.
- Whatever is wrong, the base is left, and it guards.
- Detection goes on: every call does one small step, and the longest hashes one piece of a file.

An update is one row of bytes (circulation/wire/update.py), so any carrier will do: the line of a
setup, or the gateway's pieces (update_following.py). `files` is what `os` and `open` are, and a
little more: see `DeviceFiles`.
"""

import hashlib
from collections import namedtuple

from circulation.wire.update import (
    HEADER_BYTES,
    KEY_ID_BYTES,
    PROGRAM_BYTES_MAX,
    UpdateRefused,
    manifest_bytes,
    read_entries,
    read_heading,
)
from firmware.mcu.ed25519 import is_public_key
from firmware.mcu.update_state import BASE, NO_KEY, SLOTS, A, B, load, save
from firmware.mcu.version import VERSION, running

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from typing import Any

    from firmware.mcu.update_state import State

PIECE_BYTES = 512
BLOCK_BYTES = 4_096
BLOCK_BYTES_LEFT = 4_088  # for a file's own bytes: the rest points at the blocks before
TAKEN_BLOCKS = 184
"""Of the flash, by all but the two slots: two lists of 200,000 keys 114, journal 34, counts 28,
configuration 2, the file system itself 2; and 4 to write anew what is changed. Counted on
MicroPython's own LittleFS2 (tests/firmware/mcu/test_vm_room.py)."""

TRIES_MAX = 3
TRIAL_MS = 30 * 60_000
FAILURES_MAX = 3


class Choice(namedtuple("Choice", ("slot", "version", "on_trial", "problem"))):
    """What runs. slot: `update_state.BASE`, `A` or `B`. problem: a text for staff, or empty."""


def choose(files: "Any", base: int = VERSION) -> Choice:
    """Return what this start runs; a start of a version on trial counts against it.

    Call it once a start, before anything of ours but this is imported. base: the version of what
    was flashed.
    """
    state, problem = load(files), ""
    if state.trial:
        slot = state.trial
        if state.tries < TRIES_MAX:
            state.tries += 1
            save(files, state)
            if is_whole(files, state, slot, base):
                return Choice(slot, state.versions[slot - 1], True, "")
        problem = f"version {state.versions[slot - 1]} was rolled back"
        state.fail()
        save(files, state)
    for slot in (state.good, A + B - state.good):
        if state.good and is_whole(files, state, slot, base):
            return Choice(slot, state.versions[slot - 1], False, problem)
        if state.good == slot and base < state.versions[slot - 1]:
            problem = f"version {state.versions[slot - 1]} is damaged"
    return Choice(BASE, base, False, problem)


def chosen() -> Choice:
    """Return what runs, as `choose` said at this start."""
    return running()[0] or Choice(BASE, VERSION, False, "")


def confirm(files: "Any") -> None:
    """Make the version on trial the good one, and take the keys it brought; else do nothing.

    Call it after the first good sync: the gateway has acknowledged, and the list is fresh.
    """
    state = load(files)
    if not state.trial:
        return
    slot = state.trial
    with files.open(path_of(slot), "rb") as file:
        heading, _ = read_heading(manifest_of(file).readline)
    state.good, state.trial, state.tries = slot, BASE, 0
    state.highest = max(state.highest, heading.version)
    state.floor = max(state.floor, heading.minimum)
    if heading.trusted:
        state.keys = _two(heading.trusted)
    save(files, state)


def give_up(files: "Any") -> bool:
    """End a trial; return whether there was one, and the device must start anew.

    Call it when `TRIAL_MS` have passed since the start without a good sync.
    """
    state = load(files)
    if not state.trial:
        return False
    state.fail()
    save(files, state)
    return True


def trust(files: "Any", keys: "Sequence[bytes]") -> None:
    """Take updates of the owners of these one or two keys from now on; raise UpdateRefused."""
    if not 1 <= len(keys) <= 2 or [key for key in keys if not is_public_key(key)]:
        raise UpdateRefused("update: one or two public keys of 32 bytes are needed")
    state = load(files)
    if state.keys != _two(keys):
        state.keys = _two(keys)
        save(files, state)


def trusted(files: "Any") -> "list[bytes]":
    """Return the public keys whose updates are taken."""
    return [key for key in load(files).keys if key != NO_KEY]


def key_id(public_key: bytes) -> bytes:
    """Return how an update names the key it is signed with."""
    return hashlib.sha256(public_key).digest()[:KEY_ID_BYTES]


def refuse(files: "Any", offer: bytes, why: str) -> None:
    """Remember that what was offered under this id was refused: it is not tried again."""
    state = load(files)
    state.offer, state.why = offer, why
    save(files, state)


def slot_bytes(flash_bytes: "int | None") -> int:
    """Return how long a version may be, of a file system so large; None: nobody can tell.

    >>> slot_bytes(848 * 1024)
    57232
    """
    if flash_bytes is None:
        return PROGRAM_BYTES_MAX
    blocks = max(0, flash_bytes // BLOCK_BYTES - TAKEN_BLOCKS) // 2
    return min(blocks * BLOCK_BYTES_LEFT, PROGRAM_BYTES_MAX)


class DeviceFiles:
    """The files of this device, as `choose` and the others want them."""

    def __init__(self) -> None:
        """Nothing is opened."""
        import os

        self.open: Any = open
        self.rename, self.remove = os.rename, os.remove

    def free_bytes(self) -> "int | None":
        """Return how much of the flash is free, None where nobody can tell."""
        import os

        try:
            found = os.statvfs(".")
        except (AttributeError, OSError):
            return None
        return int(found[0] * found[3])

    def flash_bytes(self) -> "int | None":
        """Return how large the file system is, None where nobody can tell."""
        import os

        try:
            found = os.statvfs(".")
        except (AttributeError, OSError):
            return None
        return int(found[0] * found[2])


def is_whole(files: "Any", state: "State", slot: int, base: int = VERSION) -> bool:
    """Return whether the slot holds what its manifest says, bit for bit, and may run."""
    version = state.versions[slot - 1]
    if version <= base or version < state.floor:
        return False
    try:
        for _ in checked(files, slot, state.digests[slot - 1], base):
            pass
    except (OSError, UpdateRefused):
        return False
    return True


def checked(files: "Any", slot: int, digest: bytes, base: int) -> "Iterator[None]":
    """Check a slot against the SHA-256 of its header and manifest, a piece with each step.

    Raise UpdateRefused, or OSError for what cannot be read.
    """
    with files.open(path_of(slot), "rb") as content:
        size = manifest_bytes(content.read(HEADER_BYTES))
        content.seek(0)
        if (yield from _hash(content, HEADER_BYTES + size)) != digest:
            raise UpdateRefused("update: the manifest is not the one that was signed")
        with files.open(path_of(slot), "rb") as file:
            yield from _check_files(content, manifest_of(file), base)


def _check_files(content: "Any", lines: "Lines", base: int) -> "Iterator[None]":
    """Check each file of a manifest against what comes, and that nothing comes behind."""
    heading, line = read_heading(lines.readline)
    if heading.base not in (0, base):
        raise UpdateRefused(f"update: it builds on version {heading.base}, not {base}")
    for entry in read_entries(line, lines.readline):
        if (yield from _hash(content, entry.size)) != entry.digest:
            raise UpdateRefused(f"update: {entry.path} is not as it was signed")
    if content.read(1):
        raise UpdateRefused("update: there are bytes behind its end")


class Lines:
    """The manifest within the file of a version."""

    def __init__(self, file: "Any", left: int) -> None:
        """file: positioned at the first of so many bytes. `left`: how many are to come."""
        self._file, self.left = file, left

    def readline(self, count: int) -> bytes:
        """Return the next line, or its first bytes; nothing at the end."""
        line: bytes = self._file.readline(min(count, self.left))
        self.left -= len(line)
        return line


def manifest_of(file: "Any") -> Lines:
    """Return the lines of the manifest; raise UpdateRefused if this is no update."""
    return Lines(file, manifest_bytes(file.read(HEADER_BYTES)))


def path_of(slot: int) -> str:
    """Return where a version lies."""
    return SLOTS[slot]


def _hash(file: "Any", left: int) -> "Generator[None, None, bytes]":
    hashed = hashlib.sha256()
    while left:
        piece = file.read(min(PIECE_BYTES, left))
        if not piece:
            break
        hashed.update(piece)
        left -= len(piece)
        yield
    return hashed.digest()


def _two(keys: "Sequence[bytes]") -> "list[bytes]":
    found = list(keys)
    found.append(NO_KEY)
    return found[:2]
