"""Several workers may share a server, and a station's clock facts are found at once."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

CLOCKS = "kind = 'clock'"


def upgrade() -> None:
    """Make the table of this version, and the index anew."""
    op.create_table(
        "owner",
        sa.Column("library_id", sa.String(length=32), nullable=False),
        sa.Column("worker", sa.String(length=64), nullable=False),
        sa.Column("term", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("library_id"),
    )
    _index(["library_id", "station", "epoch_n", "seq"])


def downgrade() -> None:
    """Undo it."""
    op.drop_table("owner")
    _index(["library_id", "station", "boot"])


def _index(columns: list[str]) -> None:
    op.drop_index("fact_clock", table_name="fact")
    where = sa.text(CLOCKS)
    op.create_index("fact_clock", "fact", columns, sqlite_where=where, postgresql_where=where)
