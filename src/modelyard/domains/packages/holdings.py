"""How much a project keeps in packages."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.access import Ability, require
from modelyard.domains.namespaces.tables import Project
from modelyard.domains.packages.tables import Package, PackageFile, ProjectStorage


@dataclass(frozen=True)
class Holdings:
    """Packages, files and their bytes, a file in two places counted twice."""

    packages: int
    files: int
    size_bytes: int


def holdings_of(session: Session, actor: Actor, project: Project) -> Holdings:
    """What the packages of a project hold.

    Raises:
        Forbidden, NotFound: of the project.
    """
    require(session, actor, Ability.READ_PACKAGES, project)
    packages = session.scalar(select(func.count()).where(Package.project_id == project.id)) or 0
    files = session.scalar(select(func.count()).where(PackageFile.project_id == project.id)) or 0
    size_bytes = session.scalar(select(ProjectStorage.size_bytes).where(ProjectStorage.project_id == project.id)) or 0
    return Holdings(packages, files, size_bytes)
