"""Calls to those functions of libgphoto2 that pass text to or from the camera. Here, the text is passed as bytes.

python-gphoto2 accepts only str and encodes it as UTF-8, so a name that is not UTF-8 cannot be passed back to the
camera. An event with text that is not UTF-8 crashes the process (gphoto2 2.6.4, SIGSEGV in wait_for_event). Therefore
these functions call the loaded libgphoto2 through ctypes, with the objects of python-gphoto2. ctypes releases the GIL
during a call. Runs in the camera process.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from camera.escapes import escaped
from camera.model import camera_path

_POINTER, _TEXT, _INT = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
# The argument types of functions in gphoto2-camera.h and gphoto2-widget.h. All these functions return an error code.
_ARGUMENTS: dict[str, list[Any]] = {
    "gp_camera_folder_list_files": [_POINTER, _TEXT, _POINTER, _POINTER],
    "gp_camera_folder_list_folders": [_POINTER, _TEXT, _POINTER, _POINTER],
    "gp_camera_file_get_info": [_POINTER, _TEXT, _TEXT, _POINTER, _POINTER],
    "gp_camera_file_get": [_POINTER, _TEXT, _TEXT, _INT, _POINTER, _POINTER],
    "gp_camera_file_delete": [_POINTER, _TEXT, _TEXT, _POINTER],
    "gp_camera_capture": [_POINTER, _INT, _POINTER, _POINTER],
    "gp_camera_wait_for_event": [_POINTER, _INT, _POINTER, _POINTER, _POINTER],
    "gp_widget_set_value": [_POINTER, _TEXT],
    "gp_port_get_timeout": [_POINTER, _POINTER],
    "gp_port_set_timeout": [_POINTER, _INT],
}
# Values of CameraEventType in gphoto2-camera.h. Events of type UNKNOWN have a text. Events of the types in _WITH_PATH
# have a path; 3 is "folder added" and 5 is "file changed". TIMEOUT and CAPTURE_COMPLETE have no data.
UNKNOWN, TIMEOUT, FILE_ADDED, CAPTURE_COMPLETE = 0, 1, 2, 4
_WITH_PATH = (FILE_ADDED, 3, 5)


class _FilePath(ctypes.Structure):
    """The struct CameraFilePath of gphoto2-camera.h."""

    _fields_ = (("name", ctypes.c_char * 128), ("folder", ctypes.c_char * 1024))

    @property
    def path(self) -> str:
        """The path of the file, with folder and name escaped by `escaped`."""
        return camera_path(escaped(self.folder), escaped(self.name))


class RawCalls:
    """Replacements for functions of python-gphoto2, with bytes instead of text.

    Args:
        extension: the path of the python-gphoto2 module that has loaded libgphoto2.
        check: raises the exception of python-gphoto2 for an error code.
    """

    def __init__(self, extension: str, check: Callable[[int], Any]) -> None:
        self._library = ctypes.CDLL(extension)  # also finds the symbols of linked libraries
        self._check = check
        for name, arguments in _ARGUMENTS.items():
            getattr(self._library, name).argtypes = arguments
        self._free = ctypes.CDLL(None).free
        self._free.argtypes, self._free.restype = [_POINTER], None

    def list_files(self, camera: Any, folder: bytes, into: Any, context: Any) -> None:
        """Fill the list `into` with the names of the files in a folder."""
        self._call("gp_camera_folder_list_files", camera, folder, into, context)

    def list_folders(self, camera: Any, folder: bytes, into: Any, context: Any) -> None:
        """Fill the list `into` with the names of the folders in a folder."""
        self._call("gp_camera_folder_list_folders", camera, folder, into, context)

    def file_info(self, camera: Any, folder: bytes, name: bytes, into: Any, context: Any) -> None:
        """Fill `into` with the information about a file."""
        self._call("gp_camera_file_get_info", camera, folder, name, into, context)

    def file_get(self, camera: Any, folder: bytes, name: bytes, kind: int, into: Any, context: Any) -> None:
        """Read a file of the camera into `into`. `kind` selects the complete file or a variant, such as its preview."""
        self._call("gp_camera_file_get", camera, folder, name, kind, into, context)

    def file_delete(self, camera: Any, folder: bytes, name: bytes, context: Any) -> None:
        """Delete a file."""
        self._call("gp_camera_file_delete", camera, folder, name, context)

    def capture(self, camera: Any, kind: int, context: Any) -> str:
        """Release the shutter; returns the path of the first file, escaped by `escaped`."""
        where = _FilePath()
        self._call("gp_camera_capture", camera, kind, ctypes.byref(where), context)
        return where.path

    def wait_for_event(self, camera: Any, timeout_ms: int, context: Any) -> tuple[int, str | None]:
        """The next event: its type, and its text or path, escaped by `escaped`."""
        kind, data = ctypes.c_int(TIMEOUT), ctypes.c_void_p()
        self._call("gp_camera_wait_for_event", camera, timeout_ms, ctypes.byref(kind), ctypes.byref(data), context)
        try:
            if not data:
                return kind.value, None
            if kind.value in _WITH_PATH:
                return kind.value, ctypes.cast(data, ctypes.POINTER(_FilePath)).contents.path
            return kind.value, escaped(ctypes.string_at(data)) if kind.value == UNKNOWN else None
        finally:
            self._free(data)

    @contextmanager
    def transfer_timeout(self, camera: Any, milliseconds: int) -> Iterator[None]:
        """Set the longest time of one transfer on USB, until the end of the block. Other ports ignore it."""
        port = ctypes.c_void_p.from_address(int(camera.this))  # struct _Camera starts with it (gphoto2-camera.h)
        before = ctypes.c_int()
        self._check(self._library.gp_port_get_timeout(port, ctypes.byref(before)))
        self._check(self._library.gp_port_set_timeout(port, milliseconds))
        try:
            yield
        finally:
            self._library.gp_port_set_timeout(port, before)

    def set_text(self, widget: Any, value: bytes) -> None:
        """Set the value of a text, radio or menu widget."""
        self._call("gp_widget_set_value", widget, value)

    def _call(self, name: str, *arguments: Any) -> None:
        plain = (int(one.this) if hasattr(one, "this") else one for one in arguments)
        self._check(getattr(self._library, name)(*plain))
