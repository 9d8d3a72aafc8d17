"""Files fetched from a camera, kept in anonymous memory: read in pieces, shared, and dropped by age and size."""

from __future__ import annotations

import hashlib
import os
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator

from camera.errors import CameraError
from camera.model import CapturedFile
from camera.orientation import Orientation
from camera.remote import RemoteCamera

# A client that reads a file in pieces requests the next piece within seconds, and a photobooth requests the last shot
# again.
_KEEP_S = 60.0
_KEEP_BYTES = 64 * 2**20
# Each file needs a file descriptor, whatever its size.
_KEEP_FILES = 64
# Shots from the camera's RAM exist nowhere else, so they are kept longer: the oldest is dropped only if all of them
# together exceed this number of bytes or of files.
_KEEP_ONLY_COPIES_BYTES = 256 * 2**20
_KEEP_ONLY_COPIES = 256
_DIGEST_BYTES = 256 * 1024
_WRITTEN_AT_ONCE_BYTES = 4 * 2**20


class FetchedFile:
    """A complete file of a camera, in anonymous memory.

    The memory is freed when this object is no longer referenced.
    """

    def __init__(self, fd: int, path: str, size: int, mimetype: str, sha256: str | None = None) -> None:
        self.path = path
        self.size = size
        self.mimetype = mimetype
        self._sha256 = sha256
        self._fd = fd
        weakref.finalize(self, os.close, fd)

    @property
    def filename(self) -> str:
        """The last part of its path on the camera."""
        return self.path.rpartition("/")[2]

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer at the end of the file."""
        return os.pread(self._fd, length, offset)

    def copy_to(self, descriptor: int, on_progress: Callable[[], None] = lambda: None) -> None:
        """Write the whole file to an open descriptor, within the kernel. Blocks; `on_progress` is called after each part."""
        offset = 0
        while offset < self.size and (
            sent := self.send(descriptor, offset, min(_WRITTEN_AT_ONCE_BYTES, self.size - offset))
        ):
            offset += sent
            on_progress()

    def send(self, descriptor: int, offset: int, length: int) -> int:
        """Write a part to an open descriptor, within the kernel; returns the number of bytes written.

        Raises:
            BlockingIOError: the descriptor accepts no bytes now.
        """
        return os.sendfile(descriptor, self._fd, offset, length)

    def sha256(self, start: int, end: int) -> str:
        """SHA-256 of the bytes from `start` to `end` (exclusive), in hexadecimal. Blocks."""
        digest = hashlib.sha256()
        for data in self.pieces(_DIGEST_BYTES, start, end):
            digest.update(data)
        if (start, end) == (0, self.size):
            self._sha256 = digest.hexdigest()
        return digest.hexdigest()

    def known_sha256(self, start: int, end: int) -> str | None:
        """The SHA-256 of these bytes if it is already known, else None."""
        return self._sha256 if (start, end) == (0, self.size) else None

    def pieces(self, size: int, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` to `end` (default: all) in pieces of `size` bytes; the last piece may be shorter."""
        end = self.size if end is None else min(end, self.size)
        for offset in range(start, end, size):
            yield self.read(offset, min(size, end - offset))


