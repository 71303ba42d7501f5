"""The simulated board: its fakes look like the boards', and behave like them on a real VM."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from hardware.clock import SystemClock
from sim.mcu.board import Board, Wires
from sim.mcu.fake.board_wire import ADDRESS
from sim.mcu.process import McuProcess, lay_out_device
from sim.mcu.station import gate_wires, world_gate
from sim.mfrc522.breakout import SimBreakout
from sim.pins import SimInput, SimOutput
from sim.world import World
from tests.firmware.mcu.vm_gate import MOMO, STATION, UIDS, config
from tests.support.programs import wait_until

ROOT = Path(__file__).parents[3]
BOARDS = ("rp2", "esp32")
TYPINGS = ROOT / ".venv/typings"
OURS = {  # of the fake alone, called by the wire and by nobody else
    "machine": {"Pin.changed", "UART.received", "Timer.look"},
    "network": set(),
    "time": set(),
}
CONSTANTS_OURS = {"RESET_EXIT", "UART_OPTIONS", "SPI_OPTIONS", "TYPE_CHECKING"}


def signatures(tree):
    """Yield each public function and method with all the forms it is published in."""
    found = {}
    for node in tree.body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        before = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
        for one in inner:
            if isinstance(one, ast.FunctionDef):
                found.setdefault(before + one.name, []).append(one.args)
    return {
        name: forms
        for name, forms in found.items()
        if not name.rpartition(".")[2].startswith("_") or name.endswith("__init__")
    }


def places(args):
    """Return the names that may be given by their place."""
    names = [one.arg for one in (*args.posonlyargs, *args.args)]
    return names[1:] if names[:1] == ["self"] else names


def by_name(args):
    """Return the names that may be given as keywords, with their defaults."""
    pairs = zip(args.kwonlyargs, args.kw_defaults, strict=True)
    return {one.arg: ast.unparse(default) if default else "" for one, default in pairs}


def differences(ours, published, extra):
    """Return how one function of the fake differs from every published form of it."""
    known = set().union(*(set(by_name(form)) | set(places(form)) for form in published))
    if any(form.vararg or form.kwarg for form in published):
        return []
    found = [f"{name} is no parameter" for name in by_name(ours) if name not in known]
    longest = max((places(form) for form in published), key=len)
    if places(ours) != longest[: len(places(ours))]:
        found.append(f"takes {places(ours)}, published is {longest}")
    if ours.kwarg is not None:
        found += [f"{name} is no parameter" for name in extra if name not in known]
    for name, default in by_name(ours).items():
        others = {by_name(form).get(name, "...") for form in published}
        if not others & {"...", default, ""} and default not in ("0", "False", "None"):
            found.append(f"{name} is {default}, published is {sorted(others)}")
    return found


def fake_differences(module, board, source):
    """Return everything in a fake that the stub of a board does not publish."""
    fake = ast.parse(source)
    stub = TYPINGS / board / f"{module}.pyi"
    published = signatures(ast.parse(stub.read_text()))
    extra = []
    for node in fake.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "").endswith("OPTIONS"):
            extra += ast.literal_eval(node.value.func.value).split()
    found = []
    for name, (ours, *_) in signatures(fake).items():
        if name in OURS[module]:
            continue
        if name not in published:
            found.append(f"{name}: there is no such thing")
            continue
        # A class takes options through its own list; each list belongs to one class.
        given = [one for one in extra if name.startswith(("UART", "SPI"))]
        known = set().union(*(set(by_name(form)) for form in published[name]))
        extras = [one for one in given if one in known or name == "?"]
        found += [f"{name}: {one}" for one in differences(ours, published[name], extras)]
    return found


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("module", ["machine", "network"])
def test_the_fake_has_the_signatures_of_the_board(module, board):
    """Names, places and defaults of parameters are those of the published stubs."""
    source = (ROOT / f"sim/mcu/fake/{module}.py").read_text()

    assert fake_differences(module, board, source) == []


@pytest.mark.parametrize("board", BOARDS)
def test_the_constants_of_the_fake_exist_on_the_board(board):
    """A program that names one finds it there too; its number is each board's own."""
    stub = (TYPINGS / board / "machine.pyi").read_text()
    fake = ast.parse((ROOT / "sim/mcu/fake/machine.py").read_text())

    names = set()
    for node in ast.walk(fake):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            names.add(node.targets[0].id)
    constants = {name for name in names if name.isupper()} - CONSTANTS_OURS
    assert len(constants) > 10
    assert [name for name in sorted(constants) if f"{name}:" not in stub] == []


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("class Pin:\n    def blink(self): pass", "Pin.blink: there is no such thing"),
        ("class WDT:\n    def __init__(self, *, after_ms=1): pass", "after_ms is no parameter"),
        ("class WDT:\n    def __init__(self, *, timeout=9): pass", "timeout is 9"),
        ("class UART:\n    def readinto(self, size, buf): pass", "takes ['size', 'buf']"),
    ],
)
def test_an_invented_signature_is_found(source, problem):
    """The test of the test: another name, place or default is reported."""
    (found,) = fake_differences("machine", "rp2", source)

    assert problem in found


