"""A time-lapse: takes a numbered picture at a fixed interval. Continues after errors and restarts.

pip install ./clients/python
API_TOKEN=mysecrettoken python examples/timelapse.py --every 10 --count 360 --to sunset
"""

import argparse
import asyncio
import math
import os
import sys
import time
from pathlib import Path

from gphoto_ws_client import Client, GphotoWsError


async def main(options: argparse.Namespace) -> int:
    options.to.mkdir(parents=True, exist_ok=True)
    done = max((int(file.stem) for file in options.to.iterdir() if file.stem.isdigit()), default=0)  # highest number
    missed = 0
    async with Client(options.server, os.environ.get("API_TOKEN", ""), reconnect_for=math.inf) as camera:
        begin, slot = time.monotonic(), 0
        for number in range(done + 1, done + 1 + options.count):
            try:
                shot = await camera.capture_image()
                name = f"{number:05}{Path(shot.camera_filepath).suffix.lower()}"
                saved = await camera.download(options.to / name, shot.camera_filepath)
                print(saved.path, f"{shot.timing.file_known_ms:.0f} ms", flush=True)
            except GphotoWsError as error:  # no immediate retry, because the shutter may have been released
                missed += 1
                print(f"picture {number} is missing: {error.code}: {error}", file=sys.stderr, flush=True)
            # Pictures are due at multiples of the interval: slow ones delay no others, an outage skips some.
            slot = max(slot + 1, math.ceil((time.monotonic() - begin) / options.every))
            await asyncio.sleep(max(0.0, begin + slot * options.every - time.monotonic()))
    return 1 if missed else 0


parser = argparse.ArgumentParser(description="Take a numbered picture at a fixed interval.")
parser.add_argument("--server", default="ws://localhost:8765")
parser.add_argument("--every", type=float, default=10, help="seconds from one picture to the next")
parser.add_argument("--count", type=int, default=360, help="how many pictures")
parser.add_argument("--to", type=Path, default=Path("timelapse"), help="folder for the pictures")
try:
    sys.exit(asyncio.run(main(parser.parse_args())))
except GphotoWsError as error:  # for example no server, or a wrong token
    sys.exit(str(error))
