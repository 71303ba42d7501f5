"""The simulated library: where every book is, and what happens when a hand moves it.

Laws:
- A thing is in exactly one place. Moving it brings its tag into that place's field, if it has one.
- Nothing happens by itself: what takes time (a walk, a pressed button) is a list of steps with
  due times, and any device that is asked first catches up (`settle`) to the clock. So the same
  world runs on a virtual clock in tests and on the machine's clock at the bench, without a thread.
- The world knows what tags say, never what programs believe.
"""

import heapq
import random
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from hardware.chips.tag_data import new_content
from hardware.ports import ISO15693, NTAG, Clock, Security
from sim.bus import BusLog, FrameTeller
from sim.devices import SimPrinter, SimReader
from sim.errors import WorldError
from sim.pins import SimInput, SimOutput
from sim.rooms import Circuit, Device, SimGate, SimKiosk, SimLane, SimThing, WiredKiosk
from sim.serial.device import SimSerialDevice
from sim.tags import SimTag

Named = TypeVar("Named")

SHELF = "shelf"
CARDS = "cards"
HAND = "hand"
TROLLEY = "trolley"
SLOT = "slot"
OUTSIDE = "outside"

STICKER_DIGITS = 14
BOOK = "book"
CARD = "card"
OUT = "out"
IN = "in"

LOG_MAX = 500

# A person walks about 1.2 m/s and a gate's field is about 1.2 m deep: one second in the field,
# each beam broken for about 300 ms by a body with a bag.
WALK_STEPS_MS = {"first": 250, "second": 450, "first_free": 550, "second_free": 750, "gone": 1_000}
PRESS_MS = 200

