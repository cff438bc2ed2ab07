"""One candidate: what it shows, its curves, its files, and what a browser is given of them."""

import httpx
import pytest

from modelyard.domains.tracking.hot.operations import CandidateInfo, LogData, MetricColumns
from modelyard.platform.clock import now_ms
from tests.conftest import LiveServer, World
from tests.entrypoints.web.browser import Browser
from tests.entrypoints.web.conftest import Browse, Log

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
HTML = b"<script>alert(1)</script>"


@pytest.fixture
def made(log: Log) -> CandidateInfo:
    tags = {"team": "risk", "mlflow.note.content": "see **this**", "mlflow.source.name": "train.py"}
    return log("brave-otter", {"loss": 0.25, "train/loss": 0.5}, {"depth": "8"}, tags, step=7)


@pytest.fixture
def candidate(world: World, made: CandidateInfo) -> str:
    return f"/{world.project_path}/-/ml/candidates/{made.place.iid}"


def put(browser: Browser, candidate: str, path: str, body: bytes) -> int:
    headers = {"X-CSRF-Token": browser.token("/-/styleguide"), "Content-Type": "application/octet-stream"}
    return browser.client.put(f"{candidate}/files/{path}", content=body, headers=headers).status_code


def test_a_candidate_shows_what_was_logged(developer: Browser, candidate: str, made: CandidateInfo) -> None:
    page = developer.get(candidate)
    assert page.texts("h1") == [f"Candidate {made.place.iid} — brave-otter"]
    assert page.texts("#parameters tbody tr:not([hidden])") == ["depth 8"]
    assert page.texts("#metrics tbody tr:not([hidden])") == [
        "loss 0.2500 0.2500 0.2500 7",
        "train/loss 0.5000 0.5000 0.5000 7",
    ]
    assert page.texts(".tag-pill") == ["team risk"]
    assert page.texts(".prose strong") == ["this"]
    assert made.place.run_id in page.copies
    assert "train.py" in page.copies


def test_extremes_are_of_the_whole_history(
    developer: Browser, live: LiveServer, candidate: str, made: CandidateInfo
) -> None:
    values = [3.0, float("nan"), -1.0, float("inf"), 2.0]
    columns = MetricColumns(["auc"] * 5, list(range(5)), [now_ms()] * 5, values)
    live.installation.lane.submit_and_wait(LogData(made.place, now_ms(), columns))
    rows = developer.get(candidate).texts("#metrics tbody tr")
    assert "auc 2 \u22121 3 4" in rows


def test_neighbours_are_those_of_the_experiment(developer: Browser, candidate: str, log: Log, world: World) -> None:
    following = log("calm")
    page = developer.get(candidate)
    links = [str(link["href"]) for link in page.soup.select('a[aria-label$="candidate"]')]
    assert links == [f"/{world.project_path}/-/ml/candidates/{following.place.iid}"]


def test_nested_candidates_know_each_other(
    developer: Browser, experiment: str, candidate: str, made: CandidateInfo, log: Log
) -> None:
    log("child", tags={"mlflow.parentRunId": made.place.run_id})
    log("orphan", tags={"mlflow.parentRunId": "0" * 32})
    table = developer.get(f"{experiment}/candidates?sort=name")
    assert table.texts(".table-grid tbody th") == ["1 brave-otter", "2 child child of 1", "3 orphan"]
    mark = table.soup.select_one(".child-mark")
    assert mark is not None
    assert (mark["href"], mark["title"]) == (candidate, "Child of candidate 1 — brave-otter")
    parent = developer.get(candidate)
    link = next(anchor for anchor in parent.soup.select("a") if "nested" in anchor.text)
    children = developer.get(str(link["href"]))
    assert children.texts("tbody th a:first-of-type") == ["child"]
    child = developer.get(str(children.soup.select_one("tbody th a")["href"]))  # type: ignore[index]  # the one row
    assert f"Candidate {made.place.iid}" in child.texts(".meta dd")
    log("second", tags={"mlflow.parentRunId": made.place.run_id})
    assert "2 nested candidates of it stay." in developer.get(f"{candidate}/delete").texts("p")
    developer.post(f"{candidate}/delete")
    assert f"Candidate {made.place.iid} deleted" in developer.get(str(child.answer.url)).texts(".meta dd")
    left = developer.get(f"{experiment}/candidates?sort=name").texts(".table-grid tbody th")
    assert left == ["2 child child of deleted 1", "3 orphan", "4 second child of deleted 1"]


