"""Cameras for tests of movies."""

from __future__ import annotations

from tests.support.cameras import QUICK

MAKERS = {
    "canon": QUICK,
    "nikon": ("--maker", "nikon", *QUICK),
    # With an event for the end of a movie, for which the driver waits
    "nikon mirrorless": ("--maker", "nikon", "--model", "Z 6", *QUICK),
}
EVENTS = ["movie_started", "movie_ended", "file_added", "camera_state", "capture_checked"]
