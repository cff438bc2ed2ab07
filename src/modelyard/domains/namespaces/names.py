"""What groups and projects may be called."""

import re
import unicodedata

from modelyard.platform.errors import Invalid

PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")
VISIBILITIES = ("private", "internal", "public")
RESERVED_AT_TOP = frozenset(
    [
        "-",
        ".well-known",
        "404.html",
        "422.html",
        "500.html",
        "502.html",
        "admin",
        "ajax-api",
        "api",
        "assets",
        "dashboard",
        "explore",
        "files",
        "get-artifact",
        "graphql",
        "groups",
        "health",
        "healthz",
        "help",
        "import",
        "invites",
        "jwt",
        "login",
        "metrics",
        "model-versions",
        "new",
        "oauth",
        "oidc",
        "profile",
        "projects",
        "public",
        "readyz",
        "robots.txt",
        "search",
        "sitemap",
        "snippets",
        "static",
        "unsubscribes",
        "uploads",
        "users",
        "v1",
        "v2",
        "version",
    ]
)
MOST_DEPTH = 20
MOST_DESCRIPTION = 2000
BIGGEST_NUMBER = 2**63 - 1


def checked_path(path: str, *, at_top: bool = False) -> str:
    """A path of one segment, as GitLab allows it.

    Raises:
        Invalid
    """
    if not PATH.fullmatch(path) or path.endswith((".git", ".atom", ".")):
        raise Invalid("A path has letters, digits, '_', '-' and '.', does not begin with '-' or '.' nor end in '.git'.")
    if at_top and path.casefold() in RESERVED_AT_TOP:
        raise Invalid(f"The path {path} is reserved. Choose another one.")
    return path


def may_be_a_place(full_path: str) -> bool:
    """Whether a group, person or project can have this path; others are addresses of pages, or of nothing."""
    segments = full_path.split("/")
    return "-" not in segments and segments[0].casefold() not in RESERVED_AT_TOP


def checked_name(name: str) -> str:
    """A name for people: anything printable, trimmed.

    Raises:
        Invalid
    """
    trimmed = unicodedata.normalize("NFC", name).strip()
    if not trimmed or len(trimmed) > 255 or not trimmed.isprintable():  # noqa: PLR2004  # the column's width
        raise Invalid("A name has 1 to 255 printable characters.")
    return trimmed


def checked_visibility(visibility: str) -> str:
    """private, internal or public.

    Raises:
        Invalid
    """
    if visibility not in VISIBILITIES:
        raise Invalid(f"Visibility is one of {', '.join(VISIBILITIES)}.")
    return visibility


def path_from(name: str) -> str:
    """A path for a name: what GitLab fills in when only a name is given."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9_.]+", "-", plain).strip("-.") or "project"


def rank(visibility: str) -> int:
    """0 for private, 2 for public."""
    return VISIBILITIES.index(visibility)


def checked_description(description: str) -> str:
    """A description for people; it may have lines.

    Raises:
        Invalid
    """
    if len(description) > MOST_DESCRIPTION:
        raise Invalid(f"A description has at most {MOST_DESCRIPTION} characters.")
    return description


def number_in(reference: int | str) -> int | None:
    """The number by which a group or project is meant; None when it is meant by its path. 0 names nothing."""
    if isinstance(reference, str) and not (reference.isascii() and reference.isdecimal()):
        return None
    digits = str(reference)
    return int(digits) if len(digits) < 20 and int(digits) <= BIGGEST_NUMBER else 0  # noqa: PLR2004  # as BIGGEST_NUMBER
