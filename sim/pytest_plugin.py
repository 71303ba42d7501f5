"""Fixtures of the simulator for anybody's tests: `pytest -p sim.pytest_plugin`.

| fixture | gives |
|---|---|
| `clock` | a virtual clock at 0; every fixture below runs on it |
| `world` | an empty library: add kiosks, gates, books and cards |
| `kiosk` `gate` | in `world`, the devices of `kiosk-1`, and of `gate-1` with two lanes |
| `bench` | `world` with both of them, three books and a card |
| `broker` | MQTT in memory: `BusLink(broker, deliver)` is a link to it |
| `site` | a whole house with everything on: gateway, kiosks, gates, forty books |
| `scenario` | plays a scenario on `site`: a file, or its text |
| `sim_pi` | a simulated Raspberry Pi whose `lgpio` and `spidev` are installed for the test |
| `mfrc522` | a chip wired to `sim_pi`: SPI 0.0, reset on GPIO 25 |
| `serial_device` | plugs a simulated serial device in and returns its `sim://` address |
| `keyboard` | a barcode scanner that types: an input device at `keyboard.path` |
| `recording` | replays a recording; what it was not asked is an error at the test's end |
| `sim_seed` | the seed of everything random above; `--sim-seed` repeats it |

Files named `*.scenario` in the folders that are tested are tests as well.

It is opt-in, and made for projects of other people: nothing is registered unless it is named, and
no fixture starts anything before it is asked for.
"""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sim.house.broker import Broker
    from sim.house.clock import HouseClock
    from sim.house.house import House
    from sim.mfrc522.chip import SimMfrc522
    from sim.pi.board import SimPi
    from sim.recording.replay import Replay
    from sim.rooms import SimGate, SimKiosk
    from sim.scenario.play import Report
    from sim.serial.input_events import SimKeyboard
    from sim.world import World

