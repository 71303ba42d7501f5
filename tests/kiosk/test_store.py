"""station.db keeps what it promised: pragmas, one writer, power cuts at every commit."""

import shutil
import sqlite3

import pytest

from circulation.errors import JournalDamaged, JournalError
from circulation.journal import open_reader, transaction
from circulation.wire.messages import SiteLoan
from kiosk.beliefs import Beliefs
from kiosk.errors import StoreUnsafe
from kiosk.news import Marks, Turn
from kiosk.store import Draft, ListState, News, Store, Unfinished, check_pragmas
from tests.kiosk.library import ANNA, GOOSE, Kiosk

BOOT = "0" * 8


def opened(path, **options):
    return Store.open(path, station="kiosk-1", epoch_id="e" * 16, **options)


def draft(number, **fields):
    body = {"id": f"{number:016x}", "kind": "checkout", "boot": BOOT, "mono": number, "wall": 1}
    return Draft(body | fields)


def news(item_id=GOOSE, state="on"):
    return News(state, item_id, ("e0040150",), 3, (), ANNA, None, 5)


def test_the_pragmas_are_read_on_the_connection_that_writes(tmp_path):
    """WAL and synchronous=FULL hold on the very connection that commits a loan."""
    store = opened(tmp_path / "station.db")

    mode = store.connection.execute("PRAGMA journal_mode").fetchone()[0]
    synchronous = store.connection.execute("PRAGMA synchronous").fetchone()[0]
    store.close()
    assert (mode, synchronous) == ("wal", 2)


@pytest.mark.parametrize("pragma", ["synchronous=NORMAL", "synchronous=OFF"])
def test_a_connection_that_would_lose_a_tick_is_refused(tmp_path, pragma):
    """A setting that is faster and forgets is an error, not a choice."""
    connection = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA {pragma}")

    with pytest.raises(StoreUnsafe, match="nothing is lent"):
        check_pragmas(connection)
    connection.close()


def test_every_other_connection_is_read_only(tmp_path):
    """What draws the screen cannot write, not even by mistake."""
    store = opened(tmp_path / "station.db")

    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        store.reader.execute("DELETE FROM news")
    store.close()


def test_the_fact_and_its_loan_are_one_transaction(tmp_path):
    """If the second half cannot be written, neither is the first."""
    store = opened(tmp_path / "station.db")
    store.connection.execute("DROP TABLE unfinished")
    unfinished = Unfinished("1" * 16, "checkout", GOOSE, "Momo", (), "on_loan")

    with pytest.raises(JournalError):
        store.record(draft(1), news=news(), unfinished=unfinished)

    assert store.journal.last_seq == 0
    assert store.reader.execute("SELECT count(*) FROM news").fetchone()[0] == 0
    store.close()


def test_another_writer_between_read_and_write_does_not_lose_the_fact(tmp_path):
    """BEGIN IMMEDIATE waits; a deferred transaction would get SQLITE_BUSY_SNAPSHOT at once."""
    store = opened(tmp_path / "station.db")
    other = sqlite3.connect(tmp_path / "station.db", isolation_level=None)
    store.journal.rows(1, 10, 1_000)
    other.execute("INSERT INTO memo VALUES ('from', 'outside')")

    store.record(draft(1), news=news())

    assert store.journal.last_seq == 1
    other.close()
    store.close()


def test_the_trap_that_immediate_avoids_is_real(tmp_path):
    """A deferred transaction that has read is refused the write, whatever the timeout."""
    store = opened(tmp_path / "station.db")
    trapped = sqlite3.connect(tmp_path / "station.db", isolation_level=None, timeout=5)
    trapped.execute("BEGIN")
    trapped.execute("SELECT * FROM memo").fetchall()
    store.remember("other", "writer")

    with pytest.raises(sqlite3.OperationalError, match="locked"):
        trapped.execute("INSERT INTO memo VALUES ('too', 'late')")
    trapped.close()
    store.close()


def test_a_power_cut_after_any_commit_keeps_all_that_was_committed(tmp_path):
    """The files as they were after each commit open again with exactly that many facts."""
    path = tmp_path / "station.db"
    store = opened(path)
    for number in range(1, 16):
        unfinished = Unfinished(f"{number:016x}", "checkout", GOOSE, "Momo", (), "on_loan")
        store.record(draft(number), news=news(), unfinished=unfinished)
        cut = tmp_path / f"cut-{number}"
        cut.mkdir()
        for file in (path, path.with_name("station.db-wal")):
            shutil.copy(file, cut / file.name)

        after = opened(cut / "station.db")

        assert after.journal.last_seq == number
        assert len(after.unfinished()) == number
        assert after.reader.execute("SELECT count(*) FROM news").fetchone()[0] == number
        after.close()
    store.close()


