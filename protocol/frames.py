"""Binary messages with a 16-byte header, and live-view frames that are encoded once for all viewers."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from camera.model import Frame
from protocol.base64 import b64encode

# The formats of a stream; "photonic" is the frame message of the Photonic dialect.
StreamFormat = Literal["base64", "binary", "jpeg", "photonic"]

# Parts of a payload. They are joined when the header of the WebSocket message is added, so that the picture is copied
# only once.
Parts = Sequence[bytes | memoryview]


@dataclass(frozen=True, slots=True)
class HeaderField:
    """A field of the header: its name, its struct format, and its meaning."""

    name: str
    letter: str
    holds: str


HEADER_FIELDS: tuple[HeaderField, ...] = (
    HeaderField("kind", "B", "1: a live-view frame; 2: a piece of a file"),
    HeaderField("flags", "B", "bit 0: the last piece of the file; bit 1: frames were skipped before this one"),
    HeaderField("number", "H", "number of the stream (kind 1) or of the transfer (kind 2)"),
    HeaderField("sequence", "I", "number of the frame, modulo 2**32 (kind 1), or of the piece, from 0 (kind 2)"),
    HeaderField(
        "place",
        "Q",
        "time in microseconds since 1970 (kind 1), or position of the first byte of the piece in the file (kind 2)",
    ),
)
HEADER = struct.Struct(">" + "".join(field.letter for field in HEADER_FIELDS))
KIND_FRAME, KIND_PIECE = 1, 2
FLAG_LAST_PIECE, FLAG_DROPPED = 1, 2


def iso_time(microseconds: int) -> str:
    """Microseconds since 1970 as ISO 8601 in UTC, for example 2030-12-24T18:00:00.000000Z."""
    when = datetime.fromtimestamp(microseconds / 1_000_000, UTC)
    return when.isoformat(timespec="microseconds").replace("+00:00", "Z")


def encoded(
    frame: Frame, form: StreamFormat, stream: int, dropped: bool, finish: Callable[[Parts, bool], bytes]
) -> bytes:
    """A frame as a complete message. It is built once and shared by all viewers that need the same message.

    Args:
        frame: the frame.
        form: the format of the stream.
        stream: number of the stream, 1 to 65535.
        dropped: whether frames were skipped directly before this frame (binary format only).
        finish: joins the parts of a payload into a message; its second argument is True for text.
    """
    dropped = dropped and form == "binary"
    key = (form, stream if form in ("base64", "binary") else 0, dropped)
    message: bytes | None = frame.encodings.get(key)
    if message is None:
        message = frame.encodings[key] = finish(_payload(frame, form, stream, dropped), is_text(form))
    return message


def is_text(form: StreamFormat) -> bool:
    """Whether frames in this format are text messages."""
    return form in ("base64", "photonic")


def piece_head(transfer: int, sequence: int, offset: int, last: bool) -> bytes:
    """The header of a binary message with a piece of a file."""
    return HEADER.pack(KIND_PIECE, FLAG_LAST_PIECE if last else 0, transfer, sequence, offset)


def _payload(frame: Frame, form: StreamFormat, stream: int, dropped: bool) -> Parts:
    match form:
        case "jpeg":
            return (frame.data,)
        case "binary":
            flags = FLAG_DROPPED if dropped else 0
            head = HEADER.pack(KIND_FRAME, flags, stream, frame.seq & 0xFFFFFFFF, frame.time_us)
            return head, frame.data
        case "base64":
            event = {
                "event": "live_view_frame",
                "stream": stream,
                "seq": frame.seq,
                "time": iso_time(frame.time_us),
                "mimetype": "image/jpeg",
            }
            return _with_picture(event, "image_b64", frame)
        case "photonic":
            event = {"type": "preview_frame", "timestamp": iso_time(frame.time_us), "frame_number": frame.seq}
            return _with_picture(event, "data", frame)


def _with_picture(head: dict[str, Any], key: str, frame: Frame) -> Parts:
    """The message with the picture under `key`.

    base64 needs no escaping. So the picture (130 KB) is inserted without the JSON encoder, which saves time.
    """
    picture = frame.encodings.get("base64")
    if picture is None:
        picture = frame.encodings["base64"] = b64encode(frame.data)
    return f'{json.dumps(head)[:-1]}, "{key}": "'.encode(), picture, b'"}'
