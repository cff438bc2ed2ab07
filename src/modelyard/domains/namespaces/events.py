"""What other domains may hear about groups, projects and members."""

from dataclasses import dataclass


@dataclass(frozen=True)
class GroupCreated:
    actor_id: int | None
    namespace_id: int
    full_path: str


@dataclass(frozen=True)
class GroupChanged:
    actor_id: int | None
    namespace_id: int
    full_path: str


@dataclass(frozen=True)
class GroupDeleted:
    actor_id: int | None
    namespace_id: int
    full_path: str


@dataclass(frozen=True)
class ProjectCreated:
    actor_id: int | None
    project_id: int
    full_path: str


@dataclass(frozen=True)
class ProjectChanged:
    actor_id: int | None
    project_id: int
    full_path: str


@dataclass(frozen=True)
class ProjectDeleted:
    actor_id: int | None
    project_id: int
    full_path: str


@dataclass(frozen=True)
class MemberChanged:
    """Added, given another role or end (`access_level` is the new one), or removed (0)."""

    actor_id: int | None
    user_id: int
    namespace_id: int | None
    project_id: int | None
    access_level: int
