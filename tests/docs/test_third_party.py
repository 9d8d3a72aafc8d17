"""requirements.lock fits requirements.txt. The SBOM and the licences of a release list all packages of the release."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement

from gphoto_ws_server import VERSION
from tests.support.rig import ROOT
from tests.support.tools import OFFLINE

LOCK = ROOT / "requirements.lock"
INSTALL_S = 240


def _locked() -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", LOCK.read_text(), re.MULTILINE))


def _required() -> list[Requirement]:
    lines = (line.partition("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines())
    return [Requirement(line) for line in lines if line]


def test_the_lock_satisfies_every_requirement() -> None:
    locked = _locked()
    wrong = [str(one) for one in _required() if not one.specifier.contains(locked.get(one.name, "0"))]
    assert wrong == [], "requirements.txt was changed: make lock"


def test_every_line_of_the_lock_has_hashes() -> None:
    entries = re.split(r"^(?=\w)", re.sub(r"^#.*\n", "", LOCK.read_text(), flags=re.MULTILINE), flags=re.MULTILINE)[1:]
    assert len(entries) == len(_locked())
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in LOCK.read_text()  # the lock names no package index, so that users can choose their own


def test_docker_and_the_service_install_the_lock() -> None:
    assert re.search(
        r"pip install .*--require-hashes .*--requirement requirements\.lock", (ROOT / "Dockerfile").read_text()
    )
    assert "sudo make locked" in (ROOT / "deploy" / "README.md").read_text()
    recipe = subprocess.run(
        ["make", "--dry-run", "locked", "VENV=.venv-none"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout
    assert "install --require-hashes --only-binary :all: -r requirements.lock" in recipe


@pytest.mark.parametrize("file", ["requirements.txt", "clients/python/pyproject.toml"])
def test_the_websockets_version_limits_fragments(file: str) -> None:
    text = (ROOT / file).read_text()
    if file.endswith(".toml"):
        text = "\n".join(tomllib.loads(text)["project"]["dependencies"])
    [line] = [line for line in text.splitlines() if line.startswith("websockets")]
    specifier = Requirement(line.partition("#")[0].strip()).specifier
    assert [specifier.contains(version) for version in ("17.3", "17.4")] == [False, True]


def _check_sbom(text: str) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bom: dict[str, Any] = json.loads(text)
    root = bom["metadata"]["component"]
    assert (root["name"], root["version"]) == ("gphoto-ws-server", VERSION)
    parts = {part["name"].replace("_", "-"): part for part in bom["components"]}
    # Packages that the environment has but the server does not need, such as pip, are not listed.
    assert {name: part["version"] for name, part in parts.items()} == _locked()
    assert all(part["purl"] and part["licenses"] for part in parts.values())
    needs = {line["ref"]: line["dependsOn"] for line in bom["dependencies"]}
    assert {ref.partition("==")[0] for ref in needs[root["bom-ref"]]} == {one.name for one in _required()}
    assert set(needs) - {root["bom-ref"]} == {part["bom-ref"] for part in parts.values()}
    # Libraries that are contained in a wheel are listed too.
    inside = {part["name"]: part for part in parts["gphoto2"]["components"]}
    assert inside["libgphoto2"]["licenses"] == [{"license": {"id": "LGPL-2.1-or-later"}}]
    assert re.fullmatch(r"2\.5\.\d+", inside["libgphoto2"]["version"])


def _check_licences(page: str) -> None:
    listed = dict(re.findall(r"^\| ([\w-]+) \| [\w.]+ \| ([^|]+) \| http", page, re.MULTILINE))
    assert {name.replace("_", "-") for name in listed} == set(_locked())
    assert "UNKNOWN" not in listed.values()
    assert "| libgphoto2 | 2.5." in page
    assert page.count("## The licence of ") == len(listed)
    assert "GNU LESSER GENERAL PUBLIC LICENSE" in page
    assert "Permission is hereby granted" in page


@pytest.mark.timeout(INSTALL_S + 60)
def test_make_writes_the_sbom_and_the_licences() -> None:
    written = [ROOT / "dist" / "sbom.cdx.json", ROOT / "dist" / "third-party-licences.md"]
    for file in written:
        file.unlink(missing_ok=True)
    done = subprocess.run(
        ["make", "sbom", "licences", f"VENV={sys.prefix}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=INSTALL_S,
        check=False,
    )
    if done.returncode and OFFLINE.search(done.stdout + done.stderr):
        pytest.skip("no package index is reached from here")
    assert done.returncode == 0, done.stdout + done.stderr
    sbom, licences = (file.read_text() for file in written)
    _check_sbom(sbom)
    _check_licences(licences)
