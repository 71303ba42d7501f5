"""May this loan be prolonged?"""

import pytest

from circulation.case import Permitted
from circulation.items import ItemState
from circulation.policy import Policy
from circulation.reasons import Reason, Refused
from circulation.renewal import decide_renewal


def reasons(request):
    decision = decide_renewal(request)
    return decision.reasons if isinstance(decision, Refused) else ()


def test_a_renewal_runs_from_now(school):
    """Four weeks from today, with the loan it prolongs."""
    assert decide_renewal(school.renewal()) == Permitted(
        due_at=school.local("2026-10-12 17:00"),
        reach=3,
        on_site=False,
        policy_version=1,
        renews="loan-1",
    )


def test_a_renewal_may_have_a_length_of_its_own(school):
    """Lent for four weeks, renewed for three."""
    policy = school.policy({"renewal": {"days": 21}})

    assert decide_renewal(school.renewal(policy=policy)).due_at == school.local("2026-10-05 17:00")


@pytest.mark.parametrize(
    ("renewals", "expected"),
    [(1, ()), (2, (Reason.TOO_MANY_RENEWALS,)), (3, (Reason.TOO_MANY_RENEWALS,))],
)
def test_renewals_are_counted(school, renewals, expected):
    """Twice out of the box."""
    assert reasons(school.renewal(loan=school.loan(renewals=renewals))) == expected


def test_a_loan_on_site_is_not_renewed(school):
    """It is due the same day, whatever the rules for taking home."""
    assert reasons(school.renewal(loan=school.loan(on_site=True))) == (Reason.TOO_MANY_RENEWALS,)


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        ("2026-09-21 23:59", (Reason.RENEWAL_TOO_EARLY,)),
        ("2026-09-22 00:00", ()),
    ],
)
def test_renewing_may_have_to_wait(school, instant, expected):
    """From seven days before the due date on."""
    policy = school.policy({"renew_days_before_due": 7})
    request = school.renewal(policy=policy, now=school.now(instant))

    assert reasons(request) == expected


@pytest.mark.parametrize(
    ("instant", "doubtful", "expected"),
    [
        ("2026-09-29 17:00", False, ()),
        ("2026-09-29 17:01", False, (Reason.RENEWAL_OVERDUE,)),
        ("2026-09-29 17:01", True, ()),
    ],
)
def test_an_overdue_loan_may_have_to_come_back(school, instant, doubtful, expected):
    """One minute late is late, unless it is doubtful."""
    policy = school.policy({"renew_overdue": False})
    request = school.renewal(
        policy=policy, loan=school.loan(doubtful=doubtful), now=school.now(instant)
    )

    assert reasons(request) == expected


def test_a_loan_others_wait_for_is_not_renewed(school):
    """Unless the library lets it be."""
    wanted = school.loan(wanted=True)

    assert reasons(school.renewal(loan=wanted)) == (Reason.RENEWAL_WANTED,)
    assert (
        reasons(school.renewal(loan=wanted, policy=school.policy({"renew_when_wanted": True})))
        == ()
    )


def test_a_recalled_loan_is_not_renewed(school):
    """It was called back."""
    assert reasons(school.renewal(loan=school.loan(recalled=True))) == (Reason.RENEWAL_RECALLED,)


def test_a_renewal_never_shortens_a_loan(school):
    """What would give no more time is refused, and nothing changes."""
    policy = school.policy({"renewal": {"days": 15}})

    assert reasons(school.renewal(policy=policy)) == (Reason.RENEWAL_NO_GAIN,)


def test_with_an_unsure_clock_a_renewal_keeps_at_least_what_was_told(school):
    """The station's time may be behind: warned, permitted, and not a minute less."""
    request = school.renewal(now=school.now("2026-08-01 10:00", sure=False))

    decision = decide_renewal(request)

    assert decision.due_at == school.local("2026-09-29 17:00")
    assert decision.warnings == (Reason.RENEWAL_NO_GAIN, Reason.TIME_UNSURE)


def test_a_running_loan_keeps_its_terms(school):
    """Renewals were cut to none in October: a loan of September still has its two."""
    doc = school.policy_doc()
    doc["versions"].append({"version": 2, "from": "2026-10-01", "rules": [{"renewals": 0}]})
    policy, now = Policy.from_doc(doc), school.now("2026-10-05 10:00")

    old = school.renewal(policy=policy, now=now, loan=school.loan(policy_version=1))
    new = school.renewal(policy=policy, now=now, loan=school.loan(policy_version=2))

    assert decide_renewal(old).policy_version == 1
    assert reasons(new) == (Reason.TOO_MANY_RENEWALS,)


def test_an_item_that_is_not_on_loan_cannot_be_renewed(school):
    """No loan, a returned item, an unknown item or somebody else's: each is named."""
    returned = school.item(state=ItemState.TO_BE_SHELVED, loan=school.loan())

    assert reasons(school.renewal(loan=None)) == (Reason.NOT_ON_LOAN,)
    assert reasons(school.renewal(item=returned)) == (Reason.NOT_ON_LOAN,)
    assert reasons(school.renewal(item=None)) == (Reason.ITEM_UNKNOWN,)
    assert reasons(school.renewal(loan=school.loan(patron="ana"))) == (Reason.LOAN_OF_OTHER,)
    assert reasons(school.renewal(patron=None)) == (Reason.CARD_UNKNOWN,)


def test_the_loan_being_renewed_is_not_held_against_its_renewal(school):
    """It is the one overdue item; another one would count."""
    policy, now = school.policy({"max_overdue": 0}), school.now("2026-09-30 10:00")
    own, other = school.loan(1), school.loan(2)

    assert reasons(school.renewal(policy=policy, now=now, loan=own, open_loans=(own,))) == ()
    assert reasons(school.renewal(policy=policy, now=now, loan=own, open_loans=(own, other))) == (
        Reason.OVERDUE_ITEMS,
    )


def test_all_reasons_against_a_renewal_are_returned(school):
    """None hides another."""
    running = school.loan(renewals=2, recalled=True, wanted=True)
    policy = school.policy({"renewal": {"days": 2}, "renew_days_before_due": 3})

    assert reasons(
        school.renewal(policy=policy, loan=running, patron=school.patron(left=True))
    ) == (
        Reason.PATRON_LEFT,
        Reason.TOO_MANY_RENEWALS,
        Reason.RENEWAL_TOO_EARLY,
        Reason.RENEWAL_WANTED,
        Reason.RENEWAL_RECALLED,
        Reason.RENEWAL_NO_GAIN,
    )


def test_a_library_without_any_open_day_cannot_renew(school):
    """No due date can be promised."""
    shut = [{"name": "x", "first": "2026-01-01", "last": "2199-01-01"}]
    policy = school.policy(calendars={"*": {"hours": school.week, "closed": shut}})

    assert reasons(school.renewal(policy=policy)) == (Reason.NO_OPEN_DAY,)
