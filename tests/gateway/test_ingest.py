"""Journals become facts: once each, in one transaction, whatever comes."""

import pytest
import sqlalchemy as sa

from circulation.sync.intake import Accept, Duplicate, ForkFound, Gap, Unreadable
from gateway import schema
from gateway.board import Desk
from tests.gateway.conftest import LIBRARY, START_MS, Station

DUE_AT = START_MS + 14 * 86_400_000


def rows(store, table, **key):
    """Return a table's rows as dicts."""
    query = sa.select(table)
    for name, value in key.items():
        query = query.where(table.c[name] == value)
    with store.read() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


@pytest.fixture
def kiosk():
    """A kiosk."""
    return Station("kiosk-1")


@pytest.fixture
def desk(store):
    """What staff see."""
    return Desk(store, LIBRARY)


def lend(station, item, patron, **fields):
    """Write a checkout as a kiosk does."""
    return station.write("checkout", item=item, patron=patron, due_at=DUE_AT, reach=3, **fields)


def test_a_loan_arrives(ingest, kiosk, desk, books, readers):
    """A checkout puts the item on loan to its reader, until the day the reader was told."""
    loan = lend(kiosk, books["1001"], readers[0])

    (answer,) = ingest.take([kiosk.batch()])

    item = desk.item("1001")
    assert isinstance(answer.verdict, Accept)
    assert (answer.hw, answer.tip) == (1, kiosk.journal.hash_at(1))
    assert (item["state"], item["loan"], item["due_at"]) == ("on_loan", loan, DUE_AT)
    assert item["patron_name"] == "Anna L."


def test_the_same_batch_again_changes_nothing(store, ingest, kiosk, books, readers):
    """A lost ack costs a resend and nothing else."""
    lend(kiosk, books["1001"], readers[0])
    ingest.take([kiosk.batch()])
    before = rows(store, schema.HOLDING), rows(store, schema.FACT), rows(store, schema.LIBRARY)

    (answer,) = ingest.take([kiosk.batch()])

    assert isinstance(answer.verdict, Duplicate)
    assert answer.rows == 0
    after = rows(store, schema.HOLDING), rows(store, schema.FACT), rows(store, schema.LIBRARY)
    assert after == before


def test_a_gap_is_named_and_nothing_is_written(store, ingest, kiosk, books):
    """Rows are applied without holes, so what is missing is asked for."""
    for _ in range(4):
        kiosk.write("seen", item=books["1001"])
    ingest.take([kiosk.batch(facts_max=2)])

    (answer,) = ingest.take([kiosk.batch(first=4)])

    assert answer.verdict == Gap(2)
    assert len(rows(store, schema.FACT)) == 2


def test_a_card_rolled_back_is_a_fork_and_nothing_counts_twice(store, ingest, books, readers):
    """Rows sent again after a fork keep their ids, so what had arrived is not applied again."""
    kiosk = Station("kiosk-1")
    lend(kiosk, books["1001"], readers[0])
    image = kiosk.journal.copy()
    kiosk.write("checkin", item=books["1001"])
    ingest.take([kiosk.batch()])
    lost_hash = kiosk.journal.hash_at(2)

    kiosk.journal = image
    lend(kiosk, books["1002"], readers[1])
    (answer,) = ingest.take([kiosk.batch()])
    kiosk.journal.open_epoch(1, "00000000000000ee", answer.n + 1)
    kiosk.write("checkin", item=books["1002"])
    (after,) = ingest.take([kiosk.batch()])

    assert isinstance(answer.verdict, ForkFound)
    assert answer.verdict.hashes[0] == [2, lost_hash.hex()]
    assert after.rows == 2
    assert len(rows(store, schema.FACT)) == 4
    assert {row["item_id"]: row["state"] for row in rows(store, schema.HOLDING)} == {
        books["1001"]: "to_be_shelved",
        books["1002"]: "to_be_shelved",
    }


def test_copied_rows_have_their_place_but_no_second_effect(store, ingest, kiosk, books, readers):
    """A fork's copies of applied rows move the mark and nothing else."""
    lend(kiosk, books["1001"], readers[0])
    ingest.take([kiosk.batch()])
    kiosk.journal.open_epoch(0, "00000000000000ef", 2)

    (answer,) = ingest.take([kiosk.batch()])

    assert (answer.n, answer.hw, answer.rows) == (2, 1, 1)
    assert len(rows(store, schema.FACT)) == 1
    assert len(rows(store, schema.POSITION)) == 2
    assert Desk(store, LIBRARY).station("kiosk-1").facts == 1


