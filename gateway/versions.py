"""Which version the tables have, and how they come to this program's.

Tables of a new database are made at once, as `schema` says. Alembic is imported for older ones
only: it takes longer than making all tables, and at nearly every start they are new or up to date.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from gateway.errors import StoreUnusable
from gateway.schema import METADATA

NEWEST = "0007"
"""The last of the migrations; tables made as `schema` says are of this version."""
MIGRATIONS = Path(__file__).parent / "migrations"
_VERSION = sa.Table(  # as Alembic makes it
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def bring_up_to_date(connection: sa.Connection, url: str) -> None:
    """Make the tables, or change older ones; raise `StoreUnusable` if they are newer.

    connection: in a transaction, so that the tables are changed or nothing is.
    url: what the refusal calls the database.
    """
    there = sa.inspect(connection).get_table_names()
    if not there:
        METADATA.create_all(connection, checkfirst=False)
        _VERSION.create(connection)
        connection.execute(sa.insert(_VERSION), {"version_num": NEWEST})
    elif _VERSION.name not in there or _versions(connection) != [NEWEST]:
        _migrate(connection, url)


def _versions(connection: sa.Connection) -> list[str]:
    return list(connection.execute(sa.select(_VERSION.c.version_num)).scalars())


def _migrate(connection: sa.Connection, url: str) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    current = MigrationContext.configure(connection).get_current_revision()
    scripts = ScriptDirectory.from_config(config).walk_revisions()
    if current is not None and current not in {script.revision for script in scripts}:
        raise StoreUnusable(
            f"{url}: written by a newer program (tables of version {current}); update this one"
        )
    command.upgrade(config, "head")
