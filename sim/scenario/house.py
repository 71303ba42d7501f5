"""Playing in a house of this process: virtual time, so a scenario of minutes takes a moment."""

from collections.abc import Iterable
from typing import Any

from kiosk.web.actions import ActionInvalid
from sim.errors import WorldError
from sim.faults import OFF, STUCK
from sim.house.house import GATEWAY, TURN_MS, House
from sim.house.kiosk import HouseKiosk
from sim.pi.escpos import Slip
from sim.scenario.names import find_thing
from sim.scenario.stage import Line, Mark
from sim.serial.device import SimSerialDevice
from sim.world import CARD, HAND, PRESS_MS

LINK_FAULTS = {"down": OFF, "stalled": STUCK}


class HouseStage:
    """A house as a stage; it stays its owner's, who closes it."""

    patience = 1
    within_ms_min = 0
    tick_ms = TURN_MS

    def __init__(self, house: House) -> None:
        self.house = house
        self.world = house.world
        self._start_ms = house.clock.now_ms()
        self._start_wall_ms = house.clock.wall_ms()
        self._first = house.world.happened

    def now_ms(self) -> int:
        """See `Stage.now_ms`."""
        return self.house.clock.now_ms() - self._start_ms

    def run(self, ms: int) -> None:
        """See `Stage.run`."""
        self.house.run(ms)

    def find(self, name: str) -> str:
        """See `Stage.find`."""
        return find_thing(name, {key: thing.title for key, thing in self.world.things.items()})

    def title(self, key: str) -> str:
        """See `Stage.title`."""
        return self.world.things[key].title

    def names(self, key: str) -> tuple[str, ...]:
        """See `Stage.names`."""
        thing = self.world.things[key]
        return thing.title, key, f"tag:{thing.tag.uid if thing.tag else ''}"

    def is_card(self, key: str) -> bool:
        """See `Stage.is_card`."""
        return self.world.things[key].kind == CARD

    def places(self) -> list[str]:
        """See `Stage.places`."""
        return self.world.places()

    def kiosks(self) -> list[str]:
        """See `Stage.kiosks`."""
        return list(self.house.kiosks)

    def gates(self) -> dict[str, list[str]]:
        """See `Stage.gates`."""
        return {name: list(gate.lanes) for name, gate in self.world.gates.items()}

    def devices(self) -> list[str]:
        """See `Stage.devices`."""
        return list(self.house.devices)

    def bring(self, title: str, label: str, owner: str) -> None:
        """See `Stage.bring`."""
        self.world.add_book(label, title, owner=owner)
        self.world.move(label, HAND)

    def move(self, keys: Iterable[str], place: str) -> None:
        """See `Stage.move`."""
        for key in keys:
            self.world.move(key, place)

    def scan(self, kiosk: str, code: str) -> None:
        """See `Stage.scan`."""
        self.world.scan(kiosk, code)

    def press(self, kiosk: str, action: str, values: dict[str, str]) -> None:
        """See `Stage.press`."""
        station = self._running(kiosk)
        try:
            station.press(action, **values)
        except ActionInvalid as error:
            raise WorldError(f"{kiosk}: {error}") from error
        self.world.note(kiosk, f"pressed {' '.join([action, *values.values()])}")

    def press_button(self, gate: str) -> int:
        """See `Stage.press_button`."""
        self.world.press(gate)
        return PRESS_MS

    def walk(self, gate: str, lane: str, direction: str, keys: Iterable[str]) -> int:
        """See `Stage.walk`."""
        return self.world.walk(gate, lane, direction, keys)

    def pull(self, key: str, writes: int) -> None:
        """See `Stage.pull`."""
        thing = self.world.thing(key)
        device = self.world.devices.get(thing.place)
        if thing.tag is None or device is None or not hasattr(device, "pull"):
            raise WorldError(f"{thing.title}: it lies on no pad from which it could be pulled")
        device.pull(thing.tag.uid, after_writes=writes)
        self.world.note("", f"{thing.title}: will be pulled away after {writes} writes")

    def weaken(self, key: str, writes: int) -> None:
        """See `Stage.weaken`."""
        thing = self.world.thing(key)
        if thing.tag is None:
            raise WorldError(f"{thing.title}: it has no tag")
        thing.tag.ignore_writes(writes)
        self.world.note("", f"{thing.title}: the next {writes} writes will do nothing")

    def cut_power(self, station: str) -> None:
        """See `Stage.cut_power`."""
        self.house.cut_power(station)

    def restore_power(self, station: str) -> None:
        """See `Stage.restore_power`."""
        self.house.restore_power(station)

    def link(self, who: str, state: str) -> None:
        """See `Stage.link`."""
        line = self.house.line(who)
        if state == "up":
            line.mend()
        else:
            line.fail(LINK_FAULTS[state])
        self.world.note("" if who == GATEWAY else who, f"network of {who}: {state}")

    def fail(self, device: str, fault: str | None, options: dict[str, int | float]) -> None:
        """See `Stage.fail`."""
        broken = self.house.devices[device]
        if fault is None:
            broken.mend()
        else:
            broken.fail(fault, **options)
        self.world.note(device.partition("/")[0], f"{device}: {fault or 'works again'}")

    def plug(self, device: str, into: bool) -> None:
        """See `Stage.plug`; a device without a cable of its own is off meanwhile."""
        found = self.house.devices[device]
        if not isinstance(found, SimSerialDevice):
            self.fail(device, None if into else OFF, {})
            return
        if into:
            found.plug_in()
        else:
            found.unplug()
        words = "plugged in" if into else "unplugged"
        self.world.note(device.partition("/")[0], f"{device}: {words}")

    def mark(self) -> Mark:
        """See `Stage.mark`."""
        alarms = len(self.house.gateway.alarm_titles())
        slips = {name: self._slips(name) for name in self.house.kiosks}
        return Mark(self.world.happened, alarms, self.now_ms(), slips)

    def log(self, after: int = 0) -> list[Line]:
        """See `Stage.log`."""
        first = max(after, self._first)
        return [
            Line(line.n, line.wall_ms - self._start_wall_ms, line.station, line.text)
            for line in self.world.log
            if line.n > first
        ]

    def screen(self, kiosk: str) -> dict[str, Any]:
        """See `Stage.screen`."""
        return self.house.kiosks[kiosk].view

    def lights(self, gate: str) -> dict[str, bool]:
        """See `Stage.lights`."""
        hardware = self.world.gates[gate]
        return {
            "siren": hardware.siren.state,
            "red": hardware.lamp_red.state,
            "amber": hardware.lamp_amber.state,
        }

    def slip(self, kiosk: str) -> list[str]:
        """See `Stage.slip`."""
        slips = self.world.all_kiosks()[kiosk].printer.slips
        if not slips:
            return []
        last = slips[-1]
        return list(last.texts if isinstance(last, Slip) else last)

    def printed(self, kiosk: str, since: Mark) -> bool:
        """See `Stage.printed`."""
        return self._slips(kiosk) > since.slips[kiosk]

    def _slips(self, kiosk: str) -> int:
        return len(self.world.all_kiosks()[kiosk].printer.slips)

    def tag(self, key: str) -> str:
        """See `Stage.tag`."""
        tag = self.world.thing(key).tag
        return tag.security.value if tag else "untagged"

    def item(self, key: str) -> str:
        """See `Stage.item`."""
        return self.house.gateway.item_state(key) or "unknown"

    def alarm_titles(self, after: int) -> list[str]:
        """See `Stage.alarm_titles`."""
        return self.house.gateway.alarm_titles()[::-1][after:]

    def ills(self, station: str) -> dict[str, str]:
        """See `Stage.ills`."""
        if station in self.house.gates:
            return self.house.gates[station].health()
        felt: dict[str, str] = self.screen(station).get("devices", {})
        return {name: says for name, says in felt.items() if says != "ok"}

    def reported_ills(self, station: str) -> list[str]:
        """See `Stage.reported_ills`."""
        found = self.house.gateway.board.station(station)
        return list(found.troubles) if found else []

    def _running(self, kiosk: str) -> HouseKiosk:
        found = self.house.kiosks[kiosk]
        if not found.powered:
            raise WorldError(f"{kiosk}: it has no power; nobody can press its screen")
        return found
