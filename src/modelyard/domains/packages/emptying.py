"""Removes files that nobody wants any more, a few to a transaction; their bytes are swept later."""

from sqlalchemy import delete, select

from modelyard.domains.packages.contents import is_below
from modelyard.domains.packages.tables import PackageFile
from modelyard.platform.database import Database, execute_counting
from modelyard.platform.purging import ROWS_AT_ONCE

FEW = 20


def thin_out(database: Database, package_id: int, folder: str = "") -> None:
    """Remove files below `folder` until so few are left that one transaction may take them all.

    The caller has made sure that none comes meanwhile, and removes the rest: that is when it is told to others.
    """
    here = select(PackageFile.id).where(PackageFile.package_id == package_id, is_below(folder))
    while True:
        with database.read() as session:
            found = session.scalars(here.order_by(PackageFile.path).offset(FEW).limit(ROWS_AT_ONCE)).all()
        if not found:
            return
        with database.write(changes_access=False, uses_reserve=True) as session:
            execute_counting(session, delete(PackageFile).where(PackageFile.id.in_(found)))
