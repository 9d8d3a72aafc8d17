"""Parsing of requests, and encoding of replies, errors and events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, from_json, to_json

from protocol import photonic
from protocol.errors import RequestError

PROTOCOL_VERSION = 1
MAX_ID_LENGTH = 128
# Larger integers do not fit into the 64-bit numbers of other languages.
_MAX_ID = 2**63 - 1

RequestId = str | int


@dataclass(frozen=True, slots=True)
class Request:
    """A command as received; its payload is not validated yet."""

    command: str
    payload: dict[str, Any]
    id: RequestId | None = None
    dialect: dict[str, Any] | None = None  # the original message, if it was in the Photonic dialect


@dataclass(frozen=True, slots=True)
class Login:
    """The login message."""

    token: str
    protocol: int | None = None


@dataclass(frozen=True, slots=True)
class Ack:
    """An ack message: the client has received this frame. An ack gets no reply."""

    stream: int
    seq: int


Inbound = Request | Login | Ack


class BadRequest(RequestError):
    """An invalid message, with its id and command if they could be read."""

    id: RequestId | None = None
    command: str | None = None
    photonic: bool = False


def parse(text: str | bytes) -> Inbound:
    """Parse one message.

    Raises:
        BadRequest: the text is not valid JSON (invalid_json), or the message is not a valid command, login or ack
            (bad_request and other codes).
    """
    if isinstance(text, bytes):
        raise BadRequest("bad_request", "Send text messages; binary messages go from the server to the client only.")
    try:
        message = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise BadRequest("invalid_json", f"This is not valid JSON: {error}.") from None
    if not isinstance(message, dict):
        raise BadRequest("bad_request", f"Send a JSON object, not {_kind(message)}. {_HOW}")
    if "command" in message:
        return _request(message)
    if "token" in message:
        return _login(message)
    if "type" in message:
        return _photonic(message)
    if "ack" in message:
        return _ack(message["ack"])
    raise BadRequest("bad_request", f"There is no command in this message. {_HOW}")


def _request(message: dict[str, Any]) -> Request:
    ident, command, payload = message.get("id"), message["command"], message.get("payload")
    problem: BadRequest | None = None
    if not isinstance(command, str):
        problem = BadRequest("bad_request", f"command must be a string, not {_kind(command)}. {_HOW}")
    elif payload is not None and not isinstance(payload, dict):
        problem = BadRequest("invalid_payload", f"payload must be an object, not {_kind(payload)}.")
    elif unknown := sorted(set(message) - {"command", "payload", "id"}):
        problem = BadRequest(
            "bad_request",
            f"Unknown key {unknown[0][:60]!r}. The keys are command, payload and id; arguments belong in payload.",
            unknown=[key[:60] for key in unknown[:10]],
        )
    if not _is_id(ident):
        ident = None
        problem = BadRequest("bad_request", f"id must be an integer or a string of at most {MAX_ID_LENGTH} characters.")
    if problem is not None:
        problem.id = ident
        problem.command = command if isinstance(command, str) else None
        raise problem
    return Request(command, payload or {}, ident)


def _photonic(message: dict[str, Any]) -> Request:
    ident = message.get("requestId")
    try:
        if not _is_id(ident):
            ident = None
            raise RequestError(
                "bad_request", f"requestId must be an integer or a string of at most {MAX_ID_LENGTH} characters."
            )
        command, payload = photonic.to_command(message)
    except RequestError as error:
        problem = BadRequest(error.code, error.message, **error.details)
        problem.id, problem.photonic = ident, True
        raise problem from None
    return Request(command, payload, ident, message)


def _is_id(value: Any) -> bool:
    if value is None:
        return True
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return -_MAX_ID <= value <= _MAX_ID
    return isinstance(value, str) and len(value) <= MAX_ID_LENGTH


def _login(message: dict[str, Any]) -> Login:
    token, protocol = message["token"], message.get("protocol")
    if not isinstance(token, str):
        raise BadRequest("bad_request", f"token must be a string, not {_kind(token)}.")
    if protocol is not None and (not isinstance(protocol, int) or isinstance(protocol, bool)):
        raise BadRequest("bad_request", f"protocol must be an integer, not {_kind(protocol)}.")
    return Login(token, protocol)


def _ack(ack: Any) -> Ack:
    if isinstance(ack, dict) and _plain_int(ack.get("stream")) and _plain_int(ack.get("seq")):
        return Ack(ack["stream"], ack["seq"])
    raise BadRequest("bad_request", 'ack must look like {"ack": {"stream": 1, "seq": 42}}.')


def _plain_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "a boolean", str: "a string", list: "a list", dict: "an object"}
    return names.get(type(value), "a number")


_HOW = 'Example: {"command": "list_cameras"}. list_commands lists all commands.'


def reply_head(request_id: RequestId | None, command: str | None) -> dict[str, Any]:
    """The keys that connect a reply with its request; empty if the request had no id."""
    if request_id is None:
        return {}
    # An unknown command name may be as long as a message; it is shortened to limit the memory for waiting replies.
    return {"id": request_id, "command": command and command[:MAX_ID_LENGTH]}


def encode_reply(reply: BaseModel, request: Request) -> bytes:
    """A reply as JSON in the dialect of the request, without optional keys that have no value."""
    values = _values(reply)
    if request.dialect is not None:
        return _json(photonic.to_reply(request.dialect, values) | _stamp(request.id))
    return _json({"status": "ok", **reply_head(request.id, request.command), **values})


def _values(model: BaseModel) -> dict[str, Any]:
    """The fields of a model, without optional fields that are None. A required field that is None is sent as null."""
    fields = type(model).model_fields
    values = ((name, getattr(model, name)) for name in fields)
    return {name: _plain(value) for name, value in values if value is not None or fields[name].is_required()}


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return _values(value)
    return [_plain(entry) for entry in value] if isinstance(value, list) else value


def _stamp(request_id: RequestId | None) -> dict[str, Any]:
    """The last keys of every message in the Photonic dialect."""
    return ({} if request_id is None else {"requestId": request_id}) | {"timestamp": _now()}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def encode_error(
    error: RequestError,
    request_id: RequestId | None = None,
    command: str | None = None,
    *,
    dialect: bool = False,
) -> bytes:
    """An error as JSON, in the Photonic dialect if `dialect` is true."""
    if dialect:
        return _json(photonic.to_error(error) | _stamp(request_id))
    return _json(
        {
            "status": "error",
            **reply_head(request_id, command),
            "message": error.message,
            "code": error.code,
            "retryable": error.retryable,
            **({"details": error.details} if error.details else {}),
        }
    )


def encode_in_dialect(kind: str, values: dict[str, Any]) -> bytes:
    """A message of the Photonic dialect that is not a reply."""
    return _json({"type": kind, **values} | _stamp(None))


def encode_event(name: str, values: dict[str, Any]) -> bytes:
    """An event as JSON, with the current time in UTC."""
    return _json({"event": name, "time": _now(), **values})


def _json(value: dict[str, Any]) -> bytes:
    # Values from a camera may contain anything. Invalid numbers become null, and invalid characters become "?".
    try:
        return to_json(value, inf_nan_mode="null", bytes_mode="utf8")
    except PydanticSerializationError:
        return to_json(_whole_characters(value), inf_nan_mode="null", bytes_mode="utf8")


def _whole_characters(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case dict():
            return {_whole_characters(key): _whole_characters(item) for key, item in value.items()}
        case list() | tuple():
            return [_whole_characters(item) for item in value]
        case _:
            return value
