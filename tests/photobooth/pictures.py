"""The picture sizes of the simulated cameras for the tests in this folder."""

from __future__ import annotations

PICTURES = ("--still", "1296x864", "--frame", "480x320", "--shutter", "0.02")
