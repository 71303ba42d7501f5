"""What gates and kiosks are told: may leave, unsecured, and whole lists with their changes."""

import itertools
import json
import sqlite3

import pytest
import sqlalchemy as sa

from circulation.wire.limits import GATE_MESSAGE_BYTES_MAX
from gateway import schema
from gateway.catalogue import upsert_items, upsert_patrons
from gateway.docs import item_docs
from gateway.outbox import Outbox
from gateway.snapshots import Snapshots
from tests.gateway.conftest import LIBRARY, START_MS, Station
from tests.support.lists import may_leave_document

DUE_AT = START_MS + 14 * 86_400_000
UID = {number: f"e00401000000{number}" for number in ("1001", "1002", "1003")}


@pytest.fixture
def kiosk():
    """A kiosk."""
    return Station("kiosk-1")


@pytest.fixture
def snapshots(store, tmp_path):
    """The offered files."""
    return Snapshots(store, LIBRARY, tmp_path / "snapshots")


def may_leave(store):
    """Return the gates' list: reach by key, and the unsecured keys."""
    with store.read() as connection:
        document = may_leave_document(connection, LIBRARY)
    return dict(document["keys"]), document["unsecured"]


def lend(kiosk, item, patron, **fields):
    """Write a checkout."""
    fields = {"reach": 3, "due_at": DUE_AT, **fields}
    return kiosk.write("checkout", item=item, patron=patron, **fields)


def test_a_loan_may_leave_until_it_is_back(store, ingest, kiosk, books, readers):
    """The list follows the loan out and in again."""
    loan = lend(kiosk, books["1001"], readers[0])
    ingest.take([kiosk.batch()])
    out = may_leave(store)

    kiosk.write("checkin", item=books["1001"], saw=[loan])
    ingest.take([kiosk.batch()])

    assert out == ({UID["1001"]: 3}, [])
    assert may_leave(store) == ({}, [])


def test_a_book_lent_on_site_stays_in_the_building(store, ingest, kiosk, books, readers):
    """A reference book may leave its room and no more: the street door knows."""
    lend(kiosk, books["1003"], readers[0], reach=1)

    ingest.take([kiosk.batch()])

    assert may_leave(store) == ({UID["1003"]: 1}, [])


@pytest.mark.parametrize(
    ("kind", "place"),
    [("sent", "branch"), ("deposited", "class 3b"), ("withdrawn", "cellar")],
    ids=["a courier's crate", "a class's box", "a withdrawn book"],
)
def test_what_is_no_loan_may_leave_too(ingest, books, store, kind, place):
    """Crates, boxes and written-off books pass every door although nobody borrowed them."""
    kiosk = Station("kiosk-1")
    kiosk.write(kind, item=books["1001"], place=place)

    ingest.take([kiosk.batch()])

    assert may_leave(store)[0] == {UID["1001"]: 3}


def test_a_tag_that_could_not_be_switched_is_unsecured_until_it_is_lent(
    store, ingest, kiosk, books, readers
):
    """Returned with a failed tag: unsecured. Lent again, it may leave and is so no more."""
    loan = lend(kiosk, books["1001"], readers[0])
    back = kiosk.write("checkin", item=books["1001"], saw=[loan], unsecured=True)
    ingest.take([kiosk.batch()])
    returned = may_leave(store)

    lend(kiosk, books["1001"], readers[1], saw=[back])
    ingest.take([kiosk.batch()])

    assert returned == ({}, [UID["1001"]])
    assert may_leave(store) == ({UID["1001"]: 3}, [])


def test_a_book_without_a_known_tag_is_listed_by_its_number(store, ingest, kiosk, readers):
    """The old system exported no tags: the number on the tag is the key until one is seen."""
    with store.write(LIBRARY) as write:
        (item,) = upsert_items(write, [{"barcode": "2001"}]).ids
    loan = lend(kiosk, item, readers[0])
    ingest.take([kiosk.batch()])
    by_number = may_leave(store)

    kiosk.write("tag_seen", barcode="2001", uids=["e004010000002001"], saw=[loan])
    ingest.take([kiosk.batch()])

    assert by_number == ({"item:2001": 3}, [])
    assert may_leave(store) == ({"e004010000002001": 3}, [])


