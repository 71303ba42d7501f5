"""Stories that broke simpler designs, told from beginning to end."""

import pytest

from circulation.checkin import CheckinRequest, Route, decide_checkin
from circulation.checkout import Permitted, Refused, decide_checkout
from circulation.items import ItemState
from circulation.may_leave import may_pass
from circulation.reasons import Reason

STREET = 3


def test_forty_five_children_on_a_power_cut_morning_borrow_their_books(school):
    """Story 5: the Pi thinks it is 04:00 in summer; nobody is refused, no date is past."""
    policy = school.policy(
        rotas={"*": {"slots": [{"on": ["tue"], "time": "12:00-13:00", "classes": ["3(2)"]}]}}
    )
    last_known = school.now("2026-07-01 04:00", sure=False)
    for number in range(45):
        reader = school.patron(
            patron_id=f"child-{number}",
            class_name="3(2)",
            expires_on=school.local("2026-06-30 12:00").date(),
            suspended_until=school.local("2026-07-02 12:00").date(),
        )
        decision = decide_checkout(
            school.checkout(policy=policy, patron=reader, item=school.item(number), now=last_known)
        )

        assert isinstance(decision, Permitted)
        assert decision.due_at > last_known.at
        assert decision.warnings == (
            Reason.PATRON_EXPIRED,
            Reason.PATRON_SUSPENDED,
            Reason.CLOSED_NOW,
            Reason.NOT_YOUR_TURN,
            Reason.TIME_UNSURE,
        )


def test_the_same_morning_with_a_sure_clock_refuses_for_all_four_reasons(school):
    """Story 5: only the doubt was forgiven, not the rule."""
    refused = decide_checkout(
        school.checkout(
            patron=school.patron(expires_on=school.local("2026-06-30 12:00").date()),
            now=school.now("2026-07-01 04:00"),
        )
    )

    assert refused.reasons == (Reason.PATRON_EXPIRED, Reason.CLOSED_NOW)


def test_an_unsure_clock_forgives_no_block(school):
    """Story 5: what is not about time holds in the dark too."""
    refused = decide_checkout(
        school.checkout(
            patron=school.patron(blocked=("x",)), now=school.now("2026-07-01 04:00", sure=False)
        )
    )

    assert refused == Refused((Reason.PATRON_BLOCKED,))


def test_a_book_lent_on_site_only_does_not_walk_out_of_the_street_door(school):
    """Story 15: the loan's own reach is in the fact, so that gates need no rule."""
    atlas = school.item(reference=True)

    permitted = decide_checkout(school.checkout(item=atlas))
    lent = school.item(
        reference=True,
        state=ItemState.ON_LOAN,
        loan=school.loan(reach=permitted.reach, due_at=permitted.due_at, on_site=True),
    )

    assert permitted.on_site
    assert not may_pass(lent, STREET)


@pytest.mark.parametrize(
    "change",
    [{"state": ItemState.IN_TRANSIT}, {"deposit": "class-3-2"}, {"state": ItemState.WITHDRAWN}],
)
def test_a_crate_a_class_box_and_withdrawn_books_bring_no_alarm(school, change):
    """Story 15, the other way round: they are no loans and pass every door."""
    assert may_pass(school.item(**change), STREET)


def corner_book(school, **more):
    return school.item(deposit="class-3-2", home="main", **more)


def test_a_book_from_the_class_corner_goes_home_with_li_and_back_to_the_corner(school):
    """Story 25: a deposit is a place and no loan, so nothing ends and nothing is reviewed."""
    lent = decide_checkout(school.checkout(item=corner_book(school)))
    back = decide_checkin(
        CheckinRequest(
            item=corner_book(school, state=ItemState.ON_LOAN, loan=school.loan()),
            policy=school.policy(),
            now=school.now("2026-09-21 10:00"),
            site="main",
        )
    )

    assert lent.ends is None
    assert lent.warnings == ()
    assert (back.route, back.route_to) == (Route.DEPOSIT, "class-3-2")


def test_a_recalled_corner_book_goes_to_its_shelf(school):
    """Story 25: until recalled, and then no longer."""
    back = decide_checkin(
        CheckinRequest(
            item=corner_book(school, deposit_recalled=True),
            policy=school.policy(),
            now=school.now("2026-09-21 10:00"),
            site="main",
        )
    )

    assert back.route is Route.SHELF


def test_a_class_borrows_forty_books_as_a_reader_of_its_own(school):
    """Story 25: a class may be a patron: its own limit, its own length, no turn to wait for."""
    term = [{"name": "autumn", "first": "2026-09-01", "last": "2027-01-29"}]
    policy = school.policy(
        {"max_loans": 5},
        {"category": "class", "max_loans": 40, "loan": {"end_of": "term"}},
        calendars={"*": {"hours": school.week, "terms": term}},
        rotas={"*": {"slots": [{"on": ["tue"], "time": "12:00-13:00", "classes": ["3(2)"]}]}},
    )
    class_3_2 = school.patron(patron_id="class", category="class", class_name="3(2)")
    running = []
    for number in range(41):
        decision = decide_checkout(
            school.checkout(
                policy=policy,
                patron=class_3_2,
                item=school.item(number),
                open_loans=tuple(running),
            )
        )
        if isinstance(decision, Permitted):
            assert decision.due_at == school.local("2027-01-29 17:00")
            running.append(school.loan(number, patron="class", due_at=decision.due_at))

    assert len(running) == 40
    assert decision.reasons == (Reason.TOO_MANY_LOANS,)
