"""A whole site in real processes: broker, gateway, kiosks and gates, on simulated hardware.

    with Site(tmp_path, broker) as site:
        site.start("gateway", "kiosk-1", "gate-1")
        site.lend("kiosk-1", LENA, MOMO)
        site.walk_out("gate-1", MOMO)
        assert not site.rang("gate-1")

The hardware is in the test's own process, so a test moves books like a hand and looks at lamps
like a witness; the programs reach it, the broker and the gateway through sockets of this machine
alone. Every station has a plug that can be pulled. Ports are free ones, files lie in one folder,
and leaving the context ends every process that was started.
"""

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from circulation.config import read_config
from gateway.app import prepare, read_settings
from gateway.board import Desk
from gateway.desk import DeskJournal
from sim.bench.plugs import Plugs
from sim.bench.serve import plug_cables
from sim.clock import SystemClock
from sim.demo_files import LIBRARY, OWNER, SITE, ZONE, device_toml
from sim.fill import fill
from sim.http import HttpFailed, get_json, post_json
from sim.library import build_world
from sim.remote_server import DeviceServer
from sim.rooms import SimGate
from tests.support.brokers import RunningBroker, free_port
from tests.support.programs import WITHIN_S, Program, Programs, wait_until

EXAMPLES = Path(__file__).parents[2] / "examples" / "demo"
HOST = "127.0.0.1"

SITE_KEY = "5e" * 16
CARD_KEY = "ca" * 16

MOMO, KRABAT, EMIL, PIPPI = (f"3071500000{n}" for n in ("0015", "0023", "0031", "0049"))
HOBBIT, MATILDA = "30715000000056", "30715000000064"
DUNE, SOLARIS, COSMOS = "30715000000262", "30715000000288", "30715000000312"
ATLAS, QUOTATIONS = "30715000000379", "30715000000387"  # reference: lent on site only
LENA, YUSUF, AMARA, IDA = (f"2071500000{n}" for n in ("0017", "0025", "0041", "0066"))

KIOSKS = ("kiosk-1", "kiosk-2")
GATES = {"gate-1": ("lane-1", "lane-2"), "gate-2": ("lane-1",)}
STREET, BUILDING, ROOM = 3, 2, 1
DISTANCE_S = 3.0
"""From one walk to the next: a gate takes a tag for whoever passed two seconds before or after."""
AGAIN_S = 7.0
"""Before a book passes again: read within five seconds it would be the same visit to the gate."""
START_S = 120.0
"""Until a program that was started is of use, when others start beside it."""
BACK_S = 90.0
"""A station that was cut off tries again after thirty seconds at the latest."""
MISSED_ROUNDS = 6
"""A card comes back no sooner: three looks and 0.3 s without it, with ten looks a second."""
DECIDED_ROUNDS = 3
"""A gate's turn ends with its decision: who asks again has decided on what it heard before."""
ROUND_TRANSFERS = 11
"""What an RC522 is told over SPI in a round that finds no card."""


