"""A whole library in one process, to play a bad day in and to recover from it by the page."""

import contextlib
import shutil
from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner

from firmware.pi.__main__ import main as gate_program
from gateway import lineage
from gateway.__main__ import main as gateway_program
from kiosk.__main__ import main as kiosk_program
from sim.demo_files import LIBRARY
from sim.house.house import KEYS, House
from sim.world import World
from tests.project import ROOT

PAGE = (ROOT / "docs/recovery.md").read_text(encoding="utf-8")
PROGRAMS = {
    "lendgate-kiosk": kiosk_program,
    "lendgate-gate": gate_program,
    "lendgate-gateway": gateway_program,
}

MOMO, DUNE, HOBBIT = "30715000000015", "30715000000262", "30715000000056"
LENA, EMIL = "20715000000017", "20715000000025"
KIOSK, GATE = "kiosk-1", "gate-1"
AWAY_MS = 3_600


class BadDay:
    """A house with the verbs of these stories; `house` is the house itself."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.world: World = house.world
        self.gateway = house.gateway
        self.folder = house.folder
        self.config = self.folder / "gateway.toml"
        self.config.write_text(
            f'library = "{LIBRARY}"\ndatabase = "gateway.db"\n'
            f'site_key = "{KEYS.site_key}"\ncard_key = "{KEYS.card_key}"\n'
            "[broker]\n[web]\nport = 1\n"
        )

    def run(self, ms: int = 1_000) -> None:
        """Let time pass, and the gateway do what it does every few seconds."""
        for _ in range(max(1, ms // 1_000)):
            self.house.run(min(ms, 1_000))
            lineage.settle(self.gateway.store, LIBRARY)

    def until(self, what: Callable[[], bool], within_s: int = 60) -> None:
        """Let time pass until something is so; fails when it does not come about."""
        for _ in range(within_s):
            if what():
                return
            self.run()
        raise AssertionError(f"not so within {within_s} s")

    def catch_up(self) -> None:
        """Let time pass until the kiosk is online and has brought everything."""
        kiosk = self.house.kiosks[KIOSK]
        self.until(lambda: kiosk.view.get("online") and self.waiting() == 0)

    def bring_all_back(self) -> None:
        """Give the kiosk its power, and wait until the gateway has heard everybody out."""
        if not self.house.kiosks[KIOSK].powered:
            self.house.restore_power(KIOSK)
        self.until(lambda: self.gateway.board.board().recovered)

    def lend(self, book: str, card: str = LENA, kiosk: str = KIOSK) -> str:
        """Show a card, lay a book on the pad; return what its tile says, and clear the table."""
        self.world.move(card, f"{kiosk}/card")
        self.house.run(800)
        self.world.move(book, f"{kiosk}/pad")
        self.house.run(2_000)
        said = self._tile(kiosk)
        self._leave(kiosk, card, book)
        return said

    def take_back(self, book: str, kiosk: str = KIOSK) -> str:
        """Return a book; return what its tile says."""
        if self.house.kiosks[kiosk].view["state"] == "idle":
            self.house.kiosks[kiosk].press("mode", mode="return")
        self.world.move(book, f"{kiosk}/pad")
        self.house.run(2_000)
        said = self._tile(kiosk)
        self._leave(kiosk, None, book)
        return said

    def walk_out(self, book: str, gate: str = GATE) -> bool:
        """Carry a book out; return whether the siren sounded, and quiet it."""
        siren = self.world.gates[gate].siren
        before = len([state for _, state in siren.history if state])
        self.world.walk(gate, "lane-1", "out", [book])
        self.house.run(3_000)
        self.world.press(gate)
        self.house.run(2_000)
        return len([state for _, state in siren.history if state]) > before

    def state(self, book: str) -> str | None:
        """What the gateway says of a book."""
        return self.gateway.item_state(book)

    def states(self, *books: str) -> list[str | None]:
        """What the gateway says of several books."""
        return [self.state(book) for book in books]

    def diary(self, code: str) -> list[dict]:
        """The gateway's diary entries of one kind, newest first."""
        return [entry for entry in self.gateway.board.board().events if entry["code"] == code]

    def entries(self, rule: str) -> list[dict]:
        """What waits for staff under a rule."""
        return [entry for entry in self.gateway.board.reviews() if entry["rule"] == rule]

    def waiting(self, kiosk: str = KIOSK) -> int:
        """How many facts a kiosk still has to bring."""
        return self.house.kiosks[kiosk].view["waiting"]

    def facts(self) -> int:
        """How many facts of kiosk-1 are applied."""
        return self.gateway.board.station(KIOSK).facts

    def card(self, station: str = KIOSK) -> dict[str, bytes]:
        """Copy a station's whole card, as an image of it is made."""
        folder = self.folder / station
        return {
            str(file.relative_to(folder)): file.read_bytes()
            for file in folder.rglob("*")
            if file.is_file()
        }

    def put_card(self, files: dict[str, bytes], station: str = KIOSK) -> None:
        """Put a card with these files into a station that has no power."""
        folder = self.folder / station
        shutil.rmtree(folder)
        folder.mkdir()
        for name, content in files.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)

    def say(self, *arguments: str, code: int = 0) -> str:
        """Type a command of lendgate-gateway; return what it says."""
        return spoken(gateway_program, *arguments, "-c", str(self.config), code=code)

    def _tile(self, kiosk: str) -> str:
        view = self.house.kiosks[kiosk].view
        tiles = [tile["state"] for tile in view.get("items", [])]
        return tiles[-1] if tiles else str(view["state"])

    def _leave(self, kiosk: str, card: str | None, book: str) -> None:
        if self.house.kiosks[kiosk].view["state"] not in ("idle", "stopped", "farewell"):
            self.house.kiosks[kiosk].press("finish")
        self.world.move(book, "shelf")
        if card is not None:
            self.world.move(card, "cards")
        self.house.run(AWAY_MS)


def spoken(program, *arguments, code=0):
    """Type a command; return what it says on both streams."""
    result = CliRunner().invoke(program, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.output


@contextlib.contextmanager
def opened(*stations: str, seed: int = 3) -> Iterator[BadDay]:
    """A library on an ordinary morning with these stations alone, every list everywhere."""
    house = House(seed=seed)
    try:
        house.gateway.link.start()
        for station in stations:
            house.restore_power(station)
        day = BadDay(house)
        kiosks = [house.kiosks[name] for name in stations if name in house.kiosks]
        gates = [house.gates[name] for name in stations if name in house.gates]
        day.until(
            lambda: (
                all(len(kiosk.view.get("versions", {})) == 3 for kiosk in kiosks)
                and all(kiosk.view["online"] for kiosk in kiosks)
                and not any(gate.health() for gate in gates)
            )
        )
        yield day
    finally:
        house.close()


@pytest.fixture
def gate_day():
    """One kiosk, one gate, the gateway."""
    with opened(KIOSK, GATE) as day:
        yield day


@pytest.fixture
def day():
    """One kiosk and the gateway: a gate takes time that most of this does not need."""
    with opened(KIOSK) as day:
        yield day
