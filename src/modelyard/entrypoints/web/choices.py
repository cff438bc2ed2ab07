"""What people choose from in forms, each with a word that explains it."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from modelyard.domains.namespaces.access import Role
from modelyard.entrypoints.web.chrome import FormState
from modelyard.platform.clock import now
from modelyard.platform.errors import Invalid

VISIBILITIES = (
    ("private", "Private", "Only members see it.", "lock"),
    ("internal", "Internal", "Everybody who is signed in sees it.", "shield"),
    ("public", "Public", "Everybody sees it, signed in or not.", "globe"),
)
ROLES = {
    Role.GUEST: "Sees experiments, candidates and packages.",
    Role.REPORTER: "Sees everything, and reads it through the API.",
    Role.DEVELOPER: "Logs experiments, candidates and files.",
    Role.MAINTAINER: "Manages members, access tokens and settings.",
    Role.OWNER: "May do everything, also delete it.",
}
FEATURE_LEVELS = (
    ("enabled", "Everyone who sees the project"),
    ("private", "Members only"),
    ("disabled", "Nobody: switched off"),
)
FEATURES = (
    ("model_experiments_access_level", "Experiments", "Experiments and candidates, on pages and through MLflow."),
    ("package_registry_access_level", "Packages", "Generic packages and their files."),
)
_LAST_MOMENT = time(23, 59, 59, 999_000, tzinfo=UTC)


def role_name(role: Role) -> str:
    return role.name.capitalize()


def roles_up_to(most: Role) -> list[tuple[int, str, str]]:
    """The roles that somebody with the role `most` can give."""
    return [(role.value, role_name(role), sentence) for role, sentence in ROLES.items() if role <= most]


def chosen_of(form: FormState, field: str, options: Sequence[tuple[str, str]]) -> str:
    """What a list of options shows as chosen: what the form says if it is offered, else the first one."""
    values = [value for value, _ in options]
    wanted = str(form.values.get(field, ""))
    return wanted if wanted in values else values[0] if values else ""


def allowed_only(form: FormState, refused: Collection[str], otherwise: str = "private") -> FormState:
    """A form in which no visibility is chosen that cannot be."""
    chosen = form.values.get("visibility") or otherwise
    kept = otherwise if chosen in refused else chosen
    return replace(form, values={**form.values, "visibility": kept})


def end_of_day(text: str) -> datetime | None:
    """The last moment of the day that a date field names; None when it was left empty.

    Raises:
        Invalid: it is no date.
    """
    if not text:
        return None
    try:
        return datetime.combine(date.fromisoformat(text), _LAST_MOMENT)
    except ValueError:
        raise Invalid(f"{text} is not a date. Write it as 2027-01-31.") from None


def today() -> date:
    return now().date()


def in_days(days: int) -> date:
    return today() + timedelta(days=days)
