"""Rows that tests of tracking start from."""

from sqlalchemy.orm import Session

from modelyard.domains.accounts.tables import User
from modelyard.domains.namespaces.tables import Member, Namespace, Project
from modelyard.platform.clock import now
from modelyard.platform.database import Database
from modelyard.platform.ids import hex_id


def new_project(session: Session, *, visibility: str = "private") -> Project:
    """A project in a group of its own."""
    moment, name = now(), hex_id()
    group = Namespace(
        kind="group",
        path=name,
        name=name,
        full_path=name,
        full_path_folded=name,
        lineage="/",
        visibility=visibility,
        created_at=moment,
        updated_at=moment,
    )
    session.add(group)
    session.flush()  # the project and the lineage need its id
    group.lineage = f"/{group.id}/"
    project = Project(
        namespace_id=group.id,
        path="project",
        name="Project",
        full_path=f"{name}/project",
        full_path_folded=f"{name}/project",
        visibility=visibility,
        created_at=moment,
        updated_at=moment,
        last_activity_at=moment,
    )
    session.add(project)
    session.flush()  # the caller needs its id
    return project


def new_user(session: Session, project: Project | None = None, level: int = 0) -> User:
    """A user, with a role in the project if one is given."""
    name = hex_id()
    user = User(username=name, name=name, email=f"{name}@example.com", created_at=now())
    session.add(user)
    session.flush()  # the membership needs its id
    if project is not None:
        session.add(Member(user_id=user.id, project_id=project.id, access_level=level, created_at=now()))
    return user


def project_in(database: Database) -> Project:
    """A new project, committed."""
    with database.write() as session:
        return new_project(session)
