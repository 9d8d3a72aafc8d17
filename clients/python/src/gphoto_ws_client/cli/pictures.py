"""The commands that fetch pictures: capture, get, live. Output files are checked before a request is sent."""

from __future__ import annotations

import argparse
import asyncio
import errno
import sys
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from gphoto_ws_client.binary import Frame
from gphoto_ws_client.cli.output import note, plain, progress_bar, show, show_json, write_stdout
from gphoto_ws_client.cli.safe import local_name
from gphoto_ws_client.cli.words import UsageError
from gphoto_ws_client.client import Client
from gphoto_ws_client.download import PIECE_BYTES, SavedFile
from gphoto_ws_client.errors import GphotoWsError, UnexpectedReply
from gphoto_ws_client.live_view import LiveView
from gphoto_ws_client.replies import Captured, ImageFile

STDOUT = "-"
_QUIET_S = 3.0


def check_capture(options: argparse.Namespace) -> None:
    """Reject options that would fail after the shutter has fired."""
    check_settings(options)
    if options.output is not None and not Path(options.output).is_dir():
        _check_target(options.output, options)


def check_settings(options: argparse.Namespace) -> None:
    """Reject settings that have no name or no value."""
    for setting in options.settings:
        name, equals, _ = setting.partition("=")
        if not name or not equals:
            raise UsageError(f"--set takes NAME=VALUE, for example iso=200, not {setting!r}.")


def check_get(options: argparse.Namespace) -> None:
    """Reject an invalid path on the camera, a missing target folder, and a target that exists (without --force)."""
    name = options.path.rstrip("/").rpartition("/")[2]
    if not name or not options.path.startswith("/"):
        raise UsageError(f"{options.path!r} is not the path of a file on the camera; gphoto-ws files lists them.")
    folder = "." if options.output is None else options.output
    if folder != STDOUT and Path(folder).is_dir():
        options.output = str(Path(folder) / _own_name(name, ()))
    _check_target(options.output, options)


def check_live(options: argparse.Namespace) -> None:
    """Reject a file name pattern that gives all frames the same name, and an output that cannot be written."""
    if options.output != STDOUT:
        first = _numbered(options.output, 1)
        if first == _numbered(options.output, 2) and options.count != 1:
            raise UsageError("Every frame needs its own file name: put %05d into the pattern, or use --count 1.")
        _check_target(first, options)
    else:
        _check_target(STDOUT, options)


async def capture(client: Client, options: argparse.Namespace) -> None:
    """Take a picture, and download it if requested. Ctrl-C ends a bulb exposure early, and its picture is deleted."""
    settings = dict(setting.split("=", 1) for setting in options.settings)
    bulb_s = getattr(options, "seconds", None)
    try:
        shot = await client.capture_image(settings=settings or None, bulb_s=bulb_s, port=options.port)
    except asyncio.CancelledError:
        if bulb_s is not None:
            with suppress(GphotoWsError):  # for example if the shutter was not open yet, or is closed already
                await client.stop_exposure(keep=False, port=options.port)
        raise
    for warning in shot.warnings or ():
        note(warning)
    saved = await _fetch_shot(client, shot, options) if options.output is not None else []
    if options.output == STDOUT:
        return
    if options.json:
        show_json({**plain(shot), "saved": [plain(file) for file in saved]})
    elif saved:
        for file in saved:
            show(str(file.path))
    else:
        for image in shot.files:
            show(image.camera_filepath)


def check_burst(options: argparse.Namespace) -> None:
    """Reject options that would fail after the shutter has fired."""
    if (options.frames is None) == (options.hold is None):
        raise UsageError("Give either a number of pictures or --hold, for example gphoto-ws burst 5.")
    if options.output is not None and not Path(options.output).is_dir():
        raise UsageError(f"There is no folder {options.output}.")
    check_settings(options)


async def burst(client: Client, options: argparse.Namespace) -> None:
    """Take several pictures in a row, and download them if requested."""
    settings = dict(setting.split("=", 1) for setting in options.settings)
    hold_ms = None if options.hold is None else round(options.hold * 1000)
    taken = await client.capture_burst(
        frames=options.frames, hold_ms=hold_ms, settings=settings or None, port=options.port
    )
    for warning in taken.warnings or ():
        note(warning)
    saved = await _fetch_files(client, taken.files, options) if options.output is not None else []
    if options.json:
        show_json({**plain(taken), "saved": [plain(file) for file in saved]})
        return
    for path in [str(file.path) for file in saved] or [image.camera_filepath for image in taken.files]:
        show(path)


async def get(client: Client, options: argparse.Namespace) -> None:
    """Download a file."""
    if options.output == STDOUT:
        await _to_stdout(client, options.path, options.port)
        return
    saved = await _save(client, options.path, Path(options.output), options)
    if options.json:
        show_json(saved)
    else:
        show(str(saved.path))


