"""Titles, items, patrons and cards, a set at a time."""

import pytest
import sqlalchemy as sa

from gateway import schema
from gateway.board import Desk
from gateway.catalogue import (
    upsert_cards,
    upsert_items,
    upsert_patrons,
    upsert_titles,
)
from gateway.errors import CatalogueInvalid
from gateway.tags import set_uids

LIBRARY = "main"


def changes(store, kind):
    """Return the keys of the change rows of a kind."""
    with store.read() as connection:
        query = sa.select(schema.CHANGE.c.key).where(schema.CHANGE.c.kind == kind)
        return list(connection.execute(query).scalars())


def test_a_second_import_updates_by_the_sources_number(store):
    """Importing a file again makes no second copy of anything."""
    rows = [{"control_no": "42", "title": "Momo"}]
    with store.write(LIBRARY) as write:
        first = upsert_titles(write, rows)
    with store.write(LIBRARY) as write:
        second = upsert_titles(write, [{"control_no": "42", "title": "Momo!"}])

    assert (first.created, first.updated) == (1, 0)
    assert (second.created, second.updated) == (0, 1)
    assert first.ids == second.ids


def test_a_field_that_is_not_named_is_kept(store, books):
    """A file without a column empties nothing."""
    with store.write(LIBRARY) as write:
        upsert_items(write, [{"barcode": "1001", "shelf_mark": "J END"}])
    with store.write(LIBRARY) as write:
        upsert_items(write, [{"barcode": "1001", "price_cents": 1250}])

    item = Desk(store, LIBRARY).item("1001")
    assert (item["shelf_mark"], item["price_cents"]) == ("J END", 1250)


def test_what_is_the_same_makes_no_change(store, books):
    """Importing the same file every night costs stations nothing."""
    before = changes(store, "catalogue")

    with store.write(LIBRARY) as write:
        done = upsert_items(write, [{"barcode": "1001"}, {"barcode": "1002"}])

    assert (done.created, done.updated, done.unchanged) == (0, 0, 2)
    assert changes(store, "catalogue") == before


def test_a_number_within_one_file_counts_once(store):
    """Two rows with one barcode are one item; the later row has the last word."""
    with store.write(LIBRARY) as write:
        done = upsert_items(
            write,
            [{"barcode": "7", "shelf_mark": "A"}, {"barcode": "7", "shelf_mark": "B"}],
        )

    assert done.created == 1
    assert done.ids[0] == done.ids[1]
    assert Desk(store, LIBRARY).item("7")["shelf_mark"] == "B"


def test_a_barcode_of_another_item_is_refused(store, books):
    """Two items never share a number."""
    with (
        pytest.raises(CatalogueInvalid, match="belongs to"),
        store.write(LIBRARY) as write,
    ):
        upsert_items(write, [{"item_id": books["1001"], "barcode": "1002"}])


def test_a_tag_that_moves_changes_both_items(store, books):
    """The item that lost its tag is told to stations as well."""
    uid = "e004010000001001"
    with store.write(LIBRARY) as write:
        set_uids(write, {uid: books["1002"]})

    desk = Desk(store, LIBRARY)
    assert desk.item("1001")["uids"] == []
    assert uid in desk.item("1002")["uids"]
    assert changes(store, "catalogue").count(books["1001"]) == 2


def test_a_new_title_is_told_with_its_copies(store, books):
    """A copy's document names its title, so a corrected title reaches every kiosk."""
    before = changes(store, "catalogue").count(books["1001"])
    with store.write(LIBRARY) as write:
        upsert_titles(write, [{"control_no": "t1", "title": "Momo, or the Time Thieves"}])

    assert changes(store, "catalogue").count(books["1001"]) == before + 1


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"barcode": "1", "colour": "red"}, "no field 'colour'"),
        ({"barcode": 1}, "must be text"),
        ({"barcode": "1" * 49}, "at most 48"),
        ({"barcode": "1", "price_cents": -1}, "whole number"),
        ({"barcode": "1", "price_cents": 10**20}, "whole number"),
        ({"barcode": "1", "shelf_mark": "a\0b"}, "NUL"),
        ({"barcode": "1", "shelf_mark": "\ud800"}, "half a character"),
        ({"barcode": "1", "shelf_mark": None}, "may be left out"),
        ({"barcode": "1", "uids": ["E004"]}, "lower-case hex"),
        ({"barcode": "1", "library_id": "other"}, "no field 'library_id'"),
    ],
)
def test_a_row_that_cannot_be_stored_is_named(store, row, complaint):
    """Every mistake has a message that says which field and what would be right."""
    with pytest.raises(CatalogueInvalid, match=complaint), store.write(LIBRARY) as write:
        upsert_items(write, [row])


def test_a_lost_card_reaches_the_kiosks(store, readers):
    """A changed card changes its reader's document."""
    card = {"card_key": "ab" * 16, "key_id": "1", "patron_id": readers[0]}
    with store.write(LIBRARY) as write:
        assert upsert_cards(write, [card]) == 1
    with store.write(LIBRARY) as write:
        assert upsert_cards(write, [card]) == 0
        assert upsert_cards(write, [{**card, "status": "lost"}]) == 1

    assert changes(store, "patrons").count(readers[0]) == 3


def test_a_bulk_import_leaves_no_change_rows(store):
    """Thousands of changes are cheaper as a new list."""
    with store.write(LIBRARY, bulk=True) as write:
        upsert_patrons(write, [{"number": str(n), "short_name": "x"} for n in range(10)])

    with store.read() as connection:
        feed = connection.execute(
            sa.select(schema.FEED).where(schema.FEED.c.kind == "patrons")
        ).one()
    assert changes(store, "patrons") == []
    assert feed.floor == feed.version > 0
