"""The command that releases several cameras together: fire."""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
from contextlib import suppress

from gphoto_ws_client.cli.output import note, show, show_json, show_table
from gphoto_ws_client.cli.pictures import check_settings
from gphoto_ws_client.client import Client
from gphoto_ws_client.errors import GphotoWsError
from gphoto_ws_client.replies import FiredCamera

_LONGEST_S = 10.0


def check_fire(options: argparse.Namespace) -> None:
    """Reject settings without a value."""
    check_settings(options)


async def fire(client: Client, options: argparse.Namespace) -> None:
    """Release the cameras, and show each of them. Fails if one has no picture."""
    countdown = asyncio.create_task(_countdown(options.seconds))
    try:
        fired = await client.fire(
            ports=options.ports or ([options.port] if options.port else None),
            in_ms=round(options.seconds * 1000),
            offsets_ms=dict(options.offsets) or None,
            prepare="half_press" if options.half_press else None,
            missing="stop" if options.all_or_none else None,
            settings=dict(setting.split("=", 1) for setting in options.settings) or None,
            save=options.save or None,
        )
    finally:
        countdown.cancel()
        with suppress(asyncio.CancelledError):
            await countdown
    if options.json:
        show_json(fired)
    else:
        show_table(("PORT", "COMMANDED", "ACCEPTED", "FILES"), [_row(camera) for camera in fired.cameras])
        show(fired.message)
    for camera in fired.cameras:
        for warning in camera.warnings or ():
            note(f"{camera.port}: {warning}")
    failed = [camera for camera in fired.cameras if camera.status == "error"]
    if failed:
        words = "; ".join(f"{camera.port}: {camera.message}" for camera in failed)
        raise GphotoWsError(words, code=failed[0].code)


async def _countdown(seconds: float) -> None:
    """Show on a terminal how many seconds are left."""
    if not sys.stderr.isatty():
        return
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while (left := deadline - loop.time()) > 0:
        whole = math.ceil(left)
        note(f"{whole} s")
        await asyncio.sleep(left - whole + 1)


def _row(camera: FiredCamera) -> tuple[str, str, str, str]:
    files = " ".join(file.saved_path or file.camera_filepath for file in camera.files)
    return (
        camera.port,
        _milliseconds(camera.commanded_ms),
        _milliseconds(camera.accepted_ms),
        files if camera.status == "ok" else f"error: {camera.code}",
    )


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:+.2f} ms"


def parse_in(text: str) -> float:
    """A time in seconds from 0 to 10."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= _LONGEST_S:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0 to {_LONGEST_S:g}")
    return seconds


def parse_offset(text: str) -> tuple[str, float]:
    """A port and an offset in milliseconds, as PORT=MS."""
    port, _, offset = text.rpartition("=")
    try:
        milliseconds = float(offset)
    except ValueError:
        milliseconds = math.nan
    if not port or not math.isfinite(milliseconds):
        raise argparse.ArgumentTypeError(f"{text!r} is not PORT=MILLISECONDS, for example usb:001,004=20")
    return port, milliseconds
