import json

from benchmarks import race, report
from benchmarks.contenders import CONTENDERS
from benchmarks.samples import Gauge, Measure, Samples, Turn

RATE = Measure("W2.16.rate", "W2 log-metric, 16 conn", "req/s", is_better_higher=True)
FULL = [contender for contender in CONTENDERS if contender.name in {"modelyard-full", "mlflow-4w"}]


def _samples() -> Samples:
    samples = Samples()
    for value in (12_000, 14_000, 13_000):
        samples.add(RATE, "modelyard-full", value)
    samples.add(RATE, "mlflow-4w", 97.31)
    samples.add_failure(RATE, "mlflow-4w", "3 requests failed; the first: 500 database is locked")
    samples.turns.append(Turn("W2", "mlflow-4w", Gauge(33, 0.25), Gauge(34, 4)))
    return samples


def test_the_table_shows_medians_and_how_many_rounds_failed() -> None:
    lines = report.figures(_samples(), FULL).splitlines()
    assert [cell.strip() for cell in lines[2].strip("|").split("|")] == [
        "W2 log-metric, 16 conn", "req/s", "13,000", "97.3 (1 of 2 failed)",
    ]  # fmt: skip
    assert len({len(line) for line in lines}) == 1


def test_failures_are_told_in_the_servers_words() -> None:
    text = report.as_text(_samples(), FULL, {"cores": "2"}, is_quick=False)
    assert "500 database is locked" in text


def test_a_disturbed_turn_is_named() -> None:
    samples = _samples()
    assert "No turn was disturbed" in report.noise(samples)
    assert "to disk 0.25 to 4 ms (median 2.12)" in report.noise(samples)
    samples.turns.append(Turn("W3", "modelyard-full", Gauge(33, 0.25), Gauge(90, 0.3)))
    assert "Disturbed turns: W3 (modelyard-full)." in report.noise(samples)


def test_numbers_keep_three_digits() -> None:
    assert [report.number(value) for value in (None, 0.01234, 8.567, 97.31, 123.4, 48_000)] == [
        "-", "0.0123", "8.57", "97.3", "123", "48,000",
    ]  # fmt: skip


def test_the_json_holds_every_sample_and_every_judgement() -> None:
    found = json.loads(json.dumps(report.as_json(_samples(), {"cores": "2"}, race.QUICK)))
    (measure,) = found["measures"]
    assert measure["samples"]["modelyard-full"] == [12_000, 14_000, 13_000]
    assert measure["medians"]["modelyard-full"] == 13_000
    (promise,) = found["promises"]
    assert promise["is_met"] is True
