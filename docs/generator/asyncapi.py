"""docs/asyncapi.yaml: the protocol as AsyncAPI 3.0, for generators of clients, mocks and documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import yaml

from camera.model import FocusSize, MovieEnd, State, WidgetType
from protocol import errors, examples
from protocol.catalogue import COMMANDS, Command
from protocol.closing import CLOSE_CODES
from protocol.commands import (
    BracketBy,
    ConfigTree,
    EventName,
    FileTransfer,
    FireStatus,
    JobKind,
    JobState,
    LoginReply,
    MissingCamera,
    PictureInReply,
    Preparation,
    RampSetting,
    Rotation,
    ShotOutcome,
    ShotState,
    SlotStatus,
    WebhookState,
)
from protocol.envelope import MAX_ID_LENGTH, PROTOCOL_VERSION
from protocol.events import EVENTS, EventKind, WhyEnded
from protocol.frames import HEADER_FIELDS, StreamFormat
from protocol.schemas import Schema, received, sent, type_name

_WHERE = "#/components/schemas/{model}"
# Type names for sets of allowed values.
_CHOICES: dict[tuple[str | int, ...], str] = {
    get_args(State): "CameraState",
    get_args(WidgetType): "WidgetType",
    get_args(errors.ErrorCode): "ErrorCode",
    get_args(EventName): "EventName",
    (*get_args(EventName), "*"): "EventChoice",
    get_args(StreamFormat): "StreamFormat",
    get_args(Rotation): "Rotation",
    get_args(PictureInReply): "PictureInReply",
    get_args(FileTransfer): "FileTransfer",
    get_args(FocusSize): "FocusSize",
    get_args(Preparation): "Preparation",
    get_args(MissingCamera): "MissingCamera",
    get_args(FireStatus): "FireStatus",
    get_args(WhyEnded): "LiveViewEndReason",
    get_args(WebhookState): "WebhookState",
    get_args(MovieEnd): "MovieEndReason",
    get_args(ShotState): "ShotState",
    get_args(ShotOutcome): "ShotOutcome",
    get_args(JobKind): "JobKind",
    get_args(RampSetting): "RampSetting",
    get_args(BracketBy): "BracketBy",
    get_args(JobState): "JobState",
    get_args(SlotStatus): "SlotStatus",
}
_HEAD = (
    "# Written by `make docs` from the declarations in protocol/; do not edit.\n"
    "# Messages of the Photonic dialect and HTTP are described in protocol.md.\n"
)


def text() -> str:
    """The content of the file."""
    return _HEAD + yaml.dump(document(), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=110)


class _Plain(yaml.SafeDumper):
    """Writes a repeated value in full each time, because YAML aliases are hard to read."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _to(name: str) -> str:
    return _WHERE.format(model=name)


def document() -> Schema:
    """The content of the file as values."""
    messages = _messages()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "gphoto-ws-server",
            "version": str(PROTOCOL_VERSION),
            "description": "Cameras behind libgphoto2, over one WebSocket. The first message is the token; a correct token "
            "gets no reply. " + _close_codes(),
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": "localhost:8765",
                "protocol": "ws",
                "description": "The default address; wss if the server has a certificate.",
                "security": [{"$ref": "#/components/securitySchemes/bearer"}],
            }
        },
        "channels": {
            "socket": {
                "address": "/",
                "description": "The only channel; /ws is the same.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
            }
        },
        "operations": _operations(),
        "components": {
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Instead of the first message, for clients that can set headers.",
                }
            },
            "messages": messages,
            "schemas": _schemas(),
        },
    }


def _close_codes() -> str:
    return "Close codes: " + " ".join(f"{line.code}: {line.when} Try again: {line.again}." for line in CLOSE_CODES)


