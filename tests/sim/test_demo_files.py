"""The demo's folder, its configurations, and the library it shows."""

import json

import pytest

from circulation.config import read_config
from firmware.mcu.config import Config
from firmware.pi.config import read_station_config
from gateway.app import read_settings
from hardware.ports import Security
from kiosk.config import read_kiosk_config
from sim import demo_files as files
from sim.bench.serve import BenchPlan, Keeper, read_plan
from sim.clock import VirtualClock
from sim.demo import EXAMPLES, free_ports, ports_from
from sim.demo_files import GATES, KIOSKS, Net, Secrets
from sim.errors import DemoFailed, SimError
from sim.library import UNTAGGED, build_world
from sim.world import World

KEYS = Secrets("00" * 16, "11" * 16)
NET = Net(broker_port=1234, web_port=4321)


def written(folder, text):
    """Return the section read from a configuration that the demo would write."""
    path = folder / "config.toml"
    path.write_text(text)
    return read_config(path)


def test_a_kiosk_reads_what_the_demo_writes(tmp_path):
    """A kiosk's configuration has every option it needs and none it does not know."""
    section = written(tmp_path, files.kiosk_toml(KIOSKS[0], tmp_path, KEYS, NET, 4711))

    config = read_kiosk_config(section)
    section.close()

    assert (config.place.station, config.web_port) == ("kiosk-1", 4711)
    assert (config.broker.port, config.gateway_url) == (1234, "http://127.0.0.1:4321")


def test_a_gate_reads_what_the_demo_writes(tmp_path):
    """A gate's configuration has every option it needs and none it does not know."""
    section = written(tmp_path, files.gate_toml(GATES[0], tmp_path, KEYS, NET))

    config = read_station_config(section)
    section.close()

    assert config.station == "gate-1"
    assert config.endpoint.port == 1234
    assert config.lenders == ("kiosk-1", "kiosk-2")
    assert config.options["boundary"] == 3


def test_the_gateway_reads_what_the_demo_writes(tmp_path):
    """The gateway's configuration is read without a complaint, and shares the stations' keys."""
    settings = read_settings(written(tmp_path, files.gateway_toml(KEYS, NET, 18080)), tmp_path)

    assert settings.library == files.LIBRARY
    assert (settings.broker.port, settings.web_port) == (1234, 18080)
    assert settings.card_key == bytes.fromhex(KEYS.card_key)


def test_keys_are_made_once_and_for_their_owner(tmp_path):
    """A kept demo keeps its keys, and only its owner can read them."""
    first = files.read_secrets(tmp_path)

    assert files.read_secrets(tmp_path) == first
    assert (tmp_path / "secrets.json").stat().st_mode & 0o077 == 0


def test_a_fresh_demo_empties_its_own_folder(tmp_path):
    """Fresh means fresh; kept means kept."""
    folder = tmp_path / "demo"
    assert files.prepare_folder(folder, fresh=True)
    (folder / "world.json").write_text("{}")

    assert not files.prepare_folder(folder, fresh=False)
    assert (folder / "world.json").exists()
    assert files.prepare_folder(folder, fresh=True)
    assert not (folder / "world.json").exists()


def test_a_folder_of_somebody_else_is_never_emptied(tmp_path):
    """A folder with files that no demo made is refused, and untouched."""
    (tmp_path / "thesis.txt").write_text("years of work")

    with pytest.raises(DemoFailed, match="not a folder of the demo"):
        files.prepare_folder(tmp_path, fresh=True)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_ports_that_were_not_chosen_are_free_ones():
    """Port 0 becomes a port of its own; a chosen one stays."""
    options = dict.fromkeys(("gateway_port", "kiosk_1_port", "kiosk_2_port", "bench_port"), 0)

    ports = ports_from({"broker_port": 18830, **options})

    assert ports.broker == 18830
    assert len({0, ports.broker, ports.gateway, *ports.kiosks, ports.bench}) == 6
    assert ports.named()["--kiosk-2-port"] == ports.kiosks[1]


