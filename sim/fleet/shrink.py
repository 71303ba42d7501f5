"""From a plan that breaks a promise to a short one that breaks the same.

Delta debugging over acts and rates: leave out half, a quarter, and so on, as long as the same
rule is still broken; then make the library smaller and the day shorter. A plan is pure data and
faults of messages hang on no shared stream of chance, so what remains plays as it did before.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from sim.fleet.acts import MINUTE_MS, Act, Plan, Rate
from sim.fleet.verdict import Violation

Judge = Callable[[Plan], Sequence[Violation]]
Part = Act | Rate

PLAYS_MAX = 400
"""How often a plan is played at most; half a second each."""

_TAIL_MS = 5 * MINUTE_MS  # what is left of the day after the last act, for what follows from it


@dataclass(frozen=True, slots=True)
class Shrunk:
    """The short plan, what it breaks, and how often it took to find it."""

    plan: Plan
    violation: Violation
    plays: int


def shrink(
    plan: Plan, violation: Violation, judge: Judge, *, plays_max: int = PLAYS_MAX
) -> Shrunk:
    """Return a shorter plan that breaks the rule which `violation` names.

    judge: plays a plan and says which promises it broke. If the plan breaks nothing when it is
    played again it is returned as it is.
    """
    search = _Search(plan, violation, judge, plays_max)
    search.leave_out_other_items()
    search.halve()
    search.end_early()
    search.use_fewer_stations()
    return Shrunk(search.plan, search.violation, search.plays)


class _Search:
    """The shortest plan so far, and what it breaks."""

    def __init__(self, plan: Plan, violation: Violation, judge: Judge, plays_max: int) -> None:
        self.plan = plan
        self.violation = violation
        self.plays = 0
        self._judge = judge
        self._plays_max = plays_max

    def try_plan(self, plan: Plan) -> bool:
        """Keep a plan if it breaks the same rule; return whether it does."""
        if self.plays >= self._plays_max:
            return False
        self.plays += 1
        for found in self._judge(plan):
            if found.rule == self.violation.rule:
                self.plan, self.violation = plan, found
                return True
        return False

    def leave_out_other_items(self) -> None:
        """Try at once what most often helps: only the book concerned, or no people at all."""
        about = self.violation.about
        if not self.try_plan(self._only(lambda act: not is_human(act))) and about:
            self.try_plan(self._only(lambda act: not is_human(act) or about in act.args))

    def _only(self, wanted: Callable[[Act], bool]) -> Plan:
        return self.plan.with_acts(act for act in self.plan.acts if wanted(act))

    def halve(self) -> None:
        """Leave out ever smaller pieces, until no single part can go."""
        pieces = 2
        while (parts := _parts(self.plan)) and self.plays < self._plays_max:
            pieces = min(pieces, len(parts))
            if any(self.try_plan(_of(self.plan, rest)) for rest in _without_each(parts, pieces)):
                pieces = max(pieces - 1, 2)
            elif pieces == len(parts):
                return
            else:
                pieces *= 2

    def end_early(self) -> None:
        """Let the day end soon after the last act."""
        ends = [act.at_ms for act in self.plan.acts] + [rate.to_ms for rate in self.plan.rates]
        end_ms = min(max(ends, default=0) + _TAIL_MS, self.plan.shape.duration_ms)
        shape = replace(self.plan.shape, duration_ms=end_ms)
        self.try_plan(replace(self.plan, shape=shape))

    def use_fewer_stations(self) -> None:
        """Leave out the stations, sites and books after the last that is named."""
        shape = self.plan.shape
        named = _names(self.plan)
        kiosks, gates, items, patrons = (
            max([1, *(int(name[len(kind) :]) for name in named if name.startswith(kind))])
            for kind in ("kiosk-", "gate-", "book-", "reader-")
        )
        fewer = replace(shape, kiosks=kiosks, gates=gates)
        if shape.sites == 1:
            self.try_plan(replace(self.plan, shape=fewer))
        self.try_plan(
            replace(self.plan, shape=replace(self.plan.shape, items=items, patrons=patrons))
        )


def is_human(act: Act) -> bool:
    """Return whether people do this."""
    return act.what in (
        "lend",
        "return",
        "renew",
        "use_in_house",
        "carry_out",
        "carry_in",
        "staff_decide",
    )


def _parts(plan: Plan) -> list[Part]:
    return [*plan.rates, *plan.acts]


def _of(plan: Plan, parts: Sequence[Part]) -> Plan:
    acts = [part for part in parts if isinstance(part, Act)]
    return plan.with_acts(acts).with_rates(part for part in parts if isinstance(part, Rate))


def _without_each(parts: Sequence[Part], pieces: int) -> Iterator[list[Part]]:
    """Yield the parts without the first of so many pieces, without the second, and so on."""
    for n in range(pieces):
        start, end = len(parts) * n // pieces, len(parts) * (n + 1) // pieces
        yield [*parts[:start], *parts[end:]]


def _names(plan: Plan) -> set[str]:
    """Return everybody and everything that acts and rates name."""
    named = {rate.link for rate in plan.rates}
    for act in plan.acts:
        named.add(act.who)
        named.update(arg for arg in act.args if isinstance(arg, str))
    return named
