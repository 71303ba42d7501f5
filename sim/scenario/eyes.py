"""What must be seen: each expectation looks until it is met or its time is over."""

from collections.abc import Callable
from typing import Any

from sim.errors import SimError, StepFailed
from sim.scenario.stage import Mark, Stage
from sim.scenario.text import Step

WITHIN_MS_DEFAULT = 5_000
SILENCE_MS_DEFAULT = 2_000
NAMING_MS = 5_000
"""The gateway's page may name a book that much later than the siren sounds."""

SIREN_SAYS = "siren on"
COLOURS = ("red", "amber")

Eye = Callable[[Stage, Step, Mark], str]
Probe = Callable[[], tuple[bool, str]]
"""Returns whether it is as it should be, and what was seen."""


def _until(stage: Stage, step: Step, probe: Probe, *, extra_ms: int = 0) -> str:
    """Look until the probe is content; raises `StepFailed` with what was seen last."""
    told_ms = step.number("TIME", WITHIN_MS_DEFAULT)
    within_ms = max(told_ms * stage.patience, stage.within_ms_min) + extra_ms
    deadline_ms = stage.now_ms() + within_ms
    while True:
        ok, seen = _looked(probe)
        if ok:
            return seen
        left_ms = deadline_ms - stage.now_ms()
        if left_ms <= 0:
            raise StepFailed(f"{seen} (looked for {within_ms / 1000:g} s)")
        stage.run(min(stage.tick_ms, left_ms))


def _throughout(stage: Stage, for_ms: int, probe: Probe) -> str:
    """Look all that time; raises `StepFailed` as soon as the probe is not content."""
    end_ms = stage.now_ms() + for_ms
    while True:
        ok, seen = _looked(probe)
        if not ok:
            raise StepFailed(seen)
        left_ms = end_ms - stage.now_ms()
        if left_ms <= 0:
            return seen
        stage.run(min(stage.tick_ms, left_ms))


def _looked(probe: Probe) -> tuple[bool, str]:
    """Return what a probe sees; a page that does not answer is something seen, too."""
    try:
        return probe()
    except SimError as error:
        return False, str(error)


def _happened(stage: Stage, station: str, text: str, mark: Mark) -> bool:
    lines = stage.log(mark.happened)
    return any(line.station == station and line.text == text for line in lines)


def _alarm(stage: Stage, step: Step, mark: Mark) -> str:
    gate, title = step.word("GATE"), step.word("TEXT")
    rang = _until(
        stage, step, lambda: (_happened(stage, gate, SIREN_SAYS, mark), f"no siren at {gate}")
    )
    if not title:
        return rang

    def named() -> tuple[bool, str]:
        titles = stage.alarm_titles(mark.alarms)
        seen = ", ".join(one or "a book without a name" for one in titles) or "no alarm"
        return title in titles, f"the siren sounds; the gateway names {seen}"

    return _until(stage, step, named, extra_ms=NAMING_MS)


def _silence(stage: Stage, step: Step, mark: Mark) -> str:
    gate = step.word("GATE")

    def silent() -> tuple[bool, str]:
        rang = _happened(stage, gate, SIREN_SAYS, mark) or stage.lights(gate)["siren"]
        return not rang, f"the siren of {gate} sounds" if rang else "silence"

    return _throughout(stage, step.number("TIME", SILENCE_MS_DEFAULT), silent)


def _lamp(wanted: bool) -> Eye:
    def look(stage: Stage, step: Step, _mark: Mark) -> str:
        gate, colour = step.word("GATE"), step.word("WORD")
        if colour not in COLOURS:
            raise StepFailed(f"{colour!r}: the lamps are {' and '.join(COLOURS)}")

        def lit() -> tuple[bool, str]:
            lights = stage.lights(gate)
            on = [name for name, is_on in lights.items() if is_on]
            return lights[colour] is wanted, f"on at {gate}: {', '.join(on) or 'nothing'}"

        return _until(stage, step, lit)

    return look


def _tile(stage: Stage, step: Step, state: str) -> str:
    key = stage.find(step.word("THING"))
    return _shown_tile(stage, step, stage.names(key), (state, step.word("TEXT")))


def _code(stage: Stage, step: Step, _mark: Mark) -> str:
    code = step.word("TEXT")
    return _shown_tile(stage, step, (code,), (step.word("WORD"), ""))


def _shown_tile(stage: Stage, step: Step, names: tuple[str, ...], wanted: tuple[str, str]) -> str:
    """Expect a tile of one of these names in a state, saying something."""
    kiosk, (state, saying) = step.word("KIOSK"), wanted

    def shown() -> tuple[bool, str]:
        view = stage.screen(kiosk)
        tiles = [t for t in view.get("items", ()) if t["title"] in names or t["key"] in names]
        seen = f"the screen is {view.get('state')}; tiles: {_tiles(view)}"
        fits = [
            t for t in tiles if t["state"] == state and saying.casefold() in _said(t).casefold()
        ]
        return bool(fits), seen

    return _until(stage, step, shown)


def _said(tile: dict[str, Any]) -> str:
    reasons = [str(said) for reason in tile["reasons"] for said in reason.values() if said]
    return " ".join([*reasons, tile["notice"], *tile["notes"]])


