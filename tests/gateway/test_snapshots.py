"""When lists are built, what stays offered, and that a file is of one moment."""

import sqlite3
import threading

import pytest
import sqlalchemy as sa

from gateway import lineage, schema
from gateway.catalogue import upsert_items
from gateway.errors import BuildAbandoned, SnapshotUnknown
from gateway.outbox import Outbox
from gateway.snapshots import Breather, Snapshots
from tests.gateway.conftest import LIBRARY

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000


@pytest.fixture
def snapshots(store, tmp_path):
    """The offered files."""
    return Snapshots(store, LIBRARY, tmp_path / "snapshots")


def shelve(store, mark, *, bulk=False):
    """Change one item."""
    with store.write(LIBRARY, bulk=bulk) as write:
        upsert_items(write, [{"barcode": "1001", "shelf_mark": mark}])


def shelf_marks(file):
    """Return what a catalogue's file says of where its items stand, and of its own version."""
    connection = sqlite3.connect(file)
    marks = {mark for (mark,) in connection.execute("SELECT shelf_mark FROM item")}
    version = connection.execute("SELECT value FROM meta WHERE key='version'").fetchone()[0]
    connection.close()
    return marks, int(version)


def due_kinds(snapshots):
    return {kind for kind, _ in snapshots.due()}


def slow(store, tmp_path, clock, *, took_ms):
    """Return offered files of a library so large that each page takes so long to write."""

    def rest():
        clock.now_ms += took_ms

    return Snapshots(store, LIBRARY, tmp_path / "slow", rest=rest)


def test_a_list_is_of_one_moment_though_changes_come_while_it_is_built(store, tmp_path):
    """What is committed meanwhile is not in the file, and begins where its version ends."""
    shelve(store, "before")

    def rest():
        with store.write(LIBRARY) as write:
            tag = f"e004{len(resting):04}"
            row = {"barcode": "1001", "shelf_mark": f"after {len(resting)}", "uids": [tag]}
            upsert_items(write, [row])
        resting.append(tag)

    resting = []
    built = Snapshots(store, LIBRARY, tmp_path / "s", rest=rest).build("catalogue")

    assert len(resting) > 2
    assert shelf_marks(built.file) == ({"before"}, built.version)
    connection = sqlite3.connect(built.file)
    assert connection.execute("SELECT count(*) FROM item_uid").fetchone() == (0,)
    connection.close()
    changes = Outbox(store, LIBRARY, key=bytes(16)).since(
        "catalogue", built.version, built.lineage
    )
    assert f"after {len(resting) - 1}".encode() in changes[-1]


def test_a_large_list_is_not_built_in_the_middle_of_an_import(store, tmp_path, clock):
    """Every station would fetch half of it; when the import has been quiet it is built."""
    snapshots = slow(store, tmp_path, clock, took_ms=400)
    shelve(store, "A")
    snapshots.build("catalogue")

    looks = []
    for second in range(4):
        shelve(store, f"import {second}", bulk=True)
        looks.append("catalogue" in due_kinds(snapshots))
        clock.now_ms += 2_000
    quiet = []
    for _ in range(3):
        clock.now_ms += 2_000
        quiet.append("catalogue" in due_kinds(snapshots))

    assert looks == [False, False, False, False]
    assert quiet == [False, True, True]


def test_an_import_that_never_ends_is_shown_in_between(store, tmp_path, clock):
    """Building takes at most a twentieth of the time, and stations are not without for ever."""
    snapshots = slow(store, tmp_path, clock, took_ms=1_000)
    shelve(store, "A")
    built = snapshots.build("catalogue")

    waited = 0
    while "catalogue" not in due_kinds(snapshots):
        shelve(store, f"import {waited}", bulk=True)
        clock.now_ms += 1_000
        waited += 1

    assert 50 <= waited <= 200
    assert clock.now_ms - built.built_at >= 20 * 3_000


def test_a_small_list_is_built_at_once(store, snapshots):
    """A school room does not wait for its import to be quiet."""
    shelve(store, "A")
    snapshots.build("catalogue")

    shelve(store, "B", bulk=True)

    assert "catalogue" in due_kinds(snapshots)


def test_a_list_is_built_again_when_following_it_has_become_dear(store, snapshots, clock):
    """Five thousand changes are as much work as a small list; what was counted is kept."""
    shelve(store, "A")
    for kind, name in snapshots.due():
        snapshots.build(kind, name)
    version = snapshots.offered("catalogue").version

    def add(count, at_version):
        with store.write(LIBRARY) as write:
            write.insert(
                schema.CHANGE,
                [
                    {"kind": "catalogue", "version": at_version, "key": f"{n:016x}",
                     "body": "{}", "committed_at": clock.now_ms}
                    for n in range(count)
                ],
            )  # fmt: skip
            write.execute(write.update(schema.FEED, kind="catalogue").values(version=at_version))

    add(5_000, version + 1)
    before = due_kinds(snapshots)
    add(1, version + 2)

    assert before == set()
    assert due_kinds(snapshots) == {"catalogue"}


