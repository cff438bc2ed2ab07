"""One linear history of the schema, for SQLite and PostgreSQL alike. `upgrade.py` brings a database to its head."""
