"""What a command answers, as values: a transport knows how to deliver each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from camera.photos.downloads import FetchedFile
from protocol.commands import LiveViewStarted, Reply
from service.caller import Stream

ReplyT = TypeVar("ReplyT", bound=Reply)
ReplyT_co = TypeVar("ReplyT_co", bound=Reply, covariant=True)


@dataclass(frozen=True, slots=True)
class PictureReply(Generic[ReplyT_co]):
    """A reply with the bytes of a file, as base64, in it.

    Attributes:
        reply: all of it, or as far as it is known; `mark` stands in the place of the bytes.
        mark: a text that is nowhere else in the reply.
        file, start, end: the bytes.
        rest: gives the whole reply, the same up to the picture, where the picture is here before the rest is known.
    """

    reply: ReplyT_co
    mark: str
    file: FetchedFile
    start: int
    end: int
    rest: Callable[[], Awaitable[ReplyT_co]] | None = None


@dataclass(frozen=True, slots=True)
class FileTransfer(Generic[ReplyT_co]):
    """A reply, and after it the bytes of a file from `start` up to `end` in pieces of `piece_bytes`."""

    reply: ReplyT_co
    file: FetchedFile
    start: int
    end: int
    piece_bytes: int


@dataclass(frozen=True, slots=True)
class FrameStream:
    """A reply, and after it frames, until the stream is ended. The transport makes the stream's viewer."""

    reply: LiveViewStarted
    stream: Stream


Answer: TypeAlias = PictureReply[ReplyT] | FileTransfer[ReplyT] | FrameStream | ReplyT
