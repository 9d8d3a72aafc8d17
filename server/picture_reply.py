"""Replies with pictures in them, made piece by piece so that no picture is ever whole in the heap."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from pydantic import BaseModel

from protocol.base64 import b64encode
from service.answers import PictureReply

# A multiple of 3, so that the base64 of the pieces joins without padding; 64 KiB of text a fragment (larger ones were
# slower: 12 MB took 40 ms in these, 48 in fragments of 256 KiB).
_FRAGMENT_BYTES = 48 * 1024
# Of one message. websockets ends a message of more than 4096 fragments, so those of a file above 98 MB are larger.
_MOST_FRAGMENTS = 2048


async def fragments(answer: PictureReply[Any], encode: Callable[[BaseModel], bytes]) -> AsyncIterator[bytes]:
    """The message of a reply with its picture in the place of its mark.

    Args:
        answer: the reply.
        encode: gives the message of a reply.
    """
    before, after = _around(answer, encode(answer.reply))
    yield before
    size = answer.end - answer.start
    fragment = max(_FRAGMENT_BYTES, -(-size // _MOST_FRAGMENTS // 3) * 3)
    for data in answer.file.pieces(fragment, answer.start, answer.end):
        yield b64encode(data)
        await asyncio.sleep(0)  # sending does not yield while the socket keeps up
    if answer.rest is not None:
        sent, after = _around(answer, encode(await answer.rest()))
        if sent != before:
            raise ValueError("the reply changed after its picture was sent")
    yield after


def _around(answer: PictureReply[Any], message: bytes) -> tuple[bytes, bytes]:
    before, mark, after = message.partition(answer.mark.encode())
    if not mark:
        raise ValueError("the reply does not hold its picture")
    return before, after
