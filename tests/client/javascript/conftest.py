"""Fixtures: the packed JavaScript client, and programs that use it in Node.js."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.client.javascript.node import Program, install, node
from tests.support.rig import Server


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client as a file for the registry. It is installed in node_modules beside it."""
    node()
    return install(tmp_path_factory.mktemp("javascript"))


@pytest.fixture
def program(packed: Path, server: Server, ports: list[str]) -> Callable[[str], Program]:
    """A function that makes a program for the shared server. `port` is its first camera."""
    return lambda script: Program(script, packed.parent, server, ports[0])
