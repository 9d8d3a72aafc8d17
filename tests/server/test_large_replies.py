"""A JSON reply with a very large file has fewer fragments than clients accept in one message."""

from __future__ import annotations

import os

from camera.photos.downloads import FetchedFile
from protocol.commands import Thumbnail
from server.picture_reply import fragments
from service.answers import PictureReply

# The number of fragments that the websockets library accepts in a message (WEBSOCKETS_MAX_FRAGMENTS).
MAX_FRAGMENTS = 4096
LARGE = 300 * 2**20 + 1


async def test_a_video_of_300_mib_stays_below_the_fragment_limit() -> None:
    descriptor = os.memfd_create("video")
    os.ftruncate(descriptor, LARGE)
    video = FetchedFile(descriptor, "/a/MVI_0001.MOV", LARGE, "video/quicktime")
    answer = PictureReply(Thumbnail(filename="", image_b64="mark"), "mark", video, 0, LARGE)
    count = characters = 0
    async for fragment in fragments(answer, lambda reply: b'{"image_b64":"mark"}'):
        count += 1
        characters += len(fragment)
    assert count < MAX_FRAGMENTS
    assert characters == len('{"image_b64":""}') + -(-LARGE // 3) * 4  # there is no base64 padding between fragments
