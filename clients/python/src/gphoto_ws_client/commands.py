"""All commands of the server as methods. Arguments that are None are not sent, so the server uses its defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Unpack
from uuid import uuid4

from gphoto_ws_client.connection import Connection
from gphoto_ws_client.decode import decode
from gphoto_ws_client.events import EventName
from gphoto_ws_client.live_view import LiveView, live_view_payload
from gphoto_ws_client.options import CaptureOptions, FireOptions, JobInfoOptions, JobOptions, check_names
from gphoto_ws_client.replies import (
    BurstCaptured,
    CameraDetails,
    CameraList,
    CamerasFired,
    Captured,
    ClockSynced,
    CommandList,
    Config,
    ConfigTree,
    Done,
    Downloaded,
    ExposureStopped,
    FileList,
    FocusDriven,
    Focused,
    JobInfo,
    JobKind,
    JobList,
    JobReply,
    LiveViewStopped,
    LiveViewZoomed,
    MovieInfo,
    MovieStopped,
    Pong,
    Preview,
    ServerInfo,
    Shot,
    ShotList,
    Since,
    Subscribed,
    Thumbnail,
    Ticket,
    Value,
)
from gphoto_ws_client.transfer import fetch

R = TypeVar("R")

Rotation = Literal[0, 90, 180, 270]
FocusSize = Literal["small", "medium", "large"]


class Commands:
    """The commands. They raise ServerError for an error reply, and ConnectionFailed without a connection.

    `port` is the port of the camera; without it, the selected camera is used. If only one camera is connected, no
    selection is needed. If the connection is lost during set_config, delete_file, restart_camera, stop_exposure,
    start_movie, stop_movie, stop_live_view, drive_focus, autofocus or half_press, the command raises ConnectionLost.
    All others are sent again: the keys of capture_image, capture_burst and fire prevent a second picture.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._views: set[LiveView] = set()

    async def list_cameras(self) -> CameraList:
        """All present cameras."""
        return await self._ask(CameraList, "list_cameras", for_camera=False)

    async def select_camera(self, port: str) -> Done:
        """Select the camera for commands without a port. The selection is restored after a reconnect."""
        done = await self._ask(Done, "select_camera", for_camera=False, port=port)
        self._connection.selected = port
        return done

    async def capture_image(self, **options: Unpack[CaptureOptions]) -> Captured:
        """Take one picture. After a loss of the connection, the same request is sent again, with the same key.

        If the first request arrived, the server returns its outcome and takes no second picture.

        Args:
            **options: see `CaptureOptions`.

        Raises:
            CaptureUnknown: the shutter may have fired, but no file was found.
            ServerError: the shutter did not fire.
        """
        check_names("capture_image", options, CaptureOptions.__optional_keys__)
        payload: dict[str, Any] = {**options, "key": options.get("key") or uuid4().hex}
        if (settings := options.get("settings")) is not None:
            payload["settings"] = dict(settings)
        return await self._ask(Captured, "capture_image", **payload)

    async def capture_burst(
        self,
        *,
        frames: int | None = None,
        hold_ms: int | None = None,
        settings: Mapping[str, Value] | None = None,
        save: bool | None = None,
        key: str | None = None,
        force: bool | None = None,
        port: str | None = None,
    ) -> BurstCaptured:
        """Take several pictures in a row. After a loss of the connection, this is like capture_image.

        Args:
            frames: number of pictures, 2 to 100. The camera may take more until its button is released.
            hold_ms: how long the shutter button is held, 50 to 10000 ms. Either `frames` or `hold_ms`.
            settings: settings for this burst; the server restores their previous values afterwards.
            save: save every file of all pictures to the photo folder of the server.
            key: a text that is unique for this burst; None for a new one.
            force: take them also if the next picture of a job is late then.
            port: the port of the camera; None for the selected camera.

        Raises:
            CaptureUnknown: the shutter may have fired: no file was found, the connection was lost, or there was no reply.
            ServerError: the shutter did not fire.
        """
        chosen = None if settings is None else dict(settings)
        length = {"frames": frames, "hold_ms": hold_ms}
        payload: dict[str, Any] = {**length, "settings": chosen, "save": save, "key": key or uuid4().hex}
        return await self._ask(BurstCaptured, "capture_burst", force=force, port=port, **payload)

    async def start_job(self, kind: JobKind, **options: Unpack[JobOptions]) -> JobReply:
        """Start a job. The server takes the pictures by itself; receive `job_shot` events with `Client.events`.

        Args:
            kind: "timelapse", "bracket" or "focus_stack".
            **options: see `JobOptions`.
        """
        check_names("start_job", options, JobOptions.__optional_keys__)
        payload: dict[str, Any] = {**options, "key": options.get("key") or uuid4().hex}
        if (settings := options.get("settings")) is not None:
            payload["settings"] = dict(settings)
        if (ev := options.get("ev")) is not None:
            payload["ev"] = list(ev)
        if (ramp := options.get("ramp")) is not None:
            payload["ramp"] = {**ramp, "order": list(ramp["order"])} if "order" in ramp else dict(ramp)
        return await self._ask(JobReply, "start_job", kind=kind, **payload)

    async def list_jobs(self, *, limit: int | None = None) -> JobList:
        """The last jobs, newest first."""
        return await self._ask(JobList, "list_jobs", for_camera=False, limit=limit)

    async def get_job(self, job: int) -> JobReply:
        """One job, by its number."""
        return await self._ask(JobReply, "get_job", for_camera=False, job=job)

    async def pause_job(self, job: int) -> JobReply:
        """Pause a job. The slots that pass in the meantime are skipped."""
        return await self._ask(JobReply, "pause_job", for_camera=False, job=job)

    async def resume_job(self, job: int) -> JobReply:
        """Go on with a paused job."""
        return await self._ask(JobReply, "resume_job", for_camera=False, job=job)

    async def stop_job(self, job: int) -> JobReply:
        """End a job. A shot in progress is completed."""
        return await self._ask(JobReply, "stop_job", for_camera=False, job=job)

    async def list_shots(self, *, limit: int | None = None, since: str | None = None) -> ShotList:
        """The last shots of all cameras with their outcomes; `since` is a time in ISO 8601 with Z or an offset."""
        return await self._ask(ShotList, "list_shots", for_camera=False, limit=limit, since=since)

    async def get_shot(self, shot: int) -> Shot:
        """One shot with its outcome, by its number."""
        return await self._ask(Shot, "get_shot", for_camera=False, shot=shot)

    async def download_last_image(
        self,
        camera_filepath: str | None = None,
        *,
        offset: int | None = None,
        length: int | None = None,
        port: str | None = None,
    ) -> Downloaded:
        """Download a file from the camera into memory; without a path, the last picture.

        Args:
            camera_filepath: path of the file on the camera.
            offset, length: position and length of the requested part of the file, in bytes. None: the whole file.
            port: the port of the camera; None for the selected camera.
        """
        payload = {"camera_filepath": camera_filepath, "offset": offset, "length": length, "port": port}
        return await fetch(self._connection, _given(payload))

    async def get_config(self, name: str, *, port: str | None = None) -> Config:
        """One setting, by its name or path."""
        return await self._ask(Config, "get_config", name=name, port=port)

    async def get_all_config(self, *, port: str | None = None) -> ConfigTree:
        """All settings with their paths. Takes a second or more with a real camera."""
        return await self._ask(ConfigTree, "get_config", port=port)

    async def set_config(self, name: str, value: Value, *, port: str | None = None) -> Config:
        """Change a setting, and return the setting as the camera reports it after the change.

        The command is never sent twice, because some settings release the shutter.
        """
        return await self._do(Config, "set_config", name=name, value=value, port=port)

    async def stop_exposure(self, *, keep: bool | None = None, port: str | None = None) -> ExposureStopped:
        """End a bulb exposure early; returns when the shutter has closed. With `keep` False, the picture is deleted."""
        return await self._do(ExposureStopped, "stop_exposure", keep=keep, port=port)

    async def start_movie(
        self, *, max_s: float | None = None, force: bool | None = None, port: str | None = None
    ) -> MovieInfo:
        """Start a movie of `max_s` seconds at most (1 to 36000, by default 1800). It goes on if this client disconnects.

        Raises:
            CameraError: the camera cannot record now (code movie_unavailable), or is busy.
            DataError: the card is full.
        """
        return await self._do(MovieInfo, "start_movie", max_s=max_s, force=force, port=port)

    async def stop_movie(self, *, port: str | None = None) -> MovieStopped:
        """Stop the movie; returns when the camera has written its file, or after 30 s without it."""
        return await self._do(MovieStopped, "stop_movie", port=port)

    async def start_live_view(
        self,
        *,
        fps: float | None = None,
        rotation: Rotation | None = None,
        flip: bool | None = None,
        max_in_flight: int | None = 2,
        port: str | None = None,
    ) -> LiveView:
        """Start live view and return the running `LiveView`. Use `live_view` to also stop it at the end of a block."""
        view = self.live_view(fps=fps, rotation=rotation, flip=flip, max_in_flight=max_in_flight, port=port)
        await view.start()
        return view

    def live_view(
        self,
        *,
        fps: float | None = None,
        rotation: Rotation | None = None,
        flip: bool | None = None,
        max_in_flight: int | None = 2,
        port: str | None = None,
    ) -> LiveView:
        """Live view of a camera, within an `async with` block.

        Args:
            fps: highest frame rate in frames per second, 0.1 to 120.
            rotation: degrees clockwise.
            flip: mirror left and right.
            max_in_flight: highest number of unacknowledged frames, 1 to 64. None means no limit: the network may then
                buffer many frames.
            port: the port of the camera; None for the selected camera.
        """
        view = LiveView(
            self._connection,
            live_view_payload(fps=fps, rotation=rotation, flip=flip, max_in_flight=max_in_flight, port=port),
            self._views,
        )
        return view

    async def stop_live_view(self, *, stream: int | None = None, port: str | None = None) -> LiveViewStopped:
        """Stop one stream by its number, or all streams of the camera on this connection."""
        views = [view for view in self._views if self._is_meant(view, stream, port)]
        stopped = await self._do(LiveViewStopped, "stop_live_view", stream=stream, port=port)
        for view in views:
            view.over()
        return stopped

    async def capture_preview(self, *, port: str | None = None) -> Preview:
        """One live-view frame."""
        return await self._ask(Preview, "capture_preview", port=port)

    async def drive_focus(self, steps: int, *, size: FocusSize | None = None, port: str | None = None) -> FocusDriven:
        """Move the focus by -100 to 100 steps; positive steps are towards far. Canon and Nikon need live view for it.

        Raises:
            CameraError: live view is needed (code live_view_needed), or the camera cannot do it.
        """
        return await self._do(FocusDriven, "drive_focus", steps=steps, size=size, port=port)

    async def autofocus(self, *, x: float | None = None, y: float | None = None, port: str | None = None) -> Focused:
        """Focus now.

        Args:
            x, y: where to focus, as fractions of the picture of this client's live view (0 to 1, from the left and from
                the top). It needs live view. None: where the camera is set to focus.
            port: the port of the camera; None for the selected camera.
        """
        return await self._do(Focused, "autofocus", x=x, y=y, port=port)

    async def half_press(self, hold_ms: int, *, force: bool | None = None, port: str | None = None) -> Done:
        """Hold the shutter button half pressed for 100 to 5000 milliseconds."""
        return await self._do(Done, "half_press", hold_ms=hold_ms, force=force, port=port)

    async def zoom_live_view(
        self, factor: float, *, x: float | None = None, y: float | None = None, port: str | None = None
    ) -> LiveViewZoomed:
        """Magnify live view at least by `factor`, if the camera can; 1 shows the whole picture.

        Args:
            factor: the magnification, 1 to 100.
            x, y: the centre of the magnified part, as fractions of the whole picture as this client sees it (0 to 1).
            port: the port of the camera; None for the selected camera.
        """
        return await self._ask(LiveViewZoomed, "zoom_live_view", factor=factor, x=x, y=y, port=port)

    async def fire(self, **options: Unpack[FireOptions]) -> CamerasFired:
        """Release several cameras at one deadline. Without focus, unless `prepare` is "half_press".

        After a loss of the connection, the same request is sent again, with the same key, as for capture_image. A camera
        that fails is an entry with status "error" in the reply, and raises nothing.

        Args:
            **options: see `FireOptions`.

        Raises:
            CaptureUnknown: there was no reply, so the shutters may have fired.
            ServerError: the request is not possible, and no camera was released.
        """
        check_names("fire", options, FireOptions.__optional_keys__)
        payload: dict[str, Any] = {**options, "key": options.get("key") or uuid4().hex}
        if (ports := options.get("ports")) is not None:
            payload["ports"] = list(ports)
        for name in ("settings", "offsets_ms"):
            if payload.get(name) is not None:
                payload[name] = dict(payload[name])
        return await self._ask(CamerasFired, "fire", for_camera=False, **payload)

    async def get_camera_info(self, *, port: str | None = None) -> CameraDetails:
        """Identity and state of the camera."""
        return await self._ask(CameraDetails, "get_camera_info", port=port)

    async def restart_camera(self, *, port: str | None = None) -> Done:
        """Close the camera and open it again."""
        return await self._do(Done, "restart_camera", port=port)

    async def sync_clock(self, *, port: str | None = None) -> ClockSynced:
        """Set the camera's clock to the time of the server."""
        return await self._ask(ClockSynced, "sync_clock", port=port)

    async def set_job_info(self, **words: Unpack[JobInfoOptions]) -> JobInfo:
        """Set words for the next pictures. Without any, return the current ones.

        Args:
            **words: see `JobInfoOptions`.
        """
        check_names("set_job_info", words, JobInfoOptions.__optional_keys__)
        return await self._ask(JobInfo, "set_job_info", for_camera=False, **words)

    async def list_files(
        self, folder: str = "/", *, offset: int | None = None, limit: int | None = None, port: str | None = None
    ) -> FileList:
        """The subfolders of a folder on the camera, and a page of its files. `limit` is 1 to 1000, by default 200."""
        return await self._ask(FileList, "list_files", folder=folder, offset=offset, limit=limit, port=port)

    async def get_thumbnail(self, camera_filepath: str, *, port: str | None = None) -> Thumbnail:
        """The camera's thumbnail of a file."""
        return await self._ask(Thumbnail, "get_thumbnail", camera_filepath=camera_filepath, port=port)

    async def delete_file(self, camera_filepath: str, *, port: str | None = None) -> Done:
        """Delete a file from the camera."""
        return await self._do(Done, "delete_file", camera_filepath=camera_filepath, port=port)

    async def subscribe(self, events: list[EventName | Literal["*"]], *, since: Since | None = None) -> Subscribed:
        """Subscribe to events; receive them with `Client.events`. The subscription is restored after a reconnect.

        `since`: the subscribed events that happened after this place follow first; see `Client.place`.
        """
        place = None if since is None else {"epoch": since.epoch, "seq": since.seq}
        subscribed = await self._ask(Subscribed, "subscribe", for_camera=False, events=events, since=place)
        self._connection.subscribed = set(subscribed.events)
        self._connection.position.subscribed(subscribed, since)
        return subscribed

    async def unsubscribe(self, events: list[EventName | Literal["*"]]) -> Subscribed:
        """End the subscription to these events."""
        subscribed = await self._ask(Subscribed, "unsubscribe", for_camera=False, events=events)
        self._connection.subscribed = set(subscribed.events)
        self._connection.position.subscribed(subscribed)
        return subscribed

    async def create_ticket(self, path: str, ttl_s: int = 300) -> Ticket:
        """A ticket for one HTTP page, for example /stream.mjpg, so that an image can use it without the token."""
        return await self._ask(Ticket, "create_ticket", for_camera=False, path=path, ttl_s=ttl_s)

    async def server_info(self) -> ServerInfo:
        """Versions and limits of the server."""
        return await self._ask(ServerInfo, "server_info", for_camera=False)

    async def list_commands(self) -> CommandList:
        """Every command with its JSON Schemas."""
        return await self._ask(CommandList, "list_commands", for_camera=False)

    async def ping(self) -> Pong:
        """Check that the server answers."""
        return await self._ask(Pong, "ping", for_camera=False)

    def _is_meant(self, view: LiveView, stream: int | None, port: str | None) -> bool:
        if view.started is None:
            return False
        if stream is not None:
            return view.started.stream == stream
        wanted = port or self._connection.selected
        return wanted is None or view.started.port == wanted

    async def _ask(self, kind: type[R], command: str, /, *, for_camera: bool = True, **payload: Any) -> R:
        """Send a command that may be repeated."""
        return decode(kind, await self._connection.call(command, _given(payload), again=True, for_camera=for_camera))

    async def _do(self, kind: type[R], command: str, /, **payload: Any) -> R:
        """Send a command that must not be repeated."""
        return decode(kind, await self._connection.call(command, _given(payload), again=False))


def _given(payload: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if value is not None}
