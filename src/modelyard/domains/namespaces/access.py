"""Who may do what: roles, abilities, visibility, and the one question `require`.

`RULES` is the whole policy: ability → least role, the feature it belongs to, and the token scopes that reach it. The
documentation of permissions is generated from it, and a test walks every route with it. Reads start from
`visible_projects` and `visible_namespaces`; what an actor may not see is NotFound.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import cast

from sqlalchemy import ColumnElement, Select, and_, exists, func, literal, or_, select, true
from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import Actor, Scope, out_of_scope
from modelyard.domains.namespaces.tables import Member, Namespace, Project
from modelyard.platform.clock import now
from modelyard.platform.database import SNAPSHOT
from modelyard.platform.errors import Forbidden, Hidden, NotFound

Place = Project | Namespace

# Made once: SQLAlchemy takes a while over each, and every request asks who sees what. Of the table, not of its class:
# that would have every table's class looked at while the server starts.
_above, _below, _own = (Namespace.__table__.alias(name) for name in ("above", "below", "own"))
# What is deleted is nowhere, to administrators too, and to be a member of it means nothing.
_project_is_there, _below_is_there = Project.deleted_at.is_(None), _below.c.deleted_at.is_(None)


class Role(IntEnum):
    """GitLab's access levels."""

    NONE = 0
    GUEST = 10
    REPORTER = 20
    DEVELOPER = 30
    MAINTAINER = 40
    OWNER = 50


class Feature(StrEnum):
    """A part of a project with a switch of its own: disabled, private (members only) or enabled."""

    EXPERIMENTS = "model_experiments"
    REGISTRY = "model_registry"
    PACKAGES = "package_registry"


class Ability(StrEnum):
    """Everything that can be allowed, named as the sentence "may …"."""

    READ_PLACE = "see the group or project"
    READ_TRACKING = "see experiments and candidates"
    WRITE_TRACKING = "log experiments and candidates"
    READ_PACKAGES = "see and download packages"
    WRITE_PACKAGES = "upload packages"
    DELETE_PACKAGES = "delete packages"
    READ_MEMBERS = "see the members"
    ADMIN_MEMBERS = "manage the members"
    ADMIN_TOKENS = "manage the access tokens"
    UPDATE_PLACE = "change the settings"
    CREATE_PROJECTS = "create projects"
    CREATE_SUBGROUPS = "create subgroups"
    ARCHIVE_PROJECT = "archive the project"
    DELETE_PLACE = "delete the group or project"


@dataclass(frozen=True)
class Rule:
    """What an ability takes.

    `open_to_all`: visitors of a public (or, signed in, an internal) place may too, if the feature lets them.
    `stops_when_archived`: nobody may in a project that is archived.
    """

    least: Role
    scopes: frozenset[Scope]
    feature: Feature | None = None
    open_to_all: bool = False
    stops_when_archived: bool = False


_ANY = frozenset(Scope)
_READ = frozenset({Scope.API, Scope.READ_API})
_WRITE = frozenset({Scope.API})
_LOG = frozenset({Scope.LOG_CANDIDATES})
_REGISTRY = frozenset({Scope.READ_REGISTRY, Scope.WRITE_REGISTRY})

RULES: dict[Ability, Rule] = {
    Ability.READ_PLACE: Rule(Role.GUEST, _ANY, open_to_all=True),
    Ability.READ_TRACKING: Rule(Role.GUEST, _READ | _LOG, Feature.EXPERIMENTS, open_to_all=True),
    Ability.WRITE_TRACKING: Rule(Role.DEVELOPER, _WRITE | _LOG, Feature.EXPERIMENTS, stops_when_archived=True),
    Ability.READ_PACKAGES: Rule(Role.GUEST, _READ | _LOG | _REGISTRY, Feature.PACKAGES, open_to_all=True),
    Ability.WRITE_PACKAGES: Rule(
        Role.DEVELOPER, _WRITE | _LOG | frozenset({Scope.WRITE_REGISTRY}), Feature.PACKAGES, stops_when_archived=True
    ),
    Ability.DELETE_PACKAGES: Rule(Role.MAINTAINER, _WRITE, Feature.PACKAGES, stops_when_archived=True),
    Ability.READ_MEMBERS: Rule(Role.GUEST, _READ, open_to_all=True),
    Ability.ADMIN_MEMBERS: Rule(Role.MAINTAINER, _WRITE),
    Ability.ADMIN_TOKENS: Rule(Role.MAINTAINER, _WRITE),
    Ability.UPDATE_PLACE: Rule(Role.MAINTAINER, _WRITE),
    Ability.CREATE_PROJECTS: Rule(Role.DEVELOPER, _WRITE),
    Ability.CREATE_SUBGROUPS: Rule(Role.MAINTAINER, _WRITE),
    Ability.ARCHIVE_PROJECT: Rule(Role.OWNER, _WRITE),
    Ability.DELETE_PLACE: Rule(Role.OWNER, _WRITE),
}


