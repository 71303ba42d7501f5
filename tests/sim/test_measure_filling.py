"""A library written by plain SQL is the one that an import would have left."""

import sqlite3

import pytest

from circulation.patrons import card_key
from gateway.app import prepare
from gateway.board import Desk
from gateway.catalogue import upsert_cards, upsert_items, upsert_patrons, upsert_titles
from gateway.service import now_ms
from gateway.snapshots import Snapshots
from gateway.store import Store
from sim.measure import filling
from sim.measure.filling import LIBRARY, Size, barcode_of, card_of, fill, fill_once, uid_of
from sim.measure.library import settings_in

SIZE = Size(items=5, patrons=3)
TABLES = ("title", "item", "item_uid", "patron", "card", "may_leave", "feed")


def rows_of(database):
    """Return the rows of every table of the catalogue, in order."""
    connection = sqlite3.connect(database)
    found = {
        table: sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr)
        for table in TABLES
    }
    connection.close()
    return found


def imported(settings, filled, titles):
    """Write the same library as an import writes it."""
    store = prepare(settings)
    with store.write(LIBRARY, bulk=True) as write:
        upsert_titles(
            write, [{**filling._title(n, t), "title_id": t} for n, t in enumerate(titles)]
        )
        upsert_items(
            write,
            [
                {**filling._item(n, item, titles[n // 2]), "uids": [uid_of(n)]}
                for n, item in enumerate(filled.items)
            ],
        )
        upsert_patrons(write, [filling._patron(n, p) for n, p in enumerate(filled.patrons)])
        upsert_cards(
            write,
            [
                {"card_key": card_key(filling.CARD_KEY, card_of(n)), "key_id": "1", "patron_id": p}
                for n, p in enumerate(filled.patrons)
            ],
        )
    store.close()


def test_a_filled_library_is_the_imported_one(tmp_path):
    """Every column of every row, so that what is measured is what libraries have."""
    quick, slow = settings_in(tmp_path / "quick"), settings_in(tmp_path / "slow")
    filled = fill(quick, SIZE)
    titles = [row[1] for row in sorted(rows_of(quick.database)["title"], key=lambda row: row[2])]
    imported(slow, filled, titles)

    assert rows_of(quick.database) == rows_of(slow.database)


def test_a_library_is_filled_once(tmp_path):
    """The next run has a copy; what it does to it leaves the kept one as it is."""
    kept = tmp_path / "kept"
    first = fill_once(settings_in(tmp_path / "a"), SIZE, kept=kept)
    (file,) = kept.iterdir()
    before = rows_of(file)
    second = fill_once(settings_in(tmp_path / "b"), SIZE, kept=kept)
    with sqlite3.connect(tmp_path / "b" / "gateway.db") as connection:
        connection.execute("DELETE FROM item")
    connection.close()

    assert first == second
    assert rows_of(file) == before
    assert rows_of(tmp_path / "a" / "gateway.db") == before


@pytest.mark.parametrize("items", [0, 1])
def test_a_library_of_next_to_nothing_is_filled_too(tmp_path, items):
    """The smallest sizes are sizes."""
    filled = fill(settings_in(tmp_path), Size(items, 1))

    assert len(filled.items) == items


def test_the_first_items_are_on_loan(tmp_path):
    """In the staff's pages, in the kiosk's list and in the gates'."""
    settings = settings_in(tmp_path)
    filled = fill(settings, Size(items=4, patrons=1, lent=2))
    store = Store.at(settings.database, clock=now_ms)
    states = [Desk(store, LIBRARY).item(barcode_of(n))["state"] for n in range(4)]
    catalogue = Snapshots(store, LIBRARY, tmp_path / "s").build("catalogue")
    leaving = Snapshots(store, LIBRARY, tmp_path / "s").build("may_leave").file.read_text()
    store.close()
    connection = sqlite3.connect(catalogue.file)
    lent = connection.execute("SELECT barcode FROM item WHERE patron_id = ?", filled.patrons)
    barcodes = {barcode for (barcode,) in lent}
    connection.close()

    assert states == ["on_loan", "on_loan", "available", "available"]
    assert barcodes == {barcode_of(0), barcode_of(1)}
    assert [uid_of(n) in leaving for n in range(4)] == [True, True, False, False]
