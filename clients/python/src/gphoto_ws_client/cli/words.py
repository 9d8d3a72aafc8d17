"""Error messages for people, and exit codes for scripts."""

from __future__ import annotations

from typing import Any

from gphoto_ws_client.errors import ConnectionFailed, GphotoWsError, Unauthorized

OK, FAILED, USAGE, NOT_CONNECTED, INTERRUPTED, TERMINATED = 0, 1, 2, 3, 130, 143


class UsageError(Exception):
    """Invalid options or arguments; nothing was sent to the server."""


def exit_code(error: Exception) -> int:
    """The exit code for an error."""
    if isinstance(error, (ConnectionFailed, Unauthorized)):
        return NOT_CONNECTED
    return USAGE if isinstance(error, (UsageError, FileExistsError)) else FAILED


def words(error: Exception) -> str:
    """The message: what happened and what to do."""
    if isinstance(error, Unauthorized):
        return "The server refused the token. Set GPHOTO_WS_TOKEN to the server's API_TOKEN; a server without one writes a token to its log."
    if isinstance(error, FileExistsError):
        return f"{error.filename} exists already. Choose another name, or use --force to overwrite it."
    if isinstance(error, GphotoWsError):
        if error.code == "config_not_found":
            return f"{error.message.partition(' Send get_config')[0]} gphoto-ws config list shows all settings."
        ports = error.details.get("ports")
        if error.code == "no_camera_selected" and isinstance(ports, list) and ports:
            return f"There are several cameras. Choose one with --port: {', '.join(map(str, ports))}."
        return error.message
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}."
    return str(error)


def facts(error: Exception) -> dict[str, Any]:
    """The error as data for programs."""
    if isinstance(error, GphotoWsError):
        return {"error": words(error), "code": error.code, "retryable": error.retryable, "details": error.details}
    code = "usage" if exit_code(error) == USAGE else "local"
    return {"error": words(error), "code": code, "retryable": False, "details": {}}
