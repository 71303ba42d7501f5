"""Large lists for many stations: a few at once, resumable, packed, and never to a dead one."""

import asyncio
import hashlib
import heapq
import itertools
import random

import pytest
import zstandard
from httpx import ASGITransport, AsyncClient

from gateway.board import Desk
from gateway.catalogue import upsert_items
from gateway.snapshots import Snapshots, packed_file
from gateway.web import files
from gateway.web.app import create_app
from gateway.web.live import Pulse
from gateway.web.turnstile import PLACE_MS, Turnstile
from tests.gateway.conftest import LIBRARY

ITEMS = 700


@pytest.fixture
def snapshots(store, tmp_path):
    """The offered files."""
    return Snapshots(store, LIBRARY, tmp_path / "snapshots")


@pytest.fixture
def large(store, snapshots):
    """A catalogue of more than a megabyte."""
    with store.write(LIBRARY, bulk=True) as write:
        rows = [
            {"barcode": f"3{n:07}", "shelf_mark": f"QA {n} " + "behind the stairs " * 100}
            for n in range(ITEMS)
        ]
        upsert_items(write, rows)
    return snapshots.build("catalogue")


@pytest.fixture
def app(store, snapshots):
    """The application, nobody being served."""
    return create_app(Desk(store, LIBRARY), snapshots, Pulse(), decides=None)


def ask(app, path, method="GET", **headers):
    """Ask the application without a socket; header names with _ for -."""

    async def go():
        transport = ASGITransport(app)
        async with AsyncClient(transport=transport, base_url="http://testserver") as client:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            async with client.stream(
                method, path, headers={"accept-encoding": "identity", **named}
            ) as answer:
                content = b"".join([part async for part in answer.aiter_raw()])
            return answer, content

    return asyncio.run(go())


def test_a_large_list_goes_out_packed_to_whoever_unpacks(app, large):
    """A quarter of the bytes, and the same list; its tag says that it is the packed one."""
    plain, whole = ask(app, large.path)
    answer, packed = ask(app, large.path, accept_encoding="gzip, zstd")

    assert "content-encoding" not in plain.headers
    assert answer.headers["content-encoding"] == "zstd"
    assert answer.headers["etag"] == f'"{large.sha256}-zstd"'
    assert zstandard.ZstdDecompressor().decompressobj().decompress(packed) == whole
    assert hashlib.sha256(whole).hexdigest() == large.sha256
    assert len(packed) < len(whole) / 2


def test_a_packed_list_goes_on_where_it_stopped(app, large):
    """The ranges are those of the packed bytes."""
    packed = packed_file(large.file).read_bytes()

    answer, rest = ask(
        app, large.path, accept_encoding="zstd", range="bytes=1000-",
        if_range=f'"{large.sha256}-zstd"',
    )  # fmt: skip

    assert answer.status_code == 206
    assert rest == packed[1000:]


@pytest.mark.parametrize("encoding", ["identity", "zstd"])
def test_the_rest_of_another_list_is_never_sent(app, large, encoding):
    """Whoever began with other bytes gets the whole list, and begins anew."""
    answer, _ = ask(
        app, large.path, accept_encoding=encoding, range="bytes=1000-", if_range='"other"'
    )

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("asked", "status"),
    [("bytes=5-4", 400), ("bytes=99999999-", 416), ("pages=1-2", 400), ("bytes=-100", 206)],
)
def test_a_range_that_makes_no_sense_is_named(app, large, asked, status):
    """Nothing breaks, and the place is given back."""
    answer, _ = ask(app, large.path, range=asked)

    assert answer.status_code == status
    assert app.state.turnstile.inside == 0


def test_when_all_places_are_taken_there_is_an_appointment(app, large):
    """503 names the second at which to come again; asking for the size alone needs no place."""
    for _ in range(8):
        app.state.turnstile.enter(files._now_ms())

    busy, said = ask(app, large.path)
    head, _ = ask(app, large.path, method="HEAD")

    assert busy.status_code == 503
    assert int(busy.headers["retry-after"]) >= 1
    assert b"Come again in" in said
    assert head.status_code == 200


def test_a_small_list_never_waits(app, snapshots):
    """The rules are a few kilobytes: done before anybody could be in the way."""
    small = snapshots.build("policy")
    for _ in range(8):
        app.state.turnstile.enter(files._now_ms())

    answer, _ = ask(app, small.path)

    assert answer.status_code == 200
    assert not packed_file(small.file).exists()


