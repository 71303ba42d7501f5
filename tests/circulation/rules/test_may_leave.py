"""Which items may pass a gate."""

import pytest

from circulation.items import ItemState
from circulation.may_leave import is_unsecured, may_pass, reach_of, unsecured_after


@pytest.mark.parametrize(
    ("state", "reach"),
    [
        (ItemState.AVAILABLE, 0),
        (ItemState.TO_BE_SHELVED, 0),
        (ItemState.ON_LOAN, 3),
        (ItemState.ON_HOLD_SHELF, 0),
        (ItemState.IN_TRANSIT, 3),
        (ItemState.MISSING, 0),
        (ItemState.LOST, 0),
        (ItemState.CLAIMED_RETURNED, 0),
        (ItemState.DAMAGED, 0),
        (ItemState.IN_REPAIR, 3),
        (ItemState.WITHDRAWN, 3),
        (ItemState.UNCERTAIN, 3),
    ],
)
def test_every_state_says_how_far_an_item_may_go(school, state, reach):
    """Story 15, the other way round: crates, withdrawn books and the binder's bring no alarm."""
    assert reach_of(school.item(state=state)) == reach


@pytest.mark.parametrize("reach", [0, 1, 2, 3])
@pytest.mark.parametrize("boundary", [1, 2, 3])
def test_a_loan_passes_the_doors_within_its_reach(school, reach, boundary):
    """Story 15: a book lent on site does not pass the street door."""
    lent = school.item(state=ItemState.ON_LOAN, loan=school.loan(reach=reach))

    assert may_pass(lent, boundary) is (reach >= boundary)


@pytest.mark.parametrize(
    ("state", "reach"),
    [
        (ItemState.AVAILABLE, 3),
        (ItemState.TO_BE_SHELVED, 3),
        (ItemState.DAMAGED, 3),
        (ItemState.ON_HOLD_SHELF, 0),
        (ItemState.MISSING, 0),
    ],
)
def test_a_deposit_may_be_carried_to_its_corner(school, state, reach):
    """Forty books in a box, no loan, no alarm."""
    assert reach_of(school.item(state=state, deposit="class-3-2")) == reach


def test_a_loan_on_site_from_a_deposit_stays_on_site(school):
    """The loan decides, not the deposit it came from."""
    lent = school.item(state=ItemState.ON_LOAN, loan=school.loan(reach=0), deposit="class-3-2")

    assert reach_of(lent) == 0


def test_lent_again_after_a_failed_return_is_not_unsecured(school):
    """Story 20: on the unsecured list and may leave at once; the honest reader passes."""
    back = school.item(unsecured=True)
    again = school.item(unsecured=True, state=ItemState.ON_LOAN, loan=school.loan())

    assert is_unsecured(back)
    assert not is_unsecured(again)
    assert not is_unsecured(school.item())


def test_an_unsecured_item_lent_to_the_building_is_stopped_at_the_street_only(school):
    """Per boundary: past the room it may go."""
    lent = school.item(unsecured=True, state=ItemState.ON_LOAN, loan=school.loan(reach=2))

    assert [is_unsecured(lent, boundary) for boundary in (1, 2, 3)] == [False, False, True]


@pytest.mark.parametrize(
    ("reach", "tag_says_on_loan", "expected"),
    [(0, True, True), (2, True, True), (3, True, False), (0, False, False)],
)
def test_an_item_joins_the_unsecured_when_its_tag_says_more_than_its_loan(
    reach, tag_says_on_loan, expected
):
    """A failed write at a return, or a loan on site with the tag still on loan."""
    assert unsecured_after(reach=reach, tag_says_on_loan=tag_says_on_loan) is expected
