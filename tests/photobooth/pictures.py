"""The pictures of the simulated cameras in this folder."""

from __future__ import annotations

# 432 is no multiple of 16: turning it needs more than moving blocks.
PICTURES = ("--still", "1296x864", "--frame", "480x320", "--shutter", "0.02")
