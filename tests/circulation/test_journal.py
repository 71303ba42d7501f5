"""The journal on disk: durable, one writer, one file."""

import sqlite3
import subprocess
import sys
import textwrap

import pytest

from circulation.errors import JournalDamaged, JournalError, JournalFull, JournalMisused
from circulation.journal import (
    SqliteJournal,
    move_aside,
    open_reader,
    open_station_db,
    transaction,
)
from tests.contract.journal_contract import (
    FIRST_EPOCH,
    PLENTY,
    SECOND_EPOCH,
    JournalContract,
    body,
)


@pytest.fixture
def path(tmp_path):
    """Where a station keeps its database."""
    return tmp_path / "station.db"


@pytest.fixture
def connection(path):
    """The one writing connection."""
    connection = open_station_db(path)
    yield connection
    connection.close()


class TestSqliteJournal(JournalContract):
    """The journal of a kiosk and of a gate on a Pi."""

    @pytest.fixture(autouse=True)
    def _at(self, path):
        self._path = path
        self._connection = open_station_db(path)
        yield
        self._connection.close()

    def make(self, epoch_id):
        """Return a new, empty journal."""
        return SqliteJournal(self._connection, epoch_id=epoch_id)

    def reopened(self, journal):
        """Close the file and open it as the next start of the program does."""
        self._connection.close()
        self._connection = open_station_db(self._path)
        return SqliteJournal(self._connection, epoch_id="00000000000000ff")


def test_the_writing_connection_is_durable(connection):
    """WAL with one fsync a commit, read back from the connection that writes."""
    pragmas = {
        name: connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    }

    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 5000,
    }


def test_a_database_that_cannot_be_durable_is_refused():
    """Without WAL, as on some network disks, a station does not start."""
    with pytest.raises(JournalError, match="mode memory, synchronous 2, and would not keep"):
        open_station_db(":memory:")


def test_a_reader_cannot_write(connection, path):
    """The screen's connection sees every commit and changes nothing."""
    SqliteJournal(connection, epoch_id=FIRST_EPOCH).append(body(1))
    reader = open_reader(path)

    assert reader.execute("SELECT count(*) FROM journal").fetchone() == (1,)
    with pytest.raises(sqlite3.OperationalError, match="attempt to write a readonly database"):
        reader.execute("DELETE FROM journal")
    reader.close()


def test_a_transaction_takes_the_write_lock_at_its_begin(connection, path):
    """Read, then write never fails halfway: the second writer waits at BEGIN, not at its write."""
    SqliteJournal(connection, epoch_id=FIRST_EPOCH)
    other = sqlite3.connect(path, timeout=0, isolation_level=None)

    with (
        transaction(connection),
        pytest.raises(sqlite3.OperationalError, match="database is locked"),
    ):
        other.execute("BEGIN IMMEDIATE")

    other.close()


