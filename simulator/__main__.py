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
from functools import partial

from .body import Timing
from .camera import Camera, Link
from .control import ControlServer
from .exposures import Identity
from .makers import MAKERS
from .pictures import Studio
from .responder import Responder
from .session import Session
from .usb.bus import Bus
from .usb.device import UsbDevice
from .usb.usbip import DEFAULT_PORT, UsbIpServer

_PR_SET_PDEATHSIG = 1
"""The value in linux/prctl.h."""

_SAME_SERIAL = "000000000000"
"""The serial number of all bodies with `--usb-serial same`, as of makers that do not give each body its own."""

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


def _rate(text: str) -> float:
    value = _decimal(text)
    if not 0.1 <= value <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: pictures/s from 0.1 to 100")
    return value


def _printable(longest: int, name: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if not re.fullmatch(rf"[ -~]{{1,{longest}}}", text):
            raise argparse.ArgumentTypeError(f"{text!r} is not allowed: {name} is 1 to {longest} ASCII characters")
        return text

    return parse


def _operation(text: str) -> int:
    if not re.fullmatch(r"0x[0-9a-fA-F]{4}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: an operation such as 0x9125")
    return int(text, 16)


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line. Exits with code 2 and a message on stderr when an option is not allowed."""
    parser = argparse.ArgumentParser(prog="python -m simulator", description="Simulated cameras over PTP/IP or USB/IP.")
    port = _whole(0, 65535, "a port")
    parser.add_argument("--cameras", type=_whole(1, 64, "the number of cameras"), default=1, help="how many (1)")
    parser.add_argument("--host", default="127.0.0.1", help="IPv4 address to listen on (127.0.0.1)")
    parser.add_argument(
        "--port", type=port, default=0, help="port of the first camera; the next cameras have the next ports (0: any)"
    )
    parser.add_argument(
        "--usbip", type=port, nargs="?", const=DEFAULT_PORT, metavar="PORT",
        help=f"offer the cameras over USB/IP instead of PTP/IP, on this port ({DEFAULT_PORT}; 0: any)",
    )  # fmt: skip
    parser.add_argument(
        "--usb-serial", choices=("own", "none", "same"), default="own",
        help="the serial number in the USB descriptors: that of the body, no serial number, the same for all (own)",
    )  # fmt: skip
    parser.add_argument("--control-port", type=port, default=0, help="port of the control connection (0: any)")
    parser.add_argument("--fps", type=_fps, default=30.0, help="live-view frames/s; 0: no limit (30)")
    parser.add_argument("--shutter", type=_seconds, default=0.15, help="seconds from the release to the picture (0.15)")
    parser.add_argument("--burst", type=_rate, default=3.7, help="pictures/s of a burst (3.7, as a Canon EOS 550D)")
    parser.add_argument(
        "--memory", type=_whole(1, 1000, "a number of pictures"), default=6,
        help="pictures of a burst that fit into the memory of the camera (6)",
    )  # fmt: skip
    parser.add_argument("--write", type=_seconds, default=0.1, help="seconds to write a picture of a burst (0.1)")
    parser.add_argument(
        "--mirror-up", type=_seconds, default=30.0, metavar="SECONDS",
        help="how long a raised mirror stays up; then a Nikon takes the picture (30)",
    )  # fmt: skip
    parser.add_argument("--still", type=_size, default=(5184, 3456), help="pixels of a still (5184x3456)")
    parser.add_argument("--frame", type=_size, default=(1056, 704), help="pixels of a live-view frame (1056x704)")
    parser.add_argument("--maker", choices=sorted(MAKERS), default="canon", help="maker of the cameras (canon)")
    parser.add_argument(
        "--model", type=_printable(60, "a model name"), help="model name (default: a model of the maker)"
    )
    parser.add_argument("--serial", type=_printable(20, "a serial prefix"), default="SIM", help="serial prefix (SIM)")
    parser.add_argument(
        "--without", type=_operation, action="append", default=[], metavar="OPERATION",
        help="a PTP operation that the model lacks, for example 0x9125; may be repeated",
    )  # fmt: skip
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), default="warning")
    parser.add_argument("--die-with-parent", action="store_true", help="end when the parent process ends (Linux)")
    options = parser.parse_args(arguments)
    options.model = options.model or MAKERS[options.maker].model
    if options.usbip is not None and options.port:
        parser.error("argument --port: with --usbip, cameras have no ports of their own; give the port to --usbip")
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


def _usb_serial(choice: str, own: str) -> str:
    """The serial number in the USB descriptors of a body."""
    return {"own": own, "none": "", "same": _SAME_SERIAL}[choice]


def _describe(index: int, camera: Camera) -> dict[str, object]:
    """A camera in the line that is printed when all cameras are ready."""
    identity = camera.body.identity
    shown = {"index": index, "address": camera.link.address, "serial": identity.serial, "model": identity.model}
    return shown | {"busid": camera.usb.port} if camera.usb else shown


def _timing(options: argparse.Namespace) -> Timing:
    return Timing(options.fps, options.shutter, options.burst, options.memory, options.write, options.mirror_up)


async def _serve(options: argparse.Namespace) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    studio = Studio(options.still, options.frame)
    serials = [f"{options.serial}{index + 1:07d}" for index in range(options.cameras)]
    maker, timing, bus = MAKERS[options.maker], _timing(options), Bus()

    def link(session: Session, index: int) -> Link:
        if options.usbip is None:
            return Responder(session, options.host, options.port + index if options.port else 0)
        return UsbDevice(session, maker.usb, _usb_serial(options.usb_serial, session.body.identity.serial), bus)

    cameras = [
        Camera(maker, Identity(options.model, serial), studio, timing, partial(link, index=index))
        for index, serial in enumerate(serials)
    ]
    for camera in cameras:
        camera.dialect.remove_operations(options.without)
    control = ControlServer(cameras)
    usbip = UsbIpServer([camera.usb for camera in cameras if camera.usb])
    try:
        for camera in cameras:
            await camera.power(True)
        usbip_port = None if options.usbip is None else await usbip.start(options.host, options.usbip)
        control_port = await control.start(options.host, options.control_port)
    except OSError as error:
        print(f"python -m simulator: error: cannot listen on {options.host}: {error.strerror}", file=sys.stderr)
        return 2
    ready = {
        "event": "ready",
        "control": f"{options.host}:{control_port}",
        **({} if usbip_port is None else {"usbip": f"{options.host}:{usbip_port}"}),
        "cameras": [_describe(index, camera) for index, camera in enumerate(cameras)],
    }
    print(json.dumps(ready, separators=(",", ":")), flush=True)
    await stop.wait()
    await control.stop()
    for camera in cameras:
        await camera.power(False)
    await usbip.stop()
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
