"""The clock of a camera: it is set to local time, also in summer, and to the time of the server."""

from __future__ import annotations

import time
from calendar import timegm
from collections.abc import Callable
from datetime import datetime

import pytest

from simulator.client import Control
from tests.support.cameras import QUICK, OneCamera
from tests.support.rig import Client, Server
from tests.support.waiting import WITHIN_S


def shown_by(control: Control) -> int:
    """The time that the camera shows, in seconds since 1970 as if it were UTC."""
    value = control.state()["properties"]["datetime"]
    return value if isinstance(value, int) else timegm(time.strptime(value, "%Y%m%dT%H%M%S"))


@pytest.mark.parametrize("maker", ["canon", "nikon"])
@pytest.mark.parametrize(
    ("time_utc", "local_time"),
    [
        ("2030-01-01T12:00:00+00:00", "2030-01-01T13:00:00+00:00"),
        ("2030-07-01T12:00:00+00:00", "2030-07-01T14:00:00+00:00"),
        ("2030-10-27T00:30:00+00:00", "2030-10-27T02:30:00+00:00"),  # summer time; half an hour later, it ends
        ("2030-10-27T01:30:00+00:00", "2030-10-27T02:30:00+00:00"),
    ],
)
async def test_a_time_that_is_set_becomes_the_local_time_of_the_server(
    own_camera: Callable[..., OneCamera], new_server: Callable[..., Server], maker: str, time_utc: str, local_time: str
) -> None:
    camera = own_camera("--maker", maker, *QUICK)
    server = new_server(NETWORK_CAMERAS=camera.port, TZ="Europe/Berlin")
    async with await Client.connect(server) as client:
        await client.command("set_config", name="datetime", value=time_utc)
        off = shown_by(camera.control) - datetime.fromisoformat(local_time).timestamp()
        assert 0 <= off < WITHIN_S
