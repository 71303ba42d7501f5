"""What hands do: each verb as a function that returns how long it takes in milliseconds."""

from collections.abc import Callable

from sim.scenario.stage import Stage
from sim.scenario.text import Step
from sim.world import CARDS, HAND

SHOW_MS = 800
"""How long a card is held to its reader; people hold it until something happens."""

Act = Callable[[Stage, Step], int]

_MODES = {"lend": "lend", "return": "return"}


def _bring(stage: Stage, step: Step) -> int:
    stage.bring(step.word("NEW"), step.word("TEXT"), step.word("OWNER"))
    return 0


def _place(stage: Stage, step: Step) -> int:
    stage.move([stage.find(name) for name in step.words("THINGS")], step.word("PLACE"))
    return 0


def _remove(stage: Stage, step: Step) -> int:
    for key in [stage.find(name) for name in step.words("THINGS")]:
        stage.move([key], CARDS if stage.is_card(key) else HAND)
    return 0


def _show(stage: Stage, step: Step) -> int:
    key = stage.find(step.word("THING"))
    stage.move([key], f"{step.word('KIOSK')}/card")
    stage.run(SHOW_MS)
    stage.move([key], CARDS)
    return 0


def _scan(stage: Stage, step: Step) -> int:
    stage.scan(step.word("KIOSK"), stage.find(step.word("THING")))
    return 0


def _scan_code(stage: Stage, step: Step) -> int:
    stage.scan(step.word("KIOSK"), step.word("TEXT"))
    return 0


def _press(stage: Stage, step: Step) -> int:
    """Press a button: `lend` and `return` choose what is done, the rest are called as they are."""
    word = step.word("WORD")
    if word in _MODES:
        stage.press(step.word("KIOSK"), "mode", {"mode": _MODES[word]})
    elif len(word) == 2:
        stage.press(step.word("KIOSK"), "language", {"language": word})
    else:
        stage.press(step.word("KIOSK"), word, {})
    return 0


def _press_for(stage: Stage, step: Step) -> int:
    """Press a button on a tile or in the list of loans: that of the item of this title."""
    kiosk, title = step.word("KIOSK"), stage.title(stage.find(step.word("THING")))
    view = stage.screen(kiosk)
    rows = [*view.get("items", ()), *view.get("loans", ())]
    key = next((row["key"] for row in rows if row["title"] == title), title)
    stage.press(kiosk, step.word("WORD"), {"item": key})
    return 0


def _walk(stage: Stage, step: Step) -> int:
    keys = [stage.find(name) for name in step.words("THINGS")]
    return stage.walk(step.word("GATE"), _lane(stage, step), step.word("WHERE"), keys)


def _leave(stage: Stage, step: Step) -> int:
    keys = [stage.find(name) for name in step.words("THINGS")]
    stage.move(keys, f"{step.word('GATE')}/{_lane(stage, step)}")
    return 0


def _lane(stage: Stage, step: Step) -> str:
    """Return the lane that is named, else the gate's first."""
    return step.word("LANE") or stage.gates()[step.word("GATE")][0]


def _pull(stage: Stage, step: Step) -> int:
    stage.pull(stage.find(step.word("THING")), step.number("NUMBER", 0))
    return 0


def _weaken(stage: Stage, step: Step) -> int:
    stage.weaken(stage.find(step.word("THING")), step.number("NUMBER", 0))
    return 0


def _cut_power(stage: Stage, step: Step) -> int:
    stage.cut_power(step.word("STATION"))
    return 0


def _restore_power(stage: Stage, step: Step) -> int:
    stage.restore_power(step.word("STATION"))
    return 0


def _link(stage: Stage, step: Step) -> int:
    stage.link(step.word("WHO"), step.word("LINK"))
    return 0


def _fault(stage: Stage, step: Step) -> int:
    stage.fail(step.word("DEVICE"), step.word("FAULT"), step.options())
    return 0


def _unplug(stage: Stage, step: Step) -> int:
    stage.plug(step.word("DEVICE"), False)
    return 0


def _plug_in(stage: Stage, step: Step) -> int:
    stage.plug(step.word("DEVICE"), True)
    return 0


def _mend(stage: Stage, step: Step) -> int:
    stage.fail(step.word("DEVICE"), None, {})
    return 0


ACTS: dict[str, Act] = {
    "bring": _bring,
    "place": _place,
    "remove": _remove,
    "show": _show,
    "scan": _scan,
    "scan_code": _scan_code,
    "press_button": lambda stage, step: stage.press_button(step.word("GATE")),
    "press": _press,
    "press_for": _press_for,
    "walk": _walk,
    "leave": _leave,
    "pull": _pull,
    "weaken": _weaken,
    "cut_power": _cut_power,
    "restore_power": _restore_power,
    "link": _link,
    "fault": _fault,
    "mend": _mend,
    "unplug": _unplug,
    "plug_in": _plug_in,
}
