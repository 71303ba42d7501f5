"""The unsecured set knows its oldest, so that it can be kept small."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add since when an item is unsecured; what is so already counts as oldest."""
    op.add_column("may_leave", sa.Column("unsecured_since", sa.BigInteger(), nullable=True))
    op.execute(sa.text("UPDATE may_leave SET unsecured_since = 0 WHERE unsecured = 1"))
    op.create_index(
        "may_leave_unsecured",
        "may_leave",
        ["library_id", "unsecured_since"],
        unique=False,
        sqlite_where=sa.text("unsecured = 1"),
    )


def downgrade() -> None:
    """Drop what this version added."""
    op.drop_index("may_leave_unsecured", "may_leave")
    op.drop_column("may_leave", "unsecured_since")