class Rounds:
    """Counts how often a station has asked a reader what is there."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, _at_ms: int, text: str) -> None:
        """Take an exchange with the reader, as `sim.bus.BusLog` does."""
        self.count += text.startswith("inventory")


class Site:
    """One building and its people; leaving the context ends all of it."""

    def __init__(
        self,
        folder: Path,
        broker: RunningBroker,
        *,
        boundaries: dict[str, int] | None = None,
        wired: tuple[str, ...] = (),
    ) -> None:
        """boundaries: what a gate leads out of; the street if not named.

        wired: kiosks that run the drivers of real devices, on simulated wires.
        """
        self.folder = folder
        self.broker = broker
        self.clock = SystemClock()
        self.wired = wired
        self.world = build_world(self.clock, EXAMPLES, wired=wired)
        self._rounds = {name: Rounds() for name in self.world.devices}
        self.devices = DeviceServer(self.world.devices, self.clock, buses=self._rounds)
        self._cables = plug_cables(self.world)
        self._ports = {name: free_port() for name in ("gateway", *KIOSKS)}
        stations = {name: name for name in (*KIOSKS, *GATES)}
        self.plugs = Plugs(
            broker=(HOST, broker.port),
            gateway=(HOST, self._ports["gateway"]),
            stations=stations,
        )
        self._boundaries = boundaries or {}
        self._programs = Programs(folder)
        self._running: dict[str, Program] = {}
        self._lifted: set[str] = set()
        self._walked: dict[str, float] = {}
        self._carried: dict[str, float] = {}
        self._rings: dict[str, int] = dict.fromkeys(GATES, 0)
        self._write_files()

    def __enter__(self) -> "Site":
        return self

    def __exit__(self, *_error: object) -> None:
        self._programs.kill_all()
        self.plugs.close()
        self.devices.stop()
        for cable in self._cables.values():
            cable.close()

    # Programs and cables.

    def start(self, *names: str) -> None:
        """Start programs and wait until each is of use."""
        for name in names:
            if name in GATES:
                (self.folder / f"{name}-status.json").unlink(missing_ok=True)
            self._running[name] = self._programs.start(name, *self._command(name))
        for name in names:
            self.wait(f"{name} is ready", self._ready(name), within_s=START_S)

    def start_with_clock(self, kiosk: str, wall_ms: int) -> None:
        """Start a kiosk whose machine believes it is that time, and is not sure."""
        command = ("tests.support.kiosk_at", str(self.config(kiosk)), str(self.devices.port))
        self._running[kiosk] = self._programs.start(kiosk, *command, str(wall_ms))
        self.wait(f"{kiosk} is ready", lambda: self.screen(kiosk).get("state"), "idle")

    def start_limited(self, name: str, file_bytes_max: int) -> None:
        """Start a program whose files cannot grow beyond a size, as on a disk that is full."""
        limit = ("--file-bytes-max", str(file_bytes_max))
        program = self._programs.start(f"{name}-limited", *limit, *self._command(name))
        self._running[name] = program
        self.wait(f"{name} is ready", self._ready(name), within_s=START_S)

    def program(self, name: str, *arguments: str) -> Program:
        """Start `python -m ARGUMENTS`, which is expected to end by itself."""
        return self._programs.start(f"{name}-alone", *arguments)

    @contextlib.contextmanager
    def config_changed(self, name: str, first_line: str) -> Iterator[Program]:
        """Start a program once more, from its configuration with a line put before it."""
        changed = self.folder / f"{name}-changed.toml"
        changed.write_text(first_line + self.config(name).read_text(encoding="utf-8"))
        command = [
            str(changed) if part == str(self.config(name)) else part
            for part in self._command(name)
        ]
        yield self._programs.start(f"{name}-changed", *command)

    def kill9(self, name: str) -> None:
        """End a program, or the broker, at once and without a word."""
        if name == "broker":
            self.broker.kill()
        else:
            self._running.pop(name).kill()

    def stop(self, name: str) -> int:
        """End a program in order; return its exit code."""
        return self._running.pop(name).stop()

    def cut(self, name: str) -> None:
        """Pull the network plug of a computer."""
        self.plugs.set(name, "cut")

    def restore(self, name: str) -> None:
        """Put the network plug back in."""
        self.plugs.set(name, "up")

    def running(self, name: str) -> Program:
        """Return a program that was started."""
        return self._running[name]

    def wait(
        self,
        what: str,
        probe: Callable[[], Any],
        wanted: Any = True,
        *,
        within_s: float = WITHIN_S,
    ) -> None:
        """Wait until something is so; raises `NotSo` at the deadline or when a program ended."""
        wait_until(what, probe, wanted, within_s=within_s, meanwhile=self.check)

    def check(self) -> None:
        """Raise `NotSo` if a program has ended that nobody told to."""
        for program in self._running.values():
            program.check()

    # What a hand does.

    def place(self, place: str, *keys: str) -> None:
        """Put books or a card somewhere."""
        for key in keys:
            self.world.move(key, place)

    def take(self, *keys: str) -> None:
        """Take books into the hand."""
        self.place("hand", *keys)

    def show_card(self, kiosk: str, card: str, *, within_s: float = WITHIN_S) -> None:
        """Lay a reader's card on a kiosk's card spot, and wait until the reader is greeted."""
        self.place(f"{kiosk}/card", card)
        self.wait(
            f"{kiosk} greets {card}",
            lambda: bool(self.screen(kiosk).get("patron")),
            within_s=within_s,
        )

    def press(self, kiosk: str, action: str, **body: Any) -> None:
        """Press a button on a kiosk's screen."""
        answer = post_json(f"{self.address(kiosk)}/session/{action}", body)
        assert answer.get("ok") is not False, answer

    def finish(self, kiosk: str, card: str = "", *, until: tuple[str, ...] = ("idle",)) -> None:
        """Take card and books away and leave the screen free for the next.

        until: the states that end the wait; a kiosk that has just stopped never becomes idle.
        """
        pad = [thing.key for thing in self.world.at(f"{kiosk}/pad")]
        self.place("shelf", *pad)
        if card:
            self.place("cards", card)
        self._lifted.update(pad)
        # First: a kiosk that has just started greets a card that it saw before it was taken away.
        self._await_missing_card(kiosk)
        self.wait("the screen is free", lambda: self._ends_visit(kiosk) in until)

    def lend(
        self, kiosk: str, card: str, *books: str, within_s: float = WITHIN_S
    ) -> dict[str, dict[str, Any]]:
        """Borrow books from card to tick; return the ticked tiles by the book's key."""
        self.show_card(kiosk, card)
        tiles = self._lay(kiosk, books, within_s)
        self.finish(kiosk, card)
        return tiles

    def give_back(self, kiosk: str, *books: str) -> None:
        """Return books without a card."""
        self._await_missed(kiosk, books)
        self.place(f"{kiosk}/pad", *books)
        self.wait("books lie there", lambda: self.screen(kiosk).get("state"), "offered")
        self.press(kiosk, "mode", mode="return")
        self._lay(kiosk, books)
        self.finish(kiosk)

    def walk_out(
        self, gate: str, *books: str, lane: str = "lane-1", also_breaks: str | None = None
    ) -> None:
        """Carry books out through a gate, and wait until it has decided.

        also_breaks: the lane beside, whose beams the same body breaks at the same moment.
        """
        self._walk(gate, lane, "out", books, also_breaks)

    def walk_in(self, gate: str, *books: str, lane: str = "lane-1") -> None:
        """Carry books in."""
        self._walk(gate, lane, "in", books)

    # What a witness sees.

    def address(self, name: str) -> str:
        """Return where a kiosk's screen or the gateway's page is, without a slash."""
        return f"http://{HOST}:{self._ports[name]}"

    def screen(self, kiosk: str) -> dict[str, Any]:
        """Return what a kiosk shows; nothing while it shows nothing."""
        return dict(self._seen(f"{self.address(kiosk)}/api/state") or {})

    def tiles(self, kiosk: str) -> dict[str, dict[str, Any]]:
        """Return the tiles on a kiosk's screen by the key of their book."""
        keys = {thing.title: key for key, thing in self.world.things.items()}
        tiles = self.screen(kiosk).get("items", [])
        return {keys[tile["title"]]: tile for tile in tiles if tile["title"] in keys}

    def tag(self, key: str) -> str:
        """Return what a book's tag tells a gate."""
        tag = self.world.thing(key).tag
        return tag.security.value if tag else "untagged"

    def gate(self, name: str) -> SimGate:
        """Return a gate's lamps, siren and beams."""
        return self.world.gates[name]

    def face(self, gate: str) -> dict[str, Any]:
        """Return what a running gate shows of itself, as `lendgate-gate status` reads it."""
        try:
            return dict(json.loads((self.folder / f"{gate}-status.json").read_text()))
        except (OSError, ValueError):
            return {}

    def has_list(self, gate: str) -> bool:
        """Whether a gate has a list of what may leave."""
        return self.face(gate).get("list") in ("STALE", "FRESH")

    def rang(self, gate: str) -> bool:
        """Whether the siren has begun to sound since this was last asked."""
        rings = sum(state for _, state in self.gate(gate).siren.history)
        new, self._rings[gate] = rings - self._rings[gate], rings
        return new > 0

    def api(self, path: str) -> Any:
        """Return what the gateway's API answers, None while it does not."""
        return self._seen(f"{self.address('gateway')}/api/{path}")

    def item(self, key: str) -> dict[str, Any]:
        """Return an item as the gateway knows it."""
        return dict(self.api(f"items/{key}") or {})

    def state(self, key: str) -> str | None:
        """Return an item's state at the gateway."""
        return self.item(key).get("state")

    def station(self, name: str) -> dict[str, Any]:
        """Return a station as the gateway sees it."""
        stations = self.api("stations") or []
        return next((one for one in stations if one["station"] == name), {})

    def alarms(self) -> list[dict[str, Any]]:
        """Return the alarms at the gateway, newest first."""
        return list(self.api("alarms") or [])

    def diary(self, code: str) -> list[dict[str, Any]]:
        """Return the gateway's diary entries of one kind, newest first."""
        board = self.api("board") or {"events": []}
        return [entry for entry in board["events"] if entry["code"] == code]

    def drained(self, kiosk: str) -> bool:
        """Whether a kiosk is online and nothing waits on it."""
        view = self.screen(kiosk)
        return view.get("online") is True and view.get("waiting") == 0

    # Staff at the gateway's desk.

    def record_at_desk(self, kind: str, key: str, **fields: Any) -> None:
        """Write what staff did into the desk's journal; the gateway reads it at its start."""
        path = self.config("gateway")
        settings = read_settings(read_config(path), path.parent)
        store = prepare(settings)
        try:
            item = Desk(store, settings.library).item(key)
            assert item is not None, f"no item {key}"
            DeskJournal(store, settings.library, settings.desk).write(
                {"kind": kind, "item": item["item_id"], "site": SITE, **fields}
            )
        finally:
            store.close()

    def port(self, name: str) -> int:
        """Return where a kiosk's screen or the gateway's page is served."""
        return self._ports[name]

    def config(self, name: str) -> Path:
        """Return a program's configuration file."""
        return self.folder / f"{name}.toml"

    @contextlib.contextmanager
    def plug_pulled(self, name: str) -> Iterator[None]:
        """Keep a computer off the network for a while, and wait until it is back on it.

        A station that was away long tries again only now and then; what comes next must not find
        it still away. The gateway does not say whether it has a broker: tests wait for its news.
        """
        self.cut(name)
        try:
            yield
        finally:
            self.restore(name)
        if name in KIOSKS:
            self.wait(f"{name} is back", lambda: self.screen(name).get("online"), within_s=BACK_S)
        elif name in GATES:
            self.wait(f"{name} is back", lambda: self.face(name).get("connected"), within_s=BACK_S)

    def _lay(
        self, kiosk: str, books: tuple[str, ...], within_s: float = WITHIN_S
    ) -> dict[str, dict[str, Any]]:
        self._await_missed(kiosk, books)
        self.place(f"{kiosk}/pad", *books)

        def states() -> dict[str, str]:
            tiles = self.tiles(kiosk)
            return {book: tiles.get(book, {}).get("state", "not shown") for book in books}

        ticked = dict.fromkeys(books, "done")
        self.wait(f"{kiosk} ticks them", states, ticked, within_s=within_s)
        tiles = self.tiles(kiosk)
        return {book: tiles[book] for book in books}

    def _await_missed(self, kiosk: str, books: tuple[str, ...]) -> None:
        """A book put back at once has never been away: wait until the kiosk has missed it."""
        if self._lifted & set(books):
            self.wait("it is missed", lambda: self.screen(kiosk).get("left_over"), False)
            self._lifted.clear()

    def _await_missing_card(self, kiosk: str) -> None:
        """Wait until a kiosk has seen that there is no card; a reader that fails sees nothing."""
        if kiosk not in self.wired:
            self._await_rounds(f"{kiosk} misses the card", f"{kiosk}/card", MISSED_ROUNDS)
            return
        board = self.world.wired_kiosks[kiosk].card_reader
        enough = board.transfers + MISSED_ROUNDS * ROUND_TRANSFERS
        self.wait("it misses the card", lambda: bool(board.fault) or board.transfers >= enough)

    def _ends_visit(self, kiosk: str) -> str:
        """Press *done* where somebody may still be busy; return the state before."""
        state = str(self.screen(kiosk).get("state"))
        if state != "idle":
            # Another press may have ended the visit in the meantime; the next look tells.
            with contextlib.suppress(HttpFailed):
                post_json(f"{self.address(kiosk)}/session/finish", {})
        return state

    def _walk(
        self,
        gate: str,
        lane: str,
        direction: str,
        books: tuple[str, ...],
        also_breaks: str | None = None,
    ) -> None:
        if self.gate(gate).siren.state:
            self.world.press(gate)
            self.wait("the siren is quiet", lambda: self.gate(gate).siren.state, False)
        last = max([self._walked.get(gate, 0.0), *(self._carried.get(key, 0.0) for key in books)])
        self.wait("people keep their distance", lambda: time.monotonic() >= last)
        self._walked[gate] = time.monotonic() + DISTANCE_S
        self._carried |= dict.fromkeys(books, time.monotonic() + AGAIN_S)
        self.rang(gate)
        held = [thing.key for thing in self.world.at("hand") if thing.key not in books]
        self.place("shelf", *held)
        if also_breaks is not None:
            self.world.walk(gate, also_breaks, direction)
        self.world.walk(gate, lane, direction, books)
        way = self.gate(gate).lanes[lane]
        self.wait("the walk is over", lambda: self.world.settle() or way.walking, None)
        self._await_rounds(f"{gate} has decided", f"{gate}/{lane}/antenna", DECIDED_ROUNDS)

    def _await_rounds(self, what: str, reader: str, rounds: int) -> None:
        """Wait until a station has asked a reader so many times more."""
        asked = self._rounds[reader].count
        self.wait(what, lambda: self._rounds[reader].count >= asked + rounds)

    def _seen(self, url: str) -> Any:
        try:
            return get_json(url)
        except HttpFailed:
            return None

    def _ready(self, name: str) -> Callable[[], bool]:
        if name == "gateway":
            return lambda: self.api("board") is not None
        if name in KIOSKS:
            return lambda: set(self.screen(name).get("versions", {})) >= {"catalogue", "patrons"}
        return lambda: self.face(name).get("connected") is True and self.has_list(name)

    def _command(self, name: str) -> tuple[str, ...]:
        config = str(self.config(name))
        if name == "gateway":
            return ("gateway", "run", "--config", config)
        port = ("--device-port", str(self.devices.port))
        if name in KIOSKS:
            return ("sim", "kiosk", config, *port, *(["--wires"] if name in self.wired else []))
        lanes = (part for lane in GATES[name] for part in ("--lane", lane))
        return ("sim", "gate", config, *port, *lanes)

    def _write_files(self) -> None:
        plug = {one.name: one for one in self.plugs.all()}
        self._write(
            "gateway",
            {"library": LIBRARY, "name": "Linden", "database": "gateway.db", "zone": ZONE}
            | {"site_key": SITE_KEY, "card_key": CARD_KEY},
            broker={"host": HOST, "port": plug["gateway"].broker.port},
            web={"host": HOST, "port": self._ports["gateway"]},
        )
        for name in (*KIOSKS, *GATES):
            self._write_station(name, plug[name].broker.port, plug[name].web.port)
        _fill(self.config("gateway"), self.folder)

    def _write_station(self, name: str, broker_port: int, web_port: int) -> None:
        top: dict[str, Any] = {"library": LIBRARY, "site": SITE, "station": name}
        top |= {"gateway_url": f"http://{HOST}:{web_port}", "site_key": SITE_KEY}
        top["card_key"] = CARD_KEY
        rest: dict[str, dict[str, Any]] = {
            "broker": {"host": HOST, "port": broker_port},
            "store": {"path": str(self.folder / f"{name}.db")},
        }
        if name in KIOSKS:
            top |= {"room": "hall", "languages": ["en"], "owners": [OWNER]}
            rest["web"] = {"host": HOST, "port": self._ports[name]}
            rest["session"] = {"farewell_s": 2}
        else:
            top |= {"members": [OWNER], "lenders": ["kiosk-1"]}
            rest["gate"] = {"boundary": self._boundaries.get(name, STREET)}
        self._write(name, top, **rest)
        if name in self.wired:
            urls = {device: cable.url for device, cable in self._cables.items()}
            with self.config(name).open("a", encoding="utf-8") as file:
                file.write(device_toml(name, urls))

    def _write(self, name: str, top: dict[str, Any], **sections: dict[str, Any]) -> None:
        # JSON's texts, numbers and lists are TOML's too.
        lines = [f"{option} = {json.dumps(value)}" for option, value in top.items()]
        for section, options in sections.items():
            lines += ["", f"[{section}]"]
            lines += [f"{option} = {json.dumps(value)}" for option, value in options.items()]
        self.config(name).write_text("\n".join(lines) + "\n", encoding="utf-8")


_FILLED: list[Path] = []


def _fill(config: Path, folder: Path) -> None:
    """Read the demo's library into the gateway's database, or copy it from a site before."""
    if _FILLED and _FILLED[0].exists():
        shutil.copy(_FILLED[0], folder / "gateway.db")
        return
    fill(config, EXAMPLES)
    kept = folder / "as-filled.db"
    shutil.copy(folder / "gateway.db", kept)
    _FILLED.append(kept)
