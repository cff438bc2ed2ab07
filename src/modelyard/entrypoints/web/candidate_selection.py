"""What is done to the candidates that are ticked in the table: deleted, restored, tagged.

Their numbers come as `c`, one or several in each, from the table's boxes or from the address of a way back.
"""

from dataclasses import dataclass

from starlette.responses import Response

from modelyard.domains.accounts.actor import Actor
from modelyard.domains.namespaces.access import Ability
from modelyard.domains.tracking.many_candidates import delete_candidates, restore_candidates, tag_candidates
from modelyard.entrypoints.request import needs
from modelyard.entrypoints.web.chrome import FormState, Toast
from modelyard.entrypoints.web.errors import status_of
from modelyard.entrypoints.web.experiment_pages import OpenedExperiment, open_experiment
from modelyard.entrypoints.web.formatting import quantity
from modelyard.entrypoints.web.navigation import EXPERIMENTS, PROJECT_ROUTE
from modelyard.entrypoints.web.routing import Pages
from modelyard.entrypoints.web.security import local_path
from modelyard.entrypoints.web.visit import Visit
from modelyard.entrypoints.web.whole_numbers import whole_number
from modelyard.platform.database import Session
from modelyard.platform.errors import Conflict, Invalid

SELECTION = "/candidates/selection"


@dataclass(frozen=True, slots=True)
class Selection:
    """The numbers of the ticked candidates, and the table to go back to."""

    iids: list[int]
    table_url: str

    @property
    def noun(self) -> str:
        return f"candidate {self.iids[0]}" if len(self.iids) == 1 else quantity(len(self.iids), "candidate")

    def fields(self) -> list[tuple[str, str]]:
        """The same as the hidden fields of a form."""
        return [("c", ",".join(map(str, self.iids))), ("back", self.table_url)]


def mount(pages: Pages) -> None:
    """Add the pages of this file."""
    write = needs(Ability.WRITE_TRACKING)
    url = f"{PROJECT_ROUTE}{EXPERIMENTS}/{{experiment:int}}{SELECTION}"
    pages.get(url + "/delete", write, show_deletion)
    pages.post(url + "/delete", write, remove)
    pages.post(url + "/restore", write, restore)
    pages.get(url + "/tag", write, show_tagging)
    pages.post(url + "/tag", write, tag)


def show_deletion(visit: Visit) -> Response:
    with visit.read() as (session, actor):
        opened, chosen = _open(visit, session, actor, "Delete candidates")
    days = visit.installation.settings.deletion_days
    return visit.task(
        "layouts/confirm.html",
        opened.where,
        heading=f"Delete {chosen.noun}",
        action=f"{opened.url}{SELECTION}/delete",
        form_state=FormState(),
        hidden=chosen.fields(),
        sentences=["Metrics, parameters and files go with them.", f"They can be restored for {days} days."],
        phrase="",
        submit_label=f"Delete {chosen.noun}",
        cancel_url=chosen.table_url,
    )


def remove(visit: Visit) -> Response:
    with visit.write(changes_access=False) as (session, actor):
        opened, chosen = _open(visit, session, actor)
        gone = delete_candidates(session, actor, opened.project, chosen.iids)
    days = visit.installation.settings.deletion_days
    toast = Toast(
        f"{quantity(len(gone), 'candidate')} deleted. Restorable for {days} days.",
        undo_label=f"Restore {quantity(len(gone), 'candidate')}",
        undo_url=f"{opened.url}{SELECTION}/restore?c={','.join(map(str, gone))}",
    )
    return visit.go(chosen.table_url, toast)


def restore(visit: Visit) -> Response:
    with visit.write(changes_access=False) as (session, actor):
        opened, chosen = _open(visit, session, actor)
        back = restore_candidates(session, actor, opened.project, chosen.iids)
    return visit.go(chosen.table_url, Toast(f"{quantity(len(back), 'candidate')} restored."))


def show_tagging(visit: Visit) -> Response:
    with visit.read() as (session, actor):
        opened, chosen = _open(visit, session, actor, "Tag candidates")
    return _tagging_page(visit, opened, chosen, FormState())


def tag(visit: Visit) -> Response:
    key = visit.field("key").strip()
    try:
        with visit.write(changes_access=False) as (session, actor):
            opened, chosen = _open(visit, session, actor)
            tag_candidates(session, actor, opened.project, chosen.iids, key=key, value=visit.field("value").strip())
    except (Invalid, Conflict) as refused:
        with visit.read() as (session, actor):
            opened, chosen = _open(visit, session, actor, "Tag candidates")
        form = FormState(visit.fields(), problem=refused.message)
        return _tagging_page(visit, opened, chosen, form, status_of(refused))
    return visit.go(chosen.table_url, Toast(f"Tag {key} set on {chosen.noun}."))


def _tagging_page(
    visit: Visit, opened: OpenedExperiment, chosen: Selection, form: FormState, status: int = 200
) -> Response:
    return visit.task(
        "candidates/tag.html",
        opened.where,
        status=status,
        heading=f"Tag {chosen.noun}",
        action=f"{opened.url}{SELECTION}/tag",
        form_state=form,
        hidden=chosen.fields(),
        submit_label=f"Tag {chosen.noun}",
        cancel_url=chosen.table_url,
    )


def _open(visit: Visit, session: Session, actor: Actor, title: str = "") -> tuple[OpenedExperiment, Selection]:
    opened = open_experiment(visit, session, actor, Ability.WRITE_TRACKING, title=title)
    table = f"{opened.url}/candidates"
    back = local_path(visit.field("back") or visit.query("back"))
    return opened, Selection(_numbers(visit), back if back.startswith(table) else table)


def _numbers(visit: Visit) -> list[int]:
    """The numbers that were sent, each once.

    Raises:
        Invalid: there are none, or something else is among them.
    """
    sent = [*visit.form.getlist("c"), *visit.request.query_params.getlist("c")]
    texts = [text.strip() for value in sent if isinstance(value, str) for text in value.split(",")]
    if not texts:
        raise Invalid("Choose at least one candidate: tick the box in its row.")
    return list(dict.fromkeys(whole_number(text, "Candidates are chosen by their numbers.") for text in texts))
