"""Which names of metrics, parameters and tags MLflow allows, and how long things may be."""

import functools
import posixpath
import re
from collections.abc import Mapping

from modelyard.domains.tracking.texts import MOST_KEY
from modelyard.entrypoints.mlflow.wire import invalid_value
from modelyard.platform.errors import Invalid

NAME = re.compile(r"[/\w.\- :]*")
RUN_ID = re.compile(r"[A-Za-z0-9][\w-]{0,255}")
BAD_NAME = (
    "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:)"
    " and slashes (/)."
)


@functools.lru_cache(maxsize=65_536)
def trouble_with_name(name: str) -> str | None:
    """Why `name` cannot name a metric, parameter or tag; None when it can."""
    if not name:
        return "Names cannot be empty."
    if len(name) > MOST_KEY:
        return f"Names are at most {MOST_KEY} characters long; this one has {len(name)}."
    if not NAME.fullmatch(name):
        return BAD_NAME
    plain = posixpath.normpath(name)
    if plain != name or name == "." or name.startswith(("/", "..")):
        return f"Names may be treated as files in certain cases, and must not resolve to other names: '{plain}'."
    return None


def check_name(name: str, parameter: str) -> None:
    """Refuse a bad name in MLflow's words.

    Raises:
        Invalid
    """
    trouble = trouble_with_name(name)
    if trouble is not None:
        raise Invalid(invalid_value(name, parameter, trouble))


def fitted(value: str, most: int, parameter: str, *, cuts: bool) -> str:
    """`value` in at most `most` characters: cut, or refused where the server's setting says so.

    Raises:
        Invalid
    """
    if len(value) <= most:
        return value
    if cuts:
        return value[:most]
    raise Invalid(invalid_value(value, parameter, f"It exceeds the maximum length of {most} characters."))


def fitted_tags(tags: Mapping[str, str], most: int, *, cuts: bool) -> dict[str, str]:
    """Tags with checked names and fitted values.

    Raises:
        Invalid
    """
    for name in tags:
        check_name(name, "key")
    return {name: fitted(value, most, "value", cuts=cuts) for name, value in tags.items()}
