import pytest

from tools.pytest_tiers import TIER_VARIABLE

TESTS = """
    import pytest

    def test_quick():
        assert True

    @pytest.mark.full
    def test_with_a_real_cluster():
        assert True

    @pytest.mark.skipif(True, reason="no browser here")
    def test_with_a_browser():
        assert True

    @pytest.mark.xfail(reason="known")
    def test_known_fault():
        assert False
"""


@pytest.fixture
def tiered(pytester: pytest.Pytester) -> pytest.Pytester:
    """A folder of tests that runs under the plugin."""
    pytester.makeini("[pytest]\nmarkers = full: only in the full tier\n")
    pytester.makepyfile(test_parts=TESTS)
    return pytester


def run(tiered: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tier: str) -> pytest.RunResult:
    monkeypatch.setenv(TIER_VARIABLE, tier)
    return tiered.runpytest_inprocess("-p", "tools.pytest_tiers", "-p", "no:cacheprovider")


def test_the_quick_tier_leaves_out_what_is_marked_full_and_says_so(
    tiered: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run(tiered, monkeypatch, "quick")
    result.assert_outcomes(passed=1, skipped=1, xfailed=1, deselected=1)
    result.stdout.fnmatch_lines(["test_parts.py: 1", "1 tests left out; *dev.py test --full*"])
    assert result.ret == pytest.ExitCode.OK


def test_the_full_tier_runs_everything_and_fails_what_is_skipped(
    tiered: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run(tiered, monkeypatch, "full")
    result.assert_outcomes(passed=2, errors=1, xfailed=1)
    result.stdout.fnmatch_lines(["*nothing may be skipped*", "*no browser here*"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_the_full_tier_fails_a_module_that_skips_itself(
    tiered: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiered.makepyfile(test_absent="import pytest\npytest.importorskip('no_such_module')\n")
    result = run(tiered, monkeypatch, "full")
    assert result.ret != pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*no_such_module*"])


def test_a_tier_that_does_not_exist_is_refused(tiered: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(tiered, monkeypatch, "fast")
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_the_full_tier_begins_with_the_files_that_may_take_longest(
    tiered: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiered.makepyfile(test_x="import pytest\n\n@pytest.mark.timeout(900)\ndef test_long():\n    pass\n")
    result = run(tiered, monkeypatch, "full")
    result.stdout.fnmatch_lines_random(["test_x.py*", "test_parts.py*"])
    assert result.stdout.str().index("test_x.py") < result.stdout.str().index("test_parts.py")
