"""The OpenAPI document keeps its word: whatever it allows is answered as it says, and never with a fault of ours."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.conftest import LiveServer
from tests.entrypoints.rest.cast import Knocker, Stage, Target
from tools.pytest_tiers import is_full_tier

EXAMPLES = 50 if is_full_tier() else 5
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
# They end the token that the next request needs.
LEFT_OUT = {("DELETE", "/personal_access_tokens/self"), ("POST", "/personal_access_tokens/self/rotate")}


@pytest.fixture
def stage(live: LiveServer) -> Stage:
    """Somebody in every role."""
    return Stage(live.installation, "private")


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as made:
        yield made


@pytest.mark.timeout(600)
@pytest.mark.parametrize("role", ["maintainer", "administrator"])
def test_whatever_the_document_allows_is_answered(
    live: LiveServer, stage: Stage, session: requests.Session, role: str
) -> None:
    who = next(who for who in stage.everybody if who.name == role)
    target = stage.targets(1)[0]
    schema = schemathesis.openapi.from_url(f"{live.url}/api/v4/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    asked = [one for one in operations if (one.method.upper(), one.path) not in LEFT_OUT]
    # What is deleted comes last, so that the others find it.
    for operation in sorted(asked, key=lambda one: (one.method == "delete", -one.path.count("/"))):
        _try(operation, live, session, who, target)
    assert len(asked) > 50


def _try(
    operation: APIOperation[Any, Any, Any, Any],
    live: LiveServer,
    session: requests.Session,
    who: Knocker,
    target: Target,
) -> None:
    """Requests as the document allows, at what there is."""
    of_project = operation.path.startswith("/projects/")
    place_id = target.project_id if of_project else target.group_id
    known = {
        "project_id": place_id,
        "group_id": place_id,
        "place_id": place_id,
        "user_id": target.member_id,
        "token_id": target.project_token_id if of_project else target.group_token_id,
    }
    variables = {name: value for name, value in known.items() if f"{{{name}}}" in operation.path}

    @settings(
        max_examples=EXAMPLES,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(path_parameters=variables or None))
    def answered(case: schemathesis.Case[Any]) -> None:
        response = case.call(f"{live.url}/api/v4", session, headers=who.headers)
        case.validate_response(response, checks=CHECKS)

    answered()