def _schemas() -> Schema:
    """A named type for each message, and for parts that several messages share."""
    named: Schema = {
        "LoginRequest": {
            "type": "object",
            "required": ["token"],
            "properties": {
                "token": {"type": "string"},
                "protocol": {"const": PROTOCOL_VERSION, "description": "If it is present, the server replies."},
            },
        },
        "LoginReply": _answer(sent(LoginReply, _WHERE)),
        "Ack": {
            "type": "object",
            "required": ["ack"],
            "properties": {"ack": {"$ref": _to("AckedFrame")}},
        },
        "AckedFrame": {
            "type": "object",
            "required": ["stream", "seq"],
            "properties": {"stream": {"type": "integer"}, "seq": {"type": "integer"}},
        },
        "ErrorReply": {
            "type": "object",
            "required": ["status", "message", "code", "retryable"],
            "properties": {
                "status": {"const": "error"},
                "id": {"$ref": _to("RequestId")},
                "command": {"type": "string"},
                "message": {"type": "string", "description": "What happened and what to do, in words for people."},
                "code": {"enum": list(errors.ERROR_CODES)},
                "retryable": {
                    "type": "boolean",
                    "description": "Whether the same request may succeed later without any change.",
                },
                "details": {"type": "object", "description": "Data for programs."},
            },
        },
        "BinaryMessage": {"type": "string", "format": "binary"},
        "RequestId": {
            "anyOf": [{"type": "string", "maxLength": MAX_ID_LENGTH}, {"type": "integer"}],
            "description": "Chosen by the client; the reply has the same.",
        },
    }
    for name, command in COMMANDS.items():
        named[type_name(name, "Request")] = _request(command)
        named[type_name(name, "Payload")] = received(command.payload, _WHERE)
        named |= _replies(command)
    for name, kind in EVENTS.items():
        named[type_name(name, "Event")] = _event(kind)
    return _flat(named)


def _flat(named: Schema) -> Schema:
    """Make a separate type of each part in the $defs of the schemas, and of each set of allowed values."""
    parts: Schema = {}
    for schema in named.values():
        parts |= schema.pop("$defs", {})
    if doubled := set(parts) & set(named) | set(_CHOICES.values()) & (set(parts) | set(named)):
        raise ValueError(f"two types of one name: {sorted(doubled)}")
    for words, name in _CHOICES.items():
        parts[name] = {"type": "integer" if isinstance(words[0], int) else "string", "enum": list(words)}
    parts["ErrorCode"]["description"] = " ".join(f"{code}: {kind.meaning}" for code, kind in errors.KINDS.items())
    return {**{name: _plain(schema, parts) for name, schema in named.items()}, **_plain_parts(parts)}


def _plain_parts(parts: Schema) -> Schema:
    flat = {name: schema if name in _CHOICES.values() else _plain(schema, parts) for name, schema in parts.items()}
    return dict(sorted(flat.items()))


def _plain(value: Any, parts: Schema) -> Any:
    """The schema with a plain reference to each part and to each set of allowed values.

    The generator Modelina creates a type AnonymousSchema_N for a set of values that is not a component, and for a
    reference with other keys next to it. Therefore these keys (description, default) move to the component. If several
    references have them, the component gets those of the first reference.
    """
    match value:
        case {"enum": words, **siblings}:
            return _bare(_CHOICES[tuple(words)], siblings, parts)
        case {"allOf": [{"$ref": reference}], **siblings}:
            return _bare(reference.rpartition("/")[2], siblings, parts)
        case dict():
            return {key: _plain(entry, parts) for key, entry in value.items()}
        case list():
            return [_plain(entry, parts) for entry in value]
        case _:
            return value


def _bare(name: str, siblings: Mapping[Any, Any], parts: Schema) -> Schema:
    for key in ("description", "default"):
        if key in siblings:
            parts[name].setdefault(key, siblings[key])
    return {"$ref": _to(name)}


