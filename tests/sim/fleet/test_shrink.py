"""Shrinking: what is left breaks the same promise, and nothing in it can go."""

from sim.fleet.acts import Act, Plan, Rate, Shape
from sim.fleet.plan import make_plan
from sim.fleet.shrink import shrink
from sim.fleet.verdict import Violation

SWAP = Act(1_800_000, "kiosk-2", "roll_back")
LOSS = Rate("loss", "gate-2", 1_000_000, 1_200_000, 400_000)


def broken(rule, about=""):
    return Violation(rule, "kiosk-2", 0, "told", about)


class Judge:
    """Plays nothing: a plan is broken if it has all the acts and rates that it takes."""

    def __init__(self, *causes, rule="order", about=""):
        self.causes = causes
        self.found = broken(rule, about)
        self.plays = 0

    def __call__(self, plan):
        self.plays += 1
        parts = {*plan.acts, *plan.rates}
        return [self.found] if all(cause in parts for cause in self.causes) else []


def a_plan(*acts, rates=()):
    whole = make_plan(11)
    return whole.with_acts([*whole.acts, *acts]).with_rates([*whole.rates, *rates])


def test_one_act_of_hundreds_is_found():
    """Whatever has nothing to do with it is left out."""
    judge = Judge(SWAP)

    short = shrink(a_plan(SWAP), judge.found, judge)
    assert short.plan.acts == (SWAP,)
    assert short.plan.rates == ()
    assert short.plays == judge.plays < 100


def test_two_acts_and_a_rate_that_are_broken_together_stay_together():
    """No part of the cause can be left out alone."""
    lend = Act(60_000, "kiosk-1", "lend", ("reader-01", "book-007"))
    judge = Judge(SWAP, LOSS, lend, about="book-007")

    short = shrink(a_plan(SWAP, lend, rates=[LOSS]), judge.found, judge)
    assert short.plan.acts == (lend, SWAP)
    assert short.plan.rates == (LOSS,)


def test_the_day_ends_soon_after_the_last_act():
    """Nobody has to wait for an hour in which nothing happens."""
    early = Act(60_000, "kiosk-1", "new_card")

    short = shrink(a_plan(early), broken("order"), Judge(early))
    assert short.plan.shape.duration_ms == 360_000


def test_stations_and_books_that_nobody_names_are_left_out():
    """What remains is the smallest library in which it happens."""
    lend = Act(60_000, "kiosk-2", "lend", ("reader-03", "book-007"))

    short = shrink(a_plan(lend), broken("order"), Judge(lend))
    shape = short.plan.shape
    assert (shape.kiosks, shape.gates, shape.items, shape.patrons) == (2, 1, 7, 3)


def test_another_promise_that_breaks_instead_does_not_count():
    """A plan that breaks something else is another story."""
    judge = Judge(rule="honest")

    short = shrink(a_plan(SWAP), broken("order"), judge)
    assert short.plan.acts == a_plan(SWAP).acts
    assert short.violation == broken("order")


def test_it_stops_after_so_many_plays():
    """Half a second each: nobody waits for an hour."""
    judge = Judge(*make_plan(11).acts)

    short = shrink(a_plan(), judge.found, judge, plays_max=30)
    assert short.plays == judge.plays == 30


def test_an_empty_plan_that_breaks_a_promise_is_the_shortest():
    """Some bugs need nobody to do anything."""
    empty = Plan(1, Shape(), (), ())

    short = shrink(empty, broken("order"), Judge())
    assert short.plan.acts == ()
