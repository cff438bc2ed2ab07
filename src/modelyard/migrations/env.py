"""Runs the migrations on the connection that `upgrade.py` (or a developer's command) hands over."""

from alembic import context
from sqlalchemy import Connection

from modelyard.migrations.upgrade import every_table


def run(connection: Connection) -> None:
    """One transaction for everything, so that a failure leaves the schema as it was."""
    context.configure(
        connection=connection,
        target_metadata=every_table(),
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes["connection"])