@dataclass(frozen=True)
class Standing:
    """What an actor is to one place: whether they see it, in which role, and all that they may do there."""

    sees: bool
    role: Role
    abilities: frozenset[Ability]
    out_of_scope: frozenset[Ability] = frozenset()
    is_archived: bool = False


NOWHERE = Standing(sees=False, role=Role.NONE, abilities=frozenset())


def require(session: Session, actor: Actor, ability: Ability, place: Place) -> None:
    """Go on only if the actor may.

    Raises:
        NotFound: the place, or the feature of it, is invisible to the actor.
        InsufficientScope: the user may, the token may not.
        Forbidden: otherwise.
    """
    check(standing(session, actor, place), ability)


def check(found: Standing, ability: Ability) -> None:
    """`require` for a standing that is known already."""
    if ability in found.abilities:
        return
    if not found.sees:
        raise Hidden("There is nothing here that you can see.")
    if ability in found.out_of_scope:
        raise out_of_scope(ability.value, RULES[ability].scopes)
    if found.is_archived and RULES[ability].stops_when_archived:
        raise Forbidden(f"You may not {ability.value} here: this project is archived, and can only be read.")
    if RULES[ability].feature is not None and Ability.READ_PLACE in found.abilities and not _any_of(found, ability):
        raise NotFound("This feature is switched off here, or not open to you.")
    raise Forbidden(f"You may not {ability.value} here: that takes the role {RULES[ability].least.name.lower()}.")


def _any_of(found: Standing, ability: Ability) -> bool:
    """Whether anything else of the same feature is allowed, so that the feature is known to be there."""
    feature = RULES[ability].feature
    return any(RULES[other].feature is feature for other in found.abilities | found.out_of_scope)


def standing(session: Session, actor: Actor, place: Place) -> Standing:
    """What the actor may do in `place`, from memberships there and above, visibility, features and scopes.

    A session that only reads looks it up once.
    """
    known: dict[tuple[Actor, type[Place], int], Standing] | None = session.info.get(SNAPSHOT)
    if known is None:
        return _standing(session, actor, place)
    key = (actor, type(place), place.id)
    if key not in known:
        known[key] = _standing(session, actor, place)
    return known[key]


def _standing(session: Session, actor: Actor, place: Place) -> Standing:
    if place.deleted_at is not None:
        return NOWHERE
    known: Standing | None = session.info.get((actor, place))
    if known is not None:
        return known
    role = role_in(session, actor, place)
    is_visitor = place.visibility == "public" or (place.visibility == "internal" and actor.is_person)
    if role == Role.NONE and not is_visitor and not _belongs_below(session, actor, place):
        return NOWHERE
    switched_off: frozenset[str] = session.info.get("switched_off", frozenset())
    is_archived = isinstance(place, Project) and place.archived_at is not None
    allowed: set[Ability] = set()
    beyond: set[Ability] = set()
    for ability, rule in RULES.items():
        if is_archived and rule.stops_when_archived:
            continue
        # Somebody who belongs only further down sees the group's name and nothing else of it.
        if ability is not Ability.READ_PLACE and not _allows(rule, place, role, is_visitor=is_visitor):
            continue
        if rule.feature in switched_off:
            continue
        if actor.scopes is None or actor.scopes & rule.scopes:
            allowed.add(ability)
        else:
            beyond.add(ability)
    return Standing(
        sees=True,
        role=role,
        abilities=frozenset(allowed),
        out_of_scope=frozenset(beyond),
        is_archived=is_archived,
    )


def take_for_granted(session: Session, actor: Actor, place: Place, found: Standing) -> None:
    """Let `standing` answer this in the session, because it was found a moment ago."""
    session.info[actor, place] = found


def _allows(rule: Rule, place: Place, role: Role, *, is_visitor: bool) -> bool:
    switch = getattr(place, f"{rule.feature}_access_level", "enabled") if rule.feature else "enabled"
    if switch == "disabled":
        return False
    if role >= rule.least:
        return True
    return rule.open_to_all and is_visitor and switch == "enabled"


def role_in(session: Session, actor: Actor, place: Place) -> Role:
    """The actor's greatest role in `place`, direct or from any group above it; an administrator owns everything."""
    if actor.is_administrator:
        return Role.OWNER
    if actor.user_id is None:
        return Role.NONE
    if isinstance(place, Namespace):
        here: ColumnElement[bool] = Member.namespace_id.in_(lineage_ids(place.lineage))
    else:
        lineage = session.scalar(select(Namespace.lineage).where(Namespace.id == place.namespace_id)) or ""
        here = or_(Member.project_id == place.id, Member.namespace_id.in_(lineage_ids(lineage)))
    level = session.scalar(
        select(func.max(Member.access_level)).where(Member.user_id == actor.user_id, here, lasting())
    )
    return Role(level or 0)


