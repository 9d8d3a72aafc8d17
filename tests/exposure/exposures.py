"""Cameras for tests of bulb exposures, and the start of an exposure."""

from __future__ import annotations

import json
from typing import Any

from tests.support.cameras import QUICK
from tests.support.rig import Client, Json

LONG_S = 600.0  # no test waits for the end of such an exposure
MAKERS = {
    "canon": QUICK,
    # A Canon without BulbStart and BulbEnd, such as the EOS M50
    "canon without bulb operations": (*QUICK, "--without", "0x9125", "--without", "0x9126"),
    "nikon": ("--maker", "nikon", *QUICK),
}


async def start(client: Client, **payload: Any) -> Json:
    """Send a capture with a long bulb exposure and the id "shot". Returns the event of its start."""
    message = {"command": "capture_image", "id": "shot", "payload": {"bulb_s": LONG_S, **payload}}
    await client.socket.send(json.dumps(message))
    return await client.event("exposure_started")
