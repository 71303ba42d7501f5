"""Mistakes in putting facts in order, and in folding them into a state."""

from sim.mutants.mutant import Mutant

ORDER = "circulation/fold/order.py"
CONCURRENT = "circulation/fold/concurrent.py"
FOLD = "circulation/fold/fold.py"
STEP = "circulation/fold/step.py"
PLACING = "circulation/fold/placing.py"
COPIES = "gateway/copies.py"
FACTS = "gateway/facts.py"
HOLDINGS = "gateway/holdings.py"
RULES = "tests/circulation/rules/"

MUTANTS = (
    Mutant(
        "order-by-midpoint",
        "of two facts whose intervals overlap the one with the earlier middle came first",
        ORDER,
        "bounds = [bounds_of(known, fact.id) for fact in self._facts]",
        "bounds = [(sum(bounds_of(known, fact.id)) // 2,) * 2 for fact in self._facts]",
        (1,),
    ),
    Mutant(
        "order-by-wall-clock",
        "facts are ordered by what the stations' clocks said",
        ORDER,
        "bounds = [bounds_of(known, fact.id) for fact in self._facts]",
        "bounds = [(fact.wall_ms or 0, fact.wall_ms or 0) for fact in self._facts]",
        (1, 5),
    ),
    Mutant(
        "seen-is-forgotten",
        "a fact that saw another is not after it",
        ORDER,
        "seen = {ids[fact_id] for fact_id in fact.saw if fact_id in ids and fact_id != fact.id}",
        "seen: set[int] = set()",
        (1,),
        shape="desks",
    ),
    Mutant(
        "interval-from-receipt",
        "what has just come has just happened",
        FACTS,
        'return Interval(row["earliest_ms"], row["latest_ms"], bool(row["flagged"]))',
        'came = row["received_at"]\n    return Interval(came - 60_000, came, False)',
        (2,),
        shape="desks",
    ),
    Mutant(
        "unsure-clock-refuses",
        "a kiosk that does not know the time refuses who seems to be expired or late",
        "circulation/reasons.py",
        "(TIME_REASONS if not sure else set())",
        "set()",
        (5,),
        test=f"{RULES}test_stories.py"
        "::test_forty_five_children_on_a_power_cut_morning_borrow_their_books",
        masked="the readers of a fleet ask nobody whether they may",
    ),
    Mutant(
        "boot-returns-unmeasured",
        "what a boot writes after another one has no time but that of its neighbours",
        PLACING,
        "    return (bool(boots) and journal.has_clock(boots, place)) or (\n"
        "        bool(measured) and journal.has_fact(measured, place)\n    )",
        "    return False",
        (2, 7),
        shape="soak",
    ),
    Mutant(
        "copy-stays-behind",
        "a row that a station copies counts where it was first heard of, though older ones lack",
        COPIES,
        "    if not late:\n        return NOTHING",
        "    return NOTHING",
        (7, 9),
        shape="soak",
    ),
    Mutant(
        "first-believable-order",
        "of several believable ends the first is taken, and somebody is billed by chance",
        CONCURRENT,
        "if len(outcomes) > 1 or _bills_in_doubt(believed[0].holding, block, order):",
        "if False:",
        (3,),
        shape="desks",
    ),
    Mutant(
        "unclear-names-one-fact",
        "staff are told that an order is unclear, and shown one of its facts alone",
        CONCURRENT,
        "_entry(Rule.ORDER_UNCLEAR, block))",
        "_entry(Rule.ORDER_UNCLEAR, block[:1]))",
        (3,),
        shape="desks",
    ),
    Mutant(
        "doubt-has-no-limit",
        "of however many concurrent facts every order is looked at, while all others wait",
        CONCURRENT,
        "if len(block) > CONCURRENT_MAX:",
        "if False:",
        (3,),
        test="tests/circulation/fold/test_stories.py::test_ten_concurrent_facts_are_not_searched",
        masked="no virtual time passes while a program works",
    ),
    Mutant(
        "doubt-forgets-the-day",
        "a loan that ends a doubt is due earlier than the same reader had been told",
        CONCURRENT,
        "told=days_told(holding, block),\n        **kept,",
        "told=(),\n        **kept,",
        (4,),
        test="tests/circulation/fold/test_fold.py"
        "::TestDaysTold::test_a_loan_after_a_doubt_is_due_no_earlier",
        masked="one seed in thousands has a reader who renews in a doubt and borrows it once more",
    ),
    Mutant(
        "decision-replaces-nothing",
        "a decision is one more fact beside those that staff looked at",
        FOLD,
        "        if fact.kind == kinds.DECISION\n        for seen in",
        "        if False\n        for seen in",
        (4,),
        test="tests/circulation/fold/test_fold.py"
        "::TestDecision::test_it_replaces_exactly_the_facts_it_saw",
        masked="what a decision saw is before it anyway; it takes a doubt that begins anew",
    ),
    Mutant(
        "decision-wiped-out",
        "a fact that a decision did not know of makes no entry",
        FOLD,
        "if fact.id not in known and not order.is_before(decision.id, fact.id):",
        "if False:",
        (4,),
        shape="desks",
    ),
    Mutant(
        "renewal-of-a-stranger",
        "a renewal that comes late extends whatever loan is open then",
        STEP,
        "return Event.RENEWAL if fact.loan in holding.loan_names else Event.RENEWAL_OF_OTHER",
        "return Event.RENEWAL",
        (4,),
        shape="desks",
    ),
    Mutant(
        "only-the-last-arrival-counts",
        "a fact that arrives is applied on top, whatever it is concurrent with",
        HOLDINGS,
        "if item.item_id not in again and (",
        "if True or (",
        (1, 4),
    ),
)
