"""A journal read a piece at a time has the intervals of the whole, however its pieces came."""

import random

import pytest

from circulation.facts import ClockSample, Fact
from circulation.fold.intervals import intervals
from circulation.fold.placing import Known, place, place_of

START_MS = 1_700_000_000_000
HOUR_MS = 3_600_000
YEARS_MS = 80 * 365 * 24 * HOUR_MS


class ListedJournal:
    """What was placed, in a list; `read` counts what was looked at again."""

    def __init__(self):
        self.known = {}
        self.read = 0

    def newest(self):
        """Return the last fact of all."""
        return max(self.known.values(), key=lambda known: place_of(known.fact))

    def clock_before(self, place):
        """Return the last clock fact before a place, or of all."""
        found = [one for one in self.clocks() if place is None or place_of(one.fact) < place]
        return max(found, key=lambda known: place_of(known.fact), default=None)

    def has_clock(self, boots, before):
        """Return whether one of these boots was measured before a place."""
        return any(one.fact.boot in boots and place_of(one.fact) < before for one in self.clocks())

    def has_fact(self, boots, before):
        """Return whether one of these boots wrote before a place."""
        return any(
            one.fact.boot in boots and place_of(one.fact) < before for one in self.known.values()
        )

    def clocks(self):
        """Return every clock fact."""
        return [known for known in self.known.values() if known.fact.clock is not None]

    def first_outvoted(self):
        """Return where the first flagged fact stands."""
        flagged = [place_of(fact) for fact, interval in self.known.values() if interval.flagged]
        return min(flagged, default=None)

    def since(self, place):
        """Return every fact from a place on."""
        found = [known for known in self.known.values() if place_of(known.fact) >= place]
        self.read += len(found)
        return found

    def take(self, fresh):
        """Place new facts, and keep what they say of those before them."""
        placed = place(self, fresh)
        facts = [*(known.fact for known in placed.read), *fresh]
        for fact in facts:
            self.known[fact.id] = Known(fact, placed.intervals[fact.id])

    @property
    def intervals(self):
        """Return the interval of each fact."""
        return {name: known.interval for name, known in self.known.items()}


def clock_fact(number, *, mono_ms, now_ms, boot="b0", epoch_n=1, way_ms=10):
    """Return a clock fact: the gateway said `now_ms` while the question was on its way."""
    sample = ClockSample(mono_ms - way_ms, mono_ms, now_ms)
    name = f"f{epoch_n}.{number}"
    return Fact(name, "clock", "kiosk-1", epoch_n, number, boot, mono_ms, clock=sample)


def seen(number, *, mono_ms, boot="b0", epoch_n=1):
    """Return a fact that tells no time."""
    return Fact(f"f{epoch_n}.{number}", "seen", "kiosk-1", epoch_n, number, boot, mono_ms)


class Machine:
    """A box that writes the station's journal, beside others of its name perhaps."""

    def __init__(self, chance, boot, epoch_n=1, number=0, since_ms=START_MS):
        self.chance = chance
        self.epoch_n, self.number = epoch_n, number
        self.fast = chance.randrange(-150, 151)
        self.start(boot, since_ms)

    def start(self, boot, now_ms):
        """Start anew; nobody has been asked for the time yet."""
        self.boot, self.started_ms, self.asked_ms = boot, now_ms, 0

    def write(self, real_ms, wrong_ms):
        """Write the next fact; half of them have asked a gateway for the time."""
        self.number += 1
        mono_ms = real_ms - self.started_ms
        mono_ms += mono_ms * self.fast // 1_000_000
        where = {"mono_ms": mono_ms, "boot": self.boot, "epoch_n": self.epoch_n}
        if self.chance.random() < 0.5:
            # A station asks again when it has been answered.
            way_ms = min(self.chance.choice([5, 400, 20_000]), mono_ms - self.asked_ms)
            self.asked_ms = mono_ms
            now_ms = real_ms + wrong_ms - self.chance.randrange(way_ms + 1)
            return clock_fact(self.number, now_ms=now_ms, way_ms=way_ms, **where)
        return seen(self.number, **where)


def lived(seed, *, wrong_clocks, twins):
    """Return the facts of a station in the order they were written."""
    chance = random.Random(seed)
    real_ms, wrong_ms, boots = START_MS, 0, 0
    machines, facts = [Machine(chance, "b0")], []
    for _ in range(chance.randrange(4, 24)):
        real_ms += chance.choice([1, 200, 60_000, chance.randrange(1, HOUR_MS)])
        if wrong_clocks and chance.random() < 0.1:
            wrong_ms = chance.choice([0, 0, 10 * HOUR_MS, -10 * HOUR_MS, YEARS_MS])
        machine = chance.choice(machines)
        if chance.random() < 0.15:
            boots += 1
            machine.start(f"b{boots}", real_ms)
        if twins and len(machines) < 3 and chance.random() < 0.15:
            boots += 1
            copy = Machine(chance, f"b{boots}", len(machines) + 1, 0, real_ms)
            if chance.random() < 0.5:  # the gateway hears the copy first: the other is the fork
                copy.epoch_n, machine.epoch_n = machine.epoch_n, copy.epoch_n
                copy.number, machine.number = machine.number, copy.number
            machines.append(copy)
        facts.append(machine.write(real_ms, wrong_ms))
    return facts


def pieces(facts, chance, *, late):
    """Cut a journal into batches; `late` ones come after those that were written behind them."""
    left, batches = list(facts), []
    while left:
        size = chance.randrange(1, 5)
        batches.append(left[:size])
        left = left[size:]
    if late:
        for _ in range(2):
            chosen = batches.pop(chance.randrange(len(batches)))
            batches.insert(chance.randrange(len(batches) + 1), chosen)
    return batches


@pytest.mark.parametrize("late", [False, True], ids=["in order", "late"])
@pytest.mark.parametrize("twins", [False, True], ids=["one machine", "copied cards"])
@pytest.mark.parametrize("wrong_clocks", [False, True], ids=["sound clocks", "wrong clocks"])
def test_pieces_give_the_intervals_of_the_whole(wrong_clocks, twins, late):
    """After every batch of five hundred journals (seeds 0…499)."""
    differing = []
    for seed in range(500):
        facts, journal, came = lived(seed, wrong_clocks=wrong_clocks, twins=twins), None, []
        journal = ListedJournal()
        for batch in pieces(facts, random.Random(-seed), late=late):
            journal.take(batch)
            came += batch
            if journal.intervals != intervals(came):
                differing.append((seed, len(came)))
                break

    assert differing == []


def test_what_follows_all_others_reads_nothing_again():
    """Ten loans an hour apart, behind a clock fact: each is placed by what it stands behind."""
    journal = ListedJournal()
    journal.take([clock_fact(1, mono_ms=1_000, now_ms=START_MS)])

    for number in range(2, 12):
        journal.take([seen(number, mono_ms=number * HOUR_MS)])

    assert journal.read == 0
    facts = [one.fact for one in journal.known.values()]
    assert journal.intervals == intervals(facts)
