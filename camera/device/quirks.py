"""Differences between camera makers, as data: names of settings and special treatment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from camera.device.burst_quirks import CANON_BURST, NIKON_BURST, BurstQuirks, Button
from camera.device.focus_quirks import (
    CANON_FOCUS,
    FUJI_FOCUS,
    NIKON_FOCUS,
    OLYMPUS_FOCUS,
    OTHER_FOCUS,
    PANASONIC_FOCUS,
    SONY_FOCUS,
    FocusQuirks,
)

# The PTP operation InitiateOpenCapture (ISO 15740, 10.4.28). The codes of makers' own operations below are from
# libgphoto2 camlibs/ptp2/ptp.h.
_INITIATE_OPEN_CAPTURE = 0x101C


@dataclass(frozen=True, slots=True)
class Quirks:
    """How one family of cameras differs.

    Attributes:
        makers: regular expression that is searched in the manufacturer and the model, ignoring case.
        image_format: settings that determine which files a shot makes.
        several_files: regular expression for values of these settings with which a shot makes more than one file.
        viewfinder_off_before_still: whether live view must be off before the shutter is released.
        shutter_speed: the setting with the exposure time.
        names: names of settings that only other makers use, and for each the name that this maker uses.
        busy_means_not_fired: whether the error "busy" for a capture proves that the shutter did not fire, so that the
            release may be retried.
        remembers_clock: whether the driver reports the clock as it was when the camera was opened.
        shutter_toggles: settings that keep the shutter open, or the shutter button pressed, while they are on.
        open_shutter: PTP operations that open the shutter, or press the shutter button, until another operation closes
            or releases it.
        start_movie: PTP operations that start a movie, until another operation stops it.
        bulb_changes: the settings that the driver itself changes for a bulb exposure. They are restored in reverse
            order. If empty, the shutter speed has to be set to bulb first.
        busy_means_closed: whether the error "busy" after closing the shutter means that it is closed, and that the
            camera is busy with noise reduction.
        bulb_prepares_both: whether the driver needs the same time to prepare opening and closing the shutter.
        drive_mode: settings with the drive mode, or with the self-timer.
        self_timer_length: a setting with the length of the self-timer, if the drive mode does not contain it.
        mirror_lock: a setting that makes the first release only raise the mirror, unless it is 0.
        mirror_up_s: the longest time in seconds after which a camera with a raised mirror takes the picture without a
            second release; None if it only lowers the mirror.
        focus: how the camera focuses.
        button: the setting that presses the shutter button without autofocus. This returns earlier than a capture. None
            if the driver has no such setting.
        burst: how it takes several pictures in a row; None: not by remote control.
    """

    makers: str
    image_format: tuple[str, ...]
    several_files: str = r"\+"
    viewfinder_off_before_still: bool = False
    busy_means_not_fired: bool = False
    shutter_speed: str = "shutterspeed"
    names: Mapping[str, str] = field(default_factory=dict)
    remembers_clock: bool = False
    shutter_toggles: frozenset[str] = frozenset(("bulb",))
    open_shutter: frozenset[int] = frozenset((_INITIATE_OPEN_CAPTURE,))
    start_movie: frozenset[int] = frozenset()
    bulb_changes: tuple[str, ...] = ()
    busy_means_closed: bool = False
    bulb_prepares_both: bool = False
    drive_mode: tuple[str, ...] = ("drivemode", "capturemode")
    self_timer_length: str | None = None
    mirror_lock: str | None = None
    mirror_up_s: float | None = None
    focus: FocusQuirks = OTHER_FOCUS
    button: Button | None = None
    burst: BurstQuirks | None = None


# On a Sony, the value "on" of the setting "capture" presses the shutter button (ControlDevice 0xD2C2), and "off"
# releases it (libgphoto2 camlibs/ptp2/config.c, _put_Sony_Capture). On a Canon, "capture" only prepares a session.
_BULB_AND_CAPTURE = frozenset(("bulb", "capture"))

# Canon: the error "busy" has two possible causes. Either the camera reports that it is busy, and the driver does not
# send the release. Or the camera answers the release operation with Device_Busy (0x2019) (libgphoto2
# camlibs/ptp2/library.c, EOS capture). In both cases the shutter has not fired.
CANON = Quirks(
    makers=r"canon",
    image_format=("imageformat", "imageformatsd", "imageformatcf"),
    viewfinder_off_before_still=True,
    busy_means_not_fired=True,
    names={"f-number": "aperture", "imagequality": "imageformat"},
    remembers_clock=True,
    open_shutter=frozenset((_INITIATE_OPEN_CAPTURE, 0x9125, 0x9128)),  # BulbStart, RemoteReleaseOn
    bulb_prepares_both=True,
    drive_mode=("drivemode", "selftimer"),  # "selftimer" on a PowerShot
    mirror_lock="mirrorlock",
    focus=CANON_FOCUS,
    # The order in which the driver itself releases the button (libgphoto2 camlibs/ptp2/library.c, EOS capture).
    button=Button("eosremoterelease", "Press Full MF", ("Release Full", "Release Half")),
    burst=CANON_BURST,
)
# Nikon: if live view is switched off before a still, a D810 takes two shots. So the driver decides when to
# switch it off.
_ONE_NAME = {"aperture": "f-number", "imageformat": "imagequality"}
NIKON = Quirks(
    makers=r"nikon",
    image_format=("imagequality",),
    names=_ONE_NAME,
    open_shutter=frozenset((_INITIATE_OPEN_CAPTURE, 0x9207)),  # InitiateCaptureRecInMedia, which starts a bulb exposure
    start_movie=frozenset((0x920A,)),  # StartMovieRecInCard
    # libgphoto2 camlibs/ptp2/config.c, _put_Nikon_Bulb. The mode is restored last, because the shutter speed can be set
    # only in manual mode.
    bulb_changes=("expprogram", "shutterspeed"),
    busy_means_closed=True,
    drive_mode=("capturemode",),
    self_timer_length="selftimerdelay",
    mirror_up_s=30.0,  # from the manuals of the D850 and the D780
    focus=NIKON_FOCUS,
    burst=NIKON_BURST,
)
SONY = Quirks(
    makers=r"sony",
    image_format=("imagequality",),
    names=_ONE_NAME,
    shutter_toggles=_BULB_AND_CAPTURE,
    focus=SONY_FOCUS,
)
OTHER = Quirks(
    makers=r"",
    image_format=("imageformat", "imagequality"),
    shutter_toggles=_BULB_AND_CAPTURE,
    # The capture operations of Panasonic and Olympus, which also start bulb exposures; Leica's ControlBulbExposure.
    open_shutter=frozenset((_INITIATE_OPEN_CAPTURE, 0x9404, 0x9481, 0x9019)),
    start_movie=frozenset((0x940C, 0x9020)),  # Panasonic's MovieRecControl, Fuji's InitiateMovieCapture
)
FUJI = replace(OTHER, makers=r"fuji", focus=FUJI_FOCUS)
PANASONIC = replace(OTHER, makers=r"panasonic", focus=PANASONIC_FOCUS)
OLYMPUS = replace(OTHER, makers=r"olympus|om digital", focus=OLYMPUS_FOCUS)

_FAMILIES = (CANON, NIKON, SONY, FUJI, PANASONIC, OLYMPUS, OTHER)


def quirks_of(manufacturer: str, model: str) -> Quirks:
    """The family of a camera, by its manufacturer and model."""
    names = f"{manufacturer} {model}"
    return next(family for family in _FAMILIES if re.search(family.makers, names, re.IGNORECASE))
