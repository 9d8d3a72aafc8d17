"""Starts jobs, and waits for their ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.rig import Client, Json


async def start(client: Client, **payload: Any) -> int:
    """Start a time-lapse; returns its number."""
    reply = await client.command("start_job", **{"kind": "timelapse", "interval_s": 0.6, **payload})
    return int(reply["job"]["job"])


async def ended(client: Client, job: int, state: str = "done") -> Json:
    """The job, when it is in this state."""
    await client.event(lambda event: (event.get("job"), event.get("state")) == (job, state))
    return dict((await client.command("get_job", job=job))["job"])


def at(seconds: float) -> str:
    """The time in so many seconds."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
