"""Looking inside at the bench: memory, exchanges and pins, as the page asks for them."""

import asyncio

import httpx
import pytest

from hardware.errors import DeviceGarbled
from hardware.ports import Security
from sim.bench.app import Bench, make_app
from sim.bus import LINES_MAX, TEXT_MAX, BusLog, exchange_text
from sim.clock import VirtualClock
from sim.remote import BenchLink, RemoteReader, RemoteScanner
from sim.remote_server import DeviceServer
from sim.world import World

MOMO, KRABAT, LENA = "30000000001", "30000000002", "2000001"


@pytest.fixture
def clock():
    return VirtualClock(1_000)


@pytest.fixture
def world(clock):
    world = World(clock)
    world.add_kiosk("kiosk-1", "Door kiosk")
    world.add_gate("gate-1", "Main exit")
    world.add_book(MOMO, "Momo", uid="e004010000000001", owner="DE-715")
    world.add_book(KRABAT, "Krabat", uid="")
    world.add_card(LENA, "Lena", uid="04112233445566")
    return world


@pytest.fixture
def look(world):
    """Ask the bench what is inside; returns status and answer."""
    app = make_app(Bench(world))

    def ask(query):
        async def send():
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as web:
                return await web.get(f"/api/look?{query}")

        answer = asyncio.run(send())
        return answer.status_code, answer.json()

    return ask


def test_a_tags_memory_is_shown_block_by_block(look):
    """Every block with its bytes, its text, and what the standard keeps there."""
    _, seen = look(f"thing={MOMO}")

    tag = seen["tag"]
    assert (tag["uid"], tag["afi"], tag["security"]) == ("e004010000000001", "07", "in_stock")
    assert tag["content"]["item id"] == MOMO
    assert tag["content"]["owner"] == "DE715"
    assert tag["blocks"][0] == {
        "n": 0,
        "hex": "11 01 01 33",
        "text": "···3",
        "says": "version and usage, parts in the item, which part, item id",
        "locked": False,
    }
    assert tag["blocks"][5]["says"] == "checksum, owner"
    assert tag["blocks"][9]["says"] == ""


def test_a_torn_tag_says_what_is_wrong_with_it(world, look):
    """A half-written block is named as such, and no field is claimed for its bytes."""
    tag = world.thing(MOMO).tag
    tag.memory[4] ^= 0x01
    tag.locked_blocks.add(1)
    _, seen = look(f"thing={MOMO}")

    assert "checksum" in seen["tag"]["problem"]
    assert seen["tag"]["content"] is None
    assert [block["says"] for block in seen["tag"]["blocks"][:6]] == [""] * 6
    assert seen["tag"]["blocks"][1]["locked"]


def test_a_sticker_shows_where_its_security_byte_is(world, look):
    """Tags without an AFI register keep it in memory, and the page says where."""
    world.thing(LENA).tag.set_security(Security.ON_LOAN)
    _, seen = look(f"thing={LENA}")

    assert (seen["tag"]["afi"], seen["tag"]["security"]) == (None, "on_loan")
    assert seen["tag"]["blocks"][9]["says"] == "security"
    assert seen["tag"]["blocks"][9]["hex"].startswith("c2")


def test_a_book_without_a_tag_has_nothing_inside(look):
    """A label alone is no memory."""
    assert look(f"thing={KRABAT}") == (
        200,
        {"key": KRABAT, "title": "Krabat", "place": "shelf", "tag": None},
    )


@pytest.mark.parametrize("query", ["thing=9", "station=kiosk-9", "", "thing="])
def test_what_is_not_there_is_named(look, query):
    """A wrong name is refused in words."""
    status, answer = look(query)

    assert status == 400
    assert answer["error"]


def test_pins_show_what_they_did_and_when(world, clock, look):
    """Every change with its age, inputs and outputs alike, and the level now."""
    gate = world.gates["gate-1"]
    gate.siren.on()
    clock.advance(400)
    gate.siren.off()
    world.press("gate-1")
    clock.advance(100)
    _, seen = look("station=gate-1")

    devices = {device["name"]: device for device in seen["devices"]}
    assert devices["gate-1/siren"]["changes"] == [[500, True], [100, False]]
    assert devices["gate-1/siren"]["level"] is False
    assert devices["gate-1/button"]["changes"] == [[100, True]]
    assert devices["gate-1/button"]["level"] is True
    assert devices["gate-1/siren"]["kind"] == "output"


def test_what_a_station_asked_is_listed_with_counts(world, clock, look):
    """The same answer in a row is one line; errors are lines, too; health is no news."""
    server = DeviceServer(world.devices, clock, buses=world.buses)
    link = BenchLink("127.0.0.1", server.port, clock=clock)
    pad, scanner = RemoteReader(link, "kiosk-1/pad"), RemoteScanner(link, "kiosk-1/scanner")
    try:
        pad.inventory()
        pad.inventory()
        pad.health()
        world.move(MOMO, "kiosk-1/pad")
        pad.inventory()
        pad.set_security("e004010000000001", Security.ON_LOAN)
        world.devices["kiosk-1/pad"].fail("garbage")
        with pytest.raises(DeviceGarbled):
            pad.inventory()
        scanner.poll()
    finally:
        link.close()
        server.stop()
    _, seen = look("station=kiosk-1")

    lines = {
        device["name"]: [(line["text"], line["count"]) for line in device["lines"]]
        for device in seen["devices"]
    }
    assert lines["kiosk-1/pad"] == [
        ("inventory → empty", 2),
        ("inventory → e004010000000001", 1),
        ("set security e004010000000001 on_loan → done", 1),
        ("inventory → kiosk-1/pad: the answer's checksum is wrong", 1),
    ]
    assert lines["kiosk-1/scanner"] == [("poll → nothing", 1)]


def test_a_bus_log_has_limits():
    """A chatty device fills neither the memory nor the page."""
    log = BusLog()
    for number in range(LINES_MAX + 50):
        log.add(number, f"{number} " + "x" * 1_000)

    assert len(log.lines) == LINES_MAX
    assert log.lines[-1].at_ms == LINES_MAX + 49
    assert all(len(line.text) == TEXT_MAX for line in log.lines)


@pytest.mark.parametrize(
    ("call", "args", "result", "text"),
    [
        ("health", [], [True, ""], None),
        ("read", [], False, None),
        ("read", ["e0", 0, 2], "0011", "read e0 0 2 → 0011"),
        ("read_content", ["e0"], None, "read content e0 → no library data"),
        ("inventory", [], {"tags": [], "complete": False},
         "inventory → empty and something that cannot be told apart"),
        ("print_lines", [["a"]], None, "print lines ['a'] → done"),
    ],
)  # fmt: skip
def test_exchanges_are_put_into_words(call, args, result, text):
    """Calls that carry tags, codes and slips are told; levels and health are not."""
    assert exchange_text(call, args, result) == text


def test_what_fails_is_told_with_the_state(world):
    """A fault and a pulled cable are in what the page draws, by the place where they are."""
    world.kiosks["kiosk-1"].pad.fail("off")
    world.kiosks["kiosk-1"].printer.fail("paper_out")
    world.add_wired_kiosk("kiosk-2").pad.unplug()
    world.gates["gate-1"].lanes["lane-1"].antenna.fail("slow")
    seen = Bench(world).view()

    assert [kiosk["faults"] for kiosk in seen["kiosks"]] == [
        {"pad": "off", "printer": "paper_out"},
        {"pad": "unplugged"},
    ]
    assert seen["gates"][0]["lanes"][0]["fault"] == "slow"
