"""Who may use an HTTP page: by the token in the header Authorization, or by a ticket in the address."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import parse_qs, unquote, urlsplit

from websockets.http11 import Request

from auth import Tickets
from protocol.errors import RequestError

_HINT = (
    "Send the header Authorization: Bearer TOKEN, the token as the password of Basic, or ?ticket= from create_ticket."
)


class HttpAccess:
    """Checks the requests for pages that need the token.

    Args:
        check: called with a token and the address of the client; returns whether the token is correct. Raises
            RequestError after too many wrong tokens.
        tickets: checks tickets.
    """

    def __init__(self, check: Callable[[str, str], Awaitable[bool]], tickets: Tickets) -> None:
        self._check = check
        self._tickets = tickets

    async def require(self, request: Request, address: str) -> None:
        """Raises RequestError: the request contains neither the token nor a valid ticket."""
        if (ticket := ticket_of(request)) is not None:
            # A ticket cannot be guessed, so wrong tickets need no limit.
            if not self._tickets.accepts(ticket, path_of(request)):
                reason = "This ticket is not for this path, or has expired."
                raise RequestError("unauthorized", "Unauthorized", reason=reason)
            return
        token = bearer(request)
        if token is None:
            token = _basic(request)
            # A browser adds a password that it knows also to requests of other web sites.
            if token is not None and "cross-site" in request.headers.get_all("Sec-Fetch-Site"):
                reason = "A page of another site needs a ticket from create_ticket in the address."
                raise RequestError("unauthorized", "Unauthorized", reason=reason)
        if token is None:
            raise RequestError("unauthorized", "Unauthorized", reason=_HINT)
        if not await self._check(token, address):
            raise RequestError("unauthorized", "Unauthorized", reason="This is not the server's token.")


def path_of(request: Request) -> str:
    """The decoded path of a request, without its query."""
    return unquote(urlsplit(request.path).path)


def query_of(request: Request) -> dict[str, str]:
    """The values in the query of a request: the first of each name."""
    return {name: values[0] for name, values in parse_qs(urlsplit(request.path).query, keep_blank_values=True).items()}


def ticket_of(request: Request) -> str | None:
    """The ticket in the address; None if there is none."""
    return query_of(request).get("ticket")


def bearer(request: Request | None) -> str | None:
    """The token from a header Authorization: Bearer; None if there is none."""
    scheme, token = _authorization(request)
    return token if scheme == "bearer" else None


def _basic(request: Request) -> str | None:
    scheme, given = _authorization(request)
    if scheme != "basic":
        return None
    try:
        return base64.b64decode(given, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeError):
        return ""


def _authorization(request: Request | None) -> tuple[str, str]:
    header = next(iter(request.headers.get_all("Authorization")), "") if request is not None else ""
    scheme, _, given = header.partition(" ")
    given = given.strip()
    with suppress(UnicodeError):
        # The library decodes headers as Latin-1, but most clients send UTF-8.
        given = given.encode("latin-1").decode()
    return scheme.lower(), given
