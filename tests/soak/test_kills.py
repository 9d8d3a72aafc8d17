"""Run some rounds of `make kill-9`, the test with killed servers, in the same way as a user does."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.rig import ROOT
from tests.support.waiting import WITHIN_S

SEED = 5
# The time limit for all rounds, which ends a run that hangs. A round takes about 1 s, but longer on a busy machine.
TOTAL_S = 240.0


@pytest.mark.timeout(TOTAL_S + 60)
def test_nine_kills_during_shots_keep_every_promise() -> None:
    command = ("-m", "tests.soak.kills", "--kills", "9", "--seed", str(SEED))
    run = subprocess.Popen([sys.executable, *command], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        output, _ = run.communicate(timeout=TOTAL_S)
    finally:
        if run.poll() is None:
            run.terminate()
            output, _ = run.communicate(timeout=WITHIN_S)
            print(output)
    print(output)
    assert run.returncode == 0
    assert "Every promise was kept." in output
