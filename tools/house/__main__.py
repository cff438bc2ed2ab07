"""`python -m tools.house`: runs every house rule over the project and lists what breaks one."""

import sys
from pathlib import Path

from tools.house import edges, egress, loading, names, relationships, transactions, use_cases
from tools.house.addresses import check_addresses
from tools.house.exceptions import Exceptions
from tools.house.labels import check_templates
from tools.house.locks import check_locks
from tools.house.macros import check_macros
from tools.house.sources import Finding, read_sources

ROOT = Path(__file__).resolve().parents[2]
_RULES = (edges, egress, loading, names, relationships, transactions, use_cases)


def find_all(root: Path) -> list[Finding]:
    """Everything that breaks a house rule, in the order of files and lines."""
    exceptions = Exceptions.read(root)
    found = [finding for source in read_sources(root) for rule in _RULES for finding in rule.check(source, exceptions)]
    for check in (check_addresses, check_locks, check_macros, check_templates):
        found.extend(check(root))
    return sorted([*found, *exceptions.findings()])


def main() -> int:
    """Exit status 1 when anything was found."""
    findings = find_all(ROOT)
    for finding in findings:
        print(finding)
    if not findings:
        print("Every house rule holds.")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
