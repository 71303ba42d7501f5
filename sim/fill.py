"""Filling the demo's gateway with books and readers, in one go and one process."""

from functools import partial
from pathlib import Path

from circulation.config import read_config
from circulation.patrons import card_key
from gateway.app import prepare, read_settings
from gateway.imports.apply import Importer
from gateway.imports.items_csv import read_items
from gateway.imports.labels import LabelMaker
from gateway.imports.patrons_csv import read_patrons
from gateway.imports.rows import Report
from sim.demo_plan import ITEMS_FILE, PATRONS_FILE
from sim.errors import DemoFailed


def fill(config: Path, library: Path) -> str:
    """Make the gateway's database and read the library into it; return what was read.

    Raises `DemoFailed` naming the first line that cannot be read.
    """
    settings = read_settings(read_config(config), config.parent)
    store = prepare(settings)
    try:
        items = Importer(store, settings.library).titles(
            read_items(library / ITEMS_FILE), labels=LabelMaker()
        )
        patrons = Importer(store, settings.library).patrons(
            read_patrons(library / PATRONS_FILE),
            card_key=partial(card_key, settings.card_key),
            key_id=settings.card_key_id,
        )
    finally:
        store.close()
    return f"{_counted(items)} titles, {_counted(patrons)} readers"


def _counted(report: Report) -> int:
    refused = [problem for problem in report.problems if problem.refused]
    if refused:
        raise DemoFailed(f"{refused[0].place}: {refused[0].reason}")
    return report.read
