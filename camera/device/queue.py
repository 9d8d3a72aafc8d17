"""The events of an open camera: waited for, and kept until they are asked for."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from camera.device.calls import Calls
from camera.device.raw_calls import FILE_ADDED, TIMEOUT, UNKNOWN, RawCalls
from camera.errors import NotSupported
from camera.events import ConfigChanged, FileAdded

# A camera in full chatter must not hold the worker.
_MOST_AT_ONCE = 50
_PROPERTY_CHANGED = re.compile(r'^PTP Property ([0-9a-f]{4}) changed(?:, "(.*?)" to "(.*)")?$', re.DOTALL)


class EventQueue:
    """What one camera reported and nobody asked for yet.

    Args:
        camera, context: the driver's.
        call: how the driver is called.
        raw: how it gives text.

    Attributes:
        supported: whether the driver had events when it was asked last; one without is a silent camera.
    """

    def __init__(self, camera: Any, context: Any, call: Calls, raw: RawCalls) -> None:
        self._camera = camera
        self._context = context
        self._call = call
        self._raw = raw
        self.supported = True
        self._kept: list[FileAdded | ConfigChanged] = []

    def take(self) -> list[FileAdded | ConfigChanged]:
        """What was kept since the last call."""
        taken, self._kept = self._kept, []
        return taken

    def pump(self, timeout_ms: int) -> bool:
        """Keep what the camera reports until it is silent for so many milliseconds; whether it has more."""
        for _ in range(_MOST_AT_ONCE):
            event, data = self.wait(timeout_ms)
            if event == TIMEOUT:
                return False
            self.keep(event, data)
        return True

    def wait(self, timeout_ms: int) -> tuple[int, str | None]:
        """The next event of the camera, of libgphoto2's kind, with the text or the path that comes with it."""
        call = partial(self._raw.wait_for_event, self._camera, timeout_ms, self._context)
        try:
            event, data = self._call(call, "events")
        except NotSupported:  # "disk:" and many older drivers
            self.supported = False
            return TIMEOUT, None
        self.supported = True
        return event, data

    def keep(self, event: int, data: str | None) -> None:
        """Keep an event of libgphoto2, where it is of use to somebody."""
        if event == FILE_ADDED and data is not None:
            self._kept.append(FileAdded(data))
        elif event == UNKNOWN and data and (changed := _PROPERTY_CHANGED.match(data)):
            code, name, value = changed.groups()
            self._kept.append(ConfigChanged(name, value) if name else ConfigChanged(code, None))
