"""The commands that take pictures, and the commands that return the records of shots."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from camera.errors import CAPTURE_UNKNOWN, CameraError, CaptureUnknown, FileNotFound
from camera.model import BurstLength, CapturedFile, mimetype_of
from camera.photos.downloads import FetchedFile, in_ram
from camera.photos.open_shot import Order
from camera.photos.request import CaptureRequest, Shot
from camera.remote import decode_error
from camera.session import Session
from protocol import commands as c
from protocol.base64 import b64encode
from protocol.errors import RequestError
from service.answers import PictureReply, new_mark
from service.caller import Caller
from service.cameras import Cameras
from service.orders import Orders, Taken, readable, text_of
from service.records import Records
from service.slots import Slots
from service.tasks import Tasks
from store.result import RecordedFile, ShotResult
from store.shots import ShotRecord, ShotStore


class Captures:
    """Takes pictures (at most one shot for each key) and reads the records of shots.

    Args:
        cameras: selection of cameras.
        shots: the records of shots.
        tasks: runs captures, which continue if their callers disconnect.
        orders: the captures with a key.
        records: finds the outcomes of recorded shots.
        slots: the next slots of jobs.
    """

    def __init__(
        self, cameras: Cameras, shots: ShotStore, tasks: Tasks, orders: Orders, records: Records, slots: Slots
    ) -> None:
        self._cameras = cameras
        self._slots = slots
        self._shots = shots
        self._tasks = tasks
        self._orders = orders
        self._records = records
        self._started_at = time.time()

    async def capture_image(self, caller: Caller, payload: c.CaptureImage) -> c.Captured | PictureReply[c.Captured]:
        text = text_of(payload)
        camera = await self._chosen(caller, payload, text)
        if isinstance(camera, ShotRecord):
            return await self._repeated(payload, camera)
        request = CaptureRequest(
            settings=payload.settings,
            download=payload.download,
            save=payload.save,
            filename=payload.filename,
            keep_on_camera=payload.keep_on_camera,
            bulb_s=payload.bulb_s,
            order=Order(payload.key, text),
            wanted=lambda: payload.key is not None or not caller.left,
        )
        fetched: asyncio.Future[tuple[Shot, FetchedFile]] = asyncio.get_running_loop().create_future()

        async def capture() -> Shot:
            await self._slots.check_shot(camera, payload.force, bulb_s=payload.bulb_s, settings=payload.settings)
            return await camera.photos.capture(request, lambda *seen: fetched.set_result(seen))

        taking, joined = self._take(payload.key, text, capture)
        if request.download == "full" and not joined:
            # The picture is sent to the caller while it is being saved.
            await asyncio.wait((fetched, taking), return_when=asyncio.FIRST_COMPLETED)
            if fetched.done():
                return _with_picture(*fetched.result(), camera, taking)
        taken = await asyncio.shield(taking)
        if isinstance(taken, ShotRecord):
            return await self._repeated(payload, taken)
        reply = _captured(taken, camera, None).model_copy(update={"repeated": joined or None})
        if payload.download == "none":
            return reply
        return _with(reply, taken.files[0].file, taken.thumbnail or taken.picture)

    async def capture_burst(self, caller: Caller, payload: c.CaptureBurst) -> c.BurstCaptured:
        text = text_of(payload)
        camera = await self._chosen(caller, payload, text)
        if isinstance(camera, ShotRecord):
            return await self._repeated_burst(camera)
        request = CaptureRequest(
            settings=payload.settings,
            save=payload.save,
            burst=BurstLength(payload.frames, payload.hold_ms),
            order=Order(payload.key, text),
            wanted=lambda: payload.key is not None or not caller.left,
        )

        async def capture() -> Shot:
            await self._slots.check_shot(
                camera, payload.force, settings=payload.settings, pictures=payload.frames or 1,
                extra_s=(payload.hold_ms or 0) / 1000,
            )  # fmt: skip
            return await camera.photos.capture(request, lambda *seen: None)

        taking, joined = self._take(payload.key, text, capture)
        taken = await asyncio.shield(taking)
        if isinstance(taken, ShotRecord):
            return await self._repeated_burst(taken)
        return c.BurstCaptured(
            **_frames(taken.frames or 0),
            files=[c.ImageFile.of(one.file, one.saved_path) for one in taken.files],
            warnings=[*taken.warnings, *camera.status.warnings] or None,
            shot=taken.number,
            repeated=joined or None,
        )

    async def _chosen(
        self, caller: Caller, payload: c.CaptureImage | c.CaptureBurst, text: str
    ) -> Session | ShotRecord:
        """The camera of a request; or, if there is no camera, the record of an earlier request with its key."""
        try:
            return await self._cameras.chosen(payload.port, caller.selected)
        except (CameraError, RequestError):  # the outcome of an earlier request needs no camera
            record = await self._orders.earlier(payload.key, text) if payload.key is not None else None
            if record is None:
                raise
            return record

    def _take(
        self, key: str | None, text: str, capture: Callable[[], Coroutine[Any, Any, Shot]]
    ) -> tuple[asyncio.Task[Taken], bool]:
        """Start a capture, or join the one with this key. See `Orders.take`."""
        if key is not None:
            return self._orders.take(key, text, capture)
        taking: asyncio.Task[Taken] = self._tasks.start(capture())
        return taking, False

    async def stop_exposure(self, caller: Caller, payload: c.StopExposure) -> c.ExposureStopped:
        camera = await self._cameras.chosen(payload.port, caller.selected)
        exposed_s = await camera.stop_exposure(payload.keep)
        return c.ExposureStopped(message=f"Exposure stopped after {exposed_s:.1f} s", exposed_s=exposed_s)

    async def _repeated(self, payload: c.CaptureImage, record: ShotRecord) -> c.Captured | PictureReply[c.Captured]:
        """The answer to a capture with the key of an earlier capture, from the record of the earlier capture.

        Raises:
            CameraError: the error of the earlier capture.
        """
        record = await self._done(record)
        result = record.result
        warnings = list(result.warnings)
        warnings += _unfinished(payload, result)
        first = _on_camera(result.files[0])
        picture: FetchedFile | bytes | None = None
        try:
            picture = await self._earlier_picture(payload.download, record)
        except CameraError as error:
            warnings.append(f"The picture of the earlier request cannot be read any more: {error}")
        reply = c.Captured(
            camera_filepath=first.path,
            files=[c.ImageFile.of(_on_camera(file), file.saved_path) for file in result.files],
            timing=None if result.timing is None else c.Timing(**asdict(result.timing)),
            warnings=warnings or None,
            exposed_s=result.exposed_s,
            shot=record.shot,
            repeated=True,
        )
        return _with(reply, first, picture)

    async def _repeated_burst(self, record: ShotRecord) -> c.BurstCaptured:
        """The same for a burst."""
        record = await self._done(record)
        result = record.result
        taken = {file.camera_filepath.rpartition(".")[0] for file in result.files}
        return c.BurstCaptured(
            **_frames(result.frames or len(taken)),
            files=[c.ImageFile.of(_on_camera(file), file.saved_path) for file in result.files],
            warnings=list(result.warnings) or None,
            shot=record.shot,
            repeated=True,
        )

    async def _done(self, record: ShotRecord) -> ShotRecord:
        """The record with its outcome.

        Raises:
            CameraError: the error of the capture.
        """
        record = await self._records.with_outcome(record)
        result = record.result
        if result.error is not None:
            error = decode_error(result.error.encoded)
            again = " This is the outcome of an earlier request with the same key. To try again, use a new key."
            raise replace(error, message=f"{error.message}{again}")
        if record.outcome != "done":
            raise CaptureUnknown(result.message or CAPTURE_UNKNOWN)
        return record

    async def _earlier_picture(self, download: c.PictureInReply, record: ShotRecord) -> FetchedFile | bytes | None:
        """The first picture of a recorded shot or its thumbnail, from the shot's own camera. Raises CameraError."""
        if download == "none":
            return None
        file = record.result.files[0]
        path = file.camera_filepath
        # After a restart of the server, a name in the camera's RAM can belong to another picture.
        renamed = in_ram(path) and record.asked_at < self._started_at
        if renamed or not file.on_camera:
            where = f" It was saved as {file.saved_path}." if file.saved_path else ""
            raise FileNotFound(f"It is no longer on the camera.{where}")
        camera = await self._records.camera_of(record)
        if download == "thumbnail":
            return await camera.photos.thumbnail(path)
        picture = await camera.photos.fetch(path)
        if file.size not in (None, picture.size):
            raise FileNotFound("There is another file with its name on the card.")
        return picture

    async def list_shots(self, caller: Caller, payload: c.ListShots) -> c.ShotList:
        since = 0.0 if payload.since is None else datetime.fromisoformat(payload.since).timestamp()
        with readable():
            return c.ShotList(shots=[_shot_info(record) for record in await self._shots.last(payload.limit, since)])

    async def get_shot(self, caller: Caller, payload: c.GetShot) -> c.ShotReply:
        with readable():
            record = await self._shots.get(payload.shot)
        if record is None:
            raise RequestError("shot_not_found", f"There is no record of shot {payload.shot}.", shot=payload.shot)
        return c.ShotReply(**_shot_info(record).model_dump())


