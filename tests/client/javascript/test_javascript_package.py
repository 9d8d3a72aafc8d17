"""The package of the JavaScript client: its types, its rules beside the server's declarations, its size, its form."""

from __future__ import annotations

import gzip
import inspect
import json
import re
from pathlib import Path

from gphoto_ws_client import Client
from gphoto_ws_client import connection as python_connection

from gphoto_ws_server import VERSION
from protocol.catalogue import COMMANDS
from protocol.errors import ERROR_CODES
from tests.client.javascript.node import MODULES, PACKAGE, node, run
from tests.support.rig import ROOT
from tests.support.tools import NPM_PROGRAMS

README = (PACKAGE / "README.md").read_text()
FIXTURES = Path(__file__).parent
MOST_BYTES = 10_000


def _rules(folder: Path) -> dict[str, set[str]]:
    script = """
        import * as rules from "./node_modules/gphoto-ws-client/src/rules.js";
        const { KEYED, FIRING, REPEATED, WITHOUT_CAMERA, METHODS } = rules;
        const named = { KEYED, FIRING, REPEATED, WITHOUT_CAMERA, METHODS: METHODS.keys() };
        console.log(JSON.stringify(Object.fromEntries(Object.entries(named).map(([name, words]) => [name, [...words]]))));
    """
    done = run(node(), "--input-type=module", "--eval", script, folder=folder)
    assert done.returncode == 0, done.stderr
    return {name: set(words) for name, words in json.loads(done.stdout).items()}


def test_the_rules_of_the_commands_are_those_of_the_server_and_of_the_python_client(packed: Path) -> None:
    rules = _rules(packed.parent)
    fields = {name: set(command.payload.model_fields) for name, command in COMMANDS.items()}
    assert rules["KEYED"] == {name for name, keys in fields.items() if "key" in keys}
    # The port of set_job_info is that of a label; without it, the words are for all cameras.
    own = {"select_camera", "set_job_info"}
    assert rules["WITHOUT_CAMERA"] == {name for name, keys in fields.items() if "port" not in keys} | own
    assert rules["FIRING"] == python_connection._FIRING
    not_repeated = {name for name in COMMANDS if "self._do(" in inspect.getsource(getattr(Client, name))}
    assert len(not_repeated) > 5
    assert rules["REPEATED"] == set(COMMANDS) - not_repeated
    assert rules["METHODS"] < set(COMMANDS)


def test_the_errors_that_say_nothing_about_the_first_request_are_those_of_the_python_client() -> None:
    source = (PACKAGE / "src" / "rules.js").read_text()
    (words,) = re.findall(r'ABOUT_THE_REPETITION = set\(\s*"([\w ]+)"', source)
    assert set(words.split()) == python_connection._ABOUT_THE_REPETITION < set(ERROR_CODES)


def test_the_sources_and_a_program_in_typescript_have_correct_types(packed: Path) -> None:
    # `types.ts` also has lines that must be errors, each after a comment @ts-expect-error.
    (packed.parent / "types.ts").write_text((FIXTURES / "types.ts").read_text())
    (packed.parent / "tsconfig.json").write_text(
        json.dumps(
            {
                "compilerOptions": {
                    "allowJs": True, "checkJs": True, "skipDefaultLibCheck": True, "strict": True, "noEmit": True, "types": [], "module": "NodeNext",
                    "target": "ES2022", "lib": ["ES2022", "DOM", "DOM.AsyncIterable"],
                    "paths": {"react": [str(MODULES / "@types" / "react" / "index.d.ts")]},
                },
                "files": ["types.ts", str(PACKAGE / "src" / "index.js"), str(PACKAGE / "src" / "react.js")],
            }
        )
    )  # fmt: skip
    done = run(node(), MODULES / "typescript" / "lib" / "tsc.js", "-p", "tsconfig.json", folder=packed.parent)
    assert done.returncode == 0, done.stdout


def test_publint_finds_nothing(packed: Path) -> None:
    done = run(NPM_PROGRAMS / "publint", "run", packed, "--strict", folder=packed.parent)
    assert done.returncode == 0, done.stdout
    assert "All good!" in done.stdout


def test_the_types_are_found_by_every_way_of_importing(packed: Path) -> None:
    done = run(NPM_PROGRAMS / "attw", packed, "--profile", "esm-only", "--format", "json", folder=packed.parent)
    assert done.returncode == 0, done.stdout


def test_the_size_is_as_the_readme_says(packed: Path) -> None:
    entry = packed.parent / "node_modules" / "gphoto-ws-client" / "src" / "index.js"
    bundle = run(NPM_PROGRAMS / "esbuild", entry, "--bundle", "--minify", "--format=esm", folder=packed.parent)
    assert bundle.returncode == 0, bundle.stderr
    size = len(gzip.compress(bundle.stdout.encode(), 9))
    assert size < MOST_BYTES
    (said,) = re.findall(r"(\d+\.\d) KB", README)
    assert abs(float(said) - size / 1000) <= 0.1, size


def test_the_package_has_no_dependencies_and_the_version_and_licence_of_the_server() -> None:
    package = json.loads((PACKAGE / "package.json").read_text())
    assert package["version"] == VERSION
    # React is needed only for the entry with its hooks.
    assert [key for key in package if key.lower().endswith("dependencies")] == ["peerDependencies"]
    assert package["peerDependenciesMeta"] == {name: {"optional": True} for name in package["peerDependencies"]}
    assert (PACKAGE / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
