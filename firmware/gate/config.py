"""What a library sets for one gate, and the numbers that stand behind its behaviour.

Every value is bounded where it is read: `gate_config` raises `GateConfigInvalid` and names the
option. `OPTIONS` is the whole list; docs/gate.md repeats it, and a test compares the two.
"""

from collections import namedtuple

from firmware.gate.errors import GateConfigInvalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# What an exit leads out of; an item may pass where its reach is at least the boundary.
ROOM = 1
BUILDING = 2
STREET = 3

# What follows is the behaviour of the gate, not an option: changing one changes a promise.
PASSAGE_WINDOW_MS = 2_000  # a tag belongs to a beam broken at most this much before or after
STANDING_MS = 10_000  # in the field this long: it stands there, it does not pass
AWAY_MS = 30_000  # out of the field this long: forgotten, and judged anew
PRESENCE_GAP_MS = 5_000  # reads farther apart than this are two visits to the field
REJUDGE_MS = 5_000  # the next person through the beams is not blamed for the book before
OWNER_WAIT_MS = 60  # how long an alarm waits for the owner to be read from an unknown tag
LATE_MS = 10_000  # an alarm found later than this is recorded, but the siren stays quiet
LENDERS_HEARD_MS = 60_000  # every lending station heard within this, or row 6 stays silent
CAME_IN_MS = 18 * 3_600_000  # how long "came in today" lasts: an opening day, never the next

BEAMS_MAX = 2
LANES_MAX = 8

# How much is kept; a microcontroller's board has smaller numbers.
# alarms: those that a kiosk may still name, a moment later.
Limits = namedtuple("Limits", ("tags", "came_in", "overlay", "settled", "reported", "alarms"))
LIMITS = Limits(tags=256, came_in=1_024, overlay=4_096, settled=1_024, reported=256, alarms=32)

Option = namedtuple("Option", ("name", "default", "minimum", "maximum", "meaning"))

OPTIONS = (
    Option("boundary", STREET, ROOM, STREET, "leads out of: room 1, building 2, to the street 3"),
    Option("alarm_hold_ms", 3_000, 500, 30_000, "how long the siren sounds for one alarm"),
    Option("siren_max_on_ms", 30_000, 1_000, 120_000, "longest time the siren is on at a stretch"),
    Option("lamp_hold_ms", 30_000, 1_000, 600_000, "how long the red lamp stays on"),
    Option("staff_pass_ms", 60_000, 5_000, 300_000, "how long a staff card lets a trolley pass"),
    Option("debounce_ms", 10, 1, 100, "how long a beam must hold a level to be believed"),
    Option("count_slot_ms", 900_000, 60_000, 3_600_000, "the time over which people are counted"),
    Option("alarm_on_disagreement", 0, 0, 1, "row 5 sounds the siren (1) or is reported (0)"),
)


class Lane(namedtuple("Lane", ("name", "beams"))):
    """One way through the gate; beams: 2 give a direction, 1 only a passage, 0 neither."""


class GateConfig(
    namedtuple(
        "GateConfig",
        (
            "gate",
            "lanes",
            "members",
            "lenders",
            "boundary",
            "alarm_hold_ms",
            "siren_max_on_ms",
            "lamp_hold_ms",
            "staff_pass_ms",
            "debounce_ms",
            "count_slot_ms",
            "alarm_on_disagreement",
        ),
    )
):
    """One gate; after the first four fields come the `OPTIONS` in their order.

    gate: its name in facts and alarms. lanes: `Lane`s, all of one exit. members: owner codes
    (ISIL) that are ours. lenders: stations known to lend at this site; others are learned.
    """


def gate_config(
    gate: str,
    lanes: "Iterable[tuple[str, int]]",
    members: "Iterable[str]" = (),
    lenders: "Iterable[str]" = (),
    **options: int,
) -> GateConfig:
    """Return the configuration, every value checked; raise GateConfigInvalid."""
    values: list[object] = [_name(gate), _lanes(lanes), tuple(members), tuple(lenders)]
    for option in OPTIONS:
        values.append(_bounded(option, options.pop(option.name, option.default)))
    if options:
        raise GateConfigInvalid(f"gate: no option is called {sorted(options)[0]}")
    config = GateConfig(*values)
    if config.alarm_hold_ms > config.siren_max_on_ms:
        raise GateConfigInvalid(
            f"gate: alarm_hold_ms is {config.alarm_hold_ms}, longer than siren_max_on_ms "
            f"{config.siren_max_on_ms}; shorten it"
        )
    return config


def _name(gate: object) -> str:
    if not isinstance(gate, str) or not 1 <= len(gate) <= 32:
        raise GateConfigInvalid("gate: its name must have 1 to 32 characters")
    return gate


def _lanes(lanes: "Iterable[tuple[str, int]]") -> "tuple[Lane, ...]":
    made = tuple([Lane(name, beams) for name, beams in lanes])
    if not 1 <= len(made) <= LANES_MAX or len({lane.name for lane in made}) != len(made):
        raise GateConfigInvalid(f"gate: 1 to {LANES_MAX} lanes with different names are needed")
    for lane in made:
        if lane.beams not in (0, 1, BEAMS_MAX):
            raise GateConfigInvalid(f"gate: lane {lane.name} must have 0, 1 or 2 beams")
    return made


def _bounded(option: Option, value: object) -> int:
    if isinstance(value, int) and option.minimum <= value <= option.maximum:
        return int(value)
    raise GateConfigInvalid(
        f"gate: {option.name} must be a whole number from {option.minimum} to {option.maximum}"
    )
