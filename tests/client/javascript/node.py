"""Run programs in Node.js that use the packed JavaScript client, and talk with them line by line."""

from __future__ import annotations

import asyncio
import json
import os
import select
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE
from types import TracebackType
from typing import IO, Any, Self

import pytest

from tests.support.rig import ROOT, Server
from tests.support.tools import NPM_PROGRAMS, broken, find_tool
from tests.support.waiting import WITHIN_S

PACKAGE = ROOT / "clients" / "javascript"
MODULES = NPM_PROGRAMS.parent

# What each program can use: `server` for `connect`; `port` is the first camera. `cut()` ends the connection like a broken
# network, and `network.blocked = true` lets new connections fail. `sockets` has all sockets. `say` and `told` talk with the test.
_BEGIN = """
import { CameraError, connect as connectOnce } from "gphoto-ws-client";
import WebSocket from "ws";
const network = { blocked: false };
const sockets = [];
const createSocket = (url) => {
  sockets.push(new WebSocket(network.blocked ? "ws://127.0.0.1:1" : url));
  return sockets.at(-1);
};
const cut = () => sockets.at(-1).terminate();
const clients = [];
const connect = async (options) => {
  clients.push(await connectOnce(options));
  return clients.at(-1);
};
const { url, token, port } = SERVER;
const server = { url, token, createSocket };
const codeOf = ({ code }) => code;
"""
_END = "for (const client of clients) client.close();\n"
# Runs one program after the other, each from its own file: a new Node.js for each would take most of the time of the tests.
_MAIN = """
import { createInterface } from "node:readline";
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
globalThis.say = (value) => console.log(JSON.stringify(value ?? null));
globalThis.told = async () => {
  const { value, done } = await lines.next();
  return done ? process.exit(0) : JSON.parse(value);
};
for (;;) {
  await import(await told());
  say("ended");
}
"""


def node() -> str:
    """The path of Node.js. Skips the test if there is none, or the programs of tests/npm are missing."""
    program = shutil.which("node")
    if program is None or broken(program, "--version"):
        pytest.skip("node is not there: sudo apt-get install nodejs")
    for package in ("ws", "typescript", "esbuild", "publint", "react-dom"):
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


class Node:
    """Node.js in a folder with node_modules. It runs one program after the other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "main.mjs").write_text(_MAIN)
        self._programs = 0
        self._process: subprocess.Popen[bytes] | None = None

    def program(self, script: str, server: Server, port: str = "") -> Program:
        """A program for a server. `port`: the port of its first camera."""
        if self._process is None:
            self._process = subprocess.Popen(
                [node(), "main.mjs"], cwd=self._folder, stdin=PIPE, stdout=PIPE, stderr=PIPE, bufsize=0
            )
        self._programs += 1
        file = self._folder / f"program-{self._programs}.mjs"
        values = json.dumps({"url": server.uri, "token": server.token, "port": port})
        file.write_text(_BEGIN.replace("SERVER", values) + script + _END)
        return Program(self._process, file.name, self.end)

    def end(self) -> None:
        """Kill the process, if it runs. The next program gets a new one."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


class Program:
    """A program: `async with node.program(script, server) as running: ...`. It must end without an error."""

    def __init__(self, process: subprocess.Popen[bytes], file: str, kill: Callable[[], None]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        self._file, self._kill = file, kill

    async def __aenter__(self) -> Self:
        self.tell(f"./{self._file}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                assert await self.says() == "ended"
                assert not _is_ready(self._stderr, 0), os.read(self._stderr.fileno(), 2**16).decode()
        except BaseException:
            self._kill()
            raise
        if kind is not None:
            self._kill()

    async def says(self) -> Any:
        """The next value that the program says."""
        line = await asyncio.to_thread(self._line)
        assert line, self._stderr.read().decode()
        return json.loads(line)

    def tell(self, value: object = None) -> None:
        """Tell the program a value."""
        self._stdin.write(json.dumps(value).encode() + b"\n")

    def _line(self) -> bytes:
        if not _is_ready(self._stdout, WITHIN_S):
            raise TimeoutError("the program says nothing")
        return self._stdout.readline()


def _is_ready(pipe: IO[bytes], seconds: float) -> bool:
    return bool(select.select([pipe], [], [], seconds)[0])
