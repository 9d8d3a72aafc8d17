"""The commands of deploy/README.md as scripts, and the project as an archive, for those who run these commands."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.support.rig import ROOT


def readme_block(heading: str) -> str:
    """The first code block below a heading."""
    _, _, following_text = (ROOT / "deploy" / "README.md").read_text().partition(f"# {heading}\n")
    blocks: list[str] = re.findall(r"^```sh\n(.*?)^```$", following_text, re.DOTALL | re.MULTILINE)
    return blocks[0]


def checked_script(block: str) -> str:
    """A script that runs the lines of a block, and exits after the first line that fails."""
    lines = ["set -o pipefail"]
    for line in block.splitlines():
        lines.append(line)
        if line and not line.startswith("#"):
            # Each line is followed by a check, because `set -e` ignores a failure of `a` in `a && b`.
            lines.append(f"[ $? -eq 0 ] || {{ echo FAILED: {line.partition('  #')[0]!r}; exit 1; }}")
    return "\n".join(lines) + "\n"


def source_archive(folder: Path) -> Path:
    """A tar archive of the project's current files, without the files that git ignores."""
    archive = folder / "tree.tar"
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
        capture_output=True, text=True, timeout=30,
    ).stdout.split("\0")  # fmt: skip
    existing = "\0".join(file for file in files if file and (ROOT / file).is_file())
    subprocess.run(
        ["tar", "-cf", archive, "--null", "-T", "-"], cwd=ROOT, input=existing, text=True, check=True, timeout=30
    )
    return archive
