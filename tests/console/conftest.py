"""A real Chromium for the console's tests, and tabs that must not complain."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from simulator.client import Control
from simulator.process import SimulatedCamera, SimulatorProcess
from tests.support.cameras import QUICK, in_factory_state
from tests.support.rig import Server

if TYPE_CHECKING:
    from tests.support.page import Console


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Any]:
    """One Chromium for all tests; each has a tab with nothing kept from others."""
    from tests.support import page  # skips where playwright is not there

    async with page.browser() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def open_console(browser: Any) -> AsyncIterator[Callable[..., Awaitable[Console]]]:
    """Open the page of a server; fails after the test when the browser had something against the page."""
    from tests.support.page import Console

    opened: list[Console] = []

    async def open_one(server: Server, **options: Any) -> Console:
        opened.append(await Console.open(browser, server, **options))
        return opened[-1]

    yield open_one
    for console in opened:
        await console.page.context.close()
    assert [complaint for console in opened for complaint in console.complaints] == []


@pytest_asyncio.fixture(loop_scope="session")
async def console(open_console: Callable[..., Awaitable[Console]], server: Server) -> Console:
    """The page of the shared server, logged in, the first camera selected."""
    console = await open_console(server)
    await console.log_in()
    return console


@pytest.fixture(scope="session")
def own_simulator() -> Iterator[SimulatorProcess]:
    """One camera for servers that come and go."""
    with SimulatorProcess(*QUICK) as simulator:
        yield simulator


@pytest.fixture
def own_control(own_simulator: SimulatorProcess) -> Iterator[Control]:
    """Its control port, the camera in factory state."""
    with in_factory_state(own_simulator) as control:
        yield control


@pytest.fixture
def own_camera(own_simulator: SimulatorProcess, own_control: Control) -> SimulatedCamera:
    """The camera, in factory state."""
    return own_simulator.cameras[0]
