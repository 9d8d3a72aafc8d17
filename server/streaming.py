"""Replies with pictures in them, made piece by piece so that no picture is ever whole in the heap."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable

from camera.photos.downloads import FetchedFile
from protocol.base64 import b64encode

# A multiple of 3, so that the base64 of the pieces joins without padding; 64 KiB of text a fragment (larger ones were
# slower: 12 MB took 40 ms in these, 48 in fragments of 256 KiB).
_FRAGMENT = 48 * 1024
# Of one message. websockets ends a message of more than 4096 fragments, so those of a file above 98 MB are larger.
_FRAGMENTS = 2048


class Placeholder:
    """Stands in a reply for the base64 of a file, or of a part of it."""

    def __init__(self, file: FetchedFile, start: int = 0, end: int | None = None) -> None:
        self._file, self._start, self._end = file, start, end
        # Random: nothing that a camera or a client chose can be taken for it.
        self.text = f"picture-{secrets.token_hex(16)}"

    async def fill(self, message: bytes, whole: Awaitable[bytes] | None = None) -> AsyncIterator[bytes]:
        """The message with the picture in its place, in fragments.

        Args:
            message: all of it, or as far as the picture is all that is known.
            whole: then gives all of it, the same up to the picture.
        """
        before, after = self._around(message)
        yield before
        size = (self._file.size if self._end is None else self._end) - self._start
        fragment = max(_FRAGMENT, -(-size // _FRAGMENTS // 3) * 3)
        for data in self._file.pieces(fragment, self._start, self._end):
            yield b64encode(data)
            await asyncio.sleep(0)  # sending does not yield while the socket keeps up
        if whole is not None:
            said, after = self._around(await whole)
            if said != before:
                raise ValueError("the reply changed after its picture was sent")
        yield after

    def _around(self, message: bytes) -> tuple[bytes, bytes]:
        before, mark, after = message.partition(self.text.encode())
        if not mark:
            raise ValueError("the reply does not hold its picture")
        return before, after
