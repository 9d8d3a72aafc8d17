"""The console page in a real Chromium, used as a person uses it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import urlsplit

import pytest

from tests.support.rig import TOKEN, Server
from tests.support.tools import broken
from tests.support.waiting import WITHIN_S

api: Any = pytest.importorskip("playwright.async_api", reason="playwright has no wheel for this machine")
expect = api.expect
# Playwright's own limit of 5 s would be too short on a busy machine.
WITHIN_MS = WITHIN_S * 1000
OTHER_NAME = "booth.local"
# A laptop, a tablet and a phone.
SIZES = {
    "laptop": {"width": 1440, "height": 900},
    "tablet": {"width": 1024, "height": 768},
    "phone": {"width": 390, "height": 844},
}
expect.set_options(timeout=WITHIN_MS)

# The first is Chromium without its own windows, which opens a page in a quarter of the time.
_BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
# Chromium prints this error when the server is not reachable. A page cannot prevent the output.
_SERVER_AWAY = re.compile(r"WebSocket connection to '\S+' failed")


def chromium() -> str:
    """The path of Chromium. Skips the test if no Chromium can be started."""
    for name in _BROWSERS:
        found = shutil.which(name)
        if found and not broken(found, "--version"):
            return found
    pytest.skip("Chromium is not installed: sudo apt-get install chromium")


@asynccontextmanager
async def browser() -> AsyncIterator[Any]:
    """A headless Chromium that resolves OTHER_NAME to this machine. Skips the test if a program does not start."""
    program = chromium()
    # Playwright's wheel contains Node.js, which needs a library that is missing in a minimal Debian.
    from playwright._impl._driver import compute_driver_executable

    node, _ = compute_driver_executable()
    if reason := broken(node, "--version"):
        pytest.skip(f"playwright's Node.js does not start ({reason}): sudo apt-get install libatomic1")
    options = [f"--host-resolver-rules=MAP {OTHER_NAME} 127.0.0.1"]
    if os.geteuid() == 0:
        options.append("--no-sandbox")  # the sandbox does not work for root
    async with api.async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=options)
        yield browser
        await browser.close()


class Console:
    """The page of one server in one tab.

    Attributes:

        page: playwright's page, for actions for which this class has no method.

        complaints: errors and warnings in the browser's console.
    """

    def __init__(self, page: Any, server: Server, name: str) -> None:
        self.page = page
        self.address = f"http://{name}:{urlsplit(server.uri).port}/console"
        self.complaints: list[str] = []
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, message: Any) -> None:
        if message.type in ("error", "warning") and not _SERVER_AWAY.match(message.text):
            self.complaints.append(message.text)

    @classmethod
    async def open(cls, browser: Any, server: Server, name: str = "127.0.0.1", **options: Any) -> Self:
        """Open the page in a new context. `name`: the host name in the address; `options`: arguments of new_context."""
        context = await browser.new_context(**options)
        console = cls(await context.new_page(), server, name)
        await console.page.goto(console.address)
        return console

    def __getitem__(self, selector: str) -> Any:
        """The locator of a CSS selector."""
        return self.page.locator(selector)

    async def log_in(self, token: str = TOKEN) -> None:
        """Type the token, and wait until the settings of the camera are shown."""
        await self["#token"].fill(token)
        await self["#token"].press("Enter")
        await expect(self["#quick .setting"].first).to_be_visible()

    async def start_live_view(self) -> None:
        """Press the live-view button, and wait until frames are shown."""
        await self["#live-toggle"].click()
        await self.more_frames()

    async def start_countdown(self) -> None:
        """Select a self-timer of 600 s (longer than any test), press the shutter button, and wait for the countdown."""
        await self["#delay option"].last.evaluate("option => { option.value = 600; }")
        await self["#delay"].select_option("600")
        await self["#shutter"].click()
        await expect(self["#countdown"]).to_have_text(re.compile(r"\d{3}"))

    async def frames(self) -> int:
        """The number of frames shown so far."""
        words = await self["#live-count"].text_content()
        return int(words.split()[0]) if words else 0

    async def more_frames(self) -> None:
        """Wait until five more frames have been shown."""
        seen = await self.frames()
        await expect(self["#live-count"]).to_have_text(_more_than(seen + 4))

    def setting(self, name: str, within: str = "#sections") -> Any:
        """The row of a setting on the page."""
        return self[f"{within} .setting[data-name={name}]"]

    async def show_setting(self, name: str) -> Any:
        """Find a setting with the filter of the page, and return its row."""
        await self["#settings-filter"].fill(name)
        row = self.setting(name)
        await expect(row).to_be_visible()
        return row

    async def widest(self) -> int:
        """The number of pixels by which the page is wider than the window."""
        width = "(page) => Math.max(page.scrollWidth, document.documentElement.scrollWidth) - innerWidth"
        return int(await self["#page"].evaluate(width))


def _more_than(number: int) -> re.Pattern[str]:
    """A pattern that matches "N shown" if N is larger than `number`."""
    digits = str(number)
    longer = rf"\d{{{len(digits) + 1},}}"
    above = [
        rf"{digits[:position]}[{int(digit) + 1}-9]\d{{{len(digits) - position - 1}}}"
        for position, digit in enumerate(digits)
        if digit != "9"
    ]
    return re.compile(rf"^(?:{'|'.join([longer, *above])}) shown$")
