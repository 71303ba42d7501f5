"""What the facts say, and what goes down to stations."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of this version."""
    _holding()
    _loan()
    _hold()
    _verdict()
    _review()
    _alarm()
    _passage_count()
    _may_leave()
    _change()
    _step()
    _snapshot()
    _event()


def downgrade() -> None:
    """Drop the tables of this version."""
    for table in (
        "event",
        "snapshot",
        "step",
        "change",
        "may_leave",
        "passage_count",
        "alarm",
        "review",
        "verdict",
        "hold",
        "loan",
        "holding",
    ):
        op.drop_table(table)


def _holding() -> None:
    op.create_table(
        "holding",
        sa.Column("library_id", sa.String(length=32), nullable=False),
        sa.Column("item_id", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("patron_id", sa.String(length=32), nullable=True),
        sa.Column("loan", sa.String(length=32), nullable=True),
        sa.Column("last", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("floor_ms", sa.BigInteger(), nullable=True),
        sa.Column("doubted", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("doc", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("library_id", "item_id"),
    )
    op.create_index(
        "holding_by_patron",
        "holding",
        ["library_id", "patron_id"],
        unique=False,
        sqlite_where=sa.text("patron_id IS NOT NULL"),
    )


def _loan() -> None:
    op.create_table(
        "loan",
        sa.Column("library_id", sa.String(length=32), nullable=False),
        sa.Column("loan", sa.String(length=32), nullable=False),
        sa.Column("item_id", sa.String(length=32), nullable=False),
        sa.Column("patron_id", sa.String(length=32), nullable=True),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("policy_version", sa.BigInteger(), nullable=True),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("library_id", "loan"),
    )
    op.create_index("loan_by_closing", "loan", ["library_id", "closed_at"], unique=False)
    op.create_index("loan_by_item", "loan", ["library_id", "item_id"], unique=False)


def _hold() -> None:
    op.create_table(
        "hold",
        sa.Column("library_id", sa.String(length=32), nullable=False),
        sa.Column("hold", sa.String(length=32), nullable=False),
        sa.Column("item_id", sa.String(length=32), nullable=True),
        sa.Column("title_id", sa.String(length=32), nullable=True),
        sa.Column("patron_id", sa.String(length=32), nullable=True),
        sa.Column("pickup", sa.String(length=32), nullable=True),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("placed_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("library_id", "hold"),
    )
    op.create_index("hold_by_item", "hold", ["library_id", "item_id"], unique=False)
    op.create_index("hold_by_title", "hold", ["library_id", "title_id"], unique=False)


def _verdict() -> None:
    op.create_table(
        "verdict",
        sa.Column("library_id", sa.String(length=32), nullable=False),
        sa.Column("fact_id", sa.String(length=32), nullable=False),
        sa.Column("rule", sa.String(length=32), nullable=False),
        sa.Column("detail", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("judged_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("library_id", "fact_id", "rule"),
    )


def _review() -> None:
    op.create_table(
        "review",
        sa.Column("library_id", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("rule", sa.String(length=32), nullable=False),
        sa.Column("item_id", sa.String(length=32), nullable=True),
        sa.Column("station", sa.String(length=32), nullable=True),
        sa.Column("facts", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("detail", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("notes", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("decided_by", sa.String(length=32), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("library_id", "key"),
    )
    op.create_index("review_by_item", "review", ["library_id", "item_id"], unique=False)
    op.create_index(
        "review_open", "review", ["library_id", "decided_at", "created_at"], unique=False
    )


def _alarm() -> None:
    op.create_table(
        "alarm",
        sa.Column("library_id", sa.String(length=32), nullable=False),
        sa.Column("fact_id", sa.String(length=32), nullable=False),
        sa.Column("station", sa.String(length=32), nullable=False),
        sa.Column("item_id", sa.String(length=32), nullable=True),
        sa.Column("gate", sa.String(length=32), nullable=True),
        sa.Column("lane", sa.String(length=32), nullable=True),
        sa.Column("direction", sa.String(length=8), nullable=True),
        sa.Column("deciding_row", sa.SmallInteger(), nullable=True),
        sa.Column("latency_ms", sa.Integer(), nullable=True),
        sa.Column("uid", sa.String(length=64), nullable=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=True),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("library_id", "fact_id"),
    )
    op.create_index("alarm_by_station", "alarm", ["library_id", "station", "at_ms"], unique=False)


def _passage_count() -> None:
    op.create_table(
        "passage_count",
        sa.Column("library_id", sa.String(length=32), nullable=False),
        sa.Column("fact_id", sa.String(length=32), nullable=False),
        sa.Column("station", sa.String(length=32), nullable=False),
        sa.Column("gate", sa.String(length=32), nullable=True),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.Column("people_in", sa.Integer(), server_default="0", nullable=False),
        sa.Column("people_out", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("library_id", "fact_id"),
    )


def _may_leave() -> None:
    op.create_table(
        "may_leave",
        sa.Column("library_id", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=96), nullable=False),
        sa.Column("item_id", sa.String(length=32), nullable=False),
        sa.Column("reach", sa.Integer(), server_default="0", nullable=False),
        sa.Column("unsecured", sa.SmallInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("library_id", "key"),
        sqlite_with_rowid=False,
    )
    op.create_index("may_leave_by_item", "may_leave", ["library_id", "item_id"], unique=False)


def _change() -> None:
    op.create_table(
        "change",
        sa.Column("library_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(length=96), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("committed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("library_id", "kind", "version", "key"),
        sqlite_with_rowid=False,
    )


def _step() -> None:
    op.create_table(
        "step",
        sa.Column("library_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("previous", sa.BigInteger(), nullable=False),
        sa.Column("committed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("library_id", "kind", "version"),
        sqlite_with_rowid=False,
    )
    op.create_index("step_by_version", "step", ["library_id", "version"], unique=False)


def _snapshot() -> None:
    op.create_table(
        "snapshot",
        sa.Column("library_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("format", sa.String(length=16), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("lineage", sa.String(length=32), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("built_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("library_id", "kind", "format", "version"),
    )


def _event() -> None:
    op.create_table(
        "event",
        sa.Column("library_id", sa.String(length=32), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("station", sa.String(length=32), nullable=True),
        sa.Column("code", sa.String(length=24), nullable=False),
        sa.Column("detail", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("library_id", "n"),
    )