def test_free_ports_differ():
    """Ports asked for together are all different."""
    assert len(set(free_ports(20))) == 20


def test_a_gate_on_a_board_gets_a_configuration_its_firmware_takes():
    """The JSON of the demo's second gate passes every check, and its secrets are not shown."""
    text = files.board_json(GATES[1], KEYS, NET)

    config = Config(json.loads(text))

    assert (config.station, config.broker.port) == ("gate-2", NET.broker_port)
    assert [lane.beams for lane in config.lanes] == [["beam_1", "beam_2"]]
    assert KEYS.site_key not in str(config.shown())


def test_the_demos_library_is_on_the_shelf():
    """Forty books, twelve cards, two kiosks, two gates; some tags the catalogue does not know."""
    world = build_world(VirtualClock(), EXAMPLES)
    books = [thing for thing in world.things.values() if thing.kind == "book"]

    assert (len(books), len(world.things)) == (40, 52)
    assert {book.key for book in books if book.tag is None} == UNTAGGED
    assert all(book.tag.security is Security.IN_STOCK for book in books if book.tag)
    assert (list(world.kiosks), list(world.gates)) == (
        ["kiosk-1", "kiosk-2"],
        ["gate-1", "gate-2"],
    )


def test_every_barcode_of_the_demo_has_its_check_digit():
    """Labels of the demo pass the check that real ones pass."""
    from circulation.barcodes import luhn_digit

    world = build_world(VirtualClock(), EXAMPLES)

    assert [key for key in world.things if key[-1] != luhn_digit(key[:-1])] == []


def test_a_missing_library_is_named(tmp_path):
    """Without the CSV files the error names the file."""
    with pytest.raises(SimError, match=r"items\.csv: cannot be read"):
        build_world(VirtualClock(), tmp_path)


def test_a_library_without_a_column_is_named(tmp_path):
    """A CSV file that lacks a column is refused by name."""
    (tmp_path / "items.csv").write_text("barcode,title\n1,Momo\n")

    with pytest.raises(SimError, match="no column author, owner, uids"):
        build_world(VirtualClock(), tmp_path)


def test_the_benchs_plan_is_read_back(tmp_path):
    """The bench learns from its plan where to listen and what to join."""
    plan = tmp_path / "bench.json"
    plan.write_text(
        '{"library": "lib", "port": 1, "broker_port": 2, "gateway_port": 3,'
        ' "links": {"kiosk-1": "http://127.0.0.1:4/"}, "state": "world.json",'
        ' "wired": ["kiosk-1"]}'
    )

    read = read_plan(plan)

    assert isinstance(read, BenchPlan)
    assert (read.port, read.broker, read.gateway) == (1, ("127.0.0.1", 2), ("127.0.0.1", 3))
    assert read.links == (("kiosk-1", "http://127.0.0.1:4/"),)
    assert read.wired == ("kiosk-1",)


def small_world():
    """Return a world with one book and a kiosk."""
    world = World(VirtualClock())
    world.add_kiosk("kiosk-1")
    world.add_book("1", "Momo")
    return world


def test_the_bench_keeps_its_world(tmp_path):
    """A bench that is stopped and started again has every book where it was."""
    world = small_world()
    keeper = Keeper(world, tmp_path / "world.json")
    keeper.start()
    world.move("1", "kiosk-1/pad")
    keeper.stop()

    again = small_world()
    Keeper(again, tmp_path / "world.json").restore()

    assert again.thing("1").place == "kiosk-1/pad"
    assert [path.name for path in tmp_path.iterdir()] == ["world.json"]


@pytest.mark.parametrize("text", ["", "{", '{"1": 7}', '{"1": {}}', "[]"])
def test_a_broken_world_file_starts_at_home(tmp_path, text):
    """A file that cannot be read is said in the log, and every book starts on the shelf."""
    (tmp_path / "world.json").write_text(text)
    world = small_world()

    Keeper(world, tmp_path / "world.json").restore()

    assert world.thing("1").place == "shelf"
    assert "everything starts at home" in world.log[-1].text