async def live(client: Client, options: argparse.Namespace) -> None:
    """Write live-view frames until the requested number is reached, or until Ctrl-C."""
    count = 0
    async with client.live_view(
        fps=options.fps, rotation=options.rotation, flip=options.flip, port=options.port
    ) as view:
        while count != options.count:
            frame = await _next_frame(client, view, options.port)
            count += 1
            if options.output == STDOUT:
                await write_stdout(frame.jpeg)
                continue
            path = Path(_numbered(options.output, count))
            await asyncio.to_thread(_write, path, frame.jpeg, options.force)
            if options.json:
                show_json(
                    {"path": str(path), "seq": frame.seq, "time": frame.time.isoformat(), "dropped": frame.dropped}
                )
            else:
                show(str(path))


async def _next_frame(client: Client, view: LiveView, port: str | None) -> Frame:
    """The next frame. If no frame arrives for a while, prints the reason."""
    waiting = asyncio.ensure_future(anext(view))
    try:
        while True:
            done, _ = await asyncio.wait((waiting,), timeout=_QUIET_S)
            if done:
                return waiting.result()
            if client.connected:
                await _report_why(client, port)
    finally:
        waiting.cancel()


async def _report_why(client: Client, port: str | None) -> None:
    try:
        details = await client.get_camera_info(port=port)
    except GphotoWsError as error:
        note(f"no frame at the moment: {error.message}")
    else:
        note(f"no frame at the moment; the camera is {details.state}. {details.last_error or ''}".rstrip())


async def _fetch_shot(client: Client, shot: Captured, options: argparse.Namespace) -> list[SavedFile]:
    if options.output == STDOUT:
        await _to_stdout(client, shot.camera_filepath, options.port)
        return []
    if not shot.files:
        raise UnexpectedReply("The server took a picture but named no file.")
    return await _fetch_files(client, shot.files, options)


async def _fetch_files(client: Client, files: Sequence[ImageFile], options: argparse.Namespace) -> list[SavedFile]:
    pairs = _targets(Path(options.output), files)
    try:
        return [await _save(client, file.camera_filepath, path, options) for file, path in pairs]
    except (OSError, GphotoWsError, asyncio.CancelledError):
        note(f"the picture is on the camera: {', '.join(file.camera_filepath for file in files)}")
        raise


def _targets(target: Path, files: Sequence[ImageFile]) -> list[tuple[ImageFile, Path]]:
    """The target path of each file."""
    if not target.is_dir():
        return [(files[0], target)]
    names: list[str] = []
    for file in files:
        names.append(_own_name(file.filename, names))
    return [(file, target / name) for file, name in zip(files, names, strict=True)]


def _own_name(name: str, taken: Collection[str]) -> str:
    """The local name for a file from the camera. Prints a note if it differs from the name on the camera."""
    chosen = local_name(name, taken)
    if chosen != name:
        note(f"{name} cannot be used as a file name here; saving as {chosen}")
    return chosen


async def _save(client: Client, camera_filepath: str, target: Path, options: argparse.Namespace) -> SavedFile:
    with progress_bar(target.name) as progress:
        return await client.download(
            target, camera_filepath, port=options.port, overwrite=options.force, progress=progress
        )


async def _to_stdout(client: Client, camera_filepath: str, port: str | None) -> None:
    offset = 0
    while True:
        piece = await client.download_last_image(camera_filepath, offset=offset, length=PIECE_BYTES, port=port)
        await write_stdout(piece.image or b"")
        offset += len(piece.image or b"")
        if piece.eof or not piece.image:
            return


def _write(path: Path, data: bytes, force: bool) -> None:
    with path.open("wb" if force else "xb") as file:
        file.write(data)


def _check_target(output: str, options: argparse.Namespace) -> None:
    if output == STDOUT:
        if sys.stdout.isatty():
            raise UsageError("A picture cannot be shown in a terminal: redirect stdout to a file or a program.")
        if options.json:
            raise UsageError("--json and -o - cannot be combined: both use stdout.")
        return
    target = Path(output)
    if output.endswith("/") and not target.is_dir():
        raise UsageError(f"There is no folder {output}.")
    if not target.parent.is_dir():
        raise UsageError(f"There is no folder {target.parent}.")
    if target.is_dir():
        raise UsageError(f"{target} is a folder.")
    if target.exists() and not options.force:
        raise FileExistsError(errno.EEXIST, "File exists", str(target))


def _numbered(pattern: str, number: int) -> str:
    try:
        return pattern % number if "%" in pattern else pattern
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"The pattern {pattern!r} is not a file name with a number such as frame-%05d.jpg: {error}."
        ) from None
