"""The programs and pages in examples/ run as their README says, the pages in a real Chromium."""

from __future__ import annotations

import functools
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from simulator.client import Control
from tests.support.marks import decoded
from tests.support.rig import ROOT, Client, Server
from tests.support.waiting import WITHIN_S

EXAMPLES = ROOT / "examples"
WITHIN_MS = WITHIN_S * 1000


def environment(server: Server) -> dict[str, str]:
    """What the reader's shell has."""
    return {**os.environ, "API_TOKEN": server.token, "PYTHONPATH": str(ROOT / "clients" / "python" / "src")}


def run(server: Server, folder: Path, name: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a program of examples/ in an empty folder."""
    return subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name), *options], cwd=folder, env=environment(server),
        capture_output=True, text=True, timeout=WITHIN_S, check=False,
    )  # fmt: skip


def lines_of_code(text: str) -> int:
    """Lines that are neither empty nor import or explain something."""
    return len([line for line in text.splitlines() if line.strip() and not re.match(r'import |"""|#', line)])


def test_the_client_saves_a_picture(readers_server: Server, tmp_path: Path) -> None:
    done = run(readers_server, tmp_path, "client.py", readers_server.uri)
    assert done.returncode == 0, done.stderr
    picture = (tmp_path / "IMG_0001.JPG").read_bytes()
    assert done.stdout == f"saved IMG_0001.JPG {len(picture)} bytes\n"
    assert decoded(picture).size == (1296, 864)


def test_the_client_says_what_is_wrong(bare_server: Server, tmp_path: Path) -> None:
    done = run(bare_server, tmp_path, "client.py", bare_server.uri)
    assert (done.returncode, done.stderr) == (1, "No camera is connected. Switch one on and plug it in.\n")


@pytest.mark.parametrize("name", ["client.py", "page.html"])
def test_the_short_ones_are_short(name: str) -> None:
    assert lines_of_code((EXAMPLES / name).read_text()) <= 21


def test_a_time_lapse_takes_its_pictures(readers_server: Server, own_control: Control, tmp_path: Path) -> None:
    done = run(
        readers_server, tmp_path, "timelapse.py", "--server", readers_server.uri, "--every", "0.3", "--count", "3"
    )
    assert done.returncode == 0, done.stderr
    pictures = sorted((tmp_path / "timelapse").iterdir())
    assert [picture.name for picture in pictures] == ["00001.jpg", "00002.jpg", "00003.jpg"]
    assert {decoded(picture.read_bytes()).size for picture in pictures} == {(1296, 864)}
    assert own_control.state()["shots"] == 3


def test_a_time_lapse_goes_on_after_a_picture_that_failed(
    readers_server: Server, own_control: Control, tmp_path: Path
) -> None:
    own_control.card(full=True)
    done = run(
        readers_server, tmp_path, "timelapse.py", "--server", readers_server.uri, "--every", "0.3", "--count", "2"
    )
    assert done.returncode == 1
    words = "picture {} is missing: card_full: The card is full"
    assert [line.partition(".")[0] for line in done.stderr.splitlines()] == [words.format(1), words.format(2)]
    assert list((tmp_path / "timelapse").iterdir()) == []


def test_a_time_lapse_can_be_ended(readers_server: Server, tmp_path: Path) -> None:
    program = subprocess.Popen(
        [sys.executable, str(EXAMPLES / "timelapse.py"), "--server", readers_server.uri, "--every", "60"], cwd=tmp_path,
        env=environment(readers_server), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert program.stdout is not None
    with program.stdout:
        assert program.stdout.readline().startswith("timelapse/00001.jpg")
        program.send_signal(signal.SIGINT)
        assert program.wait(WITHIN_S) != 0


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """A test prints nothing."""


@pytest.fixture
def pages() -> Iterator[str]:
    """`python3 -m http.server -d examples`; its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Silent, directory=str(EXAMPLES))) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


@pytest.fixture
async def tab() -> AsyncIterator[Any]:
    """A tab of Chromium; fails after the test when the page had an error."""
    from tests.support.page import browser  # skips where playwright is not there

    errors: list[str] = []
    async with browser() as chromium:
        page = await chromium.new_page()
        page.set_default_timeout(WITHIN_MS)
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
    assert errors == []


def _is_shown(id: str, width: int) -> str:
    return f"document.getElementById('{id}').complete && document.getElementById('{id}').naturalWidth === {width}"


async def test_the_page_shows_live_view_and_a_picture_for_the_right_token(
    readers_server: Server, pages: str, tab: Any
) -> None:
    await tab.goto(f"{pages}/page.html?server={readers_server.uri}")
    await tab.fill("#token", "a-wrong-one")
    await tab.click("text=Connect")
    await tab.wait_for_function("document.getElementById('says').value === 'Closed (4401). Unauthorized'")
    await tab.fill("#token", readers_server.token)
    await tab.click("text=Connect")
    await tab.wait_for_function(_is_shown("live", 480))
    await tab.click("#shoot")
    await tab.wait_for_function(_is_shown("photo", 1296))
    assert await tab.inner_text("#says") == "Image captured successfully"


# Keeps all that the booth showed: on a busy machine a text is gone again before anybody looks.
RECORD = """
window.shown = [];
document.addEventListener("DOMContentLoaded", () => {
  const note = () => {
    const photo = document.getElementById("photo");
    const now = [document.getElementById("number").textContent, document.getElementById("says").textContent,
                 photo.hidden ? "" : `photo ${photo.naturalWidth}`];
    for (const text of now) if (text && text !== window.shown.at(-1)) window.shown.push(text);
  };
  new MutationObserver(note).observe(document.body, {subtree: true, childList: true, attributes: true});
  document.getElementById("photo").addEventListener("load", note);
});
"""


async def shown(tab: Any, start: str) -> str:
    """The first text with this start that the booth shows or has shown; what was shown up to it is forgotten."""
    found = f"window.shown.findIndex((text) => text.startsWith({json.dumps(start)}))"
    await tab.wait_for_function(f"{found} >= 0")
    return str(await tab.evaluate(f"window.shown.splice(0, {found} + 1).at(-1)"))


async def test_the_booth_counts_down_and_shows_and_saves_the_photo(
    readers_server: Server, own_control: Control, pages: str, tab: Any, tmp_path: Path
) -> None:
    await tab.add_init_script(RECORD)
    await tab.goto(f"{pages}/booth.html?server={readers_server.uri}&count=1&show=1#{readers_server.token}")
    await tab.wait_for_function(_is_shown("live", 480))
    await tab.keyboard.press("Space")
    await shown(tab, "1")
    says = await shown(tab, "Saved as ")
    await shown(tab, "photo 1296")
    [saved] = (tmp_path / "photos").iterdir()
    assert says == f"Saved as {saved.name}"
    await shown(tab, "Touch")
    # A camera that is switched off and on again: the booth says so and goes on.
    own_control.power(False)
    await tab.keyboard.press("Space")
    await shown(tab, "The camera on port")
    async with await Client.connect(readers_server) as client:
        await client.command("subscribe", events=["camera_connected"])
        own_control.power(True)
        await client.event("camera_connected")
    await shown(tab, "Touch")
    await tab.keyboard.press("Space")
    await shown(tab, "Saved as ")
    assert len(list((tmp_path / "photos").iterdir())) == 2


async def test_the_booth_says_that_its_token_is_wrong_and_that_its_server_is_gone(
    readers_server: Server, pages: str, tab: Any
) -> None:
    await tab.goto(f"{pages}/booth.html?server={readers_server.uri}#a-wrong-one")
    await tab.wait_for_function("document.getElementById('says').textContent.includes('token')")
    await tab.wait_for_function("socket.readyState === WebSocket.CLOSED")
    assert "is not the server's" in await tab.inner_text("#says")
    assert not await tab.is_visible("#live")
    await tab.goto("about:blank")  # another fragment alone would not load the page anew
    await tab.goto(f"{pages}/booth.html?server={readers_server.uri}#{readers_server.token}")
    await tab.wait_for_function("document.getElementById('says').textContent.startsWith('Touch')")
    readers_server.stop()
    await tab.wait_for_function("document.getElementById('says').textContent.includes('One moment')")
