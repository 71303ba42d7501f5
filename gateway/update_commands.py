"""The commands of `lendgate-gateway` that offer programs to gates on microcontrollers."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from circulation.config import read_config
from gateway import wording
from gateway.board import Desk
from gateway.errors import UpdateInvalid
from gateway.options import CONFIG
from gateway.store import Store
from gateway.update_views import UpdateView
from gateway.updates import Updates

MINUTE_MS = 60_000


@click.command("offer-update")
@CONFIG
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--within",
    "minutes",
    type=click.IntRange(0, 7 * 24 * 60),
    default=30,
    show_default=True,
    help="Minutes over which the gates spread their beginnings.",
)
@click.option("--only", multiple=True, help="A station to try it first; several times for more.")
def offer_update(config_path: Path, file: Path, minutes: int, only: tuple[str, ...]) -> None:
    """Offer a signed update to the gates on the kind of board it names.

    The file is made and signed on another computer: `lendgate-gate sign-update`. It takes the
    place of what was offered for these boards before. A gate tries each offer once.

    \b
    First one gate:  lendgate-gateway offer-update lendgate-2.lgu --only gate-2
    Then all:        lendgate-gateway offer-update lendgate-2.lgu
    """
    store, library = _opened(config_path)
    with closing(store):
        try:
            update = Updates(store, library).offer(
                file.read_bytes(), within_ms=minutes * MINUTE_MS, only=only
            )
        except UpdateInvalid as error:
            raise click.ClickException(f"{file}: {error}") from error
    click.echo(f"{update.format}: version {update.version} is offered, {update.bytes} bytes")
    click.echo("A running gateway says so within a minute. Who has taken it shows its page,")
    click.echo("and: lendgate-gateway updates")


@click.command("withdraw-update")
@CONFIG
@click.option("--board", help="As `updates` names it; all boards if left out.")
def withdraw_update(config_path: Path, board: str | None) -> None:
    """Offer an update no more; gates that run it go on with it."""
    store, library = _opened(config_path)
    with closing(store):
        withdrawn = Updates(store, library).withdraw(board)
    for update in withdrawn:
        click.echo(f"{update.format}: version {update.version} is withdrawn")


@click.command("updates")
@CONFIG
def updates(config_path: Path) -> None:
    """Print each update that is offered, and which gates have taken or refused it."""
    store, library = _opened(config_path)
    with closing(store):
        board = Desk(store, library).board()
    for view in board.updates:
        _tell(view, board.now_ms)
    if not board.updates:
        click.echo("No update is offered.")


def _tell(view: UpdateView, now_ms: int) -> None:
    offered = wording.ago(view.offered_at, now_ms)
    click.echo(f"{view.format}: version {view.version}, {view.bytes} bytes, offered {offered}")
    for what, stations in (("taken", view.taken), ("not yet", view.waiting)):
        if stations:
            click.echo(f"  {what}: {', '.join(stations)}")
    for station, why in view.refused.items():
        click.echo(f"  refused: {station}: {why}")


def _opened(config_path: Path) -> tuple[Store, str]:
    from gateway.app import prepare, read_settings

    settings = read_settings(read_config(config_path), config_path.parent)
    return prepare(settings), settings.library
