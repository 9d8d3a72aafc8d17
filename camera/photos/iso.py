"""The operator's ISO for live view and for stills: set if the camera accepts it, and later restored."""

from __future__ import annotations

import logging

from camera import values
from camera.errors import CameraError, ConfigNotFound, ConfigReadonly, InvalidValue, NotSupported
from camera.model import ConfigItem, ConfigValue
from camera.remote import RemoteCamera

_log = logging.getLogger("camera.photos.iso")


class OperatorsIso:
    """The operator's ISO for live view and for stills of one camera; "" keeps the camera's ISO.

    Attributes:
        before_preview: the camera's ISO before live view; None if there is nothing to restore. It is kept when the
            camera process is replaced.
    """

    def __init__(self, preview: str, capture: str) -> None:
        self.before_preview: ConfigValue = None
        self._preview = preview
        self._capture = capture

    async def for_still(self, camera: RemoteCamera) -> str | int | float | None:
        """The ISO for a capture that does not request an ISO; None keeps the camera's ISO."""
        return self._capture if await self._readable_iso(camera, self._capture) else self.before_preview

    async def begin_preview(self, camera: RemoteCamera) -> None:
        """Set the ISO for live view.

        If the camera rejects this ISO (for example because of the mode dial), live view starts anyway.
        """
        if self.before_preview is not None or not self._preview:
            return
        try:
            before = await self._readable_iso(camera, self._preview)
            if before is not None:
                await camera.set_config("iso", self._preview)
                self.before_preview = before.value
        except CameraError as error:
            _log.warning("ISO %s was not set for live view: %s", self._preview, error)

    async def end_preview(self, camera: RemoteCamera) -> None:
        """Restore the camera's ISO; if that fails, it is tried again after the next opening."""
        iso, self.before_preview = self.before_preview, None
        if iso is None:
            return
        try:
            await camera.set_config("iso", iso)
        except BaseException as error:
            self.before_preview = iso
            if not isinstance(error, CameraError):
                raise
            _log.warning("ISO was not restored to %s: %s", iso, error)

    async def _readable_iso(self, camera: RemoteCamera, wanted: str) -> ConfigItem | None:
        """The current ISO of the camera. If the camera does not accept `wanted`, logs a warning and returns None."""
        if not wanted:
            return None
        try:
            item = await camera.get_config("iso")
            values.convert(item, wanted)
        except (ConfigNotFound, ConfigReadonly, InvalidValue, NotSupported) as error:
            _log.warning("Configured ISO %s is not used: %s", wanted, error)
            return None
        return item
