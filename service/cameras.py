"""Selection of the camera for a command, and information about cameras."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from camera.errors import CameraDisconnected, ConfigNotFound, NotSupported
from camera.ports import is_drive
from camera.registry import Registry
from camera.remote import RemoteCamera
from camera.session import Session, Status
from protocol import commands as c
from protocol.errors import RequestError, code_of, explain

_FIRST_TRY_S = 2.0


class Cameras:
    """The cameras of a registry, for callers."""

    def __init__(self, registry: Registry, version: str) -> None:
        self.registry = registry
        self._version = version
        self._started = time.monotonic()

    @property
    def uptime(self) -> float:
        """Seconds since the server started."""
        return round(time.monotonic() - self._started, 3)

    async def chosen(self, port: str | None, selected: Session | None) -> Session:
        """The camera for a request.

        It is the camera on `port`. Without a port, it is the selected camera. Without a selection, it is the only
        connected camera, or the only known camera. Drives count only if there is no other camera.

        Raises:
            RequestError: no_camera_selected.
            CameraError: there is no camera on that port, or the selected camera is disconnected.
        """
        if port is not None:
            return await self.registry.by_port(port)
        if selected is not None:
            if self.registry.has(selected):
                return selected
            title = selected.status.title
            raise CameraDisconnected(
                f"The selected camera ({title}) is disconnected. Plug it in again or select another."
            )
        cameras = self.registry.known or await self.registry.cameras()
        # Drives are used only if there is no other camera.
        real = [camera for camera in cameras if not is_drive(camera.port)] or cameras
        connected = [camera for camera in real if camera.reconnect.connected]
        for only in (connected, real):
            if len(only) == 1:
                return only[0]
        ports = [camera.port for camera in cameras]
        message = "No camera is connected. Switch one on and plug it in."
        if ports:
            message = f"No camera is selected. Send select_camera with one of the ports {', '.join(ports)}."
        raise RequestError("no_camera_selected", message, ports=ports)

    async def listed(self) -> c.CameraList:
        """All present cameras."""
        statuses = [camera.status for camera in await self.registry.cameras()]
        return c.CameraList(
            cameras=[
                c.ListedCamera(
                    name=status.name,
                    model=status.model,
                    port=status.port,
                    index=index,
                    serial=status.serial,
                    state=status.state,
                    connected=status.connected,
                    can=status.can.names,
                )
                for index, status in enumerate(statuses)
            ]
        )

    async def details(self, camera: Session) -> c.CameraDetails:
        """Identity and state of a camera."""
        first_try = camera.reconnect.first_try
        if not first_try.done():  # its name and serial number are known after the first attempt to open it
            await asyncio.wait((first_try,), timeout=_FIRST_TRY_S)
        read = await _read(camera) if camera.status.connected and not camera.status.occupied else {}
        status = camera.status
        identity, finding = status.identity, status.finding
        return c.CameraDetails(
            name=status.name,
            model=status.model,
            manufacturer=identity.manufacturer if identity else None,
            version=identity.version if identity else None,
            serial=status.serial,
            port=status.port,
            state=status.state,
            connected=status.connected,
            can=status.can.names,
            viewers=status.viewers,
            **read,
            file_count=status.file_count,
            attempts=status.attempts or None,
            last_error=explain(status.last_error) if status.last_error else None,
            last_io=_iso(status.last_io),
            warnings=list(status.warnings) or None,
            last_unknown_capture=None
            if finding is None
            else c.CheckedCapture(
                at=finding.at, files=None if finding.files is None else list(finding.files), message=finding.message
            ),
        )

    def health(self) -> tuple[bool, dict[str, Any]]:
        """Whether a camera is open, and the state of all cameras. It contains no ports, paths or serial numbers."""
        statuses = [camera.status for camera in self.registry.known]
        connected = sum(status.connected for status in statuses)
        healthy = connected > 0
        overall = "ok" if healthy and connected == len(statuses) else "degraded" if healthy else "unavailable"
        values: dict[str, Any] = {
            "status": overall,
            "version": self._version,
            "uptime": self.uptime,
            "cameras": [_condition(status) for status in statuses],
        }
        return healthy, values if healthy else values | {"reason": "no camera is connected"}

    def summary(self) -> str:
        """The number of cameras, as text."""
        statuses = [camera.status for camera in self.registry.known]
        return f"cameras: {len(statuses)}, open: {sum(status.connected for status in statuses)}"


async def _read(camera: Session) -> Mapping[str, Any]:
    """Values that must be read from the camera. A value that the camera does not have is None or missing."""
    async with camera.exclusive() as remote:
        values: dict[str, Any] = {
            "battery": await _setting(remote, "batterylevel"),
            "lens": await _setting(remote, "lensname"),
        }
        with suppress(NotSupported):
            values["storage"] = [
                c.StoredMemory(path=card.path, label=card.label, capacity=card.capacity, free=card.free)
                for card in await remote.storage()
            ]
    return values


async def _setting(camera: RemoteCamera, name: str) -> str | None:
    with suppress(ConfigNotFound, NotSupported):
        value = (await camera.get_config(name)).value
        return None if value is None else str(value)
    return None


def _condition(status: Status) -> dict[str, Any]:
    values: dict[str, Any] = {
        "name": status.name, "model": status.model, "state": status.state, "last_io": _iso(status.last_io)
    }  # fmt: skip
    if status.last_error is not None:
        values |= {"attempts": status.attempts, "last_error": code_of(type(status.last_error))}
    return values


def _iso(seconds: float | None) -> str | None:
    """A time in seconds since 1970 as ISO 8601 in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
