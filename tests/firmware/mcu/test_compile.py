"""What a board is given: every file that the program needs, compiled, and within its budget."""

import ast
import json
from pathlib import Path

import pytest

from circulation.wire.update import PACKAGES
from firmware.compile import BUDGETS, Budget, compile_all, find_compiler, manifest_files, table
from firmware.mcu.ed25519 import public_key_of
from firmware.mcu.update import choose, trust
from firmware.mcu.update_install import Install
from firmware.pi.signing import Release, sign_update
from tests.firmware.mcu.both.test_update import DEVICE, Flash

ROOT = Path(__file__).parents[3]
OURS = ("circulation", "firmware", "hardware")


def seen_only_by_the_type_checker(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            yield from (inner for statement in node.body for inner in ast.walk(statement))


def imported(path):
    """Yield the files of ours that a file imports when it runs, wherever in it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    unseen = set(seen_only_by_the_type_checker(tree))
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.ImportFrom) and node not in unseen:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import) and node not in unseen:
            names = [alias.name for alias in node.names]
        for name in names:
            file = ROOT / (name.replace(".", "/") + ".py")
            if name.partition(".")[0] in OURS and file.exists():
                yield file


def needed():
    """Return every file that boot.py and main.py reach, and the packages they lie in."""
    found, waiting = set(), [ROOT / "firmware/mcu/boot.py", ROOT / "firmware/mcu/main.py"]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        waiting += imported(path)
        above = path.parent
        while above != ROOT:
            waiting.append(above / "__init__.py")
            above = above.parent
    return found


def test_what_is_frozen_is_what_the_program_imports():
    """No file is missing, none is there for nothing, and each exists."""
    frozen = set(manifest_files().values())

    assert sorted(str(path.relative_to(ROOT)) for path in needed() - frozen) == []
    assert sorted(str(path.relative_to(ROOT)) for path in frozen - needed()) == []
    assert [path for path in frozen if not path.is_file()] == []


def test_mip_installs_what_is_frozen():
    """package.json names the same files, at the same places, by paths relative to itself."""
    package = json.loads((ROOT / "firmware/package.json").read_text())
    urls = dict(package["urls"])

    frozen = {name: path for name, path in manifest_files().items() if "/" in name}
    assert {name: (ROOT / "firmware" / url).resolve() for name, url in urls.items()} == frozen
    assert len(urls) == len(package["urls"])
    assert package["deps"] == [["umqtt.simple", "1.8.0"]]


def test_what_starts_lies_at_the_top():
    """A board looks for boot.py and main.py there and nowhere else."""
    files = manifest_files()

    assert [name for name in files if "/" not in name] == ["boot.py", "main.py"]


def test_an_update_replaces_only_packages_of_the_manifest():
    """What an update may bring is what was frozen below the three names."""
    frozen = {name.rpartition("/")[0] for name in manifest_files()} - {"", *OURS}

    assert frozen == set(PACKAGES)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Everything, compiled, and the sizes."""
    target = tmp_path_factory.mktemp("firmware")
    return target, compile_all(manifest_files(), target, find_compiler())


def test_everything_compiles_and_fits(compiled):
    """MicroPython's compiler takes every file, and each board has room for all of it."""
    target, sizes = compiled
    lines, fits = table(sizes)

    assert fits, "\n".join(lines)
    assert (target / "boot.py").is_file()
    assert len(sizes) == len(list(target.glob("**/*.mpy"))) == len(manifest_files()) - 2


def test_a_program_too_large_fails():
    """One byte beyond a board's flash, or a file beyond what a heap loads at once, is too many."""
    small = (Budget("small", flash=100, update=80),)

    assert table({"a/b.py": 100}, small)[1]
    assert table({"a/b.py": 60, "a/c.py": 41}, small) == (
        [
            "package              files    bytes   as an update it runs on",
            "a                        2      101   –",
            "in all                   2      101",
            "small: 101 % of 100 bytes of flash: 1 bytes too many",
        ],
        False,
    )
    assert not table({"a/b.py": 16_385}, BUDGETS)[1]


def test_a_file_that_micropython_cannot_compile_is_named(tmp_path):
    """What only CPython understands is found before a board meets it."""
    bad = tmp_path / "bad.py"
    bad.write_text("def f(a, /):\n    pass\n")

    with pytest.raises(SystemExit, match=r"firmware/bad.py: MicroPython cannot compile it"):
        compile_all({"firmware/bad.py": bad}, tmp_path / "out", find_compiler())


def test_what_was_compiled_can_be_signed_and_installed(compiled):
    """The decisions alone, as an update of one package: from the compiler to a device's trial."""
    target, _ = compiled
    parts = target / "part/firmware/gate"
    parts.mkdir(parents=True, exist_ok=True)
    for path in (target / "firmware/gate").glob("*.mpy"):
        (parts / path.name).write_bytes(path.read_bytes())
    private, flash, at = bytes(32), Flash(), 0
    trust(flash, [public_key_of(private)])

    content = sign_update(target / "part", private, Release(version=2, minimum=1, base=1))
    incoming = Install(flash, choose(flash), DEVICE)
    while at < len(content):
        at += incoming.feed(content[at : at + 512])
    while incoming.finish() is None:
        pass

    assert choose(flash)[:3] == (1, 2, True)
