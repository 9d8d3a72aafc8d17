"""Points of rotated and mirrored pictures, and the sizes of stills that focus points of Canon cameras refer to."""

from __future__ import annotations

import io
import random

import pytest
from PIL import Image

from camera.device import jpeg
from camera.device.focus_quirks import canon_still
from camera.orientation import Orientation, Point

ORIENTATIONS = [Orientation(rotation, flip) for rotation in (0, 90, 180, 270) for flip in (False, True)]
WIDTH, HEIGHT, SPOT = 320, 192, 16


def with_spot(column: int, row: int) -> bytes:
    """A black JPEG with a white block."""
    picture = Image.new("L", (WIDTH, HEIGHT))
    picture.paste(255, (column * SPOT, row * SPOT, (column + 1) * SPOT, (row + 1) * SPOT))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=95)
    return out.getvalue()


def spot_in(data: bytes) -> Point:
    """The centre of the white block."""
    with Image.open(io.BytesIO(data)) as image:
        left, top, right, bottom = image.convert("L").point(lambda value: 255 * (value > 128)).getbbox() or (0, 0, 0, 0)
        return Point((left + right) / 2 / image.width, (top + bottom) / 2 / image.height)


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=str)
def test_a_point_moves_as_the_picture_does(orientation: Orientation) -> None:
    chance = random.Random(3)
    for _ in range(12):
        column, row = chance.randrange(WIDTH // SPOT), chance.randrange(HEIGHT // SPOT)
        original = with_spot(column, row)
        shown = spot_in(jpeg.turned(original, orientation))
        applied = orientation.applied(spot_in(original))
        assert (applied.x, applied.y) == pytest.approx((shown.x, shown.y))
        undone = orientation.undone(shown)
        assert (undone.x, undone.y) == pytest.approx(((column + 0.5) * SPOT / WIDTH, (row + 0.5) * SPOT / HEIGHT))


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=str)
def test_undoing_an_orientation_gives_the_same_point(orientation: Orientation) -> None:
    chance = random.Random(4)
    for point in [Point(chance.random(), chance.random()) for _ in range(50)] + [Point(0, 0), Point(1, 0), Point(1, 1)]:
        for there in (orientation.undone(orientation.applied(point)), orientation.applied(orientation.undone(point))):
            assert (there.x, there.y) == pytest.approx((point.x, point.y))


@pytest.mark.parametrize(
    ("model", "size"),
    [
        ("Canon EOS 550D", (5184, 3456)), ("Canon EOS REBEL T2i", (5184, 3456)), ("Canon EOS 5D Mark II", (5616, 3744)),
        ("Canon EOS 5D Mark III", (5760, 3840)), ("Canon EOS 5D Mark IV", (6720, 4480)), ("Canon EOS 5DS R", (8688, 5792)),
        ("Canon EOS 6D", (5472, 3648)), ("Canon EOS 6D Mark II", (6240, 4160)), ("Canon EOS 7D", (5184, 3456)),
        ("Canon EOS 7D Mark II", (5472, 3648)), ("Canon EOS R", (6720, 4480)), ("Canon EOS R5", (8192, 5464)),
        ("Canon EOS R50", (6000, 4000)), ("Canon EOS R6", (5472, 3648)), ("Canon EOS R6 Mark II", (6000, 4000)),
        ("Canon EOS R6 Mark III", (6960, 4640)), ("Canon EOS R7", (6960, 4640)), ("Canon EOS R8", (6000, 4000)), ("Canon EOS RP", (6240, 4160)),
        ("Canon EOS M6", (6000, 4000)), ("Canon EOS M6 Mark II", (6960, 4640)), ("Canon EOS M50", (6000, 4000)),
        ("Canon EOS M", (5184, 3456)), ("Canon EOS 1100D", (4272, 2848)), ("Canon EOS 2000D", (6000, 4000)),
        ("Canon PowerShot G7 X", None),
    ],
)  # fmt: skip
def test_the_size_of_the_largest_still_of_a_canon(model: str, size: tuple[int, int] | None) -> None:
    assert canon_still(model) == size
