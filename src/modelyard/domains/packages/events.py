"""What other domains may hear about packages."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PackageCreated:
    actor_id: int | None
    project_id: int
    package_id: int
    kind: str
    name: str
    version: str


@dataclass(frozen=True)
class PackageDeleted:
    actor_id: int | None
    project_id: int
    package_id: int
    kind: str
    name: str
    version: str


@dataclass(frozen=True)
class FilesDeleted:
    """`path` is one file, or a folder with everything below it; empty for all files."""

    actor_id: int | None
    project_id: int
    package_id: int
    path: str
