"""Options for cameras, from the operator's settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from camera.photos.shots import PhotoOptions
from camera.processes.process_log import LineBudget
from camera.processes.spawn import ProcessOptions, SpawnedProcess, WorkerProcess
from system_clock import Trust, trust


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """Options that apply to all cameras.

    Attributes:
        capture_target: where the camera stores stills; "" keeps the camera's setting.
        max_restart_attempts: number of quick attempts to open a camera again.
        restart_delay: seconds between these attempts.
        keep_alive: seconds between keep-alive operations on an idle camera, so that it stays on; 0 disables them.
        preview_iso, capture_iso: the ISO values for live view and for stills; "" keeps the camera's setting.
        sync_clock: whether the clock of a camera is set whenever the camera was opened.
        clock_trust: returns whether the clock of this machine can be trusted.
        preview_size: the size of live-view frames; "" keeps the camera's setting.
        shutter_lines: by serial number or port: the lines of a GPIO chip that release a camera (`ShutterLine`).
        photos: options for pictures.
        most_process_bytes: an idle camera process that uses more memory than this is replaced by a new process.
        spawn: creates the camera process for a camera, without starting it.
    """

    capture_target: str = "Memory card"
    max_restart_attempts: int = 3
    restart_delay: float = 5.0
    keep_alive: float = 0.0
    preview_iso: str = ""
    capture_iso: str = ""
    sync_clock: bool = False
    clock_trust: Callable[[], Trust] = trust
    preview_size: str = ""
    shutter_lines: Mapping[str, str] = field(default_factory=dict)
    photos: PhotoOptions = field(default_factory=PhotoOptions)
    most_process_bytes: int = 256 * 2**20
    spawn: Callable[[ProcessOptions, LineBudget], WorkerProcess] = SpawnedProcess
