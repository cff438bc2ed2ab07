"""Everybody who may knock at a route, and a fresh group and project for them to knock at."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import SYSTEM, Actor, Scope
from modelyard.domains.accounts.tables import AccessToken, User
from modelyard.domains.accounts.tokens import NewToken, create_personal_token
from modelyard.domains.accounts.users import block_user, create_user
from modelyard.domains.namespaces.access import RULES, Ability, Role
from modelyard.domains.namespaces.groups import create_group
from modelyard.domains.namespaces.members import add_member
from modelyard.domains.namespaces.place_tokens import create_place_token
from modelyard.domains.namespaces.projects import create_project
from modelyard.domains.namespaces.tables import Namespace, Project
from modelyard.domains.packages.registry import GenericFile, put_generic_file
from modelyard.entrypoints.request import Installation
from modelyard.platform.clock import now

ALL = frozenset({Scope.API})


@dataclass(frozen=True)
class Knocker:
    """Somebody with a token. `role` is theirs in the group and all in it, `inside` in the project only."""

    name: str
    token: str | None = None
    role: Role = Role.NONE
    inside: Role = Role.NONE
    scopes: frozenset[Scope] = ALL
    is_person: bool = True
    is_administrator: bool = False
    is_dead: bool = False

    @property
    def headers(self) -> dict[str, str]:
        return {"PRIVATE-TOKEN": self.token} if self.token else {}


@dataclass(frozen=True)
class Target:
    """A group with a project, each with a member and a token, and somebody who belongs to neither.

    The project has the package `tool`, version `1.0`, with the file `x`.
    """

    group_id: int
    project_id: int
    member_id: int
    newcomer_id: int
    group_token_id: int
    project_token_id: int
    package_id: int
    file_id: int


class Stage:
    """A group in which everybody has their role, so that they have it in every target made below it."""

    def __init__(self, installation: Installation, visibility: str) -> None:
        self.installation = installation
        self.visibility = visibility
        self._made = 0
        writer = installation.store.writer()
        writer.write(b"x")
        self._blob = writer.finish()
        with installation.database.write() as session:
            self._founder = self._user(session, "founder")
            founder = self._actor(self._founder)
            group = create_group(session, founder, name="Stage", path="stage", visibility=visibility)
            self._group_id = group.id
            self.everybody = list(self._everybody(session, founder, group))

    def _everybody(self, session: Session, founder: Actor, group: Namespace) -> Iterator[Knocker]:
        yield Knocker("anonymous", is_person=False)
        yield Knocker("stranger", self._token(session, self._user(session, "outsider")))
        for role in (Role.GUEST, Role.REPORTER, Role.DEVELOPER, Role.MAINTAINER, Role.OWNER):
            user = self._member(session, founder, group, f"the_{role.name.lower()}", role)
            yield Knocker(role.name.lower(), self._token(session, user), role)
            if role is Role.OWNER:
                for scope in set(Scope) - ALL:
                    token = self._token(session, user, scope)
                    yield Knocker(f"owner with {scope}", token, role, scopes=frozenset({scope}))
        administrator = create_user(session, SYSTEM, username="boss", is_administrator=True)
        token = self._token(session, administrator)
        yield Knocker("administrator", token, Role.OWNER, is_administrator=True)
        self.insider = self._user(session, "insider")
        yield Knocker("member of the project", self._token(session, self.insider), inside=Role.DEVELOPER)
        yield from self._dead(session, founder, group)
        sibling = create_project(session, founder, name="sibling", namespace=group, visibility=self.visibility)
        made = self._place_token(session, sibling, Role.OWNER)
        yield Knocker("token of a sibling project", made.secret, is_person=False)

    def _dead(self, session: Session, founder: Actor, group: Namespace) -> Iterator[Knocker]:
        """Owners whose credentials are worth nothing any more."""
        expired = self._member(session, founder, group, "expired", Role.OWNER)
        yield Knocker("expired token", self._token(session, expired), is_dead=True)
        revoked = self._member(session, founder, group, "revoked", Role.OWNER)
        yield Knocker("revoked token", self._token(session, revoked), is_dead=True)
        tokens = {token.user_id: token for token in session.scalars(select(AccessToken))}
        tokens[expired.id].expires_at = now() - timedelta(seconds=1)
        tokens[revoked.id].revoked_at = now()
        blocked = self._member(session, founder, group, "blocked", Role.OWNER)
        yield Knocker("blocked user", self._token(session, blocked), is_dead=True)
        block_user(session, SYSTEM, blocked)

    def targets(self, count: int) -> list[Target]:
        """New groups and projects with what routes can name in them."""
        with self.installation.database.write() as session:
            return [self._target(session) for _ in range(count)]

    def _target(self, session: Session) -> Target:
        self._made += 1
        founder = self._actor(self._founder)
        stage = session.get_one(Namespace, self._group_id)
        group = create_group(
            session, founder, name="g", path=f"g{self._made}", parent=stage, visibility=self.visibility
        )
        project = create_project(session, founder, name="p", namespace=group, visibility=self.visibility)
        add_member(session, founder, project, session.get_one(User, self.insider.id), Role.DEVELOPER)
        member = self._user(session, f"member{self._made}")
        newcomer = self._user(session, f"newcomer{self._made}")
        places: tuple[Namespace | Project, ...] = (group, project)
        for place in places:
            add_member(session, founder, place, member, Role.REPORTER)
        tokens = [self._place_token(session, place, Role.GUEST) for place in places]
        file = put_generic_file(session, founder, project, GenericFile("tool", "1.0", "x"), self._blob)
        of_group, of_project = (made.token.id for made in tokens)
        return Target(group.id, project.id, member.id, newcomer.id, of_group, of_project, file.package_id, file.id)

    def _place_token(self, session: Session, place: Namespace | Project, role: Role) -> NewToken:
        founder = self._actor(self._founder)
        return create_place_token(
            session, founder, self.installation.key, place, name="t", scopes=[Scope.API], access_level=role
        )

    def _member(self, session: Session, founder: Actor, group: Namespace, username: str, role: Role) -> User:
        user = self._user(session, username)
        add_member(session, founder, group, user, role)
        return user

    def _user(self, session: Session, username: str) -> User:
        return create_user(session, SYSTEM, username=username)

    def _token(self, session: Session, user: User, scope: Scope = Scope.API) -> str:
        made = create_personal_token(session, self._actor(user), self.installation.key, name="t", scopes=[scope])
        return made.secret

    def _actor(self, user: User) -> Actor:
        return Actor(user.id, user.username)


def verdict(who: Knocker, ability: Ability, visibility: str, *, of_project: bool, is_safe: bool, success: int) -> int:
    """The status that the table of rules wants, computed from the table alone."""
    rule = RULES[ability]
    if who.is_dead or (who.token is None and not is_safe):
        return 401
    role = max(who.role, who.inside if of_project else Role.NONE)
    is_visitor = visibility == "public" or (visibility == "internal" and who.is_person)
    sees = role > Role.NONE or is_visitor or who.inside > Role.NONE
    if not sees:
        return 404
    may = role >= rule.least or (rule.open_to_all and is_visitor) or ability is Ability.READ_PLACE
    if not may:
        return 403 if who.token else 401
    return success if who.token is None or who.scopes & rule.scopes else 403
