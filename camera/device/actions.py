"""Settings of the driver that are actions: they read the same before and after, so reading them back proves nothing.

Some of them open the shutter, or hold its button, until another action ends that. Those are refused: a client that is
gone would leave the shutter open.
"""

from __future__ import annotations

import re

from camera.device.quirks import Quirks
from camera.errors import ShutterStaysOpen
from camera.model import ConfigItem, ConfigValue
from camera.values import reads_unknown

_SECTION = "/main/actions/"
# "capture" of a Canon prepares a capture session, and stands among the settings (libgphoto2 camlibs/ptp2/config.c).
_ELSEWHERE = frozenset(("capture",))
# Canon's button, pressed all the way: "Press Full AF", "Press Full MF"; "Press 2", "Press 3" of older drivers.
_PRESSED = re.compile(r"press (full|[23])\b", re.IGNORECASE)
# The operation in what the driver reads of `opcode` with sscanf("0x%x"), which takes signs, blanks and a second 0x.
_OPCODE = re.compile(r"0x\s*([+-]?)(?:0x)?([0-9a-f]+)", re.IGNORECASE)


def is_action(item: ConfigItem, path: str) -> bool:
    """Whether a setting is an action.

    Args:
        item: as it was before it was set.
        path: its place in the tree of settings.
    """
    return reads_unknown(item) or path.startswith(_SECTION) or item.name in _ELSEWHERE


def refuse_open_shutter(item: ConfigItem, value: ConfigValue, quirks: Quirks) -> None:
    """Let pass what leaves no shutter open and no button held.

    Args:
        item: the setting.
        value: as it will be written.
        quirks: what does so at this camera.

    Raises:
        ShutterStaysOpen: nothing would close the shutter.
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
            f"{item.name} {value} would open the shutter or hold its button without releasing it: bulb exposures "
            f"are not supported yet.{closes}",
            config_name=item.name,
        )


def _operation(opcode: str) -> int | None:
    """The PTP operation, 16 bits, that the driver would send."""
    match = _OPCODE.match(opcode)
    return int(match[1] + match[2], 16) & 0xFFFF if match else None
