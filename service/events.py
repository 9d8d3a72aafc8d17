"""Passes events of cameras to the callers that subscribed to them."""

from __future__ import annotations

from camera.events import CameraEvent, ConfigChanged
from protocol.envelope import encode_event
from protocol.events import wire_event
from service.caller import Caller, Notice


class EventHub:
    """All callers that may subscribe to events."""

    def __init__(self) -> None:
        self._callers: dict[Caller, None] = {}

    def join(self, caller: Caller) -> None:
        """Pass events to a caller from now on, according to its subscriptions."""
        self._callers[caller] = None

    def leave(self, caller: Caller) -> None:
        """Pass no more events to a caller."""
        self._callers.pop(caller, None)

    def emit(self, event: CameraEvent) -> None:
        """Pass an event to the callers that subscribed to it. Does not block."""
        name, values = wire_event(event)
        subscribers = [caller for caller in self._callers if name in caller.subscribed]
        if not subscribers:
            return
        # Only the newest value of a setting matters, and a dial may cause hundreds of changes per second.
        about = (event.port, event.what.config_name) if isinstance(event.what, ConfigChanged) else None
        notice = Notice(name, values, about, encode_event(name, values))
        for caller in subscribers:
            caller.notify(notice)
