"""Stories of libraries and machines that broke simpler designs, and the tests that keep them.

Each was found by a model, a run or people's practice; the odder rules of the design exist because
of them. Whoever wants to simplify something finds here what would break.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

FOLD = "tests/circulation/fold/"
RULES = "tests/circulation/rules/"
SYNC = "tests/circulation/sync/"
WIRE = "tests/circulation/wire/"
GATE = "tests/firmware/gate/"
SCENE = "tests/scenarios/gate/"

STORIES = {
    "1: the later midpoint of two intervals gives a state that depends on the order of arrival": [
        f"{FOLD}test_stories.py::"
        "test_cyclic_midpoints_give_one_state_in_all_six_orders_of_arrival",
        f"{FOLD}test_stories.py::"
        "test_a_return_beside_a_loan_from_a_boot_without_a_clock_bills_nobody",
        f"{FOLD}test_properties.py::test_any_order_of_arrival_gives_one_answer",
        f"{FOLD}test_properties.py::test_a_checkin_beside_its_checkout_never_bills",
    ],
    "2: a restored gateway is sent the same facts again, and an interval widens": [
        f"{FOLD}test_stories.py::"
        "test_a_journal_sent_again_to_a_restored_gateway_gives_the_same_intervals",
        f"{FOLD}test_properties.py::test_a_copied_journal_changes_nothing",
    ],
    "3: out to two readers and one return has two orders with two borrowers": [
        f"{FOLD}test_stories.py::test_out_to_two_readers_and_one_return_bills_neither",
        f"{FOLD}test_stories.py::test_ten_concurrent_facts_are_not_searched",
        f"{FOLD}test_fold.py::test_six_facts_are_weighed_and_seven_are_not",
    ],
    "4: a late fact wipes out a decision, an old loan's date, or a stranger's loan": [
        f"{FOLD}test_stories.py::test_a_late_fact_does_not_wipe_out_the_librarians_decision",
        f"{FOLD}test_stories.py::test_a_loan_keeps_the_date_its_reader_was_told",
        f"{FOLD}test_stories.py::"
        "test_a_renewal_that_arrives_late_does_not_extend_a_strangers_loan",
        "tests/firmware/gate/test_overlay.py::test_a_tag_moved_to_another_item",
    ],
    "5: on a power-cut morning a clock without a battery refuses forty-five children": [
        f"{RULES}test_stories.py::"
        "test_forty_five_children_on_a_power_cut_morning_borrow_their_books",
        f"{RULES}test_stories.py::"
        "test_the_same_morning_with_a_sure_clock_refuses_for_all_four_reasons",
        f"{RULES}test_due.py::test_a_due_date_lies_on_an_open_day_and_never_in_the_past",
        "tests/kiosk/test_timekeeping.py::"
        "test_a_clock_that_fell_back_never_undercuts_what_was_known",
        "tests/kiosk/test_timekeeping.py::test_a_clock_that_jumped_to_2106_is_not_believed",
    ],
    "6: a verdict on three loans and five depends on which kiosk is heard first": [
        f"{RULES}test_judge.py::"
        "test_three_loans_monday_and_five_tuesday_are_judged_once_and_stay_judged",
        f"{FOLD}test_stories.py::test_an_entry_that_staff_decided_keeps_its_name",
    ],
    "10: two workers fold one item, and a crash between commit and publish drops a change": [
        "tests/circulation/test_journal.py::test_a_transaction_takes_the_write_lock_at_its_begin",
    ],
    "11: bytes that are legal JSON abort a whole set of facts, or are sent again for ever": [
        f"{WIRE}test_fact.py::test_an_unreadable_body_says_why",
        f"{WIRE}test_fact.py::test_a_body_comes_back_as_it_was_written",
        f"{WIRE}test_chain_and_mac.py::test_the_order_of_an_objects_keys_does_not_matter",
        f"{SYNC}test_upload.py::"
        "test_a_batch_nobody_can_read_is_halved_until_only_the_offender_is_parked",
        f"{SYNC}test_upload.py::test_a_row_that_is_no_fact_keeps_its_place_and_is_parked",
    ],
    "12: SQLite with two files, a deferred lock or synchronous off loses what was ticked": [
        "tests/circulation/test_journal.py::test_the_writing_connection_is_durable",
        "tests/circulation/test_journal.py::"
        "test_a_fact_and_its_loan_are_written_together_or_not_at_all",
        "tests/circulation/test_journal.py::test_a_locked_database_is_a_named_error",
        "tests/circulation/test_journal.py::test_a_reader_cannot_write",
    ],
    "15: a book lent on site only walks out, and a courier's crate sets off forty alarms": [
        f"{SCENE}reference-in-stock.json",
        f"{SCENE}reference-released.json",
        f"{SCENE}reference-room-gate.json",
        f"{SCENE}crate-in-transit.json",
        f"{SCENE}class-corner-box.json",
        f"{SCENE}withdrawn-trolley.json",
        f"{FOLD}test_stories.py::test_a_book_lent_on_site_only_may_not_leave_the_building",
        f"{FOLD}test_stories.py::test_a_crate_and_a_box_are_no_loans",
        f"{RULES}test_stories.py::test_a_crate_a_class_box_and_withdrawn_books_bring_no_alarm",
    ],
    "16: every other library's book, and every bank card, sounds the siren": [
        f"{SCENE}foreign-book.json",
        f"{SCENE}foreign-unreadable.json",
        f"{SCENE}cards.json",
        f"{GATE}test_decision.py::test_row_3_a_foreign_owner_is_only_counted",
        "tests/firmware/pi/test_loop.py::test_another_librarys_book_is_silent",
    ],
    "17: a returns cart beside the antenna, new books wheeled in, two lanes on one pedestal": [
        f"{SCENE}returns-cart.json",
        f"{SCENE}shelf-too-near.json",
        f"{SCENE}inbound-trolley.json",
        f"{SCENE}two-lanes-one-portal.json",
        f"{GATE}test_lanes.py::test_one_body_in_two_lanes_is_one",
        f"{GATE}test_tags.py::test_ten_seconds_in_the_field_is_standing",
    ],
    "18: nobody knows the tags' numbers, and the pad is dead": [
        f"{SCENE}dead-pad.json",
        f"{SCENE}named.json",
        f"{GATE}test_overlay.py::test_a_barcode_stands_in_for_an_unknown_tag",
    ],
    "19: the gateway goes off at five, the kiosk lends till six, and the gate hears of nothing": [
        f"{SCENE}stale-list.json",
        f"{SCENE}power-blip.json",
        f"{SCENE}late-off.json",
        f"{GATE}test_overlay.py::test_side_by_side_on_wins_and_unsecured_over_off",
        f"{GATE}test_overlay.py::test_the_same_message_again_changes_nothing",
    ],
    "20: returned with a failed write and lent again, a book is unsecured and may leave": [
        f"{SCENE}unsecured-return.json",
        f"{SCENE}unsecured-lent-again.json",
        f"{RULES}test_may_leave.py::test_lent_again_after_a_failed_return_is_not_unsecured",
        f"{GATE}test_lists.py::test_the_unsecured_set_is_bounded",
    ],
    "22: children lift the book when the screen says OK before the tag is switched": [
        "tests/kiosk/test_checkout.py::test_nothing_is_ticked_before_the_tag_is_switched",
        "tests/kiosk/test_checkout.py::test_a_book_lifted_too_early_is_asked_for_again",
        "tests/kiosk/test_session.py::test_the_tick_follows_only_the_finished_event",
    ],
    "23: a power cut after the commit and before the tick leaves a loan nobody saw": [
        f"{FOLD}test_stories.py::test_a_power_cut_before_the_tick_leaves_no_loan_behind",
        f"{FOLD}test_fold.py::test_it_undoes_exactly_its_checkout",
    ],
}

WANTED = [1, 2, 3, 4, 5, 6, 10, 11, 12, 15, 16, 17, 18, 19, 20, 22, 23]


def named_tests(path):
    """Return the names of the tests that pytest collects from a file by its own rules."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        inside = node.body if isinstance(node, ast.ClassDef) and is_collected(node) else [node]
        functions = (one for one in inside if isinstance(one, ast.FunctionDef))
        names |= {one.name for one in functions if one.name.startswith("test_")}
    return names


def is_collected(cls):
    """Whether pytest looks into a class: it is named so, and has no constructor."""
    own = {one.name for one in cls.body if isinstance(one, ast.FunctionDef)}
    return cls.name.startswith("Test") and "__init__" not in own


def test_no_story_is_forgotten():
    """Each story that machines and people broke a design with is in the table, once."""
    numbers = [int(re.match(r"\d+", story)[0]) for story in STORIES]

    assert numbers == WANTED


@pytest.mark.parametrize("story", STORIES)
def test_a_story_is_kept_by_the_tests_it_names(story):
    """Every test that the table names exists and is one that pytest runs."""
    missing = []
    for name in STORIES[story]:
        path, _, test = name.partition("::")
        there = (ROOT / path).is_file()
        if test:
            there = there and Path(path).name.startswith("test_")
            there = there and test in named_tests(ROOT / path)
        if not there:
            missing.append(name)

    assert missing == []
