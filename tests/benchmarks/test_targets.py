import pytest

from benchmarks import report, targets
from benchmarks.contenders import CONTENDERS
from benchmarks.samples import Measure, Samples
from benchmarks.targets import Verdict

RATE = Measure("W2.16.rate", "W2 log-metric, 16 conn", "req/s", is_better_higher=True)
TIME = Measure("W6.p50", "W6 get-history", "p50 ms")
FIRST_PAGE = Measure("W5.first.p50", "W5 first page", "p50 ms")
HTML_PAGE = Measure("W5.page.p50", "W5 candidates page", "p50 ms")
IDLE = Measure("W9.idle", "W9 idle memory", "MB PSS")


def _samples(*figures: tuple[Measure, str, float]) -> Samples:
    samples = Samples()
    for measure, contender, value in figures:
        samples.add(measure, contender, value)
    return samples


def _only(samples: Samples) -> Verdict:
    (verdict,) = targets.verdicts(samples)
    return verdict


def test_a_rate_is_held_against_the_better_of_mlflows_workers() -> None:
    samples = _samples((RATE, "modelyard-full", 9000), (RATE, "mlflow-4w", 100), (RATE, "mlflow-1w", 140))
    verdict = _only(samples)
    assert verdict.against == "mlflow-1w"
    assert verdict.ratio == pytest.approx(9000 / 140)
    assert verdict.is_met is True


def test_a_time_is_held_against_the_shorter_one() -> None:
    samples = _samples((TIME, "modelyard-full", 100), (TIME, "mlflow-4w", 4800), (TIME, "mlflow-1w", 5200))
    verdict = _only(samples)
    assert (verdict.against, verdict.ratio, verdict.is_met) == ("mlflow-4w", 48, False)


def test_medians_are_compared_and_not_means() -> None:
    samples = _samples(*[(RATE, "modelyard-normal", value) for value in (10_000, 30_000, 1)])
    for value in (1000, 900, 1100):
        samples.add(RATE, "fasttrackml", value)
    assert _only(samples).ratio == 10


def test_a_peer_that_failed_is_left_out_and_the_other_one_counts() -> None:
    samples = _samples((RATE, "modelyard-full", 9000), (RATE, "mlflow-4w", 100))
    samples.add_failure(RATE, "mlflow-1w", "16 requests were never answered")
    assert _only(samples).against == "mlflow-4w"


def test_when_every_peer_failed_nothing_is_judged() -> None:
    samples = _samples((RATE, "modelyard-full", 9000))
    samples.add_failure(RATE, "mlflow-4w", "500")
    verdict = _only(samples)
    assert (verdict.ratio, verdict.is_met) == (None, None)
    assert "not judged" in report.judgement([verdict])


def test_nothing_is_promised_about_peers_that_did_not_take_part() -> None:
    assert targets.verdicts(_samples((RATE, "modelyard-full", 9000))) == []


def test_the_page_a_person_sees_is_held_against_mlflows_search() -> None:
    samples = _samples(
        (HTML_PAGE, "modelyard-full", 5), (FIRST_PAGE, "modelyard-full", 1), (FIRST_PAGE, "mlflow-4w", 60)
    )
    verdict = _only(samples)
    assert (verdict.other, verdict.ratio, verdict.is_met) == (60, 12, True)


def test_a_limit_needs_no_peer() -> None:
    verdict = _only(_samples((IDLE, "modelyard-full", 131)))
    assert (verdict.asked, verdict.is_met) == ("at most 130", False)


def test_every_promise_names_contenders_and_measures_in_use() -> None:
    names = {contender.name for contender in CONTENDERS}
    for promise in targets.PROMISES:
        assert {promise.ours, *promise.peers} <= names
    assert len({(promise.key, promise.ours) for promise in targets.PROMISES}) == len(targets.PROMISES)
