"""Users and their credentials. No secret is kept in a form that could be used."""

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, Index, String, Text, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from modelyard.platform.database import Identifier, Moment, Table


class User(Table):
    """A person, or the bot that a project or group access token acts as."""

    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("username"),
        Index("uq_users_email", "email", unique=True),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    username: Mapped[str] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(255))
    email: Mapped[str | None] = mapped_column(String(255))
    password_hash: Mapped[str | None] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(8), default="human")
    state: Mapped[str] = mapped_column(String(8), default="active")
    is_administrator: Mapped[bool] = mapped_column(Boolean, default=False)
    theme: Mapped[str] = mapped_column(String(8), default="system")
    created_at: Mapped[datetime] = mapped_column(Moment)
    last_sign_in_at: Mapped[datetime | None] = mapped_column(Moment)
    last_activity_at: Mapped[datetime | None] = mapped_column(Moment)


class WebSession(Table):
    """A browser that is signed in; the cookie's digest, never the cookie."""

    __tablename__ = "web_sessions"
    __table_args__ = (UniqueConstraint("digest"), Index(None, "user_id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(Moment)
    last_seen_at: Mapped[datetime] = mapped_column(Moment)
    user_agent: Mapped[str] = mapped_column(String(255), default="")


class AccessToken(Table):
    """A secret for programs. `kind` is pat, prj or grp; the last two belong to a bot.

    Of a `family` are the tokens that took one another's place; one of them at most is still valid.
    """

    __tablename__ = "access_tokens"
    __table_args__ = (UniqueConstraint("digest"), Index(None, "user_id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(4))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    name: Mapped[str] = mapped_column(String(255))
    description: Mapped[str] = mapped_column(Text, default="")
    scopes: Mapped[str] = mapped_column(String(255))
    family: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment)
    last_used_at: Mapped[datetime | None] = mapped_column(Moment)
    revoked_at: Mapped[datetime | None] = mapped_column(Moment)


class OneTimeLink(Table):
    """A link that works once: the first administrator's sign-up."""

    __tablename__ = "one_time_links"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(24))
    created_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment)
    used_at: Mapped[datetime | None] = mapped_column(Moment)


class SignInTries(Table):
    """When somebody last tried to sign in to one account, or from one address; `subject` is a digest of which.

    `tried` holds the moments of the last minute, in milliseconds, with spaces between them.
    """

    __tablename__ = "sign_in_tries"
    __table_args__ = (Index(None, "last_at"),)

    subject: Mapped[str] = mapped_column(String(64), primary_key=True)
    tried: Mapped[str] = mapped_column(String(255))
    last_at: Mapped[datetime] = mapped_column(Moment)


Index("uq_users_username_folded", func.lower(User.username), unique=True)