def _tiles(view: dict[str, Any]) -> str:
    tiles = [
        f"{tile['title'] or tile['key']} {tile['state']}"
        + (f" ({_said(tile).strip()})" if _said(tile).strip() else "")
        for tile in view.get("items", ())
    ]
    return ", ".join(tiles) or "none"


def _on_screen(field: str, wanted: Callable[[Step], Any]) -> Eye:
    """Expect a field of a kiosk's screen to have a value."""

    def look(stage: Stage, step: Step, _mark: Mark) -> str:
        kiosk = step.word("KIOSK")

        def shown() -> tuple[bool, str]:
            value = stage.screen(kiosk).get(field)
            return value == wanted(step), f"{field} of {kiosk} is {value!r}"

        return _until(stage, step, shown)

    return look


def _greeting(stage: Stage, step: Step, _mark: Mark) -> str:
    kiosk, wanted = step.word("KIOSK"), step.word("TEXT")

    def greeted() -> tuple[bool, str]:
        view = stage.screen(kiosk)
        name = view.get("patron")
        return bool(name) and wanted in str(name), f"{kiosk} greets {name!r} ({view['state']})"

    return _until(stage, step, greeted)


def _slip(stage: Stage, step: Step, mark: Mark) -> str:
    kiosk, naming = step.word("KIOSK"), step.word("TEXT")

    def printed() -> tuple[bool, str]:
        if not stage.printed(kiosk, mark):
            return False, f"no slip at {kiosk}"
        text = " / ".join(stage.slip(kiosk))
        return naming in text, f"the slip says {text!r}"

    return _until(stage, step, printed)


def _no_slip(stage: Stage, step: Step, mark: Mark) -> str:
    kiosk = step.word("KIOSK")

    def none() -> tuple[bool, str]:
        printed = stage.printed(kiosk, mark)
        return not printed, f"a slip at {kiosk}: {stage.slip(kiosk)}" if printed else "no slip"

    return _throughout(stage, step.number("TIME", SILENCE_MS_DEFAULT), none)


def _item(stage: Stage, step: Step, _mark: Mark) -> str:
    key, wanted = stage.find(step.word("THING")), step.word("WORD")

    def known() -> tuple[bool, str]:
        state = stage.item(key)
        return state == wanted, f"at the gateway {stage.title(key)} is {state}"

    return _until(stage, step, known)


def _tag(stage: Stage, step: Step, _mark: Mark) -> str:
    key, wanted = stage.find(step.word("THING")), step.word("WORD")

    def said() -> tuple[bool, str]:
        state = stage.tag(key)
        return state == wanted, f"the tag of {stage.title(key)} says {state}"

    return _until(stage, step, said)


def _health(stage: Stage, step: Step, _mark: Mark) -> str:
    device, red = step.word("DEVICE"), _is_red(step)
    station, _, part = device.partition("/")

    def felt() -> tuple[bool, str]:
        ills = stage.ills(station)
        is_red = any(_means(subject, part) or device in says for subject, says in ills.items())
        return is_red is red, f"{station} says: {_listed(ills)}"

    return _until(stage, step, felt)


def _reported(stage: Stage, step: Step, _mark: Mark) -> str:
    device, red = step.word("DEVICE"), _is_red(step)
    station = device.partition("/")[0]

    def shown() -> tuple[bool, str]:
        ills = stage.reported_ills(station)
        is_red = any(device in says for says in ills)
        return is_red is red, f"the gateway shows of {station}: {'; '.join(ills) or 'all is well'}"

    return _until(stage, step, shown)


def _is_red(step: Step) -> bool:
    if step.word("WORD") not in ("red", "green"):
        raise StepFailed(f"{step.word('WORD')!r}: health is red or green")
    return step.word("WORD") == "red"


def _means(subject: str, part: str) -> bool:
    """Return whether what a station calls its device is this part of the world."""
    plain = part.replace("/antenna", "").replace("beam_", "").replace("/", " ").replace("_", " ")
    return subject in (part, plain, {"card": "cards"}.get(part, part))


def _listed(ills: dict[str, str]) -> str:
    return "; ".join(f"{name}: {says}" for name, says in ills.items()) or "all is well"


EYES: dict[str, Eye] = {
    "expect_alarm": _alarm,
    "expect_silence": _silence,
    "expect_lamp": _lamp(True),
    "expect_dark": _lamp(False),
    "expect_tick": lambda stage, step, mark: _tile(stage, step, "done"),
    "expect_tile": lambda stage, step, mark: _tile(stage, step, step.word("WORD")),
    "expect_code": _code,
    "expect_greeting": _greeting,
    "expect_screen": _on_screen("state", lambda step: step.word("WORD")),
    "expect_online": _on_screen("online", lambda step: True),
    "expect_offline": _on_screen("online", lambda step: False),
    "expect_waiting": _on_screen("waiting", lambda step: step.number("NUMBER", 0)),
    "expect_slip": _slip,
    "expect_no_slip": _no_slip,
    "expect_health": _health,
    "expect_reported": _reported,
    "expect_item": _item,
    "expect_tag": _tag,
}
