"""Makes numbered pictures. This takes 1 ms for each, because only parts of an already encoded picture are replaced."""

from __future__ import annotations

import asyncio
import io
import logging
import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image

from . import drawing, tiff
from .pieces import Pieces
from .splice import MCU, Grid, Patch, Slot, Template, encode

log = logging.getLogger(__name__)

DIGITS = 8
BALL_POSITIONS = 60
"""The number of positions of the ball. At 30 frames/s, its movement takes two seconds."""

LIVE_SIGMA, LIVE_QUALITY = 9.0, 70
"""Noise and JPEG quality that make a 1056x704 live frame about 100 KB (measured)."""

STILL_SIGMA = 50.0
STILL_QUALITY = {"fine": 93, "normal": 70}
"""Noise and JPEG quality that make a fine 5184x3456 still about 12 MB (measured)."""

THUMBNAIL = (160, 120)
GAMMA = 2.2
"""A value of a pixel is light to the power of 1/2.2, as in sRGB."""
RAW_BYTES_PER_PIXEL = 1.12
"""With this, a raw file of 18 megapixels has 20 MB."""

_FILLER = random.Random(550).randbytes(256 * 1024)


@dataclass(frozen=True)
class Scene:
    """A kind of picture: its size in pixels, noise and JPEG quality, and whether a ball moves in it."""

    width: int
    height: int
    sigma: float
    quality: int
    moving: bool


