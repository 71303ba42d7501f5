"""What a plan is made of: people's acts, acts of fate, and how often messages go astray.

Integers and texts only, so that a plan can be printed, shrunk, kept and played again.

People (who is the kiosk or gate they stand at, or the gateway for staff):

    lend PATRON ITEM        at the kiosk; what they are told is the kiosk's business
    return ITEM             any item, any kiosk
    renew PATRON ITEM
    use_in_house ITEM       staff scan it from the trolley
    carry_out ITEM HOW      through this gate. HOW "lent": only if the tick was shown for it,
                            else the reader leaves the book behind; "hidden": in any case
    carry_in ITEM           through this gate
    staff_decide ITEM       at the gateway: whatever entry of the item is open is decided

Fate (who is a station, a site, "gateway" or "broker"):

    cut_power STEP          STEP as in CUT_STEPS; a step that does not come before the power is
    restore_power           restored did not happen
    torn_tail               the next power cut leaves half of the write it interrupted
    partition · heal        of a station's link, or of a site's line to the gateway: then
                            kiosks, gates and broker of the site still hear each other
    swizzle_stop · swizzle_start    a station's link, as part of a swizzle
    broker_restart SITE     it forgets everything
    broker_overflow SITE LENGTH FOR_MS      it drops what is queued beyond so many messages
    image · roll_back       the card is copied; the copy replaces the card
    new_card                the card is destroyed; an empty one is enrolled under the old name
    clock_jump MS           the wall clock moves by so many milliseconds
    twin FOR_MS             a second station with this id and a copy of this card
    kill_gateway STEP DOWN_MS       STEP as in KILL_STEPS
    backup · restore_backup         of the gateway's store
    poison WHAT             the station writes something malformed; WHAT as in POISONS
    disk_full · disk_free
    slow_consumer MS · fast_consumer        the gateway takes so long for each batch
    deaf                    the broker forgets what this station listens to, and says nothing
    replay SITE             the broker tells news of the site once more, but not the newest
    old_version             this station runs the version before, until it ends
    tag_stays               the next tag this kiosk should switch refuses to be
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

MINUTE_MS = 60_000
HOUR_MS = 3_600_000

GATEWAY = "gateway"
BROKER = "broker"
EVERY_LINK = "*"

CUT_STEPS = ("now", "during_write", "before_commit", "after_commit", "after_publish")
KILL_STEPS = ("before_commit", "after_commit", "after_ack")
POISONS = ("not_json", "unknown_kind", "lone_surrogate", "huge_integer", "nul_in_text")
CHOKING = "choking"
"""A poison that this gateway cannot read in a batch, and can as raw bytes."""
RATE_KINDS = ("loss", "duplicate", "delay", "reorder")
MESSAGES = 1_000_000
"""What `per_million` of a rate counts."""


class Act(NamedTuple):
    """Something that happens at an instant of the plan, in virtual milliseconds."""

    at_ms: int
    who: str
    what: str
    args: tuple[int | str, ...] = ()


class Rate(NamedTuple):
    """How many of a million messages of a link meet a fault between two instants."""

    kind: str
    link: str
    from_ms: int
    to_ms: int
    per_million: int


class Place(NamedTuple):
    """A station of the fleet and the site it stands at."""

    name: str
    site: str
    is_gate: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """How big a library is, for how long it is watched, and how rough the world is.

    facts_per_hour: of each kiosk. roughness: percent of the probabilities in the table of
    faults; 0 is a world without faults. theme: kinds of faults and how many times likelier they
    are; if there is one, no other kind comes. slot_ms: in which a fault befalls somebody once at
    most. forgetful: percent of the books somebody has brought back that they try to renew
    nevertheless. decisions: of staff in an hour. dead_pads: no kiosk can switch a tag, which
    says "in stock" for ever, so that every honest reader needs the word of kiosk or gateway.
    """

    kiosks: int = 3
    gates: int = 2
    sites: int = 1
    items: int = 60
    patrons: int = 20
    duration_ms: int = HOUR_MS
    heal_ms: int = 10 * MINUTE_MS
    facts_per_hour: int = 60
    roughness: int = 100
    theme: tuple[tuple[str, int], ...] = ()
    slot_ms: int = HOUR_MS
    forgetful: int = 0
    decisions: int = 20
    dead_pads: bool = False

    @property
    def places(self) -> tuple[Place, ...]:
        """Return every station, kiosks first, dealt out to the sites one after another."""
        kiosks = (
            Place(f"kiosk-{n}", self._site(n), is_gate=False) for n in range(1, self.kiosks + 1)
        )
        gates = (Place(f"gate-{n}", self._site(n), is_gate=True) for n in range(1, self.gates + 1))
        return (*kiosks, *gates)

    @property
    def site_names(self) -> tuple[str, ...]:
        """Return the names of the sites."""
        return tuple(self._site(n) for n in range(1, self.sites + 1))

    @property
    def item_names(self) -> tuple[str, ...]:
        """Return the names of the items, `book-001` and so on."""
        return tuple(f"book-{n:03}" for n in range(1, self.items + 1))

    @property
    def patron_names(self) -> tuple[str, ...]:
        """Return the names of the readers, `reader-01` and so on."""
        return tuple(f"reader-{n:02}" for n in range(1, self.patrons + 1))

    def _site(self, number: int) -> str:
        return f"site-{(number - 1) % self.sites + 1}"


SOAK = Shape()
SHAPES: dict[str, Shape] = {
    "soak": SOAK,
    "calm": Shape(roughness=0),
    "storm": Shape(
        gates=1,
        items=12,
        patrons=8,
        duration_ms=20 * MINUTE_MS,
        facts_per_hour=150,
        roughness=400,
    ),
    "branches": Shape(kiosks=4, gates=2, sites=2, items=80, patrons=24),
    "day": Shape(
        kiosks=10,
        gates=4,
        sites=3,
        items=1_000,
        patrons=200,
        duration_ms=24 * HOUR_MS,
        facts_per_hour=20,
    ),
}
"""The shapes that have a name."""

_THEME = Shape(
    items=9, patrons=6, duration_ms=15 * MINUTE_MS, facts_per_hour=200, slot_ms=5 * MINUTE_MS
)
THEMES: dict[str, Shape] = {
    "cards": replace(
        _THEME,
        gates=1,
        theme=(
            ("roll_back", 15),
            ("roll_back_twice", 30),
            ("roll_back_dark", 120),
            ("partition", 5),
            ("duplicate", 5),
            ("new_card", 10),
            ("clock_2106", 20),
            ("clock_back", 20),
        ),
    ),
    "doors": replace(
        _THEME,
        dead_pads=True,
        theme=(
            ("site_partition", 40),
            ("partition", 5),
            ("power_cut", 25),
            ("replay", 100),
            ("restore_backup", 5),
        ),
    ),
    "rivals": replace(
        _THEME,
        gates=1,
        items=4,
        patrons=4,
        facts_per_hour=300,
        dead_pads=True,
        theme=(("partition", 40), ("site_partition", 40), ("loss", 10), ("replay", 100)),
    ),
    "desks": replace(
        _THEME,
        items=6,
        gates=1,
        forgetful=50,
        decisions=120,
        theme=(("partition", 40), ("dark", 40), ("site_partition", 30), ("clock_back", 10)),
    ),
    "lines": replace(
        _THEME,
        gates=1,
        theme=(
            ("choke", 40),
            ("poison", 10),
            ("loss", 10),
            ("delay", 10),
            ("broker_restart", 10),
            ("partition", 30),
            ("swizzle", 10),
            ("slow_consumer", 10),
        ),
    ),
    "clocks": replace(
        _THEME,
        gates=1,
        theme=(("clock_2106", 100), ("clock_back", 50), ("clock_1970", 10), ("dark", 60)),
    ),
    "ghosts": replace(_THEME, gates=1, theme=(("deaf", 150), ("partition", 10))),
    "backups": replace(
        _THEME,
        dead_pads=True,
        theme=(
            ("restore_backup", 80),
            ("kill_before_commit", 10),
            ("kill_after_commit", 10),
            ("partition", 60),
            ("roll_back", 5),
        ),
    ),
}
"""A quarter of an hour with few books and few kinds of faults, each of which comes often."""
SHAPES |= THEMES
DEFAULT_SHAPE = "soak"


@dataclass(frozen=True, slots=True)
class Plan:
    """All that will happen to a fleet, in the order of time; playing it adds no chance."""

    seed: int
    shape: Shape
    acts: tuple[Act, ...]
    rates: tuple[Rate, ...]

    def with_acts(self, acts: Iterable[Act]) -> "Plan":
        """Return the plan with these acts instead of its own."""
        return replace(self, acts=tuple(sorted(acts, key=lambda act: act.at_ms)))

    def with_rates(self, rates: Iterable[Rate]) -> "Plan":
        """Return the plan with these rates instead of its own."""
        return replace(self, rates=tuple(rates))


def has_security(item: str) -> bool:
    """Return whether an item's tag carries an AFI or a security byte: two of three do."""
    return int(item.rpartition("-")[2]) % 3 != 0


def to_json(plan: Plan) -> str:
    """Return a plan as text, an act a line, for a file that can be read and played again."""
    lines = [json.dumps([*act[:3], *act.args]) for act in plan.acts]
    rates = [json.dumps(list(rate)) for rate in plan.rates]
    head = json.dumps({"seed": plan.seed, "shape": asdict(plan.shape)})[:-1]
    return f'{head},\n"acts": [\n{_rows(lines)}],\n"rates": [\n{_rows(rates)}]}}\n'


def from_json(text: str) -> Plan:
    """Return the plan a text holds; raise ValueError, TypeError or KeyError if it holds none."""
    found: dict[str, Any] = json.loads(text)
    acts = (Act(at_ms, who, what, tuple(args)) for at_ms, who, what, *args in found["acts"])
    shape = found["shape"] | {"theme": tuple(map(tuple, found["shape"].get("theme", ())))}
    return Plan(
        found["seed"],
        Shape(**shape),
        tuple(acts),
        tuple(Rate(*rate) for rate in found["rates"]),
    )


def _rows(lines: list[str]) -> str:
    return "".join(f"{line},\n" for line in lines[:-1]) + "".join(
        f"{line}\n" for line in lines[-1:]
    )
