"""The server as a process, and a client that sends commands over a real websocket."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import psutil
from websockets.asyncio.client import ClientConnection, connect

from protocol.events import EVENTS
from settings.environment import Settings
from tests.support import forked
from tests.support.forked import ForkServer, Process, fork_server, forking_is_allowed, inherited_environment
from tests.support.ports import free_port
from tests.support.waiting import BUSY_MACHINE, WITHIN_S, until_answers

ROOT = forked.ROOT
TOKEN = "a-token-for-the-tests-7c1f"
START_S, STOP_S, REPLY_S = WITHIN_S, 10.0 * BUSY_MACHINE, WITHIN_S

# A forked server gets only these variables. A Python that is already running would not notice others, such as PYTHONFAULTHANDLER.
FORKABLE = {name.upper() for name in Settings.model_fields} | {
    "VCAMERADIR", "NOTIFY_SOCKET", "WATCHDOG_USEC", "CREDENTIALS_DIRECTORY", "TZ"
}  # fmt: skip
PYTHON_OPTIONS = ("-W", "error")

Json = dict[str, Any]


def forked_server() -> ForkServer:
    """The process that has loaded the server's modules, and from which servers are forked."""
    return fork_server("tests.support.forked_server", *PYTHON_OPTIONS)


class Server:
    """The process `python gphoto_ws_server.py` on a free port, and its log.

    It is a fork of a process that has loaded the server's modules (tests/support/forked.py), unless an argument or a
    variable needs a Python of its own.

    Args:
        *options: command-line options.
        cwd: the working directory. The server reads the file .env in it.
        through: a command prefix that starts the server, such as setpriv with its options.
        python: the Python that runs the server and its camera processes.
        root: the folder that contains gphoto_ws_server.py.
        **settings: environment variables. The default of API_TOKEN is TOKEN.
    """

    _may_fork = True

    def __init__(
        self,
        *options: str,
        cwd: Path,
        through: Sequence[str] = (),
        python: str | Path = sys.executable,
        root: str | Path = ROOT,
        **settings: str,
    ) -> None:
        defaults = {"WS_HOST": "127.0.0.1", "WS_PORT": str(free_port()), "STATE_DIR": str(cwd / "state")}
        defaults["WRITE_TIME"] = "2"  # most simulated cameras write at once
        environment = inherited_environment() | {"API_TOKEN": TOKEN} | defaults | settings
        self._lines: list[str] = []
        self._changed = threading.Condition()
        # The tests count the server's descriptors. If the process is not dumpable, only root can read them.
        debug_options = () if os.geteuid() == 0 or through else ("--debuggable",)
        arguments = [*debug_options, *options]
        usual = not through and python == sys.executable and root == ROOT and settings.keys() <= FORKABLE
        log, stderr = os.pipe()
        self._log = os.fdopen(log)
        try:
            if self._may_fork and usual and forking_is_allowed():
                self.process: Process = forked_server().start(arguments, cwd, environment, stderr=stderr)
            else:
                self.process = subprocess.Popen(
                    [*through, str(python), *PYTHON_OPTIONS, str(Path(root) / "gphoto_ws_server.py"), *arguments],
                    cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr,
                    text=True,
                )  # fmt: skip
        finally:
            os.close(stderr)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            line = self.wait_for_log(r"gphoto_ws_server: Listening on \S+", START_S)
        except AssertionError:
            self.kill()
            raise
        self.uri = line.rpartition(" ")[2]
        self.token = environment["API_TOKEN"]

    @property
    def log(self) -> str:
        """The text that the server has logged so far."""
        with self._changed:
            return "".join(self._lines)

    def wait_for_log(self, pattern: str, timeout: float = WITHIN_S) -> str:
        """The first log line that matches `pattern`. Waits until such a line is logged, at most `timeout` seconds."""
        found: list[str] = []

        def match_found() -> bool:
            found.extend(line.rstrip("\n") for line in self._lines if re.search(pattern, line))
            return bool(found) or not self._reader.is_alive()

        with self._changed:
            self._changed.wait_for(match_found, timeout)
            assert found, f"no line like {pattern!r} in:\n{''.join(self._lines)}"
        return found[0]

    def children(self) -> list[psutil.Process]:
        """All child processes of the server, and their child processes."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout: float = STOP_S) -> int:
        """Send a signal, wait for the end of the server, and return its exit code. Fails if a child process remains."""
        children = self.children() if self.process.poll() is None else []
        self.process.send_signal(number)
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self._reader.join(WITHIN_S)
        _, alive = psutil.wait_procs(children, WITHIN_S)
        for process in alive:
            process.kill()
        assert not alive, f"left behind: {alive}"
        return code

    def kill(self) -> None:
        """Kill the server with SIGKILL, and wait until it has ended. Its child processes end by themselves."""
        self.process.kill()
        self.process.wait()
        self._reader.join(WITHIN_S)

    def _read(self) -> None:
        with self._log as stream:
            for line in stream:
                with self._changed:
                    self._lines.append(line)
                    self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()


class ExecutedServer(Server):
    """A server in a new Python process, as if an operator had started it."""

    _may_fork = False


def _check_declaration(event: Json) -> None:
    """Fail if an event does not match its declaration in protocol/events.py."""
    values = {key: value for key, value in event.items() if key != "event"}
    EVENTS[event["event"]].holds.model_validate(values)


class CommandError(Exception):
    """An error reply; `reply` is the complete reply."""

    def __init__(self, reply: Json) -> None:
        super().__init__(f"{reply['code']}: {reply['message']}")
        self.reply = reply
        self.code: str = reply["code"]
        self.details: Json = reply.get("details", {})


class Client:
    """A logged-in client. It stores the events and binary messages that it receives in `events` and `binary`."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.events: list[Json] = []
        self.binary: list[bytes] = []

    @classmethod
    async def connect(cls, server: Server, token: str | None = None, **options: Any) -> Self:
        """Connect and send the login. The server does not reply to a valid login that names no protocol."""
        socket = await connect(server.uri, max_size=None, **options)
        await socket.send(json.dumps({"token": server.token if token is None else token}))
        return cls(socket)

    async def command(self, command: str, within: float = REPLY_S, **payload: Any) -> Json:
        """Send a command without an id and return its reply.

        Raises:
            CommandError: the reply is an error.
        """
        await self.socket.send(json.dumps({"command": command, "payload": payload}))
        return await self.reply(within)

    async def info_with_card(self, within: float = REPLY_S) -> Json:
        """The reply to get_camera_info, after the server has read the card."""
        info: Json = {}

        async def card_read() -> bool:
            nonlocal info
            info = await self.command("get_camera_info")
            return "file_count" in info

        await until_answers(card_read, within)
        return info

    async def reply(self, within: float = REPLY_S) -> Json:
        """The next reply. Events and binary messages that arrive earlier are stored."""
        while True:
            message = await self.receive(within)
            if isinstance(message, dict) and "status" in message:
                if message["status"] == "error":
                    raise CommandError(message)
                return message

    async def event(self, wanted: str | Callable[[Json], bool], within: float = REPLY_S) -> Json:
        """The next event that is named `wanted` or for which `wanted` returns True. Stored events are checked first."""
        fits = (lambda event: event["event"] == wanted) if isinstance(wanted, str) else wanted
        async with asyncio.timeout(within):
            while True:
                for event in self.events:
                    if fits(event):
                        self.events.remove(event)
                        return event
                await self.receive(within)

    async def receive(self, within: float = REPLY_S) -> Json | bytes:
        """The next message of any kind."""
        async with asyncio.timeout(within):
            message = await self.socket.recv()
        if isinstance(message, bytes):
            self.binary.append(message)
            return message
        value = json.loads(message)
        assert isinstance(value, dict)
        if "event" in value:
            _check_declaration(value)
            self.events.append(value)
        return value

    async def close(self) -> None:
        """Close the connection."""
        await self.socket.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
