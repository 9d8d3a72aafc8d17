"""Run every program that clients/javascript/README.md shows, in Node.js and in Chromium."""

from __future__ import annotations

import functools
import re
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from protocol.errors import ERROR_CODES
from simulator.client import Control
from tests.client.javascript.node import MODULES, PACKAGE, node, run
from tests.support.marks import decoded
from tests.support.rig import Server
from tests.support.tools import NPM_PROGRAMS, find_tool
from tests.support.waiting import WITHIN_S

README = (PACKAGE / "README.md").read_text()
ADDRESS, TOKEN = "ws://localhost:8765", "mysecrettoken"


def snippet(language: str) -> str:
    """The only code block of the README in this language."""
    (text,) = re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    return str(text)


@pytest.fixture
def readme_server(restartable_server: Callable[..., Server]) -> Server:
    """A server with one camera, as in the README."""
    server = restartable_server()
    server.wait_for_log("Camera ready")  # the example shows the model, which the server knows then
    return server


def test_the_client_can_be_installed_and_the_program_runs_unchanged(readme_server: Server, tmp_path: Path) -> None:
    [npm] = find_tool(("npm",), install="sudo apt-get install npm")
    clone = tmp_path / "gphoto-ws-server" / "clients"
    shutil.copytree(PACKAGE, clone / "javascript")
    lines = [line.partition("#")[0].split() for line in snippet("sh").splitlines()]
    assert [words[:2] for words in lines] == 2 * [["npm", "install"]]
    # Without a network, `ws` is the package of tests/npm.
    packages = [str(MODULES / "ws") if words[2] == "ws" else words[2] for words in lines]
    done = run(npm, "install", *packages, "--offline", "--no-audit", "--no-fund", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    program = snippet("js").replace(ADDRESS, readme_server.uri).replace(TOKEN, readme_server.token)
    (tmp_path / "picture.mjs").write_text(program)
    done = run(node(), "picture.mjs", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    said = done.stdout.splitlines()
    assert said[0].startswith("Canon EOS 550D on ptpip:")
    assert re.fullmatch(r"saved picture.jpg \d+ bytes", said[1])
    assert re.fullmatch(r"frame \d+ \d+ bytes", said[-1])
    assert decoded((tmp_path / "picture.jpg").read_bytes()).getexif().get_ifd(0x8769)[0x8827] == 200


class _SilentHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Print no requests during the tests."""


@pytest.fixture
def pages(packed: Path) -> Iterator[str]:
    """The address of an HTTP server for the folder of the package, with the two pages of the README."""
    folder = packed.parent / "node_modules" / "gphoto-ws-client"
    (folder / "page.html").write_text(snippet("html"))
    (folder / "booth.jsx").write_text(snippet("jsx"))
    bundled = run(
        NPM_PROGRAMS / "esbuild", "booth.jsx", "--bundle", "--jsx=automatic", "--outfile=booth.js", folder=folder,
        NODE_PATH=str(MODULES),
    )  # fmt: skip
    assert bundled.returncode == 0, bundled.stderr
    (folder / "booth.html").write_text('<!doctype html><meta charset="utf-8"><body><script src="booth.js"></script>')
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_SilentHandler, directory=str(folder))) as http:
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
        tab = await chromium.new_page()
        tab.set_default_timeout(1000 * WITHIN_S)
        tab.on("pageerror", lambda error: errors.append(str(error)))
        yield tab
    assert errors == []


async def test_the_page_and_the_hooks_show_live_view_and_pictures_also_after_a_restart(
    restartable_server: Callable[..., Server], restart_control: Control, pages: str, tab: Any
) -> None:
    server = restartable_server()
    await tab.goto(f"{pages}/page.html?server={server.uri}#{server.token}")
    await tab.wait_for_function("live.naturalWidth === 480")
    await tab.click("#shoot")
    await tab.wait_for_function("photo.naturalWidth === 1296 && says.value === 'IMG_0001.JPG'")
    server.kill()
    await tab.wait_for_function("says.value === 'reconnecting'")
    await tab.evaluate("window.old = live.src")
    again = restartable_server()
    await tab.wait_for_function("says.value === 'connected' && live.src !== window.old")
    await tab.click("#shoot")
    await tab.wait_for_function("says.value === 'IMG_0002.JPG'")
    assert restart_control.state()["shots"] == 2
    # The hooks: the photo of the camera's own button, a camera that is off, and a server that was away.
    await tab.goto(f"{pages}/booth.html?server={server.uri}#{server.token}")
    live = "document.querySelector('img[alt=\"live view\"]')"
    await tab.wait_for_function(f"{live}?.naturalWidth === 480")
    await tab.wait_for_function("document.querySelector('p').textContent.startsWith('connected Canon EOS 550D live')")
    await tab.click("text=Take a picture")
    await tab.wait_for_function("document.querySelector('img[alt=\"IMG_0003.JPG\"]')?.naturalWidth > 0")
    restart_control.shutter()
    await tab.wait_for_function("document.querySelectorAll('img')[1].alt === 'IMG_0004.JPG'")
    again.kill()
    await tab.wait_for_function("document.querySelector('p').textContent.startsWith('reconnecting')")
    await tab.evaluate(f"window.old = {live}.src")
    restartable_server()
    await tab.wait_for_function(f"document.querySelector('button').disabled === false && {live}.src !== window.old")
    await tab.goto("about:blank")
    await tab.goto(f"{pages}/booth.html?server={server.uri}#wrong")
    await tab.wait_for_function("document.querySelector('p').textContent.startsWith('closed   Unauthorized')")


def test_the_codes_in_the_table_exist() -> None:
    codes = set(re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE))
    own = set(
        re.findall(
            r'"(\w+)"', (PACKAGE / "src" / "index.d.ts").read_text().partition("AnyErrorCode = ")[2].partition(";")[0]
        )
    )
    assert own < codes < own | set(ERROR_CODES)
