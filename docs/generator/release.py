"""Checks that this tree can become a release, for `make release`.

    python -m docs.generator.release

Prints the version. If there are problems, prints them instead and exits with code 1.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from gphoto_ws_server import VERSION

ROOT = Path(__file__).resolve().parent.parent.parent
CLIENT = "clients/python/src/gphoto_ws_client/__init__.py"


def _git(root: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True).stdout.strip()


def problems(root: Path, version: str) -> list[str]:
    """The reasons why the tree in `root` cannot become the release `version`, one sentence each."""
    changelog = (root / "CHANGELOG.md").read_text()
    newest = re.search(r"^## \[(\d.*?)\](?: - (\d{4}-\d\d-\d\d))?$", changelog, re.MULTILINE)
    waiting = changelog.partition("\n## [Unreleased]\n")[2].partition("\n## [")[0].strip()
    client = re.search(r'^__version__ = "(.+)"$', (root / CLIENT).read_text(), re.MULTILINE)
    found = []
    if changed := _git(root, "status", "--porcelain"):
        found.append(
            f"There are changes that are not committed: {', '.join(line[3:] for line in changed.splitlines())}."
        )
    if not newest or newest[1] != version:
        found.append(
            f"gphoto_ws_server.VERSION is {version}, and the newest version in CHANGELOG.md is "
            f"{newest[1] if newest else 'missing'}."
        )
    elif not newest[2]:
        found.append(f"Version {version} has no date in CHANGELOG.md.")
    if waiting:
        found.append('CHANGELOG.md has entries under "Unreleased". Move them to the version.')
    if not client or client[1] != version:
        found.append(f"The version of the Python client, {client[1] if client else 'missing'}, is not {version}.")
    if _git(root, "tag", "--list", f"v{version}"):
        found.append(f"The tag v{version} exists already.")
    return found


def main() -> int:
    """Check this tree; returns the exit code."""
    wrong = problems(ROOT, VERSION)
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    if not wrong:
        print(VERSION)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
