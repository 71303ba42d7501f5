"""Commands that every station's program has, said once: its journal on a stick, its template,
and how `check` answers.

What a station's configuration looks like only its own program knows, which hands over how it is
read.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import click

from circulation.config import parse_config
from circulation.errors import CirculationError, ConfigInvalid
from circulation.export import export_journal
from circulation.journal_file import Head
from circulation.template import filled

FILE = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))


class Exportable(NamedTuple):
    """A station's journal, what the file says of the station, and the key it is sealed with."""

    store: Path
    head: Head
    key: bytes


def tell_checked(file: Path, station: str, points: Sequence[str]) -> None:
    """Answer `check`: all right, or what to change before anybody uses the station; exits with 1.

    station: which one, for people. points: sentences, each with what to do.
    """
    if not points:
        click.echo(f"{file}: {station}: all right")
        return
    click.echo(f"{file}: {station}: it can be read; before anybody uses it, change this:")
    for point in points:
        click.echo(f"  ! {point}")
    raise click.exceptions.Exit(1)


def export_command(program: str, read: Callable[[Path], Exportable]) -> click.Command:
    """Return `export-journal` of a program. read: a configuration; it may raise click's errors."""

    @click.command("export-journal")
    @FILE
    @click.argument("target", type=click.Path(path_type=Path))
    def export(file: Path, target: Path) -> None:
        journal = read(file)
        try:
            exported = export_journal(journal.store, target, journal.head, key=journal.key)
        except CirculationError as error:
            raise click.ClickException(str(error)) from error
        click.echo(str(exported))

    export.help = f"""Write the journal onto a stick: the way to the gateway without any network.

    FILE is the station's configuration, TARGET a folder (the stick) or a new file. The station
    may run meanwhile, and goes on with its work. At the gateway: lendgate-gateway import-journal.

    A kiosk's file says who borrowed what, by random reader numbers: delete it once it is imported.

    \b
    Example:  lendgate-{program} export-journal /etc/lendgate/{program}.toml /media/stick
    """
    return export


def template_command(program: str, template: str) -> click.Command:
    """Return `template` of a program, which prints that text."""

    @click.command("template")
    @click.option(
        "--with",
        "known",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Fill in what `lendgate-gateway station-file` wrote: names, addresses and keys.",
    )
    def show(known: Path | None) -> None:
        try:
            text = template if known is None else filled(template, parse_config(known))
        except ConfigInvalid as error:
            raise click.ClickException(str(error)) from error
        click.echo(text, nl=False)

    show.help = f"""Print a configuration to paste and change.

    \b
    For a new card:  lendgate-{program} template --with {program}-1.toml > {program}.toml
    """
    return show
