"""Triggers that keep `project_storage.size_bytes`, so that no way of adding or removing files can forget to.

On PostgreSQL they run once a statement: ten thousand files that go at once change the one row of their project once.
"""

TRIGGERS: dict[str, tuple[str, ...]] = {
    "sqlite": (
        """
        CREATE TRIGGER count_added_file AFTER INSERT ON package_files BEGIN
          INSERT INTO project_storage (project_id, size_bytes)
            VALUES (NEW.project_id, (SELECT size_bytes FROM blobs WHERE sha256 = NEW.sha256))
            ON CONFLICT (project_id) DO UPDATE SET size_bytes = size_bytes + excluded.size_bytes;
        END
        """,
        """
        CREATE TRIGGER count_changed_file AFTER UPDATE OF sha256 ON package_files BEGIN
          UPDATE project_storage SET size_bytes = size_bytes
            + (SELECT size_bytes FROM blobs WHERE sha256 = NEW.sha256)
            - (SELECT size_bytes FROM blobs WHERE sha256 = OLD.sha256)
            WHERE project_id = NEW.project_id;
        END
        """,
        """
        CREATE TRIGGER count_removed_file AFTER DELETE ON package_files BEGIN
          UPDATE project_storage SET size_bytes = size_bytes
            - (SELECT size_bytes FROM blobs WHERE sha256 = OLD.sha256)
            WHERE project_id = OLD.project_id;
        END
        """,
    ),
    "postgresql": (
        """
        CREATE FUNCTION count_added_files() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          INSERT INTO project_storage (project_id, size_bytes)
            SELECT added.project_id, sum(blobs.size_bytes)
            FROM added JOIN blobs USING (sha256) GROUP BY added.project_id
            ON CONFLICT (project_id) DO UPDATE SET size_bytes = project_storage.size_bytes + excluded.size_bytes;
          RETURN NULL;
        END $$
        """,
        """
        CREATE FUNCTION count_removed_files() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          UPDATE project_storage SET size_bytes = project_storage.size_bytes - gone.size_bytes
            FROM (SELECT removed.project_id, sum(blobs.size_bytes) AS size_bytes
                  FROM removed JOIN blobs USING (sha256) GROUP BY removed.project_id) AS gone
            WHERE project_storage.project_id = gone.project_id;
          RETURN NULL;
        END $$
        """,
        """
        CREATE FUNCTION count_changed_files() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          UPDATE project_storage SET size_bytes = project_storage.size_bytes + changed.size_bytes
            FROM (SELECT moved.project_id, sum(moved.size_bytes) AS size_bytes FROM (
                    SELECT added.project_id, blobs.size_bytes FROM added JOIN blobs USING (sha256)
                    UNION ALL
                    SELECT removed.project_id, -blobs.size_bytes FROM removed JOIN blobs USING (sha256)
                  ) AS moved GROUP BY moved.project_id) AS changed
            WHERE project_storage.project_id = changed.project_id;
          RETURN NULL;
        END $$
        """,
        """
        CREATE TRIGGER count_added_files AFTER INSERT ON package_files
          REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_added_files()
        """,
        """
        CREATE TRIGGER count_removed_files AFTER DELETE ON package_files
          REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION count_removed_files()
        """,
        """
        CREATE TRIGGER count_changed_files AFTER UPDATE ON package_files
          REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_changed_files()
        """,
    ),
}
