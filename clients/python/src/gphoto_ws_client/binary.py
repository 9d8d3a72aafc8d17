"""Binary messages: a 16-byte header, followed by a live-view frame or a piece of a file (see docs/protocol.md)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from gphoto_ws_client.errors import UnexpectedReply

# The fields: kind; flags; number of the stream or transfer; sequence number; position. The position is the time in
# microseconds since 1970 for a frame, and the offset in the file in bytes for a piece.
_HEADER = struct.Struct(">BBHIQ")
_FRAME, _PIECE = 1, 2
_LAST, _DROPPED = 1, 2
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Frame:
    """One live-view frame.

    Attributes:
        jpeg: the picture.
        seq: number of the frame, counted for each camera since the server started.
        time: when the server received the frame from the camera, in UTC.
        dropped: whether frames were skipped directly before this frame, because the network or this program was too
            slow.
        stream: number of the stream on this connection.
    """

    jpeg: bytes = field(repr=False)
    seq: int
    time: datetime
    dropped: bool
    stream: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a file. `offset` is its position in the file, in bytes."""

    transfer: int
    offset: int
    last: bool
    data: bytes = field(repr=False)


def parse_binary(message: bytes) -> Frame | Piece:
    """Parse a binary message.

    Raises:
        UnexpectedReply: the message is neither a frame nor a piece.
    """
    if len(message) < _HEADER.size:
        raise UnexpectedReply(f"The server sent a binary message of {len(message)} bytes.")
    kind, flags, number, sequence, position = _HEADER.unpack_from(message)
    body = message[_HEADER.size :]
    if kind == _FRAME:
        try:
            time = _EPOCH + timedelta(microseconds=position)
        except OverflowError:
            raise UnexpectedReply(f"The server sent a frame of the time {position}, after the year 9999.") from None
        return Frame(body, sequence, time, bool(flags & _DROPPED), number)
    if kind == _PIECE:
        return Piece(number, position, bool(flags & _LAST), body)
    raise UnexpectedReply(f"The server sent a binary message of kind {kind}, which this version does not know.")
