"""Calls libgphoto2, converts its errors, collects its messages, and repeats some calls while the camera is busy.

Gets the context object of python-gphoto2 as an argument. Runs in the camera process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from camera.device.gp_codes import from_gp
from camera.errors import CameraBusy
from camera.ports import unless_gone

# How long a call is repeated, in seconds. A camera that writes its last picture rejects all operations for a moment.
_BUSY_S = 2.0
BUSY_PAUSE_S = 0.02
_REPEATABLE = frozenset(("get_config", "set_config", "storage", "list_files", "thumbnail", "file_info"))
_PROGRESS_EVERY_S = 0.5

Progress = Callable[[], None]


class Calls:
    """Calls that share one libgphoto2 context.

    Args:
        context: the libgphoto2 context, which reports errors and progress.
        failure: the exception class that calls of libgphoto2 raise; its `code` is libgphoto2's error number.
        port: the port of the camera.

    Attributes:
        messages: the error messages of libgphoto2 during the last call.
    """

    def __init__(self, context: Any, failure: Any, port: str) -> None:
        self.messages: list[str] = []
        self._port = port
        self._failure = failure
        self._on_progress: Progress | None = None
        self._progress_due = 0.0
        # libgphoto2 calls these functions only as long as the returned handles exist.
        self._callbacks = (
            context.set_error_func(self._note_error, None),
            context.set_progress_funcs(self._progress_start, self._progress_update, self._progress_stop, None),
        )

    def __call__(self, function: Callable[[], Any], doing: str) -> Any:
        """Call libgphoto2. A call that may safely be repeated is repeated for up to 2 s while the camera is busy.

        Args:
            function: the call.
            doing: the name of the operation, in one word.

        Raises:
            CameraError: the call failed. PortGone if the device has left its port, whatever libgphoto2 reports.
        """
        deadline = time.monotonic() + (_BUSY_S if doing in _REPEATABLE else 0)
        while True:
            self.messages.clear()
            try:
                return function()
            except self._failure as error:
                camera_error = unless_gone(self._port, from_gp(error.code, "; ".join(self.messages), doing))
                if not isinstance(camera_error, CameraBusy) or time.monotonic() >= deadline:
                    raise camera_error from None
            time.sleep(BUSY_PAUSE_S)

    @contextmanager
    def reporting(self, on_progress: Progress) -> Iterator[None]:
        """Call `on_progress` when data arrives, at most twice a second, until the `with` block ends."""
        self._on_progress = on_progress
        try:
            yield
        finally:
            self._on_progress = None

    def _note_error(self, _context: Any, text: bytes | str, _data: Any = None) -> None:
        self.messages.append(text.decode("utf-8", "replace") if isinstance(text, bytes) else text)

    def _progress_start(self, _context: Any, _target: float, _text: bytes, _data: Any) -> int:
        return 1

    def _progress_update(self, _context: Any, _id: int, _current: float, _data: Any) -> None:
        now = time.monotonic()
        if self._on_progress is not None and now >= self._progress_due:
            self._progress_due = now + _PROGRESS_EVERY_S
            self._on_progress()

    def _progress_stop(self, _context: Any, _id: int, _data: Any) -> None:
        return None
