"""Who is measured: ourselves in each durability, and the peers as they come from PyPI."""

import os
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from benchmarks import environments


class Product(StrEnum):
    """Whose server it is."""

    MODELYARD = "modelyard"
    MLFLOW = "mlflow"
    FASTTRACKML = "fasttrackml"


class Engine(StrEnum):
    """The database below a server. Contenders are only ever compared with others on the same one."""

    SQLITE = "sqlite"
    POSTGRES = "postgres"


@dataclass(frozen=True)
class Contender:
    """One way of running one product."""

    name: str
    product: Product
    engine: Engine = Engine.SQLITE
    durability: str = "full"  # ours only
    workers: int = 4  # mlflow only; four is its default


CONTENDERS = (
    Contender("modelyard-full", Product.MODELYARD),
    Contender("modelyard-normal", Product.MODELYARD, durability="normal"),
    Contender("mlflow-4w", Product.MLFLOW),
    Contender("mlflow-1w", Product.MLFLOW, workers=1),
    Contender("fasttrackml", Product.FASTTRACKML),
    Contender("modelyard-pg", Product.MODELYARD, Engine.POSTGRES),
    Contender("mlflow-pg-4w", Product.MLFLOW, Engine.POSTGRES),
    Contender("mlflow-pg-1w", Product.MLFLOW, Engine.POSTGRES, workers=1),
)


def base_environment() -> dict[str, str]:
    """The environment peers run in: ours without what is meant for our own Python, and no telemetry."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MLFLOW_", "VIRTUAL_"))}
    return kept | {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


def serve_environment(contender: Contender, database_url: str | None) -> dict[str, str]:
    """The environment of the contender's server and of the commands that work on its data."""
    if contender.product is not Product.MODELYARD:
        return base_environment()
    ours = {name: value for name, value in os.environ.items() if not name.startswith("MODELYARD_")}
    ours["MODELYARD_DURABILITY"] = contender.durability
    if database_url is not None:
        ours["MODELYARD_DATABASE_URL"] = database_url
    return ours


def serve_command(contender: Contender, directory: Path, port: int, database_url: str | None) -> list[str]:
    """What starts the contender's server on its data in `directory`."""
    match contender.product:
        case Product.MODELYARD:
            listen = ["--host", "127.0.0.1", "--port", str(port)]
            return [*modelyard_command("serve"), "--data", str(directory), *listen]
        case Product.MLFLOW:
            store = f"sqlite:///{directory}/mlflow.db"
            if database_url is not None:
                store = database_url.replace("postgresql://", "postgresql+psycopg2://")  # the driver mlflow documents
            command = [str(environments.environment("mlflow") / "mlflow"), "server", "--backend-store-uri", store]
            command += ["--host", "127.0.0.1", "--port", str(port), "--workers", str(contender.workers)]
            return [*command, "--artifacts-destination", str(directory / "artifacts")]
        case Product.FASTTRACKML:
            command = [str(environments.environment("fasttrackml") / "fml"), "server"]
            return [*command, "-a", f"127.0.0.1:{port}", "-d", f"sqlite://{directory}/fasttrackml.db"]


def modelyard_command(*arguments: str) -> list[str]:
    """One of our own commands, run by the Python that runs the benchmark."""
    return [sys.executable, "-m", "modelyard", *arguments]
