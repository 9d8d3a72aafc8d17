"""The simulated camera, plugged into the USB bus of the guest and pulled out of it."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from lab.addresses import HOST, USBIP_PORT
from lab.guest import Guest
from simulator.client import Control
from simulator.process import SimulatorProcess

VENDOR, MODEL = "04a9", "31ea"
"""The USB ids of the camera, a Canon EOS 550D."""


class Camera:
    """One camera of the simulator, over USB/IP. `plug` connects it to the USB bus of the guest.

    Attributes:
        control: the control port of the simulator.
    """

    def __init__(self, guest: Guest) -> None:
        self._guest = guest
        self._simulator = SimulatorProcess("--host", HOST, "--usbip", str(USBIP_PORT))
        self.control = Control(self._simulator.control)

    def plug(self) -> None:
        """Plug the camera into the guest. Returns before the guest's kernel has read the descriptors."""
        if not self._plugged():
            self.control.plug()
        self._guest.run("lab-attach")

    def unplug(self) -> None:
        """Pull the cable."""
        if self._plugged():
            self.control.unplug()

    def stay(self) -> None:
        """Prepare for the next boot of the guest: close the USB/IP connection that the last boot left open."""
        self.unplug()
        self.control.plug()

    def _plugged(self) -> bool:
        return bool(self.control.state()["usb"]["device"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.control.close()
        self._simulator.stop()
