"""Downloads a file from the camera in pieces, and reports progress. The local file appears when it is complete."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gphoto_ws_client.connection import Connection
from gphoto_ws_client.errors import UnexpectedReply
from gphoto_ws_client.transfer import Progress, fetch

PIECE_BYTES = 2 * 2**20
# The server's limit for one piece.
MAX_PIECE_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A downloaded file: its local path, its path on the camera, its size in bytes and its SHA-256 in hexadecimal."""

    path: Path
    camera_filepath: str
    mimetype: str
    size: int
    sha256: str


async def download(
    connection: Connection,
    payload: dict[str, Any],
    target: Path,
    *,
    overwrite: bool,
    piece_bytes: int,
    progress: Progress | None,
) -> SavedFile:
    """See Client.download."""
    if not 1 <= piece_bytes <= MAX_PIECE_BYTES:
        raise ValueError(f"piece_bytes must be from 1 to {MAX_PIECE_BYTES}")
    if not overwrite and await asyncio.to_thread(target.exists):
        raise FileExistsError(errno.EEXIST, "File exists", str(target))
    part = target.with_name(f".gphoto-ws-{secrets.token_hex(8)}.part")
    digest = hashlib.sha256()
    done = 0
    size: int | None = None
    file = await asyncio.to_thread(part.open, "xb")
    try:
        with file:
            while True:
                piece = await fetch(connection, {**payload, "offset": done, "length": piece_bytes}, progress)
                assert piece.image is not None, "fetch gives bytes"
                # The size changes if another card was inserted while the connection was lost.
                if size not in (None, piece.size):
                    raise UnexpectedReply(f"{piece.camera_filepath} is a different file than before.", retryable=True)
                size = piece.size
                payload = {**payload, "camera_filepath": piece.camera_filepath}
                await asyncio.to_thread(file.write, piece.image)
                digest.update(piece.image)
                done += len(piece.image)
                if piece.eof or not piece.image:
                    break
            if done != size:
                raise UnexpectedReply(f"The file ended after {done} of {size} bytes.", retryable=True)
        await asyncio.to_thread(_put, part, target, overwrite)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()
    return SavedFile(target, piece.camera_filepath, piece.mimetype, done, digest.hexdigest())


def _put(part: Path, target: Path, overwrite: bool) -> None:
    """Rename the complete file atomically. Replaces an existing file only if `overwrite` is set."""
    if not overwrite:
        try:
            os.link(part, target)
            return
        except FileExistsError:
            raise
        except OSError:
            # The file system (for example FAT) has no hard links. Creating an empty file fails if the target exists.
            target.open("xb").close()
            try:
                os.replace(part, target)
            except OSError:
                target.unlink()
                raise
            return
    os.replace(part, target)
