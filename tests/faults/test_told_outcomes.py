"""Whatever a camera answers in the middle of a shot, what is told of the shot is true."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable

import pytest

from simulator.client import Control
from simulator.process import SimulatorProcess
from tests.support.cameras import QUICK
from tests.support.rig import Client, CommandError, Server

# What the driver asks for before, at and after the release.
OPERATIONS = {
    "canon": ("0x9128", "0x9129", "0x9116", "0x9110", "0x9127"),
    "nikon": ("0x9207", "0x90c8", "0x90c7", "0x1008"),
}
# Store full, not supported, busy, general error.
CODES = (0x200C, 0x2005, 0x2019, 0x2002)


@pytest.fixture(params=OPERATIONS)
async def shooting(
    request: pytest.FixtureRequest, new_server: Callable[..., Server]
) -> AsyncIterator[tuple[str, Client, Control]]:
    """A maker, a client of a server with its camera, and the camera's control port."""
    with SimulatorProcess("--maker", request.param, *QUICK) as simulator, Control(simulator.control) as control:
        server = new_server(NETWORK_CAMERAS=simulator.cameras[0].address, RESTART_DELAY="0.2")
        async with await Client.connect(server) as client:
            yield request.param, client, control


async def test_a_shot_is_done_or_did_not_fire_or_is_not_known(shooting: tuple[str, Client, Control]) -> None:
    maker, client, control = shooting
    wrong = []
    for operation, code, after in itertools.product(OPERATIONS[maker], CODES, (0, 1)):
        before = control.state()["shots"]
        control.fault("code", operation, code=code, times=1, after=after)
        try:
            told = (await client.command("capture_image"))["status"]
        except CommandError as error:
            told = error.code
        control.clear()
        fired = control.state()["shots"] - before
        true = {"ok": fired == 1, "capture_unknown": fired <= 1}.get(told, fired == 0)
        if not true:
            wrong.append(
                f"{operation} answered {code:#x} (after {after}): {told}, and the shutter opened {fired} times"
            )
    assert wrong == []
