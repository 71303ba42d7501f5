"""The import commands of `lendgate-gateway`."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from circulation.barcodes import Barcodes
from circulation.config import read_config
from circulation.patrons import card_key
from gateway.edits import listed, note_edit, told
from gateway.imports.apply import Importer
from gateway.imports.items_csv import read_items
from gateway.imports.labels import LabelMaker
from gateway.imports.marc import COPY_FIELDS, read_marc
from gateway.imports.patrons_csv import read_patrons
from gateway.imports.rows import Report
from gateway.imports.table import TableInvalid
from gateway.options import CONFIG
from gateway.policies import newest_policy, save_policy
from gateway.restore import begin_anew_if_older
from gateway.store import Store

PROBLEMS_SHOWN = 40
Command = Callable[..., None]


def _options(command: Command) -> Command:
    """Add what every import takes."""
    for option in (
        click.option(
            "--report",
            "report_path",
            type=click.Path(dir_okay=False, path_type=Path),
            help="Write every line of the report there; the screen shows the first.",
        ),
        click.option("--dry-run", is_flag=True, help="Say what would happen and change nothing."),
        CONFIG,
        click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path)),
    ):
        command = option(command)
    return command


_encoding = click.option(
    "--encoding",
    default="auto",
    show_default=True,
    help="The file's encoding; by itself UTF-8, UTF-16, GB18030 and cp1252 are told apart.",
)


@click.command("import-marc")
@_options
@click.option(
    "--copies-from",
    type=click.Choice(["auto", *COPY_FIELDS, "none"]),
    default="auto",
    show_default=True,
    help="The field that names the copies; auto takes the first that has a barcode.",
)
@click.option(
    "--copies",
    type=click.IntRange(0, 999),
    default=0,
    show_default=True,
    help="Copies to make, with new labels, of a title whose record names none.",
)
@click.option(
    "--label-digits",
    default="9000",
    show_default=True,
    help="Your library's four digits in new labels: 3 dddd ssssssss c.",
)
def import_marc(
    file: Path, config_path: Path, copies_from: str, copies: int, label_digits: str, **rest: Any
) -> None:
    """Bring titles and their copies in from a MARC 21 file (ISO 2709).

    MARC-8 and UTF-8 are told apart record by record. A record that cannot be read is reported
    with its number; the rest go in. The same file again changes nothing.

    \b
    Try it:           lendgate-gateway import-marc catalogue.mrc --dry-run
    Without holdings: lendgate-gateway import-marc catalogue.mrc --copies 2
    """

    def do(store: Store, library: str, progress: Callable[[int], None]) -> Report:
        importer = Importer(store, library, dry_run=rest["dry_run"], progress=progress)
        rows = read_marc(file, copies_from=copies_from)
        return importer.titles(rows, copies=copies, labels=LabelMaker(label_digits))

    _run(config_path, file, do, **rest)


@click.command("import-items")
@_options
@_encoding
@click.option("--site", default="", help="The site whose barcode patterns apply.")
def import_items(file: Path, config_path: Path, encoding: str, site: str, **rest: Any) -> None:
    """Bring items in from a CSV file: one line a copy, with its title.

    \b
    Needed columns:  barcode, title
    Others:          author, isbn, year, publisher, language, control_no, accession_no,
                     item_type, shelf_mark, home, owner, reference, not_for_loan,
                     parts_total, price, uids ("|" between several)

    German, French and Chinese headings are understood. A line that cannot go in is reported
    with its number, for instance a barcode that a spreadsheet turned into 3.02E+13.
    """

    def do(store: Store, library: str, progress: Callable[[int], None]) -> Report:
        importer = Importer(store, library, dry_run=rest["dry_run"], progress=progress)
        rows = read_items(file, encoding=encoding, barcodes=_barcodes(store, library, site))
        return importer.titles(rows, labels=LabelMaker())

    _run(config_path, file, do, **rest)


@click.command("import-patrons")
@_options
@_encoding
@click.option("--site", default="", help="The site whose barcode patterns apply.")
def import_patrons(file: Path, config_path: Path, encoding: str, site: str, **rest: Any) -> None:
    """Bring readers in from a CSV file: one line a person.

    \b
    Needed columns:  number, name
    Others:          short_name, category, class, member, expires_on, born_on, language,
                     cards ("|" between several; a UID or a printed number)

    Screens show a short name; the full one and the birth date stay on the gateway. Of a card
    only a keyed hash is stored.
    """
    from gateway.app import read_settings

    settings = read_settings(read_config(config_path), config_path.parent)

    def do(store: Store, library: str, progress: Callable[[int], None]) -> Report:
        importer = Importer(store, library, dry_run=rest["dry_run"], progress=progress)
        rows = read_patrons(file, encoding=encoding, barcodes=_barcodes(store, library, site))
        return importer.patrons(
            rows,
            card_key=lambda card: card_key(settings.card_key, card),
            key_id=settings.card_key_id,
        )

    _run(config_path, file, do, **rest)


@click.command("import-policy")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@CONFIG
def import_policy(file: Path, config_path: Path) -> None:
    """Set the library's rules from a TOML file; examples/policy.toml is one to start from.

    A mistake is named with its path and changes nothing. Running loans keep their terms.
    """
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{file}: is no TOML file: {error}") from error
    store, library = _opened(config_path, changes=True)
    try:
        with store.write(library) as write:
            policy = save_policy(write, document)
        note_edit(_edits(config_path), store, library, f"import-policy {file.name}")
    finally:
        store.close()
    click.echo(f"{library}: {len(policy.versions)} version(s) of the rules are set")


def _opened(config_path: Path, *, changes: bool) -> tuple[Store, str]:
    """Return the database; before anything changes, what it lacks is named if it is an older one.

    What an import writes takes the versions by which a lost edit is known.
    """
    from gateway.app import prepare, read_settings

    settings = read_settings(read_config(config_path), config_path.parent)
    store = prepare(settings)
    missing = begin_anew_if_older(store, settings.library, settings.edits) if changes else []
    if missing:
        click.echo(f"{settings.edits} is newer than the database: a new history begins")
        for line in listed(missing):
            click.echo(line)
    return store, settings.library


def _edits(config_path: Path) -> Path:
    from gateway.app import read_settings

    return read_settings(read_config(config_path), config_path.parent).edits


def _barcodes(store: Store, library: str, site: str) -> Barcodes:
    with store.read() as connection:
        return newest_policy(connection, library).barcodes(site)


def _run(
    config_path: Path,
    file: Path,
    do: Callable[[Store, str, Callable[[int], None]], Report],
    *,
    report_path: Path | None,
    dry_run: bool,
) -> None:
    """Do an import with a progress bar, and tell what came of it."""
    store, library = _opened(config_path, changes=not dry_run)
    rows = sum(1 for _ in _marks(file))
    try:
        with click.progressbar(length=rows, label=file.name, show_pos=True) as bar:
            report = do(store, library, bar.update)
            bar.update(max(0, rows - bar.pos))
        done = told({"created": report.created, "updated": report.updated})
        if done and not report.dry_run:
            what = f"{click.get_current_context().info_name} {file.name}: {done}"
            note_edit(_edits(config_path), store, library, what)
    except TableInvalid as error:
        raise click.ClickException(str(error)) from error
    finally:
        store.close()
    _tell(report, report_path)


def _marks(file: Path) -> Iterator[bytes]:
    """Yield once per record or line, roughly: only the progress bar depends on it."""
    with file.open("rb") as stream:
        mark = b"\x1d" if b"\x1d" in stream.read(1 << 17) else b"\n"
        stream.seek(0)
        while block := stream.read(1 << 20):
            yield from (mark for _ in range(block.count(mark)))


def _tell(report: Report, report_path: Path | None) -> None:
    lines = list(report.lines())
    head = len(lines) - len(report.problems)
    for line in lines[: head + PROBLEMS_SHOWN]:
        click.echo(line)
    hidden = len(report.problems) - PROBLEMS_SHOWN
    if hidden > 0:
        click.echo(f"  … and {hidden} more; --report FILE writes them all")
    if report_path is not None:
        report_path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if report.refused:
        raise click.exceptions.Exit(1)
