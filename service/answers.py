"""The kinds of answers to a command. A transport knows how to deliver each of them."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from camera.photos.downloads import FetchedFile
from protocol.commands import LiveViewStarted, Reply
from service.caller import Stream

ReplyT = TypeVar("ReplyT", bound=Reply)
ReplyT_co = TypeVar("ReplyT_co", bound=Reply, covariant=True)


@dataclass(frozen=True, slots=True)
class PictureReply(Generic[ReplyT_co]):
    """A reply that contains the bytes of a file as base64.

    Attributes:
        reply: the part of the reply that is already known, with `mark` in place of the bytes.
        mark: a text that occurs nowhere else in the reply.
        file, start, end: the bytes of `file` from offset `start` up to, but not including, `end` are inserted.
        rest: returns the complete reply; None if `reply` is complete. The encoded text before the picture is the same
            in both replies.
    """

    reply: ReplyT_co
    mark: str
    file: FetchedFile
    start: int
    end: int
    rest: Callable[[], Awaitable[ReplyT_co]] | None = None


@dataclass(frozen=True, slots=True)
class FileTransfer(Generic[ReplyT_co]):
    """A reply, followed by the bytes of a file from `start` to `end` in pieces of `piece_bytes`."""

    reply: ReplyT_co
    file: FetchedFile
    start: int
    end: int
    piece_bytes: int


@dataclass(frozen=True, slots=True)
class FrameStream:
    """A reply, followed by frames until the stream ends. The transport creates the stream's viewer."""

    reply: LiveViewStarted
    stream: Stream


@dataclass(frozen=True, slots=True)
class Replay(Generic[ReplyT_co]):
    """A reply, followed by missed events in order. Then the transport calls `Caller.go_on`, in every case."""

    reply: ReplyT_co
    missed: Sequence[bytes]


Answer: TypeAlias = PictureReply[ReplyT] | FileTransfer[ReplyT] | Replay[ReplyT] | FrameStream | ReplyT


def new_mark() -> str:
    """A mark for a `PictureReply`. It is random, so that no text from a camera or client can be equal to it."""
    return f"picture-{secrets.token_hex(16)}"
