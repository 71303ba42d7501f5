"""A program for microcontrollers on its way: one row of bytes, and what it says of itself.

    LGU1 | first 8 bytes of the key's SHA-256 | signature (64) | bytes of the manifest (2) |
    manifest | the files in its order

The manifest is what is signed, an Ed25519 signature of its SHA-256:

    lendgate-update 1
    version 7                       of the program; only a higher one is ever installed
    minimum 5                       once confirmed, nothing older runs again
    base 3                          only if it is not the whole program: on which one it builds
    board pico-w-6                  only for this board and bytecode; without it for every one
    trust 3d4017c3…                 0 to 2 public keys that count once this is confirmed
    file firmware/gate/judge.mpy 4312 9f86d081…   path, bytes, SHA-256

Files are ascending by path. With a base they stand in the order in which they are imported: a
package that comes with its `__init__` is replaced as a whole, else the modules that are named.

Laws:
- The grammar is strict: these lines in this order, one space between words, a line feed after
  each. A line nobody knows, or a path twice, is refused.
- A path lies in one of `PACKAGES`, in small letters; so none leads out of its folder, and none
  replaces what chooses between versions.
- What is signed is the SHA-256 of these bytes as they are; nothing is parsed and written anew.
- It is read a line at a time: a manifest of any length takes the memory of one line.
- Whoever passes it on reads it by these rules too; only devices and their owners know of keys.

    ValueError
    └── UpdateRefused   the update is not taken; what runs goes on
"""

from binascii import unhexlify
from collections import namedtuple

from circulation.wire.check import Name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAGIC = b"LGU1"
KEY_ID_BYTES = 8
HEADER_BYTES = 4 + KEY_ID_BYTES + 64 + 2
HEADLINE = b"lendgate-update 1\n"
MANIFEST_BYTES_MAX = 16_384
LINE_BYTES_MAX = 160
PATH_CHARS_MAX = 64
FILES_MAX = 128
FILE_BYTES_MAX = 32_768
"""More in one piece is more than a microcontroller's heap holds."""
PACKAGE_BYTES_MAX = 256 * 1_024
"""All files of one version: the whole program has some 215 KB."""
VERSION_MAX = (1 << 30) - 1
PROGRAM_BYTES_MAX = HEADER_BYTES + MANIFEST_BYTES_MAX + PACKAGE_BYTES_MAX
TRUSTED_MAX = 2

PACKAGES = (
    "circulation/sync",
    "circulation/wire",
    "firmware/gate",
    "firmware/mcu",
    "hardware/chips",
)
"""What an update replaces; the names above them stay with the base."""
KINDS = ("mpy", "py")

_is_board = Name(32)
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789_"
_HEX = "0123456789abcdef"


class UpdateRefused(ValueError):
    """This update is not taken; the text says why. What runs goes on."""


class Entry(namedtuple("Entry", ("path", "size", "digest"))):
    """One file: where in the folder, its bytes, and the SHA-256 of them."""


class Heading(namedtuple("Heading", ("version", "minimum", "base", "board", "trusted"))):
    """What stands above the files. base: 0 if it is the whole program. board: see `board_format`,
    empty for every board. trusted: public keys.
    """


def board_format(board: str, bytecode: int) -> str:
    """Return what updates call a board with this version of compiled files.

    >>> board_format("pico_w", 6)
    'pico-w-6'
    """
    return f"{board.replace('_', '-')}-{bytecode}"


def manifest_bytes(header: bytes) -> int:
    """Return how many bytes the manifest behind this header has; raise UpdateRefused."""
    size = int.from_bytes(header[-2:], "big")
    if len(header) != HEADER_BYTES or header[:4] != MAGIC or not 0 < size <= MANIFEST_BYTES_MAX:
        raise UpdateRefused("update: this is no update")
    return size


