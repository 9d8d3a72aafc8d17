"""The photo folder: file names from a template, and atomic saves."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shlex
import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from string import Formatter
from threading import Lock

from camera.errors import CameraIO, DiskFull, FolderNotWritable, InvalidPath

NAME_FIELDS = ("date", "time", "counter", "seq", "job", "label", "camera", "serial", "original")
# What may follow "{seq:" in a template: a zero, then the number of digits.
_SEQ_DIGITS = re.compile(r"0[1-9]")
_MOST_FOLDERS = 8
# The disk, or the user's quota, is full.
_FULL = (errno.ENOSPC, errno.EDQUOT)
# Free space that remains after saving, because a full disk affects other programs too.
_RESERVE_BYTES = 32 * 2**20
_LONGEST_NAME = 200
_LONGEST_VALUE = 80
_PARTIAL = ".partial"
_LEFT_OVER_S = 3600.0
_MOST_NAMES = 100_000
STILL_ON_CAMERA = " The picture is still on the camera."
_FORBIDDEN_ERRORS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR)
_SHAPES = {"date": r"\d{4}-\d\d-\d\d", "time": r"\d\d-\d\d-\d\d", "seq": r"\d+"}
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f/\\:*?\"<>|]")


@dataclass(frozen=True, slots=True)
class NameParts:
    """The values for the template of a name.

    Attributes:
        original: the name of the file on the camera.
        camera: the name of the camera.
        serial: its serial number, if it has one.
        job, label: the name of the job, and the label of the camera; "" if there is none.
        seq: the number of the shot in the job.
    """

    original: str
    camera: str
    serial: str | None = None
    job: str = ""
    label: str = ""
    seq: int = 0


def check_template(template: str) -> str:
    """Check a template for file names; returns it unchanged.

    Raises:
        ValueError: it has unknown fields or parts that are not allowed; the message says what is allowed.
    """
    try:
        parts = [part[1:] for part in Formatter().parse(template) if part[1] is not None]
        fields = [field if field and _is_plain(field, spec, conversion) else "" for field, spec, conversion in parts]
        shown = template.format(**{**dict.fromkeys(NAME_FIELDS, "1"), "seq": 1})
    except (ValueError, KeyError, IndexError, AttributeError):
        fields = [""]
        shown = ""
    *folders, name = shown.split("/")
    allowed = set(fields) <= set(NAME_FIELDS) and len(folders) <= _MOST_FOLDERS
    hidden = any(part.startswith(".") for part in folders)
    if not allowed or hidden or not all(part.strip(". ") and not _FORBIDDEN.search(part) for part in (*folders, name)):
        names = ", ".join("{" + name + "}" for name in NAME_FIELDS)
        raise ValueError(
            f"a file name made of text and {names}, also {{seq:04}} with a number of digits. A slash separates at most "
            f"{_MOST_FOLDERS} subfolders of the photo folder, whose names do not begin with a dot"
        )
    return template


def _is_plain(field: str, spec: str | None, conversion: str | None) -> bool:
    """Whether a field of a template has no format, or a format that is allowed."""
    return not conversion and (not spec or (field == "seq" and _SEQ_DIGITS.fullmatch(spec) is not None))


def check_label(label: str) -> str:
    """Check the label of a camera; returns it unchanged. Raises ValueError: it could not be part of a file name."""
    if not label.strip(". ") or _FORBIDDEN.search(label) or len(label) > _LONGEST_VALUE:
        raise ValueError(f"labels of 1 to {_LONGEST_VALUE} characters without slashes or other special characters")
    return label


def check_name(name: str) -> str:
    """Check a file name from a client; returns it unchanged.

    Raises:
        InvalidPath: it is not a plain file name.
    """
    plain = name.strip(". ") != "" and not name.startswith(".") and not _FORBIDDEN.search(name)
    if not plain or len(name.encode("utf-8", "replace")) > _LONGEST_NAME or name.endswith(_PARTIAL):
        raise InvalidPath(
            f"{name[:60]!r} is not a valid file name: no slashes or other special characters, no dot at the start, "
            f"at most {_LONGEST_NAME} bytes.",
            filename=name[:200],
        )
    return name


class PhotoFolder:
    """A folder that pictures are saved to.

    Args:
        folder: the folder, which is created if it does not exist.
        template: see `check_template`; the ending of the original file is added.

    Attributes:
        numbers_shots: whether names contain the number of the shot in its job.
    """

    def __init__(self, folder: Path, template: str) -> None:
        self.folder = folder
        self._template = check_template(template)
        self.numbers_shots = "{seq" in template
        self._numbered = re.compile(_pattern(template))
        self._counter: int | None = None
        self._claimed: set[str] = set()
        self._claiming = Lock()

    def check_writable(self) -> None:
        """Check that pictures can be saved to the folder, or that it can be created. Changes nothing.

        Raises:
            FolderNotWritable: the message has the reason and a solution.
        """
        # os.path.exists, because it does not raise if this user may not read a parent folder.
        existing = next(path for path in (self.folder, *self.folder.parents) if os.path.exists(path))
        if not os.path.isdir(existing):
            raise self._not_writable(f"{existing} is not a folder")
        if not os.access(existing, os.W_OK | os.X_OK):
            read_only = os.statvfs(existing).f_flag & os.ST_RDONLY
            raise self._not_writable("its file system is read-only" if read_only else None)

    def _not_writable(self, reason: str | None, after: str = "") -> FolderNotWritable:
        """The error for a folder that cannot be written to. Without `reason`, the permission is missing."""
        user, group = os.geteuid(), os.getegid()
        allow = f"sudo install -d -o {user} -g {group} {shlex.quote(str(self.folder))}"
        fix = "" if reason else allow
        words = (
            f"cannot be written to: {reason}"
            if reason
            else f"is not writable by the server (user {user}). To allow it, run: {allow}"
        )
        return FolderNotWritable(f"The photo folder {self.folder} {words}.{after}", folder=str(self.folder), fix=fix)

    def check_room(self, size: int) -> None:
        """Create the folder, and check that a picture of `size` bytes fits.

        Raises:
            FolderNotWritable: the folder cannot be created or written to.
            DiskFull: the picture does not fit.
        """
        self.check_writable()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.check_free(size)
        except OSError as error:
            if error.errno in _FULL:
                raise DiskFull(
                    f"The disk of the photo folder {self.folder} is full. Free some space, then try again."
                ) from error
            raise self._not_writable(error.strerror) from error

    def check_free(self, size: int) -> None:
        """Check that a picture of `size` bytes fits on the disk of the folder, which exists.

        Raises:
            DiskFull: the picture does not fit.
            OSError: the folder does not exist, or the disk does not answer.
        """
        free = shutil.disk_usage(self.folder).free
        if free < size + _RESERVE_BYTES:
            raise DiskFull(
                f"The disk of the photo folder {self.folder} is full ({free // 2**20} MB free). Free some space, then try again.",
                free=free,
            )

    def add_line(self, name: str, heading: str, line: str) -> None:
        """Add a line to a text file of the folder. A new file begins with the heading. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / name, "a", encoding="utf-8") as file:
            file.write(line if file.tell() else heading + line)

    def free(self) -> int:
        """The bytes that pictures may use on the disk of the folder. Raises OSError."""
        existing = next(one for one in (self.folder, *self.folder.absolute().parents) if one.is_dir())
        return max(0, shutil.disk_usage(existing).free - _RESERVE_BYTES)

    def name(self, parts: NameParts, when: datetime) -> str:
        """The name of a new picture according to the template, without an ending. "/" separates subfolders."""
        stem = parts.original.rpartition(".")[0] or parts.original
        serial = parts.serial or "unknown"
        values = {
            "date": when.strftime("%Y-%m-%d"),
            "time": when.strftime("%H-%M-%S"),
            "counter": f"{self._next_counter():05d}",
            "job": parts.job or "no-job",
            "label": parts.label or serial,
            "camera": parts.camera,
            "serial": serial,
            "original": stem,
        }
        name = self._template.format(**{key: _harmless(value) for key, value in values.items()}, seq=parts.seq)
        return "/".join(map(_shortened, name.split("/")))

    def claim(self, name: str, endings: Iterable[str]) -> str:
        """Reserve a name for the files of a shot, until `release`.

        Returns:
            The name, with "-2", "-3" and so on if it is already reserved, or if a file with this name and one of the
            endings exists.
        """
        endings = tuple(endings)
        with self._claiming:
            for attempt in range(1, _MOST_NAMES):
                wanted = name if attempt == 1 else f"{name}-{attempt}"
                if wanted not in self._claimed and not any(
                    (self.folder / f"{wanted}{ending}").exists() for ending in endings
                ):
                    self._claimed.add(wanted)
                    return wanted
        raise CameraIO(f"The photo folder has no free name like {name}.")

    def release(self, name: str) -> None:
        """Release a name from `claim`."""
        self._claimed.discard(name)

    def save(
        self,
        name: str,
        ending: str,
        size: int,
        copy_to: Callable[[int], None],
        abandoned: Callable[[], bool] = lambda: False,
    ) -> Path:
        """Save a picture. When this returns, the file is complete, on the disk, and has its final name. Blocks.

        Args:
            name: without ending; "/" separates subfolders. "-2", "-3" and so on is added rather than overwrite a file.
            ending: the ending, with its dot.
            size: the expected number of bytes.
            copy_to: writes the bytes to an open descriptor.
            abandoned: returns whether the caller has stopped waiting. If so, no file remains.

        Raises:
            DiskFull: the picture did not fit; no partial file remains.
            FolderNotWritable: the folder is no longer writable.
            CameraIO: the number of bytes is wrong; no partial file remains.
        """
        temporary = self.folder / f".{os.getpid()}-{secrets.token_hex(8)}{_PARTIAL}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with temporary.open("xb") as file:
                copy_to(file.fileno())
                os.fsync(file.fileno())
                written = os.fstat(file.fileno()).st_size
            if written != size:
                raise CameraIO(f"Only {written} of {size} bytes were saved.")
            if abandoned():
                raise CameraIO("The picture was written too late.")
            self._make_subfolder((self.folder / name).parent)
            saved = self._link(temporary, name, ending)
            for folder in saved.parents:
                _sync_folder(folder)
                if folder == self.folder:
                    break
        except FileExistsError as error:
            raise self._not_writable(f"{error.filename} is not a folder", STILL_ON_CAMERA) from error
        except OSError as error:
            if error.errno in _FULL:
                raise DiskFull(f"The disk of the photo folder is full.{STILL_ON_CAMERA}") from error
            if error.errno in _FORBIDDEN_ERRORS:
                reason = None if error.errno in (errno.EACCES, errno.EPERM) else error.strerror
                raise self._not_writable(reason, STILL_ON_CAMERA) from error
            raise CameraIO(f"The picture could not be saved: {error.strerror}.") from error
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        return saved

    def sweep(self) -> int:
        """Delete the partial files of a killed server; returns their number. Must be called before the first save."""
        removed = 0
        if self.folder.is_dir():
            for left in self.folder.glob(f".*{_PARTIAL}"):
                with suppress(OSError):
                    # Another server may be writing this file. A file with the id of this process is from an earlier
                    # process with the same id.
                    number = left.name[1:].partition("-")[0]
                    in_use = number.isdigit() and int(number) != os.getpid() and _runs(int(number))
                    if not in_use or left.stat().st_mtime < time.time() - _LEFT_OVER_S:
                        left.unlink()
                        removed += 1
        return removed

    def _make_subfolder(self, subfolder: Path) -> None:
        """Create a subfolder. Raises FolderNotWritable: a link leads out of the photo folder."""
        subfolder.mkdir(parents=True, exist_ok=True)
        if not subfolder.resolve().is_relative_to(self.folder.resolve()):
            raise self._not_writable(f"{subfolder} is a link out of it", STILL_ON_CAMERA)

    def _link(self, temporary: Path, name: str, ending: str) -> Path:
        """Give the file its final name.

        A hard link fails if the name exists, so two saves cannot overwrite each other.
        """
        for attempt in range(1, _MOST_NAMES):
            target = self.folder / (f"{name}{ending}" if attempt == 1 else f"{name}-{attempt}{ending}")
            try:
                os.link(temporary, target)
            except FileExistsError:
                continue
            except OSError as error:
                # vfat, exfat and some network folders have no hard links: create an empty file with the name, then
                # replace it.
                if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
                    raise
                try:
                    target.touch(exist_ok=False)
                except FileExistsError:
                    continue
                try:
                    temporary.replace(target)
                except OSError:
                    target.unlink(missing_ok=True)
                    raise
            return target
        raise CameraIO(f"The photo folder has no free name like {name}{ending}.")

    def _next_counter(self) -> int:
        """The next number: at first one more than the highest counter in the folder's file names."""
        if self._counter is None:
            numbers = [0]
            if "{counter" in self._template and self.folder.is_dir():
                paths = self.folder.glob("/".join(["*"] * (self._template.count("/") + 1)))
                matches = (self._numbered.match(str(path.relative_to(self.folder))) for path in paths)
                numbers += [int(match.group(1)) for match in matches if match]
            self._counter = max(numbers)
        self._counter += 1
        return self._counter


def _pattern(template: str) -> str:
    """A regular expression for names from the template. Its only group is the first counter."""
    parts, counted = [], False
    for text, field, _, _ in Formatter().parse(template):
        parts.append(re.escape(text))
        if field == "counter" and not counted:
            parts.append(r"(\d{5,})")
            counted = True
        elif field is not None:
            parts.append(_SHAPES.get(field, "[^/]*?"))
    return "".join(parts) + r"(?:-\d+)?(?:\.[^./]*)?$"


def _shortened(name: str) -> str:
    return name.encode()[:_LONGEST_NAME].decode(errors="ignore")


def _harmless(text: str) -> str:
    """The text, converted so that it is valid in a file name."""
    return _FORBIDDEN.sub("_", text).strip(". ").replace(" ", "_")[:_LONGEST_VALUE] or "_"


def ending_of(filename: str) -> str:
    """The ending of a camera file with its dot, valid in a file name; empty if there is none."""
    ending = re.sub(r"[^a-z0-9]", "", filename.rpartition(".")[2].lower())[:8] if "." in filename else ""
    return f".{ending}" if ending else ""


def _runs(process: int) -> bool:
    """Whether a process with this id exists, even if /proc hides the processes of other users."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # some network file systems do not support fsync of a folder
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
