"""One requested capture, from its request to its outcome."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Literal

# The setting that marks an order. Each marked order has a different value of this setting.
MARK = "artist"

Outcome = Literal["under way", "done", "failed", "capture_unknown", "server killed", "own button"]


@dataclass(eq=False)
class Capture:
    """One requested capture.

    Attributes:
        camera: the name of the camera.
        order: the payload of the command; empty for the camera's own button.
        before: the number of shots that the camera had taken at the time of the request.
        picture: the SHA-256 of the full picture in the reply, or "".
        began: the time of the request, in monotonic seconds.
        ended: the time of the reply, in monotonic seconds.
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
        """Whether a record of list_shots belongs to this order. If the order has no key, the marks are compared."""
        if self.order.get("key") is not None:
            return bool(record["key"] == self.order["key"])
        return MARK in self.settings and record["settings"].get(MARK) == self.settings[MARK]
