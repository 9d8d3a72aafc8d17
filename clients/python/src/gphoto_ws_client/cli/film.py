"""Makes a movie of the pictures of a time-lapse, with the program ffmpeg."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gphoto_ws_client.cli.output import note
from gphoto_ws_client.cli.words import UsageError
from gphoto_ws_client.client import Client
from gphoto_ws_client.errors import GphotoWsError, ServerError
from gphoto_ws_client.events import JobShot
from gphoto_ws_client.replies import ImageFile

# At most the width of 4K, and an even number of pixels, which H.264 needs.
_SCALE = "scale=trunc(min(3840\\,iw)/2)*2:-2"
_PROGRAM = "ffmpeg"


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG of a time-lapse: the camera on `port` has it, and perhaps the disk of the server."""

    file: ImageFile
    port: str | None


def check_movie(target: Path, *, force: bool) -> None:
    """Reject a target that cannot be written, and a computer without ffmpeg."""
    if shutil.which(_PROGRAM) is None:
        words = "--movie needs the program ffmpeg, which is not installed on this computer"
        raise UsageError(f"{words} (Debian: apt install ffmpeg). Nothing was started.")
    if target.suffix.lower() not in (".mp4", ".mov", ".mkv"):
        raise UsageError(f"--movie needs a name that ends with .mp4, not {target.name}.")
    if not _folder_of(target).is_dir():
        raise UsageError(f"There is no folder {_folder_of(target)}.")
    if target.exists() and not force:
        raise UsageError(f"{target} exists already. Use --force to overwrite it.")


def picture_of(event: JobShot) -> Picture | None:
    """The JPEG of a slot; None if it has none."""
    for file in event.files:
        if file.mimetype == "image/jpeg":
            return Picture(file, event.port)
    return None


async def make_movie(client: Client, pictures: Sequence[Picture], target: Path, fps: int) -> None:
    """Make a movie. Pictures that are not on this computer are downloaded from the camera.

    Raises:
        GphotoWsError: there are no pictures, or ffmpeg has failed.
    """
    with tempfile.TemporaryDirectory(prefix="gphoto-ws-", dir=_folder_of(target)) as name:
        folder, count = Path(name), 0
        for picture in pictures:
            if await _bring(client, picture, folder / f"{count:06}.jpg"):
                count += 1
        if not count:
            raise GphotoWsError("There are no JPEG pictures for the movie.", code="no_pictures")
        made = folder / f"movie{target.suffix}"
        await _encode(folder, made, fps)
        made.replace(target)


async def _bring(client: Client, picture: Picture, path: Path) -> bool:
    """Make a picture available at a path. Returns False, with a note, if that is not possible."""
    if _link(picture.file, path):
        return True
    try:
        await client.download(path, picture.file.camera_filepath, port=picture.port)
    except ServerError as error:
        note(f"{picture.file.camera_filepath} is missing in the movie: {error.message}")
        return False
    return True


def _link(file: ImageFile, path: Path) -> bool:
    """Link to the saved file, if the server runs on this computer. Another computer can have another file there."""
    saved = Path(file.saved_path or "")
    if not saved.is_absolute() or not saved.is_file() or saved.stat().st_size != file.size:
        return False
    path.symlink_to(saved)
    return True


def _folder_of(path: Path) -> Path:
    return path.absolute().parent


async def _encode(folder: Path, made: Path, fps: int) -> None:
    arguments = [
        "-nostdin", "-loglevel", "error", "-framerate", str(fps), "-i", str(folder / "%06d.jpg"), "-vf", _SCALE,
        "-c:v", "libx264", "-pix_fmt", "yuv420p", "-movflags", "+faststart", str(made),
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        _PROGRAM, *arguments, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        _, said = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        reason = said.decode(errors="replace").strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
        raise GphotoWsError(f"ffmpeg could not make the movie: {reason[0]}", code="movie_failed")
