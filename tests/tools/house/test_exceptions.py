from pathlib import Path

from tools.house.__main__ import find_all
from tools.house.exceptions import Exceptions

ROOT = Path(__file__).parents[3]


def test_an_exception_that_nothing_needs_is_reported() -> None:
    exceptions = Exceptions({"egress": {"modelyard.old": "it talked to its own server"}})
    assert not exceptions.allow("egress", "modelyard.new")
    (finding,) = exceptions.findings()
    assert "modelyard.old" in finding.message


def test_an_exception_gives_its_reason() -> None:
    exceptions = Exceptions({"egress": {"modelyard.cli.*": " "}})
    assert exceptions.allow("egress", "modelyard.cli.demo")
    (finding,) = exceptions.findings()
    assert "no reason" in finding.message


def test_an_exception_of_one_rule_is_none_of_another() -> None:
    exceptions = Exceptions({"egress": {"modelyard.cli": "its own server"}})
    assert not exceptions.allow("loading", "modelyard.cli")


def test_this_project_keeps_its_rules() -> None:
    assert [str(finding) for finding in find_all(ROOT)] == []
