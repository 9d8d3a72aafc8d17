"""Replies that contain a picture, sent in fragments so that the complete picture is never in the heap."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from pydantic import BaseModel

from protocol.base64 import b64encode
from service.answers import PictureReply

# A multiple of 3, so that the base64 of the pieces can be joined without padding. The result is 64 KiB of text per
# fragment. Larger fragments were slower: 12 MB took 40 ms with 64 KiB per fragment, and 48 ms with 256 KiB.
_FRAGMENT_BYTES = 48 * 1024
# Limit for the number of fragments of a message. The library websockets rejects messages of more than 4096 fragments.
# Files above 96 MiB are therefore sent in larger fragments.
_MOST_FRAGMENTS = 2048


async def fragments(answer: PictureReply[Any], encode: Callable[[BaseModel], bytes]) -> AsyncIterator[bytes]:
    """Yields the message of a reply in fragments. The base64 of the picture replaces the mark in the encoded reply.

    Args:
        answer: the reply.
        encode: encodes a reply as a message.
    """
    before, after = _around(answer, encode(answer.reply))
    yield before
    size = answer.end - answer.start
    fragment = max(_FRAGMENT_BYTES, -(-size // _MOST_FRAGMENTS // 3) * 3)
    for data in answer.file.pieces(fragment, answer.start, answer.end):
        yield b64encode(data)
        await asyncio.sleep(0)  # sending does not yield to the event loop while the socket accepts data
    if answer.rest is not None:
        sent, after = _around(answer, encode(await answer.rest()))
        if sent != before:
            raise ValueError("the reply changed after its picture was sent")
    yield after


def _around(answer: PictureReply[Any], message: bytes) -> tuple[bytes, bytes]:
    before, mark, after = message.partition(answer.mark.encode())
    if not mark:
        raise ValueError("the reply does not contain its picture")
    return before, after