class Numbered:
    """Pictures of one scene, each with a number and a line of text."""

    def __init__(self, scene: Scene) -> None:
        """Draw and encode the scene. This takes 0.05 s for a live-view frame, and 0.5 s for an 18-megapixel still."""
        self._scene = scene
        self._grid = grid = Grid.of(scene.width, scene.height)
        cell = max(1, grid.columns // 11 // grid.interval)
        rows = max(1, cell * grid.interval // 2)
        top = grid.rows // 3
        self._cell = (cell * grid.interval * MCU, rows * MCU)
        self._strip = (grid.columns * MCU, rows * MCU)
        slots = [Slot(top, digit * cell, rows, cell) for digit in range(1 + DIGITS)]
        slots.append(Slot(top + rows, 0, rows, grid.per_row))
        image = drawing.background(scene.width, scene.height, scene.sigma)
        self._balls: list[Patch] = []
        if scene.moving:
            band = Slot(top + 2 * rows + max(1, rows // 2), 0, max(1, grid.rows // 5), grid.per_row)
            slots.append(band)
            strip = image.crop((0, band.row * MCU, grid.columns * MCU, (band.row + band.rows) * MCU))
            places = (step / BALL_POSITIONS for step in range(BALL_POSITIONS))
            self._balls = [Patch.of(drawing.ball(strip, place), grid, scene.quality) for place in places]
        self._template = Template(encode(image, grid.interval, scene.quality), grid, slots)
        self._glyphs = {character: self._glyph(character) for character in "#0123456789"}
        self._label = lru_cache(64)(self._draw_label)

    def _glyph(self, character: str) -> Patch:
        return Patch.of(drawing.glyph(character, *self._cell), self._grid, self._scene.quality)

    def _draw_label(self, words: str) -> Patch:
        return Patch.of(drawing.label(words, *self._strip), self._grid, self._scene.quality)

    def parts(self, number: int, words: str, segments: Sequence[bytes]) -> list[bytes]:
        """The JPEG, as parts to join. It shows ``number`` and ``words``, and begins with ``segments`` (APP or COM)."""
        digits = str(number % 10**DIGITS).zfill(DIGITS)
        patches = [self._glyphs[character] for character in "#" + digits]
        patches.append(self._label(words))
        if self._balls:
            patches.append(self._balls[number % BALL_POSITIONS])
        return [b"\xff\xd8", *segments, self._template.tables, *self._template.fill(patches)]


@lru_cache(4)
def _thumbnail_background(size: tuple[int, int]) -> Image.Image:
    return drawing.background(*size, 0)


def thumbnail(number: int, words: str, size: tuple[int, int] = THUMBNAIL, brightness: float = 0.0) -> bytes:
    """A small JPEG with the same number and text as the large picture, by ``brightness`` EV brighter than usual."""
    image = _thumbnail_background(size).copy()
    width, height = size
    image.paste(drawing.label(f"#{number} {words}", width, height // 5), (0, height // 3))
    if brightness:
        image = image.point([min(255, round(value * 2 ** (brightness / GAMMA))) for value in range(256)] * 3)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=75)
    return buffer.getvalue()


def _scaled(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """A size in pixels, scaled to whole coding units. With the scale 1 it does not change."""
    width, height = size
    if scale == 1:
        return width, height
    return max(160, round(width * scale / MCU) * MCU), max(112, round(height * scale / MCU) * MCU)


class Studio:
    """Makes the pictures of all cameras of the process. It draws each scene once, in a thread."""

    def __init__(self, still: tuple[int, int], frame: tuple[int, int]) -> None:
        """``still``: the size of the largest still. ``frame``: the size of a live-view frame. Both are in pixels."""
        self.still_size = still
        self.frame_size = frame
        self._ready: dict[Scene, Numbered] = {}
        self._pending: dict[Scene, asyncio.Future[Numbered]] = {}
        self._warming: set[asyncio.Task[Numbered]] = set()

    def size(self, scale: float) -> tuple[int, int]:
        """The size of a still in pixels, relative to the largest still. A scaled size is in whole coding units."""
        return _scaled(self.still_size, scale)

    def still_scene(self, scale: float, compression: str) -> Scene:
        """The scene of a still; ``compression`` is ``fine`` or ``normal``."""
        return Scene(*self.size(scale), STILL_SIGMA, STILL_QUALITY[compression], moving=False)

    def _live_scene(self, scale: float) -> Scene:
        return Scene(*_scaled(self.frame_size, scale), LIVE_SIGMA, LIVE_QUALITY, moving=True)

    async def prepare(self, scene: Scene) -> Numbered:
        """The numbered pictures of ``scene``. The first call draws them in a thread."""
        if scene in self._ready:
            return self._ready[scene]
        if scene not in self._pending:
            loop = asyncio.get_running_loop()
            future: asyncio.Future[Numbered] = loop.create_future()
            self._pending[scene] = future

            def deliver(outcome: Numbered | Exception) -> None:
                if isinstance(outcome, Exception):
                    future.set_exception(outcome)
                else:
                    future.set_result(outcome)

            def draw() -> None:
                outcome: Numbered | Exception
                try:
                    outcome = Numbered(scene)
                except Exception as error:
                    log.exception("drawing failed")
                    outcome = error
                try:
                    loop.call_soon_threadsafe(deliver, outcome)
                except RuntimeError:
                    log.debug("a picture was drawn after the end of the simulator")

            # Use a daemon thread instead of the loop's executor, because the process must not wait for the drawing when
            # it ends.
            threading.Thread(target=draw, name=f"draw {scene.width}x{scene.height}", daemon=True).start()
        numbered = await asyncio.shield(self._pending[scene])
        self._ready[scene] = numbered
        return numbered

    def warm(self) -> None:
        """Start to draw the scenes that a session probably needs first."""
        for scene in (self._live_scene(1), self.still_scene(1, "fine")):
            if scene not in self._pending:
                task = asyncio.create_task(self.prepare(scene))
                self._warming.add(task)
                task.add_done_callback(self._warming.discard)

    async def live_frame(self, number: int, serial: str, microseconds: int, scale: float = 1.0) -> list[bytes]:
        """A live-view frame. Its comment contains the time (``microseconds`` since 1970).

        ``scale`` is its size relative to the largest frame.
        """
        numbered = await self.prepare(self._live_scene(scale))
        comment = tiff.comment_segment(f"frame={number} serial={serial} time={microseconds}")
        return numbered.parts(number, f"{serial}  live view", [comment])

    async def still(self, scene: Scene, shot: int, serial: str, exif: bytes) -> Pieces:
        """A still with the Exif segment ``exif``."""
        numbered = await self.prepare(scene)
        comment = tiff.comment_segment(f"shot={shot} serial={serial}")
        return Pieces(numbered.parts(shot, f"{serial}  still", [exif, comment]))

    def raw(self, header: bytes) -> Pieces:
        """A raw file: ``header`` and filler bytes, with the size of a real raw file."""
        size = int(self.still_size[0] * self.still_size[1] * RAW_BYTES_PER_PIXEL)
        count, rest = divmod(max(0, size - len(header)), len(_FILLER))
        return Pieces([header, *[_FILLER] * count, _FILLER[:rest]])
