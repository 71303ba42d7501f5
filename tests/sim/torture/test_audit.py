"""The comparison after a storm finds whatever somebody has done to the books."""

import random
import sqlite3
from contextlib import closing

import pytest

from circulation.journal import SqliteJournal, open_station_db
from circulation.sync.batch import make_batch
from circulation.wire.fact import encode_body
from gateway.ingest import Batch, Ingest
from gateway.service import now_ms
from gateway.store import Store
from sim.measure.library import LIBRARY, SITE, SITE_KEY, fill, settings_in
from sim.torture.audit import (
    books_of,
    compare,
    gateway_differs,
    items_differ,
    kept_by,
    lineage_of,
)
from sim.torture.station import Orders, Shelf

FACTS = 40
STATION = "kiosk-1"


def write_journal(folder, orders):
    """Let a station write its facts and its witness note them; return the journal's batches."""
    chance = random.Random(1)
    connection = open_station_db(folder / "kiosk-1.db")
    journal = SqliteJournal(connection, epoch_id="ab" * 8)
    shelf = Shelf(orders, journal)
    seen = []
    for mono in range(FACTS):
        fields, salt, patron = shelf.turn_over(chance)
        stamp = {"id": chance.randbytes(8).hex(), "boot": "0" * 8, "mono": mono, "wall": mono}
        journal.append(encode_body(stamp | fields), salt, patron)
        shelf.take(stamp | fields)
        seen.append(stamp["id"])
    (folder / "kiosk-1.witness").write_text("".join(f"{fact}\n" for fact in seen))
    clock = {"mono": FACTS, "wall": FACTS, "sure": True, "boot": "0" * 8}
    batch, _ = make_batch(journal, first=1, facts_max=50, is_raw=False, clock=clock)
    journal.mark_acked(FACTS, 1)
    connection.close()
    return batch


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """A folder after a storm in which nothing went wrong."""
    folder = tmp_path_factory.mktemp("quiet")
    settings = settings_in(folder)
    filled = fill(settings, 10, 5)
    orders = Orders(
        library=LIBRARY, site=SITE, site_key=SITE_KEY.hex(), station=STATION, seed=1, port=1,
        journal="", witness="", facts=FACTS, facts_per_s=1.0, items=list(filled.items),
        patrons=list(filled.patrons),
    )  # fmt: skip
    batch = write_journal(folder, orders)
    store = Store.at(settings.database, clock=now_ms)
    Ingest(store, LIBRARY).take([Batch(STATION, batch)])
    store.close()
    return folder


@pytest.fixture
def folder(quiet, tmp_path):
    """A copy of it, to be spoiled."""
    for path in quiet.glob("*.*"):
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def findings(folder):
    """Return everything the comparison says of a folder."""
    kept = kept_by(STATION, folder / "kiosk-1.db", folder / "kiosk-1.witness")
    database = folder / "gateway.db"
    return compare(kept, books_of(STATION, database)) + items_differ([kept], database)


def spoil(path, *statements):
    """Change a database behind everybody's back."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def test_nothing_is_said_where_nothing_is_wrong(folder):
    """A storm that did no harm has no findings."""
    database = folder / "gateway.db"

    assert findings(folder) == []
    assert gateway_differs(database, lineage_of(database)) == []


SPOILED_AT_THE_GATEWAY = {
    "on the disk and not applied: 1": "DELETE FROM fact WHERE seq = 7",
    "applied and never written: 1": "INSERT INTO fact SELECT library_id, 'ff', station, epoch_n,"
    " 99, kind, item_id, body, salt, patron_id, boot, mono_ms, wall_ms, earliest_ms, latest_ms,"
    " flagged, received_at, version FROM fact WHERE seq = 7",
    "applied more than once: 1": "INSERT INTO position SELECT library_id, station, epoch_id, 99,"
    " hash, fact_id FROM position WHERE seq = 7",
    "applied in another order from row 7 on": "UPDATE fact SET seq = 15 - seq WHERE seq IN (7, 8)",
    "a later row was applied before": "UPDATE fact SET version = version + 1 WHERE seq = 7",
    "applied with another body: 1": "UPDATE fact SET body = x'7b7d' WHERE seq = 7",
    "the chains differ from row 7 on": "UPDATE position SET hash = zeroblob(16) WHERE seq = 7",
    "believes 40 rows to be applied, 39 are": "UPDATE station SET hw = 39",
    "1 rows are set aside": "UPDATE station SET parked = 1",
    "the gateway counts 41 facts and has 40": "UPDATE station SET facts = facts + 1",
    "items are lent at the gateway and not": "UPDATE holding SET loan = 'ff' WHERE loan NOTNULL",
    "items have a loan that never ended": "UPDATE loan SET closed_at = NULL",
}


@pytest.mark.parametrize(("finding", "statement"), SPOILED_AT_THE_GATEWAY.items())
def test_what_is_wrong_at_the_gateway_is_named(folder, finding, statement):
    """Lost, added, twice, out of order, altered, miscounted: each has its sentence."""
    spoil(folder / "gateway.db", statement)

    assert [one for one in findings(folder) if finding in one] != []


SPOILED_AT_THE_STATION = {
    "committed before a witness and not on the disk: 1": "DELETE FROM journal WHERE seq = 40",
    "waits for an answer: 39 of 40 rows": "UPDATE epoch SET acked = 39",
    "opened 1 epochs": "INSERT INTO epoch (n, id, base_hash) VALUES (2, 'cd', zeroblob(16))",
    "the chains differ from row 7 on": "UPDATE journal SET body = x'7b7d' WHERE seq = 7",
}


@pytest.mark.parametrize(("finding", "statement"), SPOILED_AT_THE_STATION.items())
def test_what_is_wrong_at_the_station_is_named(folder, finding, statement):
    """A commit that a witness saw and the disk has not is a finding like any other."""
    spoil(folder / "kiosk-1.db", statement)

    assert [one for one in findings(folder) if finding in one] != []


def test_what_was_killed_before_its_witness_wrote_is_no_finding(folder):
    """The journal may know more than the witness, and the witness's last line may be torn."""
    witness = folder / "kiosk-1.witness"
    witness.write_bytes(witness.read_bytes()[:-5])

    assert findings(folder) == []


@pytest.mark.parametrize(
    ("finding", "statement"),
    [
        ("began a new history", "UPDATE library SET lineage = 'ff'"),
        (
            "1 entries for staff: implicit_return",
            "INSERT INTO review (library_id, key, rule, facts, created_at, version)"
            " VALUES ('measured', 'k', 'implicit_return', '[]', 0, 1)",
        ),
    ],
)
def test_what_no_storm_excuses_is_named(folder, finding, statement):
    """A history that begins anew and facts that do not fit each other are findings."""
    database = folder / "gateway.db"
    lineage = lineage_of(database)
    spoil(database, statement)

    assert [one for one in gateway_differs(database, lineage) if finding in one] != []
