"""The command that records movies: start, stop, or a movie of some length."""

from __future__ import annotations

import argparse
import asyncio
import re
from contextlib import suppress
from typing import Literal

from gphoto_ws_client.cli.output import note, show, show_json
from gphoto_ws_client.client import Client
from gphoto_ws_client.errors import GphotoWsError
from gphoto_ws_client.replies import MovieStopped

# If this program is killed, the server ends the movie this many seconds after its planned end.
_LATER_S = 10.0
_LONGEST_S = 36_000.0
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


async def movie(client: Client, options: argparse.Namespace) -> None:
    """Start or stop a movie, or record one of the given length. Ctrl-C ends it early; it is kept."""
    if options.what == "start":
        started = await client.start_movie(max_s=options.max, port=options.port)
        show_json(started) if options.json else show(f"{started.message}, until {started.ends_at} at most")
        return
    if options.what != "stop":
        try:
            await client.start_movie(max_s=min(options.what + _LATER_S, _LONGEST_S), port=options.port)
            await asyncio.sleep(options.what)
        except asyncio.CancelledError:
            with suppress(GphotoWsError):
                await client.stop_movie(port=options.port)
            raise
    _show(await client.stop_movie(port=options.port), options)


def _show(stopped: MovieStopped, options: argparse.Namespace) -> None:
    for warning in stopped.warnings or ():
        note(warning)
    if options.json:
        show_json(stopped)
    for file in stopped.files:
        if not options.json:
            show(file.camera_filepath)


def parse_what(text: str) -> float | Literal["start", "stop"]:
    """What to do: start, stop, or the length of a movie in seconds."""
    if text == "start":
        return "start"
    return "stop" if text == "stop" else parse_length(text)


def parse_length(text: str) -> float:
    """A length such as 10s, 5m or 1h, in seconds."""
    match = _LENGTH.fullmatch(text)
    seconds = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if not 1 <= seconds <= _LONGEST_S:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not start, stop or a length such as 10s, 5m or 1h, from 1s to 10h"
        )
    return seconds
