"""One short coroutine for each command."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, cast, get_args

from pydantic import BaseModel

from camera.errors import CameraDisconnected, ConfigNotFound, LiveViewNotRunning, NotSupported
from camera.model import CapturedFile
from camera.orientation import Orientation
from camera.photos.capture import Order, Shot
from camera.photos.downloads import FetchedFile
from camera.ports import is_drive
from camera.registry import Registry
from camera.remote import RemoteCamera
from camera.session import Session, Status
from protocol import commands as c
from protocol.base64 import b64encode
from protocol.catalogue import COMMANDS
from protocol.envelope import PROTOCOL_VERSION
from protocol.errors import RequestError, code_of, explain
from protocol.frames import piece_head
from server import limits
from server.call import BegunReply, Call, Handler
from server.frame_slot import FrameSlot
from server.streaming import Placeholder

_CHUNK = 128 * 1024
_FIRST_TRY_S = 2.0
_EVENTS: tuple[c.EventName, ...] = get_args(c.EventName)


class Handlers:
    """The commands, over the cameras of one registry."""

    def __init__(self, registry: Registry, default_fps: float, preview_orientation: Orientation, version: str) -> None:
        self._registry = registry
        self._default_fps = default_fps
        self._preview_orientation = preview_orientation
        self._version = version
        self._started = time.monotonic()

    def table(self) -> dict[str, Handler]:
        """Every command's handler by its name."""
        return {name: cast(Handler, getattr(self, name)) for name in COMMANDS}

    def health(self) -> tuple[bool, dict[str, Any]]:
        """Whether there is a camera to work with, and what to say of it to anybody."""
        cameras = self._registry.known
        connected = sum(camera.status.connected for camera in cameras)
        good = connected > 0
        words = "ok" if good and connected == len(cameras) else "degraded" if good else "unavailable"
        told: dict[str, Any] = {
            "status": words,
            "version": self._version,
            "uptime": round(time.monotonic() - self._started, 3),
            "cameras": [_fitness(camera.status) for camera in cameras],
        }
        return good, told if good else told | {"reason": "no camera is connected"}

    async def _camera(self, call: Call, payload: c.CameraPayload) -> Session:
        return await self.camera_for(payload.port, call.client.selected)

    async def camera_for(self, port: str | None, selected: Session | None) -> Session:
        """The camera a request is for: by port, else the selected one, else the only one there is.

        Raises:
            RequestError: no_camera_selected.
            CameraError: there is none on that port, or the selected one is gone.
        """
        if port is not None:
            return await self._registry.by_port(port)
        if selected is not None:
            if self._registry.has(selected):
                return selected
            raise CameraDisconnected(
                f"The selected camera ({selected.status.title}) is gone. Plug it in again or select another."
            )
        cameras = self._registry.known or await self._registry.cameras()
        # A drive is meant only where there is no camera.
        real = [camera for camera in cameras if not is_drive(camera.port)] or cameras
        connected = [camera for camera in real if camera.status.connected]
        for only in (connected, real):
            if len(only) == 1:
                return only[0]
        ports = [camera.port for camera in cameras]
        words = "No camera is connected. Switch one on and plug it in."
        if ports:
            words = f"No camera is selected. Send select_camera with one of the ports {', '.join(ports)}."
        raise RequestError("no_camera_selected", words, ports=ports)

    async def list_cameras(self, call: Call, payload: c.Payload) -> c.CameraList:
        cameras = await self._registry.cameras()
        return c.CameraList(
            cameras=[
                c.ListedCamera(
                    name=camera.name,
                    model=camera.model,
                    port=camera.port,
                    index=index,
                    serial=camera.serial,
                    state=camera.state,
                    connected=camera.connected,
                    can=camera.can.names,
                )
                for index, camera in enumerate(camera.status for camera in cameras)
            ]
        )

    async def select_camera(self, call: Call, payload: c.SelectCamera) -> c.Done:
        camera = await self._registry.by_port(payload.port)
        await camera.reconnect.process()
        call.client.selected = camera
        return c.Done(message=f"Camera on port {camera.port} selected")

    async def capture_image(self, call: Call, payload: c.CaptureImage) -> BaseModel | None:
        order = Order(
            settings=payload.settings,
            download=payload.download,
            save=payload.save,
            filename=payload.filename,
            keep_on_camera=payload.keep_on_camera,
        )
        begun: list[BegunReply] = []

        def here(shot: Shot, picture: FetchedFile) -> None:
            place = Placeholder(picture)
            begun.append(call.begin_reply_with(_captured(shot, place.text), place))

        camera = await self._camera(call, payload)
        try:
            shot = await camera.photos.capture(order, here)
        except BaseException:
            for reply in begun:
                reply.abandon()
            raise
        shot = replace(shot, warnings=(*shot.warnings, *camera.status.warnings))
        for reply in begun:
            await reply.finish(_captured(shot, reply.picture.text))
        if begun:
            return None
        return _captured(shot, None if shot.thumbnail is None else b64encode(shot.thumbnail).decode())

    async def download_last_image(self, call: Call, payload: c.DownloadLastImage) -> None:
        camera = await self._camera(call, payload)
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
            await self._transfer(call, reply, file, start, end)
        else:
            picture = Placeholder(file, start, end)
            await call.reply_with(reply.model_copy(update={"image_b64": picture.text}), picture)

    async def _transfer(self, call: Call, reply: c.Downloaded, file: FetchedFile, start: int, end: int) -> None:
        number = call.client.new_transfer()
        await call.reply(reply.model_copy(update={"transfer": number, "chunk_bytes": _CHUNK}))
        # An empty part is one empty piece.
        for sequence, offset in enumerate(range(start, max(end, start + 1), _CHUNK)):
            size = min(_CHUNK, end - offset)
            head = piece_head(number, sequence, offset, last=offset + size >= end)
            await call.client.socket.send_piece(head, file, offset, size)
            await asyncio.sleep(0)
        digest = file.known_sha256(start, end) or await asyncio.to_thread(file.sha256, start, end)
        call.client.tell("transfer_complete", {"transfer": number, "size": end - start, "sha256": digest})

    async def get_config(self, call: Call, payload: c.GetConfig) -> BaseModel:
        camera = await self._camera(call, payload)
        async with camera.exclusive() as remote:
            if payload.name is None:
                return c.ConfigTree(configs=[c.Config.of(item) for item in await remote.get_all_config()])
            return c.ConfigReply.reply(await remote.get_config(payload.name))

    async def set_config(self, call: Call, payload: c.SetConfig) -> c.ConfigReply:
        item = await (await self._camera(call, payload)).set_config(payload.name, payload.value)
        return c.ConfigReply.reply(item, message=f"Config {item.name} set to {item.value}")

    async def start_live_view(self, call: Call, payload: c.StartLiveView) -> c.LiveViewStarted | None:
        camera = await self._camera(call, payload)
        client = call.client
        fps = payload.fps or self._default_fps
        orientation = Orientation(
            self._preview_orientation.rotation if payload.rotation is None else payload.rotation,
            self._preview_orientation.flip if payload.flip is None else payload.flip,
        )

        def reply(number: int) -> c.LiveViewStarted:
            return c.LiveViewStarted(
                stream=number,
                fps=fps,
                format=payload.format,
                rotation=orientation.rotation,
                flip=orientation.flip,
                port=camera.port,
            )

        if payload.format == "photonic":  # its frames name no stream: one for each camera and client
            for number, (shown, slot) in client.streams.items():
                if shown is camera and slot.form == "photonic":
                    if (slot.fps, slot.orientation) == (fps, orientation):
                        return reply(number)
                    del client.streams[number]
                    slot.close()
                    camera.live.remove(slot)
                    break
        number = client.new_stream()

        def ended(reason: str) -> None:
            client.streams.pop(number, None)
            if payload.format == "photonic":
                client.tell_in_dialect("preview_stopped", {"reason": reason})
            else:
                client.tell("live_view_stopped", {"stream": number, "port": camera.port, "reason": reason})

        slot = FrameSlot(client.socket, number, fps, payload.format, orientation, payload.max_in_flight, ended)
        client.streams[number] = (camera, slot)
        try:
            await camera.live.add(slot, lambda: call.reply(reply(number)))
        except BaseException:
            client.streams.pop(number, None)
            raise
        if client.streams.get(number) != (camera, slot):  # the client left while the camera was starting
            camera.live.remove(slot)
        return None

    async def stop_live_view(self, call: Call, payload: c.StopLiveView) -> c.LiveViewStopped:
        streams = call.client.streams
        if payload.stream is not None:
            chosen = [payload.stream] if payload.stream in streams else []
        elif payload.port is None and call.client.selected is None:
            chosen = list(streams)
        else:
            camera = await self._camera(call, payload)
            chosen = [number for number, (shown, _) in streams.items() if shown is camera]
        if not chosen and call.request.dialect is not None:
            return c.LiveViewStopped(sent=0, dropped=0)  # its clients stop what may not run
        if not chosen:
            raise LiveViewNotRunning(
                "There is no such live-view stream on this connection. Send start_live_view first."
            )
        sent = dropped = 0
        for number in chosen:
            camera, slot = streams.pop(number)
            camera.live.remove(slot)
            slot.close()
            sent, dropped = sent + slot.sent, dropped + slot.dropped
        return c.LiveViewStopped(sent=sent, dropped=dropped)

    async def capture_preview(self, call: Call, payload: c.CameraPayload) -> c.Preview:
        async with (await self._camera(call, payload)).exclusive() as remote:
            frame = await remote.preview(self._preview_orientation)
        return c.Preview(image_b64=b64encode(frame).decode())

    async def get_camera_info(self, call: Call, payload: c.CameraPayload) -> c.CameraDetails:
        return await self.details(await self._camera(call, payload))

    async def details(self, camera: Session) -> c.CameraDetails:
        """Who a camera is and how it is."""
        first_try = camera.reconnect.first_try
        if not first_try.done():  # just found: about to give its name and serial
            await asyncio.wait((first_try,), timeout=_FIRST_TRY_S)
        battery = lens = storage = None
        if camera.status.connected:
            async with camera.exclusive() as remote:
                battery = await _setting(remote, "batterylevel")
                lens = await _setting(remote, "lensname")
                with suppress(NotSupported):
                    storage = [
                        c.StoredMemory(path=card.path, label=card.label, capacity=card.capacity, free=card.free)
                        for card in await remote.storage()
                    ]
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
            battery=battery,
            lens=lens,
            storage=storage,
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

    async def restart_camera(self, call: Call, payload: c.CameraPayload) -> c.Done:
        camera = await self._camera(call, payload)
        async with camera.exclusive() as remote:
            await remote.renew()
        return c.Done(message=f"Camera on port {camera.port} restarted")

    async def list_files(self, call: Call, payload: c.ListFiles) -> c.FileList:
        async with (await self._camera(call, payload)).exclusive() as remote:
            content = await remote.list_files(payload.folder)
        page = content.files[payload.offset : payload.offset + payload.limit]
        return c.FileList(
            folder=payload.folder,
            folders=content.folders,
            files=[_file(file) for file in page],
            total=len(content.files),
        )

    async def get_thumbnail(self, call: Call, payload: c.OneFile) -> c.Thumbnail:
        data = await (await self._camera(call, payload)).photos.thumbnail(payload.camera_filepath)
        name = payload.camera_filepath.rpartition("/")[2]
        return c.Thumbnail(filename=name, image_b64=b64encode(data).decode())

    async def delete_file(self, call: Call, payload: c.OneFile) -> c.Done:
        await (await self._camera(call, payload)).photos.delete(payload.camera_filepath)
        return c.Done(message=f"{payload.camera_filepath} deleted")

    async def subscribe(self, call: Call, payload: c.Subscribe) -> c.Subscribed:
        call.client.subscribed |= _named(payload)
        return c.Subscribed(events=sorted(call.client.subscribed))

    async def unsubscribe(self, call: Call, payload: c.Subscribe) -> c.Subscribed:
        call.client.subscribed -= _named(payload)
        return c.Subscribed(events=sorted(call.client.subscribed))

    async def server_info(self, call: Call, payload: c.Payload) -> c.ServerInfo:
        return c.ServerInfo(
            server="gphoto-ws-server",
            version=self._version,
            protocol=PROTOCOL_VERSION,
            libgphoto2=await self._registry.library(),
            uptime=round(time.monotonic() - self._started, 3),
            time=datetime.now(UTC).isoformat(timespec="milliseconds"),
            limits=limits.ALL,
        )

    async def list_commands(self, call: Call, payload: c.Payload) -> c.CommandList:
        return c.CommandList(commands=_descriptions())

    async def ping(self, call: Call, payload: c.Payload) -> c.Pong:
        return c.Pong()


