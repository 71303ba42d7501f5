"""Facts that one part has and another would never ask for."""

import shutil

import pytest

from gateway import retention, schema
from gateway.desk import DeskJournal
from gateway.ingest import Ingest
from gateway.review import ReviewEntry, add_entries
from gateway.store import Store
from tests.gateway.conftest import LIBRARY, Clock, Station
from tests.kiosk.library import GOOSE
from tests.seams.test_lineage import lend

DAY_MS = 86_400_000


@pytest.fixture
def wall():
    """The gateway's clock, set by hand."""
    return Clock()


@pytest.fixture
def store(tmp_path, wall):
    """An empty library."""
    made = Store.at(tmp_path / "gateway.db", clock=wall)
    made.migrate()
    made.create_library(LIBRARY)
    yield made
    made.close()


def entry(store, key):
    with store.write(LIBRARY) as write:
        add_entries(write, [ReviewEntry(key, "item_unknown")])


def is_decided(store, key):
    with store.read() as connection:
        query = schema.REVIEW.select().where(schema.REVIEW.c.key == key)
        return connection.execute(query).one().decided_at is not None


def decide(store, path, key):
    """Decide as a gateway that was started just now."""
    desk = DeskJournal(store, LIBRARY, path)
    desk.hand_over(Ingest(store, LIBRARY))
    desk.decision(key, "noted")
    desk.hand_over(Ingest(store, LIBRARY))


def test_decisions_count_though_the_desks_own_journal_was_lost(store, tmp_path):
    """A backup of the database alone is restored: the desk's journal begins anew, and forks."""
    for key in ("one", "two"):
        entry(store, key)
    decide(store, tmp_path / "desk.db", "one")
    for file in tmp_path.glob("desk.db*"):
        file.unlink()

    decide(store, tmp_path / "desk.db", "two")

    assert is_decided(store, "two")


def test_decisions_count_though_the_desks_own_journal_was_rolled_back(store, tmp_path):
    """Row 2 is another one than the row 2 the library knows; its place proves nothing."""
    for key in ("one", "two", "three"):
        entry(store, key)
    decide(store, tmp_path / "desk.db", "one")
    shutil.copy(tmp_path / "desk.db", tmp_path / "old.db")
    decide(store, tmp_path / "desk.db", "two")
    shutil.copy(tmp_path / "old.db", tmp_path / "desk.db")

    decide(store, tmp_path / "desk.db", "three")

    assert is_decided(store, "three")


def keep_from(store, kiosk):
    retention.move_keep_from(store, LIBRARY)
    journal = kiosk.journal
    with store.read() as connection:
        return retention.keep_from(
            connection, LIBRARY, kiosk.name, journal.epoch.id, journal.last_seq
        )


def test_copies_in_a_new_epoch_are_kept_as_long_as_their_facts(store, wall):
    """Or a fork, and then a restored backup of yesterday, would find them nowhere."""
    ingest, kiosk = Ingest(store, LIBRARY), Station("kiosk-1")
    for _ in range(3):
        kiosk.write("visit")
    ingest.take([kiosk.batch()])
    kiosk.journal.open_epoch(0, "e" * 16, 2)
    kiosk.write("visit")
    ingest.take([kiosk.batch()])

    assert keep_from(store, kiosk) == 1


def test_what_is_older_than_any_useful_backup_may_go(store, wall):
    """A month later only what came since is kept, parked facts too."""
    ingest, kiosk = Ingest(store, LIBRARY), Station("kiosk-1")
    for _ in range(3):
        kiosk.write("visit")
    ingest.take([kiosk.batch()])
    wall.now_ms += 31 * DAY_MS
    kiosk.write("levitated")
    kiosk.write("visit")
    ingest.take([kiosk.batch(first=4)])

    assert keep_from(store, kiosk) == 4


def test_a_new_epoch_is_kept_from_its_first_row(store, wall):
    """How much of the old epoch could go says nothing of the new one's rows."""
    ingest, kiosk = Ingest(store, LIBRARY), Station("kiosk-1")
    for _ in range(3):
        kiosk.write("visit")
    ingest.take([kiosk.batch()])
    wall.now_ms += 31 * DAY_MS
    assert keep_from(store, kiosk) == 4
    kiosk.journal.open_epoch(3, "e" * 16, 2)
    for _ in range(5):
        kiosk.write("visit")
    ingest.take([kiosk.batch()])

    with store.read() as connection:
        kept = retention.keep_from(connection, LIBRARY, "kiosk-1", "e" * 16, 5)

    assert kept == 1


def test_facts_that_a_dead_disk_took_are_counted_and_said(house):
    """A station announced more than it sent; with a new card it begins a journal of its own."""
    house.open()
    kiosk = house["kiosk-1"]
    house.broker.lost = lambda topic: topic.endswith("/journal")
    lend(kiosk, GOOSE)
    kiosk.link.reconnect()
    house.run(2_000)
    house.broker.lost = lambda topic: False
    kiosk.link.stop()
    kiosk.engine.lists.close()
    kiosk.engine.store.close()
    for file in house.folder.glob("kiosk-1.db*"):
        file.unlink()

    kiosk.start()
    kiosk.connect()
    house.run(5_000)

    entries = [row for row in house.gateway.board.reviews() if row["rule"] == "facts_lost"]
    assert len(entries) == 1
