"""Short ways to write down what happened, and random histories whose true order is known."""

import random
from dataclasses import dataclass, field

from circulation.facts import ClockSample, Fact
from circulation.fold.holding import ON_SHELF
from circulation.fold.intervals import Interval
from circulation.fold.step import step
from circulation.wire import kinds

ITEM = "00000000000000aa"


def fact(fact_id, kind, station="k1", seq=1, **said):
    """Return a fact of one item; `saw` may be one id."""
    saw = said.pop("saw", ())
    said.setdefault("epoch_n", 1)
    said.setdefault("boot", "b1")
    said.setdefault("mono_ms", seq * 1000)
    return Fact(
        id=fact_id,
        kind=kind,
        station=station,
        seq=seq,
        saw=(saw,) if isinstance(saw, str) else tuple(saw),
        item_id=ITEM,
        **said,
    )


def checkout(fact_id, patron, station="k1", seq=1, **said):
    said.setdefault("due_at", 1_000_000)
    said.setdefault("reach", 3)
    return fact(fact_id, kinds.CHECKOUT, station, seq, patron=patron, **said)


def checkin(fact_id, station="k1", seq=1, **said):
    return fact(fact_id, kinds.CHECKIN, station, seq, **said)


def decision(fact_id, state, saw, **said):
    return fact(fact_id, kinds.DECISION, "desk", state=state, saw=saw, **said)


def at(earliest_ms, latest_ms=None):
    """Return an interval; one number is an exact instant."""
    return Interval(earliest_ms, earliest_ms if latest_ms is None else latest_ms)


def clock(fact_id, seq, *, boot, mono_ms, now_ms, trip_ms=0, **said):
    """Return a clock fact whose answer arrived at `mono_ms`, asked `trip_ms` before."""
    sample = ClockSample(mono_ms - trip_ms, mono_ms, now_ms)
    return fact(fact_id, kinds.CLOCK, seq=seq, boot=boot, mono_ms=mono_ms, clock=sample, **said)


@dataclass
class History:
    """What really happened to one item, told by stations that knew only part of it.

    Every station writes in order, remembers the newest fact it has heard of (`saw`), and may
    be out of touch; each fact's interval contains its true instant, or has no bounds.
    """

    facts: list[Fact] = field(default_factory=list)
    known: dict[str, Interval] = field(default_factory=dict)

    @property
    def truth(self):
        """Return the holding after all facts in their true order."""
        return told_in_order(self.facts)


def told_in_order(facts):
    holding = ON_SHELF
    for one in facts:
        holding, _ = step(holding, one)
    return holding


def history(random_source: random.Random, count, *, orderly, widths=(0, 5, 40, None), days=None):
    """Return a history of `count` facts at up to three stations.

    orderly: every checkin closes an open loan and no loan opens on a lent item. days: of which
    a reader is told one; else each is later than the one before.
    """
    found, heard, seqs, holding = History(), {}, {}, ON_SHELF
    for number in range(count):
        station = random_source.choice(("k1", "k2", "k3"))
        seqs[station] = seqs.get(station, 0) + 1
        kind = _kind(random_source, holding, orderly)
        one = fact(
            f"{random_source.getrandbits(40):010x}{number:06x}",
            kind,
            station,
            seqs[station],
            saw=heard.get(station, ()),
            patron=_patron(random_source, kind, holding),
            loan=holding.loan if kind == kinds.RENEWAL else None,
            session=random_source.choice(("s1", "s2", None)),
            due_at=random_source.choice(days) if days else 1000 + number,
        )
        found.facts.append(one)
        found.known[one.id] = _seen_through_a_clock(random_source, 10 * number, widths)
        holding, _ = step(holding, one)
        heard[station] = one.id
        for other in ("k1", "k2", "k3"):
            if random_source.random() < 0.3:
                heard[other] = one.id
    return found


def _patron(random_source, kind, holding):
    if kind == kinds.CHECKOUT:
        return random_source.choice("ABC")
    return holding.patron if kind == kinds.RENEWAL else None


def _kind(random_source, holding, orderly):
    lent = holding.loan is not None
    if not orderly:
        return random_source.choice(
            (kinds.CHECKOUT, kinds.CHECKIN, kinds.RENEWAL, kinds.SEEN, kinds.USED_IN_HOUSE)
        )
    if lent:
        return random_source.choice((kinds.CHECKIN, kinds.CHECKIN, kinds.RENEWAL, kinds.SEEN))
    return random_source.choice((kinds.CHECKOUT, kinds.CHECKOUT, kinds.SEEN))


def _seen_through_a_clock(random_source, instant, widths):
    width = random_source.choice(widths)
    if width is None:
        return Interval()
    return Interval(
        instant - random_source.randint(0, width), instant + random_source.randint(0, width)
    )
