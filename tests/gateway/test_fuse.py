"""The builder of the gates' filter, and when the gateway builds, offers and drops its files."""

import base64
import hashlib
import random

import pytest
import sqlalchemy as sa

from circulation.wire.errors import FuseInvalid
from circulation.wire.fuse import (
    DIGEST_BYTES,
    HEADER_BYTES,
    FuseFilter,
    decode_header,
    packed_key,
    unpacked,
)
from circulation.wire.messages import Change, Chunk, Pointer
from gateway import lineage as history
from gateway import schema
from gateway.catalogue import upsert_items
from gateway.errors import ListTooLarge, SnapshotUnknown
from gateway.fuse import build_filter, build_list, shape_for
from gateway.hub import Hub
from gateway.snapshots import BUILD_AGAIN_MS, COMPACT_CHANGES_MAX, Snapshots
from tests.gateway.conftest import LIBRARY, Station
from tests.gateway.test_hub import KEY, replies, request
from tests.gateway.test_lists import lend

STREET = "fuse8-1-3"
SAID = {"lineage": "8c0e5b7a1d94f263", "version": 4410, "boundary": 3}


def uids(count, chance):
    """Return so many different tags."""
    return [f"e00401{number:010x}" for number in chance.sample(range(1 << 40), count)]


def read(content):
    """Return header, filter and unsecured keys of a file."""
    header = decode_header(content)
    filter_ = FuseFilter(header, memoryview(content)[HEADER_BYTES:])
    end = header.unsecured_at + header.unsecured_bytes
    return header, filter_, list(unpacked(content[header.unsecured_at : end], header.unsecured))


@pytest.mark.parametrize("count", [*range(12), 20, 33, 100, 257, 1_000, 5_000, 20_000])
def test_every_key_is_found_in_a_list_of_any_size(count, seed):
    """No key at all, one, two, a school's and a town's: never a false alarm."""
    keys = uids(count, random.Random(seed))

    content = build_list(keys, [], **SAID)

    header, held, _ = read(content)
    assert [key for key in keys if not held.has(key)] == []
    assert (header.keys, header.size_bytes) == (count, len(content))
    assert hashlib.sha256(content[:-DIGEST_BYTES]).digest() == content[-DIGEST_BYTES:]


def test_a_city_s_list_is_small_and_quick():
    """200,000 that may leave: 230 KB; of the others one in 256 passes, which is 0.39 %."""
    both = uids(260_000, random.Random(20260101))
    keys, others = both[:200_000], both[200_000:]

    content = build_list(keys, others[:50], **SAID)

    _, held, unsecured = read(content)
    missed = sum(held.has(key) for key in others)
    expected = len(others) / 256
    assert len(content) <= 230_000
    assert len(unsecured) == 50
    assert not [key for key in keys[::5] if not held.has(key)]
    assert abs(missed - expected) < 4 * expected**0.5


def test_the_same_keys_make_the_same_file():
    """In any order, and however often one comes: so two builds have one SHA-256."""
    keys = uids(500, random.Random(1))

    once = build_list(keys, keys[:5], **SAID)

    assert build_list([*reversed(keys), *keys[:99]], [*keys[:5], keys[0]], **SAID) == once


def test_unsecured_keys_are_exact_and_in_order():
    """They are read back as they are, whatever they are of."""
    keys = ["e004015000000007", "item:30218001234574", "item:é", "x" * 64]

    _, _, unsecured = read(build_list([], keys, **SAID))

    assert unsecured == sorted(packed_key(key) for key in keys)


def test_a_list_beyond_what_a_file_holds_is_refused():
    """By name, before anything is written."""
    with pytest.raises(ListTooLarge, match="a gate's file holds 2000000 and 1000"):
        build_list([], map(str, range(1_001)), **SAID)


def test_keys_for_which_no_seed_works_are_given_up():
    """Three equal keys cannot be told apart by any seed; the loop has an end."""
    with pytest.raises(ListTooLarge, match="after 400 seeds"):
        build_filter([b"a", b"a", b"a"])


def test_sizes_grow_with_the_keys():
    """Bytes a key fall towards nine; no list of a board's size has fewer bytes than keys."""
    sizes = {}
    for count in (1, 10, 100, 10_000, 200_000, 1_000_000):
        bits, segments = shape_for(count)
        sizes[count] = (segments + 2) << bits

    assert sizes[200_000] == 229_376
    assert all(size > 1.12 * count for count, size in sizes.items())
    assert sizes[1_000_000] < 1.15 * 1_000_000


