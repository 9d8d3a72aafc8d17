"""Events of cameras, sent on to every caller that subscribed to them."""

from __future__ import annotations

from camera.events import CameraEvent, ConfigChanged
from protocol.envelope import encode_event
from protocol.events import wire_event
from service.caller import Caller, Notice


class EventHub:
    """Everybody who may subscribe to events."""

    def __init__(self) -> None:
        self._callers: dict[Caller, None] = {}

    def join(self, caller: Caller) -> None:
        """Send a caller what it subscribes to, from now on."""
        self._callers[caller] = None

    def leave(self, caller: Caller) -> None:
        """Send a caller nothing more."""
        self._callers.pop(caller, None)

    def emit(self, event: CameraEvent) -> None:
        """Send an event to the callers that subscribed to it, without waiting."""
        name, values = wire_event(event)
        subscribers = [caller for caller in self._callers if name in caller.subscribed]
        if not subscribers:
            return
        # Of a setting only the newest value counts: a dial makes hundreds a second.
        about = (event.port, event.what.config_name) if isinstance(event.what, ConfigChanged) else None
        notice = Notice(name, values, about, encode_event(name, values))
        for caller in subscribers:
            caller.notify(notice)
