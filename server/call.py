"""One command under way: from its payload to exactly one answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from pydantic import BaseModel
from websockets.exceptions import ConnectionClosed

from camera.errors import CameraError
from protocol.commands import Payload
from protocol.envelope import Request, encode_error, encode_reply
from protocol.errors import RequestError
from server.client import Client
from server.streaming import Placeholder

_log = logging.getLogger("server.call")

Handler = Callable[["Call", Any], Awaitable[BaseModel | None]]


class Call:
    """One command under way: who asked, and how to answer."""

    def __init__(self, client: Client, request: Request) -> None:
        self.client = client
        self.request = request
        self._answered = False

    async def reply(self, reply: BaseModel) -> None:
        """Answer now; returns when the answer was handed to the socket."""
        message = encode_reply(reply, self.request)
        self._answered = True
        await self.client.send(message)

    async def reply_with(self, reply: BaseModel, picture: Placeholder) -> None:
        """Answer with one text message in which the placeholder's text gives way to its picture."""
        message = encode_reply(reply, self.request)
        self._answered = True
        await self.client.send(picture.fill(message))

    def begin_reply_with(self, reply: BaseModel, picture: Placeholder) -> BegunReply:
        """The same for a picture that is here before the rest is known: it goes on its way at once."""
        whole: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._answered = True
        sending = self.client.send(picture.fill(encode_reply(reply, self.request), whole))
        return BegunReply(self.request, picture, whole, self.client.keep(quietly(sending)))

    async def run(self, handler: Handler, payload: Payload) -> None:
        """Carry out the command and answer it exactly once."""
        try:
            reply = await handler(self, payload)
            if reply is not None:
                await self.reply(reply)
        except RequestError as error:
            await self._fail(error)
        except CameraError as error:
            await self._fail(RequestError.from_camera(error))
        except ConnectionClosed:
            raise
        except Exception:
            _log.exception("%s: %s failed", self.client.name, self.request.command)
            await self._fail(RequestError("internal_error", "The server made a mistake; its log says which."))

    async def _fail(self, error: RequestError) -> None:
        _log.info("%s: %s: %s: %s", self.client.name, self.request.command, error.code, error.message[:200])
        if not self._answered:
            await self.client.send(encode_error_to(self.request, error))


class Abandoned(Exception):
    """A reply that was begun has no end."""


class BegunReply:
    """A reply whose picture is on its way."""

    def __init__(
        self, request: Request, picture: Placeholder, whole: asyncio.Future[bytes], sending: asyncio.Task[None]
    ) -> None:
        self.picture = picture
        self._request, self._whole, self._sending = request, whole, sending

    async def finish(self, reply: BaseModel) -> None:
        """Say the rest; returns when the socket has taken it or the client is gone."""
        self._whole.set_result(encode_reply(reply, self._request))
        await asyncio.wait((self._sending,))

    def abandon(self) -> None:
        """There is no rest: the connection ends in the middle of the message, so that nobody takes it for whole."""
        self._whole.set_exception(Abandoned())


def encode_error_to(request: Request, error: RequestError) -> bytes:
    """An error in the language of the request."""
    return encode_error(error, request.id, request.command, dialect=request.dialect is not None)


async def quietly(work: Coroutine[Any, Any, None]) -> None:
    """Do it as long as there is somebody to answer to."""
    with suppress(ConnectionClosed, Abandoned):
        await work
