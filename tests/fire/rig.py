"""Three cameras of two makers on one server, for tests that release them together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.cameras import QUICK, OneCamera, in_factory_state, one_camera
from tests.support.rig import Client, Json
from tests.support.waiting import until_answers

# Two Canons and a Nikon. Their processes and those of the simulators compete for the processor with other tests.
OPTIONS = (("--serial", "LEFT"), ("--serial", "MIDDLE"), ("--maker", "nikon", "--serial", "RIGHT"))
# Long enough for slow machines, so that no camera is late.
IN_MS = 3000


@dataclass(frozen=True)
class Rig:
    """The cameras: two Canons and a Nikon."""

    cameras: tuple[OneCamera, ...]

    @property
    def ports(self) -> list[str]:
        """Their ports, in the order of the server's settings."""
        return [camera.port for camera in self.cameras]

    @property
    def setting(self) -> str:
        """The value of NETWORK_CAMERAS."""
        return ",".join(self.ports)

    def releases(self) -> list[int]:
        """How often the shutter of each camera was released."""
        return [len(camera.control.releases()) for camera in self.cameras]

    def pressed(self) -> list[bool]:
        """Whether the button of each camera is half pressed or held."""
        states = [camera.control.state() for camera in self.cameras]
        return [state["focus"]["half_pressed"] or state["shutter_held"] for state in states]


@contextmanager
def new_rig() -> Iterator[Rig]:
    """The three cameras, until the end of the block."""
    with ExitStack() as stack:
        yield Rig(tuple(stack.enter_context(one_camera(*options, *QUICK)) for options in OPTIONS))


@contextmanager
def as_new(rig: Rig) -> Iterator[Rig]:
    """The cameras in factory state."""
    with ExitStack() as stack:
        for camera in rig.cameras:
            stack.enter_context(in_factory_state(camera.process))
        yield rig


async def opened(client: Client, rig: Rig) -> None:
    """Wait until the server has opened the cameras and read their cards."""
    for port in rig.ports:

        async def card_read(port: str = port) -> bool:
            info = await client.command("get_camera_info", port=port)
            return bool(info["connected"] and "file_count" in info)

        await until_answers(card_read)


def codes(reply: Json) -> list[Any]:
    """For each camera of a reply: its error code, or "ok"."""
    return [camera.get("code") or camera["status"] for camera in reply["cameras"]]
