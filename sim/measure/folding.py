"""The fold: how many facts a second become the state of their items.

Typical are ten facts of two kiosks that heard of each other; hard are six facts of six kiosks
that did not, the most the fold weighs. The floor of both is the table alone: each fact applied
by `step` to what came before it, with the order given away.
"""

from collections.abc import Callable

from circulation.facts import Fact
from circulation.fold.fold import ON_SHELF, fold, step
from circulation.fold.intervals import Interval
from circulation.wire import kinds
from sim.measure.numbers import timed
from sim.measure.table import Bench, Row

ITEM = "00000000000000aa"
TYPICAL_FACTS, CONCURRENT_FACTS = 10, 6
ROUNDS, ROUNDS_QUICK = 2_000, 20
MINUTE_MS = 60_000


def run(bench: Bench) -> list[Row]:
    """Measure both histories, each as often."""
    rounds = bench.times(ROUNDS, ROUNDS_QUICK)
    return [
        _measure("facts of ten in a chain, folded", _chain(), rounds),
        _measure("facts of six concurrent, folded", _concurrent(), rounds // 4),
    ]


def _measure(what: str, facts: list[Fact], rounds: int) -> Row:
    intervals = {fact.id: Interval(fact.mono_ms, fact.mono_ms + MINUTE_MS) for fact in facts}

    def ours() -> None:
        fold(facts, intervals)

    def bare() -> None:
        holding = ON_SHELF
        for fact in facts:
            holding, _ = step(holding, fact)

    rate = len(facts) * _per_second(ours, rounds)
    return Row(
        what, rate, "facts/s", len(facts) * _per_second(bare, rounds),
        "the table's steps alone", figures={"rounds": rounds},
    )  # fmt: skip


def _per_second(work: Callable[[], None], rounds: int) -> float:
    """Return how often a second something was done."""
    work()
    with timed() as watch:
        for _ in range(rounds):
            work()
    return rounds / watch.seconds


def _fact(number: int, kind: str, station: str, saw: tuple[str, ...]) -> Fact:
    return Fact(
        id=f"{number:016x}",
        kind=kind,
        station=station,
        epoch_n=1,
        seq=number,
        boot="b0000001",
        mono_ms=number * 10_000,
        saw=saw,
        item_id=ITEM,
        patron=f"patron {number}" if kind == kinds.CHECKOUT else None,
        reach=3,
        due_at=1,
    )


def _chain() -> list[Fact]:
    """Return loans and returns in turn at two kiosks, each having seen the one before."""
    facts: list[Fact] = []
    for number in range(1, TYPICAL_FACTS + 1):
        kind = kinds.CHECKOUT if number % 2 else kinds.CHECKIN
        saw = (facts[-1].id,) if facts else ()
        facts.append(_fact(number, kind, f"kiosk-{number % 2}", saw))
    return facts


def _concurrent() -> list[Fact]:
    """Return three loans and three returns at six kiosks, none of which heard of another.

    Ten seconds apart and known to a minute: no clock can order them.
    """
    return [
        _fact(number, kinds.CHECKOUT if number % 2 else kinds.CHECKIN, f"kiosk-{number}", ())
        for number in range(1, CONCURRENT_FACTS + 1)
    ]
