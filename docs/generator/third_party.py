"""Third-party packages of a release: `python -m docs.generator.third_party PYTHON [--sbom FILE] [--licences FILE]`.

PYTHON is the interpreter of an environment that contains only the packages of requirements.lock. `make sbom` and
`make licences` create this environment.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from gphoto_ws_server import VERSION

Json = dict[str, Any]
ROOT = Path(__file__).parents[2]
_SECONDS = 120
# Prints the package folder of another Python environment, and the version of its libgphoto2.
_ASK = """
import json, sysconfig, gphoto2
print(json.dumps([sysconfig.get_path("platlib"), gphoto2.gp_library_version(gphoto2.GP_VERSION_SHORT)[0]]))
"""


def names(requirements: Path) -> set[str]:
    """The packages in a requirements file, with normalized names."""
    found = re.findall(r"^([A-Za-z0-9][\w.-]*)", requirements.read_text(), re.MULTILINE)
    return {_normal(name) for name in found}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=_SECONDS, cwd=ROOT).stdout


def bundled(python: str) -> dict[str, list[Json]]:
    """The libraries inside the wheels of an environment, by package, as CycloneDX components.

    They come from the SBOMs in the wheels (PEP 770). The SBOM of gphoto2 lists libraries of its build system but not
    libgphoto2 itself, so libgphoto2 is added here.
    """
    folder, libgphoto2 = json.loads(_run(python, "-c", _ASK))
    found: dict[str, list[Json]] = {
        "gphoto2": [_component("libgphoto2", libgphoto2, [{"license": {"id": "LGPL-2.1-or-later"}}])]
    }
    for file in sorted(Path(folder).glob("*.dist-info/sboms/*.json")):
        package = _normal(file.parts[-3].partition("-")[0])
        known = found.setdefault(package, [])
        for part in json.loads(file.read_text()).get("components", []):
            # Skip the package itself and its own modules.
            own = str(part.get("purl", "")).startswith(f"pkg:pypi/{package}@")
            component = _component(part["name"], part.get("version"), part.get("licenses"), part.get("purl"))
            if not own and component not in known:
                known.append(component)
    return found


def _component(name: str, version: str | None, licenses: list[Json] | None, purl: str | None = None) -> Json:
    values = {"type": "library", "name": name, "version": version, "licenses": licenses, "purl": purl}
    return {key: value for key, value in values.items() if value}


def sbom(python: str) -> Json:
    """The CycloneDX document of an environment, with the server as its root."""
    bom: Json = json.loads(
        _run(sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "environment", "--pyproject", "pyproject.toml",
             "--output-reproducible", "--of", "JSON", python)
    )  # fmt: skip
    locked, direct, inside = names(ROOT / "requirements.lock"), names(ROOT / "requirements.txt"), bundled(python)
    root = bom["metadata"]["component"]
    root["version"] = VERSION
    # Keep only the packages of requirements.lock: pip and setuptools belong to the environment itself.
    bom["components"] = [part for part in bom["components"] if _normal(part["name"]) in locked]
    refs = {part["bom-ref"]: _normal(part["name"]) for part in bom["components"]}
    for part in bom["components"]:
        if parts := inside.get(_normal(part["name"])):
            part["components"] = parts
    needed = {line["ref"]: line.get("dependsOn", []) for line in bom["dependencies"] if line["ref"] in refs}
    needed[root["bom-ref"]] = [ref for ref, name in refs.items() if name in direct]
    bom["dependencies"] = [
        {"ref": ref, "dependsOn": sorted(one for one in on if one in refs)} for ref, on in sorted(needed.items())
    ]
    return bom


def licences(python: str) -> str:
    """A Markdown page with the licences of all packages and their bundled libraries, with the licence texts."""
    packages = json.loads(
        _run(sys.executable, "-m", "piplicenses", f"--python={python}", "--format=json", "--with-urls",
             "--with-license-file", "--no-license-path")
    )  # fmt: skip
    locked, inside = names(ROOT / "requirements.lock"), bundled(python)
    packages = [package for package in packages if _normal(package["Name"]) in locked]
    page = ["# Third-party licences", "", f"What gphoto-ws-server {VERSION} is installed with.", ""]
    page += ["| package | version | licence | from |", "|---|---|---|---|"]
    page += [f"| {one['Name']} | {one['Version']} | {one['License']} | {one['URL']} |" for one in packages]
    for package, parts in sorted(inside.items()):
        page += ["", f"## Libraries inside {package}", "", "| library | version | licence |", "|---|---|---|"]
        page += [f"| {part['name']} | {part.get('version', '')} | {_licence(part)} |" for part in parts]
    for package in packages:
        text = package["LicenseText"].strip()
        page += [
            "",
            f"## The licence of {package['Name']}",
            "",
            *(f"    {line}".rstrip() for line in text.splitlines()),
        ]
    return "\n".join(page) + "\n"


def _licence(part: Json) -> str:
    names_of_licences = [entry.get("expression") or entry["license"].get("id") or entry["license"].get("name", "")
            for entry in part.get("licenses", [])]  # fmt: skip
    # If the SBOM names no licence, refer to the package of the Linux distribution, which names the licence.
    return " and ".join(names_of_licences) or (f"see {part['purl']}" if "purl" in part else "not said")


def main() -> None:
    """Write the requested documents."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("python")
    parser.add_argument("--sbom", type=Path)
    parser.add_argument("--licences", type=Path)
    chosen = parser.parse_args()
    # Do not resolve the symlink, because Python finds its environment through it.
    python = str(Path(chosen.python).absolute())
    if chosen.sbom:
        chosen.sbom.parent.mkdir(parents=True, exist_ok=True)
        chosen.sbom.write_text(json.dumps(sbom(python), indent=2) + "\n")
        print(chosen.sbom)
    if chosen.licences:
        chosen.licences.parent.mkdir(parents=True, exist_ok=True)
        chosen.licences.write_text(licences(python))
        print(chosen.licences)


if __name__ == "__main__":
    main()
