"""The names of metrics, parameters and tags: each a number, once per project."""

from collections.abc import Collection

from modelyard.domains.tracking.search.fragments import Reader, Sql, joined, sql


def ids_of_keys(reader: Reader, project_id: int, names: Collection[str]) -> dict[str, int]:
    """The numbers of those names that the project has used."""
    if not names:
        return {}
    marks = joined(", ", (sql("?", name) for name in sorted(names)))
    found = reader.rows(
        sql("SELECT name, id FROM tracking_keys WHERE project_id = ? AND name IN (?)", project_id, marks)
    )
    return dict(found)


def names_of_keys(reader: Reader, ids: Collection[int]) -> dict[int, str]:
    if not ids:
        return {}
    found = reader.rows(sql("SELECT id, name FROM tracking_keys WHERE ?", reader.among(Sql("id"), sorted(ids))))
    return dict(found)
