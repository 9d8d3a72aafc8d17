"""Calling libgphoto2: its errors become ours, its own words are kept, a body that is busy is asked again.

Works on the driver's context without importing gphoto2. In the camera's process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from camera.device.gp_codes import from_gp
from camera.errors import CameraBusy

# A body that writes its last shot refuses everything for a moment.
_BUSY_S = 2.0
BUSY_PAUSE_S = 0.02
_REPEATABLE = frozenset(("get_config", "set_config", "storage", "list_files", "thumbnail", "file_info"))
_PROGRESS_EVERY_S = 0.5

Progress = Callable[[], None]


class Calls:
    """Calls that share one context of libgphoto2.

    Args:
        context: it tells errors and progress.
        failure: what a call raises; its `code` is libgphoto2's number.

    Attributes:
        said: what libgphoto2 said during the last call.
    """

    def __init__(self, context: Any, failure: Any) -> None:
        self.messages: list[str] = []
        self._failure = failure
        self._on_progress: Progress | None = None
        self._progress_due = 0.0
        # The callbacks live as long as these handles do.
        self._callbacks = (
            context.set_error_func(self._note_error, None),
            context.set_progress_funcs(self._progress_start, self._progress_update, self._progress_stop, None),
        )

    def __call__(self, function: Callable[[], Any], doing: str) -> Any:
        """Call libgphoto2. What does no harm when it is repeated is repeated for a moment while the body is busy.

        Args:
            function: the call.
            doing: what is tried, in a word.

        Raises:
            CameraError: it failed.
        """
        deadline = time.monotonic() + (_BUSY_S if doing in _REPEATABLE else 0)
        while True:
            self.messages.clear()
            try:
                return function()
            except self._failure as error:
                camera_error = from_gp(error.code, "; ".join(self.messages), doing)
                if not isinstance(camera_error, CameraBusy) or time.monotonic() >= deadline:
                    raise camera_error from None
            time.sleep(BUSY_PAUSE_S)

    @contextmanager
    def reporting(self, on_progress: Progress) -> Iterator[None]:
        """Call `on_progress` as data comes, twice a second at the most, until the block ends."""
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
