"""Takes docs/console.png: python -m tests.console.take_picture FILE. The page as it is, with a simulated camera."""

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

_LARGEST = 150_000
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
        for _ in range(10):  # until the rate has settled
            await console.more_frames()
        picture: bytes = await console.page.screenshot()
    return picture


def main(target: Path) -> None:
    """Take the picture and save it with as few colours as it needs."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server("--simulate", "2", cwd=Path(folder))
        try:
            picture = asyncio.run(_screenshot(server))
        finally:
            server.stop()
    whole = Image.open(io.BytesIO(picture)).convert("RGB")
    small = whole.resize((_WIDTH, round(whole.height * _WIDTH / whole.width)), Image.Resampling.LANCZOS)
    few = small.quantize(128, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few.save(target, optimize=True)
    size = target.stat().st_size
    print(f"{target}: {few.width} x {few.height}, {size} bytes")
    if size > _LARGEST:
        raise SystemExit(f"{target} is larger than {_LARGEST} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
