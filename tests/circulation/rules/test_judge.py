"""What the gateway thinks of a fact it applied."""

import dataclasses

import pytest

from circulation.items import ItemState
from circulation.judge import Judged, Known, Verdict, judge_fact, keep_verdicts
from circulation.reasons import Reason


@pytest.fixture(scope="session")
def judge(school):
    def decide(known=None, **more):
        fact = {
            "fact": "f1",
            "kind": "checkout",
            "now": school.now("2026-09-14 10:00"),
            "site": "main",
        }
        known = {"policy": school.policy(), "patron": school.patron(), "item": school.item()} | (
            known or {}
        )
        return judge_fact(Judged(**(fact | more)), Known(**known))

    return decide


def rules(verdicts):
    return [verdict.rule for verdict in verdicts]


def test_an_honest_loan_has_no_verdict(judge):
    """Most facts are within the rules."""
    assert judge() == ()


def test_a_loan_against_the_rules_stands_and_is_named(school, judge):
    """Over the limit, blocked, expired, held for another: one verdict each, in fixed order."""
    verdicts = judge(
        {
            "policy": school.policy({"max_loans": 1}),
            "patron": school.patron(blocked=("x",), expires_on=school.now("2026-01-01").at.date()),
            "item": school.item(
                held_for="ana", state=ItemState.ON_LOAN, loan=school.loan(patron="ana")
            ),
            "open_loans": (school.loan(9),),
        }
    )

    assert rules(verdicts) == [
        "patron_expired",
        "patron_blocked",
        "held_for_other",
        "too_many_loans",
    ]
    assert verdicts[3] == Verdict("f1", "too_many_loans", {"count": 1, "limit": 1})


def test_a_loan_of_nobody_or_of_nothing_known_is_named(judge):
    """The fact stands; staff find out whose it is."""
    assert rules(judge({"patron": None, "item": None})) == ["card_unknown", "item_unknown"]


def test_what_staff_waved_through_is_no_verdict(judge, school):
    """It was decided at the desk."""
    known = {"patron": school.patron(blocked=("x",), left=True)}

    assert rules(judge(known, overridden=frozenset({Reason.PATRON_BLOCKED}))) == ["patron_left"]


def test_an_unsure_clock_brings_no_verdict_about_time(judge, school):
    """A power-cut morning makes no 45 review entries."""
    night = school.now("2026-09-14 03:00", sure=False)

    assert rules(judge(now=night)) == []
    assert rules(judge(now=school.now("2026-09-14 03:00"))) == ["closed_now"]


def test_overdue_items_bring_no_verdict_while_facts_are_missing(judge, school):
    """Their return may be on its way."""
    known = {
        "policy": school.policy({"max_overdue": 0}),
        "open_loans": (school.loan(9, due_at=school.local("2026-09-01 17:00")),),
    }

    assert rules(judge(known)) == ["overdue_items"]
    assert rules(judge(known | {"stale": True})) == []


@pytest.mark.parametrize(
    ("reach", "overridden", "expected"),
    [(0, (), []), (3, (), ["reference_left"]), (3, (Reason.REFERENCE_ONLY,), [])],
)
def test_a_reference_item_lent_to_be_taken_home_is_named(
    judge, school, reach, overridden, expected
):
    """Story 15: a book for use on site must not walk out of the street door unnoticed."""
    verdicts = judge(
        {"item": school.item(reference=True)}, reach=reach, overridden=frozenset(overridden)
    )

    assert rules(verdicts) == expected


def test_a_renewal_is_judged_by_the_rules_of_renewing(judge, school):
    """Once too often; what order decides is the fold's matter."""
    lent = school.item(state=ItemState.ON_LOAN, loan=school.loan(renewals=2))

    assert rules(judge({"item": lent}, kind="renewal")) == ["too_many_renewals"]
    assert rules(judge({"item": school.item()}, kind="renewal")) == []
    assert rules(judge({"item": None}, kind="renewal")) == ["item_unknown"]


def test_other_kinds_have_no_verdict(judge):
    """A return is never against the rules."""
    assert judge({"patron": None, "item": None}, kind="checkin") == ()


def test_three_loans_monday_and_five_tuesday_are_judged_once_and_stay_judged(school, judge):
    """Story 6: by what was known when applied; arrival order later changes no verdict."""
    policy = school.policy({"max_loans": 5})
    applied, verdicts = [], {}
    arrivals = [f"tuesday-{n}" for n in range(5)] + [f"monday-{n}" for n in range(3)]
    for number, fact in enumerate(arrivals):
        known = {"policy": policy, "item": school.item(number), "open_loans": tuple(applied)}
        verdicts = keep_verdicts(verdicts, judge(known, fact=fact))
        applied.append(school.loan(number))
    first = dict(verdicts)

    again = judge({"policy": policy, "item": school.item(0), "open_loans": ()}, fact="monday-0")
    twice = judge({"policy": policy, "open_loans": tuple(applied)}, fact="monday-1")

    assert list(first) == [(f"monday-{n}", "too_many_loans") for n in range(3)]
    assert keep_verdicts(keep_verdicts(first, again), twice) == first
    assert first["monday-1", "too_many_loans"].detail == {"count": 6, "limit": 5}
    assert dataclasses.replace(first["monday-1", "too_many_loans"], detail={}).key in first
