"""The fleet's cards: a power cut leaves what the files held at that write, and no more."""

import random
import sqlite3
import subprocess
import sys

import pytest

from circulation.errors import JournalFull
from circulation.journal import SqliteJournal, open_station_db
from circulation.wire.fact import encode_body
from sim.fleet.disk import (
    AFTER_COMMIT,
    BEFORE_COMMIT,
    DURING_WRITE,
    Card,
    PowerCut,
    exclusive,
    start_of_write,
    tap,
)

STEPS = {BEFORE_COMMIT: {2}, AFTER_COMMIT: {3}, DURING_WRITE: {2, 3}}
"""How many of three rows are there after a cut at the third's write."""


class Machine:
    """A station's journal on a card, and nothing else."""

    def __init__(self, folder, seed=0):
        self.card = Card(folder / f"card-{seed}", "station.db")
        self.chance = random.Random(seed)
        self.start()

    def start(self):
        self.connection = open_station_db(self.card.database)
        self.journal = SqliteJournal(self.connection, epoch_id="e" * 16)
        self.tap = tap(self.journal, self.card, self.chance.randrange)

    def write(self, count=1):
        for _ in range(count):
            body = {"id": self.chance.randbytes(8).hex(), "kind": "seen", "boot": "0a0b0c0d"}
            self.journal.append(encode_body(body | {"mono": 1, "note": "x" * 900}))

    def cut(self, step, *, torn=False):
        """Cut the power at the next write's step, and come back."""
        self.tap.armed, self.tap.is_torn = step, torn
        with pytest.raises(PowerCut):
            self.write()
        self.connection.close()
        self.card.settle()
        self.start()

    def close(self):
        self.connection.close()


@pytest.fixture
def machine(tmp_path):
    made = Machine(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("step", STEPS)
def test_a_cut_at_a_step_leaves_whole_rows_only(machine, step):
    """What was committed is there, what was not is not, and the chain goes on."""
    machine.write(2)

    machine.cut(step)

    assert machine.journal.last_seq in STEPS[step]
    machine.write()
    rows = machine.journal.rows(1, 10, 1 << 20)
    assert [row.seq for row in rows] == list(range(1, machine.journal.last_seq + 1))


def test_a_torn_write_is_there_wholly_or_not_at_all(tmp_path):
    """Wherever a card stops in the middle of a write, SQLite finds the end of the one before."""
    found = set()
    for seed in range(24):
        machine = Machine(tmp_path, seed)
        machine.write(2)
        machine.cut(DURING_WRITE, torn=True)
        found.add(machine.journal.last_seq)
        assert machine.connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
        machine.close()

    assert found == {2}, f"{found}: a cut at the very last byte is rare, others lose the row"


HEADER = bytes(8) + (512).to_bytes(4, "big") + bytes(20)
FRAME = bytes(24 + 512)


@pytest.mark.parametrize("alike", [0, 1, 4, 16])
@pytest.mark.parametrize(
    ("log", "begin"),
    [(b"", 0), (HEADER, 32), (HEADER + FRAME, 568), (HEADER + 2 * FRAME, 1_104)],
    ids=["header", "first frame", "second frame", "third frame"],
)
def test_where_a_write_began_is_no_chance(log, begin, alike):
    """Over an older write, whose salts and sums begin with the same bytes or with others."""
    before, after = (log + bytes(alike) + fill * 600 for fill in (b"x", b"y"))

    assert start_of_write(before, after) == start_of_write(log, after) == begin


def test_a_restart_after_many_writes_loses_none(machine):
    """The log is moved into the database now and then; a cut behind that has both."""
    machine.write(1_500)

    machine.cut(BEFORE_COMMIT)

    assert machine.journal.last_seq == 1_500


def test_an_old_image_put_back_has_what_it_had(machine):
    """An image is the card as it was, however much was written since."""
    machine.write(2)
    image = machine.card.image()
    machine.write(5)

    machine.connection.close()
    machine.card.write(image)
    machine.start()

    assert machine.journal.last_seq == 2


def test_a_full_card_refuses_by_name_and_is_whole_afterwards(machine):
    """Nothing is half-written; when there is room again the journal goes on."""
    machine.write()
    machine.card.is_full = True
    with pytest.raises(JournalFull):
        machine.write()

    machine.card.is_full = False
    machine.write()

    assert machine.journal.last_seq == 2


def test_a_tap_that_is_not_armed_is_the_connection(machine):
    """Everything passes through that is not the one commit."""
    assert machine.tap.in_transaction is False
    assert machine.tap.total_changes == machine.connection.total_changes
    with pytest.raises(sqlite3.OperationalError):
        machine.tap.execute("SELECT nothing FROM nowhere")


LOOK = """\
import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute("SELECT n FROM t").fetchall())
"""


def look_from_outside(file):
    """Return what another process reads of a database, or says of it."""
    command = [sys.executable, "-c", LOOK, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip().splitlines()[-1]


@pytest.mark.parametrize("is_alone", [True, False])
def test_only_whoever_is_alone_keeps_the_locks_to_itself(tmp_path, is_alone):
    """Connections of the process wait for each other as ever; others are let in afterwards."""
    file = tmp_path / "a ?#% name.db"

    def write_and_look():
        one, other = (sqlite3.connect(file, timeout=0, isolation_level=None) for _ in range(2))
        one.execute("PRAGMA journal_mode=WAL")
        one.execute("CREATE TABLE t (n)")
        one.execute("BEGIN IMMEDIATE")
        one.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        assert other.execute("SELECT n FROM t").fetchall() == []
        one.execute("COMMIT")
        assert other.execute("SELECT n FROM t").fetchall() == [(1,)]
        seen = look_from_outside(file)
        one.close()
        other.close()
        return seen

    if is_alone:
        with exclusive():
            seen = write_and_look()
        assert seen == "sqlite3.OperationalError: database is locked"
    else:
        assert write_and_look() == "[(1,)]"
    assert look_from_outside(file) == "[(1,)]"