def served(app, path, *, send):
    """Run one request against the bare application with this `send`."""
    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(),
        "query_string": b"", "headers": [(b"host", b"testserver")], "scheme": "http",
        "http_version": "1.1", "server": ("testserver", 80), "client": ("there", 1),
        "root_path": "", "asgi": {"version": "3.0", "spec_version": "2.3"},
    }  # fmt: skip

    async def receive():
        await asyncio.sleep(3600)

    asyncio.run(app(scope, receive, send))


def test_whoever_hangs_up_gives_the_place_back(app, large):
    """Half of a list was sent; the other half nobody waits for."""

    async def send(message):
        if message["type"] == "http.response.body":
            raise OSError("the other side has hung up")

    with pytest.raises(OSError, match="hung up"):
        served(app, large.path, send=send)

    assert app.state.turnstile.inside == 0


def test_whoever_takes_nothing_is_given_up(app, large, monkeypatch):
    """A kiosk whose cable was pulled holds its place for half a minute, not for ever."""
    monkeypatch.setattr(files, "STALL_S", 0.01)

    async def send(message):
        if message["type"] == "http.response.body":
            await asyncio.sleep(3600)

    served(app, large.path, send=send)

    assert app.state.turnstile.inside == 0


def test_no_more_than_the_places_are_taken():
    """The ninth waits; when one leaves, the next may come."""
    turnstile = Turnstile()
    tickets = [turnstile.enter(0) for _ in range(8)]

    ninth = turnstile.enter(0)
    turnstile.leave(tickets[3], 100)

    assert None not in tickets
    assert ninth is None
    assert turnstile.enter(100) is not None


def test_a_slow_line_does_not_keep_a_place_for_ever():
    """Eight stations on a telephone line would shut the others out for hours."""
    turnstile = Turnstile(open_max=10)
    for _ in range(8):
        turnstile.enter(0)

    assert turnstile.enter(PLACE_MS - 1) is None
    assert [turnstile.enter(PLACE_MS) is not None for _ in range(3)] == [True, True, False]


def test_appointments_are_as_far_apart_as_places_become_free():
    """Each holds a place for 16 s and there are 8: every 2 s the next may come."""
    turnstile = Turnstile()
    for _ in range(60):
        turnstile.leave(turnstile.enter(0), 16_000)

    waits = [turnstile.appointment_ms(50_000) for _ in range(4)]

    apart = [later - earlier for earlier, later in itertools.pairwise(waits)]
    assert [round(ms, -2) for ms in apart] == [2_000, 2_000, 2_000]


def test_nobody_is_told_to_come_in_no_time_or_never():
    """A thousand asked at once are told to come within the hour."""
    turnstile = Turnstile(places=1)
    waits = [turnstile.appointment_ms(0) for _ in range(1_000)]

    assert min(waits) >= 1_000
    assert max(waits) == 3_600_000


@pytest.mark.parametrize("seed", range(3))
def test_a_thousand_stations_after_a_power_cut_are_served_in_turn(seed):
    """All ask within a minute, all have it when the line could have carried it, in turn.

    The line is full all the time: 1,000 downloads of 4 s through 8 places take 500 s.
    """
    took_ms, stations, chance = 4_000, 1_000, random.Random(seed)
    turnstile = Turnstile()
    asked = [0] * stations
    came = [chance.randrange(60_000) for _ in range(stations)]
    events = [(at_ms, number, 0) for number, at_ms in enumerate(came)]
    heapq.heapify(events)
    done = {}
    most = 0
    while events:
        now_ms, number, ticket = heapq.heappop(events)
        if ticket:
            turnstile.leave(ticket, now_ms)
            done[number] = now_ms
            continue
        asked[number] += 1
        ticket = turnstile.enter(now_ms)
        most = max(most, turnstile.inside)
        wait_ms = took_ms if ticket else turnstile.appointment_ms(now_ms)
        heapq.heappush(events, (now_ms + wait_ms, number, ticket or 0))

    assert len(done) == stations
    assert most == 8
    assert max(done.values()) <= 1.25 * stations * took_ms / 8, seed
    assert max(asked) <= 12, seed
    assert sum(asked) / stations <= 4, seed