class Backwards:
    """A serial device that sends back what it hears, the last byte first."""

    def __init__(self):
        self._waiting = b""

    def receive(self, data):
        self._waiting += data[::-1]

    def take(self, limit=None):
        taken, self._waiting = self._waiting, b""
        return taken


@pytest.fixture
def echo(tmp_path):
    """A board with one of everything, and a program that uses each and then hangs."""
    clock = SystemClock()
    main = ROOT / "tests/firmware/mcu/programs/echo_board.py"
    code = lay_out_device(tmp_path / "code", main=main)
    wires = Wires(
        inputs={"10": SimInput(clock)},
        outputs={"16": SimOutput(clock, max_on_ms=30_000)},
        ports={"0": Backwards()},
        buses={"0": SimBreakout(clock)},
    )
    process = McuProcess(tmp_path / "flash", wires, clock=clock, code=code)
    yield process
    process.close()


@pytest.mark.needs("micropython")
def test_a_program_uses_every_device_of_the_board(echo):
    """Pins with hard interrupts, a port, a bus with a chip, the radio: all from MicroPython."""
    wires, board = echo.board.wires, echo.board
    wait_until("the program feeds", lambda: board.fed > 2)
    assert wires.outputs["16"].state
    wires.inputs["10"].drive(True)
    wires.inputs["10"].drive(False)

    wait_until("the lamp", lambda: board.levels.get("LED"), 1)
    assert board.problems == ["said olleh version 146 cause 1"]
    assert echo.said() == ""


@pytest.mark.needs("micropython")
def test_a_program_that_hangs_is_reset_with_its_outputs_off(echo):
    """Half a second without food: every pin is let go, and the program begins anew."""
    wait_until("the program feeds", lambda: echo.board.fed > 2)
    siren = echo.board.wires.outputs["16"]
    echo.board.wires.inputs["10"].drive(True)
    echo.board.wires.inputs["10"].drive(False)
    echo.board.wires.inputs["10"].drive(True)
    wait_until("a second life", lambda: echo.starts, 2)

    assert [state for _, state in siren.history][:2] == [True, False]
    wait_until("a program that feeds", lambda: siren.state)


@pytest.mark.needs("micropython")
def test_a_program_that_crashes_leaves_its_pins_until_the_watchdog_bites(echo):
    """As on a board: nobody but the watchdog notices that a program has ended."""
    wait_until("the program feeds", lambda: echo.board.fed > 2)
    assert echo.board.resets == 0
    echo.kill()

    wait_until("a second life", lambda: echo.starts, 2)
    assert echo.board.resets == 1


@pytest.mark.needs("micropython")
def test_a_power_cut_is_silence_at_once(echo):
    """Without power nothing sounds; with it back the program begins anew."""
    wait_until("the siren", lambda: echo.board.wires.outputs["16"].state)
    echo.board.power_cycle()

    states = [state for _, state in echo.board.wires.outputs["16"].history]
    assert states[:2] == [True, False]
    wait_until("a second life", lambda: echo.starts, 2)


def test_where_no_vm_is_to_be_had_the_same_files_run_on_this_python(tmp_path):
    """The fallback of the demo: the firmware detects, and sounds the siren, on CPython too."""
    clock = SystemClock()
    world = World(clock)
    gate = world.add_gate(STATION, wired=True)
    world.add_book(MOMO, "Momo", owner="DE-1", uid=UIDS[MOMO])
    values = config(broker_port=1)
    (tmp_path / "config.json").write_text(json.dumps(values))
    board = Board(gate_wires(values, world_gate(gate)), clock=clock)
    environment = {"PYTHONPATH": str(ROOT), ADDRESS: str(board.port)}
    program = subprocess.Popen(
        [sys.executable, "-m", "sim.mcu.on_cpython"], cwd=tmp_path, env=environment
    )
    try:
        wait_until("the gate detects", lambda: board.fed > 20)
        world.walk(STATION, "lane-1", "out", [MOMO])

        wait_until("the siren", lambda: gate.siren.state)
    finally:
        program.kill()
        program.wait()
        board.close()