def test_a_tag_known_from_another_book_is_for_staff(store, ingest, kiosk, books):
    """A tag is not moved because somebody saw it: two books may have been swapped."""
    kiosk.write("tag_seen", barcode="1002", uids=[UID["1001"]])
    kiosk.write("seen", uids=[UID["1001"]])

    ingest.take([kiosk.batch()])

    with store.read() as connection:
        docs = item_docs(connection, LIBRARY, books.values())
        (entry,) = connection.execute(sa.select(schema.REVIEW)).all()
    assert docs[books["1001"]]["uids"] == [UID["1001"]]
    assert (entry.rule, entry.item_id) == ("tag_elsewhere", books["1002"])


def test_a_written_tag_moves(store, ingest, kiosk, books):
    """A tag that was written for another book lies in that one now."""
    kiosk.write("tag_written", barcode="1002", uids=[UID["1001"]])

    ingest.take([kiosk.batch()])

    with store.read() as connection:
        docs = item_docs(connection, LIBRARY, books.values())
    assert UID["1001"] in docs[books["1002"]]["uids"]


def follow(store, kind, document, version):
    """Return a list's document brought up to date by the change rows after a version."""
    with store.read() as connection:
        query = (
            sa.select(schema.CHANGE.c.body)
            .where(schema.CHANGE.c.kind == kind, schema.CHANGE.c.version > version)
            .order_by(schema.CHANGE.c.version, schema.CHANGE.c.key)
        )
        for body in connection.execute(query).scalars():
            row = json.loads(body)
            if kind == "may_leave":
                sort, key, value = row
                (document["k"] if sort == "k" else document["u"])[key] = value
            else:
                document[row["key"]] = row["doc"]
    return document


def test_a_list_and_its_changes_make_the_next_list(store, snapshots, ingest, books, readers):
    """The gates' list at V and the changes after it give the list at W."""
    kiosk = Station("kiosk-1")
    lend(kiosk, books["1001"], readers[0])
    ingest.take([kiosk.batch()])
    old = json.loads(snapshots.build("may_leave").file.read_bytes())
    document = {"k": dict(old["keys"]), "u": dict.fromkeys(old["unsecured"], 1)}

    kiosk.write("checkin", item=books["1001"], unsecured=True)
    lend(kiosk, books["1002"], readers[0])
    kiosk.write("withdrawn", item=books["1003"])
    ingest.take([kiosk.batch()])
    follow(store, "may_leave", document, old["version"])
    new = json.loads(snapshots.build("may_leave").file.read_bytes())

    assert {key: reach for key, reach in document["k"].items() if reach} == dict(new["keys"])
    assert [key for key, on in sorted(document["u"].items()) if on] == new["unsecured"]
    assert new["version"] > old["version"]


def read_items(file):
    """Return the items of a catalogue file as documents."""
    connection = sqlite3.connect(file)
    connection.row_factory = sqlite3.Row
    docs = {row["item_id"]: dict(row) for row in connection.execute("SELECT * FROM item")}
    for doc in docs.values():
        doc["parts_missing"] = json.loads(doc["parts_missing"])
        query = "SELECT uid FROM item_uid WHERE item_id = ? ORDER BY uid"
        doc["uids"] = [uid for (uid,) in connection.execute(query, (doc["item_id"],))]
        query = "SELECT * FROM title WHERE title_id = ?"
        title = connection.execute(query, (doc["title_id"],)).fetchone()
        doc["title"] = dict(title) if title else None
    connection.close()
    return docs


def test_a_catalogue_and_its_changes_make_the_next_catalogue(
    store, snapshots, ingest, books, readers
):
    """A kiosk that follows changes knows the same as one that fetches the new file."""
    kiosk = Station("kiosk-1")
    old = snapshots.build("catalogue")
    docs = read_items(old.file)

    lend(kiosk, books["1001"], readers[0])
    kiosk.write("hold_placed", item=books["1002"], patron=readers[1], pickup="main")
    ingest.take([kiosk.batch()])
    with store.write(LIBRARY) as write:
        upsert_items(write, [{"barcode": "1003", "shelf_mark": "R 1"}, {"barcode": "3001"}])

    assert follow(store, "catalogue", docs, old.version) == read_items(
        snapshots.build("catalogue").file
    )


