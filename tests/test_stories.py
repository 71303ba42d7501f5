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
KIOSK = "tests/kiosk/test_stories.py::"
GATEWAY = "tests/gateway/"
SITE = "tests/e2e/test_main_story.py::"
RECOVERY = "tests/recovery/"

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
        f"{SYNC}test_upload.py::test_a_restored_gateway_is_sent_again_what_it_forgot",
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
        f"{GATEWAY}test_lists.py::test_a_written_tag_moves",
        f"{GATEWAY}test_lists.py::test_a_tag_known_from_another_book_is_for_staff",
        f"{GATEWAY}test_desk.py::test_a_fact_the_decision_did_not_see_opens_a_new_entry",
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
        f"{KIOSK}test_a_power_cut_morning_refuses_nobody_for_the_clocks_sake",
        f"{SITE}test_on_a_power_cut_morning_a_kiosk_with_a_wrong_clock_lends",
    ],
    "6: a verdict on three loans and five depends on which kiosk is heard first": [
        f"{RULES}test_judge.py::"
        "test_three_loans_monday_and_five_tuesday_are_judged_once_and_stay_judged",
        f"{FOLD}test_stories.py::test_an_entry_that_staff_decided_keeps_its_name",
        f"{GATEWAY}test_verdicts.py::test_a_verdict_is_never_withdrawn",
        f"{GATEWAY}test_verdicts.py::test_a_loan_over_the_limit_stands_with_an_entry",
    ],
    "7: a card rolled back below the mark says that all is acked, and fifteen loans are lost": [
        f"{SYNC}test_upload.py::"
        "test_a_card_rolled_back_to_80_of_100_loses_none_of_its_15_new_loans",
        f"{SYNC}test_upload.py::"
        "test_a_card_rolled_back_and_used_beyond_the_gateways_mark_is_noticed",
        f"{SYNC}test_upload.py::test_a_card_rolled_back_twice_applies_nothing_twice",
        f"{SYNC}test_machine.py::test_an_ack_that_is_not_ours_is_not_believed",
        f"{SYNC}test_machine.py::test_a_birth_with_fewer_rows_than_we_have_is_a_fork",
        f"{GATEWAY}test_hub.py::test_a_birth_with_fewer_rows_than_we_have_is_a_fork",
        "tests/seams/test_fork.py::"
        "test_own_news_follow_their_facts_into_a_new_epoch_however_it_began",
        f"{RECOVERY}test_old_image.py::"
        "test_an_image_put_in_twice_with_loans_between_loses_and_doubles_nothing",
    ],
    "8: a ring that overran, or a salvaged journal, is asked for rows that are nowhere": [
        f"{SYNC}test_upload.py::test_an_overrun_ring_does_not_block_what_is_still_there",
        f"{SYNC}test_upload.py::"
        "test_rows_pruned_before_an_old_backup_is_restored_are_declared_lost",
        f"{SYNC}test_machine.py::test_rows_that_turn_up_fill_a_hole_that_was_declared",
        "tests/circulation/test_salvage.py::test_a_damaged_page_costs_its_rows_and_no_others",
        "tests/seams/test_lost_facts.py::test_facts_that_a_dead_disk_took_are_counted_and_said",
        f"{RECOVERY}test_damaged.py::"
        "test_what_cannot_be_read_is_counted_at_the_kiosk_and_at_the_desk",
    ],
    "9: a restored gateway and its stations both say version 500, and mean other lists": [
        f"{SYNC}test_changes.py::test_another_lineage_needs_a_snapshot",
        f"{SYNC}test_machine.py::test_a_station_that_knows_more_betrays_a_restored_gateway",
        f"{SYNC}test_upload.py::test_a_quiet_station_hears_of_another_lineage_from_the_head",
        f"{SYNC}test_upload.py::test_a_fork_and_then_an_old_backup_lose_nothing",
        f"{GATEWAY}test_hub.py::test_a_station_that_knows_more_makes_a_new_lineage",
        f"{GATEWAY}test_retention.py::test_stations_keep_what_an_old_backup_may_lack",
        "tests/seams/test_lineage.py::"
        "test_a_restored_gateway_takes_one_new_lineage_not_one_a_birth",
        f"{RECOVERY}test_gateway_restored.py::"
        "test_gates_are_neither_disarmed_nor_crying_wolf_meanwhile",
        f"{RECOVERY}test_wrong_clock.py::"
        "test_a_kiosk_whose_clock_is_years_off_lends_and_is_dated_rightly_afterwards",
    ],
    "10: two workers fold one item, and a crash between commit and publish drops a change": [
        "tests/circulation/test_journal.py::test_a_transaction_takes_the_write_lock_at_its_begin",
        f"{GATEWAY}test_store.py::test_two_writers_wait_for_each_other",
        f"{GATEWAY}test_order.py::test_two_stations_and_one_item_are_folded_together",
        f"{GATEWAY}test_order.py::test_every_interleaving_gives_the_fold",
        f"{GATEWAY}test_outbox.py::test_a_crash_between_commit_and_publish_loses_no_change",
        f"{GATEWAY}test_outbox.py::test_changes_are_sent_once_and_in_order",
    ],
    "11: bytes that are legal JSON abort a whole set of facts, or are sent again for ever": [
        f"{WIRE}test_fact.py::test_an_unreadable_body_says_why",
        f"{WIRE}test_fact.py::test_a_body_comes_back_as_it_was_written",
        f"{WIRE}test_chain_and_mac.py::test_the_order_of_an_objects_keys_does_not_matter",
        f"{SYNC}test_upload.py::"
        "test_a_batch_nobody_can_read_is_halved_until_only_the_offender_is_parked",
        f"{SYNC}test_upload.py::test_a_row_that_is_no_fact_keeps_its_place_and_is_parked",
        f"{GATEWAY}test_ingest.py::test_a_hostile_body_is_parked_alone",
        f"{GATEWAY}test_ingest.py::test_a_set_whose_sql_fails_parks_only_the_offender",
        "tests/e2e/test_bad_days.py::test_messages_nobody_can_read_end_nothing_and_are_named",
    ],
    "12: SQLite with two files, a deferred lock or synchronous off loses what was ticked": [
        "tests/circulation/test_journal.py::test_the_writing_connection_is_durable",
        "tests/circulation/test_journal.py::"
        "test_a_fact_and_its_loan_are_written_together_or_not_at_all",
        "tests/circulation/test_journal.py::test_a_locked_database_is_a_named_error",
        "tests/circulation/test_journal.py::test_a_reader_cannot_write",
        f"{KIOSK}test_a_snapshot_built_before_my_last_acks_does_not_unlend_my_books",
        "tests/e2e/test_power_cut.py::test_a_cut_leaves_the_kiosk_every_loan_it_committed",
        "tests/e2e/test_power_cut.py::test_a_cut_leaves_the_gateway_every_fact_it_acknowledged",
        "tests/e2e/test_kill_nine.py::test_twenty_kills_lose_no_tick_and_repeat_no_fact",
    ],
    "13: the last delta is lost unnoticed, and a kept or late message passes for life or death": [
        f"{SYNC}test_liveness_and_births.py::test_the_last_delta_that_was_lost_is_noticed",
        f"{SYNC}test_liveness_and_births.py::test_a_replayed_head_is_no_contact",
        f"{SYNC}test_liveness_and_births.py::"
        "test_a_station_that_reads_of_its_own_death_says_that_it_lives",
        f"{SYNC}test_liveness_and_births.py::"
        "test_two_stations_with_one_name_are_told_to_staff_and_do_not_shout_for_ever",
        f"{GATEWAY}test_hub.py::test_a_kept_birth_is_no_sign_of_life",
        f"{GATEWAY}test_hub.py::test_the_will_of_a_replaced_program_is_ignored",
        f"{GATEWAY}test_hub.py::test_two_programs_under_one_name_are_shown",
    ],
    "14: a lost credit deadlocks, credit beside a gap storms, a will stops uploads for good": [
        f"{SYNC}test_upload.py::test_a_lost_credit_grant_does_not_stop_the_upload_for_ever",
        f"{SYNC}test_upload.py::test_several_batches_under_way_and_a_gap_make_no_storm_of_nacks",
        f"{SYNC}test_upload.py::test_a_gateway_that_goes_silent_is_left_after_a_minute",
        f"{SYNC}test_machine.py::test_a_lost_probe_is_followed_by_another",
        f"{SYNC}test_liveness_and_births.py::"
        "test_a_gateways_will_or_the_same_boot_calls_for_nothing",
        f"{GATEWAY}test_credit.py::"
        "test_what_is_under_way_stays_within_the_credits_of_a_slow_gateway",
        f"{GATEWAY}test_lists.py::test_a_large_change_is_many_small_steps",
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
        f"{GATEWAY}test_lists.py::test_a_book_lent_on_site_stays_in_the_building",
        "tests/kiosk/test_gates.py::"
        "test_a_reading_room_loan_goes_as_far_as_it_may_whatever_its_tag_says",
        f"{GATEWAY}test_lists.py::test_what_is_no_loan_may_leave_too",
        f"{SITE}test_a_reference_book_is_lent_for_today_and_stays_inside",
        f"{SITE}test_a_gate_off_the_network_stops_the_reference_book_too",
        f"{SITE}test_a_reference_book_with_a_wrongly_released_tag_is_stopped",
        f"{SITE}test_a_crate_a_class_box_and_a_withdrawn_book_leave_in_silence",
    ],
    "16: every other library's book, and every bank card, sounds the siren": [
        f"{SCENE}foreign-book.json",
        f"{SCENE}foreign-unreadable.json",
        f"{SCENE}cards.json",
        f"{GATE}test_decision.py::test_row_3_a_foreign_owner_is_only_counted",
        "tests/firmware/pi/test_loop.py::test_another_librarys_book_is_silent",
        f"{SITE}test_another_librarys_book_leaves_in_silence_and_unnamed",
    ],
    "17: a returns cart beside the antenna, new books wheeled in, two lanes on one pedestal": [
        f"{SCENE}returns-cart.json",
        f"{SCENE}shelf-too-near.json",
        f"{SCENE}inbound-trolley.json",
        f"{SCENE}two-lanes-one-portal.json",
        f"{GATE}test_lanes.py::test_one_body_in_two_lanes_is_one",
        f"{GATE}test_tags.py::test_ten_seconds_in_the_field_is_standing",
        f"{SITE}test_a_returns_cart_beside_the_antenna_lights_the_amber_lamp",
        f"{SITE}test_a_book_carried_in_never_sounds",
        f"{SITE}test_two_lanes_are_one_portal_with_one_alarm_and_one_count",
    ],
    "18: nobody knows the tags' numbers, and the pad is dead": [
        f"{SCENE}dead-pad.json",
        f"{SCENE}named.json",
        f"{GATE}test_overlay.py::test_a_barcode_stands_in_for_an_unknown_tag",
        f"{KIOSK}test_the_pad_dies_and_lending_goes_on_by_barcode",
        "tests/kiosk/test_gates.py::"
        "test_an_honest_reader_of_a_book_whose_tag_nobody_knows_is_left_in_peace",
        f"{GATEWAY}test_lists.py::test_a_book_without_a_known_tag_is_listed_by_its_number",
        f"{SITE}test_a_book_whose_tag_nobody_knew_leaves_in_silence_when_it_is_lent",
        f"{SITE}test_the_pad_is_dead_and_a_book_lent_by_its_label_leaves_in_silence",
    ],
    "19: the gateway goes off at five, the kiosk lends till six, and the gate hears of nothing": [
        f"{SCENE}stale-list.json",
        f"{SCENE}power-blip.json",
        f"{SCENE}late-off.json",
        f"{GATE}test_overlay.py::test_side_by_side_on_wins_and_unsecured_over_off",
        f"{GATE}test_overlay.py::test_the_same_message_again_changes_nothing",
        f"{KIOSK}test_on_reconnect_the_gates_hear_again_what_no_list_has",
        f"{KIOSK}test_a_gate_that_asks_is_told_what_its_list_lacks",
        f"{SITE}test_while_the_gateway_is_away_an_honest_reader_hears_nothing",
    ],
    "20: returned with a failed write and lent again, a book is unsecured and may leave": [
        f"{SCENE}unsecured-return.json",
        f"{SCENE}unsecured-lent-again.json",
        f"{RULES}test_may_leave.py::test_lent_again_after_a_failed_return_is_not_unsecured",
        f"{GATE}test_lists.py::test_the_unsecured_set_is_bounded",
        f"{KIOSK}test_returned_with_a_failed_write_then_lent_again",
        f"{GATEWAY}test_lists.py::"
        "test_a_tag_that_could_not_be_switched_is_unsecured_until_it_is_lent",
    ],
    "22: children lift the book when the screen says OK before the tag is switched": [
        "tests/kiosk/test_checkout.py::test_nothing_is_ticked_before_the_tag_is_switched",
        "tests/kiosk/test_checkout.py::test_a_book_lifted_too_early_is_asked_for_again",
        "tests/kiosk/test_session.py::test_the_tick_follows_only_the_finished_event",
        f"{KIOSK}test_a_child_that_lifts_the_book_early_gets_no_tick",
    ],
    "23: a power cut after the commit and before the tick leaves a loan nobody saw": [
        f"{FOLD}test_stories.py::test_a_power_cut_before_the_tick_leaves_no_loan_behind",
        f"{FOLD}test_fold.py::test_it_undoes_exactly_its_checkout",
        f"{KIOSK}test_a_cut_after_the_commit_undoes_the_loan_whose_book_still_lies_there",
        f"{KIOSK}test_a_cut_after_the_commit_keeps_the_loan_whose_book_is_gone",
    ],
    "24: a weekend's returns wait at an offline kiosk, or in the drop until Monday": [
        f"{KIOSK}test_a_weekend_offline_keeps_every_return_and_when_it_was",
        f"{RULES}test_checkin.py::test_the_friday_night_book_drop_scanned_on_monday_is_not_late",
        "tests/kiosk/test_drop.py::test_a_return_counts_from_the_start_of_the_closed_time",
        "tests/kiosk/test_drop.py::test_half_a_box_left_for_the_afternoon_makes_nobody_late",
    ],
}

WANTED = [*range(1, 21), 22, 23, 24]


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
