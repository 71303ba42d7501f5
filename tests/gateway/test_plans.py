"""What people and stations ask for is found by an index, however large the library."""

import re

import pytest
import sqlalchemy as sa

from gateway.board import Desk
from gateway.catalogue import upsert_items
from gateway.hub import Hub
from gateway.ingest import Ingest
from gateway.outbox import Outbox
from gateway.snapshots import Snapshots
from gateway.stations import ensure_station
from gateway.store import Store
from tests.gateway.conftest import LIBRARY, START_MS, Clock, Station

LARGE = (
    "item", "item_uid", "title", "patron", "card", "holding", "loan", "hold", "fact", "position",
    "change", "step", "may_leave", "waiting",
)  # fmt: skip


@pytest.fixture
def store(tmp_path):
    """A library in SQLite, with a station that has reported."""
    store = Store.at(tmp_path / "gateway.db", clock=Clock())
    store.migrate()
    store.create_library(LIBRARY, "The test library")
    with store.write(LIBRARY) as write:
        (item,) = upsert_items(write, [{"barcode": "1001", "uids": ["e0040100"]}]).ids
    kiosk = Station("kiosk-1")
    kiosk.write("seen", item=item)
    Ingest(store, LIBRARY).take([kiosk.batch()])
    yield store
    store.close()


@pytest.fixture
def plans(store):
    """Return how SQLite finds what a call asks for: pairs of statement and plan."""

    def explain(call):
        asked = []

        def note(_connection, _cursor, statement, parameters, _context, many):
            if statement.startswith("SELECT") and not many:
                asked.append((statement, parameters))

        sa.event.listen(sa.Engine, "before_cursor_execute", note)
        try:
            call()
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", note)
        with store.read() as connection:
            return [(text, _plan(connection, text, how)) for text, how in asked]

    return explain


def _plan(connection, text, parameters):
    found = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", parameters)
    return [row[3] for row in found]


def scans(found):
    """Return the statements that go through a whole large table."""
    names = "|".join(LARGE)
    scan = re.compile(rf"SCAN ({names})\b(?! USING (COVERING )?INDEX .*\(library_id=)")
    return [text for text, plan in found if any(scan.match(line) for line in plan)]


@pytest.mark.parametrize(
    "ask",
    [
        lambda desk: desk.board(),
        lambda desk: desk.item("1001"),
        lambda desk: desk.item("no such number"),
        lambda desk: desk.stations(),
        lambda desk: desk.facts("kiosk-1"),
        lambda desk: desk.alarms(),
        lambda desk: desk.alarms("gate-1"),
        lambda desk: desk.reviews(),
    ],
    ids=["board", "item", "no item", "stations", "facts", "alarms", "a gate's", "review"],
)
def test_no_page_reads_a_whole_table(store, plans, ask):
    """A board that scans 1.5 million items answers after seconds."""
    found = plans(lambda: ask(Desk(store, LIBRARY)))

    assert found
    assert scans(found) == []


def test_the_board_asks_as_much_of_many_gates_as_of_one(store, plans):
    """A city has hundreds of gates, and its page is drawn several times a second."""
    desk, asked = Desk(store, LIBRARY), []
    for name in ("gate-1", "gate-2", "gate-3"):
        with store.write(LIBRARY) as write:
            ensure_station(write, name, role="gate")
        gate = Station(name)
        gate.write("alarm", uid="e0040100", gate=name, lane="1", direction="out", row=4)
        Ingest(store, LIBRARY).take([gate.batch()])
        asked.append(len(plans(desk.board)))

    assert [view.last_alarm is not None for view in desk.stations()].count(True) == 3
    assert asked == [asked[0]] * 3


def test_a_station_s_last_facts_are_read_from_their_end(store, plans):
    """A kiosk of ten years has a million facts; none of them is sorted to show two hundred."""
    found = plans(lambda: Desk(store, LIBRARY).facts("kiosk-1"))

    plan = next(plan for text, plan in found if "FROM fact" in text.replace("\n", " "))
    assert plan == ["SEARCH fact USING INDEX fact_by_place (library_id=? AND station=?)"]


def test_what_goes_down_is_found_by_its_version(store, plans, tmp_path):
    """Changes, answers, lists and heads: each reads its part and no more."""
    outbox = Outbox(store, LIBRARY, key=bytes(16))
    snapshots = Snapshots(store, LIBRARY, tmp_path / "s")
    hub = Hub(store, LIBRARY, snapshots, key=bytes(16), boot="0" * 8)
    lineage = snapshots.build("catalogue").lineage

    found = plans(lambda: outbox.since("catalogue", 0, lineage))
    found += plans(lambda: outbox.send_changes(lambda _: True))
    found += plans(lambda: outbox.head(START_MS))
    found += plans(lambda: (snapshots.due(), hub.applied()))
    found += plans(lambda: [snapshots.build(kind) for kind in ("catalogue", "may_leave")])

    assert len(found) > 12
    assert scans(found) == []


def test_the_look_for_scans_finds_one(store, plans):
    """A test that cannot fail proves nothing."""
    table = sa.text("SELECT * FROM item WHERE shelf_mark = 'x'")

    def ask():
        with store.read() as connection:
            connection.execute(table)

    assert len(scans(plans(ask))) == 1
