"""A gateway's database of any size, written in one go and kept for the next run.

Item n has the barcode 3…n and the tag e00401…n, reader n the card 2…n. The rows are those that an
import leaves, written by plain SQL: a hundred thousand a second instead of a few thousand. The
first `lent` items are on loan, as the fold writes it, so that the lists have what real ones have;
they have no facts behind them, so nothing that folds them again may be measured.
"""

import hashlib
import json
import random
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from circulation.fold.holding import Holding
from circulation.items import ItemState
from circulation.may_leave import STREET
from circulation.patrons import card_key
from gateway import schema
from gateway.app import Settings, prepare

LIBRARY = "measured"
SITE = "main"
OWNER = "ZZ-MEASURED"
CARD_KEY = bytes(range(16, 32))
LENT_AT_MS = 1_767_000_000_000
DAY_MS = 86_400_000
KEPT = Path(__file__).parent.parent.parent / "build" / "libraries"


@dataclass(frozen=True, slots=True)
class Filled:
    """What was written: ids in order."""

    items: tuple[str, ...]
    patrons: tuple[str, ...]


def barcode_of(item: int) -> str:
    """Return the label of the n-th item."""
    return f"3{item:09d}"


def card_of(patron: int) -> str:
    """Return the number on the n-th reader's card."""
    return f"2{patron:09d}"


def uid_of(item: int) -> str:
    """Return the tag of the n-th item."""
    return f"e00401{item:010x}"


@dataclass(frozen=True, slots=True)
class Size:
    """How large a library is. lent: how many of the items are on loan; needs a reader."""

    items: int
    patrons: int
    lent: int = 0
    tagged: bool = True


def fill(settings: Settings, size: Size) -> Filled:
    """Make a gateway's database of that size, two items to a title, and say what is in it."""
    filled = Filled(_ids("item", size.items), _ids("patron", size.patrons))
    prepare(settings).close()
    connection = sqlite3.connect(settings.database)
    try:
        connection.execute("PRAGMA synchronous=OFF")  # a cut only means making it again
        connection.execute("PRAGMA cache_size=-65536")
        _write(connection, size, filled)
    finally:
        connection.close()
    _number(settings, filled)
    return filled


def fill_once(settings: Settings, size: Size, *, kept: Path = KEPT) -> Filled:
    """Do as `fill`, from a copy of what an earlier run made, if there is one.

    What the rows look like is in the copy's name: a change of the tables or of this file makes
    a new one.
    """
    kept.mkdir(parents=True, exist_ok=True)
    source = Path(__file__).read_bytes() + Path(schema.__file__).read_bytes()
    name = f"{size.items}-{size.patrons}-{size.lent}-{int(size.tagged)}"
    file = kept / f"{name}-{hashlib.sha256(source).hexdigest()[:12]}.db"
    if not file.exists():
        filled = fill(settings, size)
        part = file.with_suffix(".part")
        shutil.copyfile(settings.database, part)
        part.rename(file)
        return filled
    settings.database.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, settings.database)
    return Filled(_ids("item", size.items), _ids("patron", size.patrons))


def _ids(kind: str, count: int) -> tuple[str, ...]:
    """Return random ids, the same in every run."""
    chance = random.Random(kind)
    return tuple(f"{chance.getrandbits(64):016x}" for _ in range(count))


