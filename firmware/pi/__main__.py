"""`lendgate-gate`: run a gate, look at a running one, try a configuration."""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
from pathlib import Path

import click

from circulation.config import parse_config, read_config
from circulation.errors import ConfigInvalid
from circulation.journal_file import Head
from circulation.patrons import card_key
from circulation.station_commands import (
    FILE,
    Exportable,
    export_command,
    tell_checked,
    template_command,
)
from firmware.pi.app import run as run_gate
from firmware.pi.config import TEMPLATE, StationConfig, read_station_config
from firmware.pi.device_commands import COMMANDS
from firmware.pi.devices import read_devices
from firmware.pi.errors import DevicesUnavailable
from firmware.pi.readiness import open_points
from hardware.check import Item
from hardware.check_command import check_command
from hardware.check_terminal import PATIENCE
from hardware.clock import SystemClock
from hardware.ports import Clock

STALE_S = 10
_log = logging.getLogger("gate")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """The security gate at a library's exit."""


@main.command()
@FILE
@click.option("--verbose", is_flag=True, help="Say more about what happens.")
def run(file: Path, verbose: bool) -> None:
    """Run the gate until it is told to stop (Ctrl-C, SIGTERM)."""
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
        for point in open_points(read_station_config(section), parse_config(file)["devices"]):
            _log.warning("%s: %s", file, point)
        run_gate(section, devices, clock=clock, stop=stop)
    except (ConfigInvalid, DevicesUnavailable) as error:
        raise click.ClickException(str(error)) from error


@main.command()
@FILE
def check(file: Path) -> None:
    """Read the configuration and say what is wrong with it; start nothing.

    Exits with 1 for what cannot be read, and for what nobody should rely on: two devices on one
    pin or port, keys that stand in examples.
    """
    config = _read(file)
    told = f"{config.station} at {config.site}, library {config.library}"
    tell_checked(file, told, open_points(config, parse_config(file)["devices"]))


@main.command()
@FILE
def status(file: Path) -> None:
    """Show how the running gate is; exits with 1 if it is not running or not well."""
    config = _read(file)
    try:
        shown = json.loads(config.face.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise click.ClickException(f"{config.station} is not running: {error}") from error
    age_s = (SystemClock().wall_ms() - int(shown["at"])) // 1000
    health = dict(shown["health"])
    if age_s > STALE_S:
        health["program"] = f"nothing heard of it for {age_s} s; is it running?"
    click.echo(_as_text(shown))
    for subject, text in health.items():
        click.echo(f"  ! {subject}: {text}")
    for text in shown["notices"]:
        click.echo(f"  · {text}")
    sys.exit(1 if health else 0)


@main.command()
@FILE
@click.argument("number")
def card(file: Path, number: str) -> None:
    """Print the entry of a staff card for `staff_cards`; the number itself is kept nowhere."""
    try:
        click.echo(card_key(_read(file).card_key, number))
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def _read(file: Path) -> StationConfig:
    """Read everything but the options of a factory, which belong to whoever wrote it."""
    try:
        section = read_config(file)
        devices = section.section("devices")
        if devices.has("factory"):
            devices.text("factory")
            return read_station_config(section)
        config = read_station_config(section)
        config.machine(read_devices(devices, SystemClock()))
        section.close()
        config.connector()
    except (ConfigInvalid, DevicesUnavailable) as error:
        raise click.ClickException(str(error)) from error
    return config


def _as_text(shown: dict[str, object]) -> str:
    link = "connected" if shown["connected"] else "no connection"
    return (
        f"{shown['station']}: {link}, list {shown['list']} (version {shown['version']}), "
        f"{shown['waiting']} facts waiting, {shown['overlay']} loans heard from the site"
    )


def _devices(file: Path, clock: Clock) -> list[Item]:
    """Open the devices of a configuration, and read nothing else of it."""
    try:
        described = parse_config(file).get("devices", {})
        section = read_config(file).section("devices")
        devices = read_devices(section, clock, patience=PATIENCE)
        section.close()
    except (ConfigInvalid, DevicesUnavailable) as error:
        raise click.ClickException(str(error)) from error
    return devices.items(described)


def _journal(file: Path) -> Exportable:
    config, clock = _read(file), SystemClock()
    head = Head(
        config.library, config.station, "gate", config.site, config.name,
        clock.wall_ms(), clock.wall_is_sure(),
    )  # fmt: skip
    return Exportable(config.store, head, config.site_key)


for command in (
    check_command("/etc/lendgate/gate.toml", _devices),
    export_command("gate", _journal),
    template_command("gate", TEMPLATE),
    *COMMANDS,
):
    main.add_command(command)


if __name__ == "__main__":
    main()