def _frames(count: int) -> dict[str, Any]:
    """How many pictures a burst has, as a number and in words."""
    return {"frames": count, "message": f"{count} {'picture' if count == 1 else 'pictures'} taken"}


def _captured(shot: Shot, camera: Session, image_b64: str | None) -> c.Captured:
    files = [c.ImageFile.of(one.file, one.saved_path) for one in shot.files]
    first = files[0]
    return c.Captured(
        camera_filepath=first.camera_filepath,
        filename=first.filename if image_b64 else None,
        mimetype=first.mimetype if image_b64 else None,
        image_b64=image_b64,
        files=files,
        timing=c.Timing(**asdict(shot.timing)),
        warnings=[*shot.warnings, *camera.status.warnings] or None,
        exposed_s=shot.exposed_s,
        shot=shot.number,
    )


def _with_picture(
    shot: Shot, picture: FetchedFile, camera: Session, taking: asyncio.Task[Taken]
) -> PictureReply[c.Captured]:
    """The answer with the picture, which can be sent before the rest of the reply is known."""
    mark = new_mark()

    async def rest() -> c.Captured:
        taken = await asyncio.shield(taking)
        assert isinstance(taken, Shot), "its picture was fetched"
        return _captured(taken, camera, mark)

    return PictureReply(_captured(shot, camera, mark), mark, picture, 0, picture.size, rest)


