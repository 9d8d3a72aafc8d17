"""Simulated cameras for tests of bursts. They are quick, because sizes and rates do not matter."""

from __future__ import annotations

from tests.support.cameras import QUICK

SPEED = ("--burst", "10", "--write", "0.03")
CANON = (*QUICK, *SPEED)
NIKON = ("--maker", "nikon", *QUICK, *SPEED)
