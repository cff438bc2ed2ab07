from collections.abc import Callable

import pytest

from tools.house import use_cases

FoundBy = Callable[..., list[str]]
MODULE = "modelyard.domains.tracking.candidates"


@pytest.mark.parametrize(
    "head",
    [
        "def get_candidate(session: Session, iid: int) -> Candidate: ...",
        "def get_candidate(actor: Actor, session: Session) -> Candidate: ...",
        "def get_candidate(iid: int, *, session: Session) -> Candidate: ...",
        "def get_candidate(session: 'orm.Session') -> Candidate: ...",
        "async def get_candidate(session: AsyncSession) -> Candidate: ...",
    ],
)
def test_a_public_function_with_a_session_names_its_actor(found_by: FoundBy, head: str) -> None:
    (message,) = found_by(use_cases, head, MODULE)
    assert "get_candidate takes a session" in message


@pytest.mark.parametrize(
    "head",
    [
        "def get_candidate(session: Session, actor: Actor, iid: int) -> Candidate: ...",
        "def _row(session: Session, iid: int) -> Candidate: ...",
        "def greatest(points: list[Point]) -> Point: ...",
        "class Window:\n    def rows(self, session: Session) -> None: ...",
    ],
)
def test_other_functions_may_begin_as_they_like(found_by: FoundBy, head: str) -> None:
    assert found_by(use_cases, head, MODULE) == []


def test_a_listed_function_needs_no_actor(found_by: FoundBy) -> None:
    head = "def compact(session: Session) -> None: ..."
    listed = {"modelyard.domains.*.tasks.*": "the worker acts for nobody"}
    assert found_by(use_cases, head, "modelyard.domains.tracking.tasks", listed) == []


def test_the_rule_is_about_domains(found_by: FoundBy) -> None:
    assert found_by(use_cases, "def enqueue(session: Session) -> None: ...", "modelyard.platform.tasks") == []
