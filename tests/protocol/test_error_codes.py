"""Every camera error and every error number of libgphoto2 is mapped to the error code of the error reply."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import get_args

import pytest

from camera import errors, remote
from camera.channel import Message
from camera.device.gp_codes import from_gp, shutter_did_not_fire
from camera.errors import CameraError, GpFailure
from camera.remote import RemoteCamera, Reply
from protocol.envelope import encode_error
from protocol.errors import KINDS, ErrorCode, RequestError

# The error code of each error class.
CAMERA_ERRORS: dict[str, ErrorCode] = {
    "CameraError": "camera_error", "CameraRefused": "camera_error", "CameraBusy": "camera_busy",
    "CaptureAbandoned": "camera_busy", "CameraExposing": "camera_busy", "ShutterStuck": "capture_unknown", "BulbUnavailable": "bulb_unavailable", "NoExposure": "no_exposure",
    "NotRecorded": "not_recorded", "CameraRecording": "camera_busy", "MovieStuck": "camera_error", "MovieStaysOn": "not_supported",
    "MovieUnavailable": "movie_unavailable", "NoMovie": "no_movie",
    "CameraTimeout": "camera_timeout", "CameraIO": "camera_io", "OutOfStep": "camera_io", "NoPermission": "camera_io",
    "CameraNotFound": "camera_not_found", "CameraDisconnected": "camera_disconnected",
    "CameraUnreachable": "camera_disconnected", "PortGone": "camera_disconnected", "CameraClaimed": "camera_claimed",
    "NotSupported": "not_supported", "NoDriver": "not_supported", "ShutterStaysOpen": "not_supported",
    "Cancelled": "cancelled", "CaptureUnknown": "capture_unknown",
    "ConfigNotFound": "config_not_found", "ConfigReadonly": "config_readonly",
    "InvalidValue": "invalid_value", "ValueVetoed": "invalid_value",
    "FileNotFound": "file_not_found", "NoImage": "file_not_found",
    "InvalidPath": "invalid_path", "NoSuchPath": "invalid_path",
    "CardFull": "card_full", "DiskFull": "disk_full", "FolderNotWritable": "folder_not_writable",
    "LiveViewNotRunning": "live_view_not_running", "LiveViewNeeded": "live_view_needed", "NotReady": "not_ready",
}  # fmt: skip
NUMBERS = {
    -6: "not_supported", -20: "not_supported", -21: "not_supported",
    -7: "camera_io", -31: "camera_io", -34: "camera_io", -35: "camera_io", -37: "camera_io", -41: "camera_io",
    -51: "camera_io", -102: "camera_io",
    -10: "camera_timeout",
    -52: "camera_disconnected",
    -53: "camera_claimed", -60: "camera_claimed",
    -105: "camera_not_found", -5: "camera_not_found",
    -107: "file_not_found", -108: "file_not_found",
    -110: "camera_busy",
    -111: "invalid_path",
    -112: "cancelled",
    -115: "card_full",
}  # fmt: skip
RETRYABLE = {
    "rate_limited", "too_many_pending", "shutting_down", "camera_disconnected", "camera_busy", "camera_timeout",
    "camera_io", "not_ready", "camera_in_use_by_job",
}  # fmt: skip


ERROR_CLASSES = errors.kinds()


def test_every_camera_error_is_in_this_list() -> None:
    assert {kind.__name__ for kind in ERROR_CLASSES} == set(CAMERA_ERRORS)


@pytest.mark.parametrize("kind", ERROR_CLASSES, ids=lambda kind: kind.__name__)
def test_a_camera_error_is_mapped_to_its_code_with_message_and_details(kind: type[CameraError]) -> None:
    error = kind("What happened.", gp=GpFailure(-1, "It failed."), doing="testing")
    request = RequestError.from_camera(error)
    assert request.code == CAMERA_ERRORS[kind.__name__]
    assert request.message.startswith("What happened.")
    expected = {"gp_error": -1, "gp_text": "It failed.", "doing": "testing"}
    own_fields = {field.name for field in fields(kind)} - {"message", "gp", "doing", "cause"}
    assert {name: value for name, value in request.details.items() if name not in own_fields} == expected


@pytest.mark.parametrize("kind", ERROR_CLASSES, ids=lambda kind: kind.__name__)
def test_a_camera_error_is_unchanged_after_the_transfer_from_its_process(kind: type[CameraError]) -> None:
    error = kind("What happened.", gp=GpFailure(-1), put_back=("iso",))
    sent = json.loads(json.dumps(remote.failure(7, error, lost=True)))
    match remote.incoming(Message(sent)):
        case Reply(7, message, lost, True):
            assert type(lost) is kind
            assert lost.__dict__ == error.__dict__
            with pytest.raises(kind, match="What happened"):
                remote.verb_of(RemoteCamera.storage).result(message)
        case other:
            pytest.fail(f"{other} is not the reply of a job that failed")


def test_every_code_has_a_meaning_and_an_http_status() -> None:
    assert set(KINDS) == set(get_args(ErrorCode))
    for code, kind in KINDS.items():
        assert kind.meaning.endswith("."), code
        assert 400 <= kind.http < 600, code


# Messages of libgphoto2 2.5.34 (ptp2) for failed captures. For each message: whether the shutter may have opened, and
# words that the message of the server's error must contain.
DRIVER_MESSAGES = {
    "Canon EOS Full-Press failed (0x2019: PTP Device Busy)": (False, "busy"),
    "Canon EOS Full-Release failed (0x2019: PTP Device Busy)": (True, "busy"),
    "Canon EOS Half-Release failed (0x2005: PTP Operation Not Supported)": (True, "not support"),
    "Canon EOS Get Changes failed (0x200c: PTP Store Full)": (True, "full"),
    "PTP Store Full": (True, "card is full"),  # from a Nikon, at any step of the capture
    "PTP Operation Not Supported (0x2005)": (True, "not support"),
    "Canon EOS M Capture failed: Perhaps no focus?": (True, "Perhaps no focus"),
    "Canon EOS Capture failed to release: Perhaps no focus?": (False, "could not focus"),
    "Canon EOS Capture failed to release: Perhaps no more memory on card?": (False, "card is full"),
    "Canon EOS Capture failed to release: Card read-only?": (False, "write-protected"),
}


@pytest.mark.parametrize("expected", DRIVER_MESSAGES)
def test_the_driver_message_decides_whether_the_shutter_may_have_fired(expected: str) -> None:
    may_have_fired, expected_text = DRIVER_MESSAGES[expected]
    error = from_gp(-1, expected, "capture")
    assert shutter_did_not_fire(error, busy_means_not_fired=True) is not may_have_fired
    assert expected_text in error.message


@pytest.mark.parametrize(("number", "code"), NUMBERS.items())
def test_a_libgphoto2_number_is_mapped_to_its_code(number: int, code: str) -> None:
    request = RequestError.from_camera(from_gp(number, "", "testing"))
    assert request.code == code
    assert request.details == {"gp_error": number, "doing": "testing"}


def test_any_other_libgphoto2_number_is_a_camera_error() -> None:
    for number in set(range(-200, 0)) - set(NUMBERS):
        assert RequestError.from_camera(from_gp(number, "", "testing")).code == "camera_error"


@pytest.mark.parametrize("number", [*NUMBERS, -1, -2, -113])
def test_the_message_of_the_driver_is_kept(number: int) -> None:
    error = from_gp(number, "Canon EOS Half-Press failed (0x2002: PTP General Error)", "capture")
    assert error.gp == GpFailure(number, "Canon EOS Half-Press failed (0x2002: PTP General Error)")
    assert error.message.endswith(".")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Canon EOS Full-Press failed (0x200c: PTP Store Full)", "card_full"),
        ("Canon EOS Full-Press failed (0x2019: PTP Device Busy)", "camera_busy"),
        ("PTP Invalid Object Handle (0x2009)", "file_not_found"),
        ("PTP Operation Not Supported (0x2005)", "not_supported"),
        ("PTP General Error (0x2002)", "camera_error"),
    ],
)
def test_a_general_error_is_mapped_by_its_text(text: str, code: str) -> None:
    assert RequestError.from_camera(from_gp(-1, text, "capture")).code == code


def test_the_error_for_a_claimed_camera_blames_no_program_alone() -> None:
    assert "volume monitor (gvfs-gphoto2-volume-monitor) or a program of another user." in str(from_gp(-53, "", "open"))


@pytest.mark.parametrize("code", get_args(ErrorCode))
def test_an_error_reply_says_whether_a_retry_may_help(code: ErrorCode) -> None:
    assert json.loads(encode_error(RequestError(code, "No."))) == {
        "status": "error", "message": "No.", "code": code, "retryable": code in RETRYABLE,
    }  # fmt: skip


def test_an_error_reply_is_flat_with_its_details_last() -> None:
    error = RequestError("camera_busy", "Camera is busy.", gp_error=-110, nothing=None)
    assert encode_error(error, 17, "capture_image") == (
        b'{"status":"error","id":17,"command":"capture_image","message":"Camera is busy.","code":"camera_busy",'
        b'"retryable":true,"details":{"gp_error":-110}}'
    )
