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
    return int(_marks(picture)[name])


def serial_of(picture: bytes) -> str:
    """The serial number of the camera that made the picture, from its comment."""
    return _marks(picture)["serial"]


def _marks(picture: bytes) -> dict[str, str]:
    comment = Image.open(io.BytesIO(picture)).info["comment"]
    assert isinstance(comment, bytes)
    return dict(word.split("=") for word in comment.decode().split())


def from_base64(text: str) -> bytes:
    """Decode `image_b64`. Fails if it is not valid base64."""
    return base64.b64decode(text, validate=True)
