"""Pages that work without JavaScript, an API, and files in ranges."""

import asyncio
import doctest
import hashlib
import importlib

import pytest
from httpx import ASGITransport, AsyncClient

from circulation.fold.holding import Rule
from circulation.reasons import Reason
from circulation.wire.messages import Telemetry
from circulation.wire.topics import Topics
from gateway import schema, wording
from gateway.board import Desk
from gateway.contacts import Contacts, Rows
from gateway.desk import DeskJournal
from gateway.policies import default_document, save_policy
from gateway.snapshots import Snapshots
from gateway.web.app import create_app
from gateway.web.live import Pulse
from gateway.web.pages import render_part
from tests.gateway.conftest import LIBRARY, START_MS, Station

DUE_AT = START_MS + 14 * 86_400_000
ABOUT = "about 14 Nov 2023 22:38 ± 25 min"


class Decides:
    """The service's decision path, without its threads."""

    def __init__(self, desk, ingest):
        self.desk, self.ingest = desk, ingest

    def decide(self, entry, state):
        fact_id = self.desk.decision(entry, state)
        self.desk.hand_over(self.ingest)
        return fact_id


class Browser:
    """Asks the application without a socket."""

    def __init__(self, app):
        self.app = app

    def get(self, path, **options):
        return asyncio.run(self._ask("GET", path, options))

    def post(self, path, **options):
        return asyncio.run(self._ask("POST", path, options))

    async def _ask(self, method, path, options):
        transport = ASGITransport(self.app)
        async with AsyncClient(
            transport=transport, base_url="http://testserver", follow_redirects=True
        ) as client:
            return await client.request(method, path, **options)


@pytest.fixture
def snapshots(store, tmp_path):
    """The offered files."""
    return Snapshots(store, LIBRARY, tmp_path / "snapshots")


@pytest.fixture
def client(store, ingest, snapshots, tmp_path):
    """A browser."""
    decides = Decides(DeskJournal(store, LIBRARY, tmp_path / "desk.db"), ingest)
    app = create_app(Desk(store, LIBRARY), snapshots, Pulse(), decides)
    return Browser(app)


def write_without_a_clock(station, kind, **fields):
    """Write a fact in a boot that never met the gateway, between two that did."""
    station.ask_time(START_MS)
    station.boot, station.mono = "000000b2", 0
    station.write(kind, **fields)
    station.boot, station.mono = "000000b3", 0
    station.ask_time(START_MS + 2_970_000)


@pytest.fixture
def lent(ingest, books, readers):
    """A book that two kiosks lent to two readers."""
    for name, reader in (("kiosk-1", readers[0]), ("kiosk-2", readers[1])):
        kiosk = Station(name)
        kiosk.write("checkout", item=books["1001"], patron=reader, due_at=DUE_AT, reach=3)
        ingest.take([kiosk.batch()])
    return books["1001"]


def test_an_empty_library_has_a_page(client):
    """The first minute shows what will be here, and never a blank."""
    page = client.get("/")

    assert page.status_code == 200
    assert "The test library" in page.text
    assert "Nothing waits for you" in page.text


def test_the_page_tells_stations_doubts_and_totals_without_javascript(client, lent):
    """The first paint has everything; following it live is an extra."""
    text = client.get("/").text

    assert "kiosk-1" in text
    assert "Momo" in text
    assert wording.rule("uncertain") in text
    assert "Everything that was reported has arrived" in text


def test_an_item_is_found_by_id_and_by_number(client, lent):
    """Staff type what is on the label."""
    found = client.get("/item", params={"number": " 1001 "})
    by_id = client.get(f"/item/{lent}")

    assert found.status_code == by_id.status_code == 200
    assert "Checked out" in found.text


def test_lines_that_may_be_the_last_decide_nothing(client, ingest, books, readers):
    """Of one loan the page says that it decides; of two that nobody can order it does not."""
    kiosks = [Station("kiosk-1"), Station("kiosk-2")]
    said = []
    for kiosk, reader in zip(kiosks, readers, strict=False):
        kiosk.write("checkout", item=books["1001"], patron=reader, due_at=DUE_AT, reach=3)
        ingest.take([kiosk.batch()])
        text = client.get("/item/1001").text
        said.append((text.count(">decides<"), text.count(">perhaps the last<")))

    assert said == [(1, 0), (0, 2)]


