"""The list of reasons and their texts."""

import string

import pytest

from circulation.reasons import (
    NOTICES,
    TEXTS,
    TIME_REASONS,
    Finding,
    Reason,
    in_order,
    say,
    sort_findings,
)
from circulation.texts import de, en, zh

LANGUAGES = {"en": en, "de": de, "zh": zh}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_says_what_is_wrong_and_what_to_do_next(language):
    """No reason without a text and a next step, in any language, and no text without a reason."""
    assert LANGUAGES[language].TEXTS.keys() == {reason.value for reason in Reason}
    assert all(what and next_step for what, next_step in TEXTS[language].values())


@pytest.mark.parametrize("language", ["de", "zh"])
def test_details_name_the_same_numbers_in_every_language(language):
    """A translation never loses or invents a number."""

    def names(texts):
        return {
            code: {name for _, name, _, _ in string.Formatter().parse(template) if name}
            for code, template in texts.DETAILS.items()
        }

    assert names(LANGUAGES[language]) == names(en)


def test_reasons_come_once_and_in_the_fixed_order():
    """The order is that of the list, not that of discovery."""
    found = in_order([Reason.TOO_MANY_LOANS, Reason.CARD_LOST, Reason.DEBT, Reason.CARD_LOST])

    assert found == (Reason.CARD_LOST, Reason.DEBT, Reason.TOO_MANY_LOANS)


def test_a_reader_is_told_the_numbers():
    """A text with its numbers says how many of how many."""
    said = say(Reason.TOO_MANY_LOANS, "de", {"count": 5, "limit": 5})

    assert said.what == "Die erlaubte Zahl an Medien ist erreicht."
    assert said.detail == "5 von 5."


def test_a_text_stands_without_its_numbers():
    """Numbers that are not known are left out, whatever else was given."""
    assert say(Reason.TOO_MANY_LOANS, "en").detail is None
    assert say(Reason.TOO_MANY_LOANS, "en", {"other": 1}).detail is None
    assert say(Reason.CARD_LOST, "en", {"count": 1}).detail is None


def test_an_unknown_language_falls_back_to_english():
    """A screen is never empty."""
    assert say(Reason.DEBT, "tlh").what == "There are unpaid fees."


def test_time_reasons_only_warn_when_the_clock_is_unsure():
    """A station unsure of the time refuses nothing for time's sake."""
    found = [Finding(reason) for reason in Reason]

    sure = sort_findings(found, sure=True, stale=False, override=frozenset())
    unsure = sort_findings(found, sure=False, stale=False, override=frozenset())

    assert set(sure.refused) - set(unsure.refused) == TIME_REASONS
    assert set(sure.warnings) == NOTICES


def test_a_finding_that_refuses_outweighs_the_same_one_that_warns():
    """Found twice, once mildly: it refuses."""
    found = [Finding(Reason.PARTS_MISSING, mild=True), Finding(Reason.PARTS_MISSING)]

    result = sort_findings(found, sure=True, stale=False, override=frozenset())

    assert result.refused == (Reason.PARTS_MISSING,)
    assert result.warnings == ()


def test_staff_wave_through_what_can_be_waved_through():
    """An override names what it overrides, and cannot conjure up an item."""
    found = [Finding(Reason.DEBT), Finding(Reason.ITEM_UNKNOWN), Finding(Reason.CLOSED_NOW)]
    override = frozenset({Reason.DEBT, Reason.ITEM_UNKNOWN, Reason.TOO_YOUNG})

    result = sort_findings(found, sure=True, stale=False, override=override)

    assert result.overridden == (Reason.DEBT,)
    assert result.refused == (Reason.ITEM_UNKNOWN, Reason.CLOSED_NOW)


def test_a_warning_is_not_recorded_as_overridden():
    """What would only have warned needed nobody's leave."""
    result = sort_findings(
        [Finding(Reason.CLOSED_NOW)],
        sure=False,
        stale=False,
        override=frozenset({Reason.CLOSED_NOW}),
    )

    assert result.overridden == ()
    assert result.warnings == (Reason.CLOSED_NOW,)
