"""Whatever order batches come in, holdings are the fold of the facts."""

import itertools
import json
import random

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from circulation.fold.fold import ON_SHELF, Holding, fold
from gateway import schema
from gateway.board import Desk
from gateway.catalogue import upsert_items
from gateway.facts import facts_of_items
from gateway.holdings import item_fold
from gateway.ingest import Ingest
from gateway.store import Store
from tests.gateway.conftest import LIBRARY, START_MS, Clock, Station

DUE_AT = START_MS + 14 * 86_400_000
PATRONS = ("00000000000000f1", "00000000000000f2", "00000000000000f3")


def holdings(store):
    """Return every holding as the store has it: the fold's own words, and its last facts."""
    with store.read() as connection:
        rows = connection.execute(sa.select(schema.HOLDING)).all()
    return {row.item_id: (json.loads(row.doc), list(row.last)) for row in rows}


def oracle(store, items):
    """Return every holding folded anew from all facts, as `holdings` does."""
    found = {}
    with store.read() as connection:
        for item_id in items:
            if facts_of_items(connection, LIBRARY, [item_id]):
                folded = item_fold(connection, LIBRARY, item_id)
                found[item_id] = (
                    json.loads(json.dumps(folded.holding.to_doc())),
                    list(folded.last),
                )
    return found


def fresh(folder, name, items):
    """Return a new database that knows the items."""
    store = Store.at(folder / f"{name}.db", clock=Clock())
    store.migrate()
    store.create_library(LIBRARY)
    with store.write(LIBRARY) as write:
        upsert_items(write, [{"item_id": item, "barcode": item} for item in items])
    return store


def play(chance, stations, items, count):
    """Let stations lend and take back at random, sometimes seeing each other's facts."""
    newest = {}
    now_ms = START_MS
    for _ in range(count):
        station, item = chance.choice(stations), chance.choice(items)
        now_ms += chance.randrange(1, 3_600_000)
        station.mono = now_ms - START_MS + station.skew
        if chance.random() < 0.2:
            station.ask_time(now_ms)
            continue
        known = newest.get(item) if chance.random() < 0.6 else station.own.get(item)
        fields = {"item": item, "saw": [known] if known else []}
        kind = chance.choice(("checkout", "checkin", "seen", "renewal"))
        if kind == "checkout":
            fields |= {"patron": chance.choice(PATRONS), "due_at": DUE_AT, "reach": 3}
        if kind == "renewal":
            fields |= {"loan": known, "due_at": DUE_AT} if known else {"due_at": DUE_AT}
        newest[item] = station.own[item] = station.write(kind, **fields)


def batches_of(station, size):
    """Return a station's whole journal in batches of a size."""
    last = station.journal.last_seq
    return [station.batch(first, size) for first in range(1, last + 1, size)]


def interleaved(chance, queues):
    """Return the batches of all stations mixed, each station's own in order."""
    queues = [list(queue) for queue in queues if queue]
    mixed = []
    while queues:
        queue = chance.choice(queues)
        mixed.append(queue.pop(0))
        queues = [queue for queue in queues if queue]
    return mixed


def take_in_groups(chance, ingest, batches):
    """Apply batches some at a time, as a writer does that finds several waiting."""
    batches = list(batches)
    while batches:
        count = chance.randrange(1, 6)
        ingest.take(batches[:count])
        batches = batches[count:]


@given(number=st.integers(0, 2**32))
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_every_interleaving_gives_the_fold(tmp_path_factory, number):
    """Batches in two different orders, sizes and groups leave the same holdings: the fold's."""
    chance, folder = random.Random(number), tmp_path_factory.mktemp("order")
    items = [f"{n:016x}" for n in range(1, 5)]
    stations = [Station(f"kiosk-{n}") for n in range(3)]
    for station in stations:
        station.own, station.skew = {}, chance.randrange(10_000_000)
    play(chance, stations, items, 40)

    results = []
    for name in "ab":
        store = fresh(folder, name, items)
        size = chance.randrange(1, 20)
        queues = [batches_of(station, size) for station in stations]
        take_in_groups(chance, Ingest(store, LIBRARY), interleaved(chance, queues))
        results.append(holdings(store))
        assert results[-1] == oracle(store, items)
        store.close()

    assert results[0] == results[1]