def read_heading(read_line: "Callable[[int], bytes]") -> "tuple[Heading, bytes]":
    """Return the heading and the first line behind it; raise UpdateRefused."""
    if read_line(LINE_BYTES_MAX) != HEADLINE:
        raise UpdateRefused("update: no manifest of this kind")
    version = _number(_words(read_line(LINE_BYTES_MAX), "version", 1)[0], VERSION_MAX)
    minimum = _number(_words(read_line(LINE_BYTES_MAX), "minimum", 1)[0], VERSION_MAX)
    line, base, board, trusted = read_line(LINE_BYTES_MAX), 0, "", []
    if line.startswith(b"base "):
        base = _number(_words(line, "base", 1)[0], VERSION_MAX)
        line = read_line(LINE_BYTES_MAX)
        if base == 0:
            raise UpdateRefused("update: base 0 is none")
    if line.startswith(b"board "):
        board = _words(line, "board", 1)[0]
        line = read_line(LINE_BYTES_MAX)
        if _is_board(board) is not None:
            raise UpdateRefused("update: a board is named as pico-w-6 is")
    while line.startswith(b"trust "):
        trusted.append(_digest(_words(line, "trust", 1)[0]))
        line = read_line(LINE_BYTES_MAX)
    if version == 0 or minimum > version:
        raise UpdateRefused(f"update: version {version} with minimum {minimum}")
    if len(trusted) > TRUSTED_MAX or len(set(trusted)) != len(trusted):
        raise UpdateRefused(f"update: more than {TRUSTED_MAX} keys, or one twice")
    return Heading(version, minimum, base, board, trusted), line


def read_entries(line: bytes, read_line: "Callable[[int], bytes]") -> "Iterator[Entry]":
    """Yield each file, from its first line on; raise UpdateRefused at the one that is wrong."""
    count = 0
    while line:
        path, size, digest = _words(line, "file", 3)
        _check_path(path)
        count += 1
        if count > FILES_MAX:
            raise UpdateRefused(f"update: more than {FILES_MAX} files")
        yield Entry(path, _number(size, FILE_BYTES_MAX), _digest(digest))
        line = read_line(LINE_BYTES_MAX)


def check_manifest(
    read_line: "Callable[[int], bytes]", bytes_max: int = PACKAGE_BYTES_MAX
) -> "tuple[Heading, int, int]":
    """Return the heading, how many files there are and their bytes; raise UpdateRefused.

    Without a base every one of `PACKAGES` must be there with its `__init__`.
    """
    heading, line = read_heading(read_line)
    total, before = 0, ""
    stems: set[str] = set()
    for entry in read_entries(line, read_line):
        stem = entry.path.rpartition(".")[0]
        if stem in stems or (stem < before and not heading.base):
            raise UpdateRefused(f"update: {entry.path} stands twice or out of order")
        stems.add(stem)
        before, total = stem, total + entry.size
        if total > bytes_max:
            raise UpdateRefused(f"update: more than {bytes_max} bytes")
    begun = [package for package in PACKAGES if f"{package}/__init__" in stems]
    if not stems or (not heading.base and len(begun) != len(PACKAGES)):
        raise UpdateRefused("update: neither the whole program nor the name of its base")
    return heading, len(stems), total


def _check_path(path: str) -> None:
    package, _, name = path.rpartition("/")
    stem, _, kind = name.rpartition(".")
    named = stem and not [letter for letter in stem if letter not in _LETTERS]
    if package not in PACKAGES or kind not in KINDS or not named or len(path) > PATH_CHARS_MAX:
        raise UpdateRefused(f"update: {path[:PATH_CHARS_MAX]} is no place for a file")


def _words(line: bytes, kind: str, count: int) -> "list[str]":
    """Return the words behind the first, which names the kind of line."""
    text = ""
    if line.endswith(b"\n") and not [byte for byte in line[:-1] if not 32 <= byte < 127]:
        text = line[:-1].decode()
    words = text.split(" ")
    if words[0] != kind or len(words) != count + 1 or "" in words:
        raise UpdateRefused(f"update: a line with `{kind}` was expected")
    return words[1:]


def _number(word: str, maximum: int) -> int:
    is_plain = len(word) <= 10 and word.isdigit() and (word == "0" or word[0] != "0")
    if not is_plain or int(word) > maximum:
        raise UpdateRefused(f"update: {word[:16]} is not a number from 0 to {maximum}")
    return int(word)


def _digest(word: str) -> bytes:
    if len(word) != 64 or [letter for letter in word if letter not in _HEX]:
        raise UpdateRefused("update: not 64 hexadecimal digits")
    return unhexlify(word)