def test_a_held_book_names_its_reader(store, ingest, kiosk, books, readers):
    """A kiosk that takes the book back can say that somebody waits, also offline."""
    kiosk.write("hold_placed", item=books["1001"], patron=readers[1], hold="00000000000000b1")
    ingest.take([kiosk.batch()])
    with store.read() as connection:
        held = item_docs(connection, LIBRARY, [books["1001"]])[books["1001"]]["held_for"]

    kiosk.write("hold_ended", item=books["1001"], hold="00000000000000b1")
    ingest.take([kiosk.batch()])

    with store.read() as connection:
        after = item_docs(connection, LIBRARY, [books["1001"]])[books["1001"]]["held_for"]
    assert (held, after) == (readers[1], None)


def test_a_patrons_file_holds_no_more_than_a_kiosk_needs(store, snapshots):
    """No birth date, no address: a stolen kiosk tells short names and nothing else."""
    with store.write(LIBRARY) as write:
        upsert_patrons(
            write,
            [{"number": "7", "short_name": "Anna L.", "born_on": "2014-05-06", "extra": {"x": 1}}],
        )

    content = snapshots.build("patrons").file.read_bytes()

    assert b"Anna L." in content
    assert b"2014" not in content


def test_a_large_change_is_many_small_steps(store, ingest, books, readers):
    """A gate takes 4 KiB, so two hundred loans at once are several versions in a chain."""
    with store.write(LIBRARY) as write:
        rows = [{"barcode": f"5{n:03}", "uids": [f"e0040100000{n:05}"]} for n in range(200)]
        items = upsert_items(write, rows).ids
    kiosk = Station("kiosk-1")
    for item in items:
        lend(kiosk, item, readers[0])
    sent = []
    outbox = Outbox(store, LIBRARY, key=bytes(16))
    outbox.send_changes(lambda send: sent.append(send) is None)
    sent.clear()

    ingest.take([kiosk.batch(first) for first in (1, 51, 101, 151)])
    outbox.send_changes(lambda send: sent.append(send) is None)

    gates = [send.payload for send in sent if send.topic.endswith("/may_leave")]
    steps = [(json.loads(payload)["from"], json.loads(payload)["to"]) for payload in gates]
    assert len(gates) >= 2
    assert max(map(len, gates)) <= GATE_MESSAGE_BYTES_MAX
    assert all(earlier[1] == later[0] for earlier, later in itertools.pairwise(steps))
    assert sum(len(json.loads(payload)["changes"]) for payload in gates) == 200


def test_the_catalogue_and_the_gates_list_step_together(store, ingest, kiosk, books):
    """One number says how far both have come, so covered news can be dropped."""
    kiosk.write("seen", item=books["1001"])

    ingest.take([kiosk.batch()])

    with store.read() as connection:
        feeds = {row.kind: row.version for row in connection.execute(sa.select(schema.FEED))}
    assert feeds["catalogue"] == feeds["may_leave"]


def test_old_changes_are_dropped_a_day_after_the_last_list_that_needs_them(
    store, snapshots, clock, books
):
    """A station that fetched the oldest offered file can always follow from there."""
    snapshots.build("catalogue")
    for day in range(1, 4):
        clock.now_ms += 86_400_001
        with store.write(LIBRARY) as write:
            upsert_items(write, [{"barcode": "1001", "shelf_mark": f"day {day}"}])
        snapshots.build("catalogue")

    with store.read() as connection:
        kept = connection.execute(
            sa.select(schema.CHANGE.c.version).where(schema.CHANGE.c.kind == "catalogue")
        ).scalars()
        feed = connection.execute(
            sa.select(schema.FEED).where(schema.FEED.c.kind == "catalogue")
        ).one()
        offered = connection.execute(
            sa.select(sa.func.min(schema.SNAPSHOT.c.version)).where(
                schema.SNAPSHOT.c.kind == "catalogue"
            )
        ).scalar()
        assert min(kept) > feed.floor
    assert 0 < feed.floor <= offered
    assert len(list(snapshots.folder.glob("catalogue-*.db"))) == 2
