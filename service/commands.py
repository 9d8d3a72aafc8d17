"""The implementation of the commands. Each is a coroutine that gets a caller and a payload, and returns an answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar, get_args

from camera.errors import LiveViewNotRunning
from camera.orientation import AS_IS, Orientation
from camera.registry import Registry
from camera.session import Session
from protocol import catalogue
from protocol import commands as c
from protocol.base64 import b64encode
from protocol.catalogue import COMMANDS, Command
from protocol.envelope import PROTOCOL_VERSION
from protocol.errors import RequestError
from service.answers import Answer, FileTransfer, FrameStream, PictureReply, Replay, new_mark
from service.caller import Caller, Stream
from service.cameras import Cameras
from service.captures import Captures
from service.event_log import Position
from service.events import EventHub
from service.fire import Volleys
from service.focus import Focusing
from service.job_info import JobInfoCommand
from service.jobs.jobs import Jobs
from service.movies import MovieCommands
from service.orders import Orders
from service.records import Records
from service.slots import Slots
from service.tasks import Tasks
from store.shots import ShotStore

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
    """Connect a command with its handler. The type checker verifies that the payload and reply types match."""
    return command.name, handler


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What the server tells about itself.

    Attributes:
        version: its version.
        limits: the limits of the transport; "streams" is the highest number of streams per caller.
        sign: makes a ticket for an HTTP path that expires at a time in seconds since 1970.
    """

    version: str
    limits: Mapping[str, int | float]
    sign: Callable[[str, int], str]


