"""Opening, migrating, and the one way to write."""

import sqlite3
import subprocess
import sys
import threading
from contextlib import ExitStack

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from gateway import schema
from gateway.catalogue import upsert_titles
from gateway.connections import KEPT_MAX
from gateway.docs import items_query
from gateway.errors import CatalogueInvalid, LibraryUnknown, StoreUnusable
from gateway.store import Store
from gateway.versions import MIGRATIONS
from tests.gateway.conftest import go_back

LIBRARY = "main"
MIGRATED_TWICE = """
import sys
from gateway.store import Store
for _ in range(2):
    store = Store(f"sqlite:///{sys.argv[1]}", clock=lambda: 0)
    store.migrate()
    store.close()
print("\\n".join(sys.modules))
"""


def definitions(engine):
    """Return what the database says of each column and index of its tables, in any order."""
    query = """
        SELECT table_name, column_name, data_type, character_maximum_length, is_nullable,
            column_default FROM information_schema.columns WHERE table_schema = 'public'
        UNION ALL SELECT tablename, indexdef, '', 0, '', '' FROM pg_indexes
            WHERE schemaname = 'public'
    """
    if engine.name == "sqlite":
        query = "SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'"
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(query).all()
    said = [" ".join(" ".join(map(str, row)).split()) for row in rows]
    return sorted(sorted(one.split(", ")) for one in said)


def test_old_tables_become_exactly_those_of_a_new_database(store):
    """The way through all migrations ends where a new database begins, and in schema.py."""
    engine = sa.create_engine(store.url)
    new = definitions(engine)
    with engine.begin() as connection:
        go_back(connection, "base")

    store.migrate()

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, schema.METADATA)
    assert definitions(engine) == new
    assert differences == []
    engine.dispose()


def test_new_tables_are_of_the_newest_version(store):
    """A migration that comes later finds nothing done that it has to do."""
    with store.read() as connection:
        version = MigrationContext.configure(connection).get_current_revision()

    assert version == ScriptDirectory(MIGRATIONS).get_current_head()


def test_alembic_is_imported_for_older_tables_only(tmp_path):
    """At nearly every start tables are new or up to date; importing it takes longer than both."""
    ran = subprocess.run(
        [sys.executable, "-c", MIGRATED_TWICE, str(tmp_path / "new.db")],
        capture_output=True,
        text=True,
        check=True,
    )
    imported = ran.stdout.split()

    assert "gateway.schema" in imported
    assert "alembic" not in imported


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


def test_tables_without_a_version_are_refused(tmp_path, clock):
    """Whose they are nobody knows: nothing is made beside them, and nothing is changed."""
    path = tmp_path / "half.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE library (id TEXT)")
    store = Store.at(path, clock=clock)

    with pytest.raises(StoreUnusable, match=r"half\.db.*library already exists"):
        store.migrate()

    tables = connection.execute("SELECT name FROM sqlite_schema").fetchall()
    connection.close()
    store.close()
    assert tables == [("library",)]


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


def test_a_read_sees_what_another_program_has_just_committed(store, clock):
    """A connection is kept from one read to the next, never the moment it saw."""
    other = Store(store.url, clock=clock)
    with store.read() as connection:
        assert store_titles(connection) == []

    with other.write(LIBRARY) as write:
        upsert_titles(write, [{"control_no": "1", "title": "Momo"}])
    with store.read() as connection:
        seen = store_titles(connection)
    other.close()

    assert seen == ["Momo"]


def test_a_read_sees_one_moment(store):
    """What is committed while somebody reads comes with the next read."""
    with store.read() as connection:
        before = store_titles(connection)
        with store.write(LIBRARY) as write:
            upsert_titles(write, [{"control_no": "1", "title": "Momo"}])
        still = store_titles(connection)

    assert before == still == []


def test_a_read_that_failed_is_no_trouble_to_the_next(store):
    """An error ends its transaction; whoever comes then sees the newest commit."""
    with pytest.raises(sa.exc.DBAPIError), store.read() as connection:
        connection.exec_driver_sql("SELECT nonsense")
    with store.write(LIBRARY) as write:
        upsert_titles(write, [{"control_no": "1", "title": "Momo"}])

    with store.read() as connection:
        assert store_titles(connection) == ["Momo"]


def test_more_may_read_at_once_than_connections_are_kept(store):
    """Nobody waits for another reader, however many there are."""
    with ExitStack() as stack:
        reading = [stack.enter_context(store.read()) for _ in range(KEPT_MAX + 3)]
        assert [store_titles(connection) for connection in reading] == [[]] * (KEPT_MAX + 3)


def test_a_moment_is_another_one_after_every_commit(store, clock):
    """Whoever remembers what it read asks this, and is told of other programs' commits too."""
    if store.url.startswith("postgresql"):
        assert store.moment() is None  # a server does not say: look again
        return
    other = Store(store.url, clock=clock)
    moments = [store.moment(), store.moment()]

    with other.write(LIBRARY) as write:
        upsert_titles(write, [{"control_no": "1", "title": "Momo"}])
    moments.append(store.moment())
    other.close()
    with store.write(LIBRARY) as write:
        upsert_titles(write, [{"control_no": "2", "title": "Matilda"}])
    moments.append(store.moment())

    assert moments[0] == moments[1]
    assert len(set(moments)) == 3


def test_moments_seen_by_two_connections_are_never_the_same(store):
    """Each counts commits in its own way, so that equal counts would mean nothing."""
    with store.read():
        seen_by_another = store.moment()
    moments = {seen_by_another, store.moment()} - {None}

    assert len(moments) in (0, 2)


def test_a_writer_finds_items_by_their_keys_in_tables_believed_empty(store):
    """What the engine knows of a table may be a minute old, when its rows were not there yet."""
    explain = "EXPLAIN" if store.url.startswith("postgresql") else "EXPLAIN QUERY PLAN"
    ids = [f"{number:016x}" for number in range(500)]
    query = items_query(LIBRARY).where(schema.ITEM.c.item_id.in_(ids))

    with store.write(LIBRARY) as write:
        write.connection.exec_driver_sql("ANALYZE")
        asked = query.compile(write.connection, compile_kwargs={"literal_binds": True})
        rows = write.connection.exec_driver_sql(f"{explain} {asked}").all()
    plan = "\n".join(str(cell) for row in rows for cell in row)

    assert "Seq Scan" not in plan
    assert "Hash" not in plan
    assert "Materialize" not in plan
    assert "SCAN" not in plan


def store_titles(connection):
    """Return all titles."""
    return list(connection.execute(sa.select(schema.TITLE.c.title)).scalars())
