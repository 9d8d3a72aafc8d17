"""Files fetched from a camera, as anonymous memory: read in pieces, shared, forgotten by age and size."""

from __future__ import annotations

import hashlib
import os
import time
import weakref
from collections import OrderedDict
from collections.abc import Iterator

from camera.errors import CameraError
from camera.model import CapturedFile
from camera.orientation import Orientation
from camera.remote import RemoteCamera

# A client that reads a file in pieces comes back for the next one within seconds; a booth shows the last shot.
_KEEP_S = 60.0
_KEEP_BYTES = 64 * 2**20
# Each is a descriptor, whatever its size.
_KEEP_FILES = 64
# Shots that exist nowhere else (taken to the camera's RAM) are kept longer: until this many bytes came after them.
_KEEP_ONLY_COPIES_BYTES = 256 * 2**20
_KEEP_ONLY_COPIES = 256
_DIGEST_BYTES = 256 * 1024


class FetchedFile:
    """One file of a camera, whole, in memory outside the heap. It lives as long as somebody holds this object."""

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
        """At most `length` bytes from `offset`; fewer at the end of the file."""
        return os.pread(self._fd, length, offset)

    def copy_to(self, descriptor: int) -> None:
        """Write the whole file to an open descriptor, inside the kernel. Blocks."""
        offset = 0
        while offset < self.size and (sent := self.send(descriptor, offset, self.size - offset)):
            offset += sent

    def send(self, descriptor: int, offset: int, length: int) -> int:
        """Write a part to an open descriptor, inside the kernel; the number of bytes that it took.

        Raises:
            BlockingIOError: none now.
        """
        return os.sendfile(descriptor, self._fd, offset, length)

    def sha256(self, start: int, end: int) -> str:
        """SHA-256 of the bytes from `start` up to `end`, in hexadecimal. Blocks."""
        digest = hashlib.sha256()
        for data in self.pieces(_DIGEST_BYTES, start, end):
            digest.update(data)
        if (start, end) == (0, self.size):
            self._sha256 = digest.hexdigest()
        return digest.hexdigest()

    def known_sha256(self, start: int, end: int) -> str | None:
        """The same where it is known already."""
        return self._sha256 if (start, end) == (0, self.size) else None

    def pieces(self, size: int, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to `end` (default: all) in pieces of `size` bytes, the last one shorter."""
        end = self.size if end is None else min(end, self.size)
        for offset in range(start, end, size):
            yield self.read(offset, min(size, end - offset))


class FileCache:
    """The fetched files of one camera, newest last."""

    def __init__(self) -> None:
        self._files: OrderedDict[str, tuple[FetchedFile, float]] = OrderedDict()
        self._only_copies: OrderedDict[str, FetchedFile] = OrderedDict()
        # How often a name came: one that was given to a client never means another picture later.
        self._names: dict[str, int] = {}

    def get(self, path: str) -> FetchedFile | None:
        """The file of that path, if it is still here."""
        if path in self._only_copies:
            return self._only_copies[path]
        self.forget_old()
        if path not in self._files:
            return None
        file, _ = self._files.pop(path)
        self._files[path] = (file, time.monotonic())
        return file

    def add(self, file: FetchedFile) -> None:
        """Keep a file that the camera still has."""
        self._files.pop(file.path, None)
        self._files[file.path] = (file, time.monotonic())
        self.forget_old()

    def add_only_copy(self, file: FetchedFile) -> str:
        """Keep a file that the camera has no more; its name there may come again, so it may get another path.

        Returns:
            The path under which `get` finds it.
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
        """Forget one file; whether it was here."""
        return self._only_copies.pop(path, None) is not None or self._files.pop(path, None) is not None

    def is_only_copy(self, path: str) -> bool:
        """Whether the camera has this file no more."""
        return path in self._only_copies

    def forget_copies(self) -> None:
        """Drop everything that the camera has as well: it may be another card by now."""
        self._files.clear()

    def forget_old(self) -> None:
        """Drop what nobody asked for in a while, and the oldest beyond the limits of size (but the newest) and number."""
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
    """What is fetched from one camera's storage, kept for a while, and deleted there.

    Args:
        orientation: how pictures are rotated and mirrored when they are fetched.

    Attributes:
        last_image: path of the newest picture.
    """

    def __init__(self, orientation: Orientation) -> None:
        self.last_image: str | None = None
        self._orientation = orientation
        self._fetched = FileCache()

    async def fetch(self, camera: RemoteCamera, path: str, digest: bool = False) -> FetchedFile:
        """A whole file, with its SHA-256 where that will be asked for. Raises FileNotFound, InvalidPath."""
        file = self._fetched.get(path)
        if file is None:
            file = await self._fetch(camera, path, digest)
            self._fetched.add(file)
        return file

    async def thumbnail(self, camera: RemoteCamera, path: str) -> bytes:
        """The camera's thumbnail of a picture, as JPEG. Raises FileNotFound, InvalidPath, NotSupported."""
        return await camera.thumbnail(path, self._orientation)

    async def fetch_if_in_ram(self, camera: RemoteCamera, file: CapturedFile) -> CapturedFile:
        """Fetch a shot that is only in the camera's RAM, where the next one takes its place."""
        if not in_ram(file.path):
            self._fetched.drop(file.path)  # of a file that had this name before, on a card that was formatted
            return file
        fetched = await self._fetch(camera, file.path)
        path = self._fetched.add_only_copy(fetched)
        return CapturedFile(path, fetched.size, fetched.mimetype)

    async def delete(self, camera: RemoteCamera, path: str) -> None:
        """Delete a file from the camera. Raises FileNotFound, InvalidPath."""
        try:
            await camera.delete_file(path)
        except CameraError:
            if not self._fetched.is_only_copy(path):  # those the driver may still remember, the camera does not
                raise
        self._fetched.drop(path)
        if self.last_image == path:
            self.last_image = None

    def added(self, path: str) -> None:
        """The camera made a file: what had this name before is gone."""
        self._fetched.drop(path)
        self.last_image = path

    def forget_copies(self) -> None:
        """Drop what the camera has as well: its card may be another one by now."""
        self._fetched.forget_copies()

    def forget_old(self) -> None:
        """Give back the memory of files that nobody asked for in a while."""
        self._fetched.forget_old()

    async def _fetch(self, camera: RemoteCamera, path: str, digest: bool = False) -> FetchedFile:
        content = await camera.fetch(path, self._orientation, digest)
        file = content.file
        assert file.size is not None, "counted by the process"
        return FetchedFile(content.descriptor, file.path, file.size, file.mimetype, content.sha256)


def in_ram(path: str) -> bool:
    """Whether the driver shows a shot at the root: where it puts what the camera has only in its RAM."""
    return path.count("/") == 1
