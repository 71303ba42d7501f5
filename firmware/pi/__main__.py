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
from circulation.errors import CirculationError, ConfigInvalid
from circulation.export import export_journal
from circulation.journal_file import Head
from circulation.patrons import card_key
from circulation.template import filled
from firmware.pi.app import run as run_gate
from firmware.pi.config import TEMPLATE, StationConfig, read_station_config
from firmware.pi.device_commands import COMMANDS
from firmware.pi.devices import read_devices
from firmware.pi.errors import DevicesUnavailable
from hardware.check_terminal import PATIENCE, check_at_terminal
from hardware.clock import SystemClock

STALE_S = 10

FILE = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))


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
        run_gate(section, devices, clock=clock, stop=stop)
    except (ConfigInvalid, DevicesUnavailable) as error:
        raise click.ClickException(str(error)) from error


@main.command()
@FILE
def check(file: Path) -> None:
    """Read the configuration and say what is wrong with it; start nothing."""
    config = _read(file)
    click.echo(f"{file}: {config.station} at {config.site}, library {config.library}: all right")


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


@main.command("hardware-check")
@click.option(
    "--config",
    "file",
    default="/etc/lendgate/gate.toml",
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The configuration whose devices are checked; stop the running program first.",
)
@click.option("--yes", "is_alone", is_flag=True, help="Ask nobody; check what can be seen alone.")
def hardware_check(file: Path, is_alone: bool) -> None:
    """Go through every device: what works, and what to wire differently.

    Exits with 1 if something does not work.
    """
    clock = SystemClock()
    try:
        described = parse_config(file).get("devices", {})
        section = read_config(file).section("devices")
        devices = read_devices(section, clock, patience=PATIENCE)
        section.close()
    except (ConfigInvalid, DevicesUnavailable) as error:
        raise click.ClickException(str(error)) from error
    sys.exit(0 if check_at_terminal(devices.items(described), clock, is_alone=is_alone) else 1)


@main.command("export-journal")
@FILE
@click.argument("target", type=click.Path(path_type=Path))
def export_journal_command(file: Path, target: Path) -> None:
    """Write the journal onto a stick: the way to the gateway without any network.

    FILE is the gate's configuration, TARGET a folder (the stick) or a new file. The gate may
    run meanwhile. At the gateway: lendgate-gateway import-journal.
    """
    config, clock = _read(file), SystemClock()
    head = Head(
        config.library, config.station, "gate", config.site, config.name,
        clock.wall_ms(), clock.wall_is_sure(),
    )  # fmt: skip
    try:
        exported = export_journal(config.store, target, head, key=config.site_key)
    except CirculationError as error:
        raise click.ClickException(str(error)) from error
    click.echo(
        f"{exported.path}: {exported.rows} facts, {exported.waiting} of them not known to be at"
        f" the gateway ({exported.size_bytes} bytes); the stick may be pulled"
    )


@main.command()
@click.option(
    "--with",
    "known",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Fill in what `lendgate-gateway station-file` wrote: names, addresses and keys.",
)
def template(known: Path | None) -> None:
    """Print a configuration to paste and change.

    \b
    For a new card:  lendgate-gate template --with gate-1.toml > gate.toml
    """
    try:
        text = TEMPLATE if known is None else filled(TEMPLATE, parse_config(known))
    except ConfigInvalid as error:
        raise click.ClickException(str(error)) from error
    click.echo(text, nl=False)


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


for command in COMMANDS:
    main.add_command(command)


if __name__ == "__main__":
    main()
