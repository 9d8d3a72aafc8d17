"""Decode the simulator's pictures and read the numbers in their JPEG comment."""

from __future__ import annotations

import base64
import io

from PIL import Image


def decoded(picture: bytes) -> Image.Image:
    """Decode a complete picture. Fails if it is damaged."""
    image = Image.open(io.BytesIO(picture))
    image.load()
    return image


def mark(picture: bytes, name: str) -> int:
    """A number in the picture's comment: `frame` for a live-view frame, `shot` for a still."""
    comment = Image.open(io.BytesIO(picture)).info["comment"]
    assert isinstance(comment, bytes)
    return int(dict(word.split("=") for word in comment.decode().split())[name])


def from_base64(text: str) -> bytes:
    """Decode `image_b64`. Fails if it is not valid base64."""
    return base64.b64decode(text, validate=True)
