"""Parameters of a request that changes something, however its client sends them.

GitLab's clients send JSON, forms or multipart, and put parameters into the query as well; all of them mean the same.
"""

from collections.abc import Iterable
from urllib.parse import parse_qsl

import msgspec
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from modelyard.entrypoints.rest.errors import Unsupported
from modelyard.platform.errors import Invalid, TooLarge

MOST_BYTES = 1024 * 1024
MOST_FIELDS = 200
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

Values = dict[str, object]


class ReadRequest(Request):
    """A request whose parameters have been read; FastAPI finds them where a JSON body would be."""

    def __init__(self, request: Request, values: Values) -> None:
        others = [(name, value) for name, value in request.scope["headers"] if name != b"content-type"]
        super().__init__({**request.scope, "headers": [*others, (b"content-type", JSON.encode())]})
        self._values = values

    async def body(self) -> bytes:
        return b"{}"

    async def json(self) -> Values:
        return self._values


async def read_parameters(request: Request) -> ReadRequest:
    """The request with the parameters of its query and its body, the body's counting more.

    Raises:
        Invalid, TooLarge, Unsupported
    """
    content = await read_body(request)
    values = _gathered(_pairs(request.scope["query_string"]))
    if content:
        values |= await _decoded(request, content)
    return ReadRequest(request, values)


async def read_body(request: Request) -> bytes:
    """The whole body, if it is not too large.

    Raises:
        TooLarge
    """
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MOST_BYTES:
            raise TooLarge(f"The body of this request is larger than {MOST_BYTES} bytes.")
    return bytes(content)


async def _decoded(request: Request, content: bytes) -> Values:
    kind = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if kind == JSON or kind.endswith("+json"):
        return _from_json(content)
    if kind == FORM:
        return _gathered(_pairs(content))
    if kind == MULTIPART:
        return await _from_multipart(request, content)
    raise Unsupported(f"The provided content-type '{kind}' is not supported.")


def _from_json(content: bytes) -> Values:
    try:
        values = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid("The body of this request is not JSON that can be read.") from error
    if not isinstance(values, dict):
        raise Invalid("The body of this request is a JSON object.")
    return values


async def _from_multipart(request: Request, content: bytes) -> Values:
    async def replay() -> Message:
        return {"type": "http.request", "body": content, "more_body": False}

    try:
        form: FormData = await Request(request.scope, replay).form(max_files=MOST_FIELDS, max_fields=MOST_FIELDS)
    except HTTPException as error:
        raise Invalid("The body of this request is not a form that can be read.") from error
    # Files are for the routes of packages; a picture that comes with other fields here is let go.
    texts = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    await form.close()
    return _gathered(texts)


def _pairs(encoded: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(encoded.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise Invalid(f"A request has at most {MOST_FIELDS} parameters.") from error


def _gathered(pairs: Iterable[tuple[str, str]]) -> Values:
    """Names that end in `[]` are lists; of others the last value counts."""
    values: Values = {}
    for name, value in pairs:
        if name.endswith("[]"):
            items = values.setdefault(name[:-2], [])
            if isinstance(items, list):
                items.append(value)
        else:
            values[name] = value
    return values
