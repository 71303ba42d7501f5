"""Which version of the program runs: signed updates into two folders, and the way back.

    base: what was flashed over USB, frozen or in /lib         a/ and b/: versions that came later

`choose` at every start, `confirm` after the first good sync, `Install` while a new one comes in.

Laws:
- Nothing runs that was not whole at this very start: manifest and every file are hashed again,
  and a file too many counts as a bit flipped. The signature was checked when it was installed.
- A new version is on trial. After `TRIES_MAX` starts without a good sync, or `TRIAL_MS` in one of
  them, the one before runs again; a version that failed `FAILURES_MAX` times is not taken again.
- Nothing older than what was confirmed is taken, nor run below the `minimum` it named.
- The folder of what runs is never written to, and the record is written twice (update_state.py):
  a power cut after any byte leaves a device that starts, with the old version or the new one.
- Whatever is wrong, the base is left, and it guards.
- Detection goes on: every call does one small step, and the longest hashes one piece of a file.

An update is one row of bytes, so any carrier will do:

    LGU1 | first 8 bytes of the key's SHA-256 | signature (64) | bytes of the manifest (2) |
    manifest | the files in its order

`files` is what `os` and `open` are: open, listdir, mkdir, remove, rmdir.
"""

import hashlib
from collections import namedtuple

from firmware.mcu.ed25519 import is_public_key
from firmware.mcu.update_manifest import (
    PACKAGES,
    UpdateRefused,
    read_entries,
    read_heading,
)
from firmware.mcu.update_state import BASE, FOLDERS, NO_KEY, A, B, load, save
from firmware.mcu.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from firmware.mcu.update_manifest import Entry
    from firmware.mcu.update_state import State

MAGIC = b"LGU1"
KEY_ID_BYTES = 8
HEADER_BYTES = 4 + KEY_ID_BYTES + 64 + 2
MANIFEST = "manifest"
PIECE_BYTES = 512
DEPTH_MAX = 4
"""Folders within a slot: a/firmware/gate is the deepest."""

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


def confirm(files: "Any") -> None:
    """Make the version on trial the good one, and take the keys it brought; else do nothing.

    Call it after the first good sync: the gateway has acknowledged, and the list is fresh.
    """
    state = load(files)
    if not state.trial:
        return
    slot = state.trial
    with files.open(_path(slot, MANIFEST), "rb") as file:
        heading, _ = read_heading(file.readline)
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


def start(files: "Any", modules: "dict[str, Any]", root: str = "") -> Choice:
    """Choose a version, and let it be what is imported from now on; never raise.

    modules: `sys.modules`. root: where the folders lie, in front of the `/`.
    """
    try:
        choice = choose(files)
        if choice.slot != BASE:
            mount(files, modules, f"{root}/{FOLDERS[choice.slot]}", FOLDERS[choice.slot])
    except Exception as error:  # whatever it is: the base guards
        choice = Choice(BASE, VERSION, False, f"{type(error).__name__}: {error}")
    return choice


def mount(files: "Any", modules: "dict[str, Any]", folder: str, slot: str) -> None:
    """Let the packages of this folder be imported in place of the base's.

    Those above them, `firmware` and so on, stay the base's. No `__init__` of ours imports
    anything, so what was imported before is simply forgotten, and the order is all one.
    """
    for package in PACKAGES:
        top, _, last = package.partition("/")
        if last not in (_names(files, f"{slot}/{top}") or ()):
            continue
        name = f"{top}.{last}"
        for loaded in list(modules):
            if loaded == name or loaded.startswith(name + "."):
                del modules[loaded]
        __import__(top)
        parent = modules[top]
        before = parent.__path__
        place = f"{folder}/{top}"
        parent.__path__ = place if isinstance(before, str) else [place]
        try:
            __import__(name)
        finally:
            parent.__path__ = before


class DeviceFiles:
    """The files of this device, as `choose` and the others want them."""

    def __init__(self) -> None:
        """Nothing is opened."""
        import os

        self.open = open
        self.listdir, self.mkdir = os.listdir, os.mkdir
        self.remove, self.rmdir = os.remove, os.rmdir


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
    """Check a slot against the SHA-256 of its manifest, a piece with each step.

    Raise UpdateRefused, or OSError for what cannot be read.
    """
    hashed = hashlib.sha256()
    yield from _hash(files, _path(slot, MANIFEST), hashed)
    if hashed.digest() != digest:
        raise UpdateRefused("update: the manifest is not the one that was signed")
    count = 0
    with files.open(_path(slot, MANIFEST), "rb") as manifest:
        heading, line = read_heading(manifest.readline)
        if heading.base not in (0, base):
            raise UpdateRefused(f"update: it builds on version {heading.base}, not {base}")
        for entry in read_entries(line, manifest.readline):
            yield from _check_file(files, slot, entry)
            count += 1
    if _count(files, FOLDERS[slot]) != count + 1:
        raise UpdateRefused("update: there are files that the manifest does not name")


def _check_file(files: "Any", slot: int, entry: "Entry") -> "Iterator[None]":
    hashed = hashlib.sha256()
    yield from _hash(files, _path(slot, entry.path), hashed)
    if hashed.digest() != entry.digest:
        raise UpdateRefused(f"update: {entry.path} is not as it was signed")


def _hash(files: "Any", path: str, hashed: "Any") -> "Iterator[None]":
    with files.open(path, "rb") as file:
        piece = file.read(PIECE_BYTES)
        while piece:
            hashed.update(piece)
            yield
            piece = file.read(PIECE_BYTES)


def _count(files: "Any", folder: str, depth: int = 0) -> int:
    """Return how many files lie in a folder and below."""
    if depth > DEPTH_MAX:
        raise UpdateRefused(f"update: {folder} is too deep")
    names = _names(files, folder)
    if names is None:
        return 1
    return sum([_count(files, f"{folder}/{name}", depth + 1) for name in names])


def _names(files: "Any", folder: str) -> "list[str] | None":
    """Return what lies in a folder, or None if it is none."""
    try:
        return sorted(files.listdir(folder))
    except OSError:
        return None


def _path(slot: int, name: str) -> str:
    return f"{FOLDERS[slot]}/{name}"


def _two(keys: "Sequence[bytes]") -> "list[bytes]":
    found = list(keys)
    found.append(NO_KEY)
    return found[:2]
