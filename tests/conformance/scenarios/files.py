"""Artifacts through the unmodified client: texts, tables, figures, images and folders, up and down."""

import json
import tempfile
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

client = MlflowClient()
mlflow.set_experiment("files")


def listed(run_id: str, path: str | None = None) -> set[tuple[str, bool, int | None]]:
    return {(entry.path, entry.is_dir, entry.file_size) for entry in client.list_artifacts(run_id, path)}


with mlflow.start_run() as run:
    run_id = run.info.run_id
    assert client.list_artifacts(run_id) == []
    mlflow.log_text("hello ünïcode\n", "notes/hello.txt")
    mlflow.log_dict({"a": [1, 2]}, "config.json")
    figure, axes = plt.subplots()
    axes.plot([1, 2, 3])
    mlflow.log_figure(figure, "plots/curve.png")
    mlflow.log_image(np.zeros((8, 8, 3), dtype=np.uint8), "image.png")
    mlflow.log_table({"question": ["a", "b"], "answer": ["c", "d"]}, "table.json")
    mlflow.log_table({"question": ["e"], "answer": ["f"]}, "table.json")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "deep" / "deeper").mkdir(parents=True)
        (folder / "deep" / "deeper" / "weights.bin").write_bytes(bytes(range(256)) * 1000)
        (folder / "with space & ä.txt").write_text("x")
        (folder / "empty").write_bytes(b"")
        mlflow.log_artifacts(name, "model dir")
        mlflow.log_artifact(str(folder / "empty"))

assert listed(run_id, "notes") == {("notes/hello.txt", False, 16)}
assert ("notes", True, None) in listed(run_id)
assert ("empty", False, 0) in listed(run_id)
assert listed(run_id, "model dir/deep/deeper") == {("model dir/deep/deeper/weights.bin", False, 256_000)}
assert listed(run_id, "nothing/here") == set()
assert mlflow.artifacts.load_text(f"runs:/{run_id}/notes/hello.txt") == "hello ünïcode\n"
assert mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/config.json") == {"a": [1, 2]}
assert len(mlflow.load_table("table.json", run_ids=[run_id])) == 3

with tempfile.TemporaryDirectory() as name:
    local = Path(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="model dir", dst_path=name))
    assert (local / "deep" / "deeper" / "weights.bin").read_bytes() == bytes(range(256)) * 1000
    assert (local / "with space & ä.txt").read_text() == "x"
    assert (local / "empty").read_bytes() == b""
    whole = Path(mlflow.artifacts.download_artifacts(run_id=run_id, dst_path=name))
    assert json.loads((whole / "config.json").read_text()) == {"a": [1, 2]}

with mlflow.start_run(run_id=run_id):
    mlflow.log_text("changed", "notes/hello.txt")
assert mlflow.artifacts.load_text(f"runs:/{run_id}/notes/hello.txt") == "changed"

try:
    mlflow.artifacts.load_text(f"runs:/{run_id}/no/such.txt")
except (MlflowException, OSError):
    pass
else:
    raise AssertionError("A missing file was found.")
