"""The table of decisions, row by row, and its picture in docs/gate.md."""

from pathlib import Path

import pytest

from firmware.gate import decision
from firmware.gate.decision import Decision, TagView
from firmware.gate.events import IN_STOCK, NO_SECURITY, ON_LOAN

DOCUMENT = Path(__file__).parents[3] / "docs" / "gate.md"
SECURITY_WORDS = {None: "anything", IN_STOCK: "in stock", ON_LOAN: "on loan", NO_SECURITY: "none"}
OWNER_WORDS = {None: "anybody", "foreign": "foreign owner", "ours": "ours"}
ANYTHING = (IN_STOCK, ON_LOAN, NO_SECURITY)


def decided(listed, security, owner, *, came_in=False, sure=True, has_list=True, strict=False):
    return decision.decide(
        TagView(listed, security, owner, came_in),
        is_sure=sure,
        has_list=has_list,
        disagreement_alarms=strict,
    )


@pytest.mark.parametrize("security", ANYTHING)
@pytest.mark.parametrize("owner", ["ours", "foreign", "stranger"])
def test_row_1_unsecured_alarms_whatever_the_tag_says(security, owner):
    """An item that is in, but whose tag lets it go, alarms."""
    assert decided("unsecured", security, owner) == Decision(1, True, False, False)


@pytest.mark.parametrize("owner", ["ours", "foreign", "stranger"])
def test_row_2_may_leave_is_silent(owner):
    """What may leave is silent, and reported only if its tag still says in stock."""
    assert decided("may leave", ON_LOAN, owner) == Decision(2, False, False, False)
    assert decided("may leave", NO_SECURITY, owner) == Decision(2, False, False, False)
    assert decided("may leave", IN_STOCK, owner) == Decision(2, False, True, False)


@pytest.mark.parametrize("security", ANYTHING)
def test_row_3_a_foreign_owner_is_only_counted(security):
    """Another library's item is silent and counted; nothing is said about which it was."""
    assert decided("not", security, "foreign") == Decision(3, False, False, True)


@pytest.mark.parametrize("sure", [True, False])
def test_row_4_in_stock_alarms(sure):
    """A tag in stock alarms, whether the list is fresh or not."""
    assert decided("not", IN_STOCK, "ours", sure=sure).alarm
    assert decided("not", IN_STOCK, "stranger", sure=sure, has_list=False).alarm


def test_row_4_spares_the_unread_tag_that_came_in_today():
    """Only a tag whose owner is unread is spared for having come in."""
    assert decided("not", IN_STOCK, "stranger", came_in=True) == Decision(4, False, False, False)
    assert decided("not", IN_STOCK, "ours", came_in=True).alarm


def test_row_5_on_loan_is_a_disagreement():
    """A tag on loan that the list does not know is reported, or alarms where the site says so."""
    assert decided("not", ON_LOAN, "ours") == Decision(5, False, True, False)
    assert decided("not", ON_LOAN, "ours", strict=True) == Decision(5, True, False, False)


def test_row_5_says_nothing_of_strangers_and_without_a_list():
    """A stranger's id never leaves the gate, and without a list nothing disagrees."""
    assert decided("not", ON_LOAN, "stranger", strict=True) == Decision(5, False, False, False)
    assert decided("not", ON_LOAN, "ours", has_list=False) == Decision(5, False, False, False)


def test_row_6_needs_a_fresh_list_and_every_kiosk():
    """Ours without security alarms only when nothing can have been lent unheard."""
    assert decided("not", NO_SECURITY, "ours") == Decision(6, True, False, False)
    assert decided("not", NO_SECURITY, "ours", sure=False) == Decision(6, False, True, False)


def test_a_tag_that_is_nobodys_passes():
    """A bank card is none of our business."""
    assert decided("not", NO_SECURITY, "stranger") == Decision(0, False, False, False)


def test_the_document_shows_this_table():
    """docs/gate.md has one line for each row, in order, with the words of the code."""
    lines = []
    for row in decision.TABLE:
        listed = row.listed if row.listed is not None else "–"
        tag = SECURITY_WORDS[row.security]
        owner = OWNER_WORDS[row.owner]
        lines.append(f"| {row.number} | {listed} | {tag} | {owner} | {row.action} |")

    assert "\n".join(lines) in DOCUMENT.read_text(encoding="utf-8")
