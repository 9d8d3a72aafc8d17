"""Selects the libgphoto2 driver for a camera. Uses libgphoto2's list of drivers, but does not import gphoto2."""

from __future__ import annotations

from contextlib import suppress
from difflib import get_close_matches
from typing import Any

from camera.errors import NoDriver

# libgphoto2_port gphoto2/gphoto2-port-info-list.h, GPPortType.
_PTPIP = 1 << 4


def driver_for(port: str, model: str, drivers: Any, unknown: type[Exception]) -> Any:
    """The driver for a model. For a network port, the driver must support PTP.

    Args:
        port: the port of the camera, for example "ptpip:192.168.1.20".
        model: a name from libgphoto2's list, in upper or lower case.
        drivers: libgphoto2's list of drivers.
        unknown: the exception that the list raises for an unknown name.

    Raises:
        NoDriver: there is no such driver; `similar` lists similar names.
    """
    network = port.startswith("ptpip:")
    with suppress(unknown):
        driver = drivers[drivers.lookup_model(model)]
        # A PTP camera that is listed only for USB also works on the network.
        if not network or driver.port & _PTPIP or "ptp2" in driver.library:
            return driver
    everything = [drivers[index] for index in range(drivers.count())]
    names = [str(driver.model) for driver in everything if not network or driver.port & _PTPIP]
    near = get_close_matches(model, names, 3, 0.3)
    raise NoDriver(
        f"libgphoto2 has no driver {model!r} for the port {port}."
        + (f" Did you mean {' or '.join(near)}?" if near else "")
        + (f" Drivers for network cameras: {', '.join(names)}, and the PTP cameras by their names." if network else ""),
        similar=tuple(near) or None,
    )
