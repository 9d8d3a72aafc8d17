"""Fixtures: the packed JavaScript client, and programs that use it in Node.js."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.client.javascript.node import Node, Program, install, node
from tests.support.rig import Server


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client as a file for the registry. It is installed in node_modules beside it."""
    node()
    return install(tmp_path_factory.mktemp("javascript"))


@pytest.fixture(scope="session")
def nodejs(packed: Path) -> Iterator[Node]:
    """Node.js for all programs."""
    node = Node(packed.parent)
    yield node
    node.end()


@pytest.fixture
def program(nodejs: Node, server: Server, ports: list[str]) -> Callable[[str], Program]:
    """A function that makes a program for the shared server. `port` is its first camera."""
    return lambda script: nodejs.program(script, server, ports[0])