@cache
def _descriptions() -> list[c.CommandDescription]:
    return [command.description() for command in COMMANDS.values()]


def _captured(shot: Shot, image_b64: str | None) -> c.Captured:
    files = [_file(one.file, one.saved_path) for one in shot.files]
    first = files[0]
    return c.Captured(
        camera_filepath=first.camera_filepath,
        filename=first.filename if image_b64 else None,
        mimetype=None if not image_b64 else "image/jpeg" if shot.thumbnail is not None else first.mimetype,
        image_b64=image_b64,
        files=files,
        timing=c.Timing(**shot.timing),
        warnings=list(shot.warnings) or None,
    )


def _file(file: CapturedFile, saved_path: str | None = None) -> c.ImageFile:
    return c.ImageFile(
        camera_filepath=file.path,
        filename=file.filename,
        mimetype=file.mimetype,
        size=file.size,
        saved_path=saved_path,
    )


def _fitness(camera: Status) -> dict[str, Any]:
    """How a camera is, for those with the token: no port, path or serial in it."""
    values: dict[str, Any] = {
        "name": camera.name, "model": camera.model, "state": camera.state, "last_io": _iso(camera.last_io)
    }  # fmt: skip
    if camera.last_error is not None:
        values |= {"attempts": camera.attempts, "last_error": code_of(type(camera.last_error))}
    return values


def _iso(seconds: float | None) -> str | None:
    """A time since the epoch as ISO 8601 in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _named(payload: c.Subscribe) -> set[c.EventName]:
    return set(_EVENTS) if "*" in payload.events else {name for name in _EVENTS if name in payload.events}


async def _setting(camera: RemoteCamera, name: str) -> str | None:
    with suppress(ConfigNotFound, NotSupported):
        value = (await camera.get_config(name)).value
        return None if value is None else str(value)
    return None
