import json
import shutil

import pytest

from benchmarks import load, tracking
from benchmarks.load import Place
from tests.benchmarks.conftest import Peer

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="the load driver needs a C compiler")


def test_places_become_digits_of_their_width() -> None:
    found = load.find_places(b'{"step": 1<<sequence:7>>, "run_id": "<<item:32>>", "value": 0.<<random:16>>}')
    assert found.content == b'{"step": 10000000, "run_id": "' + b"0" * 32 + b'", "value": 0.' + b"0" * 16 + b"}"
    assert [(place.kind, place.width) for place in found.places] == [("s", 7), ("i", 32), ("r", 16)]
    assert found.places[0] == Place("s", 10, 7)


def test_a_rendered_request_declares_the_length_it_is_sent_with() -> None:
    request = load.render("POST", "/x", {"Authorization": "Bearer t"}, '{"step": 1<<sequence:7>>}')
    head, _, body = request.content.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head.split(b"\r\n")
    assert request.content[request.places[0].offset :] == b"0000000}"


def test_every_request_differs_and_carries_its_connections_run(peer: Peer) -> None:
    body = tracking.series_batch_body(tracking.ANY_RUN, ["loss", "accuracy"], 3)
    runs = ["a" * 32, "b" * 32]
    request = load.post(peer.server, "runs/log-batch", body)
    found = load.drive(peer.server, [request], connections=2, at_least=20, at_most=20, items=runs)
    sent = [json.loads(text) for text in peer.bodies]
    assert (found.failure, found.issued, len(sent)) == (None, 20, 20)
    assert {batch["run_id"] for batch in sent} == set(runs)
    assert peer.authorizations == {"Bearer a-token"}
    assert len(peer.addresses) == 2
    steps = [metric["step"] for batch in sent for metric in batch["metrics"] if metric["key"] == "loss"]
    assert len(set(steps)) == 60
    values = {metric["value"] for batch in sent for metric in batch["metrics"]}
    assert len(values) == 120
    assert all(0 <= value < 1 for value in values)


def test_a_second_load_goes_on_with_the_sequence(peer: Peer) -> None:
    request = load.post(peer.server, "runs/log-batch", tracking.series_batch_body("a" * 32, ["loss"], 1))
    for _ in range(2):
        load.drive(peer.server, [request], connections=1, at_least=3, at_most=3)
    steps = [json.loads(text)["metrics"][0]["step"] for text in peer.bodies]
    assert len(set(steps)) == 6
    assert steps == sorted(steps)


def test_requests_are_sent_in_turn(peer: Peer) -> None:
    requests = [load.post(peer.server, "runs/log-batch", f'{{"page": {number}}}') for number in range(3)]
    load.drive(peer.server, requests, connections=1, at_least=6, at_most=6)
    assert [json.loads(text)["page"] for text in peer.bodies] == [0, 1, 2, 0, 1, 2]


def test_an_answer_that_is_no_200_is_a_failure_told_in_the_servers_words(peer: Peer) -> None:
    body = f'{{"step": 1{tracking.SEQUENCE}}}'
    request = load.post(peer.server, "runs/log-metric", body)
    found = load.drive(peer.server, [request], connections=1, at_least=10, at_most=10)
    assert found.failure == '5 requests failed; the first: 400 {"message": "an odd \\"step\\""}'


def test_a_connection_closed_without_an_answer_is_a_failure(peer: Peer) -> None:
    request = load.post(peer.server, "runs/create", "{}")
    found = load.drive(peer.server, [request], connections=1, at_least=2, at_most=2)
    assert found.failure == "2 requests failed; the first: 0 the server closed the connection before it had answered"


def test_chunked_answers_are_read_to_their_last_byte(peer: Peer) -> None:
    request = load.post(peer.server, "runs/search", "{}")
    found = load.drive(peer.server, [request], connections=2, at_least=8, at_most=8)
    assert found.failure is None
    assert found.bytes_in > 8 * 300_000


def test_an_answer_without_a_body_is_an_answer(peer: Peer) -> None:
    found = load.drive(peer.server, [load.get(peer.server, "runs/get")], connections=1, at_least=3, at_most=3)
    assert (found.failure, found.issued) == (None, 3)


def test_a_load_lasts_as_long_as_asked_and_rates_what_was_answered_in_that_time(peer: Peer) -> None:
    request = load.post(peer.server, "runs/log-batch", "{}")
    found = load.drive(peer.server, [request], connections=4, seconds=0.3)
    assert found.rate == pytest.approx(len(peer.bodies) / 0.3, rel=0.2)
    assert 0 < found.p50_ms <= found.p99_ms < 300
