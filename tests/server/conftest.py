"""Fixtures for the server without cameras."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.rig import Client, Server
from tests.support.wire import logged_in


@pytest.fixture
async def bare_client(bare_server: Server) -> AsyncIterator[Client]:
    """A logged-in client of the server without cameras."""
    async with await logged_in(bare_server) as client:
        yield client
