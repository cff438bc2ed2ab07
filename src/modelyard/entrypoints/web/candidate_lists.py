"""Short lists of candidates, as overviews show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from modelyard.domains.accounts.authors import Author
from modelyard.domains.tracking.hot.operations import Status
from modelyard.domains.tracking.overviews import RecentCandidate
from modelyard.entrypoints.web.navigation import EXPERIMENTS
from modelyard.platform.clock import from_ms

CANDIDATES = "/-/ml/candidates"
STATUS_WORDS = {
    Status.SCHEDULED: "queued",
    Status.RUNNING: "running",
    Status.FINISHED: "finished",
    Status.FAILED: "failed",
    Status.KILLED: "stopped",
}
# What a person may write for a status: MLflow's name in any case, and what the pages call it.
STATUS_NAMES = {status.name.lower(): status.name for status in Status} | {
    word: status.name for status, word in STATUS_WORDS.items()
}


@dataclass(frozen=True, slots=True)
class ShortRow:
    """One candidate in a short list."""

    iid: int
    name: str
    status: str
    url: str
    experiment_name: str
    experiment_url: str
    project_path: str
    project_url: str
    created_at: datetime


def claim_of(author: Author | None, user: str) -> str:
    """The user that a client said it was, in words; empty where that says nothing more than the author."""
    known = () if author is None else (author.username.casefold(), author.name.casefold())
    return f"as {user}" if user and user.casefold() not in known else ""


def short_rows(candidates: Sequence[RecentCandidate]) -> list[ShortRow]:
    return [_short_row(candidate) for candidate in candidates]


def _short_row(candidate: RecentCandidate) -> ShortRow:
    project = f"/{candidate.project_path}"
    return ShortRow(
        iid=candidate.iid,
        name=candidate.name,
        status=STATUS_WORDS[Status(candidate.status)],
        url=f"{project}{CANDIDATES}/{candidate.iid}",
        experiment_name=candidate.experiment_name,
        experiment_url=f"{project}{EXPERIMENTS}/{candidate.experiment_iid}/candidates",
        project_path=candidate.project_path,
        project_url=project,
        created_at=from_ms(candidate.start_ms),
    )
