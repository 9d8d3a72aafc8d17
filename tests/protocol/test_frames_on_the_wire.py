"""Encoding of frames and file pieces: binary with a header of 16 bytes, or as base64 in a JSON event."""

from __future__ import annotations

import base64
import json
import struct

import pytest

from camera.model import Frame
from protocol.frames import Parts, StreamFormat, encoded, iso_time, piece_head

PICTURE = b"\xff\xd8 a picture \xff\xd9"
NOON = 1_924_430_400_000_001  # 2030-12-25T12:00:00.000001Z


def frame(seq: int = 42) -> Frame:
    """A live-view frame with this number."""
    return Frame(PICTURE, seq, NOON)


def joined(payload: Parts, text: bool) -> bytes:
    """A byte that marks text or binary, followed by the payload."""
    return b"".join((b"T" if text else b"B", *payload))


def test_a_binary_frame_has_a_header_of_16_bytes() -> None:
    message = encoded(frame(), "binary", 3, False, joined)
    assert message[:1] == b"B"
    assert struct.unpack(">BBHIQ", message[1:17]) == (1, 0, 3, 42, NOON)
    assert message[17:] == PICTURE


def test_a_binary_frame_has_a_flag_for_dropped_frames() -> None:
    assert encoded(frame(), "binary", 3, True, joined)[2] == 2


def test_the_number_of_a_frame_wraps_after_32_bits() -> None:
    assert struct.unpack(">I", encoded(frame(2**32 + 5), "binary", 3, False, joined)[5:9]) == (5,)


def test_a_jpeg_frame_is_only_the_picture() -> None:
    assert encoded(frame(), "jpeg", 3, True, joined) == b"B" + PICTURE


def test_a_base64_frame_is_an_event() -> None:
    message = encoded(frame(), "base64", 3, True, joined)
    assert message[:1] == b"T"
    assert json.loads(message[1:]) == {
        "event": "live_view_frame",
        "stream": 3,
        "seq": 42,
        "time": "2030-12-25T12:00:00.000001Z",
        "mimetype": "image/jpeg",
        "image_b64": base64.b64encode(PICTURE).decode(),
    }


@pytest.mark.parametrize("form", ["base64", "binary", "jpeg"])
def test_a_frame_is_encoded_once_for_the_same_stream_number(form: StreamFormat) -> None:
    shared_frame = frame()
    assert encoded(shared_frame, form, 1, False, joined) is encoded(shared_frame, form, 1, False, joined)


def test_other_stream_numbers_are_encoded_separately() -> None:
    shared_frame = frame()
    assert [encoded(shared_frame, "binary", stream, False, joined)[4] for stream in (1, 2, 1)] == [1, 2, 1]


def test_a_piece_of_a_file_has_the_same_header_with_its_offset() -> None:
    assert struct.unpack(">BBHIQ", piece_head(7, 2, 131072, last=False)) == (2, 0, 7, 2, 131072)


def test_the_last_piece_has_a_flag() -> None:
    assert piece_head(7, 3, 196608, last=True)[:2] == b"\x02\x01"


def test_times_are_in_utc_with_microseconds() -> None:
    assert iso_time(0) == "1970-01-01T00:00:00.000000Z"
    assert iso_time(NOON) == "2030-12-25T12:00:00.000001Z"
