"""One requested capture, from its request to its outcome."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Literal

# The setting that has another value in each marked order.
MARK = "artist"

Outcome = Literal["under way", "done", "failed", "capture_unknown", "server killed", "own button"]


@dataclass(eq=False)
class Capture:
    """One requested capture.

    Attributes:
        camera: the name of the camera.
        order: the payload of the command; empty for the camera's own button.
        before: the number of shots that the camera had taken at the time of the request.
        began, ended: the times of the request and of its reply, in monotonic seconds.
        picture: SHA-256 of a picture in the reply.
    """

    camera: str
    order: dict[str, Any]
    before: int
    outcome: Outcome = "under way"
    code: str = ""
    reply: dict[str, Any] = field(default_factory=dict)
    picture: str = ""
    began: float = field(default_factory=time.monotonic)
    ended: float = 0.0

    def __str__(self) -> str:
        words = f"{self.outcome} {self.code}".strip()
        return f"capture on {self.camera} after shot {self.before} ({words}; {self.order})"

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the order."""
        settings: dict[str, Any] = self.order.get("settings", {})
        return settings

    def fits(self, record: dict[str, Any]) -> bool:
        """Whether a record of list_shots is of this order. Each order has a key, or settings with a mark, or both."""
        if self.order.get("key") is not None:
            return bool(record["key"] == self.order["key"])
        return MARK in self.settings and record["settings"].get(MARK) == self.settings[MARK]
