"""Storage: fold metrics now, and say how densely they lie."""

import json

import typer

from modelyard.domains.tracking.folding import Folder
from modelyard.domains.tracking.statistics import MetricStorage, metric_storage
from modelyard.entrypoints.cli.opening import installed
from modelyard.entrypoints.cli.options import AsJson, Data, DatabaseUrl
from modelyard.platform.settings import load_settings

app = typer.Typer(add_completion=False)


@app.command()
def compact(as_json: AsJson = False, data: Data = None, database_url: DatabaseUrl = None) -> None:
    """Fold all metrics to their densest form at once, and say how many bytes a point takes.

    A server folds by itself what is worth it; this folds the rest, too. Both may run at the same time.

    Example:
        modelyard admin compact
    """
    with installed(load_settings({"data": data, "database_url": database_url})) as database:
        with database.read() as session:
            before = metric_storage(session)
        folder = Folder(database)
        folder.fold_all(everything=True)
        with database.read() as session:
            after = metric_storage(session)
    if as_json:
        typer.echo(
            json.dumps({"segments_folded": folder.segments, "before": _figures(before), "after": _figures(after)})
        )
        return
    typer.echo(f"Folded {folder.segments} segments.")
    typer.echo(f"Before: {_sentence(before)}")
    typer.echo(f"Now: {_sentence(after)}")


def _figures(storage: MetricStorage) -> dict[str, float]:
    return {
        "segments": storage.segments,
        "segment_points": storage.segment_points,
        "segment_bytes": storage.segment_bytes,
        "chunks": storage.chunks,
        "chunk_points": storage.chunk_points,
        "chunk_bytes": storage.chunk_bytes,
        "bytes_per_point": round(storage.bytes_per_point, 2),
    }


def _sentence(storage: MetricStorage) -> str:
    return (
        f"{storage.segment_points} points in {storage.segments} segments and {storage.chunk_points} points in"
        f" {storage.chunks} chunks, {storage.bytes_per_point:.1f} bytes a point."
    )
