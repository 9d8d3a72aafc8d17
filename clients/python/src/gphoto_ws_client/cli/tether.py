"""The command that downloads every new picture (tethered shooting)."""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
from pathlib import Path

from gphoto_ws_client.cli.output import note, plain, progress_bar, show, show_json
from gphoto_ws_client.cli.safe import local_name
from gphoto_ws_client.cli.words import UsageError
from gphoto_ws_client.client import Client
from gphoto_ws_client.download import SavedFile
from gphoto_ws_client.errors import ServerError
from gphoto_ws_client.events import FileAdded, Reconnected


def check_tether(options: argparse.Namespace) -> None:
    """Reject a folder that does not exist, and a hook that is not a command."""
    if not Path(options.output).is_dir():
        raise UsageError(f"There is no folder {options.output}.")
    if options.hook is not None:
        try:
            words = shlex.split(options.hook)
        except ValueError as error:
            raise UsageError(f"--hook is not a command: {error}.") from None
        if not words:
            raise UsageError("--hook needs a command, for example --hook 'rawtherapee -o out -c'.")


async def tether(client: Client, options: argparse.Namespace) -> None:
    """Download every new picture, until Ctrl-C or until `--count` files were downloaded."""
    count = 0
    async with client.events("file_added", "reconnected") as events:
        async for event in events:
            if isinstance(event, Reconnected) and not event.recovered:
                note(
                    "the connection is back; pictures that were taken in the meantime may be missing (gphoto-ws files)"
                )
            if not isinstance(event, FileAdded) or options.port not in (None, event.port):
                continue
            try:
                saved = await _download(client, event, Path(options.output))
            except ServerError as error:
                note(f"{event.camera_filepath} could not be downloaded: {error.message}")
                continue
            if options.json:
                show_json({**plain(saved), "port": event.port, "camera_filepath": event.camera_filepath})
            else:
                show(str(saved.path))
            if options.hook is not None:
                await _run_hook(options.hook, saved.path)
            count += 1
            if count == options.count:
                return


async def _download(client: Client, event: FileAdded, folder: Path) -> SavedFile:
    name = event.camera_filepath.rpartition("/")[2]
    target = folder / local_name(name, os.listdir(folder))
    with progress_bar(target.name) as progress:
        return await client.download(target, event.camera_filepath, port=event.port, progress=progress)


async def _run_hook(command: str, path: Path) -> None:
    """Run a command with the path as its last argument. ACTION and ARGUMENT are as for a hook script of gphoto2."""
    environment = os.environ | {"ACTION": "download", "ARGUMENT": str(path)}
    try:
        process = await asyncio.create_subprocess_exec(*shlex.split(command), str(path), env=environment)
    except OSError as error:
        note(f"the hook could not be started: {error.strerror}")
        return
    try:
        code = await process.wait()
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise
    if code:
        note(f"the hook ended with code {code} for {path}")
