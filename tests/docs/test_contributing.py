"""Files for contributors: the git hooks run the checks of `make lint`, and the issue forms are valid."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.rig import ROOT

FORMS = [form for form in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if form.stem != "config"]


def test_the_hooks_run_the_checks_of_make_lint() -> None:
    config: dict[str, Any] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    (repo,) = config["repos"]
    assert repo["repo"] == "local"
    hooks = {hook["entry"].replace("env ", "").replace(" --force-exclude", "") for hook in repo["hooks"]}
    makefile = (ROOT / "Makefile").read_text()
    recipe = makefile[makefile.index("lint: $(VENV)/.dev") :].split("\n\n")[0].splitlines()[1:]
    checks = {re.sub(r" \.$", "", line.strip()).replace("$(BIN)", ".venv/bin") for line in recipe}
    assert hooks == checks


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_an_issue_form_is_valid(form: Path) -> None:
    text = yaml.safe_load(form.read_text())
    assert {"name", "description", "body"} <= text.keys()
    fields = [field for field in text["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in fields}) == len(fields) > 0
    assert all(field["attributes"]["label"] for field in fields)
