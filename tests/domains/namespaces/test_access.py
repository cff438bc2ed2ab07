"""Who may do what: roles, inheritance, visibility, switches and scopes."""

from dataclasses import replace

import pytest

from modelyard.domains.accounts.actor import ANONYMOUS, SYSTEM, Actor, Scope
from modelyard.domains.accounts.tables import User
from modelyard.domains.namespaces.access import RULES, Ability, Role, require, standing, visible_projects
from modelyard.domains.namespaces.groups import create_group, get_group, update_group
from modelyard.domains.namespaces.members import add_member, remove_member
from modelyard.domains.namespaces.projects import create_project, get_project, update_project
from modelyard.domains.namespaces.tables import Namespace
from modelyard.entrypoints.request import Installation
from modelyard.platform.database import Database, Session, open_database
from modelyard.platform.errors import Conflict, Forbidden, InsufficientScope, Invalid, NotFound
from tests.conftest import World


def may(session: Session, world: World, actor: Actor, ability: Ability) -> bool:
    return ability in standing(session, actor, world.project(session)).abilities


@pytest.mark.parametrize("ability", list(Ability))
def test_a_role_may_what_its_rule_says(database: Database, world: World, ability: Ability) -> None:
    people = {
        Role.GUEST: world.guest,
        Role.REPORTER: world.reporter,
        Role.DEVELOPER: world.developer,
        Role.MAINTAINER: world.maintainer,
        Role.OWNER: world.owner,
    }
    with database.read() as session:
        allowed = {role for role, person in people.items() if may(session, world, person.actor, ability)}
    assert allowed == {role for role in people if role >= RULES[ability].least}


def test_a_private_project_is_not_there_for_strangers(database: Database, world: World) -> None:
    with database.read() as session:
        for actor in (ANONYMOUS, world.stranger.actor):
            with pytest.raises(NotFound):
                require(session, actor, Ability.READ_TRACKING, world.project(session))
            with pytest.raises(NotFound):
                get_project(session, actor, world.project_id)
            assert list(session.scalars(visible_projects(actor))) == []


def make_visible(database: Database, world: World, visibility: str) -> None:
    with database.write() as session:
        update_group(session, world.owner.actor, get_group(session, SYSTEM, "acme"), visibility=visibility)
        update_project(session, world.owner.actor, world.project(session), visibility=visibility)


def test_a_public_project_is_read_by_everybody_and_written_by_members(database: Database, world: World) -> None:
    make_visible(database, world, "public")
    with database.read() as session:
        for actor in (ANONYMOUS, world.stranger.actor):
            assert may(session, world, actor, Ability.READ_TRACKING)
            with pytest.raises(Forbidden):
                require(session, actor, Ability.WRITE_TRACKING, world.project(session))


def test_an_internal_project_is_read_by_signed_in_people(database: Database, world: World) -> None:
    make_visible(database, world, "internal")
    with database.read() as session:
        assert may(session, world, world.stranger.actor, Ability.READ_TRACKING)
        bot = replace(world.stranger.actor, is_bot=True)
        for actor in (ANONYMOUS, bot):
            with pytest.raises(NotFound):
                require(session, actor, Ability.READ_TRACKING, world.project(session))


def test_a_feature_for_members_only_is_hidden_from_visitors(database: Database, world: World) -> None:
    make_visible(database, world, "public")
    with database.write() as session:
        switches = {"model_experiments_access_level": "private"}
        update_project(session, world.owner.actor, world.project(session), switches=switches)
    with database.read() as session:
        assert may(session, world, world.guest.actor, Ability.READ_TRACKING)
        with pytest.raises(NotFound):
            require(session, world.stranger.actor, Ability.READ_TRACKING, world.project(session))