def _messages() -> Schema:
    messages: Schema = {
        "login": {"summary": "The first message.", "payload": {"$ref": _to("LoginRequest")}},
        "login_reply": {
            "summary": "Only if the login has a protocol number.",
            "payload": {"$ref": _to("LoginReply")},
        },
        "ack": {
            "summary": "The client has received a frame; for streams with max_in_flight. No reply.",
            "payload": {"$ref": _to("Ack")},
        },
        "error": {
            "summary": "The reply to a command that failed.",
            "payload": {"$ref": _to("ErrorReply")},
            "examples": [{"payload": examples.FAILED["reply"]}],
        },
    }
    for name, command in COMMANDS.items():
        messages[name] = {
            "summary": command.summary,
            "payload": {"$ref": _to(type_name(name, "Request"))},
            "examples": [{"payload": examples.request(name)}],
        }
        messages[f"{name}_reply"] = {
            "summary": f"The reply to {name}.",
            "payload": {"$ref": _to(type_name(name, "Reply"))},
            "examples": [{"payload": examples.reply(name)}],
        }
    for name, kind in EVENTS.items():
        messages[name] = {
            "summary": kind.when,
            "payload": {"$ref": _to(type_name(name, "Event"))},
            "examples": [{"payload": kind.message()}],
        }
    messages["binary"] = {
        "summary": "A live-view frame or a piece of a file, after a header of 16 bytes, big-endian: "
        + "; ".join(f"{field.name} ({field.letter}): {field.holds}" for field in HEADER_FIELDS),
        "contentType": "application/octet-stream",
        "payload": {"$ref": _to("BinaryMessage")},
    }
    return messages


def _request(command: Command[Any, Any]) -> Schema:
    needed = ["payload"] if any(field.is_required() for field in command.payload.model_fields.values()) else []
    return {
        "type": "object",
        "required": ["command", *needed],
        "additionalProperties": False,
        "properties": {
            "command": {"const": command.name},
            "payload": {"$ref": _to(type_name(command.name, "Payload"))},
            "id": {"$ref": _to("RequestId")},
        },
    }


def _replies(command: Command[Any, Any]) -> Schema:
    name = type_name(command.name, "Reply")
    if command.name != "get_config":
        return {name: _answer(sent(command.reply, _WHERE))}
    return {
        name: {"anyOf": [{"$ref": _to("OneConfigReply")}, {"$ref": _to("AllConfigsReply")}]},
        "OneConfigReply": _answer(sent(command.reply, _WHERE)),
        "AllConfigsReply": _answer(sent(ConfigTree, _WHERE)),
    }


def _answer(reply: Schema) -> Schema:
    """The schema of a reply, with the keys that all replies have."""
    head = {
        "status": {"const": "ok"},
        "id": {"$ref": _to("RequestId")},
        "command": {
            "type": "string",
            "description": "The command that this is the reply to; only if the request had an id.",
        },
    }
    return {
        **reply,
        "required": ["status", *reply["required"]],
        "properties": {**head, **reply["properties"]},
    }


def _event(kind: EventKind) -> Schema:
    # The schema of an event does not contain the key `event` with its name, so this key is added here.
    own = sent(kind.holds, _WHERE)
    return {
        **own,
        "required": ["event", *own["required"]],
        "properties": {"event": {"const": kind.name}, **own["properties"]},
    }


def _operations() -> Schema:
    """The operations of the server: it receives commands, and sends events and binary messages."""
    channel = {"$ref": "#/channels/socket"}

    def on_channel(*names: str) -> list[Schema]:
        return [{"$ref": f"#/channels/socket/messages/{name}"} for name in names]

    operations: Schema = {
        "login": {
            "action": "receive",
            "channel": channel,
            "messages": on_channel("login"),
            "reply": {"channel": channel, "messages": on_channel("login_reply", "error")},
        },
        "ack": {"action": "receive", "channel": channel, "messages": on_channel("ack")},
    }
    for name, command in COMMANDS.items():
        operations[name] = {
            "action": "receive",
            "channel": channel,
            "summary": command.summary,
            "messages": on_channel(name),
            "reply": {"channel": channel, "messages": on_channel(f"{name}_reply", "error")},
        }
    operations["events"] = {"action": "send", "channel": channel, "messages": on_channel(*EVENTS)}
    operations["pictures"] = {"action": "send", "channel": channel, "messages": on_channel("binary")}
    return operations