def _with(
    reply: c.Captured, file: CapturedFile, picture: FetchedFile | bytes | None
) -> c.Captured | PictureReply[c.Captured]:
    """The complete reply with the picture or the thumbnail of a file, if there is one."""
    if picture is None:
        return reply
    if isinstance(picture, bytes):
        return reply.model_copy(
            update={
                "filename": file.filename,
                "mimetype": "image/jpeg",
                "image_b64": b64encode(picture).decode(),
            }
        )
    mark = new_mark()
    named = {"filename": file.filename, "mimetype": file.mimetype, "image_b64": mark}
    return PictureReply(reply.model_copy(update=named), mark, picture, 0, picture.size)


def _unfinished(payload: c.CaptureImage, result: ShotResult) -> list[str]:
    """Warnings about requested work that was not done, unless the result already has warnings about it."""
    unsaved = [file.camera_filepath.rpartition("/")[2] for file in result.files if file.saved_path is None]
    if payload.save and len(unsaved) == len(result.files):
        return ["The picture was not saved. Save it with capture_image or download it."]
    if payload.save and unsaved and not result.warnings:
        return [f"{', '.join(unsaved)} was not saved, because the server was interrupted. Download it."]
    if not payload.keep_on_camera and not result.warnings and any(file.on_camera for file in result.files):
        return ["The picture was saved, but not deleted from the camera, because the server was interrupted."]
    return []


def _on_camera(file: RecordedFile) -> CapturedFile:
    return CapturedFile(file.camera_filepath, file.size, mimetype_of(file.camera_filepath))


def _shot_info(record: ShotRecord) -> c.ShotInfo:
    result = record.result
    message = result.message or (result.error and result.error.message)
    if not message:
        message = "Image captured successfully" if record.outcome == "done" else "The outcome is not known yet."
    return c.ShotInfo(
        shot=record.shot,
        key=record.key,
        port=record.port,
        asked_at=datetime.fromtimestamp(record.asked_at, UTC).isoformat(timespec="milliseconds"),
        state=record.state,
        outcome=record.outcome,
        files=[
            c.ShotFileInfo(camera_filepath=file.camera_filepath, size=file.size, saved_path=file.saved_path)
            for file in result.files
        ],
        settings=json.loads(record.request).get("settings", {}),
        message=message,
    )
