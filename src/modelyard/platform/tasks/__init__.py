"""Background work: rows in the database, claimed under a lease, tried again when they fail."""