def lineage_ids(lineage: str) -> list[int]:
    """The ids that a lineage spells, the root first."""
    return [int(part) for part in lineage.split("/") if part]


def lasting() -> ColumnElement[bool]:
    """Memberships that have not expired."""
    return or_(Member.expires_at.is_(None), Member.expires_at > now())


def _belongs_below(session: Session, actor: Actor, place: Place) -> bool:
    """Whether the actor is a member of something inside a group, and so may see that the group exists."""
    if actor.user_id is None or not isinstance(place, Namespace):
        return False
    in_group = select(Member.id).join(_below, _below.c.id == Member.namespace_id).where(_below_is_there)
    in_project = (
        select(Member.id)
        .join(Project, Project.id == Member.project_id)
        .join(_below, _below.c.id == Project.namespace_id)
        .where(_project_is_there)
    )
    mine = and_(Member.user_id == actor.user_id, _below.c.lineage.startswith(place.lineage, autoescape=True), lasting())
    return bool(session.scalar(select(exists(in_group.where(mine)) | exists(in_project.where(mine)))))


def visible_projects(actor: Actor) -> Select[Project]:
    """The projects that the actor may see: where every read of projects starts."""
    return select(Project).where(_project_is_there, _sees_project(actor))


def visible_namespaces(actor: Actor) -> Select[Namespace]:
    """The groups and personal places that the actor may see."""
    those_there = select(Namespace).where(Namespace.deleted_at.is_(None))
    if actor.is_administrator:
        return those_there
    open_ones = Namespace.visibility.in_(_open_visibilities(actor))
    if actor.user_id is None:
        return those_there.where(open_ones)
    mine = and_(Member.user_id == actor.user_id, lasting())
    as_member_above = exists(
        select(1)
        .select_from(Member)
        .join(_above, _above.c.id == Member.namespace_id)
        .where(mine, Namespace.lineage.startswith(_above.c.lineage))
    )
    as_member_below = exists(
        select(1)
        .select_from(Member)
        .join(_below, _below.c.id == Member.namespace_id)
        .where(mine, _below_is_there, _below.c.lineage.startswith(Namespace.lineage))
    )
    as_member_of_project = exists(
        select(1)
        .select_from(Member)
        .join(Project, Project.id == Member.project_id)
        .join(_below, _below.c.id == Project.namespace_id)
        .where(mine, _project_is_there, _below.c.lineage.startswith(Namespace.lineage))
    )
    return those_there.where(or_(open_ones, as_member_above, as_member_below, as_member_of_project))


def _sees_project(actor: Actor) -> ColumnElement[bool]:
    if actor.is_administrator:
        return true()
    open_ones = Project.visibility.in_(_open_visibilities(actor))
    if actor.user_id is None:
        return open_ones
    mine = and_(Member.user_id == actor.user_id, lasting())
    directly = exists(select(1).select_from(Member).where(mine, Member.project_id == Project.id))
    inherited = exists(
        select(1)
        .select_from(Member)
        .join(_above, _above.c.id == Member.namespace_id)
        .join(_own, _own.c.lineage.startswith(_above.c.lineage))
        .where(mine, _own.c.id == Project.namespace_id)
    )
    return or_(open_ones, directly, inherited)


def _open_visibilities(actor: Actor) -> list[str]:
    return ["public", "internal"] if actor.is_person else ["public"]


def projects_with(actor: Actor, least: Role) -> ColumnElement[bool]:
    """A condition on `Project`: the actor has at least this role there, as a member."""
    if actor.user_id is None:
        return cast("ColumnElement[bool]", literal(value=False))
    mine = and_(Member.user_id == actor.user_id, Member.access_level >= least, lasting())
    directly = exists(select(1).select_from(Member).where(mine, Member.project_id == Project.id))
    inherited = exists(
        select(1)
        .select_from(Member)
        .join(_above, _above.c.id == Member.namespace_id)
        .join(_own, _own.c.lineage.startswith(_above.c.lineage))
        .where(mine, _own.c.id == Project.namespace_id)
    )
    return or_(directly, inherited)


def namespaces_with(actor: Actor, least: Role) -> ColumnElement[bool]:
    """A condition on `Namespace`: the actor has at least this role there, as a member of it or of a group above."""
    if actor.user_id is None:
        return cast("ColumnElement[bool]", literal(value=False))
    mine = and_(Member.user_id == actor.user_id, Member.access_level >= least, lasting())
    return exists(
        select(1)
        .select_from(Member)
        .join(_above, _above.c.id == Member.namespace_id)
        .where(mine, Namespace.lineage.startswith(_above.c.lineage))
    )
