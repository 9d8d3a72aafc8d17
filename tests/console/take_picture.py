"""Make docs/console.png, a screenshot of the console page with simulated cameras.

Usage: python -m tests.console.take_picture FILE
"""

from __future__ import annotations

import asyncio
import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

from simulator.client import Control
from tests.support.page import Console, browser, expect
from tests.support.rig import Server

_MAX_BYTES = 150_000
_WINDOW, _WIDTH = {"width": 1440, "height": 1080}, 1200


async def _screenshot(server: Server) -> bytes:
    async with browser() as chromium:
        console = await Console.open(chromium, server, viewport=_WINDOW, color_scheme="dark")
        await console.log_in()
        with Control(server.wait_for_log("control port is").rpartition(" ")[2]) as control:
            for _ in range(3):
                control.shutter()
        await expect(console[".tile img"]).to_have_count(3)
        await expect(console["#shot-image"]).to_have_attribute("alt", "IMG_0003.JPG")
        await console.start_live_view()
        for _ in range(10):  # the frame rate on the page is stable after some frames
            await console.more_frames()
        picture: bytes = await console.page.screenshot()
    return picture


def main(target: Path) -> None:
    """Take the screenshot, and save it with fewer pixels and colours."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server("--simulate", "2", cwd=Path(folder))
        try:
            picture = asyncio.run(_screenshot(server))
        finally:
            server.stop()
    screenshot = Image.open(io.BytesIO(picture)).convert("RGB")
    resized = screenshot.resize(
        (_WIDTH, round(screenshot.height * _WIDTH / screenshot.width)), Image.Resampling.LANCZOS
    )
    reduced = resized.quantize(128, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    reduced.save(target, optimize=True)
    size = target.stat().st_size
    print(f"{target}: {reduced.width} x {reduced.height}, {size} bytes")
    if size > _MAX_BYTES:
        raise SystemExit(f"{target} is larger than {_MAX_BYTES} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