@pytest.fixture
def hub(store, tmp_path):
    """The gateway without its threads."""
    snapshots = Snapshots(store, LIBRARY, tmp_path / "snapshots")
    return Hub(store, LIBRARY, snapshots, key=KEY, boot="0000000b")


@pytest.fixture
def kiosk():
    """A kiosk's journal."""
    return Station("kiosk-1")


def build_due(hub):
    """Do what the builder's thread does every five seconds; return what was built."""
    return [hub.snapshots.build(*due) for due in hub.snapshots.due()]


def ask(hub, op, **fields):
    """Return the gateway's replies to a gate's question."""
    gate = Station("gate-1")
    fields = {"kind": "may_leave", "format": STREET, **fields}
    now_ms = hub.store.clock()
    return replies(hub.take([request(gate, op, **fields)], now_ms) + hub.tick(now_ms), gate)


def asked_for(hub):
    """Have the street's list asked for, built and asked for again; return its pointer."""
    ask(hub, "since", version=0)
    build_due(hub)
    (pointer,) = ask(hub, "since", version=0)
    return pointer


def formats(hub):
    """Return what is offered of the gates' list."""
    return [one.format for one in hub.snapshots.all_offered() if one.kind == "may_leave"]


def test_without_a_gate_that_asks_nothing_more_is_built(hub, books):
    """A gateway whose gates are all on a Pi does no work for others."""
    build_due(hub)

    assert formats(hub) == ["json-1"]
    assert hub.snapshots.due() == []


def test_a_list_is_built_when_it_is_first_asked_for(hub, ingest, kiosk, books, readers):
    """Not by the writer: it answers nothing, the builder builds, and then all are told."""
    lend(kiosk, books["1001"], readers[0])
    lend(kiosk, books["1003"], readers[0], reach=1)
    ingest.take([kiosk.batch()])

    first = ask(hub, "since", version=0)
    due = hub.snapshots.due()
    build_due(hub)
    told = [send for send in hub.on_connected() if "fuse" in send.topic]
    (pointer,) = ask(hub, "since", version=0)

    assert first == []
    assert ("may_leave", STREET) in due
    assert [send.topic for send in told] == ["lg/1/main/gateway/snapshot/may_leave/fuse8-1-3"]
    assert told[0].retained
    assert (pointer.format, pointer.path) == (
        STREET,
        f"/snapshot/may_leave/fuse8-1-3/{pointer.version}",
    )
    header, held, _ = read(
        hub.snapshots.offered("may_leave", format_name=STREET).file.read_bytes()
    )
    assert (header.boundary, header.keys) == (3, 1)
    assert [held.has(f"e00401000000100{n}") for n in (1, 3)] == [True, False]


def test_each_boundary_has_its_own_list(hub, ingest, kiosk, books, readers):
    """What may leave the room may not yet leave the house."""
    for barcode, reach in (("1001", 3), ("1002", 2), ("1003", 1)):
        lend(kiosk, books[barcode], readers[0], reach=reach)
    ingest.take([kiosk.batch()])
    for boundary in (1, 2, 3):
        ask(hub, "since", version=0, format=f"fuse8-1-{boundary}")
    build_due(hub)

    found = {}
    for boundary in (1, 2, 3):
        name = f"fuse8-1-{boundary}"
        content = hub.snapshots.offered("may_leave", format_name=name).file.read_bytes()
        found[boundary] = read(content)[0].keys
    assert found == {1: 3, 2: 2, 3: 1}


def test_the_list_is_read_in_pieces_with_their_digests(hub, books):
    """2 KiB at a time, each with its SHA-256; together they are what was announced."""
    with hub.store.write(LIBRARY) as write:
        rows = [{"barcode": f"5{n:04}", "uids": [f"e0040100000{n:05}"]} for n in range(3_000)]
        items = upsert_items(write, rows).ids
    with hub.store.write(LIBRARY) as write:
        write.upsert(
            schema.MAY_LEAVE,
            [
                {"key": f"e0040100000{n:05}", "item_id": item, "reach": 3, "unsecured": 0,
                 "unsecured_since": None}
                for n, item in enumerate(items)
            ],
        )  # fmt: skip
    pointer = asked_for(hub)
    where = {"version": pointer.version, "lineage": pointer.lineage, "count": 2048}
    content = b""
    while len(content) < pointer.bytes:
        (piece,) = ask(hub, "chunk", offset=len(content), **where)
        block = base64.b64decode(piece.data)
        assert isinstance(piece, Chunk)
        assert piece.sha256 == hashlib.sha256(block).hexdigest()
        content += block

    assert piece.last
    assert hashlib.sha256(content).hexdigest() == pointer.sha256
    assert read(content)[0].keys == 3_000


