"""Kiosks know which age limits a reader has reached, and never a birth date."""

import datetime as dt
import json
import sqlite3

import pytest
import sqlalchemy as sa

from gateway import schema
from gateway.ages import Ages
from gateway.catalogue import upsert_patrons
from gateway.policies import save_policy
from gateway.snapshots import Snapshots
from tests.gateway.conftest import LIBRARY

BERLIN = dt.timezone(dt.timedelta(hours=1))
BIRTHDAY_MS = int(dt.datetime(2023, 11, 20, tzinfo=BERLIN).timestamp() * 1000)


def rules(*ages):
    """Return a policy whose films have these age limits."""
    kinds = [f"film-{age}" for age in ages]
    named = [
        {"item_type": kind, "minimum_age": age} for kind, age in zip(kinds, ages, strict=True)
    ]
    return {
        "zone": "Europe/Berlin",
        "item_types": kinds,
        "versions": [{"version": 1, "from": "2000-01-01", "rules": named}],
    }


@pytest.fixture
def ages(store, clock):
    """A library with films from 12 and 16, one second before a reader's birthday."""
    clock.now_ms = BIRTHDAY_MS - 1_000
    with store.write(LIBRARY) as write:
        save_policy(write, rules(12, 16))
    return Ages(store, LIBRARY)


def enrol(store, born_on, number="7"):
    """Take a reader in; return the id."""
    row = {"number": number, "short_name": "Anna L.", "born_on": born_on}
    with store.write(LIBRARY) as write:
        return upsert_patrons(write, [row]).ids[0]


def told(store):
    """Return what kiosks were told of readers' ages, change by change."""
    query = sa.select(schema.CHANGE.c.body).where(schema.CHANGE.c.kind == "patrons")
    with store.read() as connection:
        bodies = connection.execute(query.order_by(schema.CHANGE.c.version)).scalars()
        return [json.loads(body)["doc"]["age_reached"] for body in bodies]


def test_a_birthday_passes_at_midnight_where_the_library_is(store, clock, ages):
    """One second before midnight in Berlin she may not, at midnight she may."""
    enrol(store, "2011-11-20")
    before = ages.update()

    clock.now_ms = BIRTHDAY_MS
    passed = ages.update()

    assert (before, passed) == (0, 1)
    assert told(store) == [0, 12]


def test_only_who_reached_a_limit_is_told_of(store, clock, ages):
    """A thirteenth birthday changes nothing that a kiosk needs to know."""
    enrol(store, "2010-11-20")
    enrol(store, "2007-11-20", number="8")
    ages.update()

    clock.now_ms = BIRTHDAY_MS

    assert ages.update() == 1
    assert told(store) == [12, 12, 16]


def test_the_same_day_is_looked_at_once(store, clock, ages):
    """The chore may run every few seconds; it works once a day."""
    ages.update()
    enrol(store, "2011-11-20")
    with store.write(LIBRARY) as write:
        write.execute(write.update(schema.PATRON).values(age_reached=99))

    assert ages.update() == 0
    clock.now_ms = BIRTHDAY_MS
    assert ages.update() == 1


def test_a_new_policy_asks_for_other_ages(store, ages):
    """A limit that a rule now names is worked out for everybody."""
    enrol(store, "2011-11-20")
    ages.update()

    with store.write(LIBRARY) as write:
        save_policy(write, rules(6))

    assert ages.update() == 1
    assert told(store) == [0, 6]


@pytest.mark.parametrize("born_on", ["", "yesterday", "2011-02-30"])
def test_a_date_that_is_none_gives_no_age(store, ages, born_on):
    """What nobody knows is not guessed."""
    enrol(store, born_on)

    assert told(store) == [None]


def test_the_list_has_ages_and_no_birth_dates(store, ages, tmp_path):
    """The file that kiosks fetch says what was reached; the date is nowhere in it."""
    enrol(store, "2009-11-20")

    snapshot = Snapshots(store, LIBRARY, tmp_path).build("patrons")

    connection = sqlite3.connect(snapshot.file)
    assert connection.execute("SELECT age_reached FROM patron").fetchall() == [(12,)]
    connection.close()
    assert b"2009-11-20" not in snapshot.file.read_bytes()
