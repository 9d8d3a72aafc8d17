"""Draws the content of the pictures: backgrounds, labels, digits and the moving ball. Uses Pillow."""

from __future__ import annotations

import math

from PIL import Image, ImageChops, ImageDraw, ImageFont

_NOISE_TILE = 512
_CORNERS = {"red": (0, 0), "lime": (1, 0), "blue": (0, 1), "yellow": (1, 1)}
_BAND = (28, 32, 40)


def _noise(width: int, height: int, sigma: float) -> Image.Image:
    """Grey noise around 128. It repeats one tile, because noise for 18 megapixels would take seconds."""
    tile = Image.effect_noise((_NOISE_TILE, _NOISE_TILE), sigma)
    noise = Image.new("L", (width, height))
    for top in range(0, height, _NOISE_TILE):
        for left in range(0, width, _NOISE_TILE):
            noise.paste(tile, (left, top))
    return noise


def background(width: int, height: int, sigma: float) -> Image.Image:
    """A gradient with noise, an arrow and the word TOP at the top, and four coloured corners."""
    ramp = Image.linear_gradient("L").resize((width, height))
    channels = (
        ramp.point(lambda v: 60 + v // 3),
        ramp.point(lambda v: 90 + v // 4),
        ramp.point(lambda v: 150 - v // 3),
    )
    noise = _noise(width, height, sigma)
    image = Image.merge("RGB", [ImageChops.add(channel, noise, 1, -128) for channel in channels])
    draw = ImageDraw.Draw(image)
    side = min(width, height) // 8
    for colour, (right, bottom) in _CORNERS.items():
        left, top = right * (width - side), bottom * (height - side)
        draw.rectangle((left, top, left + side, top + side), colour)
    middle, tip, wing = width // 2, height // 40, height // 12
    draw.polygon(((middle, tip), (middle - wing, tip + wing), (middle + wing, tip + wing)), "white")
    draw.rectangle((middle - wing // 3, tip + wing, middle + wing // 3, tip + 2 * wing), "white")
    draw.text((middle + wing * 1.5, tip), "TOP", "white", ImageFont.load_default(wing * 1.5))
    return image


def glyph(character: str, width: int, height: int) -> Image.Image:
    """One character in a box of ``width`` x ``height`` pixels."""
    image = Image.new("RGB", (width, height), _BAND)
    font = ImageFont.load_default(height * 0.95)
    ImageDraw.Draw(image).text((width / 2, height / 2), character, "white", font, anchor="mm")
    return image


def label(words: str, width: int, height: int) -> Image.Image:
    """A line of text, left-aligned in a strip of ``width`` x ``height`` pixels."""
    image = Image.new("RGB", (width, height), _BAND)
    font = ImageFont.load_default(height * 0.6)
    ImageDraw.Draw(image).text((height / 4, height / 2), words, "#ffd866", font, anchor="lm")
    return image


def ball(strip: Image.Image, position: float) -> Image.Image:
    """``strip`` with a ball on it. From ``position`` 0 to 1 the ball moves to the right and back."""
    image = strip.copy()
    width, height = image.size
    radius = height * 0.42
    x = radius + (width - 2 * radius) * (0.5 - 0.5 * math.cos(2 * math.pi * position))
    box = (x - radius, height / 2 - radius, x + radius, height / 2 + radius)
    draw = ImageDraw.Draw(image)
    draw.ellipse(box, "orange", "black", max(1, int(radius / 10)))
    angle = 720 * position
    draw.pieslice(box, angle, angle + 60, "darkred")
    return image
