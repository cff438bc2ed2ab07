from collections.abc import Callable

import pytest

from tools.house import transactions

FoundBy = Callable[..., list[str]]


@pytest.mark.parametrize(
    "line",
    [
        "session.commit()",
        "with engine.begin() as connection: pass",
        "self.session.begin()",
        'connection.execute("COMMIT")',
        'connection.exec_driver_sql("begin immediate")',
        'cursor.execute(text("COMMIT"))',
    ],
)
def test_a_use_case_may_not_end_its_transaction(found_by: FoundBy, line: str) -> None:
    assert len(found_by(transactions, line, "modelyard.domains.tracking.candidates")) == 1


@pytest.mark.parametrize(
    "line", ["session.begin_nested()", "session.flush()", 'connection.execute("SELECT 1")', "commit()"]
)
def test_what_keeps_the_transaction_open_is_fine(found_by: FoundBy, line: str) -> None:
    assert found_by(transactions, line, "modelyard.domains.tracking.candidates") == []


def test_a_listed_module_may_commit(found_by: FoundBy) -> None:
    listed = {"modelyard.platform.database": "the edge"}
    assert found_by(transactions, "session.commit()", "modelyard.platform.database", listed) == []


def test_tests_may_commit(found_by: FoundBy) -> None:
    assert found_by(transactions, "session.commit()", "tests.platform.test_database") == []
