"""Playing at a running demo: real programs, real time, by the pages a person would use.

Hands are the bench's; screens are the kiosks'; items, alarms and troubles are the gateway's. What
the bench cannot do (cut the power of a process, pull a tag at the second write) is refused.
"""

import time
from collections.abc import Iterable
from typing import Any

from sim.errors import FaultUnknown, ScenarioInvalid, WorldError
from sim.http import HttpFailed, get_json, post_json
from sim.scenario.names import find_thing
from sim.scenario.stage import Line, Mark
from sim.world import PRESS_MS, WALK_STEPS_MS

TICK_MS = 50
PATIENCE = 5
"""Real programs share a machine; a link that was cut waits up to 30 s before it tries again."""
WITHIN_MS_MIN = 10_000
"""A machine that does other work may keep a program waiting for longer than a siren may take."""

GATEWAY = "gateway"
PLUG_STATES = {"up": "up", "down": "cut", "stalled": "stalled"}
SHELF = "shelf"


class BenchStage:
    """A running demo as a stage. `url` is the address of its bench."""

    patience = PATIENCE
    within_ms_min = WITHIN_MS_MIN
    tick_ms = TICK_MS

    def __init__(self, url: str) -> None:
        """Look at the bench once; raises `ScenarioInvalid` when there is none."""
        self._url = url.rstrip("/")
        self._start_s = time.monotonic()
        self._broken: set[str] = set()
        self._pulled: set[str] = set()
        try:
            state = self._state()
            self._things = {thing["key"]: thing for thing in state["books"] + state["cards"]}
            self._cards = {card["key"] for card in state["cards"]}
            self._lanes = {
                gate["id"]: [lane["id"] for lane in gate["lanes"]] for gate in state["gates"]
            }
            self._kiosks = [kiosk["id"] for kiosk in state["kiosks"]]
            self._links: dict[str, str] = state["links"]
            log = state["log"]
        except (HttpFailed, KeyError, TypeError) as error:
            raise ScenarioInvalid(
                f"{url}: no bench answers here ({error}); start `lendgate-sim demo`"
            ) from error
        self._first = log[-1]["n"] if log else 0
        self._start_wall_ms = int(time.time() * 1000)

    def now_ms(self) -> int:
        """See `Stage.now_ms`."""
        return int((time.monotonic() - self._start_s) * 1000)

    def run(self, ms: int) -> None:
        """See `Stage.run`."""
        time.sleep(ms / 1000)

    def find(self, name: str) -> str:
        """See `Stage.find`."""
        return find_thing(name, {key: thing["title"] for key, thing in self._things.items()})

    def title(self, key: str) -> str:
        """See `Stage.title`."""
        return str(self._things[key]["title"])

    def names(self, key: str) -> tuple[str, ...]:
        """See `Stage.names`."""
        thing = self._things[key]
        return thing["title"], key, f"tag:{thing['uid'] or ''}"

    def is_card(self, key: str) -> bool:
        """See `Stage.is_card`."""
        return key in self._cards

    def places(self) -> list[str]:
        """See `Stage.places`."""
        spots = [f"{kiosk}/{spot}" for kiosk in self._kiosks for spot in ("pad", "card")]
        lanes = [f"{gate}/{lane}" for gate, lanes in self._lanes.items() for lane in lanes]
        return [SHELF, "cards", "hand", "trolley", "slot", "outside", *spots, *lanes]

    def kiosks(self) -> list[str]:
        """See `Stage.kiosks`."""
        return self._kiosks

    def gates(self) -> dict[str, list[str]]:
        """See `Stage.gates`."""
        return self._lanes

    def devices(self) -> list[str]:
        """See `Stage.devices`."""
        kiosks = [
            f"{kiosk}/{part}"
            for kiosk in self._kiosks
            for part in ("pad", "card", "scanner", "printer", "sound_ok", "sound_problem")
        ]
        gates = [
            f"{gate}/{part}"
            for gate, lanes in self._lanes.items()
            for part in (
                *("siren", "lamp_red", "lamp_amber", "button"),
                *(f"{lane}/{one}" for lane in lanes for one in _LANE_PARTS),
            )
        ]
        links = [f"{who}/link" for who in (*self._kiosks, *self._lanes, GATEWAY)]
        return [*kiosks, *gates, *links]

    def bring(self, title: str, label: str, owner: str) -> None:
        """Refuse: the bench's shelf is filled when it starts."""
        raise WorldError("bring: a running demo cannot do this; play it without --bench")

    def move(self, keys: Iterable[str], place: str) -> None:
        """See `Stage.move`."""
        self._hand("move", keys=list(keys), place=place)

    def scan(self, kiosk: str, code: str) -> None:
        """See `Stage.scan`."""
        self._hand("scan", kiosk=kiosk, code=code)

    def press(self, kiosk: str, action: str, values: dict[str, str]) -> None:
        """See `Stage.press`."""
        post_json(f"{self._address(kiosk)}/session/{action}", dict(values))

    def press_button(self, gate: str) -> int:
        """See `Stage.press_button`."""
        self._hand("press", gate=gate)
        return PRESS_MS

    def walk(self, gate: str, lane: str, direction: str, keys: Iterable[str]) -> int:
        """See `Stage.walk`."""
        self._hand("walk", gate=gate, lane=lane, direction=direction, keys=list(keys))
        return WALK_STEPS_MS["gone"]

    def pull(self, key: str, writes: int) -> None:
        """Refuse: the bench's hands are not that quick."""
        raise WorldError("pull: a running demo cannot do this; play it without --bench")

    def weaken(self, key: str, writes: int) -> None:
        """Refuse: the bench has no weak fields."""
        raise WorldError("weaken: a running demo cannot do this; play it without --bench")

    def cut_power(self, station: str) -> None:
        """Refuse: the stations are processes of the demo, which belong to it."""
        raise WorldError("cut_power: a running demo cannot do this; play it without --bench")

    def restore_power(self, station: str) -> None:
        """Refuse, as for cutting it."""
        raise WorldError("restore_power: a running demo cannot do this; play it without --bench")

    def link(self, who: str, state: str) -> None:
        """See `Stage.link`."""
        self._hand("plug", plug=who, state=PLUG_STATES[state])
        self._pulled.add(who)

    def fail(self, device: str, fault: str | None, options: dict[str, int | float]) -> None:
        """See `Stage.fail`; a cable is off or stuck here, and nothing else."""
        station, _, part = device.partition("/")
        if part == "link":
            words = {None: "up", "off": "down", "stuck": "stalled"}
            if fault not in words:
                raise FaultUnknown(f"{device}: a running demo's cables are off or stuck")
            self.link(station, words[fault])
            return
        self._hand("fault", device=device, fault=fault, options=options)
        self._broken.add(device)

    def plug(self, device: str, into: bool) -> None:
        """See `Stage.plug`: at the bench a device without its plug is off."""
        self.fail(device, None if into else "off", {})

    def tidy(self) -> None:
        """Mend what was broken, plug in what was pulled, bring everything back to its place.

        Loans stay: the library of a demo goes on.
        """
        for device in sorted(self._broken):
            self._hand("fault", device=device, fault=None)
        for who in sorted(self._pulled):
            self._hand("plug", plug=who, state="up")
        self._hand("home")

    def mark(self) -> Mark:
        """See `Stage.mark`."""
        state = self._state()
        log, slips = state["log"], {one["id"]: _slips(one) for one in state["kiosks"]}
        return Mark(log[-1]["n"] if log else 0, len(self._alarms()), self.now_ms(), slips)

    def log(self, after: int = 0) -> list[Line]:
        """See `Stage.log`."""
        first = max(after, self._first)
        return [
            Line(line["n"], line["at"] - self._start_wall_ms, line["station"], line["text"])
            for line in self._state()["log"]
            if line["n"] > first
        ]

    def screen(self, kiosk: str) -> dict[str, Any]:
        """See `Stage.screen`."""
        view: dict[str, Any] = get_json(f"{self._address(kiosk)}/api/state")
        return view

    def lights(self, gate: str) -> dict[str, bool]:
        """See `Stage.lights`."""
        found = next(one for one in self._state()["gates"] if one["id"] == gate)
        return {
            "siren": found["siren"],
            "red": found["lamp_red"],
            "amber": found["lamp_amber"],
        }

    def slip(self, kiosk: str) -> list[str]:
        """See `Stage.slip`."""
        found = next(one for one in self._state()["kiosks"] if one["id"] == kiosk)
        return list(found["slip"] or [])

    def printed(self, kiosk: str, since: Mark) -> bool:
        """See `Stage.printed`."""
        found = next(one for one in self._state()["kiosks"] if one["id"] == kiosk)
        lines = self.log(since.happened)
        said = any(line.station == kiosk and line.text == SLIP_SAYS for line in lines)
        return said or _slips(found) > since.slips[kiosk]

    def tag(self, key: str) -> str:
        """See `Stage.tag`."""
        books = self._state()["books"]
        return str(next(book["tag"] for book in books if book["key"] == key))

    def item(self, key: str) -> str:
        """See `Stage.item`."""
        return str(get_json(f"{self._address(GATEWAY)}/api/items/{key}")["state"])

    def alarm_titles(self, after: int) -> list[str]:
        """See `Stage.alarm_titles`."""
        return [str(alarm["title"] or "") for alarm in self._alarms()[::-1][after:]]

    def ills(self, station: str) -> dict[str, str]:
        """See `Stage.ills`; a gate has no screen, so it is asked through the gateway."""
        if station in self._lanes:
            return {str(n): says for n, says in enumerate(self.reported_ills(station))}
        felt: dict[str, str] = self.screen(station).get("devices", {})
        return {name: says for name, says in felt.items() if says != "ok"}

    def reported_ills(self, station: str) -> list[str]:
        """See `Stage.reported_ills`."""
        stations = get_json(f"{self._address(GATEWAY)}/api/stations")
        found = [one["troubles"] for one in stations if one["station"] == station]
        return [str(says) for says in found[0]] if found else []

    def _alarms(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = get_json(f"{self._address(GATEWAY)}/api/alarms")
        return found

    def _state(self) -> dict[str, Any]:
        state: dict[str, Any] = get_json(f"{self._url}/api/state")
        return state

    def _hand(self, action: str, **body: Any) -> None:
        post_json(f"{self._url}/api/{action}", body)

    def _address(self, who: str) -> str:
        try:
            return self._links[who].rstrip("/")
        except KeyError:
            raise WorldError(f"{who}: the bench knows no address of its pages") from None


def _slips(kiosk: dict[str, Any]) -> int:
    """Return how many slips a kiosk with real drivers printed: its picture's address counts."""
    return int((kiosk.get("paper") or "n=0").rpartition("n=")[2])


SLIP_SAYS = "printer prints a slip"
_LANE_PARTS = ("antenna", "beam_inner", "beam_outer")
