"""A camera of each maker with a server, and a client that gets the events of jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.cameras import QUICK, OneCamera, in_factory_state, one_camera
from tests.support.rig import Client, Server

MAKERS = {"canon": QUICK, "nikon": ("--maker", "nikon", *QUICK)}


@pytest.fixture(scope="module", params=MAKERS)
def shared_camera(request: pytest.FixtureRequest) -> Iterator[OneCamera]:
    """One camera of each maker."""
    with one_camera(*MAKERS[request.param]) as camera:
        yield camera


@pytest.fixture(scope="module")
def shared_server(shared_camera: OneCamera, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(cwd=tmp_path_factory.mktemp("jobs"), NETWORK_CAMERAS=shared_camera.port)
    yield server
    assert server.stop() == 0


@pytest.fixture
def camera(shared_camera: OneCamera) -> Iterator[OneCamera]:
    """The camera in factory state."""
    with in_factory_state(shared_camera.process):
        yield shared_camera


@pytest.fixture
async def client(shared_server: Server, camera: OneCamera) -> AsyncIterator[Client]:
    """A client with a subscription to the events of jobs. At the end, no job runs."""
    async with await Client.connect(shared_server, close_timeout=0.2) as client:
        await client.info_with_card()
        await client.command("subscribe", events=["job_state", "job_shot"])
        yield client
        for job in (await client.command("list_jobs"))["jobs"]:
            if job["next_at"] is not None:
                await client.command("stop_job", job=job["job"])