def test_a_curve_is_reduced_and_says_what_is_left_out(
    developer: Browser, live: LiveServer, candidate: str, made: CandidateInfo
) -> None:
    steps = list(range(1000))
    values = [float("nan") if step == 500 else float(step) for step in steps]
    columns = MetricColumns(["curve"] * 1000, steps, [now_ms()] * 1000, values)
    live.installation.lane.submit_and_wait(LogData(made.place, now_ms(), columns))
    curve = developer.get(f"{candidate}/performance.json?metric=curve&buckets=10").answer.json()
    assert (len(curve["x"]), curve["points"], curve["unplotted"]) == (10, 1000, 1)
    assert (curve["x"][-1], curve["last"][-1], curve["min"][0], curve["max"][0]) == (999, 999.0, 0.0, 99.0)
    assert curve["latest"] == {
        "text": "999",
        "exact": "999.0",
        "summary": "curve of candidate 1: 999 at step 999, 0 to 999.",
    }
    part = developer.get(f"{candidate}/performance.json?metric=curve&buckets=600&from=10&to=19").answer.json()
    assert part["x"] == list(range(10, 20))
    nothing = developer.get(f"{candidate}/performance.json?metric=nothing").answer.json()
    assert (nothing["x"], nothing["points"], nothing["latest"]) == ([], 0, None)
    for query in ("buckets=x", "buckets=-3", "from=1e5", "to=99999999999999999999"):
        assert developer.get(f"{candidate}/performance.json?metric=curve&{query}").status == 422
    assert developer.get(f"{candidate}/performance.json?metric=curve&from=-5&to=-1").answer.json()["x"] == []


def test_curves_are_grouped_and_described(developer: Browser, candidate: str) -> None:
    page = developer.get(f"{candidate}/performance")
    assert page.texts("summary h2") == ["Metrics 1", "train 1"]
    charts = page.soup.select("my-chart")
    assert [str(chart["label"]) for chart in charts] == ["loss", "train/loss"]
    assert str(charts[0]["aria-label"]) == "loss of candidate 1: 0.2500 at step 7, 0.2500 to 0.2500."


def test_files_are_uploaded_listed_and_shown(developer: Browser, candidate: str) -> None:
    assert "No file yet" in developer.get(f"{candidate}/artifacts").text
    assert put(developer, candidate, "README.md", b"# Report") == 201
    assert put(developer, candidate, "plots/curve.png", PNG) == 201
    page = developer.get(f"{candidate}/artifacts")
    assert page.texts(".file-row-name") == ["README.md", "plots"]
    assert developer.get(f"{candidate}/artifacts/README.md").texts(".prose h2") == ["Report"]
    picture = developer.get(f"{candidate}/artifacts/plots/curve.png").soup.select_one(".preview-image img")
    assert picture is not None
    answer = developer.get(str(picture["src"])).answer
    assert (answer.headers["content-type"], answer.content) == ("image/png", PNG)
    assert developer.get(f"{candidate}/artifacts/nothing").status == 404


def log_model(live: LiveServer, world: World, made: CandidateInfo, files: dict[str, bytes]) -> str:
    """Log a model named `model` as MLflow 3 does: its files lie under the logged model, not under the run."""
    base, place = f"{live.tracking_uri(world.project_id)}/api/2.0", made.place
    with httpx.Client(headers=world.developer.headers, trust_env=False) as client:
        wanted = {"experiment_id": str(place.experiment_iid), "name": "model", "source_run_id": place.run_id}
        answer = client.post(f"{base}/mlflow/logged-models", json=wanted)
        model_id = str(answer.json()["model"]["info"]["model_id"])
        folder = f"{base}/mlflow-artifacts/artifacts/{place.experiment_iid}/models/{model_id}/artifacts"
        for path, content in files.items():
            assert client.put(f"{folder}/{path}", content=content).status_code == 200
    return model_id


def test_a_logged_model_is_a_folder_among_the_files(
    developer: Browser, live: LiveServer, world: World, candidate: str, made: CandidateInfo
) -> None:
    files = {"MLmodel": b"flavors: {}", "data/model.skops": bytes(2000)}
    model_id = log_model(live, world, made, files)
    put(developer, candidate, "notes.txt", b"hello")
    page = developer.get(f"{candidate}/artifacts")
    assert page.texts(".file-row-name") == ["model", "notes.txt"]
    assert page.texts(".tab[aria-current]") == ["Artifacts 3"]
    folder = f"{candidate}/artifacts/models/{model_id}"
    opened = developer.get(folder)
    assert opened.texts(".path-crumbs span") == ["artifacts", "model"]
    assert opened.texts(".file-row-name") == ["Up to artifacts", "MLmodel", "data"]
    assert not opened.soup.select("my-upload")
    shown = developer.get(f"{folder}/data/model.skops")
    assert shown.texts(".path-crumbs span") == ["artifacts", "model", "data"]
    assert "model/data/model.skops" in shown.copies
    download = str(shown.soup.select_one(".card-head a[download]")["href"])  # type: ignore[index]  # the button is there
    assert developer.get(download).answer.content == files["data/model.skops"]
    assert developer.get(f"{folder}/nothing").status == 404
    assert "in 3 files" in " ".join(developer.get(candidate).texts(".meta dd"))