def test_a_torn_last_write_loses_only_what_was_never_promised(tmp_path):
    """A WAL cut in the middle of its last frame opens with the commits before it."""
    path = tmp_path / "station.db"
    store = opened(path)
    store.record(draft(1), news=news())
    whole = path.with_name("station.db-wal").stat().st_size
    store.record(draft(2), news=news())
    cut = tmp_path / "cut"
    cut.mkdir()
    for file in (path, path.with_name("station.db-wal")):
        shutil.copy(file, cut / file.name)
    store.close()
    with (cut / "station.db-wal").open("r+b") as wal:
        wal.truncate(whole + 100)

    after = opened(cut / "station.db")

    assert after.journal.last_seq == 1
    after.close()


def test_a_damaged_database_is_kept_aside_and_a_new_epoch_begun(tmp_path):
    """The kiosk lends again at once, and nobody throws the old card's rows away."""
    kiosk = Kiosk(tmp_path).load()
    epoch = kiosk.engine.store.journal.epoch.id
    kiosk.engine.lists.close()
    kiosk.engine.store.close()
    (tmp_path / "kiosk-1.db").write_bytes(b"this is no database at all" * 500)
    with pytest.raises(JournalDamaged):
        opened(tmp_path / "kiosk-1.db")

    kiosk.start()

    assert (tmp_path / "kiosk-1.db.damaged-1").exists()
    assert kiosk.engine.store.journal.epoch.id != epoch
    kiosk.load().run(600).show_card()
    kiosk.place(GOOSE)
    assert kiosk.tiles == {"The Snow Goose": "done"}


def test_after_a_fork_news_name_their_rows_new_places(tmp_path):
    """A gate compares news with the gateway's marks by epoch and row.

    What was not copied, the gateway has had before the new epoch's first row.
    """
    store = opened(tmp_path / "station.db")
    for number in (1, 2, 3):
        store.record(draft(number), news=news())
    store.journal.open_epoch(1, "f" * 16, 2)

    store.reposition()

    places = store.reader.execute("SELECT epoch_n, seq FROM news ORDER BY n").fetchall()
    assert [tuple(place) for place in places] == [(2, 1), (2, 1), (2, 2)]
    store.close()


def heard(number, *, epoch=1, seq=1, state="on", saw=(), item="0" * 16):
    return SiteLoan(
        "kiosk-2", epoch, seq, item, [], state, 3, list(saw), f"{number:016x}", 0, None, ""
    )


def believed(store):
    rows = store.reader.execute("SELECT fact FROM news WHERE done=0 ORDER BY n").fetchall()
    return [int(row["fact"], 16) for row in rows]


def test_a_mark_covers_the_rows_of_its_own_epoch_only(tmp_path):
    """A row of the old epoch may be one of the new one's last, which the gateway lacks."""
    store = opened(tmp_path / "station.db")
    store.take_in(Turn([heard(1, seq=1), heard(2, epoch=2, seq=1, item="1" * 16)]))

    store.take_in(Turn(applied=[Marks(7, {"kiosk-2": (2, 5)})], reached=7))

    assert believed(store) == [1]
    store.close()


def test_what_is_told_nowhere_again_is_not_believed_for_ever(tmp_path):
    """A loan that died with its card, or that we were not told at its new place."""
    store = opened(tmp_path / "station.db")
    store.take_in(Turn([heard(1, seq=9_000), heard(2, epoch=3, seq=1, item="1" * 16)]))

    for epoch, seq in ((1, 8_999), (2, 499)):
        store.take_in(Turn(applied=[Marks(7, {"kiosk-2": (epoch, seq)})], reached=7))
        assert believed(store) == [1, 2]
    store.take_in(Turn(applied=[Marks(8, {"kiosk-2": (2, 500)})], reached=7))
    assert believed(store) == [1, 2]
    store.take_in(Turn(reached=8))

    assert believed(store) == [2]
    store.close()


def test_what_a_covered_fact_had_seen_is_done_with_too(tmp_path):
    """Rows that a dead disk took are never covered, and must not lend the book for ever."""
    store = opened(tmp_path / "station.db")
    store.take_in(Turn([heard(1, seq=480), heard(2, seq=481, item="1" * 16)]))
    store.take_in(Turn([heard(3, epoch=2, seq=1, state="off", saw=[f"{1:016x}"])]))

    store.take_in(Turn(applied=[Marks(7, {"kiosk-2": (2, 1)})], reached=7))

    assert believed(store) == [2]
    store.close()


def test_a_turn_reads_no_more_than_the_news_it_may_change(tmp_path):
    """Five thousand covered news are kept; every few seconds a mark of the gateway comes."""
    store = opened(tmp_path / "station.db")
    asked = []
    store.connection.set_trace_callback(asked.append)
    store.take_in(Turn([heard(1)]))
    store.take_in(Turn(applied=[Marks(7, {"kiosk-2": (1, 1)})], reached=7))
    store.take_in(Turn())
    store.connection.set_trace_callback(None)

    plans = [
        row["detail"]
        for text in asked
        if text.startswith(("SELECT", "UPDATE", "DELETE"))
        for row in store.reader.execute(f"EXPLAIN QUERY PLAN {text}")
    ]
    assert "SCAN news USING INDEX news_open" in plans
    assert "SEARCH news USING INDEX news_open (covered<?)" in plans
    assert "SCAN news" not in plans
    store.close()


