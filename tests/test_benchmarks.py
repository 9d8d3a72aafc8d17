"""The benchmark runs and prints its table; the speed is not tested."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from benchmarks.figures import Limit, judged
from tests.support.rig import ROOT

VERDICTS = r"reached|MISSED|spread too wide( \(.*\))?|for information"


def test_the_shortest_benchmarks_print_a_table_with_verdicts() -> None:
    command = [sys.executable, "-m", "benchmarks", "--tiny", "--only", "start", "--only", "memory"]
    run = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=50)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert lines[0] == "start"
    assert re.fullmatch(rf"  process started .*  \d+\.\d\d s  at most 1 s  +({VERDICTS})", lines[1]), lines[1]
    assert lines[2] == "memory (PSS)"
    viewer = next(line for line in lines if "each viewer" in line)
    assert re.search(rf"  -?\d+ KB +at most 100 KB +({VERDICTS})$", viewer), viewer
    assert re.fullmatch(r"4 figures with a limit: \d reached, \d missed, \d without a verdict.*", lines[-1])


@pytest.mark.parametrize(
    ("rounds", "limit", "verdict"),
    [
        ([1.0, 1.1, 1.2], Limit(1.2, "x"), "reached"),
        ([1.3, 1.31, 1.32], Limit(1.2, "x"), "MISSED"),
        ([0.8, 1.0, 1.1], Limit(1.2, "x"), "spread too wide (each round reached it)"),
        ([1.3, 1.6, 1.9], Limit(1.2, "x"), "spread too wide (each round missed it)"),
        ([1.0, 1.1, 1.4], Limit(1.2, "x"), "spread too wide"),
        ([20, 21, 20], Limit(15, "x", at_least=True), "reached"),
        ([14, 14, 14.5], Limit(15, "x", at_least=True), "MISSED"),
        ([0.1, -0.2, 0.6], Limit(5, "ms"), "reached"),
        ([0.1, -0.2, 4.0], Limit(5, "ms"), "spread too wide (each round reached it)"),
    ],
)
def test_the_verdict_uses_the_median_unless_the_rounds_differ_too_much(
    rounds: list[float], limit: Limit, verdict: str
) -> None:
    assert judged("row", "what", rounds, "", limit).verdict == verdict
