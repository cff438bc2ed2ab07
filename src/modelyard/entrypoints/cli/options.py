"""Options that several commands have, in the same words."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[Path | None, typer.Option(help="Directory for the database, files and keys; `data` if not given.")]
DatabaseUrl = Annotated[
    str | None, typer.Option(help="postgresql://USER:PASSWORD@HOST/NAME instead of SQLite in the data directory.")
]
ObjectsUrl = Annotated[str | None, typer.Option(help="s3://BUCKET/PREFIX for files, instead of the data directory.")]
Port = Annotated[int | None, typer.Option(help="Port of the server, for printed addresses.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
