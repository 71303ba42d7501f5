"""Which items may pass a gate, and which tags say less than the truth."""

from circulation.items import Item, ItemState

ROOM, BUILDING, STREET = 1, 2, 3

# These may pass every door although they are no loans: a courier's crate, what is written off,
# what goes to the binder. An uncertain item may leave, since doubt favours the reader.
LEAVING_STATES = frozenset(
    {ItemState.IN_TRANSIT, ItemState.WITHDRAWN, ItemState.IN_REPAIR, ItemState.UNCERTAIN}
)


def reach_of(item: Item) -> int:
    """Return how far an item may go: 0 nowhere, 1 past the room, 2 the building, 3 the street."""
    if item.state in LEAVING_STATES:
        return STREET
    if item.state is ItemState.ON_LOAN:
        return STREET if item.loan is None else item.loan.reach
    if item.deposit is not None and item.state in _AT_ITS_PLACE:
        return STREET
    return 0


_AT_ITS_PLACE = frozenset({ItemState.AVAILABLE, ItemState.TO_BE_SHELVED, ItemState.DAMAGED})


def may_pass(item: Item, boundary: int) -> bool:
    """Return whether an item may pass a gate at a boundary (1 room, 2 building, 3 street)."""
    return reach_of(item) >= boundary


def is_unsecured(item: Item, boundary: int = STREET) -> bool:
    """Return whether a gate must stop an item whose tag may say on loan.

    Never an item that may pass: a loan made after a failed return wins.
    """
    return item.unsecured and not may_pass(item, boundary)


def unsecured_after(*, reach: int, tag_says_on_loan: bool) -> bool:
    """Return whether an item joins the unsecured set: its tag lets it out, its loan does not."""
    return tag_says_on_loan and reach < STREET
