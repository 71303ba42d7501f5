"""A kiosk of the bench that ends in cables: its configuration, its chip, its bus in words."""

import tomllib

import pytest

from hardware.readers.rc522 import Rc522Reader
from sim.bench.look import look_at_station
from sim.bus import BusLog, FrameTeller
from sim.clock import SystemClock, VirtualClock
from sim.demo_files import device_toml
from sim.remote import BenchLink
from sim.remote_server import DeviceServer
from sim.serial.device import Frame
from sim.wires import RemoteChip
from sim.world import World

KIOSK = "kiosk-2"
LENA = "2000001"
CABLES = {
    "kiosk-2/pad": "socket://127.0.0.1:1",
    "kiosk-2/scanner": "socket://127.0.0.1:2",
    "kiosk-2/printer": "socket://127.0.0.1:3",
}


@pytest.fixture
def world():
    world = World(SystemClock())
    world.add_wired_kiosk(KIOSK, "Stairs kiosk")
    world.add_card(LENA, "Lena", uid="04112233445566")
    return world


@pytest.fixture
def link(world):
    """The way from a station to the bench."""
    server = DeviceServer(world.devices, world.clock)
    link = BenchLink("127.0.0.1", server.port, clock=world.clock)
    yield link
    link.close()
    server.stop()


def test_the_configuration_names_drivers_and_ports():
    """A wired kiosk is configured like a real one: drivers by name, ports, pins."""
    devices = tomllib.loads(device_toml(KIOSK, CABLES))["devices"]

    assert {name: device["driver"] for name, device in devices.items()} == {
        "pad": "pad_3m",
        "cards": "rc522",
        "scanner": "serial",
        "printer": "escpos",
        "sound_ok": "gpio",
        "sound_problem": "gpio",
    }
    assert devices["pad"]["port"] == "socket://127.0.0.1:1"
    assert (devices["sound_ok"]["gpio"], devices["sound_problem"]["gpio"]) == (17, 27)


def test_our_driver_reads_a_chip_at_the_bench(world, link):
    """SPI over a socket is SPI: the driver finds the card that a hand has laid down."""
    world.move(LENA, f"{KIOSK}/card")
    reader = Rc522Reader(RemoteChip(link, f"{KIOSK}/card"), world.clock, name="cards")

    assert reader.inventory().uids == ("04112233445566",)
    lines = {one["name"]: one["lines"] for one in look_at_station(world, KIOSK)["devices"]}
    assert any(line["text"].startswith("air: ") for line in lines["kiosk-2/card"])
    assert any("Transceive" in line["text"] for line in lines["kiosk-2/card"])


def test_a_chip_whose_bench_is_away_reads_as_an_open_wire():
    """Nothing answers, nothing is raised on the bus: the driver must notice by itself."""
    link = BenchLink("127.0.0.1", 1, clock=VirtualClock())
    chip = RemoteChip(link, "kiosk-2/card")

    assert chip.transfer(b"\xee\x00") == b"\x00\x00"
    chip.reset_pin(False)
    assert chip.irq_level


def frame(text, *, to_host, at_ms=0):
    return Frame(at_ms, to_host, text.encode(), text)


def test_a_question_and_its_answer_are_one_line():
    """Frames are paired, an unanswered one is told as such, and what nobody asked stands alone."""
    log = BusLog()
    tell = FrameTeller(log)
    for one in (
        frame("ask", to_host=False),
        frame("yes", to_host=True, at_ms=5),
        frame("ask", to_host=False),
        frame("ask", to_host=False, at_ms=9),
        frame("yes", to_host=True, at_ms=10),
        frame("label", to_host=True, at_ms=11),
    ):
        tell(one)

    assert [(line.at_ms, line.text) for line in log.lines] == [
        (5, "ask [61 73 6b] → yes [79 65 73]"),
        (9, "ask [61 73 6b] → no answer"),
        (10, "ask [61 73 6b] → yes [79 65 73]"),
        (11, "label [6c 61 62 65 6c]"),
    ]