class FileCache:
    """The fetched files of one camera, newest last."""

    def __init__(self) -> None:
        self._files: OrderedDict[str, tuple[FetchedFile, float]] = OrderedDict()
        self._only_copies: OrderedDict[str, FetchedFile] = OrderedDict()
        # How often each path was used. A path that a client knows must never refer to another picture later.
        self._names: dict[str, int] = {}

    def get(self, path: str) -> FetchedFile | None:
        """The file with that path, if it is still stored."""
        if path in self._only_copies:
            return self._only_copies[path]
        self.forget_old()
        if path not in self._files:
            return None
        file, _ = self._files.pop(path)
        self._files[path] = (file, time.monotonic())
        return file

    def add(self, file: FetchedFile) -> None:
        """Store a file that is also on the camera."""
        self._files.pop(file.path, None)
        self._files[file.path] = (file, time.monotonic())
        self.forget_old()

    def add_only_copy(self, file: FetchedFile) -> str:
        """Store a file that is no longer on the camera. It gets a new path if an earlier file had the same path.

        Returns:
            The path for `get`.
        """
        stem, dot, ending = file.path.rpartition(".")
        count = self._names[file.path] = self._names.get(file.path, 0) + 1
        path = file.path if count == 1 else f"{stem}-{count}{dot}{ending}"
        file.path = path
        self._only_copies[path] = file
        total = sum(kept.size for kept in self._only_copies.values())
        while len(self._only_copies) > 1 and (
            total > _KEEP_ONLY_COPIES_BYTES or len(self._only_copies) > _KEEP_ONLY_COPIES
        ):
            _, oldest = self._only_copies.popitem(last=False)
            total -= oldest.size
        return path

    def drop(self, path: str) -> bool:
        """Drop one file; returns whether it was stored."""
        return self._only_copies.pop(path, None) is not None or self._files.pop(path, None) is not None

    def is_only_copy(self, path: str) -> bool:
        """Whether this file is no longer on the camera."""
        return path in self._only_copies

    def forget_copies(self) -> None:
        """Drop all files that are also on the camera, because its card may have been changed."""
        self._files.clear()

    def forget_old(self) -> None:
        """Drop files that were not used for `_KEEP_S`, then the oldest files until the rest is within the limits.

        The newest file is dropped only because of its age, never because of the limits.
        """
        oldest_allowed = time.monotonic() - _KEEP_S
        total = sum(file.size for file, _ in self._files.values())
        while self._files:
            path, (file, used) = next(iter(self._files.items()))
            fits = len(self._files) == 1 or (total <= _KEEP_BYTES and len(self._files) <= _KEEP_FILES)
            if used > oldest_allowed and fits:
                break
            total -= file.size
            del self._files[path]


class Downloads:
    """Downloads files from one camera, stores them for a while, and deletes them on the camera.

    Args:
        orientation: how fetched pictures are rotated and mirrored.

    Attributes:
        last_image: path of the newest picture.
    """

    def __init__(self, orientation: Orientation) -> None:
        self.last_image: str | None = None
        self._orientation = orientation
        self._fetched = FileCache()

    async def fetch(self, camera: RemoteCamera, path: str, digest: bool = False) -> FetchedFile:
        """A complete file, with its SHA-256 if `digest` is set. Raises FileNotFound, InvalidPath."""
        file = self._fetched.get(path)
        if file is None:
            file = await self._fetch(camera, path, digest)
            self._fetched.add(file)
        return file

    async def thumbnail(self, camera: RemoteCamera, path: str) -> bytes:
        """The camera's thumbnail of a picture, as JPEG. Raises FileNotFound, InvalidPath, NotSupported."""
        return await camera.thumbnail(path, self._orientation)

    async def fetch_if_in_ram(self, camera: RemoteCamera, file: CapturedFile) -> CapturedFile:
        """If a shot is only in the camera's RAM, fetch it before the next shot overwrites it.

        Returns:
            The file, with the path under which it was stored.
        """
        if not in_ram(file.path):
            self._fetched.drop(file.path)  # a stored file with this path is older: the card was formatted
            return file
        fetched = await self._fetch(camera, file.path)
        path = self._fetched.add_only_copy(fetched)
        return CapturedFile(path, fetched.size, fetched.mimetype)

    async def delete(self, camera: RemoteCamera, path: str) -> None:
        """Delete a file from the camera. Raises FileNotFound, InvalidPath."""
        try:
            await camera.delete_file(path)
        except CameraError:
            # If the server has the only copy, an error is expected: the driver may list the file, but the camera no
            # longer has it.
            if not self._fetched.is_only_copy(path):
                raise
        self._fetched.drop(path)
        if self.last_image == path:
            self.last_image = None

    def added(self, path: str) -> None:
        """Called when the camera has made a new file. A stored file with the same path is outdated."""
        self._fetched.drop(path)
        self.last_image = path

    def forget_copies(self) -> None:
        """Drop all files that are also on the camera, because its card may have been changed."""
        self._fetched.forget_copies()

    def forget_old(self) -> None:
        """Free the memory of files that were not used recently."""
        self._fetched.forget_old()

    async def _fetch(self, camera: RemoteCamera, path: str, digest: bool = False) -> FetchedFile:
        content = await camera.fetch(path, self._orientation, digest)
        file = content.file
        assert file.size is not None, "counted by the process"
        return FetchedFile(content.descriptor, file.path, file.size, file.mimetype, content.sha256)


def in_ram(path: str) -> bool:
    """Whether a path is in the root folder, where the driver shows shots that are only in the camera's RAM."""
    return path.count("/") == 1
