"""Log lines: who, what, and never a secret."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modelyard.platform.ids import new_secret
from modelyard.platform.settings import Settings
from modelyard.platform.telemetry import Facts, configure_logging, log_request, masked, note_actor, on_behalf_of

log = logging.getLogger("modelyard.test")
TOKEN = new_secret("pat")


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., io.StringIO]]:
    """Configures logging as a server would and gives what is written."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def configure(**settings: str) -> io.StringIO:
        stream = io.StringIO()
        monkeypatch.setattr("sys.stderr", stream)
        configure_logging(Settings(data=Path("data"), **settings))  # type: ignore[arg-type]  # some of its settings
        return stream

    yield configure
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"Token {TOKEN} was refused.", TOKEN),
        (f"Authorization: Bearer {TOKEN}", TOKEN),
        ("authorization: basic dXNlcjpodW50ZXIy", "dXNlcjpodW50ZXIy"),
        ("postgresql://modelyard:hunter2@db.example/modelyard is away", "hunter2"),
        ("{'password': 'hunter2', 'name': 'ada'}", "hunter2"),
        ('{"token":"hunter2"}', "hunter2"),
        ("GET /-/first_administrator?token=hunter2&x=1", "hunter2"),
        ("Cookie: session=abc; other=hunter2", "session=abc"),
    ],
    ids=lambda text: text.replace(TOKEN, "TOKEN"),
)
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_nothing_that_looks_like_a_secret_is_written(
    written: Callable[..., io.StringIO], text: str, secret: str, log_format: str
) -> None:
    stream = written(log_format=log_format)
    log.warning("Something happened: %s", text)
    try:
        raise ValueError(text)  # noqa: TRY301  # its text reaches the log through the trace
    except ValueError:
        log.exception("It failed.")
    assert "Something happened" in stream.getvalue()
    assert "ValueError" in stream.getvalue()
    assert secret not in stream.getvalue()


def test_the_kind_of_a_masked_token_stays_readable() -> None:
    assert masked(f"{TOKEN} is old") == "myd_pat_*** is old"


def test_ordinary_words_stay_as_they_are() -> None:
    sentence = "The token of group 7 expires; basically 3 files at https://models.example.org/acme were read."
    assert masked(sentence) == sentence


def test_a_line_names_the_request_and_its_actor(written: Callable[..., io.StringIO]) -> None:
    stream = written(log_format="json")
    facts = Facts()
    with on_behalf_of(facts):
        note_actor(7)
        log.info("Read %d rows.", 3)
    log.info("Nobody asked for this.")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["message"], first["level"], first["request_id"], first["actor_id"]) == (
        *("Read 3 rows.", "info"),
        *(facts.request_id, 7),
    )
    assert "request_id" not in second


def test_each_request_has_its_own_number() -> None:
    assert len({Facts().request_id for _ in range(100)}) == 100


def test_a_request_is_one_line_with_route_status_and_duration(written: Callable[..., io.StringIO]) -> None:
    stream = written(log_format="json")
    log_request(Facts(), "GET", "/{project}/-/ml/experiments", 200, 0.01234, level=logging.INFO)
    line = json.loads(stream.getvalue())
    assert (line["method"], line["route"], line["status"], line["duration_ms"]) == (
        *("GET", "/{project}/-/ml/experiments"),
        *(200, 12.3),
    )


def test_text_lines_have_time_level_logger_and_request(written: Callable[..., io.StringIO]) -> None:
    stream = written()
    facts = Facts()
    with on_behalf_of(facts):
        log.error("No.")
    assert stream.getvalue().endswith(f"Z ERROR modelyard.test: No. [{facts.request_id}]\n")


def test_a_line_break_in_a_message_is_one_json_line(written: Callable[..., io.StringIO]) -> None:
    stream = written(log_format="json")
    log.warning("one\ntwo")
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["one\ntwo"]


def test_the_level_is_the_least_that_is_written(written: Callable[..., io.StringIO]) -> None:
    stream = written(log_level="warning")
    log.info("quiet")
    log.warning("loud")
    assert stream.getvalue().count("\n") == 1
