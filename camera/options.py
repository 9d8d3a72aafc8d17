"""How cameras are treated, as the operator decided."""

from __future__ import annotations

from dataclasses import dataclass, field

from camera.photos.shots import PhotoOptions


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """What holds for every camera.

    Attributes:
        capture_target: where stills go, "" leaves it to the camera.
        max_restart_attempts: quick tries to open a camera again.
        restart_delay: between them, in seconds.
        keep_alive: how often an idle camera is kept from switching itself off, in seconds; 0: never.
        preview_iso, capture_iso: the ISO of live view and of stills, "" leaves it alone.
        photos: what becomes of pictures.
        most_process_bytes: a camera process that grew beyond this is replaced while it is idle.
    """

    capture_target: str = "Memory card"
    max_restart_attempts: int = 3
    restart_delay: float = 5.0
    keep_alive: float = 0.0
    preview_iso: str = ""
    capture_iso: str = ""
    photos: PhotoOptions = field(default_factory=PhotoOptions)
    most_process_bytes: int = 256 * 2**20
