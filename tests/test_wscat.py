"""A wscat session as in the README: from the token to a saved picture."""

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
    """wscat in a pseudo-terminal."""

    def __init__(self, program: str, address: str) -> None:
        self._terminal, process_end = pty.openpty()
        environment = {**os.environ, "TERM": "dumb", "NO_COLOR": "1"}
        self._process = subprocess.Popen(
            [program, "-c", address],
            stdin=process_end,
            stdout=process_end,
            stderr=process_end,
            env=environment,
            start_new_session=True,
        )
        os.close(process_end)
        self._output = ""

    def type(self, line: str) -> None:
        """Type a line and the return key."""
        os.write(self._terminal, line.encode() + b"\n")

    def wait_for(self, pattern: str) -> str:
        """Wait until the output matches a pattern, and return the match. Discards the output up to the end of the match."""
        deadline = time.monotonic() + _SECONDS
        while not (found := re.search(pattern, self._output)):
            ready, _, _ = select.select([self._terminal], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"no {pattern!r} in:\n{self._output}"
            self._output += os.read(self._terminal, 65536).decode(errors="replace")
        self._output = self._output[found.end() :]
        return found.group()

    def run_command(self, **message: object) -> Json:
        """Type a command and return its reply."""
        self.type(json.dumps(message))
        text = self.wait_for(r'(?<=< )\{"status".*\}')
        return dict(json.loads(text))

    def close(self) -> None:
        """Kill wscat and close the terminal."""
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)


def test_a_wscat_session_from_the_token_to_a_saved_picture(tmp_path: Path) -> None:
    [program] = find_tool(("wscat",), install="make npm")
    server = Server("--simulate", cwd=tmp_path, API_TOKEN="mysecrettoken")
    terminal = Terminal(program, server.uri)
    try:
        terminal.wait_for("Connected")
        terminal.type('{"token": "mysecrettoken"}')
        (camera,) = terminal.run_command(command="list_cameras")["cameras"]
        assert terminal.run_command(command="select_camera", payload={"port": camera["port"]})["status"] == "ok"
        (file,) = terminal.run_command(command="capture_image", payload={"save": True})["files"]
    finally:
        terminal.close()
        assert server.stop() == 0
    with Image.open(file["saved_path"]) as picture:
        picture.load()
    assert Path(file["saved_path"]).parent == tmp_path / "photos"
