"""Pictures made by exchanging parts of an encoded one: they decode cleanly and show their number."""

from __future__ import annotations

import asyncio
import io
import time
import warnings

import pytest
from PIL import Image, ImageChops

from simulator.pictures import Studio
from simulator.pieces import Pieces
from simulator.splice import Grid

pytestmark = pytest.mark.timeout(20)


def decoded(data: bytes) -> Image.Image:
    """The picture; a damaged one raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = Image.open(io.BytesIO(data))
        image.load()
    return image


@pytest.mark.parametrize("frame", [(1056, 704), (160, 112), (1000, 667), (641, 481), (848, 480)])
def test_a_frame_of_any_size_decodes_and_differs_only_in_its_marks(frame: tuple[int, int]) -> None:
    async def make() -> list[bytes]:
        studio = Studio((160, 112), frame)
        return [b"".join(await studio.live_frame(number, "SIM0000001", 0)) for number in (1, 2, 60_000_002)]

    one, two, far = (decoded(data) for data in asyncio.run(make()))
    assert one.size == frame
    assert one.info["comment"] == b"frame=1 serial=SIM0000001 time=0"
    box = ImageChops.difference(one, two).getbbox()
    assert box
    # The number stands in the second third; nothing above it, where the arrow is, may change.
    assert box[1] >= frame[1] // 3 - 16
    # The ball is at the same place 60 frames later, the number is not.
    assert ImageChops.difference(two, far).getbbox() is not None


@pytest.mark.parametrize("width", [160, 641, 1056, 5184])
def test_the_restart_interval_divides_the_row(width: int) -> None:
    grid = Grid.of(width, 112)
    assert grid.columns % grid.interval == 0
    assert grid.per_row >= 9


def test_a_live_frame_costs_less_than_a_millisecond() -> None:
    async def measure() -> float:
        studio = Studio((160, 112), (1056, 704))
        await studio.live_frame(0, "SIM0000001", 0)
        begin = time.process_time()
        for number in range(100):
            b"".join(await studio.live_frame(number, "SIM0000001", 0))
        return (time.process_time() - begin) / 100

    assert asyncio.run(measure()) < 0.001


def test_pieces_read_like_the_string_they_are_made_of() -> None:
    whole = bytes(range(100))
    pieces = Pieces([whole[:10], b"", whole[10:50], whole[50:]])
    assert len(pieces) == 100
    for offset in (0, 9, 10, 49, 50, 99, 100, 200):
        for length in (0, 1, 45, 1000):
            assert pieces.read(offset, length) == whole[offset : offset + length]
    assert pieces.read() == whole
