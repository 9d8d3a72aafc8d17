"""Converts error codes and error messages of libgphoto2 to camera errors."""

from __future__ import annotations

import re

from camera import errors
from camera.errors import CameraError, CameraRefused, GpFailure, MovieStuck, OutOfStep, ShutterStuck

# camera/processes/holders.py adds the name of the program, because this process has no permission to see other processes.
CLAIMED = (
    "Another program uses the camera. It may be the desktop's volume monitor (gvfs-gphoto2-volume-monitor) "
    "or a program of another user."
)
_UNFOCUSED = (
    "The camera could not focus, so it took no picture. Aim at something with contrast, "
    "or set the focus mode to manual."
)

_BY_CODE: dict[int, tuple[type[CameraError], str]] = {
    -5: (errors.CameraNotFound, "No such camera or driver."),
    -6: (errors.NotSupported, "This camera does not support that."),
    -7: (errors.CameraIO, "The transfer with the camera failed. Check the cable and the permissions, then try again."),
    -10: (errors.CameraTimeout, "The camera did not answer in time. Check that it is awake, then try again."),
    -20: (errors.NotSupported, "The driver does not support that on this port."),
    -21: (errors.NotSupported, "The driver for this camera is not installed."),
    -31: (errors.CameraIO, "The serial transfer failed. Check the cable, then try again."),
    -34: (errors.CameraIO, "The USB transfer failed. Check the cable, then try again."),
    -35: (errors.CameraIO, "The port could not be changed. Check the cable, then try again."),
    -37: (errors.CameraIO, "The USB endpoint stalled. Try again, or unplug the camera for a moment."),
    -41: (errors.CameraIO, "The USB port could not be cleared. Unplug the camera for a moment."),
    -51: (errors.CameraIO, "The USB device could not be found any more. Check the cable."),
    -52: (errors.CameraDisconnected, "The camera is disconnected. Plug it in or switch it on."),
    -53: (errors.CameraClaimed, CLAIMED),
    -60: (errors.CameraClaimed, CLAIMED),
    -102: (errors.CameraIO, "The camera sent data that cannot be read. Try again."),
    -105: (errors.CameraNotFound, "No such camera."),
    -107: (errors.FileNotFound, "The camera has no such folder."),
    -108: (errors.FileNotFound, "The camera has no such file."),
    -110: (errors.CameraBusy, "The camera is busy. Wait a moment and try again."),
    -111: (errors.InvalidPath, "The camera does not accept this path."),
    -112: (errors.Cancelled, "The operation was cancelled on the camera."),
    -115: (errors.CardFull, "The card is full. Delete files or change the card."),
}  # fmt: skip

# For general errors (-1 or -2), the cause is only in the message. These are texts that the PTP layer writes into it.
_BY_TEXT: tuple[tuple[str, type[CameraError], str], ...] = (
    ("0x200c", errors.CardFull, "The card is full. Delete files or change the card."),
    ("store full", errors.CardFull, "The card is full. Delete files or change the card."),
    ("0x2019", errors.CameraBusy, "The camera is busy. Wait a moment and try again."),
    ("0x2009", errors.FileNotFound, "The camera has no such file."),
    ("no thumbnail", errors.NotSupported, "The camera has no thumbnail of this file."),
    ("0x2010", errors.NotSupported, "The camera has no thumbnail of this file."),
    ("0x2005", errors.NotSupported, "This camera does not support that."),
    ("0x200d", errors.CameraRefused, "The file is write-protected on the camera."),
    ("0x200e", errors.CameraRefused, "The card is write-protected."),
    ("0x2013", errors.CameraRefused, "The camera has no card."),
    ("auto-focus failed", errors.CameraRefused, _UNFOCUSED),
    # If the autofocus of a Nikon fails during a capture, the driver reports this text without a PTP code.
    ("out of focus", errors.CameraRefused, _UNFOCUSED),
    # Older Canons report the reason in the response to the release.
    ("release: perhaps no focus", errors.CameraRefused, _UNFOCUSED),
    ("release: perhaps no more memory", errors.CardFull, "The card is full. Delete files or change the card."),
    ("release: card read-only", errors.CameraRefused, "The card is write-protected."),
    ("store read only", errors.CameraRefused, "The card is write-protected."),
    ("device busy", errors.CameraBusy, "The camera is busy. Wait a moment and try again."),
)  # fmt: skip

