"""The demo's library as a world: its stations, and the books and readers of `examples/demo`."""

import csv
import hashlib
from collections.abc import Collection, Iterator
from pathlib import Path

from hardware.ports import Clock
from sim.demo_plan import GATES, ITEMS_FILE, KIOSKS, PATRONS_FILE
from sim.errors import SimError
from sim.world import World

UNTAGGED = frozenset(("30715000000361",))
"""Books of the demo that nobody has tagged yet: they are lent by their barcode alone."""


def build_world(clock: Clock, folder: Path, *, wired: Collection[str] = ()) -> World:
    """Return the demo's library, every book on the shelf and in stock.

    wired: kiosks and gates whose devices end in cables, for the drivers of real ones.

    A book whose line names no UID is tagged all the same, with a UID the catalogue does not know:
    so libraries find out which tag is which only as readers meet them.
    """
    world = World(clock)
    fill_world(world, folder, wired=wired)
    return world


def fill_world(world: World, folder: Path, *, wired: Collection[str] = ()) -> None:
    """Put the demo's stations, books and cards into an empty world; see `build_world`."""
    for kiosk in KIOSKS:
        add = world.add_wired_kiosk if kiosk.station in wired else world.add_kiosk
        add(kiosk.station, kiosk.label)
    for gate in GATES:
        is_wired = gate.station in wired
        world.add_gate(gate.station, gate.label, lanes=gate.lanes, wired=is_wired)
    for line in _lines(folder / ITEMS_FILE, ("barcode", "title", "author", "owner", "uids")):
        barcode = line["barcode"]
        uid = line["uids"] or "e00401" + hashlib.sha256(barcode.encode()).hexdigest()[:10]
        world.add_book(
            barcode,
            line["title"],
            author=line["author"],
            owner=line["owner"],
            uid="" if barcode in UNTAGGED else uid,
            shelf_mark=line.get("shelf_mark", ""),
        )
    for line in _lines(folder / PATRONS_FILE, ("number", "name", "cards")):
        world.add_card(line["number"], line["name"], uid=line["cards"])


def _lines(path: Path, needed: tuple[str, ...]) -> Iterator[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in needed if name not in (reader.fieldnames or ())]
            if missing:
                raise SimError(f"{path}: no column {', '.join(missing)}")
            yield from reader
    except OSError as error:
        raise SimError(f"{path}: cannot be read ({error.strerror}); is this a clone?") from error
