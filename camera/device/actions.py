"""Settings of the driver that perform an action. Their values do not change, so reading them back confirms nothing.

Some of these actions open the shutter until another action closes it, or press the shutter button until another action
releases it, or start a movie until another action stops it. They are rejected: if the client disconnected before the second
action, the shutter would stay open, or the movie would run until the card is full.
"""

from __future__ import annotations

import re

from camera.device.quirks import Quirks
from camera.errors import MovieStaysOn, ShutterStaysOpen
from camera.model import ConfigItem, ConfigValue
from camera.values import reads_unknown

_SECTION = "/main/actions/"
# Actions that the driver does not list in /main/actions/. "capture" of a Canon prepares a capture session (libgphoto2
# camlibs/ptp2/config.c).
_ELSEWHERE = frozenset(("capture",))
# The values that press Canon's shutter button completely: "Press Full AF" and "Press Full MF", or in older drivers
# "Press 2" and "Press 3".
_PRESSED = re.compile(r"press (full|[23])\b", re.IGNORECASE)
# The driver reads the operation in `opcode` with sscanf("0x%x"), which also accepts a sign, spaces and a second 0x.
_OPCODE = re.compile(r"0x\s*([+-]?)(?:0x)?([0-9a-f]+)", re.IGNORECASE)


def is_action(item: ConfigItem, path: str) -> bool:
    """Whether a setting is an action.

    Args:
        item: the setting as it was read before the change.
        path: its path in the tree of settings.
    """
    return reads_unknown(item) or path.startswith(_SECTION) or item.name in _ELSEWHERE


def refuse_open_shutter(item: ConfigItem, value: ConfigValue, quirks: Quirks) -> None:
    """Reject a value that would leave the shutter open or the shutter button pressed.

    Args:
        item: the setting.
        value: the value to write.
        quirks: the quirks of this camera, which list the settings and operations with this effect.

    Raises:
        ShutterStaysOpen: the value has this effect, and nothing would close the shutter or release the button again.
    """
    if item.name in quirks.shutter_toggles:
        refused = value == 1
    elif item.name == "eosremoterelease":
        refused = _PRESSED.match(str(value)) is not None
    else:
        refused = item.name == "opcode" and _operation(str(value)) in quirks.open_shutter
    if refused:
        closes = f" To close an open shutter, set {item.name} to off." if item.name in quirks.shutter_toggles else ""
        raise ShutterStaysOpen(
            f"{item.name} {value} would open the shutter or hold its button without releasing it.{closes}",
            config_name=item.name,
        )


def refuse_endless_movie(item: ConfigItem, value: ConfigValue, quirks: Quirks) -> None:
    """Reject a value that would start a movie.

    Raises:
        MovieStaysOn: the value has this effect, and nothing would stop the movie.
    """
    starts = (
        (item.name == "movie" and value == 1)
        or (item.name == "movierecordtarget" and value == "Card")
        or (item.name == "opcode" and _operation(str(value)) in quirks.start_movie)
    )
    if starts:
        raise MovieStaysOn(f"{item.name} {value} would start a movie that nothing stops.", config_name=item.name)


def _operation(opcode: str) -> int | None:
    """The PTP operation (16 bits) that the driver would send; None if the text contains no operation."""
    match = _OPCODE.match(opcode)
    return int(match[1] + match[2], 16) & 0xFFFF if match else None
