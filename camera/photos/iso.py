"""The operator's ISO for live view and for stills: set where the camera takes it, and put back in any case."""

from __future__ import annotations

import logging

from camera import values
from camera.errors import CameraError, ConfigNotFound, ConfigReadonly, InvalidValue, NotSupported
from camera.model import ConfigItem, ConfigValue
from camera.remote import RemoteCamera

_log = logging.getLogger("camera.photos.iso")


class OperatorsIso:
    """The ISO that the operator chose for live view and for stills of one camera; "" leaves it alone.

    Attributes:
        before_preview: what the camera had before the ISO of live view; outlives processes, so that it is put back.
    """

    def __init__(self, preview: str, capture: str) -> None:
        self.before_preview: ConfigValue = None
        self._preview = preview
        self._capture = capture

    async def for_still(self, camera: RemoteCamera) -> str | int | float | None:
        """The ISO that a still without one of its own is taken with; None: as the camera is set."""
        return self._capture if await self._readable_iso(camera, self._capture) else self.before_preview

    async def begin_preview(self, camera: RemoteCamera) -> None:
        """Best effort: a camera that refuses the operator's ISO (mode dial) shows its live view all the same."""
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
        """Put back what the camera had; where that fails, after the next opening."""
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
        """The camera's ISO as it is, where it could take the operator's; a wrong one must not stop the booth."""
        if not wanted:
            return None
        try:
            item = await camera.get_config("iso")
            values.convert(item, wanted)
        except (ConfigNotFound, ConfigReadonly, InvalidValue, NotSupported) as error:
            _log.warning("Configured ISO %s is not used: %s", wanted, error)
            return None
        return item
