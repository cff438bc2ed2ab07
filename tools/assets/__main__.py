"""`python -m tools.assets [lock]`: builds the assets unless they are up to date, or locks the npm packages."""

import sys
from pathlib import Path

from tools.assets.build import build, is_current
from tools.assets.links import BrokenLinkError
from tools.assets.node import NodeError, lock_packages
from tools.assets.sprite import UnknownIconError

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Exit status 1 and a sentence when a source is at fault."""
    try:
        if sys.argv[1:] == ["lock"]:
            lock_packages(ROOT)
            print("Locked the npm packages in package-lock.json.")
        elif is_current(ROOT):
            print("The assets are up to date.")
        else:
            print(f"Built the assets in {build(ROOT).relative_to(ROOT)}.")
    except (BrokenLinkError, NodeError, UnknownIconError) as fault:
        print(f"The assets were not built. {fault}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
