"""What may be searched for: the fields of candidates, experiments and logged models, and every name they go by.

The names and the comparators of each are those of MLflow's `search_runs`, `search_experiments` and
`search_logged_models`, and more where it refuses.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from modelyard.domains.tracking.search.syntax import (
    IDENTITY_OPERATORS,
    NULL_OPERATORS,
    NUMERIC_OPERATORS,
    TEXT_OPERATORS,
    Entity,
    Operator,
)


class Type(Enum):
    """What a field holds, which decides how it can be compared."""

    NUMBER = auto()
    TIME = auto()  # milliseconds since 1970; also said as so long ago
    TEXT = auto()
    STATE = auto()  # one of a few upper-case names, kept as a number
    IDENTIFIER = auto()  # a whole number, written as a text


OPERATORS: dict[Type, tuple[Operator, ...]] = {
    Type.NUMBER: (*NUMERIC_OPERATORS, *NULL_OPERATORS),
    Type.TIME: (*NUMERIC_OPERATORS, *NULL_OPERATORS),
    Type.TEXT: (*TEXT_OPERATORS, *NULL_OPERATORS),
    Type.STATE: (*TEXT_OPERATORS, *NULL_OPERATORS),
    Type.IDENTIFIER: (*IDENTITY_OPERATORS, *NULL_OPERATORS),
}

_SPELLINGS = {
    Entity.METRIC: ("metric", "metrics"),
    Entity.PARAMETER: ("parameter", "parameters", "param", "params"),
    Entity.TAG: ("tag", "tags"),
    Entity.ATTRIBUTE: ("attribute", "attributes", "attr", "run"),
    Entity.DATASET: ("dataset", "datasets"),
}
_WORDS = {spelling: entity for entity, spellings in _SPELLINGS.items() for spelling in spellings}
_DATASET_ATTRIBUTES = {"name": Type.TEXT, "digest": Type.TEXT, "context": Type.TEXT}


@dataclass(frozen=True)
class Vocabulary:
    """The fields of one subject. `aliases` are further names of attributes; any key is a metric, parameter or tag."""

    attributes: Mapping[str, Type]
    entities: Mapping[str, Entity]
    orderable: frozenset[Entity]
    aliases: Mapping[str, str] = field(default_factory=dict)

    @property
    def spellings(self) -> list[str]:
        """One spelling of each entity, as MLflow lists them."""
        return [_SPELLINGS[entity][0] for entity in dict.fromkeys(self.entities.values())]

    def fixed_keys(self, entity: Entity) -> Mapping[str, Type] | None:
        """The only keys that an entity has, None where users make them up."""
        match entity:
            case Entity.ATTRIBUTE:
                return self.attributes
            case Entity.DATASET:
                return _DATASET_ATTRIBUTES
            case _:
                return None

    def type_of(self, entity: Entity, key: str) -> Type:
        fixed = self.fixed_keys(entity)
        if fixed is not None:
            return fixed[key]
        return Type.NUMBER if entity is Entity.METRIC else Type.TEXT


def _spelled(*entities: Entity) -> dict[str, Entity]:
    return {word: entity for word, entity in _WORDS.items() if entity in entities}


CANDIDATES = Vocabulary(
    attributes={
        "run_id": Type.TEXT,
        "run_name": Type.TEXT,
        "status": Type.STATE,
        "user_id": Type.TEXT,
        "author": Type.TEXT,
        "artifact_uri": Type.TEXT,
        "start_time": Type.TIME,
        "end_time": Type.TIME,
    },
    aliases={
        "created": "start_time",
        "Created": "start_time",
        "run name": "run_name",
        "Run name": "run_name",
        "Run Name": "run_name",
    },
    entities=_spelled(Entity.METRIC, Entity.PARAMETER, Entity.TAG, Entity.ATTRIBUTE, Entity.DATASET),
    orderable=frozenset({Entity.METRIC, Entity.PARAMETER, Entity.TAG, Entity.ATTRIBUTE}),
)

EXPERIMENTS = Vocabulary(
    attributes={
        "name": Type.TEXT,
        "experiment_id": Type.IDENTIFIER,
        "creation_time": Type.TIME,
        "last_update_time": Type.TIME,
    },
    entities=_spelled(Entity.ATTRIBUTE, Entity.TAG),
    orderable=frozenset({Entity.ATTRIBUTE}),
)

LOGGED_MODELS = Vocabulary(
    attributes={
        "name": Type.TEXT,
        "model_id": Type.TEXT,
        "model_type": Type.TEXT,
        "status": Type.STATE,
        "source_run_id": Type.TEXT,
        "creation_timestamp": Type.TIME,
        "last_updated_timestamp": Type.TIME,
    },
    aliases={"creation_time": "creation_timestamp", "last_updated_time": "last_updated_timestamp"},
    entities=_spelled(Entity.METRIC, Entity.PARAMETER, Entity.TAG, Entity.ATTRIBUTE),
    orderable=frozenset({Entity.METRIC, Entity.ATTRIBUTE}),
)
