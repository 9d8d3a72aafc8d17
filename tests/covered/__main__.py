"""Runs the tests and measures which branches they take, in every process that they start; `make coverage`.

Measured are pytest's processes, servers, camera processes and their helpers. Of a process that is killed, the last
second may be missing. Not measured are simulators (their timing is part of the tests), and copies of the project that a
test installs.

    python -m tests.covered [ARGUMENTS OF PYTEST]

Ends with 1 where a test failed, and with 2 where a package has less coverage than it must have.
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

HOOK = Path(sysconfig.get_path("purelib")) / "gphoto_ws_coverage.py"
DATA = ROOT / ".coverage"
# Of these packages the tests must take so many of the branches, in percent.
WANTED = {"camera/photos": 90.0, "service": 90.0, "protocol": 90.0}


@contextmanager
def every_process_measured(folder: Path) -> Iterator[None]:
    """Measure each Python process of this environment into a file in `folder`."""
    code = str(Path(__file__).with_name("process.py"))
    starts = HOOK.with_suffix(".pth")
    # Where this process is killed the files stay, and do nothing.
    HOOK.write_text(
        "import os, sys\n"
        f"if os.path.exists('/proc/{os.getpid()}') and 'simulator' not in sys.orig_argv:\n"
        "    from importlib.util import module_from_spec, spec_from_file_location\n"
        f"    spec = spec_from_file_location('gphoto_ws_measured', {code!r})\n"
        "    module = module_from_spec(spec)\n"
        "    spec.loader.exec_module(module)\n"
        f"    module.measure({str(folder)!r})\n"
    )
    starts.write_text(f"import {HOOK.stem}\n")
    try:
        yield
    finally:
        starts.unlink()
        HOOK.unlink()


def last_record(file: Path) -> bytes | None:
    """The last complete record of a process's file."""
    content, start, found = file.read_bytes(), 0, None
    while start + 8 <= len(content):
        end = start + 8 + int.from_bytes(content[start : start + 8], "big")
        if end > len(content):  # killed while it wrote
            break
        found, start = content[start + 8 : end], end
    return found


def combine(files: Iterable[Path]) -> coverage.CoverageData:
    """The data of all processes, in the file .coverage."""
    DATA.unlink(missing_ok=True)
    total = coverage.CoverageData(basename=str(DATA))
    for file in files:
        if (record := last_record(file)) is not None:
            one = coverage.CoverageData(no_disk=True)
            one.loads(record)
            total.update(one)
    total.write()
    return total


@dataclass(slots=True)
class Package:
    """The files of a package, with what the tests do not execute."""

    name: str
    branches: int = 0
    taken: int = 0
    lines: int = 0
    executed: int = 0

    def add(self, summary: dict[str, Any]) -> None:
        """Add a file's summary."""
        self.branches += summary["num_branches"]
        self.taken += summary["covered_branches"]
        self.lines += summary["num_statements"]
        self.executed += summary["covered_lines"]

    @property
    def percent(self) -> float:
        """The branches taken, in percent."""
        return 100.0 * self.taken / self.branches if self.branches else 100.0


def _not_executed(file: dict[str, Any]) -> str:
    lines = ", ".join(map(str, file["missing_lines"])) or "none"
    # A line that was not executed takes its branches along.
    missing = set(file["missing_lines"])
    branches = ", ".join(
        f"{start}->{'exit' if end < 0 else end}" for start, end in file["missing_branches"] if start not in missing
    )
    return f"lines {lines}; branches {branches or 'none'}"


def report(files: dict[str, dict[str, Any]]) -> list[str]:
    """Print the coverage of every package, and what the tests leave out of those in WANTED; the packages with too little."""
    packages: dict[str, Package] = {}
    for name, file in files.items():
        packages.setdefault(folder := str(Path(name).parent), Package(folder)).add(file["summary"])
    print(f"\n{'package':<20} {'branches':>9} {'taken':>7} {'lines':>7} {'executed':>9}")
    for one in sorted(packages.values(), key=lambda package: package.name):
        lines = 100.0 * one.executed / one.lines if one.lines else 100.0
        print(f"{one.name:<20} {one.branches:>9} {one.percent:>6.1f}% {one.lines:>7} {lines:>8.1f}%")
    for wanted in WANTED:
        print(f"\nNot covered in {wanted}:")
        for name, file in sorted(files.items()):
            if Path(name).parent == Path(wanted) and (file["missing_lines"] or file["missing_branches"]):
                print(f"  {name}: {_not_executed(file)}")
    return [name for name, least in WANTED.items() if name in packages and packages[name].percent < least]


def main(arguments: list[str]) -> int:
    """Run pytest with these arguments, measured, and report; the exit code."""
    with tempfile.TemporaryDirectory(prefix="gphoto-ws-coverage-") as name:
        with every_process_measured(Path(name)):
            failed = subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=ROOT, check=False).returncode
        files = sorted(Path(name).iterdir())
        combine(files)
        print(f"\n{len(files)} processes were measured.")
        measured = new_coverage(str(DATA))
        measured.load()
        written = Path(name) / "report.json"
        measured.json_report(outfile=str(written))
        short = report(json.loads(written.read_text())["files"])
    for package in short:
        print(f"{package} has less than {WANTED[package]:.0f} % of its branches covered.")
    if failed:
        print("Tests failed. Some wait for a time that a measured process takes longer for: see `make test`.")
        return 1
    return 2 if short else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
