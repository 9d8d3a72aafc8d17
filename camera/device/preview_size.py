"""The size of live-view frames that the operator wants."""

from __future__ import annotations

import logging
from collections.abc import Callable

from camera.errors import CameraBusy, CameraRefused, ConfigNotFound, ConfigReadonly, InvalidValue, NotSupported
from camera.model import ConfigItem

_log = logging.getLogger("camera.device.preview_size")
_SETTING = "liveviewsize"


class PreviewSize:
    """Sets the size of live-view frames, if the camera has a setting for it.

    Args:
        wanted: small, medium, large, or a value of the camera; "" keeps the camera's size.
    """

    def __init__(self, wanted: str = "") -> None:
        self._wanted = wanted

    def apply(self, set_config: Callable[[str, str], ConfigItem]) -> bool:
        """Set the size; returns whether it was set. Called each time after live view was switched on.

        It cannot be set earlier: on a Canon the setting is a part of the switch of live view. A value that the camera
        does not have is logged once.

        Raises:
            CameraError: the connection failed.
        """
        if not self._wanted:
            return False
        try:
            set_config(_SETTING, self._wanted)
        except (ConfigNotFound, NotSupported) as error:
            _log.debug("Live-view size could not be set: %s", error)
        except InvalidValue as error:
            _log.warning("Live-view size was rejected: %s", error)
        except (CameraBusy, CameraRefused, ConfigReadonly) as error:  # tried again the next time
            _log.info("Live-view size could not be set now: %s", error)
            return False
        else:
            return True
        self._wanted = ""
        return False
