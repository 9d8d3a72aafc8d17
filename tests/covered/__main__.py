"""Run the tests, and measure the branch coverage of every process that they start (`make coverage`).

The processes of pytest, servers, camera processes and their helpers are measured. If a process is killed, the data of its
last second may be missing. Simulators are not measured, because tests depend on their timing. Copies of the project that
a test installs are not measured either.

    python -m tests.covered [ARGUMENTS OF PYTEST]

Exit code 1: a test failed. Exit code 2: a package has less coverage than required.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import coverage

from tests.covered.process import ROOT, new_coverage
from tests.support.forked import FORK

HOOK = Path(sysconfig.get_path("purelib")) / "gphoto_ws_coverage.py"
DATA = ROOT / ".coverage"
# Required branch coverage of these packages in percent.
REQUIRED = {"camera/photos": 90.0, "service": 90.0, "protocol": 90.0}


@contextmanager
def measure_every_process(folder: Path) -> Iterator[None]:
    """Measure each process that runs this environment's Python. Each process writes its data to a file in `folder`."""
    code = str(Path(__file__).with_name("process.py"))
    pth_file = HOOK.with_suffix(".pth")
    # If this process is killed, both files remain. They have no effect, because the code checks that this process runs.
    HOOK.write_text(
        "import os, sys\n"
        # The forks of a template process cannot be measured. Without it, the server executes each program.
        "if 'camera.device.template' in sys.orig_argv:\n"
        "    os._exit(1)\n"
        f"if os.path.exists('/proc/{os.getpid()}') and 'simulator' not in sys.orig_argv:\n"
        "    from importlib.util import module_from_spec, spec_from_file_location\n"
        f"    spec = spec_from_file_location('gphoto_ws_measured', {code!r})\n"
        "    module = module_from_spec(spec)\n"
        "    spec.loader.exec_module(module)\n"
        f"    module.measure({str(folder)!r})\n"
    )
    pth_file.write_text(f"import {HOOK.stem}\n")
    try:
        yield
    finally:
        pth_file.unlink()
        HOOK.unlink()


def last_record(file: Path) -> bytes | None:
    """The last complete record in the file of a process, or None if the file has no complete record."""
    content, start, found = file.read_bytes(), 0, None
    while start + 8 <= len(content):
        end = start + 8 + int.from_bytes(content[start : start + 8], "big")
        if end > len(content):  # the record is incomplete, because the process was killed during a write
            break
        found, start = content[start + 8 : end], end
    return found


def combine(files: Iterable[Path]) -> coverage.CoverageData:
    """Combine the data of all processes, and write it to the file .coverage."""
    DATA.unlink(missing_ok=True)
    total = coverage.CoverageData(basename=str(DATA))
    for file in files:
        if (record := last_record(file)) is not None:
            package = coverage.CoverageData(no_disk=True)
            package.loads(record)
            total.update(package)
    total.write()
    return total


@dataclass(slots=True)
class Package:
    """The coverage of a package."""

    name: str
    branches: int = 0
    taken: int = 0
    lines: int = 0
    executed: int = 0

    def add(self, summary: dict[str, Any]) -> None:
        """Add the summary of one file."""
        self.branches += summary["num_branches"]
        self.taken += summary["covered_branches"]
        self.lines += summary["num_statements"]
        self.executed += summary["covered_lines"]

    @property
    def percent(self) -> float:
        """The percentage of the branches that were taken."""
        return 100.0 * self.taken / self.branches if self.branches else 100.0


def _not_executed(file: dict[str, Any]) -> str:
    lines = ", ".join(map(str, file["missing_lines"])) or "none"
    # If a line was not executed, its branches are not listed.
    missing = set(file["missing_lines"])
    branches = ", ".join(
        f"{start}->{'exit' if end < 0 else end}" for start, end in file["missing_branches"] if start not in missing
    )
    return f"lines {lines}; branches {branches or 'none'}"


def report(files: dict[str, dict[str, Any]]) -> list[str]:
    """Print the coverage of all packages. Returns the packages of REQUIRED whose coverage is too low."""
    packages: dict[str, Package] = {}
    for name, file in files.items():
        packages.setdefault(folder := str(Path(name).parent), Package(folder)).add(file["summary"])
    print(f"\n{'package':<20} {'branches':>9} {'taken':>7} {'lines':>7} {'executed':>9}")
    for package in sorted(packages.values(), key=lambda package: package.name):
        lines = 100.0 * package.executed / package.lines if package.lines else 100.0
        print(f"{package.name:<20} {package.branches:>9} {package.percent:>6.1f}% {package.lines:>7} {lines:>8.1f}%")
    for required in REQUIRED:
        print(f"\nNot covered in {required}:")
        for name, file in sorted(files.items()):
            if Path(name).parent == Path(required) and (file["missing_lines"] or file["missing_branches"]):
                print(f"  {name}: {_not_executed(file)}")
    return [name for name, limit in REQUIRED.items() if name in packages and packages[name].percent < limit]


def main(arguments: list[str]) -> int:
    """Run pytest with these arguments, measure the coverage, and print the report. Returns the exit code."""
    with tempfile.TemporaryDirectory(prefix="gphoto-ws-coverage-") as name:
        with measure_every_process(Path(name)):
            failed = subprocess.run(
                [sys.executable, "-m", "pytest", *arguments], cwd=ROOT, env=os.environ | {FORK: "0"}, check=False
            ).returncode
        files = sorted(Path(name).iterdir())
        combine(files)
        print(f"\n{len(files)} processes were measured.")
        measured = new_coverage(str(DATA))
        measured.load()
        report_file = Path(name) / "report.json"
        measured.json_report(outfile=str(report_file))
        below_limit = report(json.loads(report_file.read_text())["files"])
    for package in below_limit:
        print(f"{package} has less than {REQUIRED[package]:.0f} % of its branches covered.")
    if failed:
        print("Tests failed. Some wait for a time that a measured process takes longer for: see `make test`.")
        return 1
    return 2 if below_limit else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
