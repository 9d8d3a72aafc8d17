"""Picture sizes of the simulated cameras in this folder."""

from __future__ import annotations

# 432 is not a multiple of 16, so a rotation cannot only move whole JPEG blocks.
PICTURES = ("--still", "1296x864", "--frame", "480x320", "--shutter", "0.02")
