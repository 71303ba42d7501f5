"""Writing what an import read, a set at a time.

A set is one transaction. If the catalogue refuses it, it is halved down to the row at fault, which
is reported by its place; the rest goes in. A dry run does all of it and then rolls back.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from gateway import catalogue, schema
from gateway.docs import chunks
from gateway.errors import CatalogueInvalid
from gateway.imports.labels import LabelMaker
from gateway.imports.rows import Fields, PatronRow, Problem, Report, TitleRow
from gateway.store import Store, Write

# Large enough that the commit's fsync is a small part, small enough that a kiosk's batch of
# facts waits well under a second for the library's row.
SET_ROWS = 500
Read = TypeVar("Read", TitleRow, PatronRow)


class _RolledBack(Exception):
    """Ends a dry run's transaction."""


class Importer:
    """One import into one library; ``progress`` is told how many rows each set took."""

    def __init__(
        self,
        store: Store,
        library_id: str,
        *,
        dry_run: bool = False,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.report = Report(dry_run=dry_run)
        self._store = store
        self._library_id = library_id
        self._progress = progress
        self._owner_of_barcode: dict[str, str] = {}

    def titles(
        self, rows: Iterable[TitleRow | Problem], *, copies: int = 0, labels: LabelMaker
    ) -> Report:
        """Write titles and their copies.

        A title whose record names no copies gets ``copies`` of them with labels from
        ``labels``, counting those it already has: importing twice makes none twice.
        """

        def write_set(write: Write, some: Sequence[TitleRow]) -> list[tuple[str, Any]]:
            return _write_titles(write, some, copies=copies, labels=labels)

        self._run(self._with_own_copies(rows), write_set)
        return self.report

    def patrons(
        self, rows: Iterable[PatronRow | Problem], *, card_key: Callable[[str], str], key_id: str
    ) -> Report:
        """Write readers and their cards; only keyed hashes of card ids are stored."""

        def write_set(write: Write, some: Sequence[PatronRow]) -> list[tuple[str, Any]]:
            return _write_patrons(write, some, card_key=card_key, key_id=key_id)

        self._run(rows, write_set)
        return self.report

    def _with_own_copies(self, rows: Iterable[TitleRow | Problem]) -> Iterator[TitleRow | Problem]:
        """Leave out copies whose label an earlier row of this file has."""
        for row in rows:
            if isinstance(row, Problem):
                yield row
                continue
            mine: list[Fields] = []
            for copy in row.copies:
                holder = self._owner_of_barcode.setdefault(copy["barcode"], row.place)
                if holder == row.place:
                    mine.append(copy)
                else:
                    reason = f"copy {copy['barcode']} belongs to {holder} already; left there"
                    yield Problem(row.place, reason, refused=False)
            yield TitleRow(row.place, row.fields, tuple(mine))

    def _run(
        self,
        rows: Iterable[Read | Problem],
        write_set: Callable[[Write, Sequence[Read]], list[tuple[str, Any]]],
    ) -> None:
        waiting: list[Read] = []
        for row in rows:
            if isinstance(row, Problem):
                self.report.note(row)
                self.report.read += row.refused
                continue
            self.report.read += 1
            waiting.append(row)
            if len(waiting) == SET_ROWS:
                self._take(waiting, write_set)
                waiting = []
        self._take(waiting, write_set)

    def _take(
        self, rows: list[Read], write_set: Callable[[Write, Sequence[Read]], list[tuple[str, Any]]]
    ) -> None:
        """Write the rows, halving the set until only the row at fault is left out."""
        if not rows:
            return
        try:
            done = self._written(rows, write_set)
        except CatalogueInvalid as error:
            if len(rows) == 1:
                self.report.note(Problem(rows[0].place, str(error)))
                self._progress(1)
                return
            middle = len(rows) // 2
            self._take(rows[:middle], write_set)
            self._take(rows[middle:], write_set)
            return
        for what, upserted in done:
            self.report.count(what, "created", upserted.created)
            self.report.count(what, "updated", upserted.updated)
            self.report.count(what, "unchanged", upserted.unchanged)
        self._progress(len(rows))

    def _written(
        self, rows: list[Read], write_set: Callable[[Write, Sequence[Read]], list[tuple[str, Any]]]
    ) -> list[tuple[str, Any]]:
        done: list[tuple[str, Any]] = []
        try:
            with self._store.write(self._library_id, bulk=len(rows) > 1) as write:
                done = write_set(write, rows)
                if self.report.dry_run:
                    raise _RolledBack
        except _RolledBack:
            pass
        return done


def _write_titles(
    write: Write, rows: Sequence[TitleRow], *, copies: int, labels: LabelMaker
) -> list[tuple[str, Any]]:
    same_isbn = _titles_by_isbn(write, rows)
    fields = [_attached(row.fields, same_isbn) for row in rows]
    titles = catalogue.upsert_titles(write, fields)
    items: list[Fields] = []
    for row, title_id in zip(rows, titles.ids, strict=True):
        items += [{**copy, "title_id": title_id} for copy in row.copies]
    if copies:
        bare = {title_id for row, title_id in zip(rows, titles.ids, strict=True) if not row.copies}
        items += _made_copies(write, sorted(bare), copies=copies, labels=labels)
    return [("titles", titles), ("items", catalogue.upsert_items(write, items))]


def _attached(fields: Fields, same_isbn: dict[str, str]) -> Fields:
    """Let a row that only knows an ISBN join the title that a fuller source brought."""
    title_id = same_isbn.get(fields.get("isbn", ""))
    if title_id is None or not fields["control_no"].startswith("isbn:"):
        return fields
    return {"title_id": title_id}


def _titles_by_isbn(write: Write, rows: Sequence[TitleRow]) -> dict[str, str]:
    isbns = sorted({row.fields["isbn"] for row in rows if row.fields.get("isbn")})
    table = schema.TITLE
    found: dict[str, str] = {}
    for some in chunks(isbns):
        query = (
            write.select(table)
            .where(table.c.isbn.in_(some), ~table.c.control_no.startswith("isbn:"))
            .order_by(table.c.title_id)
        )
        for row in write.execute(query):
            found.setdefault(row.isbn, row.title_id)
    return found


def _made_copies(
    write: Write, title_ids: Sequence[str], *, copies: int, labels: LabelMaker
) -> list[Fields]:
    table = schema.ITEM
    there: dict[str, int] = {}
    for some in chunks(title_ids):
        query = (
            sa.select(table.c.title_id, sa.func.count().label("copies"))
            .where(table.c.library_id == write.library_id, table.c.title_id.in_(some))
            .group_by(table.c.title_id)
        )
        for row in write.execute(query).mappings():
            there[row["title_id"]] = row["copies"]
    return [
        {"barcode": labels.next(write), "title_id": title_id}
        for title_id in title_ids
        for _ in range(copies - there.get(title_id, 0))
    ]


def _write_patrons(
    write: Write, rows: Sequence[PatronRow], *, card_key: Callable[[str], str], key_id: str
) -> list[tuple[str, Any]]:
    patrons = catalogue.upsert_patrons(write, [row.fields for row in rows])
    cards = [
        {"card_key": card_key(card), "key_id": key_id, "patron_id": patron_id}
        for row, patron_id in zip(rows, patrons.ids, strict=True)
        for card in row.cards
    ]
    _refuse_foreign_cards(write, rows, cards)
    catalogue.upsert_cards(write, cards)
    return [("patrons", patrons)]


def _refuse_foreign_cards(
    write: Write, rows: Sequence[PatronRow], cards: list[dict[str, str]]
) -> None:
    """Refuse a card that another reader holds.

    A graduate's number given to a new pupil would hand over the loans and the history: the old
    card must be voided first.
    """
    wanted = {card["card_key"]: card["patron_id"] for card in cards}
    table = schema.CARD
    for some in chunks(sorted(wanted)):
        for row in write.execute(write.select(table).where(table.c.card_key.in_(some))):
            if row.patron_id != wanted[row.card_key]:
                place = rows[0].place if len(rows) == 1 else "these lines"
                raise CatalogueInvalid(
                    f"a card of {place} belongs to another reader; void it there first"
                )