def test_a_new_card_in_an_old_station_moves_to_a_new_epoch(store, ingest, books, readers):
    """A wiped station begins at number 1 again; its facts must not count as older ones."""
    old = Station("kiosk-1")
    lend(old, books["1001"], readers[0])
    ingest.take([old.batch()])
    new = Station("kiosk-1")
    new.write("checkin", item=books["1001"])

    (told,) = ingest.take([new.batch()])
    new.journal.open_epoch(0, "00000000000000ed", told.n + 1)
    (after,) = ingest.take([new.batch()])

    assert isinstance(told.verdict, ForkFound)
    assert told.verdict.hw > told.verdict.common
    assert (after.n, after.rows) == (2, 1)
    assert rows(store, schema.HOLDING)[0]["state"] == "to_be_shelved"


def test_a_declared_hole_moves_the_mark_and_tells_staff(ingest, kiosk, desk, books):
    """What a dead disk took is counted and said, and never blocks what came after."""
    for _ in range(5):
        kiosk.write("seen", item=books["1001"])
    whole = kiosk.batch(first=4)
    batch = type(whole)("kiosk-1", whole.message._replace(lost=[1, 3]))

    (answer,) = ingest.take([batch])
    (again,) = ingest.take([batch])

    assert (answer.hw, answer.rows) == (5, 2)
    assert isinstance(again.verdict, Duplicate)
    (entry,) = desk.reviews()
    assert (entry["rule"], entry["detail"]) == ("facts_lost", {"first": 1, "last": 3})


def test_an_epoch_that_contradicts_itself_is_unreadable(ingest, kiosk, books):
    """One epoch id has one number."""
    kiosk.write("seen", item=books["1001"])
    ingest.take([kiosk.batch()])
    batch = kiosk.batch()

    (answer,) = ingest.take([type(batch)("kiosk-1", batch.message._replace(n=7))])

    assert isinstance(answer.verdict, Unreadable)


HOSTILE = [
    (
        "a lone surrogate",
        b'{"v":1,"id":"%s","kind":"seen","boot":"00000001","mono":1,"x":"\\ud800"}',
    ),
    (
        "a huge number",
        b'{"v":1,"id":"%s","kind":"seen","boot":"00000001","mono":100000000000000000000}',
    ),
    ("a NUL", b'{"v":1,"id":"%s","kind":"seen","boot":"00000001","mono":1,"x":"a\\u0000b"}'),
    ("a float", b'{"v":1,"id":"%s","kind":"seen","boot":"00000001","mono":1e2}'),
    ("no object", b'["%s"]'),
    ("no JSON", b'{"id":"%s"'),
    ("a wrong type", b'{"v":1,"id":"%s","kind":"seen","boot":"00000001","mono":1,"uids":"e004"}'),
]


@pytest.mark.parametrize("body", [body for _, body in HOSTILE], ids=[what for what, _ in HOSTILE])
def test_a_hostile_body_is_parked_alone(store, ingest, books, readers, body):
    """What aborts a whole set elsewhere costs here exactly its own row, with place and hash."""
    kiosk, other, desk = Station("kiosk-1"), Station("kiosk-2"), Desk(store, LIBRARY)
    lend(kiosk, books["1001"], readers[0])
    kiosk.journal.append(body % b"00000000000000aa")
    kiosk.write("checkin", item=books["1001"])
    lend(other, books["1002"], readers[1])

    answers = ingest.take([kiosk.batch(), other.batch()])

    (parked,) = desk.parked()
    assert [answer.hw for answer in answers] == [3, 1]
    assert (parked["station"], parked["seq"], parked["why"]) == ("kiosk-1", 2, "unreadable")
    assert rows(store, schema.PARKED)[0]["body"] == body % b"00000000000000aa"
    assert desk.item("1001")["state"] == "to_be_shelved"
    assert desk.item("1002")["state"] == "on_loan"
    assert desk.station("kiosk-1").parked == 1


def test_an_unknown_kind_is_parked_with_its_place(ingest, kiosk, desk, books):
    """A newer station may say what this program does not know yet; nothing is lost."""
    kiosk.write("levitated", item=books["1001"])
    kiosk.write("seen", item=books["1001"])

    (answer,) = ingest.take([kiosk.batch()])

    (parked,) = desk.parked("kiosk-1")
    assert answer.hw == 2
    assert parked["why"] == "unknown_kind"
    assert "levitated" in parked["detail"]


def test_an_id_that_another_fact_has_is_parked(ingest, kiosk, desk, books):
    """An id is random; the same one on another body is a mistake or a forgery."""
    fact_id = kiosk.write("seen", item=books["1001"])
    kiosk.write("checkin", item=books["1001"], fact_id=fact_id)

    ingest.take([kiosk.batch()])

    (parked,) = desk.parked()
    assert (parked["seq"], parked["why"]) == (2, "id_taken")


