"""A bracket: the same picture with several exposures, by the settings of each shot or by the camera itself."""

from __future__ import annotations

from camera.errors import ConfigNotFound, InvalidValue, NotSupported
from camera.model import BurstLength, ConfigItem
from camera.photos.request import CaptureRequest
from camera.remote import RemoteCamera
from camera.values import WantedValue
from protocol import commands as c
from service.jobs.exposures import TOLERANCE_EV, aeb_ev, ev_of, nearest, steps_of
from service.jobs.series import Series

# The setting of the bracketing of cameras that have one for it (Canon).
_AEB = "aeb"
_NO_AEB = "The camera has no bracketing that the server can set. Use by: shutterspeed, or by: iso."
# Differences of rounded values, in EV.
_SAME_EV = 0.1


async def plan_bracket(camera: RemoteCamera, request: c.StartJob) -> tuple[str, ...]:
    """The value of the setting for each shot of a bracket.

    Raises:
        InvalidValue: the camera has no such exposure.
        NotSupported: the camera has no bracketing of its own.
        CameraError: the setting cannot be read.
    """
    if request.by == "native":
        return (await _plan_native(camera, request.ev),)
    item = await camera.get_config(request.by)
    current = str(request.settings.get(request.by, item.value))
    base = ev_of(request.by, current)
    if base is None:
        words = f"{request.by} is {current}, so there is no exposure to begin with. Set it to a number first."
        raise InvalidValue(words, config_name=item.name, choices=tuple(item.choices))
    steps, values = steps_of(request.by, item.choices), []
    for ev in request.ev:
        step = nearest(steps, base + ev)
        if step is None:
            words = f"The camera has no {request.by} for {ev:+g} EV from {current}, within {TOLERANCE_EV} EV."
            raise InvalidValue(words, config_name=item.name, choices=tuple(item.choices))
        values.append(step.value)
    return tuple(values)


async def _plan_native(camera: RemoteCamera, ev: list[float]) -> str:
    try:
        item: ConfigItem = await camera.get_config(_AEB)
    except (ConfigNotFound, NotSupported):
        raise NotSupported(_NO_AEB) from None
    for choice in item.choices:
        distance = aeb_ev(choice)
        if distance is not None and abs(distance - max(ev)) < _SAME_EV:
            await camera.plan_burst(BurstLength(frames=len(ev)))
            return choice
    words = f"The camera's own bracketing has no distance of {max(ev):g} EV."
    raise InvalidValue(words, config_name=item.name, choices=tuple(item.choices))


class Bracket(Series):
    """A bracket that has not ended. `Progress.plan` has the value of the setting for each shot."""

    def _capture(self, slot: int) -> CaptureRequest:
        request, value = self._request, self.record.progress.plan[slot]
        if request.by != "native":
            return self._shot(slot, {**request.settings, request.by: value})
        settings: dict[str, WantedValue] = {**request.settings, _AEB: value}
        return self._shot(slot, settings, BurstLength(frames=len(request.ev)))
