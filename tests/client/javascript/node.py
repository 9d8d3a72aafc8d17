"""Run programs in Node.js that use the packed JavaScript client, and talk with them line by line."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tests.support.rig import ROOT, Server
from tests.support.tools import NPM_PROGRAMS, broken, find_tool
from tests.support.waiting import WITHIN_S

PACKAGE = ROOT / "clients" / "javascript"
MODULES = NPM_PROGRAMS.parent

# What each program can use: `server` for `connect`; `port` is the first camera. `cut()` ends the connection like a broken
# network, and `blocked = true` lets new connections fail. `sockets` has all sockets. `say` and `told` talk with the test.
_PRELUDE = """
import { createInterface } from "node:readline";
import { CameraError, connect } from "gphoto-ws-client";
import WebSocket from "ws";
let blocked = false;
const sockets = [];
const createSocket = (url) => {
  sockets.push(new WebSocket(blocked ? "ws://127.0.0.1:1" : url));
  return sockets.at(-1);
};
const cut = () => sockets.at(-1).terminate();
const { url, token, port } = JSON.parse(process.env.SERVER);
const server = { url, token, createSocket };
const say = (value) => console.log(JSON.stringify(value ?? null));
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const told = async () => JSON.parse((await lines.next()).value);
const codeOf = ({ code }) => code;
"""


def node() -> str:
    """The path of Node.js. Skips the test if there is none, or the programs of tests/npm are missing."""
    program = shutil.which("node")
    if program is None or broken(program, "--version"):
        pytest.skip("node is not there: sudo apt-get install nodejs")
    for package in ("ws", "typescript", "esbuild", "publint"):
        if not (MODULES / package / "package.json").is_file():
            pytest.skip(f"{package} is not there: make npm")
    return program


def run(*command: str | Path, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        [str(word) for word in command], cwd=folder, env=os.environ | variables, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=WITHIN_S, check=False,
    )  # fmt: skip


def install(folder: Path) -> Path:
    """Pack the client as for the registry, and put it beside the package ws into node_modules of a folder.

    Returns the packed file.
    """
    [npm] = find_tool(("npm",), install="sudo apt-get install npm")
    packed = run(npm, "pack", "--pack-destination", folder, folder=PACKAGE)
    assert packed.returncode == 0, packed.stderr
    file = folder / packed.stdout.strip()
    target = folder / "node_modules" / "gphoto-ws-client"
    target.mkdir(parents=True)
    unpacked = run("tar", "-xzf", file, "-C", target, "--strip-components", "1", folder=folder)
    assert unpacked.returncode == 0, unpacked.stderr
    (folder / "node_modules" / "ws").symlink_to(MODULES / "ws")
    return file


class Program:
    """A running program: `async with Program(script, folder, server) as program: ...`. It must end with exit code 0."""

    def __init__(self, script: str, folder: Path, server: Server, port: str = "") -> None:
        self._script, self._folder = script, folder
        self._server = json.dumps({"url": server.uri, "token": server.token, "port": port})
        self._process: Process | None = None

    async def __aenter__(self) -> Self:
        script = f"{_PRELUDE}{self._script}\nprocess.exit(0);"
        self._process = await asyncio.create_subprocess_exec(
            node(), "--input-type=module", "--eval", script, cwd=self._folder, stdin=PIPE, stdout=PIPE, stderr=PIPE,
            env=os.environ | {"SERVER": self._server},
        )  # fmt: skip
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        if kind is not None:
            self._process.kill()
        async with asyncio.timeout(WITHIN_S):
            output, errors = await self._process.communicate()
        if kind is None:
            assert (output, errors.decode(), self._process.returncode) == (b"", "", 0)

    async def says(self) -> Any:
        """The next value that the program says."""
        assert self._process is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        async with asyncio.timeout(WITHIN_S):
            line = await self._process.stdout.readline()
            assert line, (await self._process.stderr.read()).decode()
        return json.loads(line)

    def tell(self, value: object = None) -> None:
        """Tell the program a value."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value).encode() + b"\n")
