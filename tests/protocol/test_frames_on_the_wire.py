"""Binary messages: 16 bytes of header, then the bytes of the camera; base64 frames as text."""

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
    """A frame as the camera sent it."""
    return Frame(PICTURE, seq, NOON)


def as_tuple(payload: Parts, text: bool) -> bytes:
    """The payload behind a byte that says whether it is text."""
    return b"".join((b"T" if text else b"B", *payload))


def test_a_binary_frame_has_a_header_of_16_bytes() -> None:
    message = encoded(frame(), "binary", 3, False, as_tuple)
    assert message[:1] == b"B"
    assert struct.unpack(">BBHIQ", message[1:17]) == (1, 0, 3, 42, NOON)
    assert message[17:] == PICTURE


def test_a_binary_frame_says_that_frames_were_dropped_before_it() -> None:
    assert encoded(frame(), "binary", 3, True, as_tuple)[2] == 2


def test_the_number_of_a_frame_starts_again_after_32_bits() -> None:
    assert struct.unpack(">I", encoded(frame(2**32 + 5), "binary", 3, False, as_tuple)[5:9]) == (5,)


def test_a_jpeg_frame_is_the_picture_alone() -> None:
    assert encoded(frame(), "jpeg", 3, True, as_tuple) == b"B" + PICTURE


def test_a_base64_frame_is_an_event() -> None:
    message = encoded(frame(), "base64", 3, True, as_tuple)
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
def test_a_frame_is_built_once_for_all_viewers_that_need_the_same(form: StreamFormat) -> None:
    one = frame()
    assert encoded(one, form, 1, False, as_tuple) is encoded(one, form, 1, False, as_tuple)


def test_viewers_with_other_stream_numbers_get_their_own() -> None:
    one = frame()
    assert [encoded(one, "binary", stream, False, as_tuple)[4] for stream in (1, 2, 1)] == [1, 2, 1]


def test_a_piece_of_a_file_has_the_same_header_with_its_offset() -> None:
    assert struct.unpack(">BBHIQ", piece_head(7, 2, 131072, last=False)) == (2, 0, 7, 2, 131072)


def test_the_last_piece_says_so() -> None:
    assert piece_head(7, 3, 196608, last=True)[:2] == b"\x02\x01"


def test_times_are_told_in_utc_with_microseconds() -> None:
    assert iso_time(0) == "1970-01-01T00:00:00.000000Z"
    assert iso_time(NOON) == "2030-12-25T12:00:00.000001Z"
