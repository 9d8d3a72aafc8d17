"""The examples of the commands as they are sent, for the documentation."""

from __future__ import annotations

from typing import Any

from protocol.catalogue import COMMANDS, ISO_CHOICES


def request(name: str) -> dict[str, Any]:
    """The example of a command as a client sends it."""
    payload = COMMANDS[name].example
    return {"command": name, "payload": payload} if payload else {"command": name}


def reply(name: str) -> dict[str, Any]:
    """The example reply."""
    return {"status": "ok", **COMMANDS[name].example_reply}


FAILED: dict[str, Any] = {
    "request": {"command": "set_config", "payload": {"name": "iso", "value": 201}, "id": 17},
    "reply": {
        "status": "error",
        "id": 17,
        "command": "set_config",
        "message": f"'201' is not a valid value for iso. Allowed: {', '.join(ISO_CHOICES)}.",
        "code": "invalid_value",
        "retryable": False,
        "details": {"config_name": "iso", "choices": ISO_CHOICES},
    },
}
