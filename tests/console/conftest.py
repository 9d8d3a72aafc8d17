"""Fixtures: a real Chromium, and console pages. A test fails if the browser reports an error on a page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from simulator.client import Control
from tests.support.cameras import QUICK, OneCamera
from tests.support.rig import Server

if TYPE_CHECKING:
    from tests.support.page import Console


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Any]:
    """One Chromium for all tests. Each page is opened in a new browser context."""
    from tests.support import page  # imported here, because the import skips the test if playwright is not installed

    async with page.browser() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def open_console(browser: Any) -> AsyncIterator[Callable[..., Awaitable[Console]]]:
    """A function that opens the console page of a server. A test fails if the browser reports an error or a warning."""
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
    """The console page of the shared server. It is logged in and has selected the first camera."""
    console = await open_console(server)
    await console.log_in()
    return console


@pytest.fixture
def restart_camera(own_camera: Callable[..., OneCamera]) -> OneCamera:
    """One camera in factory state, for servers that a test starts and stops."""
    return own_camera(*QUICK)


@pytest.fixture
def restart_control(restart_camera: OneCamera) -> Control:
    """The control port of `restart_camera`."""
    return restart_camera.control
