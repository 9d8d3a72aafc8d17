"""The login of a client: checks the token, the protocol number, and the number of connections."""

from __future__ import annotations

import asyncio

from protocol import closing
from protocol.commands import LoginReply
from protocol.envelope import PROTOCOL_VERSION, BadRequest, Login, Request, encode_reply, parse
from protocol.errors import RequestError
from server import limits
from server.admission import Admission
from server.client import Client, Closing
from service.commands import Service


async def enter(client: Client, admission: Admission, service: Service, bearer: str | None) -> None:
    """Log a client in, with the token of its handshake or with its first message.

    Raises:
        Closing: the login failed, and the connection must be closed.
    """
    try:
        async with client.login_timeout:
            if bearer is not None:
                await _check(client, admission, bearer)
                _join(client, admission)
            else:
                await accept(client, admission, service, await _first_message(client))
    except TimeoutError:
        raise Closing(closing.NO_ROOM, "too many connections that have not logged in") from None


async def accept(client: Client, admission: Admission, service: Service, login: Login) -> None:
    """Check a login message, and reply if it contains a protocol number. A client may log in again later.

    Raises:
        Closing: the login failed, and the connection must be closed.
    """
    await _check(client, admission, login.token)
    if login.protocol is not None and login.protocol != PROTOCOL_VERSION:
        raise Closing(
            closing.UNSUPPORTED_PROTOCOL,
            "unsupported protocol",
            RequestError(
                "unsupported_protocol",
                f"This server supports protocol {PROTOCOL_VERSION}.",
                supported=[PROTOCOL_VERSION],
            ),
        )
    _join(client, admission)
    if login.protocol is not None:
        position = await service.events.position()
        reply = LoginReply(
            protocol=PROTOCOL_VERSION,
            server="gphoto-ws-server",
            version=service.version,
            limits=limits.ALL,
            epoch=position.epoch,
            seq=position.seq,
        )
        await client.send(encode_reply(reply, Request("", {})))


async def _first_message(client: Client) -> Login:
    try:
        async with asyncio.timeout(limits.LOGIN_SECONDS):
            text = await client.socket.recv()
    except TimeoutError:
        raise Closing(
            closing.LOGIN_TIMEOUT,
            "no login in time",
            _unauthorized(f"Send the token within {limits.LOGIN_SECONDS:g} s."),
        ) from None
    try:
        message = parse(text)
    except BadRequest as error:
        raise Closing(closing.NO_LOGIN, "not a login", _unauthorized(error.message)) from None
    if not isinstance(message, Login):
        raise Closing(closing.NO_LOGIN, "not a login", _unauthorized('The first message must be {"token": "..."}.'))
    return message


async def _check(client: Client, admission: Admission, token: str) -> None:
    if admission.gate.accepts(token):
        return
    # The reply may be delayed. Meanwhile, the client must not count as a connection that waits for its login.
    client.leaving = True
    try:
        await admission.check_token(token, client.address)
    except RequestError as error:
        raise Closing(closing.FLOOD, "too many wrong tokens", error) from None
    raise Closing(closing.WRONG_TOKEN, "wrong token", _unauthorized(None))


def _join(client: Client, admission: Admission) -> None:
    if not client.logged_in and admission.full():
        raise Closing(closing.NO_ROOM, "too many connections")
    client.logged_in = True


def _unauthorized(reason: str | None) -> RequestError:
    return RequestError("unauthorized", "Unauthorized", reason=reason)