def test_a_locked_database_is_a_named_error(connection, path):
    """Somebody else's writer is told apart from damage and from a full disk."""
    SqliteJournal(connection, epoch_id=FIRST_EPOCH)
    connection.execute("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(JournalError, match="database is locked"), transaction(connection):
        pytest.fail("the transaction must not begin")

    other.close()


def test_a_fact_and_its_loan_are_written_together_or_not_at_all(connection):
    """The journal joins the kiosk's transaction on the same file."""
    journal = SqliteJournal(connection, epoch_id=FIRST_EPOCH)
    connection.execute("CREATE TABLE loan (fact TEXT)")

    def lend_and_lose_power():
        with transaction(connection):
            journal.append(body(1))
            connection.execute("INSERT INTO loan VALUES ('1')")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        lend_and_lose_power()

    assert journal.last_seq == 0
    assert connection.execute("SELECT count(*) FROM loan").fetchone() == (0,)
    assert journal.append(body(2)).seq == 1


def test_a_transaction_inside_another_is_refused(connection):
    """It would be unclear whose commit it is; the outer one is undone."""
    with (
        pytest.raises(JournalMisused, match="already open"),
        transaction(connection),
        transaction(connection),
    ):
        pytest.fail("the inner transaction must not begin")

    assert not connection.in_transaction


def test_a_full_disk_changes_nothing_and_says_so(connection):
    """The reader is told before the tick, not after it; earlier facts are still there."""
    journal = SqliteJournal(connection, epoch_id=FIRST_EPOCH)
    journal.append(body(1))
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")

    def write_a_day():
        with transaction(connection):
            for number in range(2, 200):
                journal.append(body(number) + b" " * 4000)

    with pytest.raises(JournalFull, match="the disk is full; nothing was written"):
        write_a_day()

    assert journal.last_seq == 1
    assert not connection.in_transaction


def test_a_broken_rule_of_the_database_is_not_disguised(connection):
    """A mistake of the caller's own SQL stays what it is."""
    connection.execute("CREATE TABLE loan (fact TEXT NOT NULL)")

    with pytest.raises(sqlite3.IntegrityError), transaction(connection):
        connection.execute("INSERT INTO loan VALUES (NULL)")


@pytest.mark.parametrize("content", [b"this is no database at all, " * 200])
def test_a_file_that_is_no_database_is_damaged(path, content):
    """Whatever a dying card left there is told from a good journal."""
    path.write_bytes(content)

    with pytest.raises(JournalDamaged, match="move it aside"):
        open_station_db(path)


def test_damage_inside_the_file_is_found_at_the_start(connection, path):
    """A page that a brown-out destroyed is noticed before anybody relies on it."""
    journal = SqliteJournal(connection, epoch_id=FIRST_EPOCH)
    for number in range(200):
        journal.append(body(number))
    connection.close()
    content = bytearray(path.read_bytes())
    content[-4096:] = b"\xaa" * 4096
    path.write_bytes(content)

    with pytest.raises(JournalDamaged, match="move it aside"):
        open_station_db(path)


def test_a_path_that_cannot_be_opened_is_named(tmp_path):
    """The message says which file it was."""
    with pytest.raises(JournalError, match=r"no/station\.db: unable to open"):
        open_station_db(tmp_path / "no" / "station.db")


def test_a_damaged_file_is_kept_aside(path):
    """Nothing is overwritten: what can be salvaged later is still there."""
    path.write_bytes(b"first")
    path.with_name("station.db-wal").write_bytes(b"wal")
    first = move_aside(path)
    path.write_bytes(b"second")
    second = move_aside(path)

    assert first.read_bytes() == b"first"
    assert first.with_name(first.name + "-wal").read_bytes() == b"wal"
    assert second.read_bytes() == b"second"
    assert not path.exists()


def test_blanking_forgets_the_reader_and_keeps_the_count(connection):
    """Salt and patron go; the body, its place and its hash stay."""
    journal = SqliteJournal(connection, epoch_id=FIRST_EPOCH)
    journal.append(body(1), bytes(16), "aa")
    before = journal.append(body(2), bytes(16), "bb")

    journal.blank([f"{1:016x}"])

    first, second = journal.rows(1, 50, PLENTY)
    assert (first.salt, first.patron, first.body) == (None, None, body(1))
    assert second == before


def test_what_was_committed_survives_the_death_of_the_program(path):
    """A program killed right after its commit leaves that row, and only whole rows, behind."""
    program = textwrap.dedent(
        """
        import os, sys
        from circulation.journal import SqliteJournal, open_station_db, transaction
        connection = open_station_db(sys.argv[1])
        journal = SqliteJournal(connection, epoch_id="00000000000000e1")
        journal.append(b'{"first": 1}')
        with transaction(connection):
            journal.append(b'{"second": 2}')
            os._exit(9)
        """
    )
    died = subprocess.run([sys.executable, "-c", program, str(path)], check=False)

    connection = open_station_db(path)
    journal = SqliteJournal(connection, epoch_id="00000000000000ff")

    assert died.returncode == 9
    assert [row.body for row in journal.rows(1, 50, PLENTY)] == [b'{"first": 1}']
    assert journal.epoch.id == FIRST_EPOCH
    connection.close()


def test_a_row_that_changed_on_the_disk_moves_on_as_no_fact(connection):
    """In a new epoch it would get a hash that fits; so it is marked, however long it is."""
    journal = SqliteJournal(connection, epoch_id=FIRST_EPOCH)
    for number in range(1, 4):
        journal.append(body(number))
    connection.execute("UPDATE journal SET body=? WHERE seq=2", (body(9),))
    connection.execute("UPDATE journal SET body=? WHERE seq=3", (b"x" * 8192,))

    journal.open_epoch(0, SECOND_EPOCH, 2)

    moved = [row.body for row in journal.rows(1, 9, PLENTY)]
    assert moved[:2] == [body(1), b"changed on the disk: " + body(9)]
    assert (moved[2][:24], len(moved[2])) == (b"changed on the disk: xxx", 8192)


def test_how_it_stands_is_read_once_and_then_only_after_it_was_written(connection):
    """Every message that comes asks several times; what else is written beside it is no matter."""
    journal = SqliteJournal(connection, epoch_id=FIRST_EPOCH)
    connection.execute("CREATE TABLE beside (n INTEGER)")
    journal.append(body(1))

    def look():
        return (journal.epoch.n, journal.last_seq, journal.acked, journal.lineage)

    said = []
    assert look() == (1, 1, 0, None)
    connection.set_trace_callback(said.append)
    with transaction(connection):
        connection.execute("INSERT INTO beside VALUES (1)")
        assert look() == (1, 1, 0, None)
    assert look() == (1, 1, 0, None)
    connection.set_trace_callback(None)

    assert [text for text in said if text.startswith("SELECT")] == []
    journal.mark_acked(1, 1)
    assert look() == (1, 1, 1, None)


def test_a_mark_that_is_known_costs_no_commit(connection):
    """A gateway says how far it is at every birth; on an SD card each commit is a wear."""
    journal = SqliteJournal(connection, epoch_id=FIRST_EPOCH)
    for number in range(1, 6):
        journal.append(body(number))
    journal.mark_acked(4, 3)

    said = []
    connection.set_trace_callback(said.append)
    for mark in ((4, 3), (4, 1), (3, 3), (0, 2)):
        journal.mark_acked(*mark)
    connection.set_trace_callback(None)

    assert [text for text in said if not text.startswith("SELECT")] == []


@pytest.mark.parametrize("looks", [True, False])
def test_what_was_rolled_back_was_never_there_whoever_looked_meanwhile(connection, looks):
    """The next fact takes the place of the one that was taken back, and hangs on the same row."""
    journal = SqliteJournal(connection, epoch_id=FIRST_EPOCH)
    first = journal.append(body(1))

    def interrupted():
        with transaction(connection):
            journal.append(body(2))
            journal.mark_acked(2, 1)
            assert not looks or (journal.last_seq, journal.acked) == (2, 2)
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        interrupted()
    with transaction(connection):
        third = journal.append(body(3))
        fourth = journal.append(body(4))

    assert (third.seq, third.prev_hash) == (2, first.hash)
    assert (fourth.seq, fourth.prev_hash) == (3, third.hash)
    assert (journal.last_seq, journal.acked) == (3, 0)
