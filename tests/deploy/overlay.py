"""The path of the script that mounts a temporary overlay over the file systems of this machine."""

from __future__ import annotations

from tests.support.rig import ROOT

OVERLAY_SCRIPT = ROOT / "tests" / "deploy" / "layered"