def _write(connection: sqlite3.Connection, size: Size, filled: Filled) -> None:
    """Write all rows in one transaction, each table in the order of its key."""
    items, patrons = filled.items, filled.patrons
    titles = _ids("title", (size.items + 1) // 2)
    with connection:
        _insert(connection, schema.TITLE, (_title(n, titles[n]) for n in _order(titles)))
        _insert(
            connection, schema.ITEM, (_item(n, items[n], titles[n // 2]) for n in _order(items))
        )
        if size.tagged:
            uids = ({"uid": uid_of(n), "item_id": item} for n, item in enumerate(items))
            _insert(connection, schema.ITEM_UID, uids)
        _insert(connection, schema.PATRON, (_patron(n, patrons[n]) for n in _order(patrons)))
        cards = sorted((card_key(CARD_KEY, card_of(n)), p) for n, p in enumerate(patrons))
        _insert(
            connection,
            schema.CARD,
            ({"card_key": key, "key_id": "1", "patron_id": patron} for key, patron in cards),
        )
        if size.lent:
            _lend(connection, items[: size.lent], filled.patrons)


def _order(ids: tuple[str, ...]) -> list[int]:
    return sorted(range(len(ids)), key=ids.__getitem__)


def _insert(connection: sqlite3.Connection, table: Any, rows: Iterable[dict[str, Any]]) -> None:
    """Insert rows that all name the same columns."""
    rows = iter(rows)
    first = next(rows, None)
    if first is None:
        return
    names = ", ".join(f'"{name}"' for name in ("library_id", *first))
    marks = ", ".join("?" * (len(first) + 1))
    connection.executemany(
        f"INSERT INTO {table.name} ({names}) VALUES ({marks})", _values(first, rows)
    )


def _values(first: dict[str, Any], rows: Iterator[dict[str, Any]]) -> Iterator[tuple[Any, ...]]:
    yield (LIBRARY, *first.values())
    for row in rows:
        yield (LIBRARY, *row.values())


def _title(number: int, title_id: str) -> dict[str, Any]:
    return {
        "title_id": title_id,
        "control_no": f"t{number}",
        "title": f"On measuring libraries, volume {number}",
        "author": f"Surname{number % 977}, Forename",
        "isbn": f"978{number:010d}",
        "year": 1950 + number % 75,
    }


def _item(number: int, item_id: str, title_id: str) -> dict[str, Any]:
    return {
        "item_id": item_id,
        "title_id": title_id,
        "barcode": barcode_of(number),
        "owner": OWNER,
        "home": SITE,
        "shelf_mark": f"QA {number % 999}.{number % 7}",
    }


def _patron(number: int, patron_id: str) -> dict[str, Any]:
    return {
        "patron_id": patron_id,
        "number": card_of(number),
        "short_name": f"Reader {number}",
        "category": "reader",
    }


def _lend(
    connection: sqlite3.Connection, items: tuple[str, ...], patrons: tuple[str, ...]
) -> None:
    """Put items on loan, to the readers in turn."""
    loans = dict(zip(items, _ids("loan", len(items)), strict=True))
    readers = {item: patrons[n % len(patrons)] for n, item in enumerate(items)}
    due_at = LENT_AT_MS + 28 * DAY_MS
    holdings = []
    for item in sorted(items):
        loan, patron = loans[item], readers[item]
        doc = Holding(
            ItemState.ON_LOAN, patron, loan, session=loan[:8], due_at=due_at, reach=STREET
        ).to_doc()
        holdings.append({
            "item_id": item, "state": "on_loan", "patron_id": patron, "loan": loan,
            "last": json.dumps([loan]), "doc": json.dumps(doc, separators=(",", ":")),
            "version": 1,
        })  # fmt: skip
    _insert(connection, schema.HOLDING, holdings)
    rows = (
        {
            "loan": loan, "item_id": item, "patron_id": readers[item], "opened_at": LENT_AT_MS,
            "due_at": due_at, "policy_version": 1,
        }
        for item, loan in loans.items()
    )  # fmt: skip
    _insert(connection, schema.LOAN, rows)
    leaving = (
        {"key": uid_of(n), "item_id": item, "reach": STREET} for n, item in enumerate(items)
    )
    _insert(connection, schema.MAY_LEAVE, leaving)


def _number(settings: Settings, filled: Filled) -> None:
    """Give the lists a version, as every import does at its end."""
    store = prepare(settings)
    try:
        with store.write(LIBRARY, bulk=True) as write:
            write.changes.items.update(filled.items[-1:])
            write.changes.patrons.update(filled.patrons[-1:])
    finally:
        store.close()