_SECURITY_WORDS = {"released": "on loan", "secured": "in stock"}
_SAID = {
    ("sound_ok", "on"): "chime: done",
    ("sound_problem", "on"): "chime: please look at the screen",
    ("lamp_red", "on"): "red lamp on",
    ("lamp_red", "off"): "red lamp off",
    ("lamp_amber", "on"): "amber lamp on",
    ("lamp_amber", "off"): "amber lamp off",
}
_UNSAID = {("sound_ok", "off"), ("sound_problem", "off")}


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of the running log: a number, when, at which station (or ""), and a sentence."""

    n: int
    wall_ms: int
    station: str
    text: str


class World:
    """Books, cards, kiosks and gates of one simulated library, safe for several threads."""

    def __init__(self, clock: Clock, *, seed: int = 0) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.things: dict[str, SimThing] = {}
        self.kiosks: dict[str, SimKiosk] = {}
        self.wired_kiosks: dict[str, WiredKiosk] = {}
        self.gates: dict[str, SimGate] = {}
        self.devices: dict[str, Device] = {}
        self.buses: dict[str, BusLog] = {}
        self.log: deque[Happening] = deque(maxlen=LOG_MAX)
        self.happened = 0
        self._random = random.Random(seed)
        self._titles: dict[str, str] = {}
        self._steps: list[tuple[int, int, Callable[[int], None]]] = []
        self._step_n = 0
        self._circuit = Circuit(clock, self.lock, self.settle)

    def add_kiosk(self, station: str, label: str = "") -> SimKiosk:
        """Build a kiosk and return its devices."""
        kiosk = SimKiosk(station, label or station, self._circuit)
        self.kiosks[station] = kiosk
        self._add_devices(station, kiosk.devices())
        return kiosk

    def add_wired_kiosk(self, station: str, label: str = "") -> WiredKiosk:
        """Build a kiosk whose devices end in cables, and return them."""
        kiosk = WiredKiosk(station, label or station, self._circuit)
        self.wired_kiosks[station] = kiosk
        self._add_devices(station, kiosk.devices())
        return kiosk

    def add_gate(
        self,
        station: str,
        label: str = "",
        *,
        lanes: Iterable[str] = ("lane-1",),
        wired: bool = False,
        driver: str = "pad_3m",
    ) -> SimGate:
        """Build a gate and return its devices; wired, driver: see `SimGate`."""
        gate = SimGate(station, label or station, tuple(lanes), self._circuit, wired, driver)
        self.gates[station] = gate
        self._add_devices(station, gate.devices())
        return gate

    def add_book(
        self,
        barcode: str,
        title: str,
        *,
        author: str = "",
        owner: str = "DE-715",
        uid: str | None = None,
        shelf_mark: str = "",
    ) -> SimThing:
        """Put a new book on the shelf: tagged, in stock, its barcode on the tag.

        Without a `uid` the tag gets one from the world's seed; an empty `uid` makes a book without
        a tag, one of 7 bytes a sticker as RC522 boards read them.
        """
        tag = None
        if uid != "":
            tag = SimTag(
                uid or self._new_uid("e00401", 5),
                technology=NTAG if uid and len(uid) == STICKER_DIGITS else ISO15693,
                content=new_content(barcode, owner),
                security=Security.IN_STOCK,
            )
        return self._add(SimThing(barcode, BOOK, title, author, tag, SHELF, SHELF, shelf_mark))

    def add_card(self, barcode: str, name: str, *, uid: str | None = None) -> SimThing:
        """Put a new reader's card on the tray."""
        tag = SimTag(uid or self._new_uid("04", 6), technology=NTAG)
        return self._add(SimThing(barcode, CARD, name, "", tag, CARDS, CARDS))

    def all_kiosks(self) -> dict[str, SimKiosk | WiredKiosk]:
        """Return every kiosk by its station, in the order of their names."""
        both = self.kiosks | self.wired_kiosks
        return {station: both[station] for station in sorted(both)}

    def places(self) -> list[str]:
        """Return every place a thing can be put."""
        pads = [f"{station}/{spot}" for station in self.all_kiosks() for spot in ("pad", "card")]
        lanes = [f"{name}/{lane}" for name, gate in self.gates.items() for lane in gate.lanes]
        return [SHELF, CARDS, HAND, TROLLEY, SLOT, OUTSIDE, *pads, *lanes]

    def at(self, place: str) -> list[SimThing]:
        """Return the things in a place, in the order they were added to the world."""
        self.settle()
        return [thing for thing in self.things.values() if thing.place == place]

    def thing(self, key: str) -> SimThing:
        """Return the book or card with that label; raises `WorldError` if there is none."""
        self.settle()
        try:
            return self.things[key]
        except KeyError:
            raise WorldError(f"{key!r}: no book and no card has this label") from None

    def move(self, key: str, place: str) -> None:
        """Put a thing somewhere; at a gate it is left standing in the field."""
        with self.lock:
            self.settle()
            thing = self.thing(key)
            if place not in self.places():
                raise WorldError(f"{place!r}: no such place; there are {', '.join(self.places())}")
            if self._is_walking(thing):
                raise WorldError(f"{thing.title} is being carried through {thing.place} just now")
            if thing.place != place:
                self._put(thing, place)
                self.note(place.partition("/")[0], f"{thing.title}: {_where(place)}")

    def scan(self, station: str, code: str) -> None:
        """Hold a label under a kiosk's scanner: a thing's, or any text as a hostile one may be."""
        with self.lock:
            kiosk = _known(self.all_kiosks(), station, "kiosk")
            kiosk.scanner.scan(code)
            thing = self.things.get(code)
            self.note(station, f"scanned {thing.title if thing else repr(code)}")

    def walk(self, station: str, lane: str, direction: str, keys: Iterable[str] = ()) -> int:
        """Carry what is in the hand, and `keys`, through a gate; return how long it takes in ms.

        Going out ends outside, coming in ends in the hand; what lay on the trolley is pushed
        through with it and lies on it still. Raises `WorldError` while somebody else is in that
        lane.
        """
        with self.lock:
            self.settle()
            way = self._free_lane(station, lane, direction)
            pushed = [key for key in dict.fromkeys(keys) if self._ready_to_walk(key)]
            carried = [thing for thing in self.things.values() if thing.place == HAND]
            carried += [self.things[key] for key in pushed]
            end = OUTSIDE if direction == OUT else HAND
            ends = [TROLLEY if thing.place == TROLLEY else end for thing in carried]
            way.walking = direction
            way.carried = tuple(thing.key for thing in carried)
            for thing in carried:
                self._put(thing, f"{station}/{lane}")
            names = ", ".join(thing.title for thing in carried) or "nothing"
            who = "a trolley is pushed" if pushed else "somebody walks"
            self.note(station, f"{who} {direction} through {lane} with {names}")
            self._plan_walk(way, direction, list(zip(carried, ends, strict=True)))
            return WALK_STEPS_MS["gone"]

    def press(self, station: str) -> None:
        """Press the guard's button at a gate, and let it go."""
        with self.lock:
            self.settle()
            gate = _known(self.gates, station, "gate")
            now_ms = self.clock.now_ms()
            gate.button.drive(True, now_ms)
            self._plan(now_ms + PRESS_MS, lambda at_ms: gate.button.drive(False, at_ms))
            self.note(station, "the guard presses the button")

    def settle(self) -> None:
        """Catch up with the clock: let every step that is due happen, in order, at its time."""
        with self.lock:
            now_ms = self.clock.now_ms()
            while self._steps and self._steps[0][0] <= now_ms:
                at_ms, _, action = heapq.heappop(self._steps)
                action(at_ms)

    def note(self, station: str, text: str) -> None:
        """Add a line to the running log."""
        self.happened += 1
        known = station in self.all_kiosks() or station in self.gates
        where = station if known else ""
        self.log.append(Happening(self.happened, self.clock.wall_ms(), where, text))

    def to_doc(self) -> dict[str, Any]:
        """Return where everything is and what each tag holds, for `restore`."""
        with self.lock:
            self.settle()
            return {
                key: {
                    "place": thing.home if self._is_walking(thing) else thing.place,
                    "afi": thing.tag.afi if thing.tag else None,
                    "memory": bytes(thing.tag.memory).hex() if thing.tag else None,
                }
                for key, thing in self.things.items()
            }

    def restore(self, doc: dict[str, Any]) -> None:
        """Bring back what `to_doc` kept; things it does not know stay as they are.

        Raises `WorldError` for anything else than such a document, and then changes nothing.
        """
        with self.lock:
            for thing, place, afi, memory in self._kept_things(doc):
                if thing.tag is not None:
                    thing.tag.memory[:] = memory
                    thing.tag.afi = afi
                self._put(thing, place)

    def _kept_things(self, doc: Any) -> list[tuple[SimThing, str, int, bytes]]:
        found = []
        try:
            for key, kept in doc.items():
                thing = self.things.get(key)
                if thing is None or kept["place"] not in self.places():
                    continue
                memory, afi = bytes.fromhex(kept["memory"] or ""), int(kept["afi"] or 0)
                if thing.tag is not None and len(memory) != len(thing.tag.memory):
                    raise WorldError(f"{key}: {len(memory)} bytes are not this tag's memory")
                found.append((thing, kept["place"], afi, memory))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise WorldError(f"not a kept world: {error!r}") from error
        return found

    def _add(self, thing: SimThing) -> SimThing:
        if thing.key in self.things:
            raise WorldError(f"{thing.key!r}: two things cannot have one label")
        self.things[thing.key] = thing
        if thing.tag is not None:
            self._titles[thing.tag.uid] = thing.title
        return thing

    def _add_devices(self, station: str, devices: dict[str, Device]) -> None:
        clash = sorted(set(devices) & set(self.devices))
        if clash:
            raise WorldError(f"{station!r}: there is a station of this name already")
        self.devices.update(devices)
        for name, device in devices.items():
            if not isinstance(device, SimInput | SimOutput):
                self.buses[name] = BusLog()
            if isinstance(device, SimSerialDevice):
                device.watchers.append(FrameTeller(self.buses[name]))
            elif isinstance(device, SimReader | SimPrinter | SimOutput):
                device.watch = partial(self._witness, station, name.partition("/")[2])

    def _witness(self, station: str, device: str, what: str, tag: SimTag | None) -> None:
        """Note what a device did by itself; what a hand did is noted where the hand moved."""
        if tag is None and (device, what) not in _UNSAID:
            self.note(station, _SAID.get((device, what), f"{device.replace('_', ' ')} {what}"))
        elif tag is not None and what in _SECURITY_WORDS:
            self.note(
                station, f"{self._titles[tag.uid]}: the tag now says {_SECURITY_WORDS[what]}"
            )

    def _put(self, thing: SimThing, place: str) -> None:
        old, new = self._reader_at(thing.place), self._reader_at(place)
        if thing.tag is not None and old is not None:
            old.lift(thing.tag.uid)
        thing.place = place
        if thing.tag is not None and new is not None:
            new.place(thing.tag)

    def _reader_at(self, place: str) -> Any:
        """Return the reader whose field is at a place, None where there is none."""
        return self.devices.get(place) or self.devices.get(f"{place}/antenna")

    def _is_walking(self, thing: SimThing) -> bool:
        station, _, lane = thing.place.partition("/")
        gate = self.gates.get(station)
        return gate is not None and thing.key in gate.lanes[lane].carried

    def _free_lane(self, station: str, lane: str, direction: str) -> SimLane:
        way = _known(_known(self.gates, station, "gate").lanes, lane, f"lane of {station}")
        if direction not in (OUT, IN):
            raise WorldError(f"{direction!r}: one walks {OUT!r} or {IN!r}")
        if way.walking is not None:
            raise WorldError(f"somebody is in {lane} of {station} already; wait a second")
        return way

    def _ready_to_walk(self, key: str) -> bool:
        """Take a thing into the hand, unless it is on the trolley, which goes as it is."""
        if self.thing(key).place == TROLLEY:
            return True
        self.move(key, HAND)
        return False

    def _plan_walk(
        self, way: SimLane, direction: str, carried: list[tuple[SimThing, str]]
    ) -> None:
        """Plan the steps of one walk; `carried` says of each thing where it ends."""
        beams = [way.beam_inner, way.beam_outer]
        first, second = beams if direction == OUT else reversed(beams)
        start_ms = self.clock.now_ms()

        def arrive(_: int) -> None:
            way.walking = None
            way.carried = ()
            for thing, end in carried:
                self._put(thing, end)

        for step, action in (
            ("first", lambda at_ms: first.drive(True, at_ms)),
            ("second", lambda at_ms: second.drive(True, at_ms)),
            ("first_free", lambda at_ms: first.drive(False, at_ms)),
            ("second_free", lambda at_ms: second.drive(False, at_ms)),
            ("gone", arrive),
        ):
            self._plan(start_ms + WALK_STEPS_MS[step], action)

    def _plan(self, at_ms: int, action: Callable[[int], None]) -> None:
        self._step_n += 1
        heapq.heappush(self._steps, (at_ms, self._step_n, action))

    def _new_uid(self, prefix: str, length: int) -> str:
        return prefix + self._random.randbytes(length).hex()


def _known(named: dict[str, Named], name: str, what: str) -> Named:
    if name not in named:
        raise WorldError(f"{name!r}: no such {what}; there are {', '.join(named) or 'none'}")
    return named[name]


def _where(place: str) -> str:
    """Return a place as the end of a sentence."""
    words = {
        SHELF: "back on the shelf",
        CARDS: "back on the tray",
        HAND: "taken into the hand",
        TROLLEY: "on the trolley",
        SLOT: "dropped into the book slot",
        OUTSIDE: "outside",
    }
    if place in words:
        return words[place]
    spot = place.partition("/")[2]
    return {"pad": "on the pad", "card": "on the card spot"}.get(spot, f"left standing in {spot}")
