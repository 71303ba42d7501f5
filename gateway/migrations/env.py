"""Runs the migrations on the connection the store hands over."""

from alembic import context

from gateway.schema import METADATA

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=METADATA,
    render_as_batch=True,
    transactional_ddl=True,  # all of a version, or nothing
)
with context.begin_transaction():
    context.run_migrations()
