"""Projects say when something last went on in them."""

from datetime import timedelta

from modelyard.domains.namespaces.projects import get_project
from modelyard.domains.tracking.hot.operations import CandidateInfo, CreateCandidate
from modelyard.domains.tracking.last_activity import note_last_activity
from modelyard.entrypoints.request import Installation
from modelyard.platform.clock import now, to_ms
from modelyard.platform.ids import hex_id
from tests.conftest import World


def test_a_candidate_is_activity(installation: Installation, world: World) -> None:
    database, hour = installation.database, timedelta(hours=1)
    with database.write() as session:
        world.project(session).last_activity_at = now() - hour
    assert note_last_activity(database) == 0
    moment = to_ms(now())
    made = installation.lane.submit_and_wait(
        CreateCandidate(
            project_id=world.project_id,
            experiment_iid=0,
            run_id=hex_id(),
            name="a",
            source_user="ada",
            creator_id=None,
            start_ms=moment,
            now_ms=moment,
            tags={},
        )
    )
    assert isinstance(made, CandidateInfo)
    assert note_last_activity(database) == 1
    with database.read() as session:
        project = get_project(session, world.guest.actor, world.project_id)
        assert to_ms(project.last_activity_at) == moment
    assert note_last_activity(database) == 0