def test_what_was_done_before_it_was_covered_is_still_to_be_covered(tmp_path):
    """A fact that a covered one had seen is done with; a gate may ask whether a list has it."""
    store = opened(tmp_path / "station.db")
    store.take_in(Turn([heard(1, seq=480)]))
    store.take_in(Turn([heard(3, epoch=2, seq=1, state="off", saw=[f"{1:016x}"])]))
    store.take_in(Turn(applied=[Marks(7, {"kiosk-2": (2, 1)})], reached=7))
    assert believed(store) == []

    store.take_in(Turn(applied=[Marks(8, {"kiosk-2": (2, 500)})], reached=8))

    rows = store.reader.execute("SELECT covered FROM news ORDER BY n").fetchall()
    assert [row["covered"] for row in rows] == [8, 7]
    store.close()


def test_what_a_change_is_looked_up_by_is_what_it_says_now(tmp_path):
    """A tag, a label or a reader that an item has no longer does not lead to it any more."""
    store = opened(tmp_path / "station.db")
    beliefs = Beliefs(store.reader)
    store.adopt(ListState("catalogue", "a" * 16, 6, "x"))

    def change(version, **doc):
        changes = [{"key": GOOSE, "doc": {"item_id": GOOSE, **doc} if doc else None}]
        store.apply_changes(ListState("catalogue", "a" * 16, version, "x"), changes)
        found = [beliefs.by_uid(uid) for uid in ("e0040150", "e0040151")]
        labels = [beliefs.by_barcode(label) for label in ("30000001", "30000009")]
        return [known is not None for known in (*found, *labels)]

    assert change(7, uids=["e0040150"], barcode="30000001") == [True, False, True, False]
    assert change(8, uids=["e0040151", "e0040150"]) == [True, True, False, False]
    assert change(9, uids=["e0040151"], barcode="30000009") == [False, True, False, True]
    assert change(10) == [False] * 4
    store.close()
    again = opened(tmp_path / "station.db")
    assert again.list_states()["catalogue"].version == 10
    again.close()


def test_a_change_reads_no_more_the_more_items_have_changed(tmp_path):
    """A kiosk that follows a city for a month has a million entries to look others up by."""
    store = opened(tmp_path / "station.db")
    store.adopt(ListState("catalogue", "a" * 16, 6, "x"))
    change = {"key": GOOSE, "doc": {"item_id": GOOSE, "barcode": "30000001"}}
    asked = []
    store.connection.set_trace_callback(asked.append)
    store.apply_changes(ListState("catalogue", "a" * 16, 7, "x"), [change])
    store.apply_changes(ListState("catalogue", "a" * 16, 8, "x"), [{"key": GOOSE, "doc": None}])
    store.connection.set_trace_callback(None)

    plans = {
        row["detail"].partition(" (")[2]
        for text in asked
        if "delta_index" in text and text.startswith(("SELECT", "DELETE"))
        for row in store.reader.execute(f"EXPLAIN QUERY PLAN {text}")
    }
    assert plans == {"kind=? AND key=?)", "kind=? AND name=? AND value=? AND key=?)"}
    store.close()


def test_a_loan_writes_little_of_its_item_again(tmp_path):
    """An SD card wears by the pages that are written; of a loan the reader alone is new."""
    store = opened(tmp_path / "station.db")
    store.adopt(ListState("catalogue", "a" * 16, 6, "x"))
    doc = {"item_id": GOOSE, "uids": ["e0040150", "e0040151"], "barcode": "30000001"}
    asked = []

    for version, changed in ((7, doc), (8, doc | {"patron_id": ANNA}), (9, doc)):
        store.connection.set_trace_callback(asked.append if version > 7 else None)
        change = {"key": GOOSE, "doc": changed}
        store.apply_changes(ListState("catalogue", "a" * 16, version, "x"), [change])
    store.connection.set_trace_callback(None)

    written = [text.split(" (")[0].split(" VALUES")[0] for text in asked]
    assert [text for text in written if "delta_index" in text and "SELECT" not in text] == [
        "INSERT OR IGNORE INTO delta_index",
        f"DELETE FROM delta_index WHERE kind='catalogue' AND name='patron' AND value='{ANNA}'"
        f" AND key='{GOOSE}'",
    ]
    store.close()


def test_rolling_back_leaves_the_store_usable(tmp_path):
    """An exception inside a transaction takes all of it back."""
    store = opened(tmp_path / "station.db")

    def interrupted():
        with transaction(store.connection) as connection:
            connection.execute("INSERT INTO memo VALUES ('a', 'b')")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        interrupted()

    assert store.recall("a", "nothing") == "nothing"
    store.record(draft(1))
    store.close()


def test_a_running_kiosks_database_can_be_looked_at(tmp_path):
    """The status program reads beside the writer and disturbs nobody."""
    Kiosk(tmp_path).load()
    reader = open_reader(tmp_path / "kiosk-1.db")

    kinds = {row[0] for row in reader.execute("SELECT kind FROM list_state")}

    reader.close()
    assert kinds == {"catalogue", "patrons", "policy"}
