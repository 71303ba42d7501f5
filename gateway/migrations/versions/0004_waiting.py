"""Facts wait for their item, and entries can be settled by later facts."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

OPEN = sa.text("decided_at IS NULL AND settled_at IS NULL")
PAGE = 5_000


def upgrade() -> None:
    """Make the tables of this version, and let the facts wait that have no item."""
    op.create_table(
        "waiting",
        sa.Column("library_id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.String(length=96), nullable=False),
        sa.Column("fact_id", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("library_id", "number", "fact_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("waiting_by_fact", "waiting", ["library_id", "fact_id"], unique=False)
    op.add_column("review", sa.Column("settled_at", sa.BigInteger(), nullable=True))
    op.add_column("review", sa.Column("settled_by", sa.JSON(none_as_null=True), nullable=True))
    op.drop_index("review_open", "review")
    for name, column in (("review_open", "created_at"), ("review_open_by_item", "item_id")):
        op.create_index(name, "review", ["library_id", column], unique=False, sqlite_where=OPEN)
    _let_wait()


def _let_wait() -> None:
    """Write down for what each fact without an item waits, a page at a time."""
    connection = op.get_bind()
    query = sa.text(
        "SELECT library_id, id, body FROM fact WHERE item_id IS NULL AND (library_id, id) > "
        "(:library_id, :id) ORDER BY library_id, id LIMIT :page"
    )
    insert = sa.text("INSERT INTO waiting (library_id, number, fact_id) VALUES (:l, :n, :f)")
    after = {"library_id": "", "id": ""}
    while rows := connection.execute(query, {**after, "page": PAGE}).all():
        values = [
            {"l": row.library_id, "n": number, "f": row.id}
            for row in rows
            for number in _numbers(row.body)
        ]
        if values:
            connection.execute(insert, values)
        after = {"library_id": rows[-1].library_id, "id": rows[-1].id}


def _numbers(body: bytes) -> set[str]:
    fields = json.loads(body)
    numbers = {f"{name}:{fields[name]}" for name in ("item", "barcode") if fields.get(name)}
    uids = [*(fields.get("uids") or ())[:64], fields.get("uid")]
    numbers |= {f"uid:{uid}" for uid in uids if uid}
    return {number for number in numbers if len(number) <= 96}


def downgrade() -> None:
    """Drop what this version added."""
    op.drop_table("waiting")
    for name in ("review_open", "review_open_by_item"):
        op.drop_index(name, "review")
    op.drop_column("review", "settled_at")
    op.drop_column("review", "settled_by")
    op.create_index("review_open", "review", ["library_id", "decided_at", "created_at"])
