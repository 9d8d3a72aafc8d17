"""The outcome of a shot is correct for every error that a camera may return during the shot."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable

import pytest

from simulator.client import Control
from tests.support.cameras import QUICK, one_camera
from tests.support.rig import Client, CommandError, Server

# The operations that the driver sends before, during and after the release of the shutter.
OPERATIONS = {
    "canon": ("0x9128", "0x9129", "0x9116", "0x9110", "0x9127"),
    "nikon": ("0x9207", "0x90c8", "0x90c7", "0x1008"),
}
# PTP response codes: store full, operation not supported, device busy, general error.
CODES = (0x200C, 0x2005, 0x2019, 0x2002)


@pytest.fixture(params=OPERATIONS)
async def capture_setup(
    request: pytest.FixtureRequest, new_server: Callable[..., Server]
) -> AsyncIterator[tuple[str, Client, Control]]:
    """The maker of a camera, a client of a server for this camera, and the control port of the camera."""
    with one_camera("--maker", request.param, *QUICK) as camera:
        server = new_server(NETWORK_CAMERAS=camera.port, RESTART_DELAY="0.2")
        async with await Client.connect(server) as client:
            yield request.param, client, camera.control


async def test_a_shot_ends_as_done_failed_or_unknown(capture_setup: tuple[str, Client, Control]) -> None:
    maker, client, control = capture_setup
    wrong = []
    for operation, code, after in itertools.product(OPERATIONS[maker], CODES, (0, 1)):
        shots_before = control.state()["shots"]
        control.fault("code", operation, code=code, times=1, after=after)
        try:
            outcome = (await client.command("capture_image"))["status"]
        except CommandError as error:
            outcome = error.code
        control.clear()
        fired = control.state()["shots"] - shots_before
        correct = {"ok": fired == 1, "capture_unknown": fired <= 1}.get(outcome, fired == 0)
        if not correct:
            wrong.append(
                f"{operation} answered {code:#x} (after {after}): {outcome}, and the shutter opened {fired} times"
            )
    assert wrong == []
