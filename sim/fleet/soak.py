"""Many seeds, over all cores, and what became of them."""

import multiprocessing
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from sim.fleet.acts import DEFAULT_SHAPE, SHAPES, Plan
from sim.fleet.check import Violation, check
from sim.fleet.check_items import doubted
from sim.fleet.fates import combined
from sim.fleet.outcome import Outcome
from sim.fleet.plan import make_plan
from sim.fleet.play import play, uncollected

DOUBTED_SHARE_MAX = 0.05
DOUBT_JUDGED_FROM = 2_000
"""Items of which facts were written, below which a share says nothing."""
SPEED_WANTED = 20_000
ENGINE = "engine"
"""The rule that is broken when a run ends with a traceback."""
_YEAR_MS = 365.25 * 24 * 3_600_000
_FAILURES_KEPT = 200


class Job(NamedTuple):
    """A seed and the name of the shape it is played in."""

    seed: int
    shape: str

    @property
    def replay(self) -> str:
        """Return what to type to see this run again."""
        shape = "" if self.shape == DEFAULT_SHAPE else f" --shape {self.shape}"
        return f"lendgate-sim soak --replay {self.seed}{shape}"


@dataclass(frozen=True, slots=True)
class Ran:
    """What one seed came to. seconds: of one core, for playing and for checking it."""

    job: Job
    facts: int = 0
    device_ms: int = 0
    kiosk_ms: int = 0
    items: int = 0
    doubted: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    violations: tuple[Violation, ...] = ()
    play_seconds: float = 0.0
    check_seconds: float = 0.0


@dataclass(slots=True)
class Totals:
    """The sum of many seeds."""

    seeds: int = 0
    shapes: Counter[str] = field(default_factory=Counter)
    facts: int = 0
    device_ms: int = 0
    kiosk_ms: int = 0
    items: int = 0
    doubted: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    play_seconds: float = 0.0
    check_seconds: float = 0.0
    failed_seeds: int = 0
    failures: list[dict[str, Any]] = field(default_factory=list)

    def add(self, ran: Ran) -> None:
        """Count a seed."""
        self.seeds += 1
        self.shapes[ran.job.shape] += 1
        self.facts += ran.facts
        self.device_ms += ran.device_ms
        self.kiosk_ms += ran.kiosk_ms
        self.items += ran.items
        self.doubted += ran.doubted
        self.faults += ran.faults
        self.play_seconds += ran.play_seconds
        self.check_seconds += ran.check_seconds
        self.failed_seeds += bool(ran.violations)
        room = max(_FAILURES_KEPT - len(self.failures), 0)
        self.failures += [
            {"seed": ran.job.seed, "replay": ran.job.replay, "rule": one.rule, "text": one.text}
            for one in ran.violations[:room]
        ]

    @property
    def device_years(self) -> float:
        """Return for how long stations ran, all of them together."""
        return self.device_ms / _YEAR_MS

    @property
    def doubted_share(self) -> float:
        """Return which part of the items with facts stayed in doubt."""
        return self.doubted / self.items if self.items else 0.0

    @property
    def speed(self) -> float:
        """Return how many times faster than real a kiosk lives on one core, healing left out."""
        return self.kiosk_ms / 1_000 / self.play_seconds if self.play_seconds else 0.0

    @property
    def is_default(self) -> bool:
        """Return whether all seeds were of the shape for which shares and speed are promised."""
        return set(self.shapes) <= {DEFAULT_SHAPE}

    @property
    def too_doubtful(self) -> bool:
        """Return whether more items stayed in doubt than promised at the default mix of faults."""
        is_enough = self.items >= DOUBT_JUDGED_FROM
        return self.is_default and is_enough and self.doubted_share > DOUBTED_SHARE_MAX

    def to_doc(self) -> dict[str, Any]:
        """Return the totals as JSON can hold them."""
        doc = {one.name: getattr(self, one.name) for one in fields(self)}
        return {**doc, "shapes": dict(self.shapes), "faults": dict(self.faults)}

    @classmethod
    def from_doc(cls, doc: dict[str, Any]) -> "Totals":
        """Return the totals that `to_doc` wrote; raise TypeError for anything else."""
        totals = cls(**doc)
        totals.shapes, totals.faults = Counter(totals.shapes), Counter(totals.faults)
        return totals

    def join(self, other: "Totals") -> None:
        """Add another run's totals; its failures stay with it."""
        for name in ("seeds", "facts", "device_ms", "kiosk_ms", "items", "doubted"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.play_seconds += other.play_seconds
        self.check_seconds += other.check_seconds
        self.failed_seeds += other.failed_seeds
        self.shapes += other.shapes
        self.faults += other.faults


def jobs_of(seeds: Iterable[int], shape: str = DEFAULT_SHAPE) -> list[Job]:
    """Return what to play, all of it in the named shape."""
    return [Job(seed, shape) for seed in seeds]


def plan_of(job: Job) -> Plan:
    """Return the plan of a seed."""
    return make_plan(job.seed, SHAPES[job.shape])


def judge(plan: Plan) -> list[Violation]:
    """Play a plan and return the promises it broke; a traceback breaks one too."""
    try:
        return check(play(plan))
    except Exception:
        return [_crashed()]


def run_seed(job: Job) -> Ran:
    """Play a seed, check it, and return what it came to."""
    with uncollected():
        return _run_seed(job)


def _run_seed(job: Job) -> Ran:
    plan = plan_of(job)
    started = time.process_time()
    try:
        outcome = play(plan)
    except Exception:
        return Ran(job, violations=(_crashed(),), play_seconds=time.process_time() - started)
    played = time.process_time()
    violations = tuple(check(outcome))
    return Ran(
        job,
        facts=len(outcome.committed),
        device_ms=outcome.device_ms,
        kiosk_ms=plan.shape.kiosks * plan.shape.duration_ms,
        items=len(_handled(outcome)),
        doubted=len(doubted(outcome) & _handled(outcome)),
        faults=Counter(outcome.faults) + combined(job.seed, plan.shape),
        violations=violations,
        play_seconds=played - started,
        check_seconds=time.process_time() - played,
    )


def run_seeds(jobs: list[Job], processes: int) -> Iterator[Ran]:
    """Yield what each seed came to, as they end."""
    if processes == 1:
        yield from map(run_seed, jobs)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(run_seed, jobs, chunksize=2)


def _handled(outcome: Outcome) -> frozenset[str]:
    """Return the items of which facts were written."""
    return frozenset(one.item for one in outcome.committed if one.item)


def _crashed() -> Violation:
    last = traceback.format_exc().strip().splitlines()
    where = next((line.strip() for line in reversed(last) if line.startswith("  File")), "")
    return Violation(ENGINE, "fleet", 0, f"{last[-1]} ({where})")
