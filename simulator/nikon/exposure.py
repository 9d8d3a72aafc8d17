"""How the settings of a Nikon make an exposure."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from ..exposures import NEF, Exposure, FileKind
from . import properties as props

SCALES = (1, 3 / 4, 1 / 2)
"""Large, medium and small."""

_JPEG = {0: "normal", 1: "normal", 2: "fine", 5: "normal", 6: "normal", 7: "fine"}
"""Image quality to the compression of its JPEG; basic is as big as normal here."""

_WITH_RAW = range(4, 8)
"""Image qualities that make a raw file."""


def make_exposure(number: Callable[[int], int], text: Callable[[int], str], scale: float) -> Exposure:
    """The shot that the settings describe; ``number`` and ``text`` look a property up by its code."""
    quality = number(props.IMAGE_QUALITY)
    kinds = [FileKind(raw=True)] if quality in _WITH_RAW else []
    if quality in _JPEG:
        kinds.append(FileKind(False, scale, _JPEG[quality]))
    shutter = props.as_fraction(number(props.SHUTTER_SPEED))
    return Exposure(
        kinds=tuple(kinds),
        to_host=number(props.RECORDING_MEDIA) == props.TO_RAM,
        iso=number(props.ISO),
        shutter=shutter,
        aperture=Fraction(number(props.F_NUMBER), 100),
        bias=Fraction(number(props.EXPOSURE_COMPENSATION), 1000),
        seconds=float(shutter),
        maker="NIKON CORPORATION",
        raw=NEF,
        lens=props.LENS,
        artist=text(props.ARTIST),
        copyright=text(props.COPYRIGHT),
    )