class Service:
    """Runs commands on the cameras of a registry.

    Args:
        registry: the cameras.
        events: passes the events of cameras to callers.
        shots: the records of shots.
        live_view: defaults for live view.
        server: what the server tells about itself.

    Attributes:
        cameras: selects the camera for a command, and gives information about cameras.
        events, shots: see Args.
        version: the version of the server.
        stopping: whether new commands are rejected.
    """

    def __init__(
        self,
        registry: Registry,
        events: EventHub,
        shots: ShotStore,
        live_view: LiveViewDefaults,
        server: ServerFacts,
    ) -> None:
        self.cameras = Cameras(registry, server.version)
        self.events = events
        self.version = server.version
        self.limits = dict(server.limits)
        self._sign = server.sign
        self.stopping = False
        self._live_view = live_view
        self._tasks = Tasks()
        self.shots = shots
        orders, records = Orders(shots, self._tasks), Records(self.cameras, shots)
        slots = Slots()
        captures = Captures(self.cameras, shots, self._tasks, orders, records, slots)
        volleys = Volleys(self.cameras, self._tasks, orders, records, slots)
        self._jobs = Jobs(self.cameras, shots, records, events, slots)
        movies = MovieCommands(self.cameras, self._tasks, slots)
        focus = Focusing(self.cameras, live_view.orientation, slots)
        self.handlers: dict[str, Handler] = dict(
            (
                bind(catalogue.LIST_CAMERAS, self.list_cameras),
                bind(catalogue.SELECT_CAMERA, self.select_camera),
                bind(catalogue.CAPTURE_IMAGE, captures.capture_image),
                bind(catalogue.DOWNLOAD_LAST_IMAGE, self.download_last_image),
                bind(catalogue.GET_CONFIG, self.get_config),
                bind(catalogue.SET_CONFIG, self.set_config),
                bind(catalogue.CAPTURE_BURST, captures.capture_burst),
                bind(catalogue.STOP_EXPOSURE, captures.stop_exposure),
                bind(catalogue.START_MOVIE, movies.start_movie),
                bind(catalogue.STOP_MOVIE, movies.stop_movie),
                bind(catalogue.START_LIVE_VIEW, self.start_live_view),
                bind(catalogue.STOP_LIVE_VIEW, self.stop_live_view),
                bind(catalogue.CAPTURE_PREVIEW, self.capture_preview),
                bind(catalogue.DRIVE_FOCUS, focus.drive_focus),
                bind(catalogue.AUTOFOCUS, focus.autofocus),
                bind(catalogue.HALF_PRESS, focus.half_press),
                bind(catalogue.ZOOM_LIVE_VIEW, focus.zoom_live_view),
                bind(catalogue.FIRE, volleys.fire),
                bind(catalogue.GET_CAMERA_INFO, self.get_camera_info),
                bind(catalogue.RESTART_CAMERA, self.restart_camera),
                bind(catalogue.SYNC_CLOCK, self.sync_clock),
                bind(catalogue.SET_JOB_INFO, JobInfoCommand(self.cameras).set_job_info),
                bind(catalogue.LIST_FILES, self.list_files),
                bind(catalogue.GET_THUMBNAIL, self.get_thumbnail),
                bind(catalogue.DELETE_FILE, self.delete_file),
                bind(catalogue.START_JOB, self._jobs.start_job),
                bind(catalogue.LIST_JOBS, self._jobs.list_jobs),
                bind(catalogue.GET_JOB, self._jobs.get_job),
                bind(catalogue.PAUSE_JOB, self._jobs.pause_job),
                bind(catalogue.RESUME_JOB, self._jobs.resume_job),
                bind(catalogue.STOP_JOB, self._jobs.stop_job),
                bind(catalogue.LIST_SHOTS, captures.list_shots),
                bind(catalogue.GET_SHOT, captures.get_shot),
                bind(catalogue.SUBSCRIBE, self.subscribe),
                bind(catalogue.UNSUBSCRIBE, self.unsubscribe),
                bind(catalogue.CREATE_TICKET, self.create_ticket),
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
            RequestError, CameraError: the command was rejected or failed.
        """
        if self.stopping:  # a command that starts now could be interrupted, possibly during a shot
            raise RequestError("shutting_down", "The server is shutting down; nothing was done. Connect again later.")
        return await self.handlers[name](caller, payload)

    def start(self) -> None:
        """Start to look for cameras, and go on with the jobs of the last server."""
        self._tasks.start(self._open())
        self.cameras.registry.start()

    async def _open(self) -> None:
        await self.events.open()
        await self._jobs.go_on()

    async def drain(self, seconds: float) -> None:
        """Reject new commands, and wait for commands in progress, for at most `seconds`."""
        self.stopping = True
        self._jobs.hold()
        await self.cameras.registry.drain(seconds)

    async def stop(self) -> None:
        """Release the cameras, and cancel everything in progress."""
        await self._jobs.stop()
        await self.cameras.registry.stop()
        await self._tasks.stop()
        await self.events.close()

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
        # A restart is completed even if the caller disconnects.
        await asyncio.shield(self._tasks.start(_restart(camera)))
        return c.Done(message=f"Camera on port {camera.port} restarted")

    async def sync_clock(self, caller: Caller, payload: c.CameraPayload) -> c.ClockSynced:
        camera = await self._camera(caller, payload)
        trust = camera.clock_trust
        if trust == "wrong":
            now = datetime.now(UTC).isoformat(timespec="seconds")
            raise RequestError("clock_wrong", f"Nothing was done: the clock of the server shows {now}. Set it first.")
        clock = await camera.sync_clock()
        doubt = "The clock of the server is not synchronized with a time server, so it may be wrong."
        return c.ClockSynced(
            was_off_s=clock.was_off_s,
            set_to=datetime.fromtimestamp(clock.set_to, UTC).isoformat(),
            config_name=clock.config_name,
            warnings=None if trust == "synchronized" else [doubt],
        )

    # -- pictures

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
        mark = new_mark()
        return PictureReply(reply.model_copy(update={"image_b64": mark}), mark, file, start, end)

    async def capture_preview(self, caller: Caller, payload: c.CameraPayload) -> c.Preview:
        async with (await self._camera(caller, payload)).in_movie() as camera:
            frame = await camera.preview(self._live_view.orientation)
        return c.Preview(image_b64=b64encode(frame).decode())

    async def list_files(self, caller: Caller, payload: c.ListFiles) -> c.FileList:
        async with (await self._camera(caller, payload)).exclusive() as camera:
            content = await camera.list_files(payload.folder)
        page = content.files[payload.offset : payload.offset + payload.limit]
        return c.FileList(
            folder=payload.folder,
            folders=content.folders,
            files=[c.ImageFile.of(file) for file in page],
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
        async with (await self._camera(caller, payload)).in_movie() as camera:
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
        if payload.format == "photonic":  # its frames have no stream number, so allow one stream per camera and caller
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

    async def subscribe(self, caller: Caller, payload: c.Subscribe) -> c.Subscribed | Replay[c.Subscribed]:
        position = await self.events.position()
        caller.subscribed |= _named(payload)
        reply = c.Subscribed(events=sorted(caller.subscribed), epoch=position.epoch, seq=position.seq)
        if payload.since is None:
            return reply
        missed = await self.events.missed(caller, Position(payload.since.epoch, payload.since.seq))
        known = {"recovered": missed is not None, "missed": len(missed or ())}
        return Replay(reply.model_copy(update=known), missed or ())

    async def unsubscribe(self, caller: Caller, payload: c.Unsubscribe) -> c.Subscribed:
        position = await self.events.position()
        caller.subscribed -= _named(payload)
        return c.Subscribed(events=sorted(caller.subscribed), epoch=position.epoch, seq=position.seq)

    async def create_ticket(self, caller: Caller, payload: c.CreateTicket) -> c.Ticket:
        expires = int(time.time()) + payload.ttl_s
        ticket = self._sign(payload.path, expires)
        shown = datetime.fromtimestamp(expires, UTC).isoformat(timespec="milliseconds")
        return c.Ticket(ticket=ticket, url=f"{payload.path}?ticket={ticket}", expires_at=shown)

    async def server_info(self, caller: Caller, payload: c.Payload) -> c.ServerInfo:
        position = await self.events.position()
        return c.ServerInfo(
            server="gphoto-ws-server",
            version=self.version,
            protocol=PROTOCOL_VERSION,
            libgphoto2=await self.cameras.registry.library(),
            uptime=self.cameras.uptime,
            time=datetime.now(UTC).isoformat(timespec="milliseconds"),
            limits=self.limits,
            epoch=position.epoch,
            seq=position.seq,
            hook=self.events.outgoing.hook(),
            webhooks=await self.events.outgoing.webhook_list(),
        )

    async def list_commands(self, caller: Caller, payload: c.Payload) -> c.CommandList:
        return c.CommandList(commands=_descriptions())

    async def ping(self, caller: Caller, payload: c.Payload) -> c.Pong:
        return c.Pong()


async def _restart(camera: Session) -> None:
    async with camera.exclusive() as remote:
        await remote.renew()


@cache
def _descriptions() -> list[c.CommandDescription]:
    return [command.description() for command in COMMANDS.values()]


def _started(stream: Stream) -> c.LiveViewStarted:
    return c.LiveViewStarted(
        stream=stream.number,
        fps=stream.fps,
        format=stream.format,
        rotation=stream.orientation.rotation,
        flip=stream.orientation.flip,
        port=stream.camera.port,
    )


def _named(payload: c.Unsubscribe) -> set[c.EventName]:
    return set(_EVENTS) if "*" in payload.events else {name for name in _EVENTS if name in payload.events}
