"""The commands that focus. Points on the wire are those of the picture as the viewer sees it: rotated and mirrored."""

from __future__ import annotations

from camera.model import FocusSize
from camera.orientation import Orientation, Point
from camera.session import Session
from protocol import commands as c
from service.caller import Caller
from service.cameras import Cameras
from service.slots import Slots


class Focusing:
    """Moves the focus, runs the autofocus, presses the button halfway, magnifies live view.

    Args:
        cameras: selection of cameras.
        orientation: the orientation of live view for callers without a stream of the camera.
        slots: the next slots of jobs.
    """

    def __init__(self, cameras: Cameras, orientation: Orientation, slots: Slots) -> None:
        self._cameras = cameras
        self._slots = slots
        self._orientation = orientation

    async def drive_focus(self, caller: Caller, payload: c.DriveFocus) -> c.FocusDriven:
        async with (await self._camera(caller, payload)).in_movie() as camera:
            move = await camera.drive_focus(payload.steps, payload.size)
        return c.FocusDriven(
            message=_move_words(move.moved, payload.size, move.at_limit), moved=move.moved, at_limit=move.at_limit
        )

    async def autofocus(self, caller: Caller, payload: c.Autofocus) -> c.Focused:
        session = await self._camera(caller, payload)
        point = _point(payload.x, payload.y)
        aimed = None if point is None else self._seen_by(caller, session).undone(point)
        async with session.in_movie() as camera:
            focused = await camera.autofocus(aimed)
        return c.Focused(message=_FOCUSED[focused], focused=focused)

    async def half_press(self, caller: Caller, payload: c.HalfPress) -> c.Done:
        session = await self._camera(caller, payload)
        self._slots.check(session, payload.force, payload.hold_ms / 1000)
        async with session.exclusive() as camera:
            await camera.half_press(payload.hold_ms)
        return c.Done(message=f"Shutter button half pressed for {payload.hold_ms} ms")

    async def zoom_live_view(self, caller: Caller, payload: c.ZoomLiveView) -> c.LiveViewZoomed:
        session = await self._camera(caller, payload)
        orientation, point = self._seen_by(caller, session), _point(payload.x, payload.y)
        async with session.in_movie() as camera:
            shown = await camera.zoom_live_view(payload.factor, None if point is None else orientation.undone(point))
        centre = None if shown.centre is None else orientation.applied(shown.centre)
        return c.LiveViewZoomed(
            message=f"Live view magnified {shown.factor:g} times" if shown.factor > 1 else "Live view not magnified",
            factor=shown.factor,
            x=None if centre is None else round(centre.x, 3),
            y=None if centre is None else round(centre.y, 3),
        )

    async def _camera(self, caller: Caller, payload: c.CameraPayload) -> Session:
        return await self._cameras.chosen(payload.port, caller.selected)

    def _seen_by(self, caller: Caller, camera: Session) -> Orientation:
        """The orientation in which a caller sees the camera: that of its newest stream, otherwise the configured one."""
        own = [stream.orientation for stream in caller.streams.values() if stream.camera is camera]
        return own[-1] if own else self._orientation


_FOCUSED: dict[bool | None, str] = {
    True: "In focus",
    False: "The camera could not focus. Aim at something with contrast, and check that autofocus is on.",
    None: "Autofocus done; this camera does not report whether it is in focus, or it is in manual focus.",
}


def _move_words(moved: int, size: FocusSize, at_limit: bool | None) -> str:
    steps = f"{abs(moved)} {size} {'step' if abs(moved) == 1 else 'steps'} {'near' if moved < 0 else 'far'}"
    words = f"Focus moved {steps}" if moved else "Focus not moved"
    return f"{words}: the lens is at its limit, or the steps are too small for it" if at_limit else words


def _point(x: float | None, y: float | None) -> Point | None:
    return None if x is None or y is None else Point(x, y)
