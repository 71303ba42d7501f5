"""The command `lendgate-gateway`."""

from __future__ import annotations

import logging
import signal
import threading
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from circulation.config import Section, read_config
from circulation.errors import CirculationError
from circulation.lazy_commands import LazyGroup
from gateway.errors import GatewayError
from gateway.options import config_option

CONFIG_OPTION = config_option("The configuration file; `init` writes one to start from.")
_IN_MODULES = {
    "import-marc": "gateway.imports.commands:import_marc",
    "import-items": "gateway.imports.commands:import_items",
    "import-patrons": "gateway.imports.commands:import_patrons",
    "import-policy": "gateway.imports.commands:import_policy",
    "backup": "gateway.recovery_commands:backup",
    "restore": "gateway.recovery_commands:restore",
    "restored": "gateway.recovery_commands:restored",
    "import-journal": "gateway.recovery_commands:import_journal",
    "export-koc": "gateway.recovery_commands:export_koc_command",
    "station-file": "gateway.recovery_commands:station_file",
    "offer-update": "gateway.update_commands:offer_update",
    "withdraw-update": "gateway.update_commands:withdraw_update",
    "updates": "gateway.update_commands:updates",
    "work": "gateway.worker_commands:work",
}


class _Program(LazyGroup):
    """A group that tells what went wrong in one line, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (GatewayError, CirculationError) as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Program, lazy=_IN_MODULES)
@click.option("--verbose", "-v", is_flag=True, help="Log what is done, not only what fails.")
def main(verbose: bool) -> None:
    """Run the gateway of a library: catalogue, journals of all stations, pages for staff.

    \b
    First time:   lendgate-gateway init
    Every day:    lendgate-gateway run
    Without one:  lendgate-gateway broker   (on this machine only)
    """
    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)


@main.command()
@CONFIG_OPTION
@click.option("--library", help="Its name in every topic; a-z, 0-9 and -.")
@click.option("--database", help="Where the tables shall lie; relative to the configuration.")
@click.option("--postgresql", help="A server that shall have the tables, as psql names it.")
@click.option("--zone", help="In which the library opens and closes, such as Europe/Berlin.")
@click.option("--only-write", is_flag=True, help="Write the configuration and make nothing yet.")
def init(config_path: Path, only_write: bool, **wished: str | None) -> None:
    """Write a configuration if there is none, and make the database ready.

    What a library is called and where its tables lie is hard to change later: say it here, or
    write the file alone, change it, and say `init` again.

    \b
    At once:       lendgate-gateway init --library school --database /var/lib/lendgate/gateway.db
    In two steps:  lendgate-gateway init --only-write
                   (look through gateway.toml)
                   lendgate-gateway init

    Safe to repeat: an existing configuration and existing tables are kept, tables of an older
    version are brought up to date.
    """
    from gateway.app import prepare, read_settings

    told = {option: value for option, value in wished.items() if value is not None}
    if not config_path.exists():
        _write_configuration(config_path, told)
        click.echo(f"wrote {config_path}; look through it before you run the gateway")
    elif told:
        raise click.ClickException(
            f"{config_path} is there already: change {', '.join(told)} in it, or name another "
            "file with --config"
        )
    if only_write:
        click.echo(f"no tables yet: lendgate-gateway init --config {config_path} makes them")
        return
    settings = read_settings(read_config(config_path), config_path.parent)
    prepare(settings).close()
    click.echo(f"{settings.shown}: ready for library {settings.library!r}")
    for point in settings.open_points:
        click.echo(f"  ! {config_path}: {point}", err=True)


def _write_configuration(path: Path, wished: Mapping[str, str]) -> None:
    """Write a new configuration that only its owner may read; raise ConfigInvalid before."""
    from gateway.app import new_configuration, read_settings

    text = new_configuration(**wished)
    read_settings(Section(tomllib.loads(text), file=str(path)), path.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


@main.command()
@CONFIG_OPTION
def run(config_path: Path) -> None:
    """Run the gateway until Ctrl-C or SIGTERM."""
    from gateway.app import run as run_gateway

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    config = read_config(config_path)
    click.echo(f"gateway: starting with {config_path}")
    run_gateway(config, folder=config_path.parent, stop=stop)
    click.echo("gateway: stopped")


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="This machine only.")
@click.option("--port", default=18830, show_default=True, type=click.IntRange(0, 65535))
def broker(host: str, port: int) -> None:
    """Run a small MQTT broker for this machine, without passwords.

    For a library's network install Mosquitto instead; deploy/ has its settings.
    """
    from gateway.broker import SmallBroker

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with SmallBroker(host, port) as small:
        click.echo(f"broker: listening on {small.host}:{small.port}")
        stop.wait()
    click.echo("broker: stopped")


@main.command()
@CONFIG_OPTION
def status(config_path: Path) -> None:
    """Print each station with what it has waiting; exit 1 if something waits for staff."""
    from gateway import wording
    from gateway.app import prepare, read_settings
    from gateway.board import Desk

    settings = read_settings(read_config(config_path), config_path.parent)
    store = prepare(settings)
    board = Desk(store, settings.library).board()
    store.close()
    for view in board.stations:
        heard = wording.ago(view.last_contact_ms, time.time_ns() // 1_000_000)
        state = wording.CONTACT[view.state]
        click.echo(f"{view.station:20} {state:16} {view.waiting:6} waiting   heard {heard}")
    totals = board.totals
    click.echo(
        f"{totals.recorded} recorded, {totals.applied} applied, {totals.waiting} waiting, "
        f"{totals.parked} set aside, {len(board.reviews)} for staff to decide"
    )
    if totals.parked or board.reviews:
        raise click.exceptions.Exit(1)


if __name__ == "__main__":
    main()
