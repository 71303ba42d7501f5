"""The bench: every move of a hand is a request, and every refusal says why."""

import asyncio
import json

import httpx
import pytest

from hardware.ports import Security
from sim.bench.app import WATCHERS_MAX, Bench, make_app, watch
from sim.bench.plugs import Plugs
from sim.clock import VirtualClock
from sim.world import World

MOMO = "30000000001"
KRABAT = "30000000002"
LENA = "2000001"


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def world(clock):
    world = World(clock)
    world.add_kiosk("kiosk-1", "Door kiosk")
    world.add_gate("gate-1", "Main exit")
    world.add_book(MOMO, "Momo", author="Michael Ende")
    world.add_book(KRABAT, "Krabat", uid="")
    world.add_card(LENA, "Lena")
    return world


@pytest.fixture
def plugs():
    plugs = Plugs(broker=("127.0.0.1", 9), gateway=("127.0.0.1", 9), stations={"kiosk-1": "Door"})
    yield plugs
    plugs.close()


@pytest.fixture
def bench(world, plugs):
    return Bench(world, plugs, {"kiosk-1": "http://127.0.0.1:18081/"})


class Web:
    """A browser without a network: requests go straight into the application."""

    def __init__(self, bench, host="127.0.0.1"):
        self._app = make_app(bench)
        self._host = host

    def get(self, path):
        """Return the answer to a GET."""
        return self._send("GET", path)

    def post(self, path, **content):
        """Return the answer to a POST."""
        return self._send("POST", path, **content)

    def _send(self, method, path, **content):
        async def send():
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(
                transport=transport, base_url=f"http://{self._host}"
            ) as client:
                return await client.request(method, path, **content)

        return asyncio.run(send())


@pytest.fixture
def web(bench):
    return Web(bench)


def do(web, action, **body):
    """Post a move and return the answer's status and what it says was wrong."""
    answer = web.post(f"/api/{action}", json=body)
    return answer.status_code, answer.json().get("error", "")


def seen(web):
    """Return the state as the page gets it."""
    return web.get("/api/state").json()


def test_the_page_and_its_assets_are_local(web):
    """The page draws with the cable pulled: nothing on it comes from elsewhere."""
    page = web.get("/")

    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for asset in ("bench.css", "bench.js", "icon.svg"):
        assert f"/assets/{asset}" in page.text
        text = web.get(f"/assets/{asset}").text.replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text
        assert "https://" not in text


def test_a_book_is_moved(web, world):
    """Moving books moves their tags, and the state shows both."""
    assert do(web, "move", keys=[MOMO, KRABAT], place="kiosk-1/pad") == (200, "")

    books = {book["title"]: book for book in seen(web)["books"]}
    assert books["Momo"]["place"] == books["Krabat"]["place"] == "kiosk-1/pad"
    assert len(world.kiosks["kiosk-1"].pad.inventory().tags) == 1


def test_the_state_shows_what_the_tag_says(web, world):
    """In stock, on loan, or no tag at all: with the AFI a gate reads."""
    world.move(MOMO, "kiosk-1/pad")
    world.kiosks["kiosk-1"].pad.set_security(world.thing(MOMO).tag.uid, Security.ON_LOAN)

    momo, krabat = seen(web)["books"]

    assert (momo["tag"], momo["afi"]) == ("on_loan", "C2")
    assert (krabat["tag"], krabat["afi"]) == ("untagged", None)


def test_a_code_is_scanned(web, world):
    """A label under the scanner arrives at the kiosk, also a label of no book."""
    do(web, "scan", kiosk="kiosk-1", code=MOMO)
    do(web, "scan", kiosk="kiosk-1", code="hello")

    assert world.kiosks["kiosk-1"].scanner.poll() == [MOMO, "hello"]


def test_a_walk_is_seen_while_it_lasts(web, clock):
    """During a walk the page sees the direction and what is carried; then things are outside."""
    do(web, "walk", gate="gate-1", lane="lane-1", direction="out", keys=[MOMO])
    lane = seen(web)["gates"][0]["lanes"][0]
    assert (lane["walking"], lane["carried"]) == ("out", [MOMO])

    clock.advance(1_000)

    assert seen(web)["books"][0]["place"] == "outside"
    assert seen(web)["gates"][0]["lanes"][0]["walking"] is None


def test_the_guard_and_the_lamps_are_seen(web, world, clock):
    """The button, siren and lamps on the page are those of the gate."""
    gate = world.gates["gate-1"]
    gate.siren.on()
    gate.lamp_amber.on()
    do(web, "press", gate="gate-1")

    shown = seen(web)["gates"][0]

    assert (shown["siren"], shown["lamp_amber"], shown["lamp_red"]) == (True, True, False)
    assert shown["button"]
    clock.advance(30_000)
    assert not seen(web)["gates"][0]["siren"]


def test_a_plug_is_pulled_and_put_back(web, plugs):
    """The state of a plug is on the page, and in the log."""
    do(web, "plug", plug="kiosk-1", state="cut")
    assert [plug["state"] for plug in seen(web)["plugs"]] == ["up", "cut"]

    do(web, "plug", plug="kiosk-1", state="stalled")
    do(web, "plug", plug="kiosk-1", state="up")
    do(web, "plug", plug="gateway", state="cut")

    assert [plug["state"] for plug in seen(web)["plugs"]] == ["cut", "up"]
    assert [line["text"] for line in seen(web)["log"]] == [
        "network unplugged",
        "network stalled: nothing passes",
        "network plugged in",
        "gateway's network unplugged",
    ]


