"""The player: a scenario's steps, one after the other, on a stage.

Laws:
- Every name in a scenario is looked up before its first step: a file that names what is not there
  is a bad file, and nothing of it is played.
- An expectation about something that happens (an alarm, a slip) is met by what has happened since
  the last thing a hand did, or happens in time; one about a state (a lamp, an item) by the state.
- Whatever goes wrong is told with the step, what was seen, and the log around it.
"""

from collections.abc import Callable, Set
from dataclasses import dataclass

from sim.errors import ScenarioInvalid, SimError, StepFailed
from sim.scenario.acts import ACTS
from sim.scenario.eyes import EYES
from sim.scenario.names import known
from sim.scenario.stage import Mark, Stage
from sim.scenario.text import Scenario, Step

LOG_LINES = 12


@dataclass(frozen=True, slots=True)
class Report:
    """How one step went; times are ms from the start of the scenario.

    `said` is what was seen, `log` the lines of the world's log around a failure.
    """

    n: int
    step: Step
    ok: bool
    began_ms: int
    took_ms: int
    said: str
    log: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the report for people: one line, or a failure with all that was seen."""
        mark = "✓" if self.ok else "✗"
        line = f"{mark} {self.began_ms / 1000:7.2f} s  {self.step.text}"
        if self.ok:
            return line
        log = "".join(f"\n      {one}" for one in self.log)
        return f"{line}\n    {self.step.place}\n    seen: {self.said}\n    log:{log}"


class Player:
    """Plays a scenario step by step; `listen` is given a `Report` after each.

    `next` is the step that comes, None at the end or after a failure.
    """

    def __init__(
        self, scenario: Scenario, stage: Stage, *, listen: Callable[[Report], object] | None = None
    ) -> None:
        """Check every name; raises `ScenarioInvalid` for one that is not there."""
        self.scenario = scenario
        self.stage = stage
        self.reports: list[Report] = []
        self._listen = listen or (lambda report: None)
        self._mark: Mark | None = None
        self._keeps_mark = False
        brought: set[str] = set()
        for step in scenario.steps:
            check_names(step, stage, brought)
            brought |= {step.word("NEW"), step.word("TEXT")} if step.name == "bring" else set()

    @property
    def failed(self) -> bool:
        """Whether a step has failed; nothing is played after it."""
        return bool(self.reports) and not self.reports[-1].ok

    @property
    def next(self) -> Step | None:
        """The step that comes, None at the end or after a failure."""
        steps = self.scenario.steps
        return None if self.failed or len(self.reports) >= len(steps) else steps[len(self.reports)]

    def step(self) -> Report | None:
        """Play the next step and return how it went; None when there is none."""
        step = self.next
        if step is None:
            return None
        if self._mark is None:
            self._mark = self.stage.mark()
        self._wait_for(step)
        began_ms = self.stage.now_ms()
        try:
            said, ok = self._do(step), True
        except SimError as error:
            said, ok = str(error), False
        took_ms = self.stage.now_ms() - began_ms
        log = () if ok else self._log()
        report = Report(len(self.reports) + 1, step, ok, began_ms, took_ms, said, log)
        self.reports.append(report)
        self._listen(report)
        return report

    def play(self) -> bool:
        """Play to the end or to the first failure; return whether all went well."""
        while self.step() is not None:
            pass
        return not self.failed

    def must_succeed(self) -> None:
        """Play to the end; raises `StepFailed` with everything about the step that failed."""
        if not self.play():
            raise StepFailed(f"{self.scenario.title}\n{self.reports[-1].text()}")

    def _wait_for(self, step: Step) -> None:
        wait_ms = step.after_ms
        if step.at_ms is not None:
            wait_ms += step.at_ms - self.stage.now_ms()
        if wait_ms > 0:
            self.stage.run(wait_ms)

    def _do(self, step: Step) -> str:
        if step.at_ms is not None and self.stage.now_ms() > step.at_ms + step.after_ms + 100:
            late_ms = self.stage.now_ms() - step.at_ms
            raise StepFailed(f"too late by {late_ms} ms; the steps before took longer")
        look = EYES.get(step.name)
        if look is not None:
            assert self._mark is not None
            return look(self.stage, step, self._mark)
        if step.name == "wait":
            self.stage.run(step.number("TIME", 0))
            return ""
        if not self._keeps_mark:
            self._mark = self.stage.mark()
        self._keeps_mark = step.meanwhile
        takes_ms = ACTS[step.name](self.stage, step)
        if not step.meanwhile:
            self.stage.run(takes_ms)
        return ""

    def _log(self) -> tuple[str, ...]:
        lines = self.stage.log()[-LOG_LINES:]
        return tuple(
            f"{line.at_ms / 1000:7.2f} s  {line.station or '-'}: {line.text}" for line in lines
        )


def check_names(step: Step, stage: Stage, brought: Set[str] = frozenset()) -> None:
    """Look up every name in a step; raises `ScenarioInvalid` for one that is not there.

    brought: titles and labels of books that steps before this one bring along.
    """
    gates = stage.gates()
    things = [*step.words("THINGS"), step.word("THING")]
    try:
        for name in things:
            if name and name not in brought:
                stage.find(name)
        for slot, names, what in (
            ("PLACE", stage.places(), "place"),
            ("KIOSK", stage.kiosks(), "kiosk"),
            ("GATE", list(gates), "gate"),
            ("STATION", [*stage.kiosks(), *gates], "station"),
            ("WHO", [*stage.kiosks(), *gates, "gateway"], "network plug"),
            ("DEVICE", stage.devices(), "device"),
        ):
            if step.word(slot):
                known(step.word(slot), names, what)
        if step.word("LANE"):
            gate = step.word("GATE")
            known(step.word("LANE"), gates[gate], f"lane of {gate}")
    except SimError as error:
        raise ScenarioInvalid(f"{step.place}: {error}") from error
