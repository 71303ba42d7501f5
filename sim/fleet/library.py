"""The library of a fleet: its books, readers and rules, and a gateway's database that holds them.

The database is migrated and filled once a process and then copied: migrating takes longer than
playing a plan.
"""

from __future__ import annotations

import random
import sqlite3
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from circulation.patrons import card_key
from gateway.catalogue import upsert_cards, upsert_items, upsert_patrons, upsert_titles
from gateway.policies import save_policy
from gateway.store import Store
from sim.clock import WALL_START_MS
from sim.fleet.acts import Shape, has_security

LIBRARY = "fleet"
OWNER = "DE-FLEET"
SITE_KEY = "5e" * 16
CARD_KEY = "ca" * 16
MEMORY = Path("/dev/shm")
"""Where files cost nothing: what a fleet writes is for this process only."""

POLICY: dict[str, Any] = {
    "zone": "UTC",
    "categories": {"reader": {}},
    "members": [OWNER],
    "versions": [
        {
            "version": 1,
            "from": "2020-01-01",
            "rules": [
                {"loan": {"days": 28}, "renewal": {"days": 42}, "max_loans": 8, "renewals": 3}
            ],
        }
    ],
    "barcodes": {
        "*": [{"kind": "patron", "mask": "2#{6}"}, {"kind": "item", "mask": "3#{7}"}],
    },
}


@dataclass(slots=True)
class Book:
    """An item as it is in the world. `holder` and `is_out` are the truth nobody else has.

    tag: what its tag says to a gate, "none" if it cannot say anything. is_told: whether the
    reader who has it has seen the tick.
    """

    name: str
    item_id: str
    uid: str
    barcode: str
    tag: str
    holder: str = ""
    is_told: bool = False
    is_out: bool = False


def books_of(shape: Shape) -> dict[str, Book]:
    """Return every item of a shape by its name, all on their shelves."""
    found = {}
    for number, name in enumerate(shape.item_names, 1):
        tag = "in_stock" if has_security(name) else "none"
        found[name] = Book(name, f"{number:016x}", f"e00401{number:010x}", f"3{number:07}", tag)
    return found


def base_folder() -> Path:
    """Return where the files of fleets go."""
    return MEMORY if MEMORY.is_dir() else Path(tempfile.gettempdir())


@lru_cache(maxsize=8)
def filled_database(items: int, patrons: int, sites: int) -> bytes:
    """Return the bytes of a gateway's database with so many books, readers and sites."""
    shape = Shape(items=items, patrons=patrons, sites=sites)
    with tempfile.TemporaryDirectory(prefix="lendgate-", dir=base_folder()) as folder:
        file = Path(folder) / "gateway.db"
        chance = random.Random(LIBRARY)
        store = Store.at(
            file, clock=lambda: WALL_START_MS, new_id=lambda: chance.randbytes(8).hex()
        )
        try:
            store.migrate()
            store.create_library(LIBRARY)
            _fill(store, shape)
        finally:
            store.close()
        connection = sqlite3.connect(file)
        try:
            return bytes(connection.serialize())
        finally:
            connection.close()


def _fill(store: Store, shape: Shape) -> None:
    sites = shape.site_names
    key = bytes.fromhex(CARD_KEY)
    with store.write(LIBRARY) as write:
        save_policy(write, POLICY | {"sites": list(sites)})
        titles, items = [], []
        for number, book in enumerate(books_of(shape).values()):
            titles.append({"title_id": f"t{number:07}", "title": f"The book {book.name}"})
            row = {"item_id": book.item_id, "title_id": f"t{number:07}", "barcode": book.barcode}
            items.append(
                {**row, "owner": OWNER, "home": sites[number % len(sites)], "uids": [book.uid]}
            )
        upsert_titles(write, titles)
        upsert_items(write, items)
        names = shape.patron_names
        upsert_patrons(write, [{"patron_id": n, "number": n, "short_name": n} for n in names])
        cards = [{"card_key": card_key(key, n), "key_id": "1", "patron_id": n} for n in names]
        upsert_cards(write, cards)
