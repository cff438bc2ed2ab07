"""`modelyard demo`: something to look at."""

import importlib
import importlib.util
import os
import shlex
import shutil
import sys
import warnings
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

import typer

from modelyard.domains.accounts.actor import SYSTEM
from modelyard.domains.accounts.users import find_user
from modelyard.entrypoints.cli.bootstrap import made_project
from modelyard.entrypoints.cli.opening import installed
from modelyard.entrypoints.cli.options import Data, DatabaseUrl, Port
from modelyard.platform.errors import Invalid, Unavailable
from modelyard.platform.settings import load_settings
from modelyard.platform.telemetry import masked

app = typer.Typer(add_completion=False)

DEMONSTRATION = "modelyard.entrypoints.cli.demonstration"
PROJECT = "demo/wine"
# Modules, and what one installs to have them.
NEEDED = {"mlflow": "mlflow", "sklearn": "scikit-learn", "matplotlib": "matplotlib"}


@dataclass(frozen=True)
class Target:
    """Where the demonstration logs to, and how one signs in there, if that can be said."""

    url: str
    token: str
    project: str
    sign_in: str = ""

    @property
    def tracking_uri(self) -> str:
        return f"{self.url}/api/v4/projects/{quote(self.project, safe='')}/ml/mlflow"

    @property
    def page(self) -> str:
        return f"{self.url}/{self.project}/-/ml/experiments"


@app.command()
def demo(
    url: Annotated[
        str | None, typer.Option(help="Address of a server; without it the one on the data directory.")
    ] = None,
    token: Annotated[str | None, typer.Option(help="Access token for it; better in MLFLOW_TRACKING_TOKEN.")] = None,
    project: Annotated[str, typer.Option(help="GROUP/NAME of the project that takes the candidates.")] = PROJECT,
    data: Data = None,
    database_url: DatabaseUrl = None,
    port: Port = None,
) -> None:
    """Train a few real models into a running server, to have something to look at.

    Some scikit-learn classifiers, with figures, data sets and models, and a search over nine settings with its curves,
    through the unmodified MLflow client. It takes about a minute and needs mlflow, scikit-learn and matplotlib, which
    the extra `demo` of the package brings. Without --url it makes the project, and, if there is no active
    administrator, one named root without a password: `modelyard admin reset-password root` gives one.

    Examples:
        modelyard demo

        MLFLOW_TRACKING_TOKEN=myd_… modelyard demo --url https://models.example.org --project acme/churn
    """
    missing = [package for module, package in NEEDED.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise Invalid(
            f"The demonstration needs {', '.join(missing)} beside Modelyard. Run: pip install {' '.join(missing)}\n"
            "In a clone, `python3 dev.py demo` installs them, too."
        )
    if url is not None:
        target = _named(url, token, project)
    else:
        target = _own({"data": data, "database_url": database_url, "port": port}, project)
    _prepare_client(target)
    _check_answer(target)
    _train(target)


def _named(url: str, token: str | None, project: str) -> Target:
    given = token or os.environ.get("MLFLOW_TRACKING_TOKEN", "")
    if not given:
        raise Invalid(
            "Set MLFLOW_TRACKING_TOKEN to an access token of that server; make one there under Access tokens."
        )
    return Target(url.rstrip("/"), given, project)


def _own(flags: dict[str, object], project: str) -> Target:
    """The server of a data directory, with a project and a token made for the demonstration."""
    settings = load_settings(flags)
    with installed(settings) as database:
        made = made_project(settings, database, project)
        name = str(made["administrator"])
        with database.read() as session:
            administrator = find_user(session, SYSTEM, name)
            has_password = administrator is not None and administrator.password_hash is not None
    if has_password:
        typer.echo(f"The administrator {name} has the project {made['project']} for this.")
        sign_in = f"Sign in as {name} or another administrator."
    else:
        typer.echo(f"The administrator {name}, who has no password yet, has the project {made['project']} for this.")
        sign_in = first_password(name, flags)
    return Target(settings.url, str(made["token"]), str(made["project"]), sign_in)


def first_password(name: str, flags: dict[str, object]) -> str:
    """How somebody is given a password, on the installation that these flags name."""
    address = flags["database_url"]
    # With a password in it, it is masked, which works nowhere, and is for no list of processes either.
    is_shown = address is None or masked(str(address)) == str(address)
    setting = "" if is_shown else ", with the database's address in MODELYARD_DATABASE_URL"
    named = {"--data": flags["data"], "--database-url": address if is_shown else None}
    words = "".join(f" {flag} {shlex.quote(str(value))}" for flag, value in named.items() if value is not None)
    return f"To sign in, give {name} a password{setting}: {_this_program()} admin reset-password {name}{words}"


def _this_program() -> str:
    """What to type for it here, also where no `modelyard` is on the path, as in a clone."""
    return "modelyard" if shutil.which("modelyard") else f"{shlex.quote(sys.executable)} -m modelyard"


def _prepare_client(target: Target) -> None:
    """Point MLflow's client at the server, and let it say only what matters."""
    os.environ["MLFLOW_TRACKING_URI"] = target.tracking_uri
    os.environ["MLFLOW_TRACKING_TOKEN"] = target.token
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    os.environ["MLFLOW_LOGGING_LEVEL"] = "ERROR"
    os.environ["GIT_PYTHON_REFRESH"] = "quiet"
    for variable in ("MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_RUN_ID", "MLFLOW_WORKSPACE"):
        os.environ.pop(variable, None)
    warnings.filterwarnings("ignore", module=r"(mlflow|sklearn)\b.*")


def _check_answer(target: Target) -> None:
    """Ask the server for one experiment, once, instead of waiting out the client's many tries.

    Raises:
        Unavailable: it does not answer, or not as it should.
    """
    import mlflow

    patience = os.environ.get("MLFLOW_HTTP_REQUEST_MAX_RETRIES")
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    try:
        mlflow.MlflowClient().search_experiments(max_results=1)
    except mlflow.exceptions.MlflowException as error:
        reason = str(error).strip().splitlines()[0]
        raise Unavailable(
            f"{target.url} does not answer as a server for this: {reason[:300]}"
            " Is it running? `modelyard serve` starts one; --url and --token name another."
        ) from None
    finally:
        if patience is None:
            del os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"]
        else:
            os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = patience


def _train(target: Target) -> None:
    wine = importlib.import_module(f"{DEMONSTRATION}.wine").load_wine()
    typer.echo(f"Training classifiers of wine into {target.project} …")
    importlib.import_module(f"{DEMONSTRATION}.algorithms").train(wine, typer.echo)
    importlib.import_module(f"{DEMONSTRATION}.tuning").search(wine, typer.echo)
    typer.echo(f"Look at {target.page}")
    if target.sign_in:
        typer.echo(target.sign_in)
