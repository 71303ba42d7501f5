"""A power cut at any byte of a write: what was ticked or acknowledged before it is still there.

A store's files are copied as they lie after each commit. A power cut in the middle of the next
one leaves a mixture: the write-ahead log written up to some byte, and the old bytes behind it.
"""

import itertools
import random
import sqlite3
from collections import namedtuple
from pathlib import Path

import pytest

from circulation.config import read_config
from circulation.sync.batch import make_batch
from circulation.sync.memory import MemoryJournal
from circulation.wire.chain import chain_hash, chain_start
from circulation.wire.fact import encode_body
from firmware.pi.app import open_store
from firmware.pi.config import TEMPLATE, read_station_config
from gateway.ingest import Batch, Ingest
from gateway.store import Store as GatewayStore
from kiosk.store import Draft, News, Store, Unfinished

COMMITS = 24
CUTS_EACH = 3
FULL = 2  # PRAGMA synchronous: every commit waits for the disk
LIBRARY = "linden"
WALL_MS = 1_757_404_800_000

Files = namedtuple("Files", "database log")


def files_of(path):
    """Return the bytes of a database and of its write-ahead log."""
    log = Path(f"{path}-wal")
    return Files(path.read_bytes(), log.read_bytes() if log.exists() else b"")


def torn(before, after, byte):
    """Return the files of a cut in the write between two commits: so far written, and no more."""
    return Files(before.database, after.log[:byte] + before.log[byte:])


def laid_out(files, folder):
    """Write files as a machine finds them at its next start; return the database's path."""
    folder.mkdir()
    path = folder / "store.db"
    path.write_bytes(files.database)
    Path(f"{path}-wal").write_bytes(files.log)
    return path


def cuts(commits, chance):
    """Yield (facts promised, files) for cuts between commits, and right behind each."""
    for n, (before, after) in enumerate(itertools.pairwise(commits), start=1):
        yield n + 1, after
        if before.database == after.database:  # no checkpoint between the two
            for _ in range(CUTS_EACH):
                yield n, torn(before, after, chance.randrange(len(after.log)))


def fact(n, kind="checkout"):
    """Return the fields of the n-th fact of a station."""
    fields = {"v": 1, "id": f"{n:016x}", "kind": kind, "boot": "0b" * 4, "mono": n}
    return fields | {"wall": WALL_MS + n, "sure": True, "uids": [f"e00401{n:010x}"]}


def lend(store, n):
    """Write a loan as the kiosk does: fact, news and what is left to do, in one go."""
    fields = fact(n)
    news = News("on", f"{n:016x}", tuple(fields["uids"]), reach=3, patron_id="aa" * 8)
    todo = Unfinished(fields["id"], "checkout", f"{n:016x}", "A book", news.uids, "on_loan")
    store.record(Draft(fields), news=news, unfinished=todo)


def test_a_cut_leaves_the_kiosk_every_loan_it_committed(tmp_path, seed):
    """Wherever the power goes, each committed loan is there whole: fact, chain and loan."""
    path = tmp_path / "kiosk.db"
    store = Store.open(path, station="kiosk-1", epoch_id="e0" * 8)
    commits = []
    for n in range(1, COMMITS + 1):
        lend(store, n)
        commits.append(files_of(path))
    store.close()

    for i, (promised, files) in enumerate(cuts(commits, random.Random(seed))):
        again = Store.open(
            laid_out(files, tmp_path / str(i)), station="kiosk-1", epoch_id="ff" * 8
        )
        rows = again.journal.rows(1, COMMITS, 1 << 20)
        news = again.reader.execute("SELECT fact FROM news ORDER BY n").fetchall()
        todo = [one.fact for one in again.unfinished()]
        again.close()
        assert len(rows) in (promised, promised + 1)
        assert is_chained("e0" * 8, rows)
        assert [row["fact"] for row in news] == todo == [f"{row.seq:016x}" for row in rows]


def is_chained(epoch_id, rows):
    """Whether every row's hash follows from the one before it."""
    before = chain_start(epoch_id)
    for seq, row in enumerate(rows, start=1):
        if (row.seq, row.prev_hash) != (seq, before):
            return False
        before = chain_hash(before, seq, row.body)
        if row.hash != before:
            return False
    return True


@pytest.fixture
def gateway(tmp_path):
    """A gateway's empty store."""
    store = GatewayStore.at(tmp_path / "gateway.db", clock=lambda: WALL_MS)
    store.migrate()
    store.create_library(LIBRARY, "Linden")
    yield store
    store.close()


def test_a_cut_leaves_the_gateway_every_fact_it_acknowledged(gateway, tmp_path, seed):
    """What the gateway has acknowledged is in its tables after the cut, and its mark agrees."""
    journal, ingest = MemoryJournal("e0" * 8), Ingest(gateway, LIBRARY)
    commits = []
    for n in range(1, COMMITS // 2 + 1):
        journal.append(encode_body(fact(n)))
        clock = {"mono": n, "wall": WALL_MS, "sure": True, "boot": "0b" * 4}
        message, _ = make_batch(journal, first=n, facts_max=50, is_raw=False, clock=clock)
        assert ingest.take([Batch("kiosk-1", message)])[0].hw == n
        commits.append(files_of(tmp_path / "gateway.db"))

    for i, (promised, files) in enumerate(cuts(commits, random.Random(seed))):
        connection = sqlite3.connect(laid_out(files, tmp_path / str(i)))
        (count,) = connection.execute("SELECT count(DISTINCT id) FROM fact").fetchone()
        (mark,) = connection.execute("SELECT hw FROM epoch WHERE station='kiosk-1'").fetchone()
        (sound,) = connection.execute("PRAGMA integrity_check").fetchone()
        connection.close()
        assert sound == "ok"
        assert count in (promised, promised + 1)
        assert mark == count


def promise(execute):
    """Return what a connection promises of a commit: how it logs, and whether it waits."""
    mode = execute("PRAGMA journal_mode").fetchone()[0]
    return mode, execute("PRAGMA synchronous").fetchone()[0]


def test_the_kiosk_writes_on_a_connection_that_waits_for_the_disk(tmp_path):
    """The very connection that writes loans logs ahead and waits for the disk at each commit."""
    store = Store.open(tmp_path / "kiosk.db", station="kiosk-1", epoch_id="e0" * 8)

    assert promise(store.connection.execute) == ("wal", FULL)
    store.close()


def test_the_gate_writes_on_a_connection_that_waits_for_the_disk(tmp_path):
    """An alarm is journalled like a loan: the gate's connection waits for the disk, too."""
    connection = open_store(gate_config(tmp_path))

    assert promise(connection.execute) == ("wal", FULL)
    connection.close()


def gate_config(folder):
    """Return the pasteable configuration of a gate, with its store in a folder."""
    path = folder / "gate.toml"
    path.write_text(TEMPLATE.replace("/var/lib/lendgate", str(folder)))
    return read_station_config(read_config(path))


def test_the_gateway_writes_on_a_connection_that_waits_for_the_disk(gateway):
    """An acknowledgement follows the commit, so the gateway's commit must last as well."""
    with gateway.write(LIBRARY) as write:
        promised = promise(write.connection.exec_driver_sql)

    assert promised == ("wal", FULL)
