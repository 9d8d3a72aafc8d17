"""A camera's remote socket that is closed by lines of a GPIO chip, through opto-isolators. Runs in the camera process."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from camera.errors import CameraError
from camera.model import ShutterLine

if TYPE_CHECKING:
    from gpiod import LineRequest

_log = logging.getLogger("camera.device.wires")

# How long the contact stays closed, in seconds. Bodies ask their contacts only every few milliseconds and wait until they
# do not bounce any more, so a shorter pulse may be missed. In continuous drive, a longer one may take a second frame.
_PULSE_S = 0.1


class Wire:
    """The contacts of one camera: release, and half press if it has a line for that. They are open unless pressed.

    The lines belong to this process until its end, so no other program can use them. An earlier process may have left a
    contact closed; requesting the lines opens it.

    Args:
        line: the lines.
    """

    def __init__(self, line: ShutterLine) -> None:
        self._line = line
        self._request: LineRequest | None = None

    @property
    def has_half_press(self) -> bool:
        """Whether there is a line for half pressing the button."""
        return self._line.half_press is not None

    def open(self) -> None:
        """Request the lines, unless they are requested already. All contacts are open then. Raises CameraError."""
        if self._request is not None:
            return
        try:
            import gpiod
            from gpiod.line import Direction, Value

            settings = gpiod.LineSettings(direction=Direction.OUTPUT, output_value=Value.INACTIVE)
            self._request = gpiod.request_lines(
                str(self._line.node), consumer="gphoto-ws-server", config={self._line.offsets: settings}
            )
        except (ImportError, OSError, ValueError) as error:
            raise self._error(error) from error

    def press_half(self, pressed: bool) -> None:
        """Close the contact for half pressing, or open it. Raises CameraError."""
        assert self._line.half_press is not None
        self._set((self._line.half_press,), pressed)

    def press(self) -> None:
        """Close all contacts with one system call, as a pressed button does. Raises CameraError."""
        self._set(self._line.offsets, True)

    def release(self) -> None:
        """Open all contacts, after the length of a pulse. Raises CameraError."""
        time.sleep(_PULSE_S)
        self._set(self._line.offsets, False)

    def _set(self, offsets: tuple[int, ...], closed: bool) -> None:
        from gpiod.line import Value

        self.open()
        assert self._request is not None
        value = Value.ACTIVE if closed else Value.INACTIVE
        try:
            self._request.set_values(dict.fromkeys(offsets, value))
        except (OSError, ValueError) as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> CameraError:
        words = f"The wire to the camera ({self._line}) cannot be used, so it is not released together with others: {error}."
        return CameraError(words)


def wire_of(lines: dict[str, str], serial: str | None, port: str) -> Wire | None:
    """The wire of a camera, with its lines requested; None if it has none.

    Args:
        lines: the lines by serial number, or by port.
        serial, port: those of the camera.
    """
    of_serial = {key.lstrip("0"): text for key, text in lines.items()}
    text = lines.get(port) or (of_serial.get(serial.lstrip("0")) if serial else None)
    if text is None:
        return None
    wire = Wire(ShutterLine.parse(text))
    try:
        wire.open()
    except CameraError as error:  # it is tried again for each release
        _log.warning("%s", error)
    return wire
