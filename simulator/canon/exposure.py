"""How the settings of a Canon EOS make an exposure."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from ..exposures import CR2, Exposure, FileKind
from . import properties as props
from .properties import Value

_SCALES: dict[int, float] = {0: 1, 1: 2 / 3, 2: 1 / 2}
_COMPRESSIONS = {2: "normal", 3: "fine"}
_TIMER_SECONDS: dict[Value, float] = {0x10: 10.0, 0x11: 2.0}
_RAW = 6

_AUTO_ISO = 400
"""What the body chooses itself."""


def make_exposure(value: Callable[[int], Value], label: Callable[[int], Value]) -> Exposure:
    """The shot that the settings describe; ``value`` and ``label`` look a property up by its code."""
    formats = value(props.IMAGE_FORMAT)
    assert isinstance(formats, tuple)
    shutter = props.as_fraction(label(props.SHUTTER_SPEED))
    return Exposure(
        kinds=tuple(
            FileKind(kind == _RAW, _SCALES.get(size, 1), _COMPRESSIONS.get(compression, "fine"))
            for kind, size, compression in formats
        ),
        to_host=value(props.CAPTURE_DESTINATION) == props.TO_HOST,
        iso=int(props.as_fraction(label(props.ISO))) or _AUTO_ISO,
        shutter=shutter or Fraction(1),
        aperture=props.as_fraction(label(props.APERTURE)),
        bias=props.as_fraction(label(props.EXPOSURE_COMPENSATION)),
        seconds=float(shutter) + _TIMER_SECONDS.get(value(props.DRIVE_MODE), 0.0),
        maker="Canon",
        raw=CR2,
        lens=str(value(props.LENS_NAME)),
        artist=str(value(props.ARTIST)),
        copyright=str(value(props.COPYRIGHT)),
    )
