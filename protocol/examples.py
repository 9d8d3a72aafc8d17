"""An example reply of each command, as the simulated camera gives it; used in the documentation and in tests.

The example request is part of the command's declaration. Pictures are shortened.
"""

from __future__ import annotations

from typing import Any

from protocol.catalogue import COMMANDS

PORT = "usb:001,003"
FOLDER = "/store_00020001/DCIM/100CANON"
PATH = f"{FOLDER}/IMG_0001.JPG"
CUT = "…"

_ISO_CHOICES = ["Auto", "100", "200", "400", "800", "1600", "3200", "6400"]
_ISO = {"config_name": "iso", "label": "ISO Speed", "type": "radio"}
_CAN = ["capture", "live_view", "config", "delete", "events"]
_FILE = {"camera_filepath": PATH, "filename": "IMG_0001.JPG", "mimetype": "image/jpeg", "size": 11839412}
_PICTURE = f"/9j/4QzHRXhpZgAA{CUT}"
_LIMITS = {"message_bytes": 65536, "connections": 64, "pending_commands": 32}

# Without status, id and command.
REPLIES: dict[str, dict[str, Any]] = {
    "list_cameras": {
        "cameras": [
            {
                "name": "Canon EOS 550D", "model": "Canon EOS 550D", "port": PORT, "index": 0, "serial": "SIM0000001", "state": "ready",
                "connected": True, "can": _CAN,
            }
        ]
    },
    "select_camera": {"message": f"Camera on port {PORT} selected"},
    "capture_image": {
        "message": "Image captured successfully",
        "camera_filepath": PATH,
        "filename": "IMG_0001.JPG",
        "mimetype": "image/jpeg",
        "image_b64": _PICTURE,
        "files": [{**_FILE, "saved_path": "/home/pi/photos/2030-12-24_18-00-00_IMG_0001.jpg"}],
        "timing": {"shutter_ms": 7.3, "file_known_ms": 186.2, "file_here_ms": 293.1},
    },
    "download_last_image": {
        "message": "Image downloaded successfully",
        "filename": "IMG_0001.JPG",
        "mimetype": "image/jpeg",
        "camera_filepath": PATH,
        "size": 11839412,
        "image_b64": _PICTURE,
    },
    "get_config": {**_ISO, "value": "100", "readonly": False, "choices": _ISO_CHOICES},
    "set_config": {
        **_ISO, "value": "200", "readonly": False, "choices": _ISO_CHOICES, "message": "Config iso set to 200",
    },
    "start_live_view": {
        "message": "Live view started", "stream": 1, "fps": 30.0, "format": "base64", "rotation": 0, "flip": False,
        "port": PORT,
    },
    "stop_live_view": {"message": "Live view stopped", "sent": 42, "dropped": 0},
    "capture_preview": {
        "message": "Preview captured successfully", "mimetype": "image/jpeg", "image_b64": f"/9j//gAxZnJhbWU9{CUT}",
    },
    "get_camera_info": {
        "name": "Canon EOS 550D",
        "model": "Canon EOS 550D",
        "manufacturer": "Canon Inc.",
        "version": "3-1.0.9",
        "serial": "SIM0000001",
        "port": PORT,
        "state": "ready",
        "connected": True,
        "can": _CAN,
        "viewers": 0,
        "battery": "100%",
        "lens": "EF-S18-55mm f/3.5-5.6 IS",
        "storage": [{"path": "/store_00020001", "label": "", "capacity": 16000000000, "free": 15988160588}],
        "file_count": 1,
        "last_io": "2030-12-24T18:00:00.314+00:00",
    },
    "restart_camera": {"message": f"Camera on port {PORT} restarted"},
    "list_files": {"folder": FOLDER, "folders": [], "files": [_FILE], "total": 1},
    "get_thumbnail": {"filename": "IMG_0001.JPG", "mimetype": "image/jpeg", "image_b64": f"/9j/4AAQSkZJRgAB{CUT}"},
    "delete_file": {"message": f"{PATH} deleted"},
    "subscribe": {
        "events": [
            "camera_connected", "camera_disconnected", "camera_state", "camera_warning", "capture_checked",
            "capture_saved", "config_changed", "file_added", "live_view_stopped",
        ]
    },
    "unsubscribe": {"events": []},
    "server_info": {
        "server": "gphoto-ws-server", "version": "0.1.0", "protocol": 1, "libgphoto2": "2.5.34", "uptime": 3600.512,
        "time": "2030-12-24T18:00:00.000+00:00",
        "limits": _LIMITS,
    },
    "list_commands": {"commands": [COMMANDS["ping"].description().model_dump()]},
    "ping": {"message": "pong"},
}  # fmt: skip


def request(name: str) -> dict[str, Any]:
    """The example of a command as a client sends it."""
    payload = COMMANDS[name].example
    return {"command": name, "payload": payload} if payload else {"command": name}


def reply(name: str) -> dict[str, Any]:
    """The example reply."""
    return {"status": "ok", **REPLIES[name]}


FAILED: dict[str, Any] = {
    "request": {"command": "set_config", "payload": {"name": "iso", "value": 201}, "id": 17},
    "reply": {
        "status": "error",
        "id": 17,
        "command": "set_config",
        "message": f"'201' is not a valid value for iso. Allowed: {', '.join(_ISO_CHOICES)}.",
        "code": "invalid_value",
        "retryable": False,
        "details": {"config_name": "iso", "choices": _ISO_CHOICES},
    },
}
