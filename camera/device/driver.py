"""Blocking operations on one open camera. Only this file imports gphoto2. Runs in the camera process."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import cache, partial
from typing import Any

import gphoto2 as gp
from gphoto2 import _camera as extension

from camera.device.actions import refuse_endless_movie, refuse_open_shutter
from camera.device.bulb import Bulb, BulbHooks
from camera.device.burst import Burst, BurstHooks
from camera.device.burst_quirks import Button
from camera.device.button import HeldButton
from camera.device.calls import BUSY_PAUSE_S, Calls, Progress
from camera.device.clock import Clock
from camera.device.configuration import Configuration
from camera.device.drive_mode import DriveMode
from camera.device.drivers import driver_for
from camera.device.gp_codes import is_busy
from camera.device.preview_size import PreviewSize
from camera.device.queue import EventQueue
from camera.device.quirks import quirks_of
from camera.device.raw_calls import TIMEOUT, UNKNOWN, RawCalls
from camera.device.shutter import ReleaseCalls, Shutter, TimedRelease
from camera.errors import (
    CameraBusy,
    CameraError,
    CameraIO,
    CameraRefused,
    ConfigNotFound,
    GpFailure,
    InvalidPath,
    NoSuchPath,
    NotSupported,
    OutOfStep,
)
from camera.escapes import read, unescaped
from camera.events import ConfigChanged, FileAdded
from camera.model import (
    BurstLength,
    BurstTaken,
    CameraIdentity,
    Capabilities,
    CapturedFile,
    ClockSet,
    ConfigItem,
    ConfigValue,
    DetectedCamera,
    Storage,
    camera_path,
    is_camera_path,
    mimetype_of,
)
from camera.ports import is_drive, leads_out
from camera.remote import BulbPlan, Exposed, FolderContent, FolderNames
from camera.values import WantedValue, convert

# The shortest wait for an event.
_POLL_MS = 1
_BUSY_PREVIEW_S = 3.0
# How long an action is repeated while the camera is busy, in seconds. If the driver itself has waited longer than
# _STARTED_S for the camera, the camera has accepted the action and is still moving the lens (libgphoto2 waits 1 s).
_BUSY_ACTION_S, _STARTED_S = 2.0, 0.9
# The longest time of one transfer of a live-view frame on USB. Without a fault it takes a few milliseconds. By default,
# libgphoto2 waits 20 s for data that a halt or a broken transfer has lost.
_FRAME_TRANSFER_MS = 1500


def library_version() -> str:
    """The version of libgphoto2 in use, for example "2.5.34"."""
    return str(gp.gp_library_version(gp.GP_VERSION_SHORT)[0])


@cache
def drivers() -> Any:
    """libgphoto2's list of models and their drivers. To read it takes 30 ms, because all drivers are loaded for a moment."""
    abilities = gp.CameraAbilitiesList()
    abilities.load()
    return abilities


def detect() -> list[DetectedCamera]:
    """The cameras on USB now. Leaks about 1 KB per call, so it is for short-lived processes."""
    abilities = drivers()
    return [
        DetectedCamera(model, port, _capabilities(abilities[abilities.lookup_model(model)]))
        for model, port in gp.check_result(gp.gp_camera_autodetect()).items()
    ]


def _capabilities(abilities: Any) -> Capabilities:
    operations, files = abilities.operations, abilities.file_operations
    return Capabilities(
        capture=bool(operations & gp.GP_OPERATION_CAPTURE_IMAGE),
        live_view=bool(operations & gp.GP_OPERATION_CAPTURE_PREVIEW),
        config=bool(operations & gp.GP_OPERATION_CONFIG),
        delete=bool(files & gp.GP_FILE_OPERATION_DELETE),
    )


