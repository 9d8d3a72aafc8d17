"""The command that sets the job info for the next pictures."""

from __future__ import annotations

from collections.abc import Mapping

from camera.errors import CameraError, ConfigNotFound, NotSupported
from camera.photos.job_info import ALL_CAMERAS
from camera.session import Session
from protocol import commands as c
from service.caller import Caller
from service.cameras import Cameras

# The settings of cameras for the words that are written to them.
_SETTINGS = {"artist": "artist", "copyright": "copyright", "owner": "ownername"}


class JobInfoCommand:
    """Sets the words, for one camera or for all.

    Args:
        cameras: selection of cameras.
    """

    def __init__(self, cameras: Cameras) -> None:
        self._cameras = cameras

    async def set_job_info(self, caller: Caller, payload: c.SetJobInfo) -> c.JobInfo:
        registry = self._cameras.registry
        if payload.port is None:
            key, chosen = ALL_CAMERAS, [one for one in await registry.cameras() if one.status.connected]
        else:
            camera = await registry.by_port(payload.port)
            await camera.reconnect.process()  # its serial number is known only after it was opened
            key, chosen = camera.key, [camera]
        words = payload.model_dump(exclude={"port"}, exclude_none=True)
        problem = await registry.job_infos.set(key, words) if words else None
        written = {name: words[name] for name in _SETTINGS if name in words}
        return c.JobInfo(
            message="Job info set" if words else "Nothing was changed",
            job=(await registry.job_infos.words(ALL_CAMERAS)).job,
            cameras=[await self._write(camera, written) for camera in chosen],
            warnings=None if problem is None else [problem],
        )

    async def _write(self, camera: Session, words: Mapping[str, str]) -> c.CameraWords:
        """Write words to a camera; returns what it has now."""
        done, missing, warnings = [], [], []
        for name, word in words.items():
            try:
                await camera.set_config(_SETTINGS[name], word)
            except (ConfigNotFound, NotSupported):
                missing.append(name)
            except CameraError as error:
                warnings.append(f"{name} was not set: {error}")
            else:
                done.append(name)
        current = await self._cameras.registry.job_infos.words(camera.key)
        return c.CameraWords(
            port=camera.port,
            serial=camera.status.serial,
            job=current.job,
            label=current.label,
            set=done,
            missing=missing,
            warnings=warnings or None,
        )