def test_a_feature_that_is_off_is_off_for_its_owner_too(database: Database, world: World) -> None:
    with database.write() as session:
        switches = {"model_experiments_access_level": "disabled"}
        update_project(session, world.owner.actor, world.project(session), switches=switches)
    with database.read() as session:
        for ability in (Ability.READ_TRACKING, Ability.WRITE_TRACKING):
            with pytest.raises(NotFound):
                require(session, world.owner.actor, ability, world.project(session))
        assert may(session, world, world.owner.actor, Ability.READ_PACKAGES)


def test_a_feature_that_the_server_switches_off_is_off_everywhere(installation: Installation, world: World) -> None:
    other = open_database(replace(installation.settings, ml_experiment_tracking=False))
    with other.read() as session:
        assert not may(session, world, world.owner.actor, Ability.READ_TRACKING)
        assert may(session, world, world.owner.actor, Ability.READ_PACKAGES)
    other.close()


def test_a_scope_narrows_and_never_widens(database: Database, world: World) -> None:
    with database.read() as session:
        project = world.project(session)
        reading = replace(world.developer.actor, scopes=frozenset({Scope.READ_API}))
        require(session, reading, Ability.READ_TRACKING, project)
        with pytest.raises(InsufficientScope, match="api or log_candidates"):
            require(session, reading, Ability.WRITE_TRACKING, project)
        logging = replace(world.guest.actor, scopes=frozenset({Scope.LOG_CANDIDATES}))
        with pytest.raises(Forbidden, match="developer"):
            require(session, logging, Ability.WRITE_TRACKING, project)


def test_a_role_is_inherited_down_to_subgroups_and_projects(database: Database, world: World) -> None:
    with database.write() as session:
        owner = world.owner.actor
        acme = get_group(session, owner, "acme")
        deep = create_group(session, owner, name="deep", parent=acme)
        project = create_project(session, owner, name="p", namespace=deep)
        user = session.get_one(User, world.stranger.actor.user_id)
        add_member(session, owner, acme, user, Role.REPORTER)
        assert standing(session, world.stranger.actor, project).role is Role.REPORTER
        remove_member(session, owner, acme, user.id)
        assert not standing(session, world.stranger.actor, project).sees


def test_a_member_of_a_project_sees_that_its_group_is_there_and_nothing_else_of_it(
    database: Database, world: World
) -> None:
    with database.read() as session:
        acme = get_group(session, world.guest.actor, "acme")
        assert standing(session, world.guest.actor, acme).abilities == {Ability.READ_PLACE}


def test_nobody_grants_above_their_own_role(database: Database, world: World) -> None:
    with database.write() as session:
        user = session.get_one(User, world.stranger.actor.user_id)
        with pytest.raises(Forbidden, match="owner"):
            add_member(session, world.maintainer.actor, world.project(session), user, Role.OWNER)
        add_member(session, world.maintainer.actor, world.project(session), user, Role.MAINTAINER)


def test_a_group_keeps_an_owner(database: Database, world: World) -> None:
    with database.write() as session:
        acme = get_group(session, world.owner.actor, "acme")
        with pytest.raises(Conflict, match="owner"):
            remove_member(session, world.owner.actor, acme, world.owner.actor.user_id or 0)


def test_a_new_path_moves_everything_below(database: Database, world: World) -> None:
    with database.write() as session:
        owner = world.owner.actor
        acme = get_group(session, owner, "acme")
        create_group(session, owner, name="deep", parent=acme)
        update_group(session, owner, acme, path="ACME2")
    with database.read() as session:
        assert get_project(session, world.owner.actor, "acme2/churn").id == world.project_id
        assert {row.full_path for row in session.query(Namespace).where(Namespace.kind == "group")} == {
            "ACME2",
            "ACME2/deep",
        }
        with pytest.raises(NotFound):
            get_project(session, world.owner.actor, "acme/churn")


@pytest.mark.parametrize("path", ["api", "-", "../x", "a/b", "x.git", "", "ä"])
def test_a_bad_path_is_refused(database: Database, world: World, path: str) -> None:
    with database.write() as session, pytest.raises(Invalid):
        create_group(session, world.owner.actor, name="ok", path=path or "-")
