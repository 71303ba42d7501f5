"""A version of the program as a folder of modules, out of the one file that it lies in.

It is a file system in Python, as MicroPython mounts them (tests/extmod/vfs_userfs.py there):
every import asks its `stat` and its `open`. Nothing is ever written through it.
"""

import io

from circulation.wire.update import PACKAGES, read_entries, read_heading
from firmware.mcu.update import Choice, choose, give_up, manifest_of, path_of
from firmware.mcu.update_state import BASE
from firmware.mcu.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

PLACE = "/program"
TOPS = tuple([package.partition("/")[0] for package in PACKAGES])
_FOLDER, _FILE = 0x4000, 0x8000
_ENOENT, _EROFS = 2, 30


def start(files: "Any", modules: "dict[str, Any]", vfs: "Any") -> Choice:
    """Choose a version, and let it be what is imported from now on; never raise.

    A version on trial that cannot even be imported has failed: it must not be confirmed because
    the base, which then guards, had a good sync. modules: `sys.modules`. vfs: the module.
    """
    choice = Choice(BASE, VERSION, False, "")
    try:
        choice = choose(files)
        if choice.slot != BASE:
            program = ProgramFiles(files, path_of(choice.slot))
            vfs.mount(program, PLACE)
            replace(program, modules)
            _hand_over(choice.slot, modules, vfs)
        _tell(choice, modules)
    except Exception as error:  # whatever it is: the base guards
        forget(modules, 0)
        choice = Choice(BASE, VERSION, False, f"{type(error).__name__}: {error}")
        _tell(choice, modules)
        _fail_trial(files)
    return choice


def _hand_over(slot: int, modules: "dict[str, Any]", vfs: "Any") -> None:
    """Let what is mounted be of the program that runs: what it is of stays in the heap."""
    __import__("firmware.mcu.program")
    files = modules["firmware.mcu.update"].DeviceFiles()
    vfs.umount(PLACE)
    vfs.mount(modules["firmware.mcu.program"].ProgramFiles(files, path_of(slot)), PLACE)


def _tell(choice: Choice, modules: "dict[str, Any]") -> None:
    """Tell the program that runs from now on what was chosen; this one is forgotten."""
    __import__("firmware.mcu.version")
    modules["firmware.mcu.version"].tell(choice, VERSION)


def _fail_trial(files: "Any") -> None:
    try:
        give_up(files)
    except OSError:  # a flash that takes nothing: its tries run out
        return


def forget(modules: "dict[str, Any]", dots: int) -> None:
    """Let modules of ours with more dots than that in their names be imported anew."""
    for name in list(modules):
        if name.partition(".")[0] in TOPS and name.count(".") > dots:
            del modules[name]


def replace(program: "ProgramFiles", modules: "dict[str, Any]", place: str = PLACE) -> None:
    """Let what this version brings be imported from there in place of the base's.

    Whole packages first: no `__init__` of ours imports anything. Then single modules, in their
    order, so that each finds those it needs, of this version or of the base. Everything that was
    imported before is forgotten, as it may have met the base's.
    """
    forget(modules, 1)
    whole = program.packages()
    for package in whole:
        name = package.replace("/", ".")
        modules.pop(name, None)
        _import_from(name, f"{place}/{package.partition('/')[0]}", modules, program)
    for path in program.paths():
        package, _, file = path.rpartition("/")
        if package not in whole:
            name = package.replace("/", ".")
            __import__(name)
            _import_from(
                f"{name}.{file.rpartition('.')[0]}", f"{place}/{package}", modules, program
            )


def _import_from(
    name: str, place: str, modules: "dict[str, Any]", program: "ProgramFiles"
) -> None:
    """Import one module from a folder; what it imports itself comes from where it always does."""
    above = name.rpartition(".")[0]
    __import__(above)
    parent = modules[above]
    before = parent.__path__

    def back() -> None:
        parent.__path__ = before

    parent.__path__ = place
    program.on_read = back  # read as a whole, and not yet run
    try:
        __import__(name)
    finally:
        back()
        program.on_read = _nothing


def _nothing() -> None:
    return


class ProgramFiles:
    """The files of one version. on_read: called when one of them has been read and closed."""

    def __init__(self, files: "Any", path: str) -> None:
        """files, path: where it lies. Raise OSError or UpdateRefused if it cannot be read."""
        self._files, self._path = files, path
        self.on_read: Callable[[], None] = _nothing
        self._paths: list[str] = []
        self._found: dict[str, tuple[int, int]] = {}
        with files.open(path, "rb") as file:
            lines = manifest_of(file)
            at = file.tell() + lines.left
            _, line = read_heading(lines.readline)
            for entry in read_entries(line, lines.readline):
                self._found[entry.path] = (at, entry.size)
                self._paths.append(entry.path)
                at += entry.size

    def paths(self) -> "list[str]":
        """Return its files, in the order in which they are to be imported."""
        return self._paths

    def packages(self) -> "list[str]":
        """Return which packages it brings as a whole: those with their `__init__`."""
        begun = [path.rpartition("/")[0] for path in self._paths if "/__init__." in path]
        return [package for package in PACKAGES if package in begun]

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
        return ProgramFile(file, size, self)

    def ilistdir(self, path: str) -> "Iterator[tuple[str, int, int]]":
        """Yield name, kind and inode of the files in a folder."""
        path = path.strip("/")
        for found in sorted(self._found):
            folder, _, name = found.rpartition("/")
            if folder == path:
                yield (name, _FILE, 0)


class ProgramFile(io.IOBase):
    """One file of a version, from its first byte to its last."""

    def __init__(self, file: "Any", left: int, program: ProgramFiles) -> None:
        """file: positioned at its first byte. left: its bytes. program: what it belongs to."""
        self._file, self._left, self._program = file, left, program

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
            self._program.on_read()
        return 0
