"""The demo's stations, and the files that list its books and readers.

Apart from the world they make (`sim.library`): what only has to know their names starts sooner.
"""

from dataclasses import dataclass

ITEMS_FILE = "items.csv"
PATRONS_FILE = "patrons.csv"


@dataclass(frozen=True, slots=True)
class StationPlan:
    """A station of the demo, and how it is called on screens."""

    station: str
    label: str
    lanes: tuple[str, ...] = ()


KIOSKS = (StationPlan("kiosk-1", "Door kiosk"), StationPlan("kiosk-2", "Stairs kiosk"))
GATES = (
    StationPlan("gate-1", "Main exit", ("lane-1", "lane-2")),
    StationPlan("gate-2", "Yard exit", ("lane-1",)),
)
