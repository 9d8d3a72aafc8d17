"""How the makers' cameras take several pictures in a row, as data. The names are those of libgphoto2 2.5.34."""

from __future__ import annotations

from dataclasses import dataclass

from camera.model import ConfigValue


@dataclass(frozen=True, slots=True)
class Button:
    """A setting that holds the shutter button, or keeps the shutter open.

    Attributes:
        setting: its name.
        press: its value that presses the button.
        release: its values that release it, which are written one after the other.
    """

    setting: str
    press: ConfigValue
    release: tuple[ConfigValue, ...]


@dataclass(frozen=True, slots=True)
class BurstQuirks:
    """How one family of cameras takes several pictures in a row.

    Attributes:
        drive: the setting with the drive mode.
        continuous: its values for a burst, the fastest first. With other values, the camera takes one picture.
        button: how the button is held; None: one release takes as many pictures as `count` says.
        count: the setting with the number of pictures of one release.
        counter: the setting that counts the releases of the shutter.
        in_memory: how many files in the memory of the camera can certainly be read.
    """

    drive: str
    continuous: tuple[str, ...]
    button: Button | None = None
    count: str | None = None
    counter: str | None = None
    in_memory: int = 0


CANON_BURST = BurstQuirks(
    drive="drivemode",
    continuous=(
        "Super high speed continuous shooting", "Continuous high speed", "Silent HS continuous", "Continuous",
        "Continuous silent", "Continuous low speed", "Silent LS continuous",
    ),
    # With autofocus, as for a single picture. The driver's own capture also releases the two halves one after the other.
    button=Button("eosremoterelease", "Press Full AF", ("Release Full", "Release Half")),
    counter="shuttercounter",
    # libgphoto2 reads a file from the memory when it is reported, and keeps the last 3 (tried with libgphoto2 2.5.34). The
    # memory itself holds more: 3 pictures as RAW and JPEG in an EOS 550D, one of the smallest (its manual, "Maximum burst").
    in_memory=3,
)  # fmt: skip
# "Burst" is the fastest drive mode. For pictures in the camera's memory, the driver returns only the last one of a
# release (camlibs/ptp2/library.c, camera_nikon_capture), so none may be taken there.
NIKON_BURST = BurstQuirks(
    drive="capturemode",
    continuous=("Burst", "Continuous Low Speed", "Continuous Quiet Release"),
    count="burstnumber",
)
