"""The command line options of gphoto-ws, and the sources of its token."""

from __future__ import annotations

import argparse
import difflib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gphoto_ws_client
from gphoto_ws_client.cli import fire, focus, jobs, movie, pictures, queries, tether
from gphoto_ws_client.cli.words import UsageError
from gphoto_ws_client.client import DEFAULT_URL
from gphoto_ws_client.events import EVENT_NAMES, RECONNECTED
from gphoto_ws_client.tls import Tls, is_secure

_EPILOG = """\
The token comes from GPHOTO_WS_TOKEN or API_TOKEN in the environment, or from --token-file.

exit codes: 0 done, or the reader of a pipe closed it; 1 the server, the camera or the disk refused;
2 wrong usage, or the file exists already; 3 no connection, a certificate that is not trusted, or a wrong token;
130 stopped with Ctrl-C, 143 with SIGTERM
"""


class _Parser(argparse.ArgumentParser):
    """An ArgumentParser that suggests similar names for an unknown command."""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        # `choices` is a dict only for the commands of add_subparsers.
        if isinstance(action.choices, dict) and value not in action.choices:
            near = difflib.get_close_matches(str(value), action.choices, 3)
            asked = f"Did you mean {' or '.join(near)}? " if near else ""
            raise argparse.ArgumentError(
                None, f"There is no command {value!r}. {asked}Commands: {', '.join(action.choices)}."
            )
        super()._check_value(action, value)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line; exits with code 2 if it is invalid.

    Returns:
        The options. `work` is the coroutine function to run with a client and the options. If `check` is not None, it
        must be called first to validate the options.
    """
    parser = _Parser(
        prog="gphoto-ws",
        description="Cameras over the network, through gphoto-ws-server.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"gphoto-ws {gphoto_ws_client.__version__}")
    _common(parser, {"url": os.environ.get("GPHOTO_WS_URL") or DEFAULT_URL, "token_file": None, "port": None,
                     "json": False, "reconnect": 30.0, "ca": None, "insecure": False})  # fmt: skip
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    _command(commands, "cameras", queries.cameras, "list the cameras")
    _command(commands, "info", queries.info, "show the state, battery, lens and storage of the camera")

    _capture_options(_command(commands, "capture", pictures.capture, "take a picture", pictures.check_capture))
    bulb = _command(
        commands,
        "bulb",
        pictures.capture,
        "take a picture with a long exposure; Ctrl-C ends it and deletes the picture",
        pictures.check_capture,
    )
    bulb.add_argument("seconds", metavar="SECONDS", type=_exposure, help="length of the exposure, 0.1 to 36000")
    _capture_options(bulb)

    _add_fire(commands)
    _add_jobs(commands)
    burst = _command(commands, "burst", pictures.burst, "take several pictures in a row", pictures.check_burst)
    burst.add_argument("frames", metavar="N", nargs="?", type=_frames, help="number of pictures, 2 to 100")
    burst.add_argument(
        "--hold", metavar="TIME", type=_hold, help="hold the shutter button instead, 50ms to 10s, for example 2s"
    )
    burst.add_argument("-o", "--output", metavar="FOLDER", help="download every file of all pictures to this folder")
    _settings(burst)
    _force(burst)
    film = _command(commands, "movie", movie.movie, "record a movie on the camera's card, or start or stop one")
    film.add_argument(
        "what",
        metavar="LENGTH|start|stop",
        type=movie.parse_what,
        help="record for this time, for example 10s or 5m (Ctrl-C ends it early and keeps it); or start or stop a movie",
    )
    film.add_argument(
        "--max",
        metavar="LENGTH",
        type=movie.parse_length,
        help="start: the server ends the movie after this time (30m)",
    )

    live = _command(
        commands, "live", pictures.live, "live view, to numbered files or as MJPEG to stdout", pictures.check_live
    )
    live.add_argument(
        "-o",
        "--output",
        metavar="PATTERN",
        required=True,
        help="files with a number, for example frame-%%05d.jpg; - is stdout: gphoto-ws live -o - | ffplay -f mjpeg -",
    )
    live.add_argument("--fps", type=_fps, help="frames per second at most, 0.1 to 120")
    live.add_argument("--count", type=_count, metavar="N", help="stop after N frames")
    live.add_argument("--rotation", type=int, choices=(0, 90, 180, 270), help="rotate clockwise, degrees")
    live.add_argument("--flip", action="store_const", const=True, help="mirror left to right")
    _force(live)

    config = commands.add_parser(
        "config", help="get, set or list settings", description="Get, set or list settings of the camera."
    )
    _common(config, {})
    settings = config.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _command(settings, "get", queries.config_get, "print the value of a setting").add_argument(
        "name", metavar="NAME", help="for example iso"
    )
    change = _command(settings, "set", queries.config_set, "change a setting")
    change.add_argument("name", metavar="NAME", help="for example iso")
    change.add_argument("value", metavar="VALUE", help="one of the allowed values, as config list shows them")
    _command(settings, "list", queries.config_list, "list every setting, its value and the allowed values")

    _command(commands, "sync-clock", queries.sync_clock, "set the camera's clock to the time of the server")

    _add_focus(commands)

    job = _command(commands, "job", queries.job, "set or show the job info", queries.check_job)
    job.add_argument("name", metavar="NAME", nargs="?", help="name of the job, for {job} in PHOTO_NAME; '' for none")
    job.add_argument("--label", help="label of the camera on --port, for {label} in PHOTO_NAME")
    for word in ("artist", "copyright", "owner"):
        job.add_argument(f"--{word}", help=f"{word}, written to the cameras that have it; '' for none")

    files = _command(commands, "files", queries.files, "list files on the camera")
    files.add_argument("folder", metavar="FOLDER", nargs="?", default="/", help="a folder on the camera (/)")
    files.add_argument("-r", "--recursive", action="store_true", help="list the folders below it as well")

    get = _command(commands, "get", pictures.get, "download a file of the camera", pictures.check_get)
    get.add_argument("path", metavar="PATH", help="path on the camera, as gphoto-ws files shows it")
    get.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="save it as this file, or in this folder; without it here, under its own name; - is stdout",
    )
    _force(get)

    what = "download every new picture, also those that are taken with the camera's own button, until Ctrl-C"
    tethered = _command(commands, "tether", tether.tether, what, tether.check_tether)
    tethered.add_argument("-o", "--output", metavar="FOLDER", default=".", help="download to this folder (here)")
    tethered.add_argument(
        "--hook", metavar="COMMAND", help="run this program after each download; its last argument is the file"
    )
    tethered.add_argument("--count", type=_count, metavar="N", help="stop after N files")

    watch = _command(commands, "watch", queries.watch, "print events as they happen", queries.check_watch)
    watch.add_argument(
        "events",
        metavar="EVENT",
        nargs="*",
        help=f"events to print; all if none is given: {', '.join((*EVENT_NAMES, RECONNECTED))}",
    )
    watch.add_argument("--count", type=_count, metavar="N", help="stop after N events")
    return parser.parse_args(argv)


def token(token_file: str | None, environment: Mapping[str, str]) -> str:
    """The token from the file, if one is given, otherwise from the environment.

    Raises:
        UsageError: there is no token, or the file cannot be read.
    """
    if token_file is not None:
        try:
            found = Path(token_file).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"--token-file {token_file} cannot be read: {error}.") from None
        if not found:
            raise UsageError(f"--token-file {token_file} is empty.")
        return found
    found = environment.get("GPHOTO_WS_TOKEN") or environment.get("API_TOKEN") or ""
    if not found:
        raise UsageError("There is no token. Set GPHOTO_WS_TOKEN to the server's API_TOKEN, or use --token-file.")
    return found


def tls(options: argparse.Namespace, environment: Mapping[str, str]) -> Tls:
    """Which certificates to trust, as an argument for Client.

    Raises:
        UsageError: the options cannot be combined with each other, or with an address that is not wss://.
    """
    if not (options.ca or options.insecure):
        return (environment.get("GPHOTO_WS_CA") or None) if is_secure(options.url) else None
    option = "--insecure" if options.insecure else "--ca"
    if options.ca and options.insecure:
        raise UsageError("--ca and --insecure cannot be combined.")
    if not is_secure(options.url):
        raise UsageError(f"{option} needs an address that begins with wss://, not {options.url}.")
    return False if options.insecure else str(options.ca)


def _common(parser: argparse.ArgumentParser, defaults: Mapping[str, Any]) -> None:
    """Add the options that every command has. They may stand before or after the name of the command."""

    def default(name: str) -> Any:
        return defaults.get(name, argparse.SUPPRESS)

    group = parser.add_argument_group("connection")
    group.add_argument("--url", default=default("url"), help=f"address of the server (GPHOTO_WS_URL; {DEFAULT_URL})")
    group.add_argument(
        "--token-file", metavar="FILE", default=default("token_file"), help="read the token from this file"
    )
    group.add_argument(
        "--ca",
        metavar="FILE",
        default=default("ca"),
        help="for wss://: trust the certificates in this PEM file, and no others (GPHOTO_WS_CA)",
    )
    group.add_argument(
        "--insecure",
        action="store_true",
        default=default("insecure"),
        help="for wss://: trust any certificate; others in the network can then read the token",
    )
    group.add_argument("--port", default=default("port"), help="the port of the camera, as gphoto-ws cameras shows it")
    group.add_argument(
        "--json",
        action="store_true",
        default=default("json"),
        help="print JSON, one line for each event or frame; errors as JSON on stderr",
    )
    group.add_argument("--reconnect", type=_seconds, metavar="SECONDS", default=default("reconnect"),
                       help="how long to try to connect again after the connection is lost (30)")  # fmt: skip


def _command(
    commands: Any,
    name: str,
    work: Callable[..., Any],
    what: str,
    check: Callable[[argparse.Namespace], None] | None = None,
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
    parser.set_defaults(work=work, check=check)
    _common(parser, {})
    return parser


def _capture_options(capture: argparse.ArgumentParser) -> None:
    capture.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="save the picture as this file; in a folder, every file of the shot (RAW and JPEG); - is stdout",
    )
    _settings(capture)
    _force(capture)


def _settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        dest="settings",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a setting for this shot, for example iso=200; can be repeated",
    )


def _add_fire(commands: Any) -> None:
    what = "release several cameras together; exit code 1 if one has no picture"
    parser = _command(commands, "fire", fire.fire, what, fire.check_fire)
    parser.add_argument("ports", metavar="PORT", nargs="*", help="ports of the cameras; all cameras if none is given")
    parser.add_argument(
        "--in", dest="seconds", metavar="SECONDS", type=fire.parse_in, default=1.0,
        help="time until the release, 0 to 10 (1); 0: as soon as all cameras are ready",
    )  # fmt: skip
    parser.add_argument(
        "--offset", dest="offsets", metavar="PORT=MS", type=fire.parse_offset, action="append", default=[],
        help="release this camera so many milliseconds later (negative: earlier); can be repeated",
    )  # fmt: skip
    parser.add_argument("--half-press", action="store_true", help="half press the buttons until then, to focus")
    parser.add_argument("--all-or-none", action="store_true", help="release no camera if one is not ready")
    _settings(parser)
    parser.add_argument("--save", action="store_true", help="save every file to the server's photo folder")


def _add_jobs(commands: Any) -> None:
    what = "let the server take a picture at equal intervals; it goes on if this program ends"
    lapse = _command(commands, "timelapse", jobs.timelapse, what, jobs.check_timelapse)
    lapse.add_argument("interval", metavar="INTERVAL", type=jobs.parse_duration, help="for example 10s, 2m or 1h")
    lapse.add_argument("--count", type=_count, metavar="N", help="number of pictures")
    lapse.add_argument("--until", type=jobs.parse_time, metavar="TIME", help="end, for example 2030-12-24T20:00")
    lapse.add_argument("--start", type=jobs.parse_time, metavar="TIME", help="time of the first picture (now)")
    lapse.add_argument("--bulb", type=_exposure, metavar="SECONDS", help="length of each exposure, timed by the server")
    lapse.add_argument(
        "--movie", type=Path, metavar="FILE.mp4", help="at the end, make a movie of the pictures (needs ffmpeg here)"
    )
    lapse.add_argument("--fps", type=_count, metavar="N", default=25, help="--movie: pictures per second (25)")
    _force(lapse)
    ramp = lapse.add_argument_group("ramp: the exposure follows the light, for example at sunset")
    ramp.add_argument("--ramp", action="store_true", help="change shutter speed, then ISO, by thirds of an EV")
    ramp.add_argument("--min-exposure", type=jobs.parse_exposure, metavar="TIME", help="shortest exposure (1/8000)")
    ramp.add_argument(
        "--max-exposure",
        type=jobs.parse_exposure,
        metavar="TIME",
        help="longest exposure, at most half of INTERVAL (1)",
    )
    ramp.add_argument("--max-iso", type=_count, metavar="ISO", help="highest ISO (1600)")
    ramp.add_argument(
        "--target-ev", type=float, metavar="EV", help="brightness, relative to middle grey (that of the first picture)"
    )
    ramp.add_argument("--iso-first", action="store_true", help="change ISO before the shutter speed")
    what = "take the same picture with several exposures"
    bracket = _command(commands, "bracket", jobs.bracket, what, pictures.check_settings)
    bracket.add_argument(
        "--ev", metavar="EV,EV,...", type=jobs.parse_ev, default=[-2.0, 0.0, 2.0],
        help="relative to the current exposure (--ev=-2,0,2)",
    )  # fmt: skip
    bracket.add_argument(
        "--by", choices=("shutterspeed", "iso", "native"), default="shutterspeed",
        help="what changes; native: the camera's own bracketing (shutterspeed)",
    )  # fmt: skip
    what = "take pictures with the focus in steps from near to far, then move it back"
    stack = _command(commands, "stack", jobs.stack, what, pictures.check_settings)
    stack.add_argument("frames", metavar="FRAMES", type=_count, help="number of pictures")
    stack.add_argument("steps", metavar="STEPS", type=focus.parse_steps, help="steps between two pictures, 1 to 100")
    stack.add_argument("--size", choices=("small", "medium", "large"), help="size of a step (small)")
    stack.add_argument("--settle", type=_count, metavar="MS", help="milliseconds from a step to the picture (300)")
    stack.add_argument("--stay", action="store_true", help="do not move the focus back at the end")
    for one in (lapse, bracket, stack):
        _settings(one)
        one.add_argument("--no-save", action="store_true", help="leave the pictures on the camera only")
        one.add_argument("--detach", action="store_true", help="end after the start")
    parser = commands.add_parser("jobs", help="list, pause, resume and stop time-lapses and other jobs")
    _common(parser, {})
    group = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _command(group, "list", jobs.list_jobs, "list the last jobs")
    for name in ("pause", "resume", "stop"):
        one = _command(group, name, jobs.change, f"{name} a job")
        one.add_argument("job", metavar="JOB", type=_count, help="number of the job")
        one.set_defaults(what=name)


def _add_focus(commands: Any) -> None:
    what = "Focus the camera. If nobody watches live view, it is on during near, far and auto --at."
    parser = commands.add_parser("focus", help="focus the camera, magnify live view", description=what)
    _common(parser, {})
    group = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, work in (("near", focus.near), ("far", focus.far)):
        drive = _command(group, name, work, f"move the focus towards {name}")
        drive.add_argument("steps", metavar="STEPS", nargs="?", type=focus.parse_steps, default=1, help="1 to 100 (1)")
        drive.add_argument("--size", choices=("small", "medium", "large"), help="size of a step (medium)")
    auto = _command(group, "auto", focus.auto, "focus; exit code 1 if the camera could not focus")
    hold = _command(group, "hold", focus.hold, "hold the shutter button half pressed")
    hold.add_argument("seconds", metavar="SECONDS", type=focus.parse_hold, help="0.1 to 5")
    zoom = _command(group, "zoom", focus.zoom, "magnify the live view that another program shows")
    zoom.add_argument("factor", metavar="FACTOR", type=_factor, help="magnification; 1: whole picture")
    for one in (auto, zoom):
        one.add_argument(
            "--at",
            metavar="X,Y",
            type=focus.parse_point,
            help="a point of the picture, from the left and from the top, 0 to 1 each, for example 0.25,0.5",
        )


def _force(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--force", action="store_true", help="overwrite files that exist")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def _fps(text: str) -> float:
    return _number(text, 0.1, 120)


def _exposure(text: str) -> float:
    return _number(text, 0.1, 36_000)


def _frames(text: str) -> int:
    if not text.isdecimal() or not 2 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 2 to 100")
    return int(text)


def _hold(text: str) -> float:
    """Seconds of a time such as 2s, 500ms or 2."""
    if text.endswith("ms"):
        return _number(text.removesuffix("ms"), 50, 10_000) / 1000
    return _number(text.removesuffix("s"), 0.05, 10)


def _factor(text: str) -> float:
    return _number(text, 1, 100)


def _number(text: str, least: float, most: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least:g} to {most:g}")
    return number


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not seconds >= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return seconds
