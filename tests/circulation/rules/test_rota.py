"""Whose turn it is."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from circulation.calendar import Calendar
from circulation.doc import Doc, PolicyInvalid
from circulation.rota import Rota

BERLIN = ZoneInfo("Europe/Berlin")
WEEK = {day: ["08:00-17:00"] for day in ("mon", "tue", "wed", "thu", "fri")}
NOON = {"on": ["tue"], "time": "12:00-12:50", "classes": ["3(2)", "3(1)"], "grades": ["1"]}
SECOND = {"on": ["fri"], "time": "15:40-16:50", "classes": ["3(2)"], "week": "odd"}
BREAK = {"on": ["mon", "tue", "wed", "thu", "fri"], "time": "09:40-10:00"}


def rota(*slots, free=()):
    return Rota.from_doc(Doc({"slots": list(slots), "free": list(free)}, "rota"))


def calendar(**table):
    return Calendar.from_doc(Doc({"hours": WEEK} | table, "calendar"), BERLIN)


def at(text):
    return dt.datetime.fromisoformat(text).replace(tzinfo=BERLIN)


def allows(found, text, class_name, grade=None, **table):
    return found.allows(at(text), calendar(**table), class_name=class_name, grade=grade)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-09-15 11:59", False),
        ("2026-09-15 12:00", True),
        ("2026-09-15 12:49", True),
        ("2026-09-15 12:50", False),
        ("2026-09-16 12:00", False),
    ],
)
def test_a_class_borrows_in_its_slot(text, expected):
    """From the first minute to the last, on its weekday."""
    assert allows(rota(NOON), text, "3(2)") is expected


def test_a_slot_names_several_classes_and_grades():
    """Two classes and a whole grade share one slot."""
    found = rota(NOON)

    assert allows(found, "2026-09-15 12:00", "3(1)")
    assert allows(found, "2026-09-15 12:00", "1(4)", "1")
    assert not allows(found, "2026-09-15 11:00", "1(4)", "1")


def test_a_class_has_several_slots_some_in_odd_weeks_only():
    """ISO week 37 is odd, week 38 is even."""
    found = rota(NOON, SECOND)

    assert allows(found, "2026-09-11 16:00", "3(2)")
    assert not allows(found, "2026-09-18 16:00", "3(2)")
    assert allows(found, "2026-09-15 12:10", "3(2)")


def test_free_periods_are_everybodys():
    """Every class may borrow in the break."""
    assert allows(rota(NOON, free=[BREAK]), "2026-09-17 09:45", "3(2)")
    assert not allows(rota(NOON, free=[BREAK]), "2026-09-17 10:00", "3(2)")


@pytest.mark.parametrize(("class_name", "grade"), [("5(1)", None), ("5(1)", "5"), (None, None)])
def test_a_class_nobody_named_is_not_bound(class_name, grade):
    """A forgotten class is not locked out, nor is a reader without a class."""
    assert allows(rota(NOON), "2026-09-17 11:00", class_name, grade)


def test_a_make_up_saturday_follows_the_tuesday_it_stands_for():
    """The rota of a make-up day is that of the weekday it counts as."""
    made_up = [{"day": "2026-09-19", "as": "tue"}]

    assert allows(rota(NOON), "2026-09-19 12:10", "3(2)", make_up=made_up)
    assert not allows(rota(NOON), "2026-09-19 12:10", "3(2)")


@pytest.mark.parametrize(
    ("rule", "in_slot", "outside"),
    [("usual", True, False), ("free", True, True), ("off", False, False)],
)
def test_exam_weeks_may_free_or_stop_the_rota(rule, in_slot, outside):
    """In exam weeks the rota runs as usual, is everybody's, or is nobody's."""
    exams = [{"name": "exams", "first": "2026-09-14", "last": "2026-09-18", "rota": rule}]

    assert allows(rota(NOON), "2026-09-15 12:10", "3(2)", exams=exams) is in_slot
    assert allows(rota(NOON), "2026-09-15 14:00", "3(2)", exams=exams) is outside


@pytest.mark.parametrize(
    ("text", "day", "since"),
    [
        ("2026-09-15 11:00", "2026-09-15", 720),
        ("2026-09-15 12:00", "2026-09-22", 720),
        ("2026-09-23 18:00", "2026-09-25", 940),
    ],
)
def test_a_reader_is_told_the_next_turn(text, day, since):
    """Today if it is still to come, else the next slot in the right week."""
    found = rota(NOON, SECOND)

    turn = found.next_turn(at(text), calendar(), class_name="3(2)", grade=None)

    assert (turn.day.isoformat(), turn.span.since) == (day, since)


def test_a_turn_in_the_holidays_is_no_turn():
    """The next turn is on an open day, and there may be none in sight."""
    closed = [{"name": "holidays", "first": "2026-09-20", "last": "2026-10-11"}]
    found = rota(NOON)

    turn = found.next_turn(
        at("2026-09-15 13:00"), calendar(closed=closed), class_name="3(2)", grade=None
    )
    never = [{"name": "gone", "first": "2026-01-01", "last": "2199-01-01"}]

    assert turn.day.isoformat() == "2026-10-13"
    assert (
        found.next_turn(
            at("2026-09-15 13:00"), calendar(closed=never), class_name="3(2)", grade=None
        )
        is None
    )


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"slots": [NOON | {"on": []}]}, "rota.slots[0]: name at least one weekday"),
        ({"slots": [BREAK]}, "rota.slots[0]: name classes or grades"),
        ({"free": [NOON]}, "rota.free[0]: 'classes' is not an option"),
        ({"slots": [NOON | {"week": "third"}]}, "'third' is not one of every, odd, even"),
        ({"slots": [NOON | {"classes": ["a", "a"]}]}, "slots[0].classes: names something twice"),
        ({"slot": []}, "rota: 'slot' is not an option; did you mean 'slots'?"),
    ],
)
def test_a_mistake_in_a_rota_is_named_with_its_path(table, message):
    """Every mistake says where it is."""
    with pytest.raises(PolicyInvalid) as caught:
        Rota.from_doc(Doc(table, "rota"))

    assert message in str(caught.value)


def test_a_rota_is_written_as_it_was_read():
    """Reading what was written gives the same rota."""
    found = rota(NOON, SECOND, free=[BREAK])

    assert Rota.from_doc(Doc(found.to_doc(), "rota")) == found
