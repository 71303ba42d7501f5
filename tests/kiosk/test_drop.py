"""The book drop, scanned on Monday: story 24."""

import datetime as dt

import pytest

from circulation.config import Section
from circulation.errors import ConfigInvalid
from kiosk.config import read_kiosk_config
from tests.kiosk.library import BEN, GOOSE, MOMO, POLICY, Kiosk, item_row

OPEN = ["08:00-16:00"]
CALENDARS = {
    "*": {
        "hours": dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), OPEN),
        "closed": [{"name": "autumn", "first": "2025-09-22", "last": "2025-09-26"}],
    }
}
WEEKDAYS = POLICY | {"zone": "UTC", "calendars": CALENDARS}


def at(text):
    return round(dt.datetime.fromisoformat(f"{text}+00:00").timestamp() * 1000)


@pytest.fixture
def drop(tmp_path):
    """A kiosk at the drop, on a Friday at noon; Ben has both books since the week before."""
    kiosk = Kiosk(tmp_path, lends=False, drop=True)
    due = {"patron_id": BEN, "due_at": at("2025-09-12 16:00"), "reach": 3, "state": "on_loan"}
    lent = [item_row(item, loan=f"{n:016x}", **due) for n, item in enumerate((GOOSE, MOMO), 1)]
    kiosk.clock.set_wall(at("2025-09-12 12:00"), sure=True)
    kiosk.load(policy=WEEKDAYS, items=lent).run(600)
    yield kiosk
    kiosk.engine.lists.close()
    kiosk.engine.store.close()


def returned(kiosk, item_id, when):
    """Scan a book at that time; return from when it counts."""
    kiosk.clock.set_wall(at(when), sure=True)
    kiosk.place(item_id)
    fact = kiosk.facts("checkin", "used_in_house")[-1]
    kiosk.press("finish")
    kiosk.lift(item_id)
    return fact.get("counts_from")


@pytest.mark.parametrize(
    ("scanned", "counts"),
    [
        ("2025-09-15 08:10", "2025-09-12 16:00"),  # Monday, as the day begins
        ("2025-09-15 15:50", "2025-09-12 16:00"),  # or as it ends
        ("2025-09-13 11:00", "2025-09-12 16:00"),  # a closed Saturday
        ("2025-09-29 09:00", "2025-09-19 16:00"),  # after a week of holidays
    ],
)
def test_a_return_counts_from_the_start_of_the_closed_time(drop, scanned, counts):
    """The Friday-night drop, scanned on Monday, is not three days late."""
    assert returned(drop, GOOSE, scanned) == at(counts)


def test_the_screen_says_that_it_counts_from_earlier(drop):
    """Staff see that nobody is made late."""
    drop.clock.set_wall(at("2025-09-15 08:10"), sure=True)
    drop.place(GOOSE)

    assert drop.view["items"][0]["notes"] == ["Counts from the last closing."]


def test_a_drop_emptied_on_a_closed_day_was_empty_then(drop):
    """What Monday finds was put there after Saturday's visit."""
    returned(drop, GOOSE, "2025-09-13 11:00")

    assert returned(drop, MOMO, "2025-09-15 08:10") == pytest.approx(
        at("2025-09-13 11:00"), abs=999
    )


def test_half_a_box_left_for_the_afternoon_makes_nobody_late(drop):
    """Two rounds on one day are one emptying, also when the power was cut between them."""
    returned(drop, GOOSE, "2025-09-15 08:10")
    drop.power_cut()
    drop.run(600)

    assert returned(drop, MOMO, "2025-09-15 14:00") == at("2025-09-12 16:00")


def test_an_unsure_clock_remembers_no_emptying(drop):
    """A wrong day would make readers late, so none is noted."""
    drop.clock.set_wall(at("2025-09-13 11:00"), sure=False)
    drop.place(GOOSE)
    drop.press("finish")
    drop.lift(GOOSE)

    assert returned(drop, MOMO, "2025-09-15 08:10") == at("2025-09-12 16:00")


def test_a_return_at_an_ordinary_kiosk_counts_from_now(tmp_path):
    """Who stands there has not used the drop."""
    kiosk = Kiosk(tmp_path, lends=False)
    kiosk.clock.set_wall(at("2025-09-12 12:00"), sure=True)
    kiosk.load(policy=WEEKDAYS).run(600)

    assert returned(kiosk, GOOSE, "2025-09-15 08:10") is None


def test_a_drop_that_also_lends_is_refused_by_name(tmp_path):
    """Readers in person would be counted as if they had come the evening before."""
    kiosk = Kiosk(tmp_path)
    settings = kiosk.settings() | {"drop": True}

    with pytest.raises(ConfigInvalid, match=r"drop: .* set lends = false"):
        read_kiosk_config(Section(settings, file="test"))
