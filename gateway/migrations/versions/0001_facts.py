"""The library, its stations and their facts."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of this version."""
    _library()
    _feed()
    _station()
    _epoch()
    _fact()
    _position()
    _parked()


def downgrade() -> None:
    """Drop the tables of this version."""
    for table in (
        "parked",
        "position",
        "fact",
        "epoch",
        "station",
        "feed",
        "library",
    ):
        op.drop_table(table)


def _library() -> None:
    op.create_table(
        "library",
        sa.Column("library_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("lineage", sa.String(length=32), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("published", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("head_n", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("recovered", sa.SmallInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("library_id"),
    )


def _feed() -> None:
    op.create_table(
        "feed",
        sa.Column("library_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("floor", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("library_id", "kind"),
    )


def _station() -> None:
    op.create_table(
        "station",
        sa.Column("library_id", sa.String(length=32), nullable=False),
        sa.Column("station", sa.String(length=32), nullable=False),
        sa.Column("role", sa.String(length=8), server_default="kiosk", nullable=False),
        sa.Column("site", sa.String(length=32), nullable=True),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("connected", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("boot", sa.String(length=16), nullable=True),
        sa.Column("epoch_n", sa.Integer(), server_default="0", nullable=False),
        sa.Column("epoch_id", sa.String(length=32), nullable=True),
        sa.Column("hw", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("hash", sa.LargeBinary(length=16), nullable=True),
        sa.Column("keep_from", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("seq_last", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("acked", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lineage", sa.String(length=32), nullable=True),
        sa.Column("versions", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("firmware", sa.String(length=64), nullable=True),
        sa.Column("clock", sa.String(length=8), nullable=True),
        sa.Column("config_version", sa.BigInteger(), nullable=True),
        sa.Column("list_state", sa.String(length=8), nullable=True),
        sa.Column("waiting_since", sa.BigInteger(), nullable=True),
        sa.Column("first_contact_at", sa.BigInteger(), nullable=True),
        sa.Column("last_contact_at", sa.BigInteger(), nullable=True),
        sa.Column("connected_at", sa.BigInteger(), nullable=True),
        sa.Column("gone_at", sa.BigInteger(), nullable=True),
        sa.Column("last_fact_at", sa.BigInteger(), nullable=True),
        sa.Column("facts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("parked", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("twin_seen_at", sa.BigInteger(), nullable=True),
        sa.Column("telemetry", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("library_id", "station"),
    )


def _epoch() -> None:
    op.create_table(
        "epoch",
        sa.Column("library_id", sa.String(length=32), nullable=False),
        sa.Column("station", sa.String(length=32), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("parent_id", sa.String(length=32), nullable=True),
        sa.Column("parent_n", sa.Integer(), nullable=True),
        sa.Column("parent_seq", sa.BigInteger(), nullable=True),
        sa.Column("parent_hash", sa.LargeBinary(length=16), nullable=True),
        sa.Column("hw", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("hash", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("library_id", "station", "id"),
    )


def _fact() -> None:
    op.create_table(
        "fact",
        sa.Column("library_id", sa.String(length=32), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("station", sa.String(length=32), nullable=False),
        sa.Column("epoch_n", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("item_id", sa.String(length=32), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("salt", sa.LargeBinary(length=16), nullable=True),
        sa.Column("patron_id", sa.String(length=32), nullable=True),
        sa.Column("boot", sa.String(length=16), nullable=False),
        sa.Column("mono_ms", sa.BigInteger(), nullable=False),
        sa.Column("wall_ms", sa.BigInteger(), nullable=True),
        sa.Column("earliest_ms", sa.BigInteger(), nullable=True),
        sa.Column("latest_ms", sa.BigInteger(), nullable=True),
        sa.Column("flagged", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("library_id", "id"),
    )
    op.create_index(
        "fact_by_item",
        "fact",
        ["library_id", "item_id"],
        unique=False,
        sqlite_where=sa.text("item_id IS NOT NULL"),
    )
    op.create_index(
        "fact_by_patron",
        "fact",
        ["library_id", "patron_id"],
        unique=False,
        sqlite_where=sa.text("patron_id IS NOT NULL"),
    )
    op.create_index(
        "fact_by_place", "fact", ["library_id", "station", "epoch_n", "seq"], unique=False
    )
    op.create_index(
        "fact_clock",
        "fact",
        ["library_id", "station", "boot"],
        unique=False,
        sqlite_where=sa.text("kind = 'clock'"),
    )


def _position() -> None:
    op.create_table(
        "position",
        sa.Column("library_id", sa.String(length=32), nullable=False),
        sa.Column("station", sa.String(length=32), nullable=False),
        sa.Column("epoch_id", sa.String(length=32), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=16), nullable=False),
        sa.Column("fact_id", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("library_id", "station", "epoch_id", "seq"),
        sqlite_with_rowid=False,
    )


def _parked() -> None:
    op.create_table(
        "parked",
        sa.Column("library_id", sa.String(length=32), nullable=False),
        sa.Column("station", sa.String(length=32), nullable=False),
        sa.Column("epoch_id", sa.String(length=32), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("epoch_n", sa.Integer(), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=16), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("salt", sa.LargeBinary(length=16), nullable=True),
        sa.Column("patron_id", sa.String(length=32), nullable=True),
        sa.Column("why", sa.String(length=24), nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("tried_with", sa.String(length=32), nullable=False),
        sa.Column("applied_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("library_id", "station", "epoch_id", "seq"),
    )
