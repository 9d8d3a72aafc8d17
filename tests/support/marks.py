"""What the simulator's pictures say about themselves: decoded, and by the line in their JPEG comment."""

from __future__ import annotations

import base64
import io

from PIL import Image


def decoded(picture: bytes) -> Image.Image:
    """The picture, every pixel of it read; fails where it is damaged."""
    image = Image.open(io.BytesIO(picture))
    image.load()
    return image


def mark(picture: bytes, name: str) -> int:
    """A number of the picture's comment: `frame` of a live-view frame, `shot` of a still."""
    comment = Image.open(io.BytesIO(picture)).info["comment"]
    assert isinstance(comment, bytes)
    return int(dict(word.split("=") for word in comment.decode().split())[name])


def from_base64(text: str) -> bytes:
    """The bytes of `image_b64`; fails on anything that is no base64."""
    return base64.b64decode(text, validate=True)
