"""A process with one libgphoto2 session. It reads calls from a socket, runs them, and replies with lines of JSON.

A separate process is needed, because libgphoto2's PTP/IP driver closes file descriptor 0, and because two sessions in one
process are not safe.
"""

from __future__ import annotations

import hashlib
import json
import socket
import sys
import time
from pathlib import Path
from typing import Any

import gphoto2 as gp

WITH_CHOICES = (gp.GP_WIDGET_RADIO, gp.GP_WIDGET_MENU)
WITHOUT_VALUE = (gp.GP_WIDGET_WINDOW, gp.GP_WIDGET_SECTION, gp.GP_WIDGET_BUTTON)
TYPES = {
    gp.GP_WIDGET_TEXT: "text",
    gp.GP_WIDGET_RADIO: "radio",
    gp.GP_WIDGET_MENU: "menu",
    gp.GP_WIDGET_TOGGLE: "toggle",
    gp.GP_WIDGET_DATE: "date",
    gp.GP_WIDGET_RANGE: "range",
}
EVENTS = {
    gp.GP_EVENT_TIMEOUT: "timeout",
    gp.GP_EVENT_FILE_ADDED: "file",
    gp.GP_EVENT_CAPTURE_COMPLETE: "complete",
    gp.GP_EVENT_UNKNOWN: "unknown",
}


class Driver:
    """The calls that a test can make. Their arguments and results are JSON values."""

    def __init__(self) -> None:
        self.camera = gp.Camera()
        self.folders: set[str] = set()

    def open(self, address: str, model: str = "PTP/IP Camera") -> None:
        ports = gp.PortInfoList()
        ports.load()
        self.camera.set_port_info(ports[ports.lookup_path(address)])
        abilities = gp.CameraAbilitiesList()
        abilities.load()
        self.camera.set_abilities(abilities[abilities.lookup_model(model)])
        self.camera.init()

    def close(self) -> None:
        self.camera.exit()

    def summary(self) -> str:
        return str(self.camera.get_summary())

    def storage(self) -> dict[str, Any]:
        info = self.camera.get_storageinfo()[0]
        return {
            "base": info.basedir,
            "free_kb": info.freekbytes,
            "capacity_kb": info.capacitykbytes,
            "access": info.access,
        }

    def describe(self, widget: Any) -> dict[str, Any]:
        kind = widget.get_type()
        found = {
            "type": TYPES.get(kind, "other"),
            "read_only": bool(widget.get_readonly()),
            "value": widget.get_value(),
        }
        if kind in WITH_CHOICES:
            found["choices"] = list(widget.get_choices())
        if kind == gp.GP_WIDGET_RANGE:
            found["range"] = list(widget.get_range())
        return found

    def tree(self) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def walk(widget: Any) -> None:
            if widget.get_type() not in WITHOUT_VALUE:
                found[widget.get_name()] = self.describe(widget)
            for index in range(widget.count_children()):
                walk(widget.get_child(index))

        root = self.camera.get_config()
        walk(root)
        return found

    def get(self, name: str) -> dict[str, Any]:
        return self.describe(self.camera.get_single_config(name))

    def set(self, name: str, value: Any) -> Any:
        widget = self.camera.get_single_config(name)
        widget.set_value(value)
        self.camera.set_single_config(name, widget)
        return self.camera.get_single_config(name).get_value()

    def capture(self) -> str:
        path = self.camera.capture(gp.GP_CAPTURE_IMAGE)
        return f"{path.folder.rstrip('/')}/{path.name}"

    def trigger(self) -> None:
        self.camera.trigger_capture()

    def wait_for(self, kind: str, count: int = 1, seconds: float = 3) -> list[Any]:
        """Return events of one kind. Waits until ``count`` events have arrived or the time is over."""
        found: list[Any] = []
        end = time.monotonic() + seconds
        while len(found) < count and time.monotonic() < end:
            event, data = self.camera.wait_for_event(50)
            if EVENTS.get(event) != kind:
                continue
            found.append(f"{data.folder.rstrip('/')}/{data.name}" if kind == "file" else data)
        return found

    def list(self, folder: str) -> dict[str, list[str]]:
        files, folders = self.camera.folder_list_files(folder), self.camera.folder_list_folders(folder)
        return {
            "files": [files.get_name(index) for index in range(files.count())],
            "folders": [folders.get_name(index) for index in range(folders.count())],
        }

    def info(self, path: str) -> dict[str, Any]:
        found = self.camera.file_get_info(*self.split(path)).file
        return {"size": found.size, "type": found.type, "width": found.width, "height": found.height}

    def split(self, path: str) -> tuple[str, str]:
        folder, _, name = path.rpartition("/")
        return folder or "/", name

    def download(self, path: str, target: str, preview: bool = False) -> dict[str, Any]:
        kind = gp.GP_FILE_TYPE_PREVIEW if preview else gp.GP_FILE_TYPE_NORMAL
        begin = time.perf_counter()
        file = self.camera.file_get(*self.split(path), kind)
        seconds = time.perf_counter() - begin
        data = bytes(file.get_data_and_size())
        Path(target).write_bytes(data)
        return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "seconds": seconds}

    def read_pieces(self, path: str, size: int, piece: int) -> str:
        digest = hashlib.sha256()
        buffer = bytearray(piece)
        offset = 0
        while offset < size:
            count = self.camera.file_read(*self.split(path), gp.GP_FILE_TYPE_NORMAL, offset, buffer)
            digest.update(buffer[:count])
            offset += count
        return digest.hexdigest()

    def delete(self, path: str) -> None:
        self.camera.file_delete(*self.split(path))

    def preview(self, count: int = 1, target: str | None = None) -> dict[str, Any]:
        """Read frames. Returns the comment of each frame, the size of the last frame, and the total time in seconds."""
        comments: list[str] = []
        size = 0
        begin = time.perf_counter()
        for _ in range(count):
            file = self.camera.capture_preview()
            data = bytes(file.get_data_and_size())
            size = len(data)
            length = int.from_bytes(data[4:6], "big")
            comments.append(data[6 : 4 + length].decode() if data[2:4] == b"\xff\xfe" else "")
        seconds = time.perf_counter() - begin
        if target:
            Path(target).write_bytes(data)
        return {"comments": comments, "size": size, "seconds": seconds}


def main() -> None:
    """Run calls until the other end of the socket is closed."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    driver = Driver()
    with channel, channel.makefile("rb") as lines:
        for line in lines:
            call = json.loads(line)
            try:
                reply = {"value": getattr(driver, call["name"])(*call["arguments"], **call["options"])}
            except gp.GPhoto2Error as error:
                reply = {"error": error.code}
            channel.sendall(json.dumps(reply).encode() + b"\n")


if __name__ == "__main__":
    main()
