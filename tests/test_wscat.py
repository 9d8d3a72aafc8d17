"""Somebody who types into wscat, as README shows: from the token to a saved picture."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import time
from pathlib import Path

from PIL import Image

from tests.support.rig import Json, Server
from tests.support.tools import find_tool

_SECONDS = 30.0


class Terminal:
    """wscat on a terminal of its own."""

    def __init__(self, program: str, address: str) -> None:
        self._ours, theirs = pty.openpty()
        environment = {**os.environ, "TERM": "dumb", "NO_COLOR": "1"}
        self._process = subprocess.Popen(
            [program, "-c", address],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            start_new_session=True,
        )
        os.close(theirs)
        self._seen = ""

    def type(self, line: str) -> None:
        """A line and the return key."""
        os.write(self._ours, line.encode() + b"\n")

    def reads(self, pattern: str) -> str:
        """Waits until the screen shows this, and forgets what was before it."""
        deadline = time.monotonic() + _SECONDS
        while not (found := re.search(pattern, self._seen)):
            ready, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"no {pattern!r} in:\n{self._seen}"
            self._seen += os.read(self._ours, 65536).decode(errors="replace")
        self._seen = self._seen[found.end() :]
        return found.group()

    def asks(self, **message: object) -> Json:
        """Type a command; its reply."""
        self.type(json.dumps(message))
        text = self.reads(r'(?<=< )\{"status".*\}')
        return dict(json.loads(text))

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        os.close(self._ours)


def test_from_the_token_to_a_saved_picture(tmp_path: Path) -> None:
    [program] = find_tool(("wscat",), install="make npm")
    server = Server("--simulate", cwd=tmp_path, API_TOKEN="mysecrettoken")
    terminal = Terminal(program, server.uri)
    try:
        terminal.reads("Connected")
        terminal.type('{"token": "mysecrettoken"}')
        (camera,) = terminal.asks(command="list_cameras")["cameras"]
        assert terminal.asks(command="select_camera", payload={"port": camera["port"]})["status"] == "ok"
        (file,) = terminal.asks(command="capture_image", payload={"save": True})["files"]
    finally:
        terminal.close()
        assert server.stop() == 0
    with Image.open(file["saved_path"]) as picture:
        picture.load()
    assert Path(file["saved_path"]).parent == tmp_path / "photos"
