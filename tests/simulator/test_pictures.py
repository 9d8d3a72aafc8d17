"""The simulator makes pictures by replacing parts of an encoded picture. Such pictures decode without errors."""

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
    """Decode a complete picture. Raises an exception if the picture is damaged."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = Image.open(io.BytesIO(data))
        image.load()
    return image


@pytest.mark.parametrize("frame", [(1056, 704), (160, 112), (1000, 667), (641, 481), (848, 480)])
def test_a_frame_of_any_size_decodes_and_frames_differ_only_in_number_and_ball(frame: tuple[int, int]) -> None:
    async def make() -> list[bytes]:
        studio = Studio((160, 112), frame)
        return [b"".join(await studio.live_frame(number, "SIM0000001", 0)) for number in (1, 2, 60_000_002)]

    first, second, much_later = (decoded(data) for data in asyncio.run(make()))
    assert first.size == frame
    assert first.info["comment"] == b"frame=1 serial=SIM0000001 time=0"
    box = ImageChops.difference(first, second).getbbox()
    assert box
    # The number is in the middle third of the picture. The upper third, with the arrow, must not change.
    assert box[1] >= frame[1] // 3 - 16
    # The two numbers differ by a multiple of 60, so the ball is at the same position. The shown numbers differ.
    assert ImageChops.difference(second, much_later).getbbox() is not None


@pytest.mark.parametrize("width", [160, 641, 1056, 5184])
def test_the_restart_interval_divides_the_row(width: int) -> None:
    grid = Grid.of(width, 112)
    assert grid.columns % grid.interval == 0
    assert grid.per_row >= 9


def test_a_live_view_frame_takes_less_than_a_millisecond() -> None:
    async def measure() -> float:
        studio = Studio((160, 112), (1056, 704))
        await studio.live_frame(0, "SIM0000001", 0)
        begin = time.process_time()
        for number in range(100):
            b"".join(await studio.live_frame(number, "SIM0000001", 0))
        return (time.process_time() - begin) / 100

    assert asyncio.run(measure()) < 0.001


def test_pieces_read_like_their_concatenation() -> None:
    data = bytes(range(100))
    pieces = Pieces([data[:10], b"", data[10:50], data[50:]])
    assert len(pieces) == 100
    for offset in (0, 9, 10, 49, 50, 99, 100, 200):
        for length in (0, 1, 45, 1000):
            assert pieces.read(offset, length) == data[offset : offset + length]
    assert pieces.read() == data
