"""Updates for microcontrollers: made and signed here, checked by `firmware/mcu/update_install.py`.

A private key is 32 random bytes in a file that only its owner may read; it is never printed, and
best kept on a stick in a drawer. The public key is what devices are told; it is no secret.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import io
import os
import secrets
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from circulation.wire.update import (
    KINDS,
    MAGIC,
    MANIFEST_BYTES_MAX,
    PACKAGES,
    UpdateRefused,
    board_format,
    check_manifest,
)
from firmware.mcu.ed25519 import KEY_BYTES, is_public_key, public_key_of, sign, verify
from firmware.mcu.update import key_id
from firmware.mcu.update_install import BYTECODE
from firmware.pi.errors import SigningFailed

SOURCES = Path(__file__).parents[2]
HEADLINE = "lendgate signing key, keep it secret: "


def new_signing_key(path: Path) -> bytes:
    """Write a new private key, return its public one; a file that is there stays.

    Raises SigningFailed.
    """
    private = secrets.token_bytes(KEY_BYTES)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            os.fchmod(file.fileno(), 0o600)  # whatever the umask says
            file.write(f"{HEADLINE}{private.hex()}\n")
    except FileExistsError:
        raise SigningFailed(f"{path} is there already; a key is never written over") from None
    except OSError as error:
        raise SigningFailed(f"{path}: cannot be written: {error.strerror}") from error
    return public_key_of(private)


def read_signing_key(path: Path) -> bytes:
    """Return a private key; raise SigningFailed, also if others may read its file."""
    try:
        with path.open(encoding="ascii") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(256).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SigningFailed(f"{path}: cannot be read as a signing key") from error
    if mode & 0o077:
        raise SigningFailed(f"{path}: others may read it; say: chmod 600 {path}")
    digits, private = text.removeprefix(HEADLINE), b""
    with contextlib.suppress(ValueError):
        private = bytes.fromhex(digits)
    if not text.startswith(HEADLINE) or len(private) != KEY_BYTES:
        raise SigningFailed(f"{path}: is no signing key; lendgate-gate new-signing-key makes one")
    return private


def read_public_key(text: str) -> bytes:
    """Return a public key written as 64 digits; raise SigningFailed."""
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if not is_public_key(key):
        raise SigningFailed(f"{text[:70]!r} is no public key of 64 hexadecimal digits")
    return key


@dataclass(frozen=True, slots=True)
class Release:
    """What an update says of its files.

    minimum: the oldest version that may still run afterwards. base: 0 for the whole program, else
    the flashed version on which these packages and modules build. board: the only one it is for,
    as `firmware/mcu/boards.py` calls it; empty for all. trusted: the public keys that count from
    then on.
    """

    version: int
    minimum: int
    base: int = 0
    board: str = ""
    trusted: Sequence[bytes] = ()


def sign_update(folder: Path, private: bytes, release: Release) -> bytes:
    """Return the update that makes a device run the program in this folder.

    folder: with `firmware/gate` and so on in it, as `make firmware` leaves it. Raises
    SigningFailed for what no device would take.
    """
    files = _files(folder)
    if release.base:
        files = {name: files[name] for name in in_order_of_import(files)}
    text = _manifest(files, release)
    try:
        check_manifest(io.BytesIO(text).readline)
    except UpdateRefused as error:
        raise SigningFailed(f"{folder}: no device would take it: {error}") from error
    if len(text) > MANIFEST_BYTES_MAX:
        raise SigningFailed(f"{folder}: too many files")
    digest, public = hashlib.sha256(text).digest(), public_key_of(private)
    signature = sign(private, digest)
    if not verify(public, digest, signature):
        raise SigningFailed("the signature cannot be verified; is this computer well?")
    header = MAGIC + key_id(public) + signature + len(text).to_bytes(2, "big")
    return header + text + b"".join(files.values())


def in_order_of_import(names: Iterable[str], sources: Path = SOURCES) -> list[str]:
    """Return these files so that each stands behind all that it imports, directly or not.

    sources: of this program. Raises SigningFailed for a file that has none there.
    """
    wanted = {name.rpartition(".")[0]: name for name in sorted(names)}
    done: list[str] = []
    seen: set[str] = set()

    def visit(stem: str) -> None:
        if stem in seen:
            return
        seen.add(stem)
        for needed in _imports(sources / f"{stem}.py", sources):
            visit(needed)
        if stem in wanted:
            done.append(wanted[stem])

    for stem in wanted:
        visit(stem)
    return done


def _imports(path: Path, sources: Path) -> list[str]:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError) as error:
        raise SigningFailed(f"{path}: this program has no such module") from error
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    modules = [
        module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node not in for_types and node.module
        for module in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
    ]
    stems = [module.replace(".", "/") for module in modules]
    return [stem for stem in stems if (sources / f"{stem}.py").is_file()]


def _manifest(files: dict[str, bytes], release: Release) -> bytes:
    lines = ["lendgate-update 1", f"version {release.version}", f"minimum {release.minimum}"]
    lines += [f"base {release.base}"] if release.base else []
    lines += [f"board {board_format(release.board, _bytecode(files))}"] if release.board else []
    lines += [f"trust {key.hex()}" for key in release.trusted]
    for name, content in files.items():
        lines.append(f"file {name} {len(content)} {hashlib.sha256(content).hexdigest()}")
    return ("\n".join(lines) + "\n").encode()


def _bytecode(files: dict[str, bytes]) -> int:
    """Return the version of the compiled files, the same for all; raise SigningFailed."""
    found = {content[1] for name, content in files.items() if name.endswith("mpy") and content[1:]}
    if len(found) > 1:
        raise SigningFailed(f"compiled by several compilers, of versions {sorted(found)}")
    return found.pop() if found else BYTECODE


def _files(folder: Path) -> dict[str, bytes]:
    """Return what an update replaces, in the order of the manifest."""
    found = {
        str(path.relative_to(folder)): path
        for package in PACKAGES
        for path in (folder / package).glob("*")
        if path.suffix.removeprefix(".") in KINDS
    }
    if not found:
        raise SigningFailed(f"{folder}: nothing of the gate's program is there; see make firmware")
    ordered = sorted(found, key=lambda name: name.rpartition(".")[0])
    try:
        return {name: found[name].read_bytes() for name in ordered}
    except OSError as error:
        raise SigningFailed(f"{folder}: cannot be read: {error.strerror}") from error
