"""HTTP on the same port: status, health, cameras, live view, the console page."""

from __future__ import annotations

import asyncio
import http
import re
from base64 import b64decode
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic_core import to_json
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from camera.errors import CameraError
from protocol.catalogue import (
    CAPTURE_IMAGE,
    CAPTURE_PREVIEW,
    GET_CAMERA_INFO,
    RESTART_CAMERA,
    START_LIVE_VIEW,
    Command,
)
from protocol.commands import CameraPayload, Payload, Preview, Reply
from protocol.errors import KINDS, RequestError
from server.console_page import ConsolePage
from server.frame_connection import FrameConnection
from server.http_access import HttpAccess, query_of, ticket_of
from server.http_stream import CONTENT_TYPE, HttpViewer, opening_boundary
from server.origins import Origins
from service.answers import FrameStream
from service.caller import Caller
from service.commands import Service

ReplyT = TypeVar("ReplyT", bound=Reply)
PayloadT = TypeVar("PayloadT", bound=Payload)

OTHER_ORIGIN = "This web page may not connect. Add its origin to the setting WS_ORIGINS.\n"

# Shorter than the library's handshake timeout of 10 s. After that timeout, the library closes the connection without a
# response.
_ANSWER_S = 8.0
# RFC 9110, section 5.6.2, and RFC 3986. Control characters and spaces are rejected, because paths are shown in the log.
_METHOD = re.compile(r"[A-Za-z!#$%&'*+.^_`|~0-9-]{1,32}")
_PATH = re.compile(r"[\x21-\x7e]+")
_YES_OR_NO, _NUMBERS = ("save", "flip"), ("fps", "rotation")
_YES, _NO = ("yes", "true", "1"), ("no", "false", "0")
_ONCE = ("Host", "Authorization", "Upgrade", "Origin")


@dataclass(frozen=True, slots=True)
class _Page:
    """What answers the requests for a path with one method.

    Attributes:
        answer: the function.
        long: whether the answer may take long; the camera's own deadlines apply.
        shared: whether pages of other origins may use it with a ticket, for example as the source of an image.
    """

    answer: Callable[[Request, FrameConnection], Awaitable[Response]]
    long: bool = False
    shared: bool = False


