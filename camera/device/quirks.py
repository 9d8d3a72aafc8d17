"""Vendor differences, as data: what a maker's cameras call things and how they want to be treated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

# ISO 15740, 10.4.28; the vendors' from libgphoto2 camlibs/ptp2/ptp.h.
_INITIATE_OPEN_CAPTURE = 0x101C


@dataclass(frozen=True, slots=True)
class Quirks:
    """How one family of cameras differs.

    Attributes:
        makers: pattern that the manufacturer or model matches (any case).
        image_format: settings that tell which files a shot makes.
        several_files: pattern of the values of those settings that make more than one file.
        viewfinder_off_before_still: live view has to be off before the shutter is released.
        shutter_speed: the setting that tells how long an exposure is.
        names: what other makers call a setting, and this one calls it.
        busy_means_not_fired: "busy" as the answer to a capture proves that the shutter did not fire, so the
            release may be tried again.
        shutter_toggles: settings that open the shutter, or press its button, while they are on.
        open_shutter: PTP operations that open the shutter, or hold its button, until another one comes.
    """

    makers: str
    image_format: tuple[str, ...]
    several_files: str = r"\+"
    viewfinder_off_before_still: bool = False
    busy_means_not_fired: bool = False
    shutter_speed: str = "shutterspeed"
    names: Mapping[str, str] = field(default_factory=dict)
    shutter_toggles: frozenset[str] = frozenset(("bulb",))
    open_shutter: frozenset[int] = frozenset((_INITIATE_OPEN_CAPTURE,))


# libgphoto2 presses the shutter button (ControlDevice 0xD2C2) with "capture" on, and lets it go with "capture" off
# (camlibs/ptp2/config.c, _put_Sony_Capture). A Canon's "capture" only prepares a session.
_BULB_AND_CAPTURE = frozenset(("bulb", "capture"))

# Canon: the driver refuses a release while the camera status is busy, before anything is sent, and the body answers
# Device_Busy (0x2019) to the release operation itself (libgphoto2 camlibs/ptp2/library.c, EOS capture).
CANON = Quirks(
    makers=r"canon",
    image_format=("imageformat", "imageformatsd", "imageformatcf"),
    viewfinder_off_before_still=True,
    busy_means_not_fired=True,
    names={"f-number": "aperture", "imagequality": "imageformat"},
    open_shutter=frozenset((_INITIATE_OPEN_CAPTURE, 0x9125, 0x9128)),  # BulbStart, RemoteReleaseOn
)
# Nikon: switching the viewfinder off before a still makes double shots on a D810; the driver does what is needed.
_ONE_NAME = {"aperture": "f-number", "imageformat": "imagequality"}
NIKON = Quirks(
    makers=r"nikon",
    image_format=("imagequality",),
    names=_ONE_NAME,
    open_shutter=frozenset((_INITIATE_OPEN_CAPTURE, 0x9207)),  # InitiateCaptureRecInMedia: how bulb begins
)
SONY = Quirks(makers=r"sony", image_format=("imagequality",), names=_ONE_NAME, shutter_toggles=_BULB_AND_CAPTURE)
OTHER = Quirks(
    makers=r"",
    image_format=("imageformat", "imagequality"),
    shutter_toggles=_BULB_AND_CAPTURE,
    # Panasonic's and Olympus' capture, also by bulb; Leica's ControlBulbExposure.
    open_shutter=frozenset((_INITIATE_OPEN_CAPTURE, 0x9404, 0x9481, 0x9019)),
)

_FAMILIES = (CANON, NIKON, SONY, OTHER)


def quirks_of(manufacturer: str, model: str) -> Quirks:
    """The family that a camera belongs to, by the names it tells."""
    names = f"{manufacturer} {model}"
    return next(family for family in _FAMILIES if re.search(family.makers, names, re.IGNORECASE))
