"""A package holds files by path; a file points to a blob; a blob is bytes under their own digest."""

from datetime import datetime

from sqlalchemy import DDL, BigInteger, ForeignKey, Index, Integer, String, UniqueConstraint, event
from sqlalchemy.orm import Mapped, mapped_column, relationship

from modelyard.domains.packages.counting import TRIGGERS
from modelyard.platform.database import Identifier, Moment, Table

# Compared byte by byte on both engines, so that all paths below a folder are one range of the index.
Path = String(1024).with_variant(String(1024, collation="C"), "postgresql")


EVERY_BLOB = "SELECT name, size_bytes FROM blobs ORDER BY sha256"
"""For backups, which read a copy of the database by hand."""


class Blob(Table):
    """Bytes that the store has in full, under `name`. The row is written only after they are flushed.

    A row that is gone never comes back with the same name, and bytes are removed only when no row has their name: that
    is why no file can lose them. Since `unused_at` the sweep knows of no file that has them.
    """

    __tablename__ = "blobs"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    md5: Mapped[str] = mapped_column(String(32))
    sha1: Mapped[str] = mapped_column(String(40))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str] = mapped_column(String(96))
    created_at: Mapped[datetime] = mapped_column(Moment)
    unused_at: Mapped[datetime | None] = mapped_column(Moment)


class Package(Table):
    """`kind` is GitLab's package type: generic, or ml_model."""

    __tablename__ = "packages"
    __table_args__ = (UniqueConstraint("project_id", "kind", "name", "version"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(255))
    version: Mapped[str] = mapped_column(String(255))
    status: Mapped[str] = mapped_column(String(12), default="default")
    creator_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)


class PackageFile(Table):
    """A file under its path inside the package, with `/` between folders."""

    __tablename__ = "package_files"
    __table_args__ = (
        UniqueConstraint("package_id", "path"),
        Index(None, "project_id"),
        Index(None, "sha256"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    package_id: Mapped[int] = mapped_column(ForeignKey("packages.id", ondelete="CASCADE"))
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    path: Mapped[str] = mapped_column(Path)
    sha256: Mapped[str] = mapped_column(ForeignKey("blobs.sha256"))
    created_at: Mapped[datetime] = mapped_column(Moment)

    blob: Mapped[Blob] = relationship(lazy="raise")


class ProjectStorage(Table):
    """The bytes of a project's files, kept by triggers on `package_files`; `most_bytes` is what was set for it."""

    __tablename__ = "project_storage"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    most_bytes: Mapped[int | None] = mapped_column(BigInteger)


class Upload(Table):
    """A file that arrives in parts. Once it is complete `sha256` says what became of it, for whoever asks again.

    It lives for a day from `changed_at`, when it was begun or completed. Until `joining_until` its parts are joined.
    """

    __tablename__ = "uploads"
    __table_args__ = (UniqueConstraint("upload_id"), Index(None, "project_id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    upload_id: Mapped[str] = mapped_column(String(32))
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    creator_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    target: Mapped[str] = mapped_column(String(2048))
    sha256: Mapped[str | None] = mapped_column(String(64))
    changed_at: Mapped[datetime] = mapped_column(Moment)
    joining_until: Mapped[datetime | None] = mapped_column(Moment)


class UploadPart(Table):
    """One part of an upload, flushed under `name` before it was acknowledged."""

    __tablename__ = "upload_parts"

    upload_id: Mapped[int] = mapped_column(ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(32))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))


for dialect, statements in TRIGGERS.items():
    for statement in statements:
        made = DDL(statement).execute_if(dialect=dialect)  # type: ignore[no-untyped-call]  # SQLAlchemy says nothing of it
        event.listen(Table.metadata, "after_create", made)
