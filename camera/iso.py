"""The operator's ISO for live view and for stills: set where the camera takes it, and put back in any case."""

from __future__ import annotations

import logging

from camera import deadlines, widgets
from camera.child import Child
from camera.errors import CameraError, ConfigNotFound, ConfigReadonly, InvalidValue, NotSupported
from camera.model import ConfigItem, ConfigValue

_log = logging.getLogger("camera.iso")


class OperatorsIso:
    """PREVIEW_ISO and CAPTURE_ISO of one camera; "" leaves it alone.

    Attributes:
        before_preview: what the camera had before PREVIEW_ISO; outlives processes, so that it is put back.
    """

    def __init__(self, preview: str, capture: str) -> None:
        self.before_preview: ConfigValue = None
        self._preview = preview
        self._capture = capture

    async def for_still(self, child: Child) -> str | int | float | None:
        """The ISO that a still without one of its own is taken with; None: as the camera is set."""
        return self._capture if await self._that_takes(child, self._capture) else self.before_preview

    async def begin_preview(self, child: Child) -> None:
        """Best effort: a camera that refuses the operator's ISO (mode dial) is watched all the same."""
        if self.before_preview is not None or not self._preview:
            return
        try:
            before = await self._that_takes(child, self._preview)
            if before is not None:
                await child.call("set_config", {"name": "iso", "value": self._preview}, deadlines.CONFIG_S)
                self.before_preview = before.value
        except CameraError as error:
            _log.warning("%s: PREVIEW_ISO is not used: %s", child.options.port, error)

    async def end_preview(self, child: Child, deadline: float) -> None:
        """Put back what the camera had; where that fails, after the next opening."""
        iso, self.before_preview = self.before_preview, None
        if iso is None:
            return
        try:
            await child.call("set_config", {"name": "iso", "value": iso}, deadline)
        except CameraError as error:
            _log.warning("%s: the ISO was not put back to %s: %s", child.options.port, iso, error)
            self.before_preview = iso

    async def _that_takes(self, child: Child, wanted: str) -> ConfigItem | None:
        """The camera's ISO as it is, where it could take the operator's; a wrong one must not stop the booth."""
        if not wanted:
            return None
        try:
            message = await child.call("get_config", {"name": "iso"}, deadlines.CONFIG_S)
            item = ConfigItem.from_json(message.header["ok"])
            widgets.convert(item, wanted)
        except (ConfigNotFound, ConfigReadonly, InvalidValue, NotSupported) as error:
            _log.warning("%s: PREVIEW_ISO or CAPTURE_ISO is not used: %s", child.options.port, error)
            return None
        return item