def test_two_stations_and_one_item_are_folded_together(store, ingest, books, readers):
    """Two kiosks' batches for one item in one group: the later one sees the earlier's row."""
    first, second = Station("kiosk-1"), Station("kiosk-2")
    loan = first.write("checkout", item=books["1001"], patron=readers[0], due_at=DUE_AT, reach=3)
    second.write("checkin", item=books["1001"], saw=[loan])

    for order in itertools.permutations([first.batch(), second.batch()]):
        ingest.take(list(order))

    doc, last = holdings(store)[books["1001"]]
    assert Holding.from_doc(doc).state.value == "to_be_shelved"
    assert last == [second.journal.rows(1, 1, 9999)[0].body[13:29].decode()]


def lend_twice(books, readers):
    """Return two kiosks that lent one book to two readers and knew nothing of each other."""
    first, second = Station("kiosk-1"), Station("kiosk-2")
    second.mono = 5_000_000
    for station, reader in ((first, readers[0]), (second, readers[1])):
        station.write("checkout", item=books["1001"], patron=reader, due_at=DUE_AT, reach=3)
    return first, second


def test_nobody_knows_which_was_last(store, ingest, books, readers):
    """Two loans that saw nothing of each other leave the item uncertain, with one entry."""
    first, second = lend_twice(books, readers)

    ingest.take([first.batch()])
    ingest.take([second.batch()])

    item = Desk(store, LIBRARY).item("1001")
    assert (item["state"], item["loan"], item["patron_id"]) == ("uncertain", None, None)
    assert len(item["last"]) == 2
    assert [entry["rule"] for entry in item["entries"]] == ["uncertain"]


def test_when_a_fact_came_says_nothing_of_when_it_was(store, ingest, clock, books, readers):
    """Two loans of a long weekend, received an hour apart: in doubt whichever came first, since
    a restored gateway receives them all anew."""
    first, second = lend_twice(books, readers)

    ingest.take([first.batch()])
    clock.now_ms += 3_600_000
    ingest.take([second.batch()])

    assert Desk(store, LIBRARY).item("1001")["state"] == "uncertain"


def test_a_later_clock_fact_settles_a_doubt(store, ingest, books, readers):
    """When clocks were compared, the order is known after all and the doubt ends."""
    first, second = lend_twice(books, readers)
    ingest.take([first.batch(), second.batch()])
    doubted = Desk(store, LIBRARY).item("1001")["state"]

    first.ask_time(START_MS)
    second.ask_time(START_MS + 3_600_000)
    ingest.take([first.batch(2), second.batch(2)])

    settled = Desk(store, LIBRARY).item("1001")
    assert doubted == "uncertain"
    assert (settled["state"], settled["patron_id"]) == ("on_loan", readers[1])
    rules = {entry["rule"] for entry in settled["entries"]}
    assert rules == {"uncertain", "implicit_return"}


def test_an_imported_item_starts_where_the_import_says(store, ingest):
    """Withdrawn items of the old system are withdrawn here before any fact."""
    with store.write(LIBRARY) as write:
        (item,) = upsert_items(write, [{"barcode": "9", "initial": "withdrawn"}]).ids
    kiosk = Station("kiosk-1")
    kiosk.write("checkin", barcode="9")

    ingest.take([kiosk.batch()])

    found = Desk(store, LIBRARY).item(item)
    assert found["state"] == "withdrawn"
    assert [entry["rule"] for entry in found["entries"]] == ["withdrawn_item_seen"]


def test_the_oracle_is_the_fold_itself(store, ingest, books):
    """What the tests above compare with is the pure fold over the stored facts."""
    kiosk = Station("kiosk-1")
    kiosk.write("seen", item=books["1001"])
    ingest.take([kiosk.batch()])

    with store.read() as connection:
        stored = facts_of_items(connection, LIBRARY, [books["1001"]])[books["1001"]]
        folded = item_fold(connection, LIBRARY, books["1001"])
    assert folded == fold(
        [one.fact for one in stored], {one.fact.id: one.interval for one in stored}, ON_SHELF
    )
