"""The server does not load libgphoto2, and a camera process loads neither websockets nor pydantic.

The import style of the tests is checked too.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from simulator.process import SimulatorProcess
from tests.support.rig import ROOT, Client, Server

# A process has loaded libgphoto2 if one of these texts is in the path of a file that the process has mapped.
CAMERA_LIBRARIES = ("libgphoto2", "_gphoto2", "/gphoto2/")
SERVER_LIBRARIES = ("pydantic", "websockets")


def _mapped(process: psutil.Process, names: tuple[str, ...]) -> set[str]:
    """The files that a process has mapped and whose paths contain one of the names."""
    lines = Path(f"/proc/{process.pid}/maps").read_text().splitlines()
    paths = {line.split(maxsplit=5)[5] for line in lines if len(line.split(maxsplit=5)) == 6}
    return {path for path in paths if any(name in path for name in names)}


def _workers(server: Server) -> list[psutil.Process]:
    return [child for child in server.children() if "camera.device.worker" in child.cmdline()]


async def test_the_server_never_loads_libgphoto2(shared_server: Server, client: Client) -> None:
    await client.command("list_cameras")
    await client.command("capture_image")
    await client.command("capture_preview")
    await client.command("restart_camera")
    server = psutil.Process(shared_server.process.pid)
    assert _mapped(server, CAMERA_LIBRARIES) == set()
    assert _mapped(server, SERVER_LIBRARIES)  # proves that _mapped finds the libraries of a process


async def test_the_camera_process_loads_libgphoto2_and_no_server_libraries(
    shared_server: Server, client: Client
) -> None:
    await client.command("get_config", name="iso")
    workers = _workers(shared_server)
    assert workers
    for worker in workers:
        assert _mapped(worker, CAMERA_LIBRARIES)
        assert _mapped(worker, SERVER_LIBRARIES) == set()


def test_the_simulator_loads_neither_libgphoto2_nor_server_libraries(shared_cameras: SimulatorProcess) -> None:
    simulator = psutil.Process(shared_cameras.pid)
    assert _mapped(simulator, (*CAMERA_LIBRARIES, *SERVER_LIBRARIES)) == set()


@pytest.mark.parametrize(
    ("module", "forbidden_modules"),
    [
        ("gphoto_ws_server", ("gphoto2", "camera.device.driver", "camera.device.worker")),
        ("server.app", ("gphoto2", "camera.device.driver", "simulator")),
        ("protocol.catalogue", ("gphoto2", "camera.session", "camera.device.driver", "websockets", "server")),
        ("camera.registry", ("gphoto2", "camera.device.driver", "websockets", "pydantic", "protocol", "server")),
        (
            "camera.device.worker",
            ("asyncio", "websockets", "pydantic", "dotenv", "protocol", "server", "settings", "auth", "simulator"),
        ),
        (
            "camera.device.detect",
            ("asyncio", "websockets", "pydantic", "dotenv", "protocol", "server", "settings", "auth", "simulator"),
        ),
        ("simulator.__main__", ("websockets", "pydantic", "gphoto2", "camera", "protocol", "server", "settings")),
        ("simulator.process", ("websockets", "pydantic", "gphoto2", "camera", "protocol", "server", "settings")),
    ],
)
def test_a_module_does_not_import_forbidden_modules(module: str, forbidden_modules: tuple[str, ...]) -> None:
    program = "import importlib, sys; importlib.import_module(sys.argv[1]); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program, module], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    ).stdout.split()
    assert module in loaded
    assert [name for name in forbidden_modules if name in loaded] == []


def test_the_driver_is_the_only_file_that_imports_gphoto2() -> None:
    files = [*ROOT.glob("*.py"), *(file for package in ("camera", "doctor", "protocol", "server", "service", "simulator", "store")
                                  for file in (ROOT / package).rglob("*.py"))]  # fmt: skip
    importing = [
        file.relative_to(ROOT).as_posix()
        for file in files
        if re.search(r"^\s*(import|from) gphoto2", file.read_text(), re.MULTILINE)
    ]
    assert importing == ["camera/device/driver.py"]


def _imported(source: str) -> Iterator[str]:
    """The imported names: `a` for `import a`, `a.b` for `from a import b`. Relative imports keep their leading dots."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _wrong_imports(source: str, helpers: set[str]) -> list[str]:
    """The forbidden imports of a file: relative imports, helpers without their package, and names of test files."""
    wrong = []
    for name in _imported(source):
        first, *others = name.split(".")
        from_tests = first == "tests" and any(part == "conftest" or part.startswith("test_") for part in others[:2])
        if not first or first in helpers | {"conftest"} or from_tests:
            wrong.append(name)
    return wrong


def test_tests_import_their_helpers_by_their_full_name_and_nothing_from_a_conftest() -> None:
    files = [file for file in (ROOT / "tests").rglob("*.py") if "node_modules" not in file.parts]
    helpers = {file.stem for file in files} - {"__init__", "__main__"}
    wrong = {str(file.relative_to(ROOT)): _wrong_imports(file.read_text(), helpers) for file in files}
    assert {name: imports for name, imports in wrong.items() if imports} == {}


@pytest.mark.parametrize(
    "source",
    [
        "from rig import Server",
        "import rig",
        "from .rig import Server",
        "from . import rig",
        "def later():\n    from rig import Server",
        "from conftest import QUICK",
        "from tests.conftest import QUICK",
        "from tests import conftest",
        "import tests.faults.conftest",
        "from tests.test_entry import run",
    ],
)
def test_an_import_in_another_style_is_detected(source: str) -> None:
    assert _wrong_imports(source, {"rig"})
    assert _wrong_imports("from tests.support.rig import Server\nfrom simulator.client import Control", {"rig"}) == []


def test_the_import_linter_has_the_same_rules() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    forbidden = {module for contract in contracts for module in contract.get("forbidden_modules", ())}
    assert {"gphoto2", "websockets", "pydantic"} <= forbidden
    assert {"layers", "forbidden"} <= {contract["type"] for contract in contracts}
