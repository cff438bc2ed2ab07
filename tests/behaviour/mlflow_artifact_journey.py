"""What a training script does with files, through the unmodified client: run by `test_artifacts_by_mlflow.py`.

Arguments: the artifact URI of a run, and a folder to work in. The tracking URI and token are in the environment.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

MEBIBYTE = 1024 * 1024


def tree(repository: Any, path: str | None = None) -> list[tuple[str, int | None]]:  # noqa: ANN401  # the client is untyped
    """Every file below `path` with its size, folder by folder as the client lists them."""
    found: list[tuple[str, int | None]] = []
    for entry in repository.list_artifacts(path):
        found += tree(repository, entry.path) if entry.is_dir else [(entry.path, entry.file_size)]
    return found


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def folders(repository: Any, uri: str, work: Path) -> None:  # noqa: ANN401  # the client is untyped
    """Log a folder with folders, list it, fetch it back whole and in part, delete some of it."""
    files = {"MLmodel": b"flavors: {}", "data/x y.csv": b"1,2\n", "data/deep/é.bin": bytes(range(256)) * 9000, "e": b""}
    repository.log_artifacts(str(write(work / "in", files)), "model")
    repository.log_artifact(str(write(work / "one", {"notes.txt": b"notes"}) / "notes.txt"))
    expected = sorted([(f"model/{name}", len(data)) for name, data in files.items()] + [("notes.txt", 5)])
    assert sorted(tree(repository)) == expected, tree(repository)
    assert [(entry.path, entry.is_dir) for entry in repository.list_artifacts()] == [
        ("model", True),
        ("notes.txt", False),
    ]
    assert repository.list_artifacts("notes.txt") == []
    assert repository.list_artifacts("nothing") == []
    fetched = Path(download_artifacts(artifact_uri=f"{uri}/model", dst_path=str(work / "out")))
    got = {path.relative_to(fetched).as_posix(): path.read_bytes() for path in fetched.rglob("*") if path.is_file()}
    assert got == files
    one = download_artifacts(artifact_uri=f"{uri}/model/data/x y.csv", dst_path=str(work / "single"))
    assert Path(one).read_bytes() == b"1,2\n"
    repository.delete_artifacts("model/data")
    assert sorted(tree(repository)) == [("model/MLmodel", 11), ("model/e", 0), ("notes.txt", 5)]


def parts(repository: Any, uri: str, work: Path) -> None:  # noqa: ANN401  # the client is untyped
    """Log a file that is large enough for the client to send it in parts."""
    data = os.urandom(13 * MEBIBYTE + 7)
    source = write(work / "large", {"weights.bin": data}) / "weights.bin"
    sent: list[int] = []
    plain = repository._upload_part

    def counted(credential: Any, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401  # the client is untyped
        sent.append(credential.part_number)
        return plain(credential, *arguments, **options)

    repository._upload_part = counted
    repository.log_artifact(str(source), "model")
    assert sorted(sent) == [1, 2, 3], sent
    fetched = download_artifacts(artifact_uri=f"{uri}/model/weights.bin", dst_path=str(work / "large-out"))
    assert Path(fetched).read_bytes() == data


def refusals(repository: Any, work: Path) -> None:  # noqa: ANN401  # the client is untyped
    """What cannot be is an error at once, not minutes of retries."""
    message = ""
    try:
        repository.download_artifacts("missing.txt", str(work))
    except MlflowException as error:
        message = str(error)
    assert "missing.txt" in message


def main() -> None:
    uri, work = sys.argv[1], Path(sys.argv[2])
    repository = get_artifact_repository(uri)
    folders(repository, uri, work)
    parts(repository, uri, work)
    refusals(repository, work)
    repository.delete_artifacts()
    assert tree(repository) == []
    sys.stdout.write(json.dumps("done"))


main()
