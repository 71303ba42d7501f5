"""Opening, migrating, and the one way to write."""

import sqlite3
import threading

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from gateway import schema
from gateway.catalogue import upsert_titles
from gateway.errors import CatalogueInvalid, LibraryUnknown, StoreUnusable
from gateway.store import Store

LIBRARY = "main"


def test_the_migrations_make_exactly_the_tables_of_the_program(store):
    """A database that was migrated differs in nothing from the tables in schema.py."""
    engine = sa.create_engine(store.url)

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, schema.METADATA)

    assert differences == []
    engine.dispose()


def test_migrating_again_changes_nothing(store):
    """A gateway migrates at every start."""
    store.migrate()

    assert store.libraries() == [LIBRARY]


def test_a_newer_database_is_refused(tmp_path, clock):
    """An old program does not guess at tables it has never seen."""
    store = Store.at(tmp_path / "newer.db", clock=clock)
    store.migrate()
    with sqlite3.connect(tmp_path / "newer.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()

    with pytest.raises(StoreUnusable, match="newer program"):
        store.migrate()
    store.close()


def test_a_file_that_is_no_database_is_named(tmp_path, clock):
    """The message says which file, not only that something failed."""
    path = tmp_path / "letter.db"
    path.write_text("Dear library, " * 100)
    store = Store.at(path, clock=clock)

    with pytest.raises(StoreUnusable, match=r"letter\.db"):
        store.migrate()
    store.close()


def test_an_unknown_library_says_what_to_do(store):
    """Nobody writes into a library that was never made."""
    with (
        pytest.raises(LibraryUnknown, match="lendgate-gateway init"),
        store.write("elsewhere"),
    ):
        pass


def test_two_writers_wait_for_each_other(store):
    """Reading and then writing never fails with a busy snapshot: each begins as a writer."""
    failures = []

    def write_titles(prefix):
        try:
            for number in range(20):
                with store.write(LIBRARY) as write:
                    write.execute(write.select(schema.TITLE)).all()
                    upsert_titles(write, [{"control_no": f"{prefix}{number}", "title": "x"}])
        except sa.exc.OperationalError as error:
            failures.append(error)

    threads = [threading.Thread(target=write_titles, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with store.read() as connection:
        count = connection.execute(sa.select(sa.func.count()).select_from(schema.TITLE)).scalar()
    assert failures == []
    assert count == 40


def test_a_failed_write_leaves_nothing(store):
    """Half a transaction is no transaction: rows, versions and changes go together."""

    def half_a_file():
        with store.write(LIBRARY) as write:
            upsert_titles(write, [{"control_no": "1", "title": "Momo"}])
            upsert_titles(write, [{"control_no": "2", "title": 7}])

    with pytest.raises(CatalogueInvalid):
        half_a_file()

    with store.read() as connection:
        titles = connection.execute(sa.select(schema.TITLE)).all()
        library = connection.execute(sa.select(schema.LIBRARY)).one()
    assert titles == []
    assert library.version == 0


def test_a_reading_connection_cannot_write(store):
    """Pages and snapshots cannot change a fact, whatever they do."""
    with (
        pytest.raises(sa.exc.DBAPIError, match=r"readonly|read-only"),
        store.read() as connection,
    ):
        connection.execute(sa.insert(schema.TITLE).values(library_id="main", title_id="x"))