def test_a_gate_that_follows_gets_changes_and_not_a_list(hub, ingest, kiosk, books, readers):
    """`since` with a lineage is answered as ever; without one the whole list is meant."""
    build_due(hub)
    pointer = asked_for(hub)
    lend(kiosk, books["1001"], readers[0])
    ingest.take([kiosk.batch()])

    follows = ask(hub, "since", version=pointer.version, lineage=pointer.lineage)
    wants = ask(hub, "since", version=pointer.version)

    assert [type(reply) for reply in follows] == [Change]
    assert wants == []  # one that is newer is built first


def test_a_wish_is_met_with_what_there_is_if_that_serves(hub, ingest, kiosk, books, readers):
    """A gate without a list takes one that is some changes old: it follows them."""
    pointer = asked_for(hub)
    lend(kiosk, books["1001"], readers[0])
    ingest.take([kiosk.batch()])

    assert ask(hub, "since", version=0) == [pointer]


def test_a_list_too_far_behind_is_built_anew(hub, store, clock, books):
    """More changes than a microcontroller has room for; a file a minute at most."""
    pointer = asked_for(hub)
    with store.write(LIBRARY) as write:
        write.insert(
            schema.CHANGE,
            [
                {"kind": "may_leave", "version": pointer.version + 1, "key": f"k:{n}",
                 "body": "[]", "committed_at": clock()}
                for n in range(COMPACT_CHANGES_MAX + 1)
            ],
        )  # fmt: skip
        write.execute(
            write.update(schema.FEED, kind="may_leave").values(version=pointer.version + 1)
        )

    behind = ask(hub, "since", version=0)
    early = ("may_leave", STREET) in hub.snapshots.due()
    clock.now_ms += BUILD_AGAIN_MS
    late = ("may_leave", STREET) in hub.snapshots.due()
    build_due(hub)

    assert (behind, early, late) == ([], False, True)
    (newest,) = ask(hub, "since", version=0)
    assert newest.version == pointer.version + 1


def test_a_new_history_builds_the_list_again(hub, books):
    """Gates that used the old one are told of the new one without asking."""
    pointer = asked_for(hub)
    build_due(hub)

    history.rotate(hub.store, LIBRARY, "restored")

    assert ("may_leave", STREET) in hub.snapshots.due()
    assert ask(hub, "since", version=0) == []
    build_due(hub)
    (newest,) = ask(hub, "since", version=0)
    assert newest.lineage != pointer.lineage


def test_files_that_nobody_needs_are_removed(hub, store, clock, books):
    """Two of each format are kept, and their changes."""
    for day in range(4):
        with store.write(LIBRARY) as write:
            upsert_items(write, [{"barcode": "1001", "shelf_mark": f"day {day}"}])
        hub.snapshots.build("may_leave", STREET)
        clock.now_ms += 86_400_001
    hub.snapshots.build("may_leave")

    kept = sorted(path.name.rpartition(".")[2] for path in hub.snapshots.folder.iterdir())
    assert kept == [STREET, STREET, "json"]
    with store.read() as connection:
        oldest = connection.execute(sa.select(sa.func.min(schema.SNAPSHOT.c.version))).scalar()
        feed = connection.execute(
            sa.select(schema.FEED).where(schema.FEED.c.kind == "may_leave")
        ).one()
    assert feed.floor <= oldest


@pytest.mark.parametrize("name", ["fuse8-2-3", "fuse8-1-4", "sqlite-1"])
def test_a_format_nobody_knows_is_not_answered(hub, books, name):
    """A newer gate's question is no error of ours, and starts no work."""
    assert ask(hub, "since", version=0, format=name) == []
    assert ask(hub, "chunk", version=1, lineage="0" * 16, offset=0, format=name) == []
    assert hub.snapshots.due() == build_names(hub)
    with pytest.raises(SnapshotUnknown):
        hub.snapshots.newest_for("may_leave", name, 0)


def build_names(hub):
    """Return what every library has."""
    return [due for due in hub.snapshots.due() if "fuse" not in due[1]]


def test_a_pi_s_list_is_answered_as_ever(hub, books):
    """A question without a format is for the one that all have."""
    build_due(hub)

    (reply,) = ask(hub, "since", version=0, format=None)

    assert isinstance(reply, Pointer)
    assert reply.format == "json-1"


def test_a_file_cut_off_is_no_header():
    """What a gate would refuse is refused by the same code here."""
    with pytest.raises(FuseInvalid):
        decode_header(build_list([], [], **SAID)[: HEADER_BYTES - 1])
