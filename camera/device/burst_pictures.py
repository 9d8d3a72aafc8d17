"""The files of the pictures of a burst, sorted by picture, and those that could not be read."""

from __future__ import annotations

from camera.errors import CameraDisconnected, CameraError, CameraIO, CameraTimeout


class Pictures:
    """The files of several pictures, sorted by picture.

    Files with the same name except for the extension are of one picture: RAW and JPEG, or copies on two cards. In the
    camera's memory, the driver numbers each file, so the nth RAW file and the nth JPEG are of one picture.

    Args:
        files_each: how many files a picture has.
        in_memory: how many pictures may be in the camera's memory; 0 if they are on the card.

    Attributes:
        failed: why a file could not be read from the camera's memory; None if all could be.
    """

    def __init__(self, files_each: int, in_memory: int) -> None:
        self._may_miss = files_each * in_memory
        self.failed: CameraError | None = None
        self._missing_files = 0
        self._files_each = files_each
        self._pictures: dict[str, list[str]] = {}
        self._in_memory: dict[str, int] = {}

    def add(self, path: str) -> None:
        """Add a new file. A file that was added before changes nothing."""
        folder, _, name = path.rpartition("/")
        stem, _, ending = name.rpartition(".")
        if not folder:
            if any(path in files for files in self._pictures.values()):
                return
            number = self._in_memory[ending] = self._in_memory.get(ending, 0) + 1
            stem = str(number)
        files = self._pictures.setdefault(stem, [])
        if path not in files:
            files.append(path)

    def miss(self, error: CameraError) -> None:
        """Count a new file that could not be read from the camera's memory. Raises the error if it is of no such file."""
        if self._missing_files >= self._may_miss or isinstance(error, CameraIO | CameraTimeout | CameraDisconnected):
            raise error
        self.failed = error
        self._missing_files += 1

    @property
    def missing(self) -> int:
        """The number of pictures that could not be read."""
        return -(-self._missing_files // self._files_each)

    def __len__(self) -> int:
        """The number of pictures of which a file is there."""
        return len(self._pictures)

    @property
    def complete(self) -> bool:
        """Whether all files of these pictures are there."""
        return all(len(files) >= self._files_each for files in self._pictures.values())

    @property
    def paths(self) -> list[list[str]]:
        """The paths of the files of each picture."""
        return list(self._pictures.values())