def test_a_slow_download_has_an_hour_to_end(store, snapshots, clock):
    """A file that was replaced twice stays as long; never more than four do."""
    built = []
    for number in range(6):
        shelve(store, f"{number}")
        built.append(snapshots.build("catalogue"))
        clock.now_ms += MINUTE_MS

    def offered():
        return [one.file.exists() for one in built]

    assert offered() == [False, False, True, True, True, True]
    with pytest.raises(SnapshotUnknown):
        snapshots.offered("catalogue", built[0].version)
    assert snapshots.offered("catalogue", built[3].version).sha256 == built[3].sha256

    clock.now_ms += HOUR_MS
    shelve(store, "last")
    built.append(snapshots.build("catalogue"))
    assert offered() == [False, False, False, False, False, True, True]


def test_whoever_fetched_a_file_just_before_it_went_can_follow_for_a_day(store, snapshots, clock):
    """After two quiet days the changes of then are old, but somebody may have just begun."""
    outbox = Outbox(store, LIBRARY, key=bytes(16))
    shelve(store, "A")
    fetched = snapshots.build("catalogue")
    shelve(store, "B")
    clock.now_ms += 3 * DAY_MS
    for mark in "CD":
        shelve(store, mark)
        clock.now_ms += 2 * HOUR_MS
        snapshots.build("catalogue")

    def follow():
        return outbox.since("catalogue", fetched.version, fetched.lineage)

    assert not fetched.file.exists()
    assert follow()
    clock.now_ms += DAY_MS - 1
    snapshots.build("catalogue")
    assert follow()
    clock.now_ms += DAY_MS
    shelve(store, "E")
    snapshots.build("catalogue")
    assert follow() is None


def test_many_old_changes_go_in_small_transactions(store, snapshots, clock):
    """The one writer never waits for a day's worth of rows to be deleted."""
    for number in range(250):
        shelve(store, f"{number}")
    kept = []
    for _ in range(4):
        clock.now_ms += DAY_MS + 1
        shelve(store, f"day {clock.now_ms}")
        snapshots.build("catalogue")
        with store.read() as connection:
            kept.append(connection.execute(sa.select(sa.func.count(schema.STEP.c.version)).where(
                schema.STEP.c.kind == "catalogue"
            )).scalar())  # fmt: skip

    assert kept[0] == 1
    assert max(kept) <= 3


def test_files_that_nobody_offers_are_swept_away(store, snapshots):
    """A cut while building, and a history that was replaced, leave no room taken."""
    shelve(store, "A")
    old = snapshots.build("catalogue")
    half = snapshots.folder / "catalogue-00-9.db.building"
    half.write_bytes(b"half")
    other = snapshots.folder / "patrons-00-9.db"
    other.write_bytes(b"whole")

    lineage.rotate(store, LIBRARY, "test")
    new = snapshots.build("catalogue")

    assert new.version == old.version
    assert not old.file.exists()
    assert not half.exists()
    assert other.exists()


def test_an_older_history_s_list_is_no_answer(store, snapshots):
    """A station of the older history waits for the new list; that one is announced."""
    shelve(store, "A")
    snapshots.build("catalogue")
    lineage.rotate(store, LIBRARY, "test")

    before = snapshots.newest_for("catalogue", None, 0)
    built = snapshots.build("catalogue")

    assert before is None
    assert snapshots.newest_for("catalogue", None, 0) == snapshots.offered("catalogue")
    assert snapshots.offered("catalogue").lineage == built.lineage


def test_a_list_that_cannot_be_written_leaves_nothing_behind(store, tmp_path):
    """A full disk needs the room of the half-written file; what was offered stays."""
    shelve(store, "A")
    whole = Snapshots(store, LIBRARY, tmp_path / "s").build("catalogue")

    def rest():
        raise OSError(28, "No space left on device")

    broken = Snapshots(store, LIBRARY, tmp_path / "s", rest=rest)
    with pytest.raises(OSError, match="No space"):
        broken.build("catalogue")

    assert list(broken.folder.iterdir()) == [whole.file]
    assert broken.offered("catalogue").sha256 == whole.sha256


def test_the_newest_list_is_the_one_built_last(store, snapshots, clock):
    """Also when the gateway's clock stood in 2106 for a day."""
    shelve(store, "A")
    clock.now_ms += 80 * 365 * DAY_MS
    snapshots.build("catalogue")
    clock.now_ms -= 80 * 365 * DAY_MS
    shelve(store, "B")

    new = snapshots.build("catalogue")

    assert snapshots.offered("catalogue").version == new.version


def test_a_list_under_way_does_not_keep_the_program_from_stopping(store, tmp_path):
    """A large one takes minutes; the next start builds it anew."""
    stopping = threading.Event()
    snapshots = Snapshots(store, LIBRARY, tmp_path / "s", rest=Breather(stopping))
    shelve(store, "A")
    whole = snapshots.build("catalogue")
    stopping.set()

    with pytest.raises(BuildAbandoned):
        snapshots.build("catalogue")

    assert list(snapshots.folder.iterdir()) == [whole.file]
