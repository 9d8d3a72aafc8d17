"""Settings of the driver that are orders: they read the same before and after, so reading them back proves nothing."""

from __future__ import annotations

from camera.model import ConfigItem

_UNKNOWN = 2  # how libgphoto2 shows a toggle whose state it cannot ask for
_SECTION = "/main/actions/"
# "capture" of a Canon prepares a capture session, and stands among the settings (libgphoto2 camlibs/ptp2/config.c).
_ELSEWHERE = frozenset(("capture",))


def reads_unknown(item: ConfigItem) -> bool:
    """Whether it is a toggle that has no state to read."""
    return item.type == "toggle" and item.value == _UNKNOWN


def is_order(item: ConfigItem, path: str) -> bool:
    """Whether a setting is an order.

    Args:
        item: as it was before it was set.
        path: its place in the tree of settings.
    """
    return reads_unknown(item) or path.startswith(_SECTION) or item.name in _ELSEWHERE