def test_a_folder_that_is_a_model_shows_how_it_is_loaded(
    developer: Browser, live: LiveServer, world: World, candidate: str, made: CandidateInfo
) -> None:
    model_id = log_model(live, world, made, {"MLmodel": b"flavors: {}", "data/MLmodel": b"flavors: {}"})
    for path in ("MLmodel", "best/my model/MLmodel", "best/notes.txt"):
        put(developer, candidate, path.replace(" ", "%20"), b"flavors: {}")
    for folder, lines in (
        (f"models/{model_id}", [f'mlflow.pyfunc.load_model("models:/{model_id}")']),
        ("best/my%20model", [f'mlflow.pyfunc.load_model("runs:/{made.place.run_id}/best/my model")']),
        (f"models/{model_id}/data", []),
        ("best", []),
        ("", []),
    ):
        shown = developer.get(f"{candidate}/artifacts/{folder}").soup.select(".files pre")
        assert [code.get_text() for code in shown] == lines


def test_a_logged_model_is_found_at_its_own_candidate_only(
    developer: Browser, live: LiveServer, world: World, candidate: str, made: CandidateInfo, log: Log
) -> None:
    model_id = log_model(live, world, made, {"MLmodel": b"flavors: {}"})
    other = f"/{world.project_path}/-/ml/candidates/{log('other').place.iid}"
    for path in (f"artifacts/models/{model_id}", f"files/models/{model_id}/MLmodel"):
        assert developer.get(f"{candidate}/{path}").status == 200
        assert developer.get(f"{other}/{path}").status == 404


def test_what_users_uploaded_never_runs(developer: Browser, candidate: str) -> None:
    put(developer, candidate, "evil.html", HTML)
    page = developer.get(f"{candidate}/artifacts/evil.html")
    assert [line.get_text() for line in page.soup.select(".lines td:last-child")] == [HTML.decode()]
    answer = developer.get(f"{candidate}/files/evil.html").answer
    assert answer.content == HTML
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert developer.get(f"{candidate}/pictures/evil.html").status == 404


def test_an_upload_needs_the_token_the_right_and_a_good_name(
    browse: Browse, developer: Browser, world: World, candidate: str
) -> None:
    assert developer.client.put(f"{candidate}/files/a.txt", content=b"x").status_code == 403
    assert put(browse(world.reporter), candidate, "a.txt", b"x") == 403
    assert put(browse(world.stranger), candidate, "a.txt", b"x") == 404
    assert put(developer, candidate, "a%5Cb.txt", b"x") == 422
    assert "No file yet" in developer.get(f"{candidate}/artifacts").text


def test_files_of_a_candidate_are_a_package(browse: Browse, developer: Browser, world: World, candidate: str) -> None:
    put(developer, candidate, "model/MLmodel", b"flavors: {}")
    packages = f"/{world.project_path}/-/packages"
    page = developer.get(packages)
    assert page.texts("tbody th a") == ["ml_candidate_1"]
    package = developer.get(str(page.soup.select_one("tbody th a")["href"]))  # type: ignore[index]  # the one row
    assert package.texts("tbody th a") == ["model/MLmodel"]
    assert "Candidate 1 brave-otter" in package.texts(".meta dd")
    download = str(package.soup.select_one("tbody th a")["href"])  # type: ignore[index]  # the one file
    assert developer.get(download).answer.content == b"flavors: {}"
    assert developer.get(f"{packages}?q=nothing").status == 200
    one = download.partition("/files/")[0]
    assert developer.post(f"{one}/delete").status == 403
    assert browse(world.maintainer).post(f"{one}/delete").location == packages
    assert "No package yet" in developer.get(packages).text


def test_a_deleted_candidate_can_be_read_and_restored_but_not_written(developer: Browser, candidate: str) -> None:
    developer.post(f"{candidate}/delete")
    page = developer.get(candidate)
    assert "Restore candidate 1" in page.text
    assert put(developer, candidate, "a.txt", b"x") == 422
    assert not developer.get(f"{candidate}/artifacts").soup.select("my-upload")
    assert developer.post(f"{candidate}/restore").location == candidate
