"""docs/asyncapi.yaml: the protocol as AsyncAPI 3.0, for programs that make clients, mocks and pages of it."""

from __future__ import annotations

from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from protocol import errors, examples
from protocol.catalogue import COMMANDS, Command
from protocol.closing import CLOSE_CODES
from protocol.commands import ConfigTree, LoginReply
from protocol.envelope import MAX_ID_LENGTH, PROTOCOL_VERSION
from protocol.events import EVENTS, EventKind
from protocol.frames import HEADER_FIELDS

Schema = dict[str, Any]

_ID: Schema = {"anyOf": [{"type": "string", "maxLength": MAX_ID_LENGTH}, {"type": "integer"}]}
_HEAD = (
    "# Written by `make docs` from the declarations in protocol/; do not edit.\n"
    "# Messages of the Photonic dialect and HTTP are described in protocol.md.\n"
)


def text() -> str:
    """The whole file."""
    return _HEAD + yaml.dump(document(), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=110)


class _Plain(yaml.SafeDumper):
    """Writes what stands in two places twice, for people who read the file."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def document() -> Schema:
    """The whole file, as values."""
    messages = _messages()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "gphoto-ws-server",
            "version": str(PROTOCOL_VERSION),
            "description": "Cameras behind libgphoto2, over one WebSocket. The first message is the token; silence means "
            "success. " + _close_codes(),
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": "localhost:8765",
                "protocol": "ws",
                "description": "As it starts; wss where it has a certificate.",
                "security": [{"$ref": "#/components/securitySchemes/bearer"}],
            }
        },
        "channels": {
            "socket": {
                "address": "/",
                "description": "The only one; /ws is the same.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
            }
        },
        "operations": _operations(),
        "components": {
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "In place of the first message, where a client can set headers.",
                }
            },
            "messages": messages,
            "schemas": _schemas(),
        },
    }


def _close_codes() -> str:
    return "Close codes: " + " ".join(f"{line.code}: {line.when} Again: {line.again}." for line in CLOSE_CODES)


def _schemas() -> Schema:
    models: list[type[BaseModel]] = [LoginReply, ConfigTree]
    models += [model for command in COMMANDS.values() for model in (command.payload, command.reply)]
    unique = dict.fromkeys(models)
    _, schemas = models_json_schema(
        [(model, "validation") for model in unique], ref_template="#/components/schemas/{model}"
    )
    error = {
        "type": "object",
        "required": ["status", "message", "code", "retryable"],
        "properties": {
            "status": {"const": "error"},
            "id": _ID,
            "command": {"type": "string"},
            "message": {"type": "string", "description": "What happened and what to do, for a person."},
            "code": {
                "enum": list(errors.ERROR_CODES),
                "description": " ".join(f"{code}: {meaning}" for code, meaning in errors.MEANINGS.items()),
            },
            "retryable": {"type": "boolean", "description": "Whether the same may succeed later without any change."},
            "details": {"type": "object", "description": "Facts for a program."},
        },
    }
    return {**dict(sorted(schemas["$defs"].items())), "ErrorReply": error}


def _messages() -> Schema:
    messages: Schema = {
        "login": {
            "summary": "The first message.",
            "payload": {
                "type": "object",
                "required": ["token"],
                "properties": {
                    "token": {"type": "string"},
                    "protocol": {"const": PROTOCOL_VERSION, "description": "With it the server answers."},
                },
            },
        },
        "login_reply": {
            "summary": "Only where the login named a protocol.",
            "payload": _answer({"$ref": "#/components/schemas/LoginReply"}),
        },
        "ack": {
            "summary": "A frame was taken; for streams with max_in_flight. No reply.",
            "payload": {
                "type": "object",
                "required": ["ack"],
                "properties": {
                    "ack": {
                        "type": "object",
                        "required": ["stream", "seq"],
                        "properties": {"stream": {"type": "integer"}, "seq": {"type": "integer"}},
                    }
                },
            },
        },
        "error": {
            "summary": "Any command may be answered with this.",
            "payload": {"$ref": "#/components/schemas/ErrorReply"},
            "examples": [{"payload": examples.FAILED["reply"]}],
        },
    }
    for name, command in COMMANDS.items():
        messages[name] = _request(command)
        messages[f"{name}_reply"] = {
            "summary": f"What {name} is answered.",
            "payload": _answer(_reply_schema(command)),
            "examples": [{"payload": examples.reply(name)}],
        }
    for name, kind in EVENTS.items():
        messages[name] = _event(kind)
    messages["binary"] = {
        "summary": "A live-view frame or a piece of a file, behind a header of 16 bytes, big-endian: "
        + "; ".join(f"{field.name} ({field.letter}): {field.holds}" for field in HEADER_FIELDS),
        "contentType": "application/octet-stream",
        "payload": {"type": "string", "format": "binary"},
    }
    return messages


def _request(command: Command) -> Schema:
    payload = {"$ref": f"#/components/schemas/{command.payload.__name__}"}
    needed = ["payload"] if any(field.is_required() for field in command.payload.model_fields.values()) else []
    return {
        "summary": command.summary,
        "payload": {
            "type": "object",
            "required": ["command", *needed],
            "additionalProperties": False,
            "properties": {"command": {"const": command.name}, "payload": payload, "id": _ID},
        },
        "examples": [{"payload": examples.request(command.name)}],
    }


def _reply_schema(command: Command) -> Schema:
    reply = {"$ref": f"#/components/schemas/{command.reply.__name__}"}
    if command.name == "get_config":
        return {"anyOf": [reply, {"$ref": "#/components/schemas/ConfigTree"}]}
    return reply


def _answer(reply: Schema) -> Schema:
    head = {
        "type": "object",
        "required": ["status"],
        "properties": {"status": {"const": "ok"}, "id": _ID, "command": {"type": "string"}},
    }
    return {"allOf": [head, reply]}


def _event(kind: EventKind) -> Schema:
    # What an event holds is closed, but beside it stands its name.
    schema = kind.holds.model_json_schema(ref_template="#/components/schemas/{model}")
    own = {key: value for key, value in schema.items() if key not in ("$defs", "title", "description")}
    return {
        "summary": kind.when,
        "payload": {
            **own,
            "required": ["event", *schema["required"]],
            "properties": {"event": {"const": kind.name}, **schema["properties"]},
        },
        "examples": [{"payload": kind.message()}],
    }


def _operations() -> Schema:
    """What the server does: it receives commands and sends the rest."""
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
