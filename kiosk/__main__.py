"""`lendgate-kiosk`: run a kiosk, look at a running one, try a configuration or a barcode."""

from __future__ import annotations

import http.client
import json
import logging
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import click

from circulation.config import Section, parse_config, read_config
from circulation.errors import CirculationError, ConfigInvalid
from circulation.journal import open_reader
from circulation.journal_file import Head
from circulation.policy import Policy, PolicyInvalid
from circulation.station_commands import (
    FILE,
    Exportable,
    export_command,
    tell_checked,
    template_command,
)
from hardware.check import Item
from hardware.check_command import check_command
from hardware.check_terminal import PATIENCE
from hardware.clock import SystemClock
from hardware.ports import Clock
from kiosk.app import run as run_kiosk
from kiosk.config import TEMPLATE, KioskConfig, read_kiosk_config
from kiosk.devices import read_devices
from kiosk.errors import KioskError
from kiosk.lists import BUILT_IN_POLICY
from kiosk.readiness import open_points
from kiosk.tagging import write_tag_command

ANSWER_S = 5
_log = logging.getLogger("kiosk")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """The desk where readers borrow and return, with or without a network."""


@main.command()
@FILE
@click.option("--verbose", is_flag=True, help="Say more about what happens.")
def run(file: Path, verbose: bool) -> None:
    """Run the kiosk until it is told to stop (Ctrl-C, SIGTERM)."""
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    clock = SystemClock()
    try:
        section = read_config(file)
        devices = read_devices(section.section("devices"), clock)
        for point in open_points(read_kiosk_config(section), parse_config(file)["devices"]):
            _log.warning("%s: %s", file, point)
        run_kiosk(section, devices, clock=clock, stop=stop, ready=_say_where)
    except (CirculationError, KioskError, OSError) as error:
        raise click.ClickException(str(error)) from error


@main.command()
@FILE
def check(file: Path) -> None:
    """Read the configuration and say what is wrong with it; start nothing.

    Exits with 1 for what cannot be read, and for what nobody should use: two devices on one pin
    or port, keys that stand in examples, no reader of items.
    """
    config = _read(file)
    place = config.place
    told = f"{place.station} at {place.site}, library {place.library}"
    tell_checked(file, told, open_points(config, parse_config(file)["devices"]))


@main.command()
@FILE
def status(file: Path) -> None:
    """Show how the running kiosk is; exits with 1 if it is not running or not well."""
    config = _read(file)
    view = _ask(config)
    link = "online" if view["online"] else "offline"
    click.echo(
        f"{config.place.station}: {link}, {view['waiting']} facts waiting, "
        f"clock {view['clock']}, screen {view['state']}"
    )
    for kind, version in view["versions"].items():
        click.echo(f"  list {kind}: version {version}")
    troubles = [
        text if text.startswith(f"{name}: ") else f"{name}: {text}"
        for name, text in view["devices"].items()
        if text != "ok"
    ]
    for trouble in troubles:
        click.echo(f"  ! {trouble}")
    sys.exit(1 if troubles or view["state"] == "stopped" else 0)


@main.command("test-barcode")
@click.argument("value")
@click.option(
    "--config",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The kiosk whose library's patterns are tried; without it, none are.",
)
def test_barcode(value: str, file: Path | None) -> None:
    """Say what the kiosk would make of a barcode: a card, an item, or why neither."""
    policy, site = Policy.from_doc(BUILT_IN_POLICY), ""
    if file is not None:
        config = _read(file)
        policy, site = _kept_policy(config), config.place.site
    for line in policy.barcodes(site).explain(value):
        click.echo(line)


def _devices(file: Path, clock: Clock) -> list[Item]:
    """Open the devices of a configuration, and read nothing else of it."""
    try:
        described = parse_config(file).get("devices", {})
        section = read_config(file).section("devices")
        devices = read_devices(section, clock, patience=PATIENCE)
        section.close()
    except ConfigInvalid as error:
        raise click.ClickException(str(error)) from error
    return devices.items(described)


def _journal(file: Path) -> Exportable:
    config, clock = _read(file), SystemClock()
    place = config.place
    head = Head(
        place.library, place.station, "kiosk", place.site, place.name,
        clock.wall_ms(), clock.wall_is_sure(),
    )  # fmt: skip
    return Exportable(config.store, head, config.site_key)


for _command in (
    check_command("/etc/lendgate/kiosk.toml", _devices),
    export_command("kiosk", _journal),
    template_command("kiosk", TEMPLATE),
    write_tag_command,
):
    main.add_command(_command)


def _say_where(address: str) -> None:
    click.echo(f"the screen is at {address}", err=True)


def _read(file: Path) -> KioskConfig:
    """Read everything but the options of a factory, which belong to whoever wrote it."""
    try:
        values = parse_config(file)
        devices = values.get("devices")
        if not isinstance(devices, dict):
            raise ConfigInvalid(f"{file}: section [devices] is missing")
        if "factory" in devices:
            values = {name: value for name, value in values.items() if name != "devices"}
        section = Section(values, file=str(file))
        if "factory" not in devices:
            read_devices(section.section("devices"), SystemClock())
        config = read_kiosk_config(section)
        section.close()
        config.connector()
    except ConfigInvalid as error:
        raise click.ClickException(str(error)) from error
    return config


def _ask(config: KioskConfig) -> dict[str, Any]:
    connection = http.client.HTTPConnection(config.web_host, config.web_port, timeout=ANSWER_S)
    try:
        connection.request("GET", "/api/state")
        view: dict[str, Any] = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise click.ClickException(f"{config.place.station} is not running: {error}") from error
    finally:
        connection.close()
    return view


def _kept_policy(config: KioskConfig) -> Policy:
    """The policy the kiosk decided by last, read without disturbing a running one."""
    if not config.store.exists():
        raise click.ClickException(f"{config.store}: this kiosk has not run yet")
    reader = open_reader(config.store)
    try:
        row = reader.execute("SELECT value FROM memo WHERE key='policy'").fetchone()
        return Policy.from_doc(json.loads(row[0]) if row else BUILT_IN_POLICY)
    except PolicyInvalid as error:
        raise click.ClickException(f"{config.store}: {error}") from error
    finally:
        reader.close()


if __name__ == "__main__":
    main()
