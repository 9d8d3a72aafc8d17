"""Some rounds of the run with killed servers (`make kill-9`), as a user starts it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.rig import ROOT
from tests.support.waiting import WITHIN_S

SEED = 5
# A round takes a second. On a busy machine it takes longer, so there is a limit for a run that hangs.
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
