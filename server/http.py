"""Plain HTTP on the same port: status, health, camera information, restart, the console page."""

from __future__ import annotations

import asyncio
import http
import re
from collections.abc import Awaitable, Callable, Coroutine
from email.utils import formatdate
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel
from pydantic_core import to_json
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from camera.errors import CameraError
from camera.session import Session
from protocol.errors import KINDS, RequestError
from server.console_page import ConsolePage

# Below the library's 10 s for a handshake, after which it would hang up without a word.
_ANSWER_S = 8.0
# RFC 9110, section 5.6.2, and RFC 3986: no control characters and no spaces; a bare CR would end up where paths are shown.
_METHOD = re.compile(r"[A-Za-z!#$%&'*+.^_`|~0-9-]{1,32}")
_PATH = re.compile(r"[\x21-\x7e]+")
_ONCE = ("Host", "Authorization", "Upgrade", "Origin")


class Desk(Protocol):
    """What the pages need of the commands."""

    async def camera_for(self, port: str | None, selected: Session | None) -> Session:
        """The camera a request is for."""

    async def details(self, camera: Session) -> BaseModel:
        """Who the camera is and how it is."""

    def health(self) -> tuple[bool, dict[str, Any]]:
        """Whether the server can do its job, and what to say of it."""


class Pages:
    """The pages.

    Args:
        desk: what they tell.
        check: whether a token from an address opens; raises RequestError when it may not even be tried.
        keep: runs what must not end with the request.
    """

    def __init__(
        self,
        desk: Desk,
        check: Callable[[str, str], Awaitable[bool]],
        keep: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        self._keep = keep
        self._desk = desk
        self._check = check
        self._console_page = ConsolePage()

    async def answer(self, request: Request, address: str) -> Response:
        """The response to a request that is no WebSocket handshake."""
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
                http.HTTPStatus.NOT_FOUND, f"Not found. There are {', '.join(routes)} and the WebSocket /ws.\n"
            )
        method = "GET" if request.method == "HEAD" and "GET" in routes[path] else request.method
        if method not in routes[path]:
            allowed = ", ".join((*routes[path], *(["HEAD"] if "GET" in routes[path] else [])))
            return _text(http.HTTPStatus.METHOD_NOT_ALLOWED, f"Allowed: {allowed}.\n", Allow=allowed)
        try:
            async with asyncio.timeout(_ANSWER_S):
                response = await routes[path][method](request, address)
        except TimeoutError:
            words = "The camera is still busy with this or something else. Ask again."
            response = _failed(RequestError("camera_timeout", words))
        except CameraError as error:
            response = _failed(RequestError.from_camera(error))
        except RequestError as error:
            response = _failed(error)
        return response

    async def _status(self, request: Request, address: str) -> Response:
        _, told = await self._fitness(request, address)
        return _json(http.HTTPStatus.OK, {"service": "gphoto-ws-server", **told, "websocket": "/ws"})

    async def _health(self, request: Request, address: str) -> Response:
        good, told = await self._fitness(request, address)
        return _json(http.HTTPStatus.OK if good else http.HTTPStatus.SERVICE_UNAVAILABLE, told)

    async def _fitness(self, request: Request, address: str) -> tuple[bool, dict[str, Any]]:
        """Whether the server can do its job; for those with the token also how its cameras are."""
        good, told = self._desk.health()
        if bearer(request) is None:
            return good, {"status": told["status"]}
        await self._authorize(request, address)
        return good, told

    async def _info(self, request: Request, address: str) -> Response:
        camera = await self._camera(request, address)
        details = await self._desk.details(camera)
        return _json(http.HTTPStatus.OK, {"status": "ok", **details.model_dump(exclude_none=True)})

    async def _restart(self, request: Request, address: str) -> Response:
        camera = await self._camera(request, address)
        restarting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._keep(_restart(camera, restarting))
        await asyncio.shield(restarting)
        return _json(http.HTTPStatus.OK, {"status": "ok", "message": f"Camera on port {camera.port} restarted"})

    async def _console(self, request: Request, address: str) -> Response:
        """The page asks for the token itself; there is nothing of this server in it."""
        page = self._console_page
        if page.etag in request.headers.get_all("If-None-Match"):
            return _response(http.HTTPStatus.NOT_MODIFIED, b"", page.kind, page.headers)
        return _response(http.HTTPStatus.OK, page.body, page.kind, page.headers)

    async def _camera(self, request: Request, address: str) -> Session:
        """The camera that `?port=` names, or the only one; for those with the token."""
        await self._authorize(request, address)
        port = parse_qs(urlsplit(request.path).query).get("port", [None])[0]
        return await self._desk.camera_for(port, None)

    async def _authorize(self, request: Request, address: str) -> None:
        """Raises RequestError where the token is missing or wrong."""
        token = bearer(request)
        if token is None:
            raise RequestError("unauthorized", "Unauthorized", reason="Send the header Authorization: Bearer TOKEN.")
        if not await self._check(token, address):
            raise RequestError("unauthorized", "Unauthorized", reason="This is not the server's token.")


async def _restart(camera: Session, done: asyncio.Future[None]) -> None:
    """Half a restart is none: it goes on when the request is given up."""
    try:
        async with camera.exclusive() as remote:
            await remote.renew()
    except CameraError as error:
        done.set_exception(error)
        done.exception()  # nobody may be left to hear it
    else:
        done.set_result(None)


def bearer(request: Request | None) -> str | None:
    """The token of an Authorization header, None without one."""
    header = next(iter(request.headers.get_all("Authorization")), "") if request is not None else ""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        return None
    token = token.strip()
    try:
        # Headers are read as Latin-1; what most clients send beyond ASCII is UTF-8.
        return token.encode("latin-1").decode()
    except UnicodeError:
        return token


def is_upgrade(request: Request) -> bool:
    """Whether a request wants to become a WebSocket."""
    wanted = request.headers.get_all("Upgrade")
    return request.method == "GET" and any("websocket" in protocol.lower() for protocol in wanted)


def malformed(request: Request) -> str:
    """What is wrong with a request that the library has let pass, in words; "" where nothing is."""
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
