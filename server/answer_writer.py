"""Runs one command and writes exactly one answer to the client's socket."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, assert_never

from pydantic import BaseModel
from websockets.exceptions import ConnectionClosed

from camera.errors import CameraError, LiveViewNotRunning
from protocol.commands import LiveViewStopped, Payload, Reply
from protocol.envelope import Request, encode_error, encode_reply
from protocol.errors import RequestError
from protocol.frames import piece_head
from server.client import Client
from server.frame_slot import FrameSlot
from server.picture_reply import fragments
from service.answers import Answer, FileTransfer, FrameStream, PictureReply, Replay
from service.commands import Service

_log = logging.getLogger("server.answer_writer")


class AnswerWriter:
    """Runs one command of a client and writes its answer."""

    def __init__(self, client: Client, service: Service, request: Request) -> None:
        self._client = client
        self._service = service
        self._request = request
        self._answered = False

    async def run(self, payload: Payload) -> None:
        """Run the command and answer it exactly once.

        Raises:
            ConnectionClosed: the client has disconnected.
        """
        client, request = self._client, self._request
        try:
            await self._write(await self._service.ask(client.caller, request.command, payload))
        except RequestError as error:
            await self._fail(error)
        except CameraError as error:
            # The Photonic frontend sends a stop even if live view is not running. The reply to it is then not an error.
            if request.dialect is not None and isinstance(error, LiveViewNotRunning):
                await self._reply(LiveViewStopped(sent=0, dropped=0))
            else:
                await self._fail(RequestError.from_camera(error))
        except ConnectionClosed:
            raise
        except Exception:
            _log.exception("%s: %s failed", client.name, request.command)
            await self._fail(
                RequestError("internal_error", "The server has an internal error; its log has the details.")
            )

    async def _write(self, answer: Answer[Any]) -> None:
        match answer:
            case PictureReply():
                await self._write_picture(answer)
            case FileTransfer():
                await self._write_file(answer)
            case Replay():
                await self._write_missed(answer)
            case FrameStream():
                await self._write_frames(answer)
            case Reply():
                await self._reply(answer)
            case _:
                assert_never(answer)

    async def _reply(self, reply: BaseModel) -> None:
        message = self._encode(reply)
        self._answered = True
        await self._client.send(message)

    async def _write_picture(self, answer: PictureReply[Any]) -> None:
        self._answered = True
        try:
            await self._client.send(fragments(answer, self._encode))
        except (CameraError, RequestError):
            # The reply cannot be completed. Abort the connection in the middle of the message, so that the client does
            # not use the incomplete reply.
            self._client.socket.transport.abort()
            raise
        finally:
            # Wait until the shot is complete, even if the client has disconnected, so that the next command of this
            # client starts after the shot.
            if answer.rest is not None:
                with suppress(CameraError):
                    await answer.rest()

    async def _write_file(self, answer: FileTransfer[Any]) -> None:
        client, file = self._client, answer.file
        number = client.new_transfer()
        await self._reply(answer.reply.model_copy(update={"transfer": number, "chunk_bytes": answer.piece_bytes}))
        # If the requested part of the file is empty, one empty piece is sent.
        for sequence, offset in enumerate(range(answer.start, max(answer.end, answer.start + 1), answer.piece_bytes)):
            size = min(answer.piece_bytes, answer.end - offset)
            head = piece_head(number, sequence, offset, last=offset + size >= answer.end)
            await client.socket.send_piece(head, file, offset, size)
            await asyncio.sleep(0)
        digest = file.known_sha256(answer.start, answer.end) or await asyncio.to_thread(
            file.sha256, answer.start, answer.end
        )
        size = answer.end - answer.start
        client.notify("transfer_complete", {"transfer": number, "size": size, "sha256": digest})

    async def _write_missed(self, answer: Replay[Any]) -> None:
        try:
            await self._reply(answer.reply)
            for message in answer.missed:
                await self._client.send(message)
            # Each of these is sent before the next one is taken, so that they do not fill the queue of events.
            while held := self._client.caller.taken_meanwhile():
                for notice in held:
                    await self._client.send(notice.message)
        finally:
            self._client.caller.go_on()

    async def _write_frames(self, answer: FrameStream) -> None:
        client, stream = self._client, answer.stream
        caller = client.caller

        def ended(reason: str) -> None:
            caller.streams.pop(stream.number, None)
            if stream.format == "photonic":
                client.notify_in_dialect("preview_stopped", {"reason": reason})
            else:
                values = {"stream": stream.number, "port": stream.camera.port, "reason": reason}
                client.notify("live_view_stopped", values)

        slot = FrameSlot(client.socket, stream, ended)
        stream.viewer = slot
        try:
            await stream.camera.live.add(slot, lambda: self._reply(answer.reply))
        except BaseException:
            caller.streams.pop(stream.number, None)
            raise
        if caller.streams.get(stream.number) is not stream:  # the client disconnected while live view was starting
            stream.camera.live.remove(slot)

    def _encode(self, reply: BaseModel) -> bytes:
        return encode_reply(reply, self._request)

    async def _fail(self, error: RequestError) -> None:
        _log.info("%s: %s: %s: %s", self._client.name, self._request.command, error.code, error.message[:200])
        if not self._answered:
            await self._client.send(error_message(self._request, error))


def error_message(request: Request, error: RequestError) -> bytes:
    """The error as a message in the dialect of the request."""
    return encode_error(error, request.id, request.command, dialect=request.dialect is not None)


async def until_disconnected(work: Coroutine[Any, Any, None]) -> None:
    """Await `work`. If the client disconnects, end without an error."""
    with suppress(ConnectionClosed):
        await work
