"""The commands that focus: near, far, auto, hold, zoom."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gphoto_ws_client.cli.output import show, show_json
from gphoto_ws_client.client import Client
from gphoto_ws_client.errors import CameraError, GphotoWsError

R = TypeVar("R")


async def near(client: Client, options: argparse.Namespace) -> None:
    """Move the focus towards near."""
    await _drive(client, options, -options.steps)


async def far(client: Client, options: argparse.Namespace) -> None:
    """Move the focus towards far."""
    await _drive(client, options, options.steps)


async def auto(client: Client, options: argparse.Namespace) -> None:
    """Focus, and fail if the camera reports that it is not in focus."""
    x, y = options.at or (None, None)
    focused = await _in_live_view(client, options, lambda: client.autofocus(x=x, y=y, port=options.port))
    if focused.focused is False:
        raise GphotoWsError(focused.message, code="not_focused")
    _show(focused, options)


async def hold(client: Client, options: argparse.Namespace) -> None:
    """Hold the shutter button half pressed."""
    _show(await client.half_press(options.seconds, port=options.port), options)


async def zoom(client: Client, options: argparse.Namespace) -> None:
    """Magnify live view that another program shows."""
    x, y = options.at or (None, None)
    _show(await client.zoom_live_view(options.factor, x=x, y=y, port=options.port), options)


async def _drive(client: Client, options: argparse.Namespace, steps: int) -> None:
    moved = await _in_live_view(
        client, options, lambda: client.drive_focus(steps, size=options.size, port=options.port)
    )
    _show(moved, options)


async def _in_live_view(client: Client, options: argparse.Namespace, work: Callable[[], Awaitable[R]]) -> R:
    """Run a command. If it needs live view and nobody watches, live view runs during the command."""
    try:
        return await work()
    except CameraError as error:
        if error.code != "live_view_needed":
            raise
    async with client.live_view(fps=1, port=options.port):
        return await work()


def _show(reply: object, options: argparse.Namespace) -> None:
    if options.json:
        show_json(reply)
    else:
        show(str(getattr(reply, "message", "")))


def parse_point(text: str) -> tuple[float, float]:
    """A point as X,Y."""
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError:
        x = y = -1.0
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise argparse.ArgumentTypeError(f"{text!r} is not a point such as 0.25,0.5: two numbers from 0 to 1")
    return x, y


def parse_steps(text: str) -> int:
    """A number of steps from 1 to 100."""
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 100")
    return int(text)


def parse_hold(text: str) -> int:
    """A time in seconds, as milliseconds."""
    try:
        milliseconds = round(float(text) * 1000)
    except (ValueError, OverflowError):
        milliseconds = 0
    if not 100 <= milliseconds <= 5000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0.1 to 5")
    return milliseconds