# Texts of errors in the steps up to and including the release. They mean that the camera refused and took no picture
# (libgphoto2 camlibs/ptp2/library.c).
_NOT_FIRED = (
    "press failed", "failed to release", "auto-focus failed", "does not support", "initiatecapture", "out of focus",
    "can not capture",
)  # fmt: skip
# Texts of errors in the steps that follow the release of a Canon. They do not show whether the shutter has opened.
_MAY_HAVE_FIRED = ("-release failed", "get changes failed")
# PTP results 0x02xx come from libgphoto2 itself. They mean that the camera did not answer, so it may have performed the
# operation. (Even then, a half-press has not opened the shutter.) 0x2002 (General Error) does not prove that the camera
# answered, because the driver also reports it for invalid data.
_ANSWER = re.compile(r"\(0x(?:20(?!02)|a[01])[0-9a-f]{2}\b")
_NO_ANSWER = re.compile(r"\(0x02[0-9a-f]{2}\b")


def from_gp(code: int, text: str, doing: str) -> CameraError:
    """The camera error for a libgphoto2 error.

    Args:
        code: the negative error code, for example -110.
        text: libgphoto2's message, which may be empty.
        doing: the name of the operation, for example "capture". It is shown to people.
    """
    lowered = text.lower()
    known = _BY_CODE.get(code)
    if known is None:
        known = next(((kind, words) for mark, kind, words in _BY_TEXT if mark in lowered), None)
    kind, words = known or (CameraRefused, f"The camera refused ({text or 'no reason given'}).")
    return kind(words, gp=GpFailure(code, text), doing=doing)


def of_a_release(error: CameraError) -> CameraError:
    """The error of a failed release. The code -3 ("no memory") becomes CardFull: here, it means the card's memory."""
    if error.gp is not None and error.gp.code == -3:
        return from_gp(-115, error.gp.text, "capture")
    return error


def is_busy(error: CameraError) -> bool:
    """Whether the error has libgphoto2's own code for a busy camera (-110)."""
    return error.gp is not None and error.gp.code == -110


def transfer_broke(error: CameraError) -> bool:
    """Whether driver and camera are out of step.

    The cause is a missing or partial answer, or outdated data about files in the driver.
    """
    return isinstance(error, OutOfStep | ShutterStuck | MovieStuck) or (
        error.gp is not None and error.gp.code in (-7, -10, -34, -52)
    )


def camera_answered(error: CameraError) -> bool:
    """Whether an error is an answer of the camera (a PTP response code). If it is, the connection works."""
    return _ANSWER.search(_text(error)) is not None


def setting_refused(error: CameraError) -> bool:
    """Whether an error of writing a setting is an answer of the camera, although its text does not say so.

    The driver turns each PTP response without an own number into -1, and lost answers into other numbers (libgphoto2
    camlibs/ptp2/library.c, translate_ptp_result).
    """
    return error.gp is not None and error.gp.code == -1 and not error.gp.text


def before_the_release(error: CameraError) -> bool:
    """Whether an error belongs to a step before the release: focus, half-press, or a missing function of the driver."""
    text = _text(error)
    marks = ("half-press failed", "auto-focus failed", "out of focus", "perhaps no focus", "does not support")
    return isinstance(error, errors.NotSupported) or any(mark in text for mark in marks)


def shutter_did_not_fire(error: CameraError, busy_means_not_fired: bool) -> bool:
    """Whether a failed capture certainly took no picture.

    True only if the driver reports that the release itself was refused, or that it was never sent.
    """
    text = _text(error)
    if any(mark in text for mark in _MAY_HAVE_FIRED):
        return False
    if isinstance(error, errors.CameraBusy):
        return busy_means_not_fired
    if _NO_ANSWER.search(text):
        return "half-press failed" in text
    return any(mark in text for mark in _NOT_FIRED)


def card_read_only(error: CameraError) -> bool:
    """Whether the camera refused an operation because its card is write-protected."""
    return "store read only" in _text(error)


def _text(error: CameraError) -> str:
    return error.gp.text.lower() if error.gp is not None else ""