def test_times_are_the_library_s_own(client, store, lent):
    """The server keeps UTC; the reader was told a day and an hour by a clock in Auckland."""
    said = {}
    for zone in ("UTC", "Pacific/Auckland"):
        with store.write(LIBRARY) as write:
            save_policy(write, default_document(zone))
        said[zone] = client.get(f"/item/{lent}").text

    assert "due 28 Nov 2023 22:13" in said["UTC"]
    assert "due 29 Nov 2023 11:13" in said["Pacific/Auckland"]
    assert "14 Nov 2023 22:13" not in said["Pacific/Auckland"]


@pytest.mark.parametrize(("path", "count"), [("/item/1001", 2), ("/station/kiosk-3", 1), ("/", 1)])
def test_a_time_that_is_known_roughly_says_how_roughly(client, ingest, lent, path, count):
    """Nobody decides by a minute that nobody knows: among facts, and among an entry's."""
    kiosk = Station("kiosk-3")
    write_without_a_clock(kiosk, "checkin", item=lent)
    ingest.take([kiosk.batch()])

    assert client.get(path).text.count(ABOUT) == count


@pytest.mark.parametrize("path", ["/item/none", "/station/none"])
def test_what_is_not_there_says_what_to_do(client, path):
    """A wrong number is an answer, not an error page of the machine."""
    page = client.get(path)

    assert page.status_code == 404
    assert "To the overview" in page.text


def test_names_from_outside_are_only_text(client, store, ingest):
    """A book called like a script is shown, never run."""
    kiosk = Station("kiosk-1")
    kiosk.write("levitated", note="<script>")
    ingest.take([kiosk.batch()])

    page = client.get("/station/kiosk-1")

    assert "levitated" in page.text
    assert "<script>alert" not in page.text


def test_a_decision_is_taken_on_the_page(client, lent):
    """The page says what happened; where nobody knows it offers no answer first."""
    (entry,) = client.get("/api/review").json()
    said = client.get("/").text
    assert said.count('<option value="" selected>choose how it is</option>') == 1
    assert said.count("<li>Checked out · ") == len(entry["evidence"]) == 2

    page = client.post("/review", data={"entry": entry["key"], "state": "available"})

    assert page.status_code == 200
    assert client.get("/api/review").json() == []
    assert client.get("/api/items/1001").json()["state"] == "available"


def test_a_decision_that_cannot_be_taken_is_refused(client, lent):
    """The answer says why and nothing has changed."""
    answer = client.post("/api/decide", json={"entry": "none:1", "state": "available"})

    assert answer.status_code == 409
    assert "no entry" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 400),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "http://testserver"}, 409),
    ],
)
def test_other_sites_change_nothing_here(client, headers, status):
    """A page from elsewhere cannot talk to the gateway through a librarian's browser."""
    answer = client.post("/api/decide", json={"entry": "x:1", "state": "lost"}, headers=headers)

    assert answer.status_code == status


def test_every_page_forbids_foreign_scripts(client):
    """Nothing is loaded from anywhere else, so it works with the cable pulled."""
    policy = client.get("/").headers["content-security-policy"]

    assert policy.startswith("default-src 'self'")
    assert "unsafe" not in policy


def test_the_api_never_names_a_reader(client, lent, readers):
    """Facts are shown without who it was; only an item's own page says who has it."""
    for path in ("/api/facts?station=kiosk-1", "/api/board", "/api/stations", "/api/review"):
        assert readers[0] not in client.get(path).text
    assert '"patron"' not in client.get("/api/facts?station=kiosk-1").text


def test_the_api_describes_itself(client):
    """Integrators read /openapi.json."""
    paths = client.get("/openapi.json").json()["paths"]

    assert {"/api/stations", "/api/items/{number}", "/api/alarms", "/api/review"} <= set(paths)
    assert all("summary" in path["get"] for path in paths.values() if "get" in path)


def test_a_list_is_downloaded_whole_and_in_ranges(client, snapshots, books):
    """A broken download goes on where it stopped, and the hash tells that it is right."""
    offered = snapshots.build("catalogue")
    whole = client.get(offered.path)
    rest = client.get("/snapshot/catalogue/sqlite-1", headers={"Range": "bytes=100-"})

    assert hashlib.sha256(whole.content).hexdigest() == offered.sha256
    assert rest.status_code == 206
    assert rest.headers["content-range"] == f"bytes 100-{offered.size_bytes - 1}/" + str(
        offered.size_bytes
    )
    assert whole.content[100:] == rest.content
    assert whole.headers["etag"] == f'"{offered.sha256}"'


