import pytest

from benchmarks import options, race


def _names(*arguments: str) -> list[str]:
    return [contender.name for contender in options.parse(arguments).contenders]


def test_everybody_takes_part_unless_asked_otherwise() -> None:
    assert {"modelyard-full", "mlflow-1w", "fasttrackml", "modelyard-pg", "mlflow-pg-4w"} <= set(_names())
    assert _names("--postgres", "off", "--peers", "fasttrackml") == [
        "modelyard-full",
        "modelyard-normal",
        "fasttrackml",
    ]
    assert _names("--postgres", "only", "--peers", "none") == ["modelyard-pg"]


def test_workloads_keep_their_order() -> None:
    assert options.parse(["--only", "W4,W2"]).workloads == ("W2", "W4")


def test_a_quick_run_has_tiny_counts_and_options_change_single_ones() -> None:
    quick = options.parse(["--quick", "--seconds", "0.1"])
    assert quick.is_quick
    assert (quick.sizes.seconds, quick.sizes.candidates) == (0.1, race.QUICK.candidates)
    assert options.parse([]).sizes == race.USUAL


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--only", "W7"], "there is no W7; there are W1, W2"),
        (["--peers", "aim"], "--peers: there is no aim"),
        (["--ours", "none", "--peers", "none"], "nobody is left to measure"),
    ],
)
def test_a_wrong_option_is_answered_with_what_there_is(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        options.parse(arguments)
    assert complaint in capsys.readouterr().err
