"""How MLflow's clients spell where files are.

Those of a run: `<experiment>/<run>/artifacts/…`. Those of a logged model: `<experiment>/models/<model>/artifacts/…`.
"""

import re
from urllib.parse import urlsplit

from modelyard.domains.packages.paths import file_path
from modelyard.domains.tracking.artifacts import MODELS, ArtifactPath
from modelyard.platform.errors import NotFound
from modelyard.platform.http import Call
from modelyard.platform.proxies import Proxies
from modelyard.platform.settings import Settings

ADDRESS = re.compile(
    rf"(?P<experiment>\d{{1,18}})/(?:{MODELS}/(?P<model>m-[0-9a-f]{{32}})|(?P<run>[A-Za-z0-9][\w-]{{0,255}}))/artifacts"
    r"(?:/(?P<path>.*))?",
    re.DOTALL | re.ASCII,
)


def artifact_at(address: str, *, is_folder: bool = False) -> ArtifactPath:
    """What an address below `mlflow-artifacts/artifacts` means. A folder's may end with a slash.

    Raises:
        Invalid: it leads elsewhere.
        NotFound: no run or logged model has files there.
    """
    found = ADDRESS.fullmatch(address)
    if found is None:
        file_path(address.strip("/") or "-")
        raise NotFound("Files lie below EXPERIMENT/RUN/artifacts and EXPERIMENT/models/MODEL/artifacts.")
    path = found["path"] or ""
    return ArtifactPath(
        path.removesuffix("/") if is_folder else path,
        run_id=found["run"] or "",
        model_id=found["model"] or "",
        experiment_iid=int(found["experiment"]),
    )


def own_address(settings: Settings, proxies: Proxies, call: Call, route: bytes) -> str:
    """The address under which the client reached `route`, up to it: what we tell it to come back to.

    Behind a proxy that takes a part of the path away this is the `external_url`.
    """
    host = (call.header(b"host") or b"").decode("latin-1")
    end = call.path.find(route)
    if end < 0:
        raise NotFound("There is nothing at this address. Write it without percent-encoding.")
    base = call.path[:end].decode("latin-1")
    if settings.external_url and urlsplit(settings.external_url).netloc == host:
        return settings.url + base
    return f"{proxies.scheme_of(call.client, call.headers)}://{host}{base}"
