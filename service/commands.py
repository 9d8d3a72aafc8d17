"""The implementation of the commands. Each is a coroutine from caller and payload to an answer."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar, get_args

from camera.errors import CAPTURE_UNKNOWN, CameraError, CaptureUnknown, FileNotFound, LiveViewNotRunning
from camera.model import CapturedFile, mimetype_of
from camera.orientation import AS_IS, Orientation
from camera.photos.capture import CaptureRequest, Shot
from camera.photos.downloads import FetchedFile, in_ram
from camera.photos.journal import Order
from camera.registry import Registry
from camera.remote import decode_error
from camera.session import Session
from protocol import catalogue
from protocol import commands as c
from protocol.base64 import b64encode
from protocol.catalogue import COMMANDS, Command
from protocol.envelope import PROTOCOL_VERSION
from protocol.errors import RequestError
from service.answers import Answer, FileTransfer, FrameStream, PictureReply
from service.caller import Caller, Stream
from service.cameras import Cameras
from service.events import EventHub
from service.orders import Orders, text_of
from store.shots import ShotRecord, ShotStore

_PIECE_BYTES = 128 * 1024
_EVENTS: tuple[c.EventName, ...] = get_args(c.EventName)

PayloadT = TypeVar("PayloadT", bound=c.Payload)
ReplyT = TypeVar("ReplyT", bound=c.Reply)
Handler = Callable[[Caller, Any], Awaitable[Answer[Any]]]


@dataclass(frozen=True, slots=True)
class LiveViewDefaults:
    """Defaults for live view: frames per second, and orientation."""

    fps: float = 30.0
    orientation: Orientation = AS_IS


def bind(
    command: Command[PayloadT, ReplyT], handler: Callable[[Caller, PayloadT], Awaitable[Answer[ReplyT]]]
) -> tuple[str, Handler]:
    """Connect a command with its handler; the types must match."""
    return command.name, handler


class Service:
    """Runs commands on the cameras of a registry.

    Args:
        registry: the cameras.
        events: passes the events of cameras to callers.
        shots: the records of shots.
        live_view: defaults for live view.
        version: of the server.
        limits: of the transport, for server_info; "streams" is the highest number of streams per caller.

    Attributes:
        cameras: selection of and information about cameras.
        events, shots: see above.
        version: of the server.
        stopping: whether new commands are rejected.
    """

    def __init__(
        self,
        registry: Registry,
        events: EventHub,
        shots: ShotStore,
        live_view: LiveViewDefaults,
        version: str,
        limits: Mapping[str, int | float],
    ) -> None:
        self.cameras = Cameras(registry, version)
        self.events = events
        self.version = version
        self.limits = dict(limits)
        self.stopping = False
        self._live_view = live_view
        self._running: set[asyncio.Task[Any]] = set()
        self.shots = shots
        self._orders = Orders(shots, self._start)
        self._started_at = time.time()
        self.handlers: dict[str, Handler] = dict(
            (
                bind(catalogue.LIST_CAMERAS, self.list_cameras),
                bind(catalogue.SELECT_CAMERA, self.select_camera),
                bind(catalogue.CAPTURE_IMAGE, self.capture_image),
                bind(catalogue.DOWNLOAD_LAST_IMAGE, self.download_last_image),
                bind(catalogue.GET_CONFIG, self.get_config),
                bind(catalogue.SET_CONFIG, self.set_config),
                bind(catalogue.START_LIVE_VIEW, self.start_live_view),
                bind(catalogue.STOP_LIVE_VIEW, self.stop_live_view),
                bind(catalogue.CAPTURE_PREVIEW, self.capture_preview),
                bind(catalogue.GET_CAMERA_INFO, self.get_camera_info),
                bind(catalogue.RESTART_CAMERA, self.restart_camera),
                bind(catalogue.LIST_FILES, self.list_files),
                bind(catalogue.GET_THUMBNAIL, self.get_thumbnail),
                bind(catalogue.DELETE_FILE, self.delete_file),
                bind(catalogue.LIST_SHOTS, self.list_shots),
                bind(catalogue.GET_SHOT, self.get_shot),
                bind(catalogue.SUBSCRIBE, self.subscribe),
                bind(catalogue.UNSUBSCRIBE, self.unsubscribe),
                bind(catalogue.SERVER_INFO, self.server_info),
                bind(catalogue.LIST_COMMANDS, self.list_commands),
                bind(catalogue.PING, self.ping),
            )
        )

    # -- for transports

    async def ask(self, caller: Caller, name: str, payload: c.Payload) -> Answer[Any]:
        """Run a command.

        Args:
            caller: the caller.
            name: the name of the command.
            payload: from `Command.validate`.

        Raises:
            RequestError, CameraError: the command was not done, or failed.
        """
        if self.stopping:  # it could be interrupted, possibly during a shot
            raise RequestError("shutting_down", "The server is shutting down; nothing was done. Connect again later.")
        return await self.handlers[name](caller, payload)

    def start(self) -> None:
        """Start to look for cameras."""
        self.cameras.registry.start()

    async def drain(self, seconds: float) -> None:
        """Reject new commands, and wait up to this many seconds for those in progress."""
        self.stopping = True
        await self.cameras.registry.drain(seconds)

    async def stop(self) -> None:
        """Release the cameras, and cancel everything in progress."""
        await self.cameras.registry.stop()
        for task in tuple(self._running):
            task.cancel()
            await asyncio.wait((task,))

    async def _camera(self, caller: Caller, payload: c.CameraPayload) -> Session:
        return await self.cameras.chosen(payload.port, caller.selected)

    # -- cameras

    async def list_cameras(self, caller: Caller, payload: c.Payload) -> c.CameraList:
        return await self.cameras.listed()

    async def select_camera(self, caller: Caller, payload: c.SelectCamera) -> c.Done:
        camera = await self.cameras.registry.by_port(payload.port)
        await camera.reconnect.process()
        caller.selected = camera
        return c.Done(message=f"Camera on port {camera.port} selected")

    async def get_camera_info(self, caller: Caller, payload: c.CameraPayload) -> c.CameraDetails:
        return await self.cameras.details(await self._camera(caller, payload))

    async def restart_camera(self, caller: Caller, payload: c.CameraPayload) -> c.Done:
        camera = await self._camera(caller, payload)
        # A restart is finished even if the caller disconnects.
        await asyncio.shield(self._start(_restart(camera)))
        return c.Done(message=f"Camera on port {camera.port} restarted")

    # -- pictures

    async def capture_image(self, caller: Caller, payload: c.CaptureImage) -> c.Captured | PictureReply[c.Captured]:
        text = text_of(payload)
        try:
            camera = await self._camera(caller, payload)
        except (CameraError, RequestError):  # the outcome of an earlier request is known without the camera
            record = await self._orders.earlier(payload.key, text) if payload.key is not None else None
            if record is None:
                raise
            return await self._repeated(payload, record)
        request = CaptureRequest(
            settings=payload.settings,
            download=payload.download,
            save=payload.save,
            filename=payload.filename,
            keep_on_camera=payload.keep_on_camera,
            order=Order(payload.key, text),
            wanted=lambda: payload.key is not None or not caller.left,
        )
        fetched: asyncio.Future[tuple[Shot, FetchedFile]] = asyncio.get_running_loop().create_future()

        async def capture() -> Shot:
            return await camera.photos.capture(request, lambda *seen: fetched.set_result(seen))

        if payload.key is None:
            taking, joined = self._start(capture()), False
        else:
            taking, joined = self._orders.take(payload.key, text, capture)
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

    async def _repeated(self, payload: c.CaptureImage, record: ShotRecord) -> c.Captured | PictureReply[c.Captured]:
        """The answer to a capture whose key an earlier capture had, from the record of that.

        Raises:
            CameraError: that of the earlier capture.
        """
        if record.outcome is None:
            with suppress(CameraError):
                await (await self.cameras.registry.by_port(record.port)).photos.settle()
            record = await self.shots.get(record.shot) or record
        result = record.result
        if "error" in result:
            error = decode_error(result["error"])
            again = " This is the outcome of an earlier request with the same key. To try again, use a new key."
            raise replace(error, message=f"{error.message}{again}")
        if record.outcome != "done":
            raise CaptureUnknown(result.get("message") or CAPTURE_UNKNOWN)
        files = [
            c.ImageFile(
                camera_filepath=file["camera_filepath"],
                filename=file["camera_filepath"].rpartition("/")[2],
                mimetype=mimetype_of(file["camera_filepath"]),
                size=file.get("size"),
                saved_path=file.get("saved_path"),
            )
            for file in result["files"]
        ]
        warnings = list(result.get("warnings", ()))
        if payload.save and not any(file.saved_path for file in files):
            warnings.append("The picture was not saved. Save it with capture_image or download it.")
        path = files[0].camera_filepath
        picture: FetchedFile | bytes | None = None
        try:
            picture = await self._earlier_picture(payload.download, record, files[0])
        except CameraError as error:
            warnings.append(f"The picture of the earlier request cannot be read any more: {error}")
        reply = c.Captured(
            camera_filepath=path,
            files=files,
            timing=c.Timing(**result["timing"]) if "timing" in result else None,
            warnings=warnings or None,
            shot=record.shot,
            repeated=True,
        )
        return _with(reply, CapturedFile(path, files[0].size, files[0].mimetype), picture)

    async def _earlier_picture(
        self, download: c.PictureInReply, record: ShotRecord, file: c.ImageFile
    ) -> FetchedFile | bytes | None:
        """The picture or the thumbnail of a recorded shot, from its own camera. Raises CameraError."""
        if download == "none":
            return None
        path = file.camera_filepath
        # A name in the camera's RAM is used again after a restart.
        renamed = in_ram(path) and record.asked_at < self._started_at
        if renamed or not record.result["files"][0].get("on_camera", True):
            where = f" It was saved as {file.saved_path}." if file.saved_path else ""
            raise FileNotFound(f"It is no longer on the camera.{where}")
        # The request may come from a client that has selected another camera meanwhile.
        camera = await self.cameras.registry.by_port(record.port)
        if download == "thumbnail":
            return await camera.photos.thumbnail(path)
        picture = await camera.photos.fetch(path)
        if file.size not in (None, picture.size):
            raise FileNotFound("There is another file with its name on the card.")
        return picture

    async def list_shots(self, caller: Caller, payload: c.ListShots) -> c.ShotList:
        since = 0.0 if payload.since is None else datetime.fromisoformat(payload.since).timestamp()
        return c.ShotList(shots=[_shot_info(record) for record in await self.shots.last(payload.limit, since)])

    async def get_shot(self, caller: Caller, payload: c.GetShot) -> c.ShotReply:
        record = await self.shots.get(payload.shot)
        if record is None:
            raise RequestError("shot_not_found", f"There is no record of shot {payload.shot}.", shot=payload.shot)
        return c.ShotReply(**_shot_info(record).model_dump())

    async def download_last_image(
        self, caller: Caller, payload: c.DownloadLastImage
    ) -> PictureReply[c.Downloaded] | FileTransfer[c.Downloaded]:
        camera = await self._camera(caller, payload)
        start = payload.offset or 0
        whole = payload.offset is None and payload.length is None
        file = await camera.photos.fetch(payload.camera_filepath, digest=whole and payload.transfer == "binary")
        if start > file.size:
            raise RequestError(
                "invalid_payload", f"offset {start} is beyond the end of the file ({file.size} bytes).", size=file.size
            )
        end = file.size if payload.length is None else min(file.size, start + payload.length)
        reply = c.Downloaded(
            filename=file.filename,
            mimetype=file.mimetype,
            camera_filepath=file.path,
            size=file.size,
            offset=None if whole else start,
            length=None if whole else end - start,
            eof=None if whole else end == file.size,
        )
        if payload.transfer == "binary":
            return FileTransfer(reply, file, start, end, _PIECE_BYTES)
        mark = _mark()
        return PictureReply(reply.model_copy(update={"image_b64": mark}), mark, file, start, end)

    async def capture_preview(self, caller: Caller, payload: c.CameraPayload) -> c.Preview:
        async with (await self._camera(caller, payload)).exclusive() as camera:
            frame = await camera.preview(self._live_view.orientation)
        return c.Preview(image_b64=b64encode(frame).decode())

    async def list_files(self, caller: Caller, payload: c.ListFiles) -> c.FileList:
        async with (await self._camera(caller, payload)).exclusive() as camera:
            content = await camera.list_files(payload.folder)
        page = content.files[payload.offset : payload.offset + payload.limit]
        return c.FileList(
            folder=payload.folder,
            folders=content.folders,
            files=[_file(file) for file in page],
            total=len(content.files),
        )

    async def get_thumbnail(self, caller: Caller, payload: c.OneFile) -> c.Thumbnail:
        data = await (await self._camera(caller, payload)).photos.thumbnail(payload.camera_filepath)
        name = payload.camera_filepath.rpartition("/")[2]
        return c.Thumbnail(filename=name, image_b64=b64encode(data).decode())

    async def delete_file(self, caller: Caller, payload: c.OneFile) -> c.Done:
        await (await self._camera(caller, payload)).photos.delete(payload.camera_filepath)
        return c.Done(message=f"{payload.camera_filepath} deleted")

    # -- settings

    async def get_config(self, caller: Caller, payload: c.GetConfig) -> c.ConfigReply | c.ConfigTree:
        async with (await self._camera(caller, payload)).exclusive() as camera:
            if payload.name is None:
                return c.ConfigTree(configs=[c.Config.of(item) for item in await camera.get_all_config()])
            return c.ConfigReply.reply(await camera.get_config(payload.name))

    async def set_config(self, caller: Caller, payload: c.SetConfig) -> c.ConfigReply:
        item = await (await self._camera(caller, payload)).set_config(payload.name, payload.value)
        return c.ConfigReply.reply(item, message=f"Config {item.name} set to {item.value}")

    # -- live view

    async def start_live_view(self, caller: Caller, payload: c.StartLiveView) -> c.LiveViewStarted | FrameStream:
        camera = await self._camera(caller, payload)
        usual = self._live_view.orientation
        wanted = Stream(
            number=0,
            camera=camera,
            fps=payload.fps or self._live_view.fps,
            orientation=Orientation(
                usual.rotation if payload.rotation is None else payload.rotation,
                usual.flip if payload.flip is None else payload.flip,
            ),
            format=payload.format,
            max_in_flight=payload.max_in_flight,
        )
        if payload.format == "photonic":  # no stream number in its frames: one per camera and caller
            for stream in tuple(caller.streams.values()):
                if stream.camera is camera and stream.format == "photonic":
                    if (stream.fps, stream.orientation) == (wanted.fps, wanted.orientation):
                        return _started(stream)
                    caller.end(stream)
                    break
        wanted.number = caller.free_number(int(self.limits["streams"]))
        caller.streams[wanted.number] = wanted
        return FrameStream(_started(wanted), wanted)

    async def stop_live_view(self, caller: Caller, payload: c.StopLiveView) -> c.LiveViewStopped:
        streams = caller.streams
        if payload.stream is not None:
            chosen = [streams[payload.stream]] if payload.stream in streams else []
        elif payload.port is None and caller.selected is None:
            chosen = list(streams.values())
        else:
            camera = await self._camera(caller, payload)
            chosen = [stream for stream in streams.values() if stream.camera is camera]
        if not chosen:
            raise LiveViewNotRunning(
                "There is no such live-view stream on this connection. Send start_live_view first."
            )
        counts = [caller.end(stream) for stream in chosen]
        return c.LiveViewStopped(sent=sum(sent for sent, _ in counts), dropped=sum(dropped for _, dropped in counts))

    # -- events and the server

    async def subscribe(self, caller: Caller, payload: c.Subscribe) -> c.Subscribed:
        caller.subscribed |= _named(payload)
        return c.Subscribed(events=sorted(caller.subscribed))

    async def unsubscribe(self, caller: Caller, payload: c.Subscribe) -> c.Subscribed:
        caller.subscribed -= _named(payload)
        return c.Subscribed(events=sorted(caller.subscribed))

    async def server_info(self, caller: Caller, payload: c.Payload) -> c.ServerInfo:
        return c.ServerInfo(
            server="gphoto-ws-server",
            version=self.version,
            protocol=PROTOCOL_VERSION,
            libgphoto2=await self.cameras.registry.library(),
            uptime=self.cameras.uptime,
            time=datetime.now(UTC).isoformat(timespec="milliseconds"),
            limits=self.limits,
        )

    async def list_commands(self, caller: Caller, payload: c.Payload) -> c.CommandList:
        return c.CommandList(commands=_descriptions())

    async def ping(self, caller: Caller, payload: c.Payload) -> c.Pong:
        return c.Pong()

    def _start(self, work: Any) -> asyncio.Task[Any]:
        """Run a task that must not end with its caller."""
        task: asyncio.Task[Any] = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # marks the exception as retrieved
        return task


async def _restart(camera: Session) -> None:
    async with camera.exclusive() as remote:
        await remote.renew()


@cache
def _descriptions() -> list[c.CommandDescription]:
    return [command.description() for command in COMMANDS.values()]


def _mark() -> str:
    """Random, so that no text from a camera or client can be equal to it."""
    return f"picture-{secrets.token_hex(16)}"


def _captured(shot: Shot, camera: Session, image_b64: str | None) -> c.Captured:
    files = [_file(one.file, one.saved_path) for one in shot.files]
    first = files[0]
    return c.Captured(
        camera_filepath=first.camera_filepath,
        filename=first.filename if image_b64 else None,
        mimetype=first.mimetype if image_b64 else None,
        image_b64=image_b64,
        files=files,
        timing=c.Timing(**shot.timing),
        warnings=[*shot.warnings, *camera.status.warnings] or None,
        shot=shot.number,
    )


def _with_picture(
    shot: Shot, picture: FetchedFile, camera: Session, taking: asyncio.Task[Any]
) -> PictureReply[c.Captured]:
    """The answer with a picture, before the rest of the reply is known."""
    mark = _mark()

    async def rest() -> c.Captured:
        return _captured(await asyncio.shield(taking), camera, mark)

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
    mark = _mark()
    named = {"filename": file.filename, "mimetype": file.mimetype, "image_b64": mark}
    return PictureReply(reply.model_copy(update=named), mark, picture, 0, picture.size)


def _shot_info(record: ShotRecord) -> c.ShotInfo:
    result = record.result
    message = result.get("message") or result.get("error", {}).get("message")
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
            c.ShotFileInfo(**{key: file.get(key) for key in c.ShotFileInfo.model_fields})
            for file in result.get("files", ())
        ],
        settings=json.loads(record.request).get("settings", {}),
        message=message,
    )


def _file(file: CapturedFile, saved_path: str | None = None) -> c.ImageFile:
    return c.ImageFile(
        camera_filepath=file.path,
        filename=file.filename,
        mimetype=file.mimetype,
        size=file.size,
        saved_path=saved_path,
    )


def _started(stream: Stream) -> c.LiveViewStarted:
    return c.LiveViewStarted(
        stream=stream.number,
        fps=stream.fps,
        format=stream.format,
        rotation=stream.orientation.rotation,
        flip=stream.orientation.flip,
        port=stream.camera.port,
    )


def _named(payload: c.Subscribe) -> set[c.EventName]:
    return set(_EVENTS) if "*" in payload.events else {name for name in _EVENTS if name in payload.events}
