"""Which metrics, parameters and tags candidates have, and with which values: for the columns and filters of tables."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.accounts.authors import knows_people
from modelyard.domains.namespaces.access import Ability, require
from modelyard.domains.namespaces.tables import Project
from modelyard.domains.tracking.candidate_conditions import AUTHOR, TABLES, TEXTS
from modelyard.domains.tracking.hot.operations import Status
from modelyard.domains.tracking.keys import ids_of_keys, names_of_keys
from modelyard.domains.tracking.search.fragments import Reader
from modelyard.domains.tracking.search.syntax import Entity, Field
from modelyard.platform.raw import marks, read_rows

NEWEST = 200
NEWEST_COUNTED = 1_000

# Walks the index from one metric to the next, as neither engine does for DISTINCT.
_METRICS = (
    "WITH RECURSIVE used(key_id) AS ("
    " SELECT min(key_id) FROM latest_metrics WHERE experiment_id = ?"
    " UNION ALL"
    " SELECT (SELECT min(m.key_id) FROM latest_metrics m WHERE m.experiment_id = ? AND m.key_id > used.key_id)"
    " FROM used WHERE used.key_id IS NOT NULL"
    ") SELECT key_id FROM used WHERE key_id IS NOT NULL"
)
_CANDIDATES = (
    "SELECT id FROM candidates WHERE experiment_id = ? AND deleted_ms IS NULL"
    " ORDER BY start_ms DESC, run_id DESC LIMIT ?"
)


_COUNTED = {"status": "c.status", "user_id": TEXTS["user_id"].text, "author": TEXTS["author"].text}


@dataclass(frozen=True)
class KeysInUse:
    """Names in alphabetical order. Parameters and tags are those of the newest candidates."""

    metrics: list[str]
    parameters: list[str]
    tags: list[str]


def keys_in_use(session: Session, actor: Actor, project: Project, experiment_id: int) -> KeysInUse:
    """What the candidates of an experiment of the project have logged.

    Raises:
        Forbidden, NotFound: of the project.
    """
    require(session, actor, Ability.READ_TRACKING, project)
    metrics = _numbers(session, _METRICS, (experiment_id, experiment_id))
    newest = _numbers(session, _CANDIDATES, (experiment_id, NEWEST))
    parameters = _used_by(session, "candidate_parameters", newest)
    tags = _used_by(session, "candidate_tags", newest)
    names = names_of_keys(Reader(session.connection()), {*metrics, *parameters, *tags})
    return KeysInUse(*(sorted(names[number] for number in numbers) for numbers in (metrics, parameters, tags)))


def values_in_use(
    session: Session, actor: Actor, project: Project, experiment_id: int, field: Field
) -> list[tuple[str, int]]:
    """The values that the newest candidates of an experiment have of a text, each with how many have it, most first.

    Of fields that are no texts, and of names and ids that are all different, there are none. People are told to people.

    Raises:
        Forbidden, NotFound: of the project.
    """
    require(session, actor, Ability.READ_TRACKING, project)
    newest = _numbers(session, _CANDIDATES, (experiment_id, NEWEST_COUNTED))
    if not newest or (field == AUTHOR and not knows_people(actor)):
        return []
    among = marks(len(newest))
    if field.entity is Entity.ATTRIBUTE and field.key in _COUNTED:
        column = _COUNTED[field.key]
        sql = f"SELECT {column}, count(*) FROM candidates c WHERE c.id IN {among} GROUP BY 1"  # noqa: S608  # names of ours
        rows = read_rows(session, sql, tuple(newest))
    elif field.entity in {Entity.PARAMETER, Entity.TAG}:
        key_id = ids_of_keys(Reader(session.connection()), project.id, {field.key}).get(field.key)
        sql = f"SELECT value, count(*) FROM {TABLES[field.entity].text} WHERE candidate_id IN {among}"  # noqa: S608  # names of ours
        rows = read_rows(session, f"{sql} AND key_id = ? GROUP BY value", (*newest, key_id)) if key_id else []
    else:
        rows = []
    counted = [(_text(field, value), int(number or 0)) for value, number in rows]
    return sorted(counted, key=lambda pair: (-pair[1], pair[0]))


def _text(field: Field, value: object) -> str:
    return Status(int(str(value))).name if field.key == "status" and field.entity is Entity.ATTRIBUTE else str(value)


def _used_by(session: Session, table: str, candidates: list[int]) -> list[int]:
    if not candidates:
        return []
    sql = f"SELECT DISTINCT key_id FROM {table} WHERE candidate_id IN {marks(len(candidates))}"  # noqa: S608  # names of ours
    return _numbers(session, sql, tuple(candidates))


def _numbers(session: Session, sql: str, values: tuple[int, ...]) -> list[int]:
    return [int(number or 0) for (number,) in read_rows(session, sql, values)]
