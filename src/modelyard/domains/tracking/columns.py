"""Which metrics, parameters and tags the candidates of an experiment have: what a table of them can show."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.access import Ability, require
from modelyard.domains.namespaces.tables import Project
from modelyard.domains.tracking.keys import names_of_keys
from modelyard.domains.tracking.search.fragments import Reader
from modelyard.platform.raw import marks, read_rows

NEWEST = 200

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


def _used_by(session: Session, table: str, candidates: list[int]) -> list[int]:
    if not candidates:
        return []
    sql = f"SELECT DISTINCT key_id FROM {table} WHERE candidate_id IN {marks(len(candidates))}"  # noqa: S608  # names of ours
    return _numbers(session, sql, tuple(candidates))


def _numbers(session: Session, sql: str, values: tuple[int, ...]) -> list[int]:
    return [int(number or 0) for (number,) in read_rows(session, sql, values)]
