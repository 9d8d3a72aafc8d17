"""Run half a minute of the soak test (`make soak`), in the same way as a user does."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.rig import ROOT
from tests.support.waiting import WITHIN_S

SEED = 20
# The faults take half a minute. After that, commands in progress may continue until their timeouts.
TOTAL_S = 400.0
# The promised times are multiplied by this factor, because other tests run on the machine at the same time.
TIME_FACTOR = 10


@pytest.mark.timeout(TOTAL_S + 60)
def test_half_a_minute_of_random_faults_keeps_every_promise() -> None:
    command = ("-m", "tests.soak", "--minutes", "0.5", "--seed", str(SEED), "--patience", str(TIME_FACTOR))
    soak = subprocess.Popen([sys.executable, *command], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        output, _ = soak.communicate(timeout=TOTAL_S)
    finally:
        if soak.poll() is None:
            soak.terminate()  # not kill, so that the soak test can stop its server
            output, _ = soak.communicate(timeout=WITHIN_S)
            print(output)
    print(output)
    assert soak.returncode == 0
    assert "Every promise was kept." in output