@pytest.mark.parametrize(
    "path",
    [
        "/snapshot/catalogue/sqlite-1",
        "/snapshot/catalogue/sqlite-9",
        "/snapshot/secrets/json-1/1",
        "/snapshot/may_leave/json-1/7",
    ],
)
def test_a_list_that_is_not_offered_is_named(client, path):
    """A wrong kind, format or version has an answer."""
    answer = client.get(path)

    assert answer.status_code == 404
    assert "no" in answer.json()["detail"]


def test_health_says_whose(client):
    """What watches the gateway learns that it answers, and for which library."""
    assert client.get("/healthz").json() == {"status": "ok", "library": LIBRARY}


def test_each_part_of_the_page_stands_alone(store, lent):
    """The live page replaces a part; each is made from the board and nothing else."""
    board = Desk(store, LIBRARY).board()

    for name in ("totals", "stations", "review", "diary"):
        assert render_part(name, board).strip()


@pytest.mark.parametrize(
    ("silence_ms", "said"),
    [(0, "Everything that was recorded has arrived"), (3_600_000, "may hold more")],
)
def test_a_station_out_of_sight_may_hold_more(store, lent, silence_ms, said):
    """Nobody is told that all has arrived while a kiosk without network goes on lending."""
    table = schema.STATION_TABLE
    with store.write(LIBRARY) as write:
        kiosks = write.update(table).where(table.c.role == "kiosk")
        write.execute(kiosks.values(last_contact_at=write.now_ms - silence_ms))
    board = Desk(store, LIBRARY).board()

    assert said in render_part("totals", board)
    assert ("may hold more" in render_part("stations", board)) == (silence_ms > 0)


def test_large_numbers_are_read_at_a_glance(store, lent):
    """On the morning after a long outage nobody counts digits."""
    table = schema.STATION_TABLE
    with store.write(LIBRARY) as write:
        write.execute(write.update(table, station="kiosk-1").values(seq_last=table.c.hw + 12_345))
    board = Desk(store, LIBRARY).board()

    assert "<b>12,345</b> facts are still on the way" in render_part("totals", board)
    assert "<b>12,345</b> waiting" in render_part("stations", board)


def test_every_event_and_rule_has_words():
    """No code of ours is ever shown bare."""
    told = {"born", "caught_up", "gone", "forked", "parked", "lost", "twin", "alarm", "lineage"}

    assert told <= set(wording.EVENTS)
    for code in wording.EVENTS:
        assert "{" not in wording.event({"code": code, "station": "kiosk-1", "detail": {}})


def test_every_rule_has_a_sentence():
    """Whatever staff are asked to look at, they are told why in words."""
    codes = [rule.value for rule in Rule] + [reason.value for reason in Reason]
    codes += ["item_unknown", "tag_elsewhere", "facts_lost", "reference_left", "unsecured_full"]

    assert [code for code in codes if wording.rule(code) == code.replace("_", " ")] == []


@pytest.mark.parametrize("name", ["wording", "docs", "views", "web.api"])
def test_the_examples_in_docstrings_are_true(name):
    """What a docstring shows is what happens."""
    module = importlib.import_module(f"gateway.{name}")

    assert doctest.testmod(module).failed == 0


def test_topics_of_the_library_are_well_formed():
    """The library's name is safe in a topic; `init` would refuse another."""
    assert Topics(LIBRARY).head() == "lg/1/main/gateway/head"


def test_a_station_with_a_failing_device_is_shown_as_such(client, store):
    """It is connected and red, and the sentence says which plug to look at."""
    contacts = Contacts(store, LIBRARY)
    sentence = "pad: /dev/serial/by-id/usb-3M is not there; check its plug"
    for health, ill in (({"pad": "ok"}, False), ({"pad": sentence}, True)):
        felt = Telemetry(0, None, None, None, 0, health, None)
        contacts.felt("kiosk-1", felt, Rows(0, 0, 0), START_MS)
        contacts.save(START_MS, at_once=True)
        for path in ("/", "/station/kiosk-1"):
            text = client.get(path).text
            assert (" ill" in text, sentence in text, wording.ILL in text) == (ill, ill, ill)
            assert f"pad: {sentence}" not in text