class Driver:
    """One open camera. Each operation blocks. If it fails, it raises a `CameraError` that shows what the caller can do.

    Attributes:
        identity: the identity, read from the camera when it was opened.
        learned: the capabilities that were tried (their names in `Capabilities`), and whether the camera has them.
        has_more_events: whether more events may be waiting after the last call of `events`.
        preview_size: the size of live-view frames that the operator wants.
        live_views: how often live view was switched on.
        bursts: bursts with this camera.
    """

    def __init__(self, port: str, model: str) -> None:
        """Open the camera on `port` with the driver for `model` (a name from libgphoto2's list).

        Raises:
            CameraNotFound: no such port.
            NotSupported: no such model, or its driver does not support this kind of port.
            PortGone: the device has left the port.
            CameraClaimed: another program uses the camera.
            CameraError: the camera does not answer.
        """
        self._port = port
        self._context = gp.Context()
        self._call = Calls(self._context, gp.GPhoto2Error, port)
        self._camera = gp.Camera()
        ports = gp.PortInfoList()
        ports.load()
        self._call(lambda: self._camera.set_port_info(ports[ports.lookup_path(port)]), "open")
        self._call(lambda: self._camera.set_abilities(driver_for(port, model, drivers(), gp.GPhoto2Error)), "open")
        self._call(lambda: self._camera.init(self._context), "open")
        self._abilities = self._camera.get_abilities()
        self._raw = RawCalls(extension.__file__, gp.check_result)
        self._settings = Configuration(self._camera, self._context, self._call, self._raw)
        self._queue = EventQueue(self._camera, self._context, self._call, self._raw)
        self.learned: dict[str, bool] = {}
        self._clock = Clock(self._settings, self._queue.pump)
        opened_at = time.monotonic()
        with suppress(CameraError):  # shows whether events are supported; errors show up again in the next call
            self._queue.pump(_POLL_MS)
        self.identity = self._identify()
        self.quirks = quirks_of(self.identity.manufacturer, self.identity.model)
        self._settings.other_names = self.quirks.names
        if self.quirks.remembers_clock:
            with suppress(CameraError):
                self._clock.remember(opened_at)
        self._drive_mode = DriveMode(self._settings, self.quirks)
        self._queue.on_changed = self._drive_mode.changed
        release = ReleaseCalls(self._fire, self._trigger)
        self._shutter = Shutter(release, self.storage, self._settings, self._queue, self._drive_mode, self.quirks)
        self._bulb = Bulb(self._settings, self._shutter, self.quirks)
        self.bursts = Burst(self._settings, self._shutter, self.quirks)
        self._viewfinder_since: float | None = None  # in monotonic seconds
        self.has_more_events = False
        self.preview_size = PreviewSize()
        self.live_views = 0

    # -- identity

    def _identify(self) -> CameraIdentity:
        """Read the identity.

        Settings are read even if the driver does not claim to have settings, because some drivers have them anyway.
        """
        claimed = replace(_capabilities(self._abilities), events=self._queue.supported)
        try:
            self.get_config("cameramodel")
        except NotSupported:
            return CameraIdentity(str(self._abilities.model), "", "", None, replace(claimed, config=False))
        except ConfigNotFound:
            config = True
        except CameraError:  # a failed transfer does not show whether there are settings
            config = claimed.config
        else:
            config = True

        def first_value(*names: str) -> str:
            for name in names:
                try:
                    value = self.get_config(name).value
                except (ConfigNotFound, NotSupported):
                    continue
                except CameraError:  # do not try the next name: another serial number would look like another camera
                    return ""
                if isinstance(value, str) and value.strip("0 "):
                    return value.strip()
            return ""

        return CameraIdentity(
            model=first_value("cameramodel", "model") or str(self._abilities.model),
            manufacturer=first_value("manufacturer"),
            version=first_value("deviceversion", "firmwareversion"),
            serial=first_value("serialnumber", "eosserialnumber") or None,
            capabilities=replace(claimed, config=config),
        )

    @contextmanager
    def _noting_support(self, verb: str) -> Iterator[None]:
        """Record in `learned` whether the driver supports the operation in the `with` block."""
        try:
            yield
        except NotSupported:
            self.learned[verb] = False
            raise
        self.learned[verb] = True

    def storage(self) -> list[Storage]:
        """The camera's storages.

        This communicates with the camera, so it also shows whether the camera still answers.
        """
        cards = self._call(lambda: self._camera.get_storageinfo(self._context), "storage")
        return [
            Storage(
                path=read(partial(getattr, card, "basedir")) if card.fields & gp.GP_STORAGEINFO_BASE else "/",
                label=read(partial(getattr, card, "label")) if card.fields & gp.GP_STORAGEINFO_LABEL else "",
                capacity=card.capacitykbytes * 1024 if card.fields & gp.GP_STORAGEINFO_MAXCAPACITY else None,
                free=card.freekbytes * 1024 if card.fields & gp.GP_STORAGEINFO_FREESPACEKBYTES else None,
                read_only=bool(card.fields & gp.GP_STORAGEINFO_ACCESS)
                and card.access != gp.GP_STORAGEINFO_AC_READWRITE,
            )
            for card in cards
        ]

    # -- configuration

    def get_config(self, name: str) -> ConfigItem:
        """See `Configuration.get`."""
        return self._settings.get(name)

    def get_all_config(self) -> list[ConfigItem]:
        """See `Configuration.get_all`."""
        return self._settings.get_all()

    def set_config(self, name: str, wanted: WantedValue) -> ConfigItem:
        """See `Configuration.set`."""
        item, widget, root = self._settings.find(name)
        self._drive_mode.changed(item.name)
        value = convert(item, wanted)
        refuse_open_shutter(item, value, self.quirks)
        refuse_endless_movie(item, value, self.quirks)
        if item.name != "viewfinder":
            return self._settings.set(item, widget, root, value, self._queue.pump)
        self._settings.write(item, widget, root, value)
        self._note_viewfinder(value == 1)
        return replace(item, value=value)  # reading back would show an old value: see viewfinder()

    def sync_clock(self) -> ClockSet:
        """See `Clock.set_to_this_machine`."""
        return self._clock.set_to_this_machine()

    def perform(self, name: str, value: ConfigValue) -> bool:
        """Perform an action: write a setting, without reading it back. It is carried out once.

        Returns whether the action has ended; False if the driver has waited long enough, and the camera is still busy with it.

        The setting is read first, because a Canon ignores an action if the same widget is used again (libgphoto2 issue
        767). While the camera rejects the action because it is busy, it is repeated for up to 2 s.

        Raises:
            ConfigNotFound: the camera has no such setting.
            CameraBusy: the camera has not accepted the action.
        """
        deadline = time.monotonic() + _BUSY_ACTION_S
        while True:
            item, widget, root = self._settings.find(name)
            started = time.monotonic()
            widget.set_changed(1)  # otherwise the driver does not send a value that it believes to be set
            try:
                self._settings.write(item, widget, root, value, "action")
                return True
            except CameraBusy:
                now = time.monotonic()
                if now - started > _STARTED_S:
                    return False
                if now > deadline:
                    raise
            time.sleep(BUSY_PAUSE_S)

    def held_button(self, button: Button) -> HeldButton:
        """A button that can be pressed later without any delay. A busy camera is not asked again.

        Raises:
            ConfigNotFound, NotSupported: the camera has no such setting.
        """
        return HeldButton(self._settings, self.quirks, button, "capture", again=False)

    def keep_alive(self) -> None:
        """Perform an operation that the camera counts as use, so that it does not switch itself off."""
        # Some cameras have a keep-alive operation. The driver sends it when any setting is read, at most every 10 s
        # (libgphoto2 camlibs/ptp2/config.c, camera_keep_device_on). For other cameras, reading a setting may not be
        # enough, because its value may come from a cache. `storage` always communicates with the camera.
        if self.identity.capabilities.config:
            with suppress(ConfigNotFound, NotSupported):
                self.get_config("batterylevel")
        self.storage()

    # -- pictures

    def capture(self, on_release: Callable[[float], None], timed: TimedRelease | None = None) -> list[CapturedFile]:
        """Release the shutter once; returns every file of the shot. See `Shutter.release`."""
        self._prepare_release()
        return [self._captured(path) for path in self._shutter.release(on_release, timed)]

    def exposure_s(self) -> float:
        """See `Shutter.exposure_s`."""
        return self._shutter.exposure_s()

    @property
    def prepares_s(self) -> float:
        """See `Shutter.prepares_s`."""
        return self._shutter.prepares_s

    def wait_for_file(self, seconds: float, meanwhile: Callable[[], object]) -> str | None:
        """See `Shutter.wait_for_file`."""
        return self._shutter.wait_for_file(seconds, meanwhile)

    def plan_bulb(self) -> BulbPlan:
        """See `Bulb.plan`."""
        return self._bulb.plan()

    def expose(self, seconds: float, hooks: BulbHooks) -> Exposed:
        """Make a bulb exposure; returns every file of the shot. See `Bulb.expose`."""
        self._prepare_release()
        paths, exposed_s = self._bulb.expose(seconds, hooks)
        return Exposed([self._captured(path) for path in paths], round(exposed_s, 3))

    def burst(self, length: BurstLength, hooks: BurstHooks) -> BurstTaken:
        """Take pictures in a row; returns every file of each picture. See `Burst.take`."""
        self._prepare_release()
        taken = self.bursts.take(length, hooks)
        pictures = []
        for paths in taken.pictures:
            hooks.until(0.0)
            pictures.append([self._captured(path) for path in paths])
        return BurstTaken(pictures, taken.counted, taken.warnings)

    def read_waiting_events(self) -> None:
        """Read and store the waiting events, before a release discards them.

        For example, they are about a shot with the camera's own button, or about deleted files whose names may be used
        again.
        """
        with suppress(CameraError):
            self._queue.pump(0)

    def release_button(self) -> frozenset[str]:
        """See `Bulb.release_button`."""
        return self._bulb.release_button()

    def _prepare_release(self) -> None:
        self.read_waiting_events()
        if self.quirks.viewfinder_off_before_still and self.viewfinder_on:
            self.viewfinder(False)

    def _fire(self) -> str:
        """Release the shutter; returns the path of the first file."""
        capture = partial(self._raw.capture, self._camera, gp.GP_CAPTURE_IMAGE, self._context)
        with self._noting_support("capture"):
            return str(self._call(capture, "capture"))

    def _trigger(self) -> None:
        """Press and release the shutter button, without waiting for a file."""
        self._call(lambda: self._camera.trigger_capture(self._context), "capture")

    def _captured(self, path: str) -> CapturedFile:
        folder, name = _split(path)
        info = gp.CameraFileInfo()
        try:
            self._call(lambda: self._raw.file_info(self._camera, folder, name, info, self._context), "file_info")
        except CameraError:
            return CapturedFile(path, None, mimetype_of(path))  # the file exists, and its size is not essential
        size = int(info.file.size) if info.file.fields & gp.GP_FILE_INFO_SIZE else None
        return CapturedFile(path, size, mimetype_of(path))

    def _frame_timeout(self) -> AbstractContextManager[None]:
        # The first frame may take longer, because the camera switches live view on.
        return self._raw.transfer_timeout(self._camera, _FRAME_TRANSFER_MS) if self.viewfinder_on else nullcontext()

    def preview(self) -> bytes:
        """One live-view frame as JPEG. Switches live view on if the camera needs that.

        Raises:
            NotSupported: the camera has no live view.
            CameraBusy: the camera was busy for 3 s.
        """
        deadline = time.monotonic() + _BUSY_PREVIEW_S
        while True:
            try:
                with self._noting_support("live_view"), self._frame_timeout():
                    file = self._call(lambda: self._camera.capture_preview(None, self._context), "live_view")
            except NotSupported as error:
                words = "The camera has no live view. Some cameras have it only in another mode."
                raise replace(error, message=words) from None
            except CameraError as error:
                if not is_busy(error) or time.monotonic() > deadline:
                    raise
                time.sleep(BUSY_PAUSE_S)
                continue
            if not self.viewfinder_on:
                self._note_viewfinder(True)
                self.live_views += 1
                if self.preview_size.apply(self.set_config):
                    continue
            # The returned memoryview is valid only as long as `file` exists, so the data is copied.
            frame = bytes(file.get_data_and_size())
            if not frame and time.monotonic() < deadline:  # a busy Nikon returns an empty frame
                time.sleep(BUSY_PAUSE_S)
                continue
            if not frame.startswith(b"\xff\xd8"):
                raise CameraIO("The camera sent a live-view frame that is not a JPEG. Try again.", doing="live_view")
            return frame

    @property
    def viewfinder_on(self) -> bool:
        """Whether live view is on, according to the last operation."""
        return self._viewfinder_since is not None

    @property
    def live_view_s(self) -> float:
        """For how many seconds live view has been on; 0 while it is off."""
        return 0.0 if self._viewfinder_since is None else time.monotonic() - self._viewfinder_since

    def _note_viewfinder(self, on: bool) -> None:
        if on != self.viewfinder_on:
            self._viewfinder_since = time.monotonic() if on else None

    def viewfinder(self, on: bool) -> None:
        """Switch live view on or off, if the camera has a switch for it."""
        # Cameras without the switch end live view automatically. The value is not read back, because cameras report
        # a new value late.
        with suppress(ConfigNotFound, NotSupported):
            self._settings.write(*self._settings.find("viewfinder"), 1 if on else 0)
        self._note_viewfinder(on)

    def live_view_was_switched_on(self) -> None:
        """Called when the driver has switched live view on by itself, so that `close` switches it off."""
        self._note_viewfinder(True)

    # -- files

    def file_info(self, path: str) -> CapturedFile:
        """A file; without its size if the camera does not report it. Raises InvalidPath."""
        self._checked(path)
        return self._captured(path)

    def fetch(self, path: str, fd: int, on_progress: Progress) -> CapturedFile:
        """Write a complete file of the camera into `fd` and leave `fd` open. Calls `on_progress` when data arrives.

        Raises:
            FileNotFound: no such file.
            CameraIO: the number of bytes differs from the announced size.
        """
        folder, name = self._checked(path)
        with self._call.reporting(on_progress):
            file = gp.CameraFile(os.dup(fd))
            kind = gp.GP_FILE_TYPE_NORMAL
            get = partial(self._raw.file_get, self._camera, folder, name, kind, file, self._context)
            self._call(get, "download")
        size = os.fstat(fd).st_size
        announced = self._captured(path).size
        if (announced is None and size == 0) or (announced is not None and announced != size):
            # There are two known causes: a broken transfer, or the driver still has the data of a file with the same
            # name that existed before the card was formatted.
            expected = "an unknown number of" if announced is None else announced
            raise OutOfStep(f"{size} of {expected} bytes of {path} were received. Try again.", doing="download")
        return CapturedFile(path, size, mimetype_of(path))

    def thumbnail(self, path: str) -> bytes:
        """The thumbnail of a picture as JPEG.

        Raises:
            FileNotFound: no such file.
            NotSupported: the camera has no thumbnail of this file.
        """
        folder, name = self._checked(path)
        file, kind = gp.CameraFile(), gp.GP_FILE_TYPE_PREVIEW
        try:
            self._call(partial(self._raw.file_get, self._camera, folder, name, kind, file, self._context), "thumbnail")
        except NotSupported as error:
            raise replace(error, message=_NO_THUMBNAIL) from None
        except CameraRefused as error:
            # For a file without EXIF data on a drive, libgphoto2 reports that it could not be opened
            # (camlibs/directory/directory.c).
            if is_drive(self._port):
                raise NotSupported(_NO_THUMBNAIL, gp=error.gp, doing=error.doing) from None
            raise
        return bytes(file.get_data_and_size())

    def list_files(self, folder: str) -> FolderContent:
        """The content of a folder: the names of its folders, and its files with sizes (if the camera reports them).

        Raises:
            FileNotFound: no such folder.
        """
        if folder != "/":
            self._checked(folder)
        names = self.list_names(folder)
        return FolderContent(names.folders, [self._captured(camera_path(folder, name)) for name in names.files])

    def list_names(self, folder: str) -> FolderNames:
        """The names of the folders and files in a folder. Faster than `list_files`, because it reads no sizes.

        Raises:
            FileNotFound: no such folder.
        """
        raw, folders, files = _raw(folder), gp.CameraList(), gp.CameraList()
        self._call(lambda: self._raw.list_folders(self._camera, raw, folders, self._context), "list_files")
        self._call(lambda: self._raw.list_files(self._camera, raw, files, self._context), "list_files")
        if self._call.messages:  # the driver reports success even if the camera did not answer
            raise CameraIO(
                "The folder could not be read. Try again.",
                doing="list_files",
                gp=GpFailure(0, "; ".join(self._call.messages)),
            )
        return FolderNames(_names(folders), _names(files))

    def delete_file(self, path: str) -> None:
        """Delete one file from the camera's storage.

        Raises:
            FileNotFound: no such file.
        """
        folder, name = self._checked(path)
        with self._noting_support("delete"):
            self._call(lambda: self._raw.file_delete(self._camera, folder, name, self._context), "delete_file")

    # -- events

    @property
    def has_events(self) -> bool:
        """Whether the driver supported events at the last attempt."""
        return self._queue.supported

    def events(self) -> list[FileAdded | ConfigChanged]:
        """The events since the last call."""
        self.has_more_events = self._queue.pump(_POLL_MS)
        self.learned["events"] = self._queue.supported
        return self._queue.take()

    def read_events(self) -> list[FileAdded | ConfigChanged]:
        """The events that were read from the camera and not returned yet. Does not ask the camera."""
        return self._queue.take()

    def next_event(self, timeout_ms: int) -> str | None:
        """The text of the next event if libgphoto2 has no type for it; None for other events, or if none arrives.

        Events that `events` can return are stored.
        """
        event, data = self._queue.wait(timeout_ms)
        if event == TIMEOUT:
            return None
        self._queue.keep(event, data)
        return data if event == UNKNOWN else None

    def close(self) -> None:
        """Switch live view off, and release the camera."""
        try:
            if self.viewfinder_on:
                self.viewfinder(False)
        finally:
            self._call(lambda: self._camera.exit(self._context), "close")

    def _checked(self, path: str) -> tuple[bytes, bytes]:
        """Split the path of a file or folder, after checking that clients may use it."""
        if not is_camera_path(path):
            raise InvalidPath(_PATH_RULE, camera_filepath=path)
        if leads_out(self._port, _raw(path)):
            raise InvalidPath("This path leads out of the drive through a link.", camera_filepath=path)
        return _split(path)


def _split(path: str) -> tuple[bytes, bytes]:
    folder, _, name = _raw(path).rpartition(b"/")
    return folder or b"/", name


def _raw(path: str) -> bytes:
    try:
        return unescaped(path)
    except ValueError as error:
        words = f"The camera has no such path: {error}."
        raise NoSuchPath(words, camera_filepath=path) from error


def _names(listed: Any) -> list[str]:
    return [read(partial(listed.get_name, index)) for index in range(listed.count())]


_NO_THUMBNAIL = "The camera has no thumbnail of this file."
_PATH_RULE = "A path on the camera must be absolute and consist of plain names, for example /store_00020001/DCIM/100CANON/IMG_0001.JPG."
