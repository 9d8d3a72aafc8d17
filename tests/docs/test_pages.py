"""On the pages that are not generated, links are valid, quoted messages are in the source code, and names exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from camera.model import State
from protocol.closing import CLOSE_CODES
from protocol.errors import ERROR_CODES
from settings.environment import Settings
from tests.support.rig import ROOT

DOCS = ROOT / "docs"
DECISIONS = sorted((DOCS / "decisions").glob("[0-9]*.md"))
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / "clients" / "python" / "README.md",
    ROOT / "clients" / "javascript" / "README.md",
    *DOCS.glob("*.md"),
    *(DOCS / "decisions").glob("*.md"),
    *(ROOT / "examples").glob("*.md"),
    ROOT / "deploy" / "README.md",
]
HELP = (DOCS / "troubleshooting.md").read_text()
ARCHITECTURE = (DOCS / "architecture.md").read_text()


def anchors(page: Path) -> set[str]:
    """The link targets of all sections of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_links_of_a_page_are_valid(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        target, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target_path = page.parent / target if target else page
        assert target_path.exists(), link
        assert not anchor or target_path.suffix != ".md" or anchor in anchors(target_path), link


def test_the_readme_links_to_every_page() -> None:
    readme = (ROOT / "README.md").read_text()
    wanted = [f"docs/{page.name}" for page in DOCS.glob("*.md")]
    wanted += [
        "docs/asyncapi.yaml",
        "clients/python/README.md",
        "clients/javascript/README.md",
        "deploy/README.md",
        "examples/README.md",
    ]
    wanted += ["simulator/README.md", "docs/decisions"]
    assert [path for path in wanted if f"]({path})" not in readme] == []


def test_decisions_are_numbered_without_a_gap() -> None:
    assert [int(page.name[:4]) for page in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def test_every_decision_is_complete_and_listed_in_the_index() -> None:
    rows = []
    for page in DECISIONS:
        parts = re.fullmatch(
            r"# (\d+)\. (.+)\n\nStatus: (accepted|replaced by (\d+))\n\n"
            r"## Context\n\n(?s:.+)\n\n## Decision\n\n(?s:.+)\n\n## Consequences\n\n(?s:.+)\n",
            page.read_text(),
        )
        assert parts, page.name
        number, title, status, newer = parts.groups()
        assert int(number) == int(page.name[:4]), page.name
        assert len(re.findall(r"^#+ ", page.read_text(), re.MULTILINE)) == 4, page.name
        assert newer is None or int(number) < int(newer) <= len(DECISIONS), page.name
        rows.append(f"| {number} | [{title}]({page.name}) | {status} |")
    index = (DOCS / "decisions" / "README.md").read_text()
    assert [line for line in index.splitlines() if re.match(r"\| \d", line)] == rows


@pytest.mark.parametrize("page", ["README.md", "docs/raspberry-pi.md", "deploy/README.md"])
def test_the_page_lists_the_packages_needed_for_clone_and_make(page: str) -> None:
    before, clone, _ = (ROOT / page).read_text().partition("git clone ")
    assert clone
    installed = {name for names in re.findall(r"apt-get install (.+)", before) for name in names.split()}
    assert {"git", "make", "python3", "python3-venv"} <= installed


def test_quoted_messages_are_those_of_the_server() -> None:
    files = [
        *ROOT.glob("*.py"),
        *(
            file
            for package in ("camera", "server", "service", "settings", "doctor", "protocol")
            for file in (ROOT / package).rglob("*.py")
        ),
    ]
    source = "\n".join(file.read_text() for file in files) + (ROOT / "Makefile").read_text()
    source = re.sub(r'"\s*\n\s*f?"', "", source)  # joins the parts of strings that are written on several lines
    rows = [line.split(" | ")[0] for line in HELP.splitlines() if line.startswith("| ")]
    quoted_messages = [words for row in rows for words in re.findall(r'"([^"]+)"', row)]
    assert len(quoted_messages) > 15
    system_messages = {"Address already in use"}
    assert [words for words in quoted_messages if words not in source and words not in system_messages] == []


def test_camera_states_and_camera_error_codes_are_explained() -> None:
    camera_codes = ERROR_CODES[ERROR_CODES.index("no_camera_selected") : ERROR_CODES.index("cancelled")]
    assert [code for code in camera_codes if code != "camera_error" and f"`{code}`" not in HELP] == []
    assert [state for state in get_args(State) if state not in ARCHITECTURE] == []


def test_the_named_codes_and_settings_exist() -> None:
    settings = {name.upper() for name in Settings.model_fields}
    assert set(re.findall(r'echo "([A-Z_]+)=', HELP)) <= settings
    assert set(map(int, re.findall(r"close code (\d+)", HELP))) <= {line.code for line in CLOSE_CODES}


def test_the_named_packages_and_files_exist() -> None:
    for name in re.findall(r"`([a-z_]+(?:/[a-z_]+)*(?:/|\.py))`", ARCHITECTURE):
        assert (ROOT / name).exists(), name
