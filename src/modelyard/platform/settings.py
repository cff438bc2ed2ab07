"""Settings: flags over `MODELYARD_*` variables over a TOML file over defaults.

Each setting is declared once below, with the sentence that `modelyard settings` and the reference print.
"""

import dataclasses
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args, get_origin, get_type_hints

from modelyard.platform.errors import Invalid

PREFIX = "MODELYARD_"
MEBIBYTE = 1024 * 1024
GIBIBYTE = 1024 * MEBIBYTE
TEBIBYTE = 1024 * GIBIBYTE
DAY_S = 86_400


@dataclass(frozen=True)
class Settings:
    """Everything an operator can decide about one server."""

    data: Annotated[Path, "Directory for the database, files and keys of this server."] = Path("data")
    host: Annotated[str, "Address to listen on; 0.0.0.0 is every interface."] = "127.0.0.1"
    port: Annotated[int, "Port to listen on."] = 8000
    external_url: Annotated[
        str, "Address that people type, such as https://models.example.org; links follow it. Empty: http://HOST:PORT."
    ] = ""
    allowed_hosts: Annotated[
        str, "Further host names that requests may carry, separated by commas; `*` accepts any."
    ] = ""
    trusted_proxies: Annotated[
        str,
        "Addresses and ranges of reverse proxies, such as 10.0.0.0/8, separated by commas: whom they name in"
        " X-Forwarded-For is taken for the client. Empty: nobody is believed.",
    ] = ""
    database_url: Annotated[
        str, "postgresql://USER:PASSWORD@HOST/NAME; empty keeps a SQLite database in the data directory."
    ] = ""
    objects_url: Annotated[
        str, "s3://BUCKET/PREFIX for files in an object store; empty keeps them in the data directory."
    ] = ""
    durability: Annotated[
        Literal["full", "normal"],
        "full: an answered write survives power loss. normal: it survives a crash of the process, not of the machine.",
    ] = "full"
    worker: Annotated[bool, "Run background tasks inside the server process."] = True
    ml_experiment_tracking: Annotated[bool, "Experiments and the MLflow protocol, for the whole server."] = True
    model_registry: Annotated[bool, "The model registry, for the whole server."] = True
    truncate_long_values: Annotated[
        bool, "Cut over-long parameter and tag values as MLflow does, instead of refusing them."
    ] = True
    max_upload_bytes: Annotated[int, "Largest single file that is accepted, in bytes."] = 50 * GIBIBYTE
    project_quota_bytes: Annotated[
        int,
        "Bytes that the files of one project may have, where an administrator has set nothing else for it; 0: any"
        " number.",
    ] = 5 * TEBIBYTE
    disk_reserve_bytes: Annotated[int, "Free space below which writes are refused, in bytes."] = 512 * MEBIBYTE
    limit_user_per_minute: Annotated[
        int, "Requests to pages and REST that one user may make in a minute, in each server process; 0: any number."
    ] = 3000
    limit_address_per_minute: Annotated[
        int,
        "Requests that one address may make in a minute without being signed in or with a wrong token, in each server"
        " process; 0: any number.",
    ] = 300
    limit_project_per_second: Annotated[
        int,
        "Requests of the MLflow protocol that one project may get in a second, in each server process. 0, the default:"
        " any number, since a server takes tens of thousands a second of one project, what is too much for it is"
        " refused by what waits already, and whoever trains alone on a server should have all of it. Where tenants"
        " share a server, 500 is a good number.",
    ] = 0
    limit_token_per_second: Annotated[
        int,
        "The same for one access token; 0, the default, for the same reason: any number. 200 is a good number where"
        " tenants share a server.",
    ] = 0
    limit_runs_per_second: Annotated[
        int,
        "Runs that may be created in one project in a second, in each server process; 0, the default: any number. 80 is"
        " a good number where tenants share a server.",
    ] = 0
    session_idle_s: Annotated[int, "Seconds without a request after which a browser session ends."] = DAY_S // 2
    session_max_s: Annotated[int, "Seconds after which a browser session ends in any case."] = 14 * DAY_S
    token_days: Annotated[int, "Days that a new access token lives when no date is given."] = 90
    token_max_days: Annotated[int, "Most days that a new access token may live."] = 365
    deletion_days: Annotated[int, "Days that deleted things can be restored."] = 30
    secret_key: Annotated[
        str,
        "Key that guards tokens and sessions, at least 32 characters; empty: made once, kept in the data directory.",
    ] = ""
    log_format: Annotated[Literal["text", "json"], "How log lines are written."] = "text"
    log_level: Annotated[Literal["debug", "info", "warning", "error"], "Least level of written log lines."] = "info"
    metrics_token: Annotated[
        str, "Bearer token that may read /metrics from other machines; empty allows this machine only."
    ] = ""
    shutdown_s: Annotated[int, "Seconds that requests in flight have to finish after a signal to stop."] = 30

    @property
    def url(self) -> str:
        """The server's own address without a trailing slash, for links."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.external_url.rstrip("/") or f"http://{host}:{self.port}"

    @property
    def switched_off(self) -> frozenset[str]:
        """The features that are off on this whole server, by the names of their switches in a project."""
        switches = {"model_experiments": self.ml_experiment_tracking, "model_registry": self.model_registry}
        return frozenset(name for name, is_on in switches.items() if not is_on)

    @property
    def is_postgresql(self) -> bool:
        return bool(self.database_url)


@dataclass(frozen=True)
class Declaration:
    """One setting as its reference shows it."""

    name: str
    variable: str
    kind: object
    default: object
    sentence: str


def declarations() -> list[Declaration]:
    """Every setting, in the order of its declaration."""
    hints = get_type_hints(Settings, include_extras=True)
    described: list[Declaration] = []
    for field in dataclasses.fields(Settings):
        kind, sentence = get_args(hints[field.name])
        described.append(Declaration(field.name, PREFIX + field.name.upper(), kind, field.default, sentence))
    return described


def load_settings(
    flags: Mapping[str, object] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """Merge the sources; flags that are None do not count.

    Raises:
        Invalid: a name in the file that is no setting, or a value of the wrong kind.
    """
    environment = os.environ if environment is None else environment
    named = environment.get(PREFIX + "CONFIG")
    file = file or (Path(named) if named else None)
    written = tomllib.loads(file.read_text(encoding="utf-8")) if file else {}
    known = {declared.name: declared for declared in declarations()}
    if unknown := sorted(set(written) - set(known)):
        raise Invalid(f"{file}: there is no setting named {', '.join(unknown)}.")
    values: dict[str, object] = {}
    for name, declared in known.items():
        flag = (flags or {}).get(name)
        given = flag if flag is not None else environment.get(declared.variable, written.get(name))
        if given is not None:
            values[name] = _converted(declared, given)
    return Settings(**values)  # type: ignore[arg-type]  # each value was converted to its declared kind above


def _converted(declared: Declaration, given: object) -> object:
    """`given` as the declared kind."""
    kind, text = declared.kind, str(given).strip()
    if get_origin(kind) is Literal:
        if text in get_args(kind):
            return text
        raise Invalid(f"{declared.variable} is one of {', '.join(get_args(kind))}, not {text!r}.")
    if kind is bool:
        if text.lower() in {"true", "1", "yes", "on", "false", "0", "no", "off"}:
            return text.lower() in {"true", "1", "yes", "on"}
        raise Invalid(f"{declared.variable} is true or false, not {text!r}.")
    if kind is int:
        try:
            return int(text)
        except ValueError:
            raise Invalid(f"{declared.variable} is a whole number, not {text!r}.") from None
    return Path(text).absolute() if kind is Path else text
