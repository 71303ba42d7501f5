"""The program itself: configuration, threads, a real broker and a real link."""

import json
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from circulation.config import read_config
from circulation.errors import ConfigInvalid
from gateway.__main__ import main
from gateway.app import Gateway, read_settings
from gateway.broker import SmallBroker
from gateway.catalogue import upsert_items
from tests.gateway.live import TIMEOUT_S, LiveStation
from tests.support.programs import wait_until


def write_config(folder, **changes):
    """Return a configuration file for a gateway on ports of its own."""
    values = {"broker": 18830, "web": 0, "host": "127.0.0.1"} | changes
    path = folder / "gateway.toml"
    path.write_text(
        f"""
library = "main"
name = "Test"
site_key = "{"0" * 32}"
card_key = "{"1" * 32}"
[broker]
port = {values["broker"]}
[web]
host = "{values["host"]}"
port = {values["web"]}
"""
    )
    return path


def settings_of(path):
    """Return the checked settings of a file."""
    return read_settings(read_config(path), path.parent)


def get(gateway, path):
    """Return what the gateway's web server answers."""
    url = f"http://127.0.0.1:{gateway.web_port}{path}"
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
        return json.load(answer)


def test_facts_travel_over_a_real_broker(tmp_path):
    """A kiosk with 120 facts connects; all of them are applied, acknowledged and shown."""
    with (
        SmallBroker() as broker,
        Gateway(settings_of(write_config(tmp_path, broker=broker.port))) as gateway,
    ):
        with gateway.store.write("main") as write:
            upsert_items(write, [{"barcode": "1001"}])
        live = LiveStation("kiosk-1", broker.port)
        for _ in range(120):
            live.station.write("seen", barcode="1001")
        live.link.start()

        live.play(lambda: live.uploader.waiting == 0 and live.heads)

        def shown():
            (view,) = [v for v in get(gateway, "/api/stations") if v["station"] == "kiosk-1"]
            return view["facts"], view["waiting"], view["state"]

        assert get(gateway, "/api/items/1001")["state"] == "available"
        # What is heard of a station is written once a second.
        wait_until("the page tells it", shown, (120, 0, "connected"))
        live.link.stop()


def test_an_open_page_follows_the_gateway(tmp_path):
    """The page gets each of its parts at once, and a part again when it has changed."""
    with (
        SmallBroker() as broker,
        Gateway(settings_of(write_config(tmp_path, broker=broker.port))) as gateway,
    ):
        url = f"http://127.0.0.1:{gateway.web_port}/live"
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as page:
            first = read_until(page, b"event: beat")
            live = LiveStation("kiosk-7", broker.port)
            live.link.start()
            live.play(lambda: live.heads)
            read_until(page, b"kiosk-7")
        live.link.stop()

    assert {b"event: totals\n", b"event: stations\n", b"event: diary\n"} <= set(first)


def read_until(page, wanted):
    """Return the lines of a stream up to one that holds something."""
    lines = [page.readline()]
    while wanted not in lines[-1]:
        lines.append(page.readline())
    return lines


def test_a_decision_on_a_running_gateway_is_applied_before_it_is_answered(tmp_path):
    """Whoever clicks sees the result on the next page."""
    with (
        SmallBroker() as broker,
        Gateway(settings_of(write_config(tmp_path, broker=broker.port))) as gateway,
    ):
        live = LiveStation("kiosk-1", broker.port)
        live.station.write("checkin", barcode="unknown")
        live.link.start()
        live.play(lambda: live.uploader.waiting == 0)
        (entry,) = get(gateway, "/api/review")

        gateway.service.decide(entry["key"], "noted")

        assert get(gateway, "/api/review") == []
        live.link.stop()


def test_the_desk_compares_its_clock_at_the_start(tmp_path):
    """Decisions have their place in time from the first one on."""
    with (
        SmallBroker() as broker,
        Gateway(settings_of(write_config(tmp_path, broker=broker.port))) as gateway,
        urllib.request.urlopen(
            f"http://127.0.0.1:{gateway.web_port}/live", timeout=TIMEOUT_S
        ) as page,
    ):
        while not (facts := get(gateway, "/api/facts?station=desk")):
            page.readline()  # the page says something whenever facts have come

    assert [fact["kind"] for fact in facts] == ["clock"]


def test_a_gateway_without_a_broker_serves_its_pages(tmp_path):
    """The network may be down; what was known is shown all the same."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with Gateway(settings_of(write_config(tmp_path, broker=port))) as gateway:
            assert get(gateway, "/healthz")["status"] == "ok"


def test_a_port_in_use_is_a_clear_message(tmp_path):
    """The message names the address and where to change it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        gateway = Gateway(settings_of(write_config(tmp_path, web=taken.getsockname()[1])))
        with pytest.raises(ConfigInvalid, match=r"\[web\]"):
            gateway.start()
        gateway.store.close()


def test_an_address_others_could_reach_is_refused(tmp_path):
    """There is no login yet, so the pages stay on this machine."""
    with pytest.raises(ConfigInvalid, match=r"127\.0\.0\.1"):
        settings_of(write_config(tmp_path, host="0.0.0.0"))


