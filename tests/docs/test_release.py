"""The checks of `make release`. Also, the versions of the server, the client and the changelog must be equal."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from docs.generator.release import CLIENT, problems
from gphoto_ws_server import VERSION
from tests.support.rig import ROOT

CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2031-05-06\n\n### Added\n\n- A thing.\n"


def _git(folder: Path, *arguments: str) -> None:
    author = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    subprocess.run(["git", *author, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A working tree that is ready for release 1.2.3."""
    (tmp_path / CLIENT).parent.mkdir(parents=True)
    (tmp_path / CLIENT).write_text('__version__ = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    _git(tmp_path, "init", "--quiet")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "--quiet", "--message", "Begin")
    return tmp_path


def _change(tree: Path, old: str, new: str, file: str = "CHANGELOG.md") -> None:
    text = (tree / file).read_text()
    assert old in text
    (tree / file).write_text(text.replace(old, new))
    _git(tree, "commit", "--all", "--quiet", "--message", "Change")


def test_a_tree_that_is_ready_has_no_problems(tree: Path) -> None:
    assert problems(tree, "1.2.3") == []


def test_an_uncommitted_file_is_reported(tree: Path) -> None:
    (tree / "notes.txt").touch()
    assert problems(tree, "1.2.3") == ["There are changes that are not committed: notes.txt."]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("[1.2.3]", "[1.2.2]", "gphoto_ws_server.VERSION is 1.2.3, and the newest version in CHANGELOG.md is 1.2.2."),
        (" - 2031-05-06", "", "Version 1.2.3 has no date in CHANGELOG.md."),
        ("[Unreleased]\n", "[Unreleased]\n\n- More.\n", 'CHANGELOG.md has entries under "Unreleased". Move them to the version.'),
    ],
)  # fmt: skip
def test_an_incomplete_changelog_is_reported(tree: Path, old: str, new: str, sentence: str) -> None:
    _change(tree, old, new)
    assert problems(tree, "1.2.3") == [sentence]


def test_another_version_of_the_client_is_reported(tree: Path) -> None:
    _change(tree, "1.2.3", "1.2.2", CLIENT)
    assert problems(tree, "1.2.3") == ["The version of the Python client, 1.2.2, is not 1.2.3."]


def test_a_released_version_is_reported(tree: Path) -> None:
    _git(tree, "tag", "v1.2.3")
    assert problems(tree, "1.2.3") == ["The tag v1.2.3 exists already."]


def test_the_changelog_has_the_format_of_keep_a_changelog() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## (.+)$", changelog, re.MULTILINE)
    assert versions[0] == "[Unreleased]"
    assert [
        version for version in versions[1:] if not re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", version)
    ] == []
    kinds = set(re.findall(r"^### (.+)$", changelog, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_server_client_and_changelog_agree_on_the_version() -> None:
    newest = re.findall(r"^## \[(\d.*)\] - ", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0]
    assert f'__version__ = "{newest}"' in (ROOT / CLIENT).read_text()
    assert newest == VERSION