def test_a_device_fails_and_is_mended(web, world):
    """Faults are set from the page as from a test."""
    do(web, "fault", device="kiosk-1/pad", fault="off")
    assert seen(web)["kiosks"][0]["faults"] == {"pad": "off"}
    assert not world.kiosks["kiosk-1"].pad.health().ok

    do(web, "fault", device="kiosk-1/pad", fault=None)

    assert world.kiosks["kiosk-1"].pad.health().ok


def test_tidying_up_puts_everything_home_and_leaves_tags(web, world):
    """Tidying moves things and changes no tag: a lent book on the shelf stays lent."""
    world.move(MOMO, "kiosk-1/pad")
    world.kiosks["kiosk-1"].pad.set_security(world.thing(MOMO).tag.uid, Security.ON_LOAN)
    world.move(LENA, "hand")
    do(web, "home")

    state = seen(web)
    assert [book["place"] for book in state["books"]] == ["shelf", "shelf"]
    assert state["cards"][0]["place"] == "cards"
    assert state["books"][0]["tag"] == "on_loan"


def test_a_slip_is_shown(web, world):
    """The last slip of a kiosk's printer lies on the bench."""
    world.kiosks["kiosk-1"].printer.print_lines(["Momo", "back by 3 Oct"])

    assert seen(web)["kiosks"][0]["slip"] == ["Momo", "back by 3 Oct"]


@pytest.mark.parametrize(
    ("action", "body", "says"),
    [
        ("move", {"keys": [MOMO]}, "place: must be a text"),
        ("move", {"keys": MOMO, "place": "hand"}, "keys: must be a list"),
        ("move", {"keys": [1], "place": "hand"}, "keys: must be a list"),
        ("move", {"keys": ["x"] * 101, "place": "hand"}, "at most 100"),
        ("move", {"keys": ["nothing"], "place": "hand"}, "no book and no card"),
        ("move", {"keys": [MOMO], "place": "attic"}, "no such place"),
        ("scan", {"kiosk": "kiosk-9", "code": MOMO}, "no such kiosk"),
        ("walk", {"gate": "gate-1", "lane": "lane-1", "direction": "up"}, "one walks"),
        ("press", {"gate": 7}, "gate: must be a text"),
        ("plug", {"plug": "fridge", "state": "cut"}, "no such plug; there are gateway, kiosk-1"),
        ("plug", {"plug": "kiosk-1", "state": "on fire"}, "up, slow, stalled, cut"),
        ("fault", {"device": "gate-1/cat", "fault": "off"}, "no device here that can fail"),
        ("fault", {"device": "kiosk-1/pad", "fault": "on_fire"}, "unknown fault 'on_fire'"),
    ],
)
def test_a_wrong_request_is_named_and_changes_nothing(web, world, action, body, says):
    """What cannot be done is a 400 that says why, and nothing moved."""
    before = world.to_doc()
    status, error = do(web, action, **body)

    assert status == 400
    assert says in error
    assert world.to_doc() == before


@pytest.mark.parametrize(
    ("content", "content_type", "says"),
    [
        (b"{}", "text/plain", "application/json"),
        (b"{}", "application/x-www-form-urlencoded", "application/json"),
        (b"{", "application/json", "not JSON"),
        (b"[]", "application/json", "an object"),
        (b"x" * 20_000, "application/json", "longer than"),
    ],
)
def test_only_small_json_objects_are_taken(web, content, content_type, says):
    """A form from another page, broken JSON or a huge body is refused by name."""
    answer = web.post("/api/home", content=content, headers={"content-type": content_type})

    assert answer.status_code == 400
    assert says in answer.json()["error"]


def test_another_name_for_this_machine_is_refused(bench):
    """A page of the Internet that points its own name here cannot read the bench."""
    assert Web(bench, "evil.example").get("/api/state").status_code == 400


def test_a_bench_without_network_says_so(world):
    """A bench started alone has no plugs, and says how to get them."""
    web = Web(Bench(world))

    assert seen(web)["plugs"] == []
    status, error = do(web, "plug", plug="kiosk-1", state="cut")
    assert status == 400
    assert "start it with the demo" in error


def test_too_many_watchers_are_refused(bench, web):
    """Pages that watch have a limit; the next one is told so."""
    bench.watchers = WATCHERS_MAX

    answer = web.get("/events")

    assert answer.status_code == 503
    assert "close one" in answer.json()["error"]


def test_changes_are_streamed(bench, world):
    """A page that listens hears the state at once, then each change, and nothing between."""

    async def listen():
        stream = watch(bench)
        first = await anext(stream)
        world.move(MOMO, "hand")
        second = await anext(stream)
        bench.closing = True
        rest = [event async for event in stream]
        return first, second, rest

    first, second, rest = asyncio.run(listen())

    assert first.startswith("event: state\ndata: ")
    assert json.loads(second.partition("data: ")[2])["books"][0]["place"] == "hand"
    assert rest == []
    assert bench.watchers == 0
