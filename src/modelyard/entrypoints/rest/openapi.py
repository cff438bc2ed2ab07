"""What the OpenAPI document says beyond what FastAPI sees: who may, how to show a token, and which bodies are read."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from modelyard.domains.accounts.actor import Scope
from modelyard.domains.namespaces.access import RULES
from modelyard.entrypoints.request import Policy
from modelyard.entrypoints.rest.bodies import FORM, JSON, MULTIPART
from modelyard.entrypoints.rest.router import Declared, Endpoint, RestRoute


class Refusal(BaseModel):
    """Why nothing was done: `message` where a rule was broken, `error` where a request could not be understood."""

    message: str | dict[str, list[str]] | None = None
    error: str | None = None
    error_description: str | None = None


ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Refusal, "description": "Refused; nothing was changed."},
    429: {"model": Refusal, "description": "Not done for now; send the same again after Retry-After seconds."},
}
SCHEMES = {
    "private_token": {"type": "apiKey", "in": "header", "name": "PRIVATE-TOKEN"},
    "bearer": {"type": "http", "scheme": "bearer", "description": "An access token."},
    "basic": {"type": "http", "scheme": "basic", "description": "An access token as the password."},
}
OPEN: dict[str, list[str]] = {}
BYTES = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


def who_may(policy: Policy) -> str:
    """A policy as a sentence."""
    if policy.ability is None:
        return f"Anybody. {policy.reason}" if policy.is_public else policy.reason
    rule = RULES[policy.ability]
    scopes = ", ".join(scope for scope in Scope if scope in rule.scopes)
    visitors = ", or whoever sees a place that is open to them" if rule.open_to_all else ""
    return f"May {policy.ability.value}: {rule.least.name.lower()} or more{visitors}. Scopes: {scopes}."


def sentences(declared: Declared) -> str:
    """What a route does and who may use it."""
    return f"{(declared.handler.__doc__ or '').strip()}\n\n{who_may(declared.policy)}"


def describe(application: FastAPI) -> dict[str, Any]:
    """The OpenAPI document; made once."""
    if application.openapi_schema is None:
        document = application.openapi()
        document["components"]["securitySchemes"] = SCHEMES
        for route in application.routes:
            if isinstance(route, RestRoute) and isinstance(route.endpoint, Endpoint):
                _complete(document["paths"][route.path_format], route.endpoint.declared)
        document["components"]["schemas"].pop("HTTPValidationError", None)
        document["components"]["schemas"].pop("ValidationError", None)
        application.openapi_schema = document
    return application.openapi_schema


def _complete(operations: dict[str, Any], declared: Declared) -> None:
    operation = operations[declared.method.lower()]
    ways: list[dict[str, list[str]]] = [{scheme: []} for scheme in SCHEMES]
    is_open = declared.policy.is_public or (declared.policy.ability is not None and declared.method == "GET")
    operation["security"] = [OPEN, *ways] if is_open else ways
    # FastAPI's own answer to what it cannot read; ours is a 400.
    operation["responses"].pop("422", None)
    content = operation.get("requestBody", {}).get("content", {})
    if JSON in content:
        content[FORM] = content[MULTIPART] = content[JSON]
    if declared.streams:
        _complete_stream(operation, declared)


def _complete_stream(operation: dict[str, Any], declared: Declared) -> None:
    """What FastAPI cannot see of bytes that come and go past it."""
    if declared.answer is bytes:
        operation["responses"]["200"]["content"] = BYTES
        operation["responses"]["206"] = {"description": "The range of it that was asked for.", "content": BYTES}
    if declared.method in {"POST", "PUT"}:
        operation["requestBody"] = {"content": BYTES}
