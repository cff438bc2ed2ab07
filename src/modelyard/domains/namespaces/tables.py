"""Namespaces form a tree; `lineage` spells the way from its root, so that all below one is a prefix search.

A place whose `deleted_at` is set is invisible from then on, its path is free, and a task removes what it held. All that
lies in a deleted group is marked with it, so that a row alone says whether it is there. `access.py` asks.
"""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from modelyard.domains.accounts.tables import User
from modelyard.platform.database import Identifier, Moment, Table

_IS_THERE = text("deleted_at IS NULL")


class Namespace(Table):
    """A group, or the place of one person (`kind` is group or user). `lineage` is `/1/7/12/`, itself last."""

    __tablename__ = "namespaces"
    __table_args__ = (
        Index(
            "uq_namespaces_full_path_folded",
            "full_path_folded",
            unique=True,
            sqlite_where=_IS_THERE,
            postgresql_where=_IS_THERE,
        ),
        Index(None, "parent_id"),
        Index(None, "lineage"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    kind: Mapped[str] = mapped_column(String(8))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("namespaces.id", ondelete="CASCADE"))
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    path: Mapped[str] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(255))
    full_path: Mapped[str] = mapped_column(String(1024))
    full_path_folded: Mapped[str] = mapped_column(String(1024))
    lineage: Mapped[str] = mapped_column(String(255))
    description: Mapped[str] = mapped_column(Text, default="")
    visibility: Mapped[str] = mapped_column(String(8), default="private")
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)
    deleted_at: Mapped[datetime | None] = mapped_column(Moment)


class Project(Table):
    """Where experiments, packages and models live. The three `*_access_level` are disabled, private or enabled."""

    __tablename__ = "projects"
    __table_args__ = (
        Index(
            "uq_projects_full_path_folded",
            "full_path_folded",
            unique=True,
            sqlite_where=_IS_THERE,
            postgresql_where=_IS_THERE,
        ),
        Index(None, "namespace_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    namespace_id: Mapped[int] = mapped_column(ForeignKey("namespaces.id", ondelete="CASCADE"))
    path: Mapped[str] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(255))
    full_path: Mapped[str] = mapped_column(String(1024))
    full_path_folded: Mapped[str] = mapped_column(String(1024))
    description: Mapped[str] = mapped_column(Text, default="")
    visibility: Mapped[str] = mapped_column(String(8), default="private")
    model_experiments_access_level: Mapped[str] = mapped_column(String(8), default="enabled")
    model_registry_access_level: Mapped[str] = mapped_column(String(8), default="enabled")
    package_registry_access_level: Mapped[str] = mapped_column(String(8), default="enabled")
    creator_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)
    last_activity_at: Mapped[datetime] = mapped_column(Moment)
    archived_at: Mapped[datetime | None] = mapped_column(Moment)
    deleted_at: Mapped[datetime | None] = mapped_column(Moment)

    namespace: Mapped[Namespace] = relationship(lazy="raise")


class Member(Table):
    """A role of one user in one namespace or one project, possibly until a moment."""

    __tablename__ = "members"
    __table_args__ = (
        UniqueConstraint("user_id", "namespace_id"),
        UniqueConstraint("user_id", "project_id"),
        CheckConstraint("(namespace_id IS NULL) <> (project_id IS NULL)", name="one_place"),
        Index(None, "namespace_id"),
        Index(None, "project_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    namespace_id: Mapped[int | None] = mapped_column(ForeignKey("namespaces.id", ondelete="CASCADE"))
    project_id: Mapped[int | None] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    access_level: Mapped[int] = mapped_column(Integer)
    expires_at: Mapped[datetime | None] = mapped_column(Moment)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(Moment)

    user: Mapped[User] = relationship(lazy="raise", foreign_keys=[user_id])


class TokenPlace(Table):
    """Where a project's or group's token belongs, or a personal token's default project for MLflow at the root."""

    __tablename__ = "token_places"
    __table_args__ = (Index(None, "namespace_id"), Index(None, "project_id"))

    token_id: Mapped[int] = mapped_column(ForeignKey("access_tokens.id", ondelete="CASCADE"), primary_key=True)
    namespace_id: Mapped[int | None] = mapped_column(ForeignKey("namespaces.id", ondelete="CASCADE"))
    project_id: Mapped[int | None] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))


class Counter(Table):
    """The last number given out in a project to one kind of thing."""

    __tablename__ = "counters"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(24), primary_key=True)
    last: Mapped[int] = mapped_column(BigInteger)


class RepeatableRequest(Table):
    """A request that came with an Idempotency-Key. `key` and `body` are digests; `made` is the id of what it made."""

    __tablename__ = "repeatable_requests"
    __table_args__ = (Index(None, "created_at"),)

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    body: Mapped[str] = mapped_column(String(64))
    made: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(Moment)
