"""Where the script is that lays a temporary layer over the file system of this machine."""

from __future__ import annotations

from tests.support.rig import ROOT

LAYERED = ROOT / "tests" / "deploy" / "layered"
