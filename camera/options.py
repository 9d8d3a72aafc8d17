"""How sessions behave, as the operator decided."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from camera.journal import Journal
from camera.photos import PhotoFolder
from camera.turn import AS_IS, Turn


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """What holds for every camera; each but the last two is a setting of .env.example.

    Attributes:
        capture_target: where stills go, "" leaves it to the camera.
        max_restart_attempts: quick tries to open a camera again.
        restart_delay: between them, in seconds.
        keep_alive: how often an idle camera is kept from switching itself off, in seconds; 0: never.
        preview_iso, capture_iso: the ISO of live view and of stills, "" leaves it alone.
        capture_turn: how pictures are turned on their way here.
        photos: where they are saved.
        journal: remembers shots under way.
        most_child_bytes: a camera process that grew beyond this is replaced while it is idle.
    """

    capture_target: str = "Memory card"
    max_restart_attempts: int = 3
    restart_delay: float = 5.0
    keep_alive: float = 0.0
    preview_iso: str = ""
    capture_iso: str = ""
    capture_turn: Turn = AS_IS
    photos: PhotoFolder = field(default_factory=lambda: PhotoFolder(Path("photos"), "{date}_{time}_{original}"))
    journal: Journal = field(default_factory=lambda: Journal(None))
    most_child_bytes: int = 256 * 2**20
