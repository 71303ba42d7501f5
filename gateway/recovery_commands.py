"""The commands of `lendgate-gateway` for bad days; docs/recovery.md has the procedures."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from circulation.config import read_config
from circulation.errors import CirculationError, JournalFileInvalid
from circulation.export import read_exported
from gateway import wording
from gateway.backup import DATABASE, Sources, write_backup
from gateway.edits import Edit, listed
from gateway.errors import BackupRefused
from gateway.journal_import import Brought, JournalImport
from gateway.koc import KocInvalid, export_koc
from gateway.options import CONFIG
from gateway.restore import begin_anew, put_in_place, take_configuration

if TYPE_CHECKING:
    from gateway.app import Settings

ANSWER_S = 1.0
STEPS = 1_000
_DESKS = {
    "kept": "kept; decisions since the backup are applied again",
    "taken": "taken from the backup",
    "none": "none yet",
}
BESIDES = (
    "bring besides, where the site has them: the gateway's certificate, its path in"
    " gateway_ca_file; the broker's username, password and ca_file"
)
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@CONFIG
@click.argument("file", type=_FILE)
def backup(file: Path, config_path: Path) -> None:
    """Make a backup while the gateway runs.

    FILE becomes a tar file with the database, the desk's journal, the notes of edits and the
    configuration, as of one moment. It is never written over an older one. It holds readers'
    names and the keys: keep it like them.

    \b
    Each night:  lendgate-gateway backup /mnt/backup/library-$(date +%F).tar
    """
    settings = _settings(config_path)
    _refuse_server(settings)
    with click.progressbar(length=STEPS, label="copying", show_eta=False) as bar:
        manifest = write_backup(
            file, _sources(settings, config_path), settings.library,
            now_ms=time.time_ns() // 1_000_000,
            progress=lambda done, of: bar.update(STEPS * done // max(of, 1) - bar.pos),
        )  # fmt: skip
    size = manifest.files[DATABASE][0]
    click.echo(
        f"{file}: library {manifest.library!r} up to version {manifest.version},"
        f" {len(manifest.files)} files, the database has {size >> 10} kB"
    )


@click.command()
@CONFIG
@click.argument("file", type=_FILE)
def restore(file: Path, config_path: Path) -> None:
    """Put a backup in place; the gateway must not run.

    What it replaces is renamed, never deleted. The gateway takes a new lineage: every station
    sends again what the backup lacks, and gates let pass what either history lets pass until
    all have. The desk's own journal stays where it can be read, so decisions since the backup
    are not lost. Imports and rules since then are named: do those again.

    \b
    1.  systemctl stop lendgate-gateway
    2.  lendgate-gateway restore /mnt/backup/library-2026-01-07.tar
    3.  systemctl start lendgate-gateway
    """
    from gateway.app import prepare

    if not config_path.exists():
        take_configuration(file, config_path)
        click.echo(f"wrote {config_path} from the backup")
    settings = _settings(config_path)
    _refuse_server(settings)
    _refuse_running(settings)
    sources = _sources(settings, config_path)
    placed = put_in_place(file, sources, settings.library)
    store = prepare(settings)
    try:
        missing = begin_anew(store, settings.library, sources.edits, placed.manifest.made_at)
    finally:
        store.close()
    made = wording.clock(placed.manifest.made_at)
    click.echo(f"{settings.database}: as of {made}, version {placed.manifest.version}")
    for aside in placed.aside:
        click.echo(f"  kept: {aside}")
    click.echo(f"  the desk's own journal: {_DESKS[placed.desk]}")
    _tell_missing(missing)
    click.echo("now run the gateway; the stations send again by themselves")


@click.command()
@CONFIG
def restored(config_path: Path) -> None:
    """Say that the database comes from a backup; `restore` has done so itself.

    Run this once after putting a backup in place by other means (PostgreSQL's pg_restore, a
    copied file) and before `run`: the gateway then takes a new lineage, and every station sends
    again what the backup lacks. Imports and rules since the backup are named, as far as they are
    noted beside `database`: do those again.
    """
    from gateway.app import prepare

    settings = _settings(config_path)
    store = prepare(settings)
    try:
        missing = begin_anew(store, settings.library, settings.edits)
    finally:
        store.close()
    click.echo(f"{settings.shown}: library {settings.library!r} has a new lineage")
    _tell_missing(missing)
    click.echo("now run the gateway; the stations send again by themselves")


@click.command("import-journal")
@CONFIG
@click.argument("files", nargs=-1, required=True, type=_FILE)
def import_journal(files: tuple[Path, ...], config_path: Path) -> None:
    """Bring in journals that stations without a network wrote onto a stick.

    FILES are what `lendgate-kiosk export-journal` wrote; the gateway may run meanwhile. Several
    may come in any order, and one twice changes nothing. A file that is not whole, or not of
    this library, is refused before anything is taken from any of them. Then delete them.

    \b
    Example:  lendgate-gateway import-journal /media/stick/*.lendgate-journal.jsonl
    """
    from gateway.app import prepare

    settings = _settings(config_path)
    read = [(file, read_exported(file, key=settings.site_key)) for file in files]
    store = prepare(settings)
    try:
        importer = JournalImport(store, settings.library)
        for file, journal in read:
            with _named(file):
                importer.check(journal)
        for file, journal in read:
            with _named(file), click.progressbar(length=journal.rows, label=file.name) as bar:
                brought = importer.bring(journal, file.name, progress=bar.update)
            for line in _told(brought):
                click.echo(line)
    finally:
        store.close()


@click.command("export-koc")
@CONFIG
@click.option("--station", help="Of this station alone.")
@click.option(
    "--again", is_flag=True, help="Also what an earlier file had; Koha would do it twice."
)
@click.argument("file", type=_FILE)
def export_koc_command(file: Path, config_path: Path, station: str | None, again: bool) -> None:
    """Write loans and returns as a .koc file, Koha's format for offline circulation.

    Koha knows checkouts and checkins by card number and barcode there, and nothing else: what
    does not fit is left out and counted. A fact goes into one file only, since Koha does twice
    what it is given twice.

    \b
    In Koha: Circulation, "Upload offline circulation file (.koc)", FILE.
    """
    from gateway.app import prepare
    from gateway.board import Desk

    settings = _settings(config_path)
    store = prepare(settings)
    try:
        if station is not None and Desk(store, settings.library).station(station) is None:
            raise KocInvalid(f"nobody has heard of {station!r}; `status` has the stations' names")
        koc = export_koc(
            store, settings.library, file, handed=_sources(settings, config_path).koc,
            station=station, again=again,
        )  # fmt: skip
    except KocInvalid as error:
        raise click.ClickException(str(error)) from error
    finally:
        store.close()
    counts = ", ".join(f"{count} {action}" for action, count in sorted(koc.actions.items()))
    click.echo(f"{file}: {counts or 'nothing'}")
    for why, count in sorted(koc.left_out.items()):
        click.echo(f"  left out: {count} {why}")


@click.command("station-file")
@CONFIG
@click.argument("station")
@click.option("--url", required=True, help="Where stations reach this gateway's lists.")
@click.option("--broker", "host", required=True, help="Where stations reach the broker.")
@click.option("--broker-port", "port", default=1883, show_default=True)
@click.option("--site", help="The building, for a station nobody has heard of yet.")
def station_file(station: str, config_path: Path, **given: Any) -> None:
    """Print what a station's new card must be told: its names, addresses and keys.

    \b
    Here:              lendgate-gateway station-file kiosk-1 --url https://lib.example:18443 \\
                         --broker 10.0.0.2 > kiosk-1.toml
    On the new card:   lendgate-kiosk template --with kiosk-1.toml > kiosk.toml

    Then choose the devices in kiosk.toml, and bring what it names besides. What is printed holds
    keys: carry it on the card only.
    """
    from gateway.app import prepare
    from gateway.board import Desk

    settings = _settings(config_path)
    store = prepare(settings)
    try:
        view = Desk(store, settings.library).station(station)
    finally:
        store.close()
    site = given["site"] or (view.site if view is not None else None)
    if site is None:
        raise BackupRefused(f"nobody has heard of {station!r}; say in which building: --site")
    options = {
        "library": settings.library, "site": site, "station": station,
        "name": view.name if view is not None else station, "gateway_url": given["url"],
        "site_key": settings.site_key.hex(), "card_key": settings.card_key.hex(),
    }  # fmt: skip
    for name, value in options.items():
        click.echo(f"{name} = {json.dumps(value, ensure_ascii=False)}")
    click.echo(f"\n[broker]\nhost = {json.dumps(given['host'])}\nport = {given['port']}")
    click.echo(BESIDES, err=True)


def _settings(config_path: Path) -> Settings:
    from gateway.app import read_settings

    return read_settings(read_config(config_path), config_path.parent)


def _sources(settings: Settings, config_path: Path) -> Sources:
    return Sources(settings.database, settings.desk, settings.edits, settings.koc, config_path)


def _refuse_server(settings: Settings) -> None:
    """Raise BackupRefused where the tables are no file of ours."""
    if settings.postgresql:
        raise BackupRefused(
            "the tables are on a PostgreSQL server: use pg_dump and pg_restore, then `restored`;"
            " docs/recovery.md, chapter 3, has the steps"
        )


def _refuse_running(settings: Settings) -> None:
    """Raise BackupRefused while somebody serves the gateway's pages."""
    try:
        socket.create_connection((settings.web_host, settings.web_port), ANSWER_S).close()
    except OSError:
        return
    raise BackupRefused(
        f"something answers at {settings.web_host}:{settings.web_port}: stop the gateway first"
    )


def _tell_missing(edits: list[Edit]) -> None:
    for line in listed(edits):
        click.echo(line)


def _told(brought: Brought) -> list[str]:
    lines = [
        f"{brought.station}: {brought.rows} facts; {brought.applied} new,"
        f" {brought.known} known already"
    ]
    if brought.set_aside:
        lines.append(f"  {brought.set_aside} set aside: see the station's page")
    if brought.forks:
        lines.append("  its card was rolled back or replaced; its facts stand in a new epoch")
    lines += [f"  facts {first} to {last} are lost" for first, last in brought.holes]
    return lines


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Put a file's name before what is wrong with it."""
    try:
        yield
    except JournalFileInvalid as error:
        raise CirculationError(f"{file.name}: {error}") from error
