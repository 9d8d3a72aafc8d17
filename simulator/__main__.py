"""The command line: ``python -m simulator``."""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import json
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence

from .body import Timing
from .camera import Camera
from .control import ControlServer
from .exposures import Identity
from .makers import MAKERS
from .pictures import Studio

_PR_SET_PDEATHSIG = 1
"""The value in linux/prctl.h."""

log = logging.getLogger("simulator")


def _whole(low: int, high: int, name: str) -> Callable[[str], int]:
    """A parser of whole numbers from ``low`` to ``high``."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"\d{1,9}", text) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not allowed: {name} is a whole number from {low} to {high}")
        return int(text)

    return parse


def _decimal(text: str) -> float:
    return float(text) if re.fullmatch(r"\d{1,6}(\.\d*)?", text) else -1.0


def _fps(text: str) -> float:
    value = _decimal(text)
    if value != 0 and not 1 <= value <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: frames/s from 1 to 1000, or 0 for no limit")
    return value


def _seconds(text: str) -> float:
    value = _decimal(text)
    if not 0 <= value <= 60:
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: seconds from 0 to 60")
    return value


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    width, height = (int(match[1]), int(match[2])) if match else (0, 0)
    if not (160 <= width <= 10000 and 112 <= height <= 10000):
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: WIDTHxHEIGHT from 160x112 to 10000x10000")
    return width, height


def _printable(longest: int, name: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if not re.fullmatch(rf"[ -~]{{1,{longest}}}", text):
            raise argparse.ArgumentTypeError(f"{text!r} is not allowed: {name} is 1 to {longest} ASCII characters")
        return text

    return parse


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line. Exits with code 2 and a message on stderr when an option is not allowed."""
    parser = argparse.ArgumentParser(prog="python -m simulator", description="Simulated cameras over PTP/IP.")
    port = _whole(0, 65535, "a port")
    parser.add_argument("--cameras", type=_whole(1, 64, "the number of cameras"), default=1, help="how many (1)")
    parser.add_argument("--host", default="127.0.0.1", help="IPv4 address to listen on (127.0.0.1)")
    parser.add_argument(
        "--port", type=port, default=0, help="port of the first camera; the next cameras have the next ports (0: any)"
    )
    parser.add_argument("--control-port", type=port, default=0, help="port of the control connection (0: any)")
    parser.add_argument("--fps", type=_fps, default=30.0, help="live-view frames/s; 0: no limit (30)")
    parser.add_argument("--shutter", type=_seconds, default=0.15, help="seconds from the release to the picture (0.15)")
    parser.add_argument("--still", type=_size, default=(5184, 3456), help="pixels of a still (5184x3456)")
    parser.add_argument("--frame", type=_size, default=(1056, 704), help="pixels of a live-view frame (1056x704)")
    parser.add_argument("--maker", choices=sorted(MAKERS), default="canon", help="maker of the cameras (canon)")
    parser.add_argument(
        "--model", type=_printable(60, "a model name"), help="model name (default: a model of the maker)"
    )
    parser.add_argument("--serial", type=_printable(20, "a serial prefix"), default="SIM", help="serial prefix (SIM)")
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), default="warning")
    parser.add_argument("--die-with-parent", action="store_true", help="end when the parent process ends (Linux)")
    options = parser.parse_args(arguments)
    options.model = options.model or MAKERS[options.maker].model
    if options.port and options.port + options.cameras - 1 > 65535:
        last = options.port + options.cameras - 1
        parser.error(f"argument --port: {options.cameras} cameras need ports up to {last}, and the last one is 65535")
    return options


def _die_with_parent(parent: int) -> None:
    """Ask the kernel to end this process when the process ``parent`` ends. Exit at once if ``parent`` has ended."""
    if not sys.platform.startswith("linux"):
        sys.exit("python -m simulator: error: --die-with-parent works on Linux only")
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        sys.exit(0)


async def _serve(options: argparse.Namespace) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    studio = Studio(options.still, options.frame)
    serials = [f"{options.serial}{index + 1:07d}" for index in range(options.cameras)]
    maker, timing = MAKERS[options.maker], Timing(options.fps, options.shutter)
    cameras = [Camera(maker, Identity(options.model, serial), studio, timing, options.host) for serial in serials]
    control = ControlServer(cameras)
    try:
        for index, camera in enumerate(cameras):
            await camera.start(options.port + index if options.port else 0)
        control_port = await control.start(options.host, options.control_port)
    except OSError as error:
        print(f"python -m simulator: error: cannot listen on {options.host}: {error.strerror}", file=sys.stderr)
        return 2
    ready = {
        "event": "ready",
        "control": f"{options.host}:{control_port}",
        "cameras": [
            {
                "index": index,
                "address": camera.address,
                "serial": camera.body.identity.serial,
                "model": options.model,
            }
            for index, camera in enumerate(cameras)
        ],
    }
    print(json.dumps(ready, separators=(",", ":")), flush=True)
    await stop.wait()
    await control.stop()
    for camera in cameras:
        await camera.power(False)
    return 0


def main() -> int:
    """Run until SIGTERM or SIGINT; returns the exit code."""
    parent = os.getppid()
    options = parse_arguments()
    if options.die_with_parent:
        _die_with_parent(parent)
    logging.basicConfig(
        stream=sys.stderr,
        level=options.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S%z",
    )
    return asyncio.run(_serve(options))


if __name__ == "__main__":
    sys.exit(main())
