"""The command that releases several cameras at one deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from camera.errors import (
    CAPTURE_UNKNOWN,
    NO_TIME_FOR_MIRROR,
    CameraBusy,
    CameraError,
    Cancelled,
    CaptureUnknown,
    NotReady,
)
from camera.model import CapturedFile, mimetype_of
from camera.photos.open_shot import Order
from camera.photos.request import CaptureRequest, Moment, Release, Shot
from camera.ports import is_drive
from camera.remote import decode_error
from camera.session import Session
from protocol import commands as c
from protocol.errors import RequestError, code_of, explain
from service.caller import Caller
from service.cameras import Cameras
from service.orders import Orders, text_of_volley
from service.records import Records
from service.slots import Slots
from service.tasks import Tasks
from store.result import ReleaseTimes
from store.shots import ShotRecord

# If the cameras are released as soon as all are ready: how long they may need for that, and the time from then to the
# deadline, in which each process reads its settings again. In seconds.
_LONGEST_S, _SOON_S = 10.0, 0.15
# If all cameras have to be ready: they are started at least this long before the first release, in seconds. All of the
# processes have to receive that in time, and they stop listening 5 ms before their release.
_CONFIRMED_S = 0.05

_NOT_MEASURED = "When the shutters opened was not measured."


class Volleys:
    """Releases cameras together. Each shot is recorded, and its files are saved, as in any other capture.

    Args:
        cameras: selection of cameras.
        tasks: runs volleys, which continue if their callers disconnect.
        orders: the requests with a key.
        records: finds the outcomes of recorded shots.
        slots: the next slots of jobs.
    """

    def __init__(self, cameras: Cameras, tasks: Tasks, orders: Orders, records: Records, slots: Slots) -> None:
        self._slots = slots
        self._cameras = cameras
        self._tasks = tasks
        self._orders = orders
        self._records = records
        self._in_use: set[Session] = set()

    async def fire(self, caller: Caller, payload: c.Fire) -> c.CamerasFired:
        asked_at, text, key = time.monotonic(), text_of_volley(payload), payload.key
        if key is None:
            return await asyncio.shield(self._tasks.start(self._fire(payload, text, asked_at)))

        async def once() -> c.CamerasFired:
            if records := await self._orders.earlier_volley(key, text):
                return await self._repeated(payload, records)
            return await self._fire(payload, text, asked_at)

        task, joined = self._orders.start(key, text, once)
        reply = await asyncio.shield(task)
        return reply.model_copy(update={"repeated": True}) if joined else reply

    async def _fire(self, payload: c.Fire, text: str, asked_at: float) -> c.CamerasFired:
        """Release the cameras.

        Raises:
            RequestError, CameraError: the request is not possible, and nothing was done.
        """
        cameras = await self._chosen(payload)
        for camera in cameras:
            if camera in self._in_use:
                raise CameraBusy(f"Nothing was done: another volley uses the camera on port {camera.port}.")
        self._in_use.update(cameras)
        try:
            for camera in cameras:
                wait_s = (payload.in_ms + payload.offsets_ms.get(camera.port, 0.0)) / 1000
                await self._slots.check_shot(camera, payload.force, settings=payload.settings, extra_s=wait_s)
            start = _Start(payload, {camera.port: camera for camera in cameras}, asked_at, self._tasks)
            releases = (_release(camera, payload, text, start) for camera in cameras)
            ended = await asyncio.gather(*releases, return_exceptions=True)  # an error of one must not leave the others
        finally:
            self._in_use.difference_update(cameras)
        entries = []
        for one in ended:
            if isinstance(one, BaseException):
                raise one
            entries.append(one)
        return _reply(payload, entries)

    async def _chosen(self, payload: c.Fire) -> list[Session]:
        """The cameras of the request.

        Raises:
            RequestError: there is no camera, or an offset is for another one.
            CameraNotFound: there is no camera on one of the ports.
        """
        registry = self._cameras.registry
        if payload.ports is not None:
            return [await registry.by_port(port) for port in payload.ports]
        present = registry.known or await registry.cameras()
        cameras = [camera for camera in present if not is_drive(camera.port)]
        ports = [camera.port for camera in cameras]
        if not cameras:
            raise RequestError(
                "no_camera_selected", "No camera is connected. Switch one on and plug it in.", ports=ports
            )
        if strange := payload.offsets_ms.keys() - set(ports):
            words = f"offsets_ms has a port without a camera: {min(strange)}. Ports with a camera: {', '.join(ports)}."
            raise RequestError("invalid_payload", words)
        return cameras

    async def _repeated(self, payload: c.Fire, records: Iterable[ShotRecord]) -> c.CamerasFired:
        """The answer to a request with the key of an earlier one: its recorded shots."""
        found = await asyncio.gather(*(self._records.with_outcome(record) for record in records))
        by_port = {record.port: record for record in sorted(found, key=lambda record: record.shot)}
        ports = list(by_port) if payload.ports is None else payload.ports
        entries = [_recorded(port, by_port.get(port)) for port in ports]
        return _reply(payload, entries).model_copy(update={"repeated": True})


class _Start:
    """Decides when the cameras of one volley are released, and whether.

    Args:
        payload: the request.
        cameras: the cameras.
        asked_at: the time of the request, in monotonic seconds.
        tasks: runs messages to the cameras.

    Attributes:
        all_or_none: whether no camera is released if one is not ready.
        stopped_by: the port of the camera because of which none is released.
    """

    def __init__(self, payload: c.Fire, cameras: Mapping[str, Session], asked_at: float, tasks: Tasks) -> None:
        self.all_or_none = payload.missing == "stop"
        self.stopped_by: str | None = None
        self._cameras = cameras
        self._tasks = tasks
        self._offsets_s = {port: payload.offsets_ms.get(port, 0.0) / 1000 for port in cameras}
        self._deadline: float | None = asked_at + payload.in_ms / 1000 if payload.in_ms else None
        self._latest = asked_at + _LONGEST_S
        self._needs_s = dict.fromkeys(cameras, 0.0)
        self._not_set, self._not_armed = set(cameras), set(cameras)
        self._all_set = asyncio.Event()

    def latest(self, port: str) -> float:
        """Until when a camera has to be ready, in monotonic seconds."""
        return self._latest if self._deadline is None else self._deadline + self._offsets_s[port]

    def needs(self, port: str, seconds: float) -> None:
        """Called with the time that a camera needs before its release; see `RemoteCamera.plan_fire`."""
        self._needs_s[port] = seconds

    async def ready(self, port: str) -> Release:
        """Called when the settings of a camera are set; returns when it is released.

        Raises:
            Cancelled: another camera is not ready, so none is released.
            NotReady: there is not enough time left.
        """
        self._not_set.discard(port)
        if self._deadline is None:
            await self._until_all_are_set()
        self.check()
        if self._deadline is None:
            soon_s = _SOON_S + (_CONFIRMED_S if self.all_or_none else 0.0)
            self._deadline = time.monotonic() + max(self._needs_s.values()) + soon_s
        release = Release(self._deadline + self._offsets_s[port], self._deadline)
        needs_s = self._needs_s[port]
        if needs_s and time.monotonic() + needs_s > release.at:
            raise NotReady(NO_TIME_FOR_MIRROR)
        return release

    def armed(self, port: str) -> None:
        """Called when a camera only waits for the deadline. If all cameras have to be ready, the last one starts them.

        If that is too late for one of them, none is released.
        """
        self._not_armed.discard(port)
        if not self.all_or_none:
            return
        if self.stopped_by is not None:
            self._confirm(port, False)
        elif not self._not_armed:
            in_time = time.monotonic() + _CONFIRMED_S <= self._first_release
            if not in_time:
                self.stopped_by = port
            for other in self._cameras:
                self._confirm(other, in_time)

    @property
    def _first_release(self) -> float:
        assert self._deadline is not None, "a camera is armed for it"
        return self._deadline + min(self._offsets_s.values())

    def ended(self, port: str, failed: bool) -> None:
        """Called when a camera has taken its picture, or has failed."""
        if failed and self.all_or_none and self.stopped_by is None and self._not_armed:
            self.stopped_by = port
            for other in self._cameras.keys() - self._not_armed - {port}:
                self._confirm(other, False)
        self._not_set.discard(port)
        if not self._not_set or self.stopped_by is not None:
            self._all_set.set()

    def check(self) -> None:
        """Raises Cancelled if no camera is released because of another one."""
        if self.stopped_by is not None:
            words = f"No camera was released, because the one on port {self.stopped_by} was not ready."
            raise Cancelled(words)

    async def _until_all_are_set(self) -> None:
        if not self._not_set:
            self._all_set.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._latest - time.monotonic()):
                await self._all_set.wait()

    def _confirm(self, port: str, confirmed: bool) -> None:
        self._tasks.start(self._cameras[port].confirm_release(confirmed))


async def _release(camera: Session, payload: c.Fire, text: str, start: _Start) -> c.FiredCamera:
    """Release one camera; returns its part of the reply."""
    port = camera.port
    moment = Moment(
        start.latest(port), payload.prepare == "half_press", start.all_or_none,
        ready=lambda: start.ready(port), armed=lambda: start.armed(port), needs=lambda seconds: start.needs(port, seconds),
    )  # fmt: skip
    request = CaptureRequest(
        settings=payload.settings, save=payload.save, order=Order(payload.key, text), moment=moment
    )
    failed = True
    try:
        shot = await camera.photos.capture(request, lambda shot, picture: None)
        failed = False
    except NotReady as error:
        return _failed(port, _reason(camera, start) or error, error.shot)
    except CameraError as error:
        return _failed(port, error, error.shot)
    finally:
        start.ended(port, failed)
    return _taken(port, shot, camera.status.warnings)


def _reason(camera: Session, start: _Start) -> CameraError | None:
    """Why a camera was not ready, if that is known: it is not open, or another one was not ready."""
    try:
        if start.stopped_by != camera.port:
            start.check()
    except Cancelled as error:
        return error
    return camera.status.last_error


def _taken(port: str, shot: Shot, warnings: Sequence[str]) -> c.FiredCamera:
    return c.FiredCamera(
        port=port,
        status="ok",
        **_times(shot.times),
        files=[c.ImageFile.of(one.file, one.saved_path) for one in shot.files],
        shot=shot.number,
        warnings=[*shot.warnings, *warnings] or None,
    )


def _recorded(port: str, record: ShotRecord | None) -> c.FiredCamera:
    if record is None:
        words = "The camera took no part in the earlier request with this key."
        return c.FiredCamera(port=port, status="error", code="shot_not_found", message=words)
    result = record.result
    if result.error is not None:
        return _failed(port, decode_error(result.error.encoded), record.shot)
    if record.outcome != "done":
        return _failed(port, CaptureUnknown(result.message or CAPTURE_UNKNOWN), record.shot)
    return c.FiredCamera(
        port=port,
        status="ok",
        **_times(result.times),
        files=[
            c.ImageFile.of(
                CapturedFile(file.camera_filepath, file.size, mimetype_of(file.camera_filepath)), file.saved_path
            )
            for file in result.files
        ],
        shot=record.shot,
        warnings=list(result.warnings) or None,
    )


def _failed(port: str, error: CameraError, shot: int | None = None) -> c.FiredCamera:
    return c.FiredCamera(port=port, status="error", code=code_of(type(error)), message=explain(error), shot=shot)


def _times(times: ReleaseTimes | None) -> dict[str, float | None]:
    return {} if times is None else {"commanded_ms": times.commanded_ms, "accepted_ms": times.accepted_ms}


def _reply(payload: c.Fire, entries: Sequence[c.FiredCamera]) -> c.CamerasFired:
    commanded = [
        one.commanded_ms - payload.offsets_ms.get(one.port, 0.0) for one in entries if one.commanded_ms is not None
    ]
    skew = round(max(commanded) - min(commanded), 3) if commanded else None
    released = sum(one.status == "ok" for one in entries)
    words = f"{released} of {len(entries)} cameras released"
    if skew is not None:
        words += f", their commands within {skew:.1f} ms of the plan. {_NOT_MEASURED}"
    return c.CamerasFired(message=words, skew_ms=skew, cameras=list(entries))
