"""Half a minute of the chaos run (`make soak`), as a user starts it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.rig import ROOT
from tests.support.waiting import WITHIN_S

SEED = 20
# The faults last half a minute; what they leave under way may take until the longest deadlines.
WHOLE_S = 400.0
# This machine runs other tests meanwhile: promised times are stretched, what is promised is not.
PATIENCE = 10


@pytest.mark.timeout(WHOLE_S + 60)
def test_half_a_minute_of_random_faults_loses_and_doubles_nothing_and_leaves_nothing_behind() -> None:
    command = ("-m", "tests.soak", "--minutes", "0.5", "--seed", str(SEED), "--patience", str(PATIENCE))
    soak = subprocess.Popen([sys.executable, *command], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        output, _ = soak.communicate(timeout=WHOLE_S)
    finally:
        if soak.poll() is None:
            soak.terminate()  # it ends its server
            output, _ = soak.communicate(timeout=WITHIN_S)
            print(output)
    print(output)
    assert soak.returncode == 0
    assert "Every promise was kept." in output