class Pages:
    """The HTTP pages.

    Args:
        service: runs the requests.
        access: checks tokens and tickets.
        origins: the origins of web pages that may use this server.
        viewers: gets the viewers over HTTP, for as long as they are connected.
        full: whether there is no room for another viewer.
    """

    def __init__(
        self, service: Service, access: HttpAccess, origins: Origins, viewers: dict[HttpViewer, None],
        full: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._service = service
        self._access = access
        self._origins = origins
        self._viewers = viewers
        self._full = full
        self._console_page = ConsolePage()
        self._routes: dict[str, dict[str, _Page]] = {
            "/": {"GET": _Page(self._status)},
            "/health": {"GET": _Page(self._health)},
            "/camera/info": {"GET": _Page(self._info)},
            "/camera/restart": {"POST": _Page(self._restart)},
            "/camera/capture": {"POST": _Page(self._capture, long=True, shared=True)},
            "/snapshot.jpg": {"GET": _Page(self._snapshot, shared=True)},
            "/stream.mjpg": {"GET": _Page(self._stream, long=True, shared=True)},
            "/console": {"GET": _Page(self._console)},
        }

    async def answer(self, request: Request, connection: FrameConnection) -> Response:
        """The response to an HTTP request that is not a WebSocket handshake."""
        try:
            path = urlsplit(request.path).path
        except ValueError:
            return _text(http.HTTPStatus.BAD_REQUEST, "This is not a valid path.\n")
        if path == "/ws":
            return _text(http.HTTPStatus.UPGRADE_REQUIRED, "This is a WebSocket.\n", Upgrade="websocket")
        pages = self._routes.get(path)
        if pages is None:
            known = ", ".join(self._routes)
            return _text(http.HTTPStatus.NOT_FOUND, f"Not found. Available: {known} and the WebSocket at /ws.\n")
        allowed = [*pages, *(["HEAD"] if "GET" in pages else [])]
        if request.method == "OPTIONS" and request.headers.get_all("Origin"):
            return self._preflight(request, allowed)
        method = "GET" if request.method == "HEAD" and "GET" in pages else request.method
        if method not in pages:
            words = ", ".join(allowed)
            return _text(http.HTTPStatus.METHOD_NOT_ALLOWED, f"Allowed: {words}.\n", Allow=words)
        if method != "GET" and not self._origins.allows(request.headers):
            return _text(http.HTTPStatus.FORBIDDEN, OTHER_ORIGIN)
        page = pages[method]
        response = await self._answer(page, request, connection)
        if page.shared:
            self._share(request, response)
        return response

    async def _answer(self, page: _Page, request: Request, connection: FrameConnection) -> Response:
        try:
            if page.long:
                connection.take_your_time()
                return await page.answer(request, connection)
            async with asyncio.timeout(_ANSWER_S):
                return await page.answer(request, connection)
        except TimeoutError:
            words = "The camera is still busy with this or another request. Try again."
            return _failed(RequestError("camera_timeout", words))
        except CameraError as error:
            return _failed(RequestError.from_camera(error))
        except RequestError as error:
            return _failed(error)

    def _preflight(self, request: Request, allowed: list[str]) -> Response:
        """The answer to a browser that asks whether a page of another origin may send a request with the token."""
        response = _response(http.HTTPStatus.NO_CONTENT, b"", "text/plain", {})
        self._share(request, response)
        if "Access-Control-Allow-Origin" in response.headers:
            response.headers["Access-Control-Allow-Methods"] = ", ".join(allowed)
            response.headers["Access-Control-Allow-Headers"] = "Authorization"
            response.headers["Access-Control-Max-Age"] = "600"
        return response

    def _share(self, request: Request, response: Response) -> None:
        """Let pages of other origins use a response: pages of allowed origins, and any page that has a ticket."""
        origin = next(iter(request.headers.get_all("Origin")), None)
        allowed = origin is not None and self._origins.allows(request.headers)
        if allowed or ticket_of(request) is not None:
            response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        if allowed:
            response.headers["Access-Control-Allow-Origin"] = str(origin)
        response.headers["Vary"] = "Origin"

    async def _status(self, request: Request, connection: FrameConnection) -> Response:
        _, values = await self._condition(request, connection)
        return _json(http.HTTPStatus.OK, {"service": "gphoto-ws-server", **values, "websocket": "/ws"})

    async def _health(self, request: Request, connection: FrameConnection) -> Response:
        healthy, values = await self._condition(request, connection)
        return _json(http.HTTPStatus.OK if healthy else http.HTTPStatus.SERVICE_UNAVAILABLE, values)

    async def _condition(self, request: Request, connection: FrameConnection) -> tuple[bool, dict[str, Any]]:
        """Whether a camera is open, and the values for the response.

        With a valid token, the values include the state of the cameras, of the hook and of the webhooks.
        """
        healthy, values = self._service.cameras.health()
        if "Authorization" not in request.headers and ticket_of(request) is None:
            return healthy, {"status": values["status"]}
        await self._access.require(request, connection.address)
        outgoing = self._service.events.outgoing
        if (hook := outgoing.hook()) is not None:
            values |= {"hook": hook}
        if (webhooks := await outgoing.webhook_list()) is not None:
            values |= {"webhooks": webhooks}
        return healthy, values

    async def _info(self, request: Request, connection: FrameConnection) -> Response:
        return await self._ask(GET_CAMERA_INFO, request, connection)

    async def _restart(self, request: Request, connection: FrameConnection) -> Response:
        return await self._ask(RESTART_CAMERA, request, connection)

    async def _ask(
        self, command: Command[CameraPayload, ReplyT], request: Request, connection: FrameConnection
    ) -> Response:
        """Run a command for the camera in `?port=`, or for the only camera. The request must contain the token."""
        await self._access.require(request, connection.address)
        reply = await self._service.ask(_nobody(), command.name, CameraPayload(port=query_of(request).get("port")))
        assert isinstance(reply, command.reply), "these answer without a picture"
        return _json(http.HTTPStatus.OK, {"status": "ok", **reply.model_dump(exclude_none=True)})

    async def _capture(self, request: Request, connection: FrameConnection) -> Response:
        """Take a picture, as capture_image. It is taken also if the client does not wait for the answer."""
        await self._access.require(request, connection.address)
        payload = _payload(CAPTURE_IMAGE, request, ("port", "save", "key"))
        reply = await self._service.ask(_nobody(), CAPTURE_IMAGE.name, payload)
        assert isinstance(reply, CAPTURE_IMAGE.reply), "nothing is downloaded"
        return _json(http.HTTPStatus.OK, {"status": "ok", **reply.model_dump(mode="json", exclude_none=True)})

    async def _snapshot(self, request: Request, connection: FrameConnection) -> Response:
        await self._access.require(request, connection.address)
        payload = _payload(CAPTURE_PREVIEW, request, ("port",))
        reply = await self._service.ask(_nobody(), CAPTURE_PREVIEW.name, payload)
        assert isinstance(reply, Preview), "this has no other reply"
        return _response(http.HTTPStatus.OK, b64decode(reply.image_b64), "image/jpeg", {})

    async def _stream(self, request: Request, connection: FrameConnection) -> Response:
        """Live view until the client disconnects, or the camera ends it. Errors before the first frame are answered."""
        await self._access.require(request, connection.address)
        payload = _payload(START_LIVE_VIEW, request, ("port", "fps", "rotation", "flip"))
        if self._full():
            return _text(http.HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections. Try again later.\n")
        response = Response(http.HTTPStatus.OK.value, http.HTTPStatus.OK.phrase, _headers(CONTENT_TYPE))
        if request.method == "HEAD":
            return response
        caller = _nobody()
        answer = await self._service.ask(caller, START_LIVE_VIEW.name, payload)
        assert isinstance(answer, FrameStream), "the format is not that of the Photonic dialect"
        viewer = answer.stream.viewer = HttpViewer(connection, answer.stream)

        async def start() -> None:
            self._share(request, response)
            connection.start_page(response)
            connection.transport.write(opening_boundary())

        self._viewers[viewer] = None
        try:
            gone, finished = asyncio.ensure_future(connection.gone()), asyncio.ensure_future(viewer.finished.wait())
            await answer.stream.camera.live.add(viewer, start)
            await asyncio.wait((gone, finished), return_when=asyncio.FIRST_COMPLETED)
            finished.cancel()
            gone.cancel()
        finally:
            caller.leave()
            self._viewers.pop(viewer, None)
        await connection.end_page()
        return response

    async def _console(self, request: Request, connection: FrameConnection) -> Response:
        """The console page. It is sent without a token, because it contains no data and asks the user for the token."""
        page = self._console_page
        if page.etag in request.headers.get_all("If-None-Match"):
            return _response(http.HTTPStatus.NOT_MODIFIED, b"", page.kind, page.headers)
        return _response(http.HTTPStatus.OK, page.body, page.kind, page.headers)


def is_upgrade(request: Request) -> bool:
    """Whether a request is a WebSocket handshake."""
    wanted = request.headers.get_all("Upgrade")
    return request.method == "GET" and any("websocket" in protocol.lower() for protocol in wanted)


def malformed(request: Request) -> str:
    """The error in a request that the library does not reject; "" if there is no error."""
    if not _METHOD.fullmatch(request.method):
        return "This is not a valid method.\n"
    if not _PATH.fullmatch(request.path):
        return "This is not a valid path.\n"
    if doubled := [name for name in _ONCE if len(request.headers.get_all(name)) > 1]:
        return f"Send the header {doubled[0]} once.\n"
    if request.protocol == "HTTP/1.1" and not request.headers.get_all("Host"):
        return "The header Host is missing.\n"
    return ""


def _nobody() -> Caller:
    """A caller that gets no events."""
    return Caller(lambda notice: None)


def _payload(command: Command[PayloadT, Any], request: Request, names: tuple[str, ...]) -> PayloadT:
    """The payload of a command from the values in the address.

    Raises:
        RequestError: a value is not allowed, or there are other names.
    """
    given = {name: value for name, value in query_of(request).items() if name != "ticket"}
    if unknown := given.keys() - set(names):
        known = ", ".join(names)
        words = f"The address has the unknown value {min(unknown)[:40]!r}. Allowed are: {known}."
        raise RequestError("invalid_payload", words)
    return command.validate({name: _typed(name, value) for name, value in given.items()})


def _typed(name: str, text: str) -> str | bool | float:
    """A value of an address with the type that it has in JSON. Text that has no such value stays text."""
    if name in _YES_OR_NO and text.lower() in (*_YES, *_NO):
        return text.lower() in _YES
    if name in _NUMBERS:
        with suppress(ValueError):
            return int(text) if text.isascii() and text.isdecimal() else float(text)
    return text


def _failed(error: RequestError) -> Response:
    value = {"status": "error", "message": error.message, "code": error.code, "retryable": error.retryable}
    response = _json(http.HTTPStatus(KINDS[error.code].http), value | {"details": error.details})
    if error.code == "unauthorized":
        response.headers["WWW-Authenticate"] = 'Bearer, Basic realm="gphoto-ws-server", charset="UTF-8"'
    return response


def _json(status: http.HTTPStatus, value: dict[str, Any]) -> Response:
    return _response(status, to_json(value, inf_nan_mode="null"), "application/json", {})


def _text(status: http.HTTPStatus, text: str, **headers: str) -> Response:
    return _response(status, text.encode(), "text/plain; charset=utf-8", headers)


def _response(status: http.HTTPStatus, body: bytes, kind: str, more: dict[str, str]) -> Response:
    headers = _headers(kind)
    headers["Content-Length"] = str(len(body))
    for name, value in more.items():
        headers[name] = value
    return Response(status.value, status.phrase, headers, body)


def _headers(kind: str) -> Headers:
    return Headers({"Date": formatdate(usegmt=True), "Connection": "close", "Content-Type": kind})
