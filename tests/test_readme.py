"""Run every snippet of the README and of docs/photobooth.md: make demo, the Python clients, the wscat session."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from websockets.asyncio.client import connect

from protocol.catalogue import COMMANDS
from protocol.errors import ERROR_CODES
from settings.environment import Settings
from tests.support.rig import ROOT, Server
from tests.support.waiting import WITHIN_S

README = (ROOT / "README.md").read_text()
PHOTOBOOTH = (ROOT / "docs" / "photobooth.md").read_text()
_DEMO_S = 40.0


def snippets(language: str, page: str = README) -> list[str]:
    """The code blocks of a page in one language. The wscat session has the language ""."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    return [text for block_language, text in blocks if block_language == language]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Run `make demo` as a new user does, on a free port. Returns the address and the token from its log."""
    settings = {"WS_PORT": "0", "PREVIEW_FLIP": "true", "PHOTO_DIR": str(tmp_path_factory.mktemp("photos"))}
    environment = {name: value for name, value in os.environ.items() if name != "API_TOKEN"} | settings
    process = subprocess.Popen(
        ["make", "demo"], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    watchdog = threading.Timer(_DEMO_S, os.killpg, (process.pid, signal.SIGKILL))
    watchdog.start()
    assert process.stdout is not None
    token = uri = ""
    for line in process.stdout:
        token = token or "".join(re.findall(r"The token of this run is (\S+)", line))
        if "gphoto_ws_server: Listening on" in line:
            uri = line.split()[-1]
            break
    watchdog.cancel()
    assert token, "make demo printed no token"
    assert uri, "make demo printed no address"
    yield uri, token
    os.killpg(process.pid, signal.SIGINT)  # Ctrl-C at a terminal is sent to make and to the server
    process.communicate(timeout=WITHIN_S)


def run_client(demo: tuple[str, str], source: str, tmp_path: Path) -> str:
    """Run a client of the README with the server of the demo. Returns the output of the client."""
    uri, token = demo
    assert "ws://localhost:8765" in source
    assert "mysecrettoken" in source
    program = tmp_path / "client.py"
    program.write_text(source.replace("ws://localhost:8765", uri).replace("mysecrettoken", token))
    done = subprocess.run(
        [sys.executable, "-W", "error", program.name], cwd=tmp_path, timeout=40, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_python_client_saves_a_picture(demo: tuple[str, str], tmp_path: Path) -> None:
    printed = run_client(demo, snippets("python")[0], tmp_path)
    assert len(re.findall(r"^frame \d+ \d+ characters$", printed, re.MULTILINE)) == 10
    (picture,) = tmp_path.glob("IMG_*.JPG")
    with Image.open(picture) as image:
        assert image.size == (5184, 3456)


def test_the_photobooths_client_gets_and_saves_a_photo(demo: tuple[str, str], tmp_path: Path) -> None:
    printed = run_client(demo, snippets("python", PHOTOBOOTH)[0], tmp_path)
    (saved,) = re.findall(r"^saved on the server as (.+)$", printed, re.MULTILINE)
    (picture,) = tmp_path.glob("*_IMG_*.jpg")
    assert Path(saved).read_bytes() == picture.read_bytes()
    with Image.open(picture) as image:
        assert image.size == (5184, 3456)


def _shape(value: object) -> object:
    """The part of a reply that must be equal to the README: keys, types and texts. Numbers are ignored."""
    if isinstance(value, dict):
        return {key: _shape(entry) for key, entry in value.items() if key not in ("image_b64", "choices")}
    if isinstance(value, list):
        return [_shape(entry) for entry in value]
    return re.sub(r"\d+", "#", value) if isinstance(value, str) else type(value)


async def test_the_wscat_session_works_as_shown(server: Server, ports: list[str]) -> None:
    (session,) = snippets("")
    lines = [line for line in session.splitlines() if line]
    shown_port = re.findall(r"ptpip:[\d.:]+", session)[0]
    async with connect(server.uri, max_size=None) as socket:
        for line in lines:
            message = json.loads(line[2:].replace(shown_port, ports[0]))
            if line.startswith("> "):
                if "token" in message:
                    message["token"] = server.token
                await socket.send(json.dumps(message))
                continue
            reply = json.loads(await socket.recv())
            while reply.get("event") == "live_view_frame":
                reply = json.loads(await socket.recv())
            if "cameras" in message:
                reply["cameras"] = reply["cameras"][:1]  # the server of this test has a second camera
            assert _shape(reply) == _shape(message)


def test_the_error_example_has_a_code_of_the_server() -> None:
    for snippet in snippets("json"):
        assert json.loads(snippet)["code"] in ERROR_CODES


def test_the_command_table_is_complete() -> None:
    table = README[README.index("| command |") : README.index("Errors look the same")]
    assert set(
        re.findall(r"`([a-z_]+)`", "".join(line.split("|")[1] for line in table.splitlines() if "|" in line))
    ) == set(COMMANDS)


def test_the_named_settings_exist() -> None:
    table = README[README.index("## Settings") : README.index("## As a service")]
    names_in_table = {name for name in re.findall(r"`([A-Z_]+)`", table) if name != "VCAMERADIR"}
    assert names_in_table <= {name.upper() for name in Settings.model_fields}


def test_the_named_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z-]+)(?:`|\s+#)", README)) - {"python3"} <= targets