def test_a_patron_that_does_not_make_the_hash_is_parked(ingest, kiosk, desk, books, readers):
    """Salt and id travel outside the chain, so they must make the hash that is inside it."""
    lend(kiosk, books["1001"], readers[0])
    batch = kiosk.batch()
    forged = {"0": [batch.message.patrons["0"][0], readers[1]]}

    ingest.take([type(batch)("kiosk-1", batch.message._replace(patrons=forged))])

    assert desk.parked()[0]["why"] == "unreadable"
    assert desk.item("1001")["state"] == "available"


@pytest.fixture
def brittle(store):
    """A way to make the database refuse one fact, until the test is over."""
    words = {
        "sqlite": (
            "CREATE TRIGGER brittle BEFORE INSERT ON fact "
            "WHEN NEW.id = '{}' BEGIN SELECT RAISE(ABORT, 'no'); END",
            "DROP TRIGGER brittle",
        ),
        "postgresql": (
            "ALTER TABLE fact ADD CONSTRAINT brittle CHECK (id <> '{}')",
            "ALTER TABLE fact DROP CONSTRAINT brittle",
        ),
    }

    def run(nth, fact_id=""):
        with store.transaction() as connection:
            statement = words[connection.dialect.name][nth].format(fact_id)
            connection.exec_driver_sql(statement)

    yield lambda fact_id: run(0, fact_id)
    run(1)


def test_a_set_whose_sql_fails_parks_only_the_offender(store, brittle, ingest, desk, books):
    """A failing set is halved until the offender stands alone; everybody else is applied."""
    kiosk, other = Station("kiosk-1"), Station("kiosk-2")
    ids = [kiosk.write("seen", item=books["1001"]) for _ in range(9)]
    other.write("seen", item=books["1002"])
    brittle(ids[5])

    answers = ingest.take([other.batch(), kiosk.batch()])

    (parked,) = desk.parked()
    assert (parked["seq"], parked["why"]) == (6, "failed")
    assert [answer.hw for answer in answers] == [1, 9]
    assert len(rows(store, schema.FACT)) == 9


def test_a_batch_after_its_offender_was_parked_is_a_duplicate(store, ingest, books):
    """What was parked keeps its hash, so the journal goes on comparing."""
    kiosk = Station("kiosk-1")
    kiosk.journal.append(b"not a fact")
    kiosk.write("seen", item=books["1001"])
    ingest.take([kiosk.batch()])

    (answer,) = ingest.take([kiosk.batch()])

    assert isinstance(answer.verdict, Duplicate)
    assert answer.tip == kiosk.journal.hash_at(2)


def park_as_unknown(store, kiosk, ingest, books):
    """Have a checkin parked, as an older program that did not know the kind would have."""
    fact_id = kiosk.write("checkin", item=books["1001"])
    ingest.take([kiosk.batch()])
    row = kiosk.journal.rows(1, 1, 9999)[0]
    with store.write(LIBRARY) as write:
        for table in (schema.FACT, schema.HOLDING):
            write.execute(sa.delete(table))
        write.execute(write.update(schema.POSITION).values(fact_id=None))
        write.execute(write.update(schema.STATION_TABLE).values(facts=0, parked=1))
        parked = {
            "station": "kiosk-1",
            "epoch_id": kiosk.journal.epoch.id,
            "seq": 1,
            "epoch_n": 1,
            "hash": row.hash,
            "body": row.body,
            "why": "unknown_kind",
            "received_at": START_MS,
            "tried_with": "lendgate 0.0",
        }
        write.insert(schema.PARKED, [parked])
    return fact_id


def test_a_newer_program_applies_what_an_older_one_parked(store, ingest, kiosk, desk, books):
    """What was not understood is a fact once it is, at its old place in the journal."""
    fact_id = park_as_unknown(store, kiosk, ingest, books)

    applied = ingest.retry_parked()

    view = desk.station("kiosk-1")
    assert (applied, view.facts, view.parked) == (1, 1, 0)
    assert desk.item("1001")["state"] == "to_be_shelved"
    assert rows(store, schema.POSITION)[0]["fact_id"] == fact_id
    assert desk.parked() == []
    assert ingest.retry_parked() == 0


def test_what_is_still_unknown_stays_parked_and_is_tried_once_a_version(ingest, kiosk, desk):
    """The same program does not try for ever; the next one does."""
    kiosk.write("levitated")
    ingest.take([kiosk.batch()])

    assert ingest.retry_parked() == 0
    assert ingest.retry_parked("lendgate 99") == 0
    assert desk.parked()[0]["tried_with"] == "lendgate 99"