SUFFIX = ".scenario"
SEED_MAX = 2**32


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--sim-seed`."""
    group = parser.getgroup("lendgate simulator")
    group.addoption("--sim-seed", type=int, help="repeat the simulator's chances with this seed")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "ScenarioFile | None":
    """Take each scenario file as a test."""
    if file_path.suffix != SUFFIX:
        return None
    made: ScenarioFile = ScenarioFile.from_parent(parent, path=file_path)
    return made


def seed_of(config: pytest.Config) -> int:
    """Return the seed of `--sim-seed`, else one by chance, the same in the whole run."""
    given = config.getoption("--sim-seed")
    if given is None:
        given = random.SystemRandom().randrange(SEED_MAX)
        config.option.sim_seed = given
    return int(given)


class ScenarioFile(pytest.File):
    """A scenario file: one test."""

    def collect(self) -> Iterator["ScenarioItem"]:
        """Yield the test."""
        yield ScenarioItem.from_parent(self, name=self.path.stem)


class ScenarioItem(pytest.Item):
    """A scenario, played in a house of its own."""

    def runtest(self) -> None:
        """Play it; raises `StepFailed` or `ScenarioInvalid`."""
        from sim.house.house import House
        from sim.scenario.house import HouseStage
        from sim.scenario.play import Player
        from sim.scenario.text import read_scenario

        scenario = read_scenario(self.path)
        with House(seed=seed_of(self.config)) as house:
            Player(scenario, HouseStage(house)).must_succeed()

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        """Return what went wrong in the scenario's own words, with the seed."""
        from sim.errors import SimError

        if isinstance(excinfo.value, SimError):
            return f"{excinfo.value}\n--sim-seed {seed_of(self.config)}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where the test is, and its name."""
        return self.path, 0, f"scenario: {self.name}"


@pytest.fixture
def sim_seed(request: pytest.FixtureRequest) -> int:
    """The seed of the simulator's chances, printed by a failing test."""
    seed = seed_of(request.config)
    print(f"--sim-seed {seed}")  # noqa: T201
    return seed


@pytest.fixture
def clock() -> "HouseClock":
    """A virtual clock: it moves when told, and when somebody sleeps on it."""
    from sim.house.clock import HouseClock

    return HouseClock()


@pytest.fixture
def world(clock: "HouseClock", sim_seed: int) -> "World":
    """An empty library."""
    from sim.world import World

    return World(clock, seed=sim_seed)


@pytest.fixture
def kiosk(world: "World") -> "SimKiosk":
    """The devices of a kiosk: `pad`, `card_reader`, `scanner`, `printer`, two signals."""
    return world.add_kiosk("kiosk-1")


@pytest.fixture
def gate(world: "World") -> "SimGate":
    """The devices of a gate: `lanes`, `siren`, two lamps, a `button`."""
    return world.add_gate("gate-1", lanes=("lane-1", "lane-2"))


@pytest.fixture
def bench(world: "World", kiosk: "SimKiosk", gate: "SimGate") -> "World":
    """A library with a kiosk, a gate, three books and a card."""
    for number, title in enumerate(("Momo", "Krabat", "Dune"), 1):
        world.add_book(f"3000000000{number}", title)
    world.add_card("20000000001", "Anna B.")
    return world


@pytest.fixture
def broker() -> "Broker":
    """A broker in memory."""
    from sim.house.broker import Broker

    return Broker()


@pytest.fixture
def site(clock: "HouseClock", sim_seed: int, tmp_path: Path) -> Iterator["House"]:
    """A whole house, switched on; see `sim/house`."""
    from sim.house.house import House

    with House(seed=sim_seed, folder=tmp_path, clock=clock) as house:
        yield house


@pytest.fixture
def scenario(site: "House") -> Callable[[str | Path], list["Report"]]:
    """Play a scenario on the site; returns its reports, raises `StepFailed`."""
    from sim.scenario.house import HouseStage
    from sim.scenario.play import Player
    from sim.scenario.text import parse_scenario, read_scenario

    def play(what: str | Path) -> list["Report"]:
        read = read_scenario(what) if isinstance(what, Path) else parse_scenario(what)
        player = Player(read, HouseStage(site))
        player.must_succeed()
        return player.reports

    return play


@pytest.fixture
def sim_pi(clock: "HouseClock", monkeypatch: pytest.MonkeyPatch) -> Iterator["SimPi"]:
    """A simulated Raspberry Pi, its modules installed while the test runs.

    Import the driver in the test, not at the top of its file: then it finds this board's modules.
    Meanwhile `time.sleep` lets virtual time pass, at once, so the chip on the wire grows older as
    the driver expects.
    """
    from sim.pi.board import SimPi

    pi = SimPi(clock)
    monkeypatch.setattr("time.sleep", _sleeper(clock))
    with pi.installed():
        yield pi


def _sleeper(clock: "HouseClock") -> Callable[[float], None]:
    """Return a `time.sleep` that moves the clock; what is less than 1 ms is saved up."""
    saved_us = 0

    def sleep(seconds: float) -> None:
        nonlocal saved_us
        saved_us += round(seconds * 1_000_000)
        clock.sleep_ms(saved_us // 1_000)
        saved_us %= 1_000

    return sleep


@pytest.fixture
def mfrc522(clock: "HouseClock", sim_pi: "SimPi") -> "SimMfrc522":
    """An MFRC522 on the Pi's SPI 0.0; lay tags into its `field`."""
    from sim.mfrc522.chip import SimMfrc522

    chip = SimMfrc522(clock)
    sim_pi.wire_mfrc522(chip)
    return chip


@pytest.fixture
def serial_device(request: pytest.FixtureRequest) -> Iterator[Callable[..., str]]:
    """Plug a serial device in: `serial_device(SimPad3M(clock))` returns its address."""
    from sim.serial import url

    names: list[str] = []

    def plug(device: Any, name: str = "") -> str:
        names.append(name or f"device-{id(request.node):x}-{len(names)}")
        return url.plug(names[-1], device)

    yield plug
    for name in names:
        url.remove(name)


@pytest.fixture
def keyboard(clock: "HouseClock", tmp_path: Path) -> Iterator["SimKeyboard"]:
    """A barcode scanner in keyboard mode, at a path like those under /dev/input/by-id."""
    from sim.serial.input_events import SimKeyboard

    device = SimKeyboard(tmp_path / "usb-Scanner-event-kbd", clock)
    yield device
    device.unplug()


@pytest.fixture
def recording(request: pytest.FixtureRequest) -> Iterator[Callable[[str | Path], "Replay"]]:
    """Replay a recording; its path is relative to the test's file."""
    from sim.recording.file import read_recording
    from sim.recording.replay import Replay

    replays: list[Replay] = []

    def begin(file: str | Path) -> Replay:
        replays.append(Replay(read_recording(request.path.parent / file)))
        return replays[-1]

    failed_before = request.session.testsfailed
    yield begin
    for replay in replays:
        if request.session.testsfailed == failed_before:
            replay.finish()
