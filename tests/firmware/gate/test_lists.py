"""The list of what may leave, whole and in steps."""

import pytest

from firmware.gate import lists
from firmware.gate.errors import EventInvalid
from firmware.gate.lists import ExactList, UnionList


def made(version=1, keys=(), unsecured=(), lineage="aa"):
    return ExactList(lineage, version).loaded(list(keys), list(unsecured))


def test_a_list_knows_reach_and_unsecured():
    """A key has a reach, is unsecured, or is unknown."""
    exact = made(keys=[["u1", 3], ["u2", 0]], unsecured=["u3"])

    assert [exact.reach(key) for key in ("u1", "u2", "u3", "u4")] == [3, 0, 0, 0]
    assert [exact.knows(key) for key in ("u1", "u2", "u3", "u4")] == [True, True, True, False]
    assert exact.is_unsecured("u3")
    assert len(exact) == 2


def test_changes_set_and_unset():
    """A delta may change a reach, add to the unsecured set and take from it."""
    exact = made(keys=[["u1", 3]], unsecured=["u3"])

    exact.change([["k", "u1", 0], ["u", "u3", 0], ["u", "u4", 1], ["u", "u9", 0]])

    assert exact.reach("u1") == 0
    assert not exact.is_unsecured("u3")
    assert exact.is_unsecured("u4")


@pytest.mark.parametrize(
    "row",
    [["k", "u1"], ["x", "u1", 1], ["k", 5, 1], ["k", "u1", 4], ["u", "u1", 2], ["k", "u", -1]],
)
def test_a_wrong_row_changes_nothing(row):
    """One bad row refuses the whole delta."""
    exact = made()

    with pytest.raises(EventInvalid, match="may_leave"):
        exact.change([["k", "u0", 3], row])
    assert exact.reach("u0") == 0


def test_the_unsecured_set_is_bounded():
    """A thousand items at most; a snapshot with more is refused, a delta adds no more."""
    full = made(unsecured=[f"u{number}" for number in range(lists.UNSECURED_MAX)])

    full.change([["u", "one more", 1]])
    assert not full.is_unsecured("one more")
    with pytest.raises(EventInvalid, match="unsecured"):
        made(unsecured=["u"] * (lists.UNSECURED_MAX + 1))


def test_the_union_lets_pass_what_either_lets_pass():
    """Old and new history together: the farther reach, and unsecured only against no reach."""
    old = made(500, keys=[["a", 3], ["b", 1]], unsecured=["c", "d"])
    new = made(401, keys=[["b", 2], ["d", 3]], unsecured=["e"], lineage="bb")
    union = UnionList(old, new)

    assert [union.reach(key) for key in "abcd"] == [3, 2, 0, 3]
    assert [union.is_unsecured(key) for key in "acde"] == [False, True, False, True]
    assert [union.knows(key) for key in "aez"] == [True, True, False]
    assert (union.lineage, union.version) == ("bb", 401)


def test_deltas_of_a_union_go_to_the_new_history():
    """A change belongs to the new list, and so does its version."""
    old, new = made(500), made(401, lineage="bb")
    union = UnionList(old, new)

    union.change([["k", "a", 3]])
    union.version = 402

    assert (old.reach("a"), new.reach("a"), new.version) == (0, 3, 402)
