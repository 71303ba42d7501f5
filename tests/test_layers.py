"""Who may import whom: the table of docs/architecture.md, held by a test."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

MAY_IMPORT = {  # folder: the folders whose modules it may import, beside its own
    "circulation/wire": (),
    "circulation/sync": ("circulation/wire",),
    "circulation": ("circulation/wire", "circulation/sync"),
    "hardware/chips": (),
    "hardware": ("hardware/chips",),
    "firmware/gate": ("circulation/wire", "circulation/sync"),
    "firmware/mcu": ("circulation/wire", "circulation/sync", "firmware/gate", "hardware/chips"),
    "firmware/pi": (
        *("circulation", "circulation/wire", "circulation/sync"),
        *("hardware", "hardware/chips", "firmware/gate", "firmware/mcu"),
    ),
    "firmware": (),
    "kiosk": (
        *("circulation", "circulation/wire", "circulation/sync", "hardware", "hardware/chips"),
    ),
    "gateway": ("circulation", "circulation/wire", "circulation/sync"),
}
MAY_IMPORT["sim"] = MAY_IMPORT["examples"] = (*MAY_IMPORT, "sim")  # everything

# The rules are pure. These few do what touches the world, each one thing.
WORLDLY_MODULES = {
    "circulation/link.py": "speaks MQTT",
    "circulation/journal.py": "keeps the journal of a station in SQLite",
    "circulation/config.py": "reads one file",
    "circulation/gateway_http.py": "opens connections to the gateway's lists",
    "circulation/download.py": "brings a list onto the disk",
    "circulation/export.py": "writes a journal onto a stick, and reads it there",
    "circulation/station_commands.py": "is what stations' programs say at a terminal",
    "circulation/lazy_commands.py": "finds a program's commands",
    "circulation/salvage.py": "saves what a damaged database still holds",
}
WORLDLY_LIBRARIES = frozenset(
    "asyncio ctypes http io logging multiprocessing os paho pathlib queue random secrets select"
    " selectors shutil signal socket sqlite3 ssl subprocess tempfile threading time"
    " tomllib urllib uuid".split()
)


def layer_of(path: str) -> str:
    """Return the longest folder of the table that holds this path or this module."""
    fitting = [layer for layer in MAY_IMPORT if f"{path}/".startswith(f"{layer}/")]
    return max(fitting, key=len, default="")


def imported(source: str) -> Iterator[tuple[int, str]]:
    """Yield each imported module, as a path, with its line."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.replace(".", "/")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import; write the whole path"
            module = str(node.module).replace(".", "/")
            yield from ((node.lineno, f"{module}/{alias.name}") for alias in node.names)


def violations(path: str, source: str) -> list[str]:
    """Return what this file imports against the table, one line each."""
    layer, found = layer_of(path), []
    for line, module in imported(source):
        other, top = layer_of(module), module.split("/", maxsplit=1)[0]
        if top in ("sim", "tests") and layer not in ("sim", "examples"):
            found.append(f"{path}:{line}: only sim/, examples/ and tests/ may import {module}")
        elif other and other != layer and other not in MAY_IMPORT[layer]:
            found.append(f"{path}:{line}: {layer}/ may not import {module}")
        elif (
            layer.startswith("circulation")
            and path not in WORLDLY_MODULES
            and (top in WORLDLY_LIBRARIES or not (other or top in sys.stdlib_module_names))
        ):
            found.append(f"{path}:{line}: {layer}/ is pure and may not import {module}")
    return found


FILES = sorted(
    str(path.relative_to(ROOT)) for top in MAY_IMPORT for path in (ROOT / top).glob("**/*.py")
)


@pytest.mark.parametrize("path", sorted(set(FILES)))
def test_a_module_imports_only_what_its_layer_may(path):
    """Arrows point downwards: no module imports against the table."""
    assert violations(path, (ROOT / path).read_text()) == []


def test_the_table_knows_every_package():
    """A new top-level package must say what it may import."""
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}

    assert packages <= set(MAY_IMPORT)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("circulation/fees.py", "import gateway.store"),
        ("circulation/fees.py", "import time"),
        ("circulation/fees.py", "from pymarc import Record"),
        ("circulation/wire/topics.py", "from circulation import errors"),
        ("circulation/sync/backoff.py", "from circulation.fold import order"),
        ("kiosk/app.py", "from firmware.gate.machine import GateMachine"),
        ("kiosk/app.py", "import sim.world"),
        ("hardware/ports.py", "def open():\n    from circulation import items"),
        ("firmware/gate/machine.py", "import hardware.ports"),
    ],
)
def test_an_import_against_the_table_is_found(path, source):
    """The test of the test: each kind of forbidden import is reported."""
    assert len(violations(path, source)) == 1
