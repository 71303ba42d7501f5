"""Lists of a gateway whose clock was wrong by years: built once too often, never too seldom."""

import pytest
import sqlalchemy as sa

from circulation.wire.topics import MAY_LEAVE
from gateway import schema
from gateway.catalogue import upsert_items
from gateway.list_files import formats_of
from gateway.snapshots import COMPACT_CHANGES_MAX, Snapshots
from tests.gateway.conftest import LIBRARY

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
YEAR_MS = 365 * DAY_MS
WRONG = pytest.mark.parametrize("wrong_ms", [80 * YEAR_MS, -50 * YEAR_MS])
STREET = formats_of(MAY_LEAVE)[-1]


@pytest.fixture
def snapshots(store, tmp_path):
    """The offered files."""
    return Snapshots(store, LIBRARY, tmp_path / "snapshots")


def shelve(store, mark, *, bulk=False):
    with store.write(LIBRARY, bulk=bulk) as write:
        upsert_items(write, [{"barcode": "1001", "shelf_mark": mark}])


def lend_many(store, clock, count):
    """Change the gates' list so often that nobody follows."""
    with store.write(LIBRARY) as write:
        version = write.one(schema.FEED, kind=MAY_LEAVE).version + 1
        rows = [
            {"kind": MAY_LEAVE, "version": version, "key": f"k:{n}", "body": "[]"}
            for n in range(count)
        ]
        write.insert(schema.CHANGE, [{**row, "committed_at": clock.now_ms} for row in rows])
        write.execute(write.update(schema.FEED, kind=MAY_LEAVE).values(version=version))


def build_due(snapshots):
    """Do what the builder does every few seconds; return the kinds that it built."""
    return [snapshots.build(*due).kind for due in snapshots.due()]


def offered_at(store):
    """Return the dates of all lists of the catalogue, the oldest first."""
    dates = sa.select(schema.SNAPSHOT.c.built_at).where(schema.SNAPSHOT.c.kind == "catalogue")
    with store.read() as connection:
        return sorted(connection.execute(dates).scalars())


@WRONG
def test_a_clock_that_was_wrong_and_is_set_right_costs_one_build(
    store, snapshots, clock, wrong_ms
):
    """Then a list is a day old when it is a day old, as before."""
    shelve(store, "A")
    clock.now_ms += wrong_ms
    build_due(snapshots)
    clock.now_ms -= wrong_ms
    shelve(store, "B")

    first = build_due(snapshots)
    built = []
    for hour in range(1, 50):
        clock.now_ms += HOUR_MS
        shelve(store, f"hour {hour}")
        built += [hour] * ("catalogue" in build_due(snapshots))

    assert "catalogue" in first
    assert built == [24, 48]


@WRONG
def test_a_clock_that_goes_wrong_costs_one_build(store, snapshots, clock, wrong_ms):
    """The lists in the database are from another age, and one look later no more."""
    shelve(store, "A")
    build_due(snapshots)
    clock.now_ms += wrong_ms
    shelve(store, "B")

    built = ["catalogue" in build_due(snapshots)]
    for minute in range(10):
        clock.now_ms += MINUTE_MS
        shelve(store, f"minute {minute}")
        built.append("catalogue" in build_due(snapshots))

    assert built == [True] + [False] * 10


@WRONG
def test_a_gate_that_needs_another_list_has_it_within_a_minute(store, snapshots, clock, wrong_ms):
    """Its wish waits for a minute of this clock, never for the year of the wrong one."""
    snapshots.newest_for(MAY_LEAVE, STREET, 0)
    clock.now_ms += wrong_ms
    build_due(snapshots)
    clock.now_ms -= wrong_ms

    looks = []
    for _ in range(4):
        lend_many(store, clock, COMPACT_CHANGES_MAX + 1)
        assert snapshots.newest_for(MAY_LEAVE, STREET, 0) is None
        looks.append((MAY_LEAVE, STREET) in snapshots.due())
        build_due(snapshots)
        clock.now_ms += 30_000

    assert looks == [True, False, True, False]


@WRONG
def test_what_a_wrong_clock_dated_is_let_go_of(store, snapshots, clock, wrong_ms):
    """Nothing is offered until 2106; the newest two stay, whatever happens."""
    shelve(store, "A")
    clock.now_ms += wrong_ms
    wrong = [snapshots.build("catalogue")]
    shelve(store, "B")
    wrong.append(snapshots.build("catalogue"))
    clock.now_ms -= wrong_ms

    shelve(store, "C")
    newest = snapshots.build("catalogue")
    assert offered_at(store)[-1] == newest.built_at == clock.now_ms
    assert snapshots.offered("catalogue").version == newest.version
    assert wrong[1].file.exists()
    for _ in range(3):
        clock.now_ms += 25 * HOUR_MS
        shelve(store, f"at {clock.now_ms}")
        snapshots.build("catalogue")

    assert not any(one.file.exists() for one in wrong)
    assert min(offered_at(store)) > newest.built_at


@WRONG
def test_an_import_is_quiet_also_when_the_clock_is_set_meanwhile(store, tmp_path, clock, wrong_ms):
    """Whoever waited for quiet until another year would never have a catalogue."""

    def rest():
        clock.now_ms += 2_000

    snapshots = Snapshots(store, LIBRARY, tmp_path / "slow", rest=rest)
    shelve(store, "A")
    snapshots.build("catalogue")
    shelve(store, "B", bulk=True)
    assert "catalogue" not in {kind for kind, _ in snapshots.due()}

    clock.now_ms += wrong_ms

    assert "catalogue" in {kind for kind, _ in snapshots.due()}


def test_a_clock_set_right_during_a_build_makes_no_list_dear_for_ever(store, tmp_path, clock):
    """A build that seems to have taken fifty years took ten minutes at most."""
    years = [50 * YEAR_MS]

    def rest():
        clock.now_ms += years.pop() if years else 0

    snapshots = Snapshots(store, LIBRARY, tmp_path / "slow", rest=rest)
    shelve(store, "A")
    snapshots.build("catalogue")

    due_after_s = 0
    while "catalogue" not in {kind for kind, _ in snapshots.due()}:
        shelve(store, f"import {due_after_s}", bulk=True)
        clock.now_ms += 4_000
        due_after_s += 4
        assert due_after_s <= 4 * HOUR_MS / 1_000

    assert due_after_s == 12_000
