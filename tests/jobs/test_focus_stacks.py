"""Focus stacks on simulated cameras: steps towards far, the limit of the lens, and the way back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.jobs.orders import ended
from tests.support.cameras import QUICK, OneCamera
from tests.support.rig import Client, CommandError, Json, Server
from tests.support.waiting import until_answers


async def stack(client: Client, **payload: Any) -> int:
    """Start a focus stack; returns its number."""
    reply = await client.command("start_job", **{"kind": "focus_stack", "settle_ms": 10, **payload})
    return int(reply["job"]["job"])


def focus(camera: OneCamera) -> Json:
    """What the camera knows about its focus."""
    state: Json = camera.control.state()["focus"]
    return state


async def test_a_focus_stack_moves_to_far_and_back(client: Client, camera: OneCamera) -> None:
    before = focus(camera)["position"]
    job = await stack(client, frames=3, steps=2, back=False)
    status = await ended(client, job)
    assert (status["kind"], status["shots"], status["failed"], status["message"]) == ("focus_stack", 3, 0, "")
    after = focus(camera)["position"]
    assert after > before
    await ended(client, await stack(client, frames=3, steps=2))
    assert focus(camera)["position"] == after
    assert camera.control.state()["shots"] == 6


async def test_a_focus_stack_ends_at_the_limit_of_the_lens(client: Client, camera: OneCamera) -> None:
    before = focus(camera)["position"]
    if "focusmode2" not in camera.control.state()["properties"]:
        pytest.skip("a Canon does not report that its lens is at a limit")
    status = await ended(client, await stack(client, frames=50, steps=100, size="large"))
    taken = camera.control.state()["shots"]
    assert 0 < taken < 50
    assert status["message"] == f"The lens is at its limit after {taken} of 50 pictures."
    # Its last steps were cut off by the limit, so the way back has the same number of whole steps at most.
    assert abs(focus(camera)["position"] - before) <= focus(camera)["far"] // 4


@pytest.mark.parametrize("payload", [{"frames": 3}, {"steps": 2}, {"frames": 3, "steps": -2}])
async def test_an_impossible_focus_stack_is_refused(client: Client, payload: Json) -> None:
    with pytest.raises(CommandError, match="invalid_payload"):
        await stack(client, **payload)


async def test_a_focus_stack_goes_on_after_a_kill(
    new_server: Callable[..., Server], own_camera: Callable[..., OneCamera]
) -> None:
    camera = own_camera(*QUICK)
    before = focus(camera)["position"]
    server = new_server(NETWORK_CAMERAS=camera.port, WRITE_TIME="1")
    async with await Client.connect(server) as client:
        await client.info_with_card()
        await client.command("subscribe", events=["job_shot"])
        job = await stack(client, frames=6, steps=1)
        await client.event("job_shot")
    server.kill()
    server = await asyncio.to_thread(lambda: new_server(NETWORK_CAMERAS=camera.port, WRITE_TIME="1"))
    async with await Client.connect(server) as client:

        async def done() -> bool:
            return str((await client.command("get_job", job=job))["job"]["state"]) == "done"

        await until_answers(done)
        status = (await client.command("get_job", job=job))["job"]
    assert status["shots"] + status["failed"] == 6
    # A step during the kill may have been done or not.
    assert abs(focus(camera)["position"] - before) <= focus(camera)["far"] // 4
