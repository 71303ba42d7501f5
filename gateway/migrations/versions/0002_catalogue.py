"""Titles, items, patrons, cards, policies."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of this version."""
    _title()
    _item()
    _item_uid()
    _patron()
    _card()
    _policy()
    _config()


def downgrade() -> None:
    """Drop the tables of this version."""
    for table in (
        "config",
        "policy",
        "card",
        "patron",
        "item_uid",
        "item",
        "title",
    ):
        op.drop_table(table)


def _title() -> None:
    op.create_table(
        "title",
        sa.Column("library_id", sa.String(length=32), nullable=False),
        sa.Column("title_id", sa.String(length=32), nullable=False),
        sa.Column("control_no", sa.String(length=64), nullable=True),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column("author", sa.Text(), server_default="", nullable=False),
        sa.Column("isbn", sa.String(length=17), nullable=True),
        sa.Column("year", sa.Integer(), nullable=True),
        sa.Column("publisher", sa.Text(), nullable=True),
        sa.Column("language", sa.String(length=8), nullable=True),
        sa.Column("extra", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("library_id", "title_id"),
    )
    op.create_index("title_by_control_no", "title", ["library_id", "control_no"], unique=True)
    op.create_index("title_by_isbn", "title", ["library_id", "isbn"], unique=False)


def _item() -> None:
    op.create_table(
        "item",
        sa.Column("library_id", sa.String(length=32), nullable=False),
        sa.Column("item_id", sa.String(length=32), nullable=False),
        sa.Column("title_id", sa.String(length=32), nullable=True),
        sa.Column("barcode", sa.String(length=48), nullable=True),
        sa.Column("accession_no", sa.String(length=64), nullable=True),
        sa.Column("item_type", sa.String(length=32), server_default="book", nullable=False),
        sa.Column("owner", sa.String(length=32), nullable=True),
        sa.Column("home", sa.String(length=64), nullable=True),
        sa.Column("location", sa.String(length=64), nullable=True),
        sa.Column("shelf_mark", sa.Text(), server_default="", nullable=False),
        sa.Column("reference", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("not_for_loan", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("parts_total", sa.Integer(), server_default="1", nullable=False),
        sa.Column("price_cents", sa.Integer(), nullable=True),
        sa.Column("initial", sa.String(length=16), nullable=True),
        sa.Column("extra", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("library_id", "item_id"),
    )
    op.create_index("item_by_barcode", "item", ["library_id", "barcode"], unique=True)
    op.create_index("item_by_title", "item", ["library_id", "title_id"], unique=False)


def _item_uid() -> None:
    op.create_table(
        "item_uid",
        sa.Column("library_id", sa.String(length=32), nullable=False),
        sa.Column("uid", sa.String(length=64), nullable=False),
        sa.Column("item_id", sa.String(length=32), nullable=False),
        sa.Column("learned_from", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("library_id", "uid"),
    )
    op.create_index("item_uid_by_item", "item_uid", ["library_id", "item_id"], unique=False)


def _patron() -> None:
    op.create_table(
        "patron",
        sa.Column("library_id", sa.String(length=32), nullable=False),
        sa.Column("patron_id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.String(length=64), nullable=True),
        sa.Column("short_name", sa.Text(), server_default="", nullable=False),
        sa.Column("category", sa.String(length=32), server_default="reader", nullable=False),
        sa.Column("class_id", sa.String(length=32), nullable=True),
        sa.Column("member", sa.String(length=32), nullable=True),
        sa.Column("expires_on", sa.String(length=10), nullable=True),
        sa.Column("blocked", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("fee_cents", sa.Integer(), server_default="0", nullable=False),
        sa.Column("born_on", sa.String(length=10), nullable=True),
        sa.Column("age_reached", sa.SmallInteger(), nullable=True),
        sa.Column("language", sa.String(length=8), nullable=True),
        sa.Column("pin_hash", sa.Text(), nullable=True),
        sa.Column("extra", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("library_id", "patron_id"),
    )
    op.create_index("patron_by_number", "patron", ["library_id", "number"], unique=True)


def _card() -> None:
    op.create_table(
        "card",
        sa.Column("library_id", sa.String(length=32), nullable=False),
        sa.Column("card_key", sa.String(length=32), nullable=False),
        sa.Column("key_id", sa.String(length=16), nullable=False),
        sa.Column("patron_id", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=8), server_default="active", nullable=False),
        sa.PrimaryKeyConstraint("library_id", "card_key"),
    )
    op.create_index("card_by_patron", "card", ["library_id", "patron_id"], unique=False)


def _policy() -> None:
    op.create_table(
        "policy",
        sa.Column("library_id", sa.String(length=32), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("doc", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("saved_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("library_id", "version"),
    )


def _config() -> None:
    op.create_table(
        "config",
        sa.Column("library_id", sa.String(length=32), nullable=False),
        sa.Column("station", sa.String(length=32), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("values", sa.JSON(none_as_null=True), nullable=False),
        sa.PrimaryKeyConstraint("library_id", "station"),
    )
