"""Serves the built assets from memory: names carry a hash, so browsers may keep them for ever."""

import mimetypes
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from modelyard.entrypoints.web.assets import DIST

_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".woff2": "font/woff2"}
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file with its compressed twins, by the encoding's name; the plain one under the empty name."""

    kind: str
    bodies: dict[str, bytes]

    def answer(self, accepted: str) -> Response:
        """The smallest form that the browser takes."""
        encoding = next((name for name, _ in _ENCODINGS if name in self.bodies and name in accepted), "")
        headers = _HEADERS | ({"Content-Encoding": encoding} if encoding else {})
        return Response(self.bodies[encoding], media_type=self.kind, headers=headers)


class StaticFiles:
    """The files of one build, read once; only what the build made can be asked for."""

    def __init__(self, folder: Path = DIST) -> None:
        suffixes = tuple(suffix for _, suffix in _ENCODINGS)
        plain = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(suffixes))
        self._files = {
            path.relative_to(folder).as_posix(): _read(path) for path in plain if path.name != "manifest.json"
        }

    async def serve(self, request: Request) -> Response:
        file = self._files.get(request.path_params["name"])
        if file is None:
            return PlainTextResponse("There is no such file.", 404, _HEADERS | {"Cache-Control": "no-store"})
        return file.answer(request.headers.get("accept-encoding", ""))


def _read(path: Path) -> StaticFile:
    bodies = {"": path.read_bytes()}
    for name, suffix in _ENCODINGS:
        twin = Path(f"{path}{suffix}")
        if twin.exists():
            bodies[name] = twin.read_bytes()
    kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return StaticFile(kind, bodies)
