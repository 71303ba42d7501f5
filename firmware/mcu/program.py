"""A version of the program as a folder of modules, out of the one file that it lies in.

It is a file system in Python, as MicroPython mounts them (tests/extmod/vfs_userfs.py there):
every import asks its `stat` and its `open`. Nothing is ever written through it.
"""

import io

from firmware.mcu.update import Choice, choose, manifest_of, path_of
from firmware.mcu.update_manifest import PACKAGES, read_entries, read_heading
from firmware.mcu.update_state import BASE
from firmware.mcu.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

PLACE = "/program"
_FOLDER, _FILE = 0x4000, 0x8000
_ENOENT, _EROFS = 2, 30


def start(files: "Any", modules: "dict[str, Any]", mount: "Callable[[Any, str], None]") -> Choice:
    """Choose a version, and let it be what is imported from now on; never raise.

    modules: `sys.modules`. mount: `vfs.mount`.
    """
    try:
        choice = choose(files)
        if choice.slot != BASE:
            program = ProgramFiles(files, path_of(choice.slot))
            mount(program, PLACE)
            replace(program.packages(), modules)
    except Exception as error:  # whatever it is: the base guards
        choice = Choice(BASE, VERSION, False, f"{type(error).__name__}: {error}")
    return choice


def replace(packages: "list[str]", modules: "dict[str, Any]", place: str = PLACE) -> None:
    """Let these packages be imported from there in place of the base's.

    Those above them, `firmware` and so on, stay the base's. No `__init__` of ours imports
    anything, so what was imported before is simply forgotten, and the order is all one.
    """
    for package in packages:
        top, _, last = package.partition("/")
        name = f"{top}.{last}"
        for loaded in list(modules):
            if loaded == name or loaded.startswith(name + "."):
                del modules[loaded]
        __import__(top)
        parent = modules[top]
        before = parent.__path__
        parent.__path__ = f"{place}/{top}"
        try:
            __import__(name)
        finally:
            parent.__path__ = before


class ProgramFiles:
    """The files of one version."""

    def __init__(self, files: "Any", path: str) -> None:
        """files, path: where it lies. Raise OSError or UpdateRefused if it cannot be read."""
        self._files, self._path = files, path
        self._found: dict[str, tuple[int, int]] = {}
        with files.open(path, "rb") as file:
            lines = manifest_of(file)
            at = file.tell() + lines.left
            _, line = read_heading(lines.readline)
            for entry in read_entries(line, lines.readline):
                self._found[entry.path] = (at, entry.size)
                at += entry.size

    def packages(self) -> "list[str]":
        """Return which packages it brings."""
        brought = {path.rpartition("/")[0] for path in self._found}
        return [package for package in PACKAGES if package in brought]

    def mount(self, readonly: bool, mkfs: bool) -> None:
        """Be mounted."""

    def umount(self) -> None:
        """Be mounted no more."""

    def stat(self, path: str) -> "tuple[int, ...]":
        """Return whether it is a folder or a file, and its bytes; raise OSError."""
        path = path.strip("/")
        if path in self._found:
            return (_FILE, 0, 0, 0, 0, 0, self._found[path][1], 0, 0, 0)
        for found in self._found:
            if not path or found.startswith(path + "/"):
                return (_FOLDER, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        raise OSError(_ENOENT)

    def open(self, path: str, mode: str) -> "ProgramFile":
        """Return a file to read; raise OSError."""
        path = path.strip("/")
        if "r" not in mode or "+" in mode:
            raise OSError(_EROFS)
        if path not in self._found:
            raise OSError(_ENOENT)
        at, size = self._found[path]
        file = self._files.open(self._path, "rb")
        file.seek(at)
        return ProgramFile(file, size)

    def ilistdir(self, path: str) -> "Iterator[tuple[str, int, int]]":
        """Yield name, kind and inode of the files in a folder."""
        path = path.strip("/")
        for found in sorted(self._found):
            folder, _, name = found.rpartition("/")
            if folder == path:
                yield (name, _FILE, 0)


class ProgramFile(io.IOBase):
    """One file of a version, from its first byte to its last."""

    def __init__(self, file: "Any", left: int) -> None:
        """file: positioned at its first byte. left: its bytes."""
        self._file, self._left = file, left

    def readinto(self, buffer: "Any") -> int:
        """Fill the buffer as far as the file goes; 0 at its end."""
        piece = self._file.read(min(len(buffer), self._left))
        self._left -= len(piece)
        buffer[: len(piece)] = piece
        return len(piece)

    def ioctl(self, request: int, argument: int) -> int:
        """Answer MicroPython's stream protocol; 4 is: close."""
        if request == 4:
            self._file.close()
        return 0
