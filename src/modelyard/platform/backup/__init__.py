"""Backups: a snapshot of the database and the blobs that it names, verified by their digests.

    manifest.json     written last: a folder without one is no backup
    database          SQLite's file, or what pg_dump made
    blobs.txt         name and size of every blob, in the order of digests
    blobs/            the blobs, as a local store keeps them

Blobs never change and stay for a day after their last use, so the database comes first and its blobs after it.
"""