def test_a_typing_mistake_in_the_file_is_named(tmp_path):
    """An option nobody reads never silently becomes a default."""
    path = write_config(tmp_path)
    path.write_text("libary = 'x'\n" + path.read_text())

    with pytest.raises(ConfigInvalid, match="libary"):
        settings_of(path)


def test_init_writes_a_file_that_runs(tmp_path):
    """The first command leaves a configuration only its owner can read, and ready tables."""
    path = tmp_path / "new" / "gateway.toml"

    first = CliRunner().invoke(main, ["init", "-c", str(path)])
    again = CliRunner().invoke(main, ["init", "-c", str(path)])

    assert (first.exit_code, again.exit_code) == (0, 0), first.output
    assert path.stat().st_mode & 0o077 == 0
    assert (path.parent / "gateway.db").exists()
    assert "wrote" not in again.output
    assert "stands in examples" not in first.output


def init(path, *wished):
    """Say `init` for a configuration; return exit code and words."""
    result = CliRunner().invoke(main, ["init", "-c", str(path), *map(str, wished)])
    return result.exit_code, result.output


def test_init_makes_the_tables_where_one_wishes_and_nowhere_else(tmp_path):
    """What is hard to change later is said before it is made, quotes in a name and all."""
    path, place = tmp_path / "etc" / "gateway.toml", tmp_path / 'the "new" disk' / "tables.db"

    code, said = init(path, "--library", "school", "--database", place, "--zone", "Asia/Tokyo")
    settings = settings_of(path)
    assert (code, place.exists()) == (0, True), said
    assert (settings.library, settings.zone, settings.database) == ("school", "Asia/Tokyo", place)
    assert [file.name for file in path.parent.iterdir()] == ["gateway.toml"]


def test_init_can_write_the_file_alone(tmp_path):
    """Whoever wants to look through it first has no tables of the wrong library afterwards."""
    path = tmp_path / "gateway.toml"

    code, said = init(path, "--only-write", "--postgresql", "postgresql://lendgate@db/lendgate")
    assert code == 0
    assert f"no tables yet: lendgate-gateway init --config {path} makes them" in said
    assert [file.name for file in tmp_path.iterdir()] == ["gateway.toml"]
    assert settings_of(path).postgresql == "postgresql://lendgate@db/lendgate"


def test_init_changes_no_configuration_that_is_there(tmp_path):
    """It would be a surprise, and passing the wish over another one."""
    path = write_config(tmp_path)
    before = path.read_bytes()

    code, said = init(path, "--library", "school", "--database", "elsewhere.db")
    assert code == 1
    assert "is there already: change library, database in it, or name another file" in said
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["gateway.toml"]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--library", "My Library"),
        ("--postgresql", "db.example:5432"),
        ("--zone", "Nowhere/Land"),
    ],
)
def test_init_writes_no_configuration_that_it_could_not_read(tmp_path, option, value):
    """A wish that cannot be is refused by name, and nothing is left behind."""
    code, said = init(tmp_path / "new" / "gateway.toml", option, value)

    assert code == 1
    assert value in said
    assert list(tmp_path.iterdir()) == []


def test_init_names_keys_that_stand_in_a_manual(tmp_path):
    """Whoever pasted a configuration is told before any station has its keys."""
    path = write_config(tmp_path)

    result = CliRunner().invoke(main, ["init", "-c", str(path)])
    assert result.exit_code == 0
    for option in ("site_key", "card_key"):
        assert f"  ! {path}: {option}: this key stands in examples" in result.output
    assert result.output.count("openssl rand -hex 16; then give every station") == 2


def test_init_refuses_a_name_that_no_topic_could_hold(tmp_path):
    """A library's name goes into every topic."""
    path = write_config(tmp_path)
    path.write_text(path.read_text().replace('"main"', '"Main Library"'))

    result = CliRunner().invoke(main, ["init", "-c", str(path)])

    assert result.exit_code == 1
    assert "Main Library" in result.output


def test_status_says_what_waits(tmp_path):
    """A script can ask whether staff have something to do."""
    path = write_config(tmp_path)
    CliRunner().invoke(main, ["init", "-c", str(path)])

    result = CliRunner().invoke(main, ["status", "-c", str(path)])

    assert result.exit_code == 0
    assert "0 recorded, 0 applied, 0 waiting" in result.output


def test_a_restored_backup_takes_a_new_lineage(tmp_path):
    """Stations then send again what the backup lacks."""
    path = write_config(tmp_path)
    CliRunner().invoke(main, ["init", "-c", str(path)])

    result = CliRunner().invoke(main, ["restored", "-c", str(path)])

    assert "new lineage" in result.output


def test_the_command_stops_cleanly(tmp_path):
    """SIGTERM ends the gateway within seconds, and says so."""
    path = write_config(tmp_path)
    command = [sys.executable, "-m", "gateway", "run", "-c", str(path)]
    folder = Path(__file__).parent.parent.parent
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        killer = threading.Timer(TIMEOUT_S, process.kill)
        killer.start()
        assert "starting" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        output = process.stdout.read()
        killer.cancel()

    assert process.returncode == 0
    assert "stopped" in output
