"""No file says which host packages come from: whoever builds Modelyard has their own, and their tools know it."""

import re
from collections.abc import Iterator
from pathlib import Path

from tools.house.sources import Finding, project_files

RULE = "addresses"
# Kept in parts, so that this file does not say them either.
_HOSTS = (
    ("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"), ("yarnpkg", "com"),
    ("deb.debian", "org"), ("security.debian", "org"), ("anaconda", "org"), ("crates", "io"), ("rubygems", "org"),
    ("proxy.golang", "org"), ("repo.maven.apache", "org"), ("download.pytorch", "org"),
    ("registry-1.docker", "io"), ("hub.docker", "com"),
)  # fmt: skip
_HOST = re.compile("|".join(re.escape(".".join(parts)) for parts in _HOSTS), re.IGNORECASE)


def check_addresses(root: Path) -> Iterator[Finding]:
    """Hosts of package registries in any of the project's text files."""
    for name in project_files(root):
        content = (root / name).read_bytes()
        if b"\0" in content:
            continue
        for number, line in enumerate(content.decode("utf-8", errors="replace").splitlines(), start=1):
            if _HOST.search(line):
                yield Finding(name, number, RULE, "This names the host of a package registry; leave it to the tools.")
