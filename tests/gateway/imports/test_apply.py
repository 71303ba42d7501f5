"""What an import leaves in the catalogue: once, whole, and nothing by halves."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway import schema
from gateway.imports.apply import Importer
from gateway.imports.labels import LabelMaker
from gateway.imports.rows import PatronRow, Problem, Report, TitleRow
from gateway.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Return an empty library called main."""
    store = Store.at(tmp_path / "gateway.db", clock=lambda: 1_790_000_000_000)
    store.migrate()
    store.create_library("main")
    yield store
    store.close()


def title(number: int, *barcodes: str, **fields: object) -> TitleRow:
    """Return a title with copies that bear these labels."""
    named = {"control_no": f"x:{number}", "title": f"Title {number}", **fields}
    return TitleRow(f"record {number}", named, tuple({"barcode": b} for b in barcodes))


def bring_in(
    store: Store, *rows: TitleRow | Problem, copies: int = 0, dry: bool = False
) -> Report:
    """Import these rows."""
    importer = Importer(store, "main", dry_run=dry)
    return importer.titles(rows, copies=copies, labels=LabelMaker("0234"))


def barcodes(store: Store) -> list[str]:
    """Return every label in the catalogue, in order."""
    with store.read() as connection:
        query = sa.select(schema.ITEM.c.barcode).order_by(schema.ITEM.c.barcode)
        return list(connection.execute(query).scalars())


def test_importing_twice_makes_nothing_twice(store: Store):
    """The second time everything is already there, generated copies included."""
    rows = [title(1, "1001", "1002"), title(2)]
    first = bring_in(store, *rows, copies=2)

    second = bring_in(store, *rows, copies=2)

    assert first.created == {"titles": 2, "items": 4}
    assert second.created == {"titles": 0, "items": 0}
    assert second.unchanged["titles"] == 2
    assert barcodes(store) == ["1001", "1002", "30234000000017", "30234000000025"]


def test_generated_labels_go_on_where_the_last_import_ended(store: Store):
    """Two imports never print one label twice."""
    bring_in(store, title(1), copies=1)

    bring_in(store, title(2), copies=1)

    assert barcodes(store) == ["30234000000017", "30234000000025"]


def test_a_dry_run_counts_and_changes_nothing(store: Store):
    """Staff see what would happen; the catalogue stays as it was."""
    report = bring_in(store, title(1, "1001"), dry=True)

    assert report.created == {"titles": 1, "items": 1}
    assert "  would create: 1 titles" in list(report.lines())
    assert barcodes(store) == []


def test_one_row_the_catalogue_refuses_costs_only_itself(store: Store):
    """A set of many is halved down to the row at fault, which is named."""
    rows = [title(n, f"{n:04}") for n in range(20)]
    rows[13] = title(13, "0013", year=-5)

    report = bring_in(store, *rows)

    assert [problem.place for problem in report.problems] == ["record 13"]
    assert report.refused == 1
    assert report.created == {"titles": 19, "items": 19}
    assert "0013" not in barcodes(store)


def test_a_label_named_by_two_records_stays_with_the_first(store: Store):
    """The second record's copy is pointed out and its title goes in."""
    report = bring_in(store, title(1, "1001"), title(2, "1001", "1002"))

    assert str(report.problems[0]) == "record 2: copy 1001 belongs to record 1 already; left there"
    assert report.created == {"titles": 2, "items": 2}
    with store.read() as connection:
        owner = connection.execute(
            sa.select(schema.TITLE.c.control_no)
            .join(schema.ITEM, schema.ITEM.c.title_id == schema.TITLE.c.title_id)
            .where(schema.ITEM.c.barcode == "1001")
        ).scalar()
    assert owner == "x:1"


def test_a_line_with_only_an_isbn_joins_the_catalogued_title(store: Store):
    """Items from a spreadsheet find the record that MARC brought, and leave its words alone."""
    bring_in(store, title(1, isbn="9783522177504", author="Ende, Michael"))
    line = TitleRow(
        "line 2",
        {"control_no": "isbn:9783522177504", "title": "MOMO!!", "isbn": "9783522177504"},
        ({"barcode": "1001"},),
    )

    report = bring_in(store, line)

    assert report.created == {"titles": 0, "items": 1}
    with store.read() as connection:
        rows = connection.execute(sa.select(schema.TITLE.c.title)).scalars().all()
    assert rows == ["Title 1"]


def test_two_records_with_one_isbn_stay_two_titles(store: Store):
    """A set and its first volume may share an ISBN; each record has its own number."""
    isbn = "9783522177504"

    report = bring_in(store, title(1, isbn=isbn), title(2, isbn=isbn))
    corrected = bring_in(store, title(2, isbn=isbn, author="Ende, Michael"))

    assert report.created["titles"] == 2
    assert corrected.updated["titles"] == 1


def patron(number: str, *cards: str) -> PatronRow:
    """Return a reader with these cards."""
    return PatronRow(f"line {number}", {"number": number, "short_name": number}, cards)


def bring_in_patrons(store: Store, *rows: PatronRow) -> Report:
    """Import these readers with a transparent card key."""
    importer = Importer(store, "main")
    return importer.patrons(rows, card_key=lambda card: f"key-of-{card}", key_id="k1")


def test_a_graduates_card_is_not_given_to_a_new_pupil(store: Store):
    """Whoever gets a used number would inherit the loans; the old card must be voided first."""
    bring_in_patrons(store, patron("P-1", "0417"))

    report = bring_in_patrons(store, patron("P-2", "0417"), patron("P-3", "0500"))

    assert str(report.problems[0]) == (
        "line P-2: a card of line P-2 belongs to another reader; void it there first"
    )
    assert report.created == {"patrons": 1}


def test_readers_come_in_once_with_hashed_cards(store: Store):
    """Only the keyed hash of a card is stored; the same list again changes nothing."""
    bring_in_patrons(store, patron("P-1", "0417"))

    again = bring_in_patrons(store, patron("P-1", "0417"))

    assert again.unchanged == {"patrons": 1}
    with store.read() as connection:
        cards = connection.execute(sa.select(schema.CARD.c.card_key)).scalars().all()
    assert cards == ["key-of-0417"]


def test_progress_counts_every_row_taken(store: Store):
    """A progress bar reaches its end also when rows are refused by the catalogue."""
    steps: list[int] = []
    importer = Importer(store, "main", progress=steps.append)

    importer.titles([title(1), title(2, year=-5), title(3)], labels=LabelMaker("0234"))

    assert sum(steps) == 3
