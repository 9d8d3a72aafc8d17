"""Makes the picture files of an exposure, including the Exif data."""

from __future__ import annotations

import time
from dataclasses import dataclass
from fractions import Fraction

from . import tiff
from .card import FORMAT_CR2, FORMAT_JPEG, FORMAT_NEF
from .light import brightness
from .pictures import RAW_BYTES_PER_PIXEL, Studio, thumbnail
from .pieces import Pieces

_JPEG_BYTES_PER_PIXEL = 0.68
"""Bytes per pixel of a fine JPEG, to estimate the free shots (measured)."""


@dataclass(frozen=True)
class Identity:
    """The model and the serial number of a camera."""

    model: str
    serial: str


@dataclass(frozen=True)
class FileKind:
    """One file of a shot: a raw file, or a JPEG. ``scale`` is its width relative to the sensor."""

    raw: bool
    scale: float = 1
    compression: str = "fine"


@dataclass(frozen=True)
class RawFormat:
    """The raw files of one maker. ``signature`` is between the TIFF header and the first directory."""

    extension: str
    format: int
    signature: bytes


CR2 = RawFormat("CR2", FORMAT_CR2, b"CR\x02\0\0\0\0\0")
"""The signature has the magic number, the version and the offset of the raw data (0: no raw data)."""
NEF = RawFormat("NEF", FORMAT_NEF, b"")


@dataclass(frozen=True)
class Exposure:
    """The part of a shot that the settings determine.

    Attributes:
        seconds: exposure time plus self-timer.
        noise_reduction: whether the body takes a dark picture after the shot, with the same exposure time.
    """

    kinds: tuple[FileKind, ...]
    to_host: bool
    iso: int
    shutter: Fraction
    aperture: Fraction
    bias: Fraction
    seconds: float
    maker: str
    raw: RawFormat
    lens: str
    artist: str
    copyright: str
    noise_reduction: bool = False


@dataclass(frozen=True)
class Picture:
    """A file of a shot that has no name yet."""

    extension: str
    format: int
    content: Pieces
    thumbnail: bytes
    pixels: tuple[int, int]


def size(exposure: Exposure, studio: Studio) -> int:
    """The approximate size of the files of a shot, in bytes."""
    total = 0.0
    for kind in exposure.kinds:
        width, height = studio.size(kind.scale)
        total += width * height * (RAW_BYTES_PER_PIXEL if kind.raw else _JPEG_BYTES_PER_PIXEL)
    return int(total)


def _entries(
    exposure: Exposure, identity: Identity, pixels: tuple[int, int], taken: float
) -> tuple[list[tiff.Entry], list[tiff.Entry]]:
    """The entries of the main directory, and the entries of the Exif directory."""
    date = time.strftime("%Y:%m:%d %H:%M:%S", time.localtime(taken))
    main = [
        tiff.text(0x010F, exposure.maker),
        tiff.text(0x0110, identity.model),
        tiff.short(0x0112, 1),
        tiff.rational(0x011A, Fraction(72)),
        tiff.rational(0x011B, Fraction(72)),
        tiff.short(0x0128, 2),
        tiff.text(0x0132, date),
    ]
    if exposure.artist:
        main.append(tiff.text(0x013B, exposure.artist))
    if exposure.copyright:
        main.append(tiff.text(0x8298, exposure.copyright))
    exif = [
        tiff.rational(0x829A, exposure.shutter),
        tiff.rational(0x829D, exposure.aperture),
        tiff.short(0x8827, exposure.iso),
        tiff.raw(0x9000, b"0230"),
        tiff.text(0x9003, date),
        tiff.text(0x9004, date),
        tiff.rational(0x9204, exposure.bias, signed=True),
        tiff.rational(0x920A, Fraction(35)),
        tiff.short(0xA001, 1),
        tiff.long(0xA002, pixels[0]),
        tiff.long(0xA003, pixels[1]),
        tiff.text(0xA431, identity.serial),
        tiff.text(0xA434, exposure.lens),
    ]
    return main, exif


async def develop(
    exposure: Exposure, studio: Studio, identity: Identity, shot: int, taken: float, light: float | None
) -> list[Picture]:
    """Make the files of a shot, in the order in which a camera writes them. Their thumbnails show the ``light``."""
    bright = brightness(light, exposure.shutter, exposure.aperture, exposure.iso)
    small = thumbnail(shot, identity.serial, brightness=bright)
    pictures: list[Picture] = []
    for kind in exposure.kinds:
        pixels = studio.size(kind.scale)
        main, exif = _entries(exposure, identity, pixels, taken)
        if kind.raw:
            raw = exposure.raw
            header = tiff.exif_tiff(main, exif, thumbnail(shot, identity.serial, (640, 424), bright), raw.signature)
            pictures.append(Picture(raw.extension, raw.format, studio.raw(header), small, pixels))
            continue
        segment = tiff.exif_segment(main, exif, small)
        scene = studio.still_scene(kind.scale, kind.compression)
        content = await studio.still(scene, shot, identity.serial, segment)
        pictures.append(Picture("JPG", FORMAT_JPEG, content, small, pixels))
    return pictures
