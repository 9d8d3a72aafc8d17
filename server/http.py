"""HTTP on the same port: status, health, camera information, restart, and the console page."""

from __future__ import annotations

import asyncio
import http
import re
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from pydantic_core import to_json
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from camera.errors import CameraError
from protocol.catalogue import GET_CAMERA_INFO, RESTART_CAMERA, Command
from protocol.commands import CameraPayload, Reply
from protocol.errors import KINDS, RequestError
from server.console_page import ConsolePage
from service.caller import Caller
from service.commands import Service

ReplyT = TypeVar("ReplyT", bound=Reply)

# Shorter than the library's handshake timeout of 10 s. After that timeout, the library closes the connection without a
# response.
_ANSWER_S = 8.0
# RFC 9110, section 5.6.2, and RFC 3986. Control characters and spaces are rejected, because paths are shown in the log.
_METHOD = re.compile(r"[A-Za-z!#$%&'*+.^_`|~0-9-]{1,32}")
_PATH = re.compile(r"[\x21-\x7e]+")
_ONCE = ("Host", "Authorization", "Upgrade", "Origin")


class Pages:
    """The HTTP pages.

    Args:
        service: runs the requests.
        check: called with a token and the address of the client; returns whether the token is correct. Raises
            RequestError after too many wrong tokens.
    """

    def __init__(self, service: Service, check: Callable[[str, str], Awaitable[bool]]) -> None:
        self._service = service
        self._check = check
        self._console_page = ConsolePage()

    async def answer(self, request: Request, address: str) -> Response:
        """The response to an HTTP request that is not a WebSocket handshake."""
        try:
            path = urlsplit(request.path).path
        except ValueError:
            return _text(http.HTTPStatus.BAD_REQUEST, "This is not a valid path.\n")
        routes: dict[str, dict[str, Callable[[Request, str], Awaitable[Response]]]] = {
            "/": {"GET": self._status},
            "/health": {"GET": self._health},
            "/camera/info": {"GET": self._info},
            "/camera/restart": {"POST": self._restart},
            "/console": {"GET": self._console},
        }
        if path == "/ws":
            return _text(http.HTTPStatus.UPGRADE_REQUIRED, "This is a WebSocket.\n", Upgrade="websocket")
        if path not in routes:
            return _text(
                http.HTTPStatus.NOT_FOUND, f"Not found. Available: {', '.join(routes)} and the WebSocket at /ws.\n"
            )
        method = "GET" if request.method == "HEAD" and "GET" in routes[path] else request.method
        if method not in routes[path]:
            allowed = ", ".join((*routes[path], *(["HEAD"] if "GET" in routes[path] else [])))
            return _text(http.HTTPStatus.METHOD_NOT_ALLOWED, f"Allowed: {allowed}.\n", Allow=allowed)
        try:
            async with asyncio.timeout(_ANSWER_S):
                response = await routes[path][method](request, address)
        except TimeoutError:
            words = "The camera is still busy with this or another request. Try again."
            response = _failed(RequestError("camera_timeout", words))
        except CameraError as error:
            response = _failed(RequestError.from_camera(error))
        except RequestError as error:
            response = _failed(error)
        return response

    async def _status(self, request: Request, address: str) -> Response:
        _, values = await self._condition(request, address)
        return _json(http.HTTPStatus.OK, {"service": "gphoto-ws-server", **values, "websocket": "/ws"})

    async def _health(self, request: Request, address: str) -> Response:
        healthy, values = await self._condition(request, address)
        return _json(http.HTTPStatus.OK if healthy else http.HTTPStatus.SERVICE_UNAVAILABLE, values)

    async def _condition(self, request: Request, address: str) -> tuple[bool, dict[str, Any]]:
        """Whether a camera is open, and the values for the response.

        With a valid token, the values include the state of the cameras, of the hook and of the webhooks.
        """
        healthy, values = self._service.cameras.health()
        if bearer(request) is None:
            return healthy, {"status": values["status"]}
        await self._authorize(request, address)
        outgoing = self._service.events.outgoing
        if (hook := outgoing.hook()) is not None:
            values |= {"hook": hook}
        if (webhooks := await outgoing.webhook_list()) is not None:
            values |= {"webhooks": webhooks}
        return healthy, values

    async def _info(self, request: Request, address: str) -> Response:
        return await self._ask(GET_CAMERA_INFO, request, address)

    async def _restart(self, request: Request, address: str) -> Response:
        return await self._ask(RESTART_CAMERA, request, address)

    async def _ask(self, command: Command[CameraPayload, ReplyT], request: Request, address: str) -> Response:
        """Run a command for the camera in `?port=`, or for the only camera. The request must contain the token."""
        await self._authorize(request, address)
        ports = parse_qs(urlsplit(request.path).query).get("port", [None])
        reply = await self._service.ask(Caller(lambda notice: None), command.name, CameraPayload(port=ports[0]))
        assert isinstance(reply, command.reply), "these answer without a picture"
        return _json(http.HTTPStatus.OK, {"status": "ok", **reply.model_dump(exclude_none=True)})

    async def _console(self, request: Request, address: str) -> Response:
        """The console page. It is sent without a token, because it contains no data and asks the user for the token."""
        page = self._console_page
        if page.etag in request.headers.get_all("If-None-Match"):
            return _response(http.HTTPStatus.NOT_MODIFIED, b"", page.kind, page.headers)
        return _response(http.HTTPStatus.OK, page.body, page.kind, page.headers)

    async def _authorize(self, request: Request, address: str) -> None:
        """Raises RequestError if the token is missing or wrong."""
        token = bearer(request)
        if token is None:
            raise RequestError("unauthorized", "Unauthorized", reason="Send the header Authorization: Bearer TOKEN.")
        if not await self._check(token, address):
            raise RequestError("unauthorized", "Unauthorized", reason="This is not the server's token.")


def bearer(request: Request | None) -> str | None:
    """The token from an Authorization header; None if there is none."""
    header = next(iter(request.headers.get_all("Authorization")), "") if request is not None else ""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        return None
    token = token.strip()
    try:
        # The library decodes headers as Latin-1, but most clients send UTF-8.
        return token.encode("latin-1").decode()
    except UnicodeError:
        return token


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


def _failed(error: RequestError) -> Response:
    value = {"status": "error", "message": error.message, "code": error.code, "retryable": error.retryable}
    response = _json(http.HTTPStatus(KINDS[error.code].http), value | {"details": error.details})
    if error.code == "unauthorized":
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _json(status: http.HTTPStatus, value: dict[str, Any]) -> Response:
    return _response(status, to_json(value, inf_nan_mode="null"), "application/json", {})


def _text(status: http.HTTPStatus, text: str, **headers: str) -> Response:
    return _response(status, text.encode(), "text/plain; charset=utf-8", headers)


def _response(status: http.HTTPStatus, body: bytes, kind: str, more: dict[str, str]) -> Response:
    headers = Headers(
        {
            "Date": formatdate(usegmt=True),
            "Connection": "close",
            "Content-Length": str(len(body)),
            "Content-Type": kind,
            "Cache-Control": "no-store",
            **more,
        }
    )
    return Response(status.value, status.phrase, headers, body)
