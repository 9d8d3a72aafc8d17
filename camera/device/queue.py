"""The event queue of an open camera."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from camera.device.calls import Calls
from camera.device.raw_calls import FILE_ADDED, TIMEOUT, UNKNOWN, RawCalls
from camera.errors import NotSupported
from camera.events import ConfigChanged, FileAdded

# The largest number of events that are read at once, so that a camera with very many events does not block the worker.
_MOST_AT_ONCE = 50
# The driver writes the code of the property with 4 digits for a Canon, and with 8 digits for most other makers.
_PROPERTY_CHANGED = re.compile(r'^PTP Property (?:0000)?([0-9a-f]{4}) changed(?:, "(.*?)" to "(.*)")?$', re.DOTALL)


class EventQueue:
    """The events of a camera: reads them from the driver, and stores them until they are taken.

    Args:
        camera, context: the camera and the context of python-gphoto2.
        call: calls libgphoto2 and converts its errors.
        raw: reads text from the driver as bytes.

    Attributes:
        supported: whether the driver supported events at the last attempt.
        on_changed: called with the name of each setting that the camera reports as changed, or with its code.
    """

    def __init__(self, camera: Any, context: Any, call: Calls, raw: RawCalls) -> None:
        self._camera = camera
        self._context = context
        self._call = call
        self._raw = raw
        self.supported = True
        self.on_changed: Callable[[str], object] = lambda name: None
        self._kept: list[FileAdded | ConfigChanged] = []

    def take(self) -> list[FileAdded | ConfigChanged]:
        """Return the stored events and remove them."""
        taken, self._kept = self._kept, []
        return taken

    def pump(self, timeout_ms: int) -> bool:
        """Read and store events until no event arrives within `timeout_ms` milliseconds.

        Stops after 50 events and returns True, because there may be more events.
        """
        for _ in range(_MOST_AT_ONCE):
            event, data = self.wait(timeout_ms)
            if event == TIMEOUT:
                return False
            self.keep(event, data)
        return True

    def wait(self, timeout_ms: int) -> tuple[int, str | None]:
        """The next event: its type in libgphoto2, and its text or path. The type is TIMEOUT if no event arrives."""
        call = partial(self._raw.wait_for_event, self._camera, timeout_ms, self._context)
        try:
            event, data = self._call(call, "events")
        except NotSupported:  # "disk:" ports and many older drivers have no events
            self.supported = False
            return TIMEOUT, None
        self.supported = True
        return event, data

    def keep(self, event: int, data: str | None) -> None:
        """Store an event of libgphoto2, if it is of a known type."""
        if event == FILE_ADDED and data is not None:
            self._kept.append(FileAdded(data))
        elif event == UNKNOWN and data and (changed := _PROPERTY_CHANGED.match(data)):
            code, name, value = changed.groups()
            self._kept.append(ConfigChanged(name, value) if name else ConfigChanged(code, None))
            self.on_changed(name or code)
