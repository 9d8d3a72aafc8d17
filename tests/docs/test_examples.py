"""The programs and pages in examples/ work as their README says. The pages are tested in a real Chromium."""

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
    """The environment variables with which a reader runs the examples."""
    return {**os.environ, "API_TOKEN": server.token, "PYTHONPATH": str(ROOT / "clients" / "python" / "src")}


def run(server: Server, folder: Path, name: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a program of examples/ in an empty folder."""
    return subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name), *options], cwd=folder, env=environment(server),
        capture_output=True, text=True, timeout=WITHIN_S, check=False,
    )  # fmt: skip


def lines_of_code(text: str) -> int:
    """The number of lines that are not empty and are not an import, a docstring or a comment."""
    return len([line for line in text.splitlines() if line.strip() and not re.match(r'import |"""|#', line)])


def test_the_client_saves_a_picture(docs_server: Server, tmp_path: Path) -> None:
    done = run(docs_server, tmp_path, "client.py", docs_server.uri)
    assert done.returncode == 0, done.stderr
    picture = (tmp_path / "IMG_0001.JPG").read_bytes()
    assert done.stdout == f"saved IMG_0001.JPG {len(picture)} bytes\n"
    assert decoded(picture).size == (1296, 864)


def test_the_client_prints_the_error(bare_server: Server, tmp_path: Path) -> None:
    done = run(bare_server, tmp_path, "client.py", bare_server.uri)
    assert (done.returncode, done.stderr) == (1, "No camera is connected. Switch one on and plug it in.\n")


@pytest.mark.parametrize("name", ["client.py", "page.html"])
def test_the_short_examples_have_at_most_21_lines(name: str) -> None:
    assert lines_of_code((EXAMPLES / name).read_text()) <= 21


def test_a_time_lapse_takes_its_pictures(docs_server: Server, docs_control: Control, tmp_path: Path) -> None:
    done = run(docs_server, tmp_path, "timelapse.py", "--server", docs_server.uri, "--every", "0.3", "--count", "3")
    assert done.returncode == 0, done.stderr
    pictures = sorted((tmp_path / "timelapse").iterdir())
    assert [picture.name for picture in pictures] == ["00001.jpg", "00002.jpg", "00003.jpg"]
    assert {decoded(picture.read_bytes()).size for picture in pictures} == {(1296, 864)}
    assert docs_control.state()["shots"] == 3


def test_a_time_lapse_continues_after_a_failed_picture(
    docs_server: Server, docs_control: Control, tmp_path: Path
) -> None:
    docs_control.card(full=True)
    done = run(docs_server, tmp_path, "timelapse.py", "--server", docs_server.uri, "--every", "0.3", "--count", "2")
    assert done.returncode == 1
    words = "picture {} is missing: card_full: The card is full"
    assert [line.partition(".")[0] for line in done.stderr.splitlines()] == [words.format(1), words.format(2)]
    assert list((tmp_path / "timelapse").iterdir()) == []


def test_a_time_lapse_can_be_interrupted(docs_server: Server, tmp_path: Path) -> None:
    program = subprocess.Popen(
        [sys.executable, str(EXAMPLES / "timelapse.py"), "--server", docs_server.uri, "--every", "60"], cwd=tmp_path,
        env=environment(docs_server), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert program.stdout is not None
    with program.stdout:
        assert program.stdout.readline().startswith("timelapse/00001.jpg")
        program.send_signal(signal.SIGINT)
        assert program.wait(WITHIN_S) != 0


class _SilentHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Print no requests during the tests."""


@pytest.fixture
def pages() -> Iterator[str]:
    """The address of an HTTP server for examples/, like `python3 -m http.server -d examples`."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_SilentHandler, directory=str(EXAMPLES))) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


@pytest.fixture
async def tab() -> AsyncIterator[Any]:
    """A tab of Chromium. Fails after the test if a script of the page raised an error."""
    from tests.support.page import browser  # imported here, because the import skips the test if playwright is missing

    errors: list[str] = []
    async with browser() as chromium:
        page = await chromium.new_page()
        page.set_default_timeout(WITHIN_MS)
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
    assert errors == []


def _is_shown(id: str, width: int) -> str:
    return f"document.getElementById('{id}').complete && document.getElementById('{id}').naturalWidth === {width}"


async def test_with_the_right_token_the_page_shows_live_view_and_a_picture(
    docs_server: Server, pages: str, tab: Any
) -> None:
    await tab.goto(f"{pages}/page.html?server={docs_server.uri}")
    await tab.fill("#token", "a-wrong-one")
    await tab.click("text=Connect")
    await tab.wait_for_function("document.getElementById('says').value === 'Closed (4401). Unauthorized'")
    await tab.fill("#token", docs_server.token)
    await tab.click("text=Connect")
    await tab.wait_for_function(_is_shown("live", 480))
    await tab.click("#shoot")
    await tab.wait_for_function(_is_shown("photo", 1296))
    assert await tab.inner_text("#says") == "Image captured successfully"


# Records all texts that the booth shows. On a busy machine, the page may replace a text before the test reads it.
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


async def wait_for_text(tab: Any, start: str) -> str:
    """Wait until a text that begins with `start` is recorded, and return it. Removes it and all earlier texts."""
    index = f"window.shown.findIndex((text) => text.startsWith({json.dumps(start)}))"
    await tab.wait_for_function(f"{index} >= 0")
    return str(await tab.evaluate(f"window.shown.splice(0, {index} + 1).at(-1)"))


async def test_the_booth_counts_down_and_shows_and_saves_the_photo(
    docs_server: Server, docs_control: Control, pages: str, tab: Any, tmp_path: Path
) -> None:
    await tab.add_init_script(RECORD)
    await tab.goto(f"{pages}/booth.html?server={docs_server.uri}&count=1&show=1#{docs_server.token}")
    await tab.wait_for_function(_is_shown("live", 480))
    await tab.keyboard.press("Space")
    await wait_for_text(tab, "1")
    message = await wait_for_text(tab, "Saved as ")
    await wait_for_text(tab, "photo 1296")
    [saved] = (tmp_path / "photos").iterdir()
    assert message == f"Saved as {saved.name}"
    await wait_for_text(tab, "Touch")
    # The booth shows an error while the camera is off, and works again after the camera is switched on.
    docs_control.power(False)
    await tab.keyboard.press("Space")
    await wait_for_text(tab, "The camera on port")
    async with await Client.connect(docs_server) as client:
        await client.command("subscribe", events=["camera_connected"])
        docs_control.power(True)
        await client.event("camera_connected")
    await wait_for_text(tab, "Touch")
    await tab.keyboard.press("Space")
    await wait_for_text(tab, "Saved as ")
    assert len(list((tmp_path / "photos").iterdir())) == 2


async def test_the_booth_reports_a_wrong_token_and_a_stopped_server(docs_server: Server, pages: str, tab: Any) -> None:
    await tab.goto(f"{pages}/booth.html?server={docs_server.uri}#a-wrong-one")
    await tab.wait_for_function("document.getElementById('says').textContent.includes('token')")
    await tab.wait_for_function("socket.readyState === WebSocket.CLOSED")
    assert "is not the server's" in await tab.inner_text("#says")
    assert not await tab.is_visible("#live")
    await tab.goto("about:blank")  # if only the fragment of the address changes, the browser does not reload the page
    await tab.goto(f"{pages}/booth.html?server={docs_server.uri}#{docs_server.token}")
    await tab.wait_for_function("document.getElementById('says').textContent.startsWith('Touch')")
    docs_server.stop()
    await tab.wait_for_function("document.getElementById('says').textContent.includes('One moment')")
