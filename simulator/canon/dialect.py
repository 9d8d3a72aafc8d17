"""A Canon EOS 550D: its identity and its operations."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from .. import datasets, standard
from ..body import Body
from ..card import StoredFile
from ..datasets import DeviceInfo, Property
from ..dialect import Handler
from ..faults import Kind
from ..lens import Lens
from ..movies import MovieRejected
from ..ptp import Reply, Request, ResponseCode
from ..standard import AUTOFOCUS_SECONDS, StandardDialect
from . import events
from . import properties as props
from .live_view import live_view_reply
from .settings import CanonSettings

LIVE_VIEW_READY_SECONDS = 0.5
"""Before live view has run for this time, the body accepts the order to record and ignores it (libgphoto2 issue 489)."""

NOT_READY = 0xA102
"""Canon: there is no live-view frame yet. The driver retries for up to 3 s."""

NAMES = standard.NAMES | {
    0x9101: "GetStorageIDs", 0x9102: "GetStorageInfo", 0x9103: "GetObjectInfo", 0x9108: "GetDeviceInfoEx",
    0x9109: "GetObjectInfoEx", 0x910C: "SetObjectAttributes", 0x9110: "SetDevicePropValueEx",
    0x9113: "GetRemoteMode", 0x9114: "SetRemoteMode", 0x9115: "SetEventMode", 0x9116: "GetEvent",
    0x9117: "TransferComplete", 0x9118: "CancelTransfer", 0x911A: "PCHDDCapacity", 0x911B: "SetUILock",
    0x911C: "ResetUILock", 0x911D: "KeepDeviceOn", 0x9125: "BulbStart", 0x9126: "BulbEnd",
    0x9127: "RequestDevicePropValue", 0x9128: "RemoteReleaseOn", 0x9129: "RemoteReleaseOff",
    0x9131: "PopupBuiltinFlash", 0x9153: "GetViewFinderData", 0x9154: "DoAf", 0x9155: "DriveLens",
    0x9158: "Zoom", 0x9159: "ZoomPosition", 0x9160: "AfCancel",
}  # fmt: skip


class CanonEos(StandardDialect[CanonSettings]):
    """The dialect of one Canon EOS body."""

    names = NAMES
    takes_data = standard.TAKES_DATA | {0x9110}

    def __init__(self, body: Body) -> None:
        """Create the dialect of ``body``."""
        super().__init__(body, CanonSettings(body), Lens(props.OPTICS))

    def _handlers(self) -> dict[int, Handler]:
        return super()._handlers() | {
            0x9101: self._get_storage_ids,
            0x9102: self._get_storage_info,
            0x9103: self._get_object_info,
            0x9108: self._get_device_info_ex,
            0x9109: self._get_object_info_ex,
            0x9110: self._set_property,
            0x9113: self._get_remote_mode,
            0x9114: self._set_remote_mode,
            0x9115: self._set_event_mode,
            0x9116: self._get_events,
            0x9117: self._transfer_complete,
            0x9118: self._transfer_complete,
            0x911A: self._set_host_capacity,
            0x9125: self._start_bulb,
            0x9126: self._end_bulb,
            0x9127: self._request_property,
            0x9128: self._release_on,
            0x9129: self._release_off,
            0x9153: self._get_live_view,
            0x9154: self._do_af,
            0x9155: self._drive_lens,
            0x9158: self._zoom,
            0x9159: self._zoom_position,
            **dict.fromkeys((0x910C, 0x911B, 0x911C, 0x911D, 0x9131, 0x9160), self._accept),
        }

    def device_info(self) -> DeviceInfo:
        """The identity and the abilities of the body."""
        identity = self._body.identity
        return DeviceInfo(
            vendor_id=0x0B,
            vendor_version=100,
            vendor_description="",
            operations=sorted(self.operations),
            events=(0x4002, 0x4003, 0x4004, 0x4005, 0x4009),
            properties=[one.code for one in self.standard_properties()],
            capture_formats=(0x3801,),
            image_formats=(0x3001, 0x300D, 0x3801, 0xB103),
            manufacturer="Canon Inc.",
            model=identity.model,
            version="3-1.0.9",
            serial=identity.serial,
        )

    def standard_properties(self) -> list[Property]:
        """The standard properties. With Canon's own properties here, libgphoto2 would treat the camera differently."""
        return [
            Property(0xD402, datasets.STRING, self._body.identity.model),
            Property(0xD407, datasets.UINT32, 1),
            Property(0xD406, datasets.STRING, "Unknown Initiator", writable=True),
            # On a real 550D, this property is a flag. Here it is a range, so that tests have a range widget. It has 200
            # steps, because libgphoto2 shows a range with fewer than 128 steps as a menu.
            Property(0xD303, datasets.UINT8, 1, writable=True, bounds=(0, 200, 1)),
            Property(0x5001, datasets.UINT8, self._body.battery, choices=tuple(props.BATTERY_VALUES)),
        ]

    # Sessions and events

    async def _get_remote_mode(self, request: Request) -> Reply:
        return Reply(parameters=(self.settings.remote_mode,))

    async def _set_remote_mode(self, request: Request) -> Reply:
        self.settings.remote_mode = request.parameter(0)
        return Reply()

    async def _set_event_mode(self, request: Request) -> Reply:
        self.settings.set_event_mode(request.parameter(0))
        return Reply()

    async def _get_events(self, request: Request) -> Reply:
        return Reply(data=b"".join((*self.settings.take_events(), events.END)))

    async def _get_device_info_ex(self, request: Request) -> Reply:
        arrays = datasets.array32(events.CODES) + datasets.array32([]) + datasets.array32([])
        return Reply(data=struct.pack("<I", len(arrays) + 4) + arrays)

    async def _request_property(self, request: Request) -> Reply:
        known = self.settings.announce(request.parameter(0))
        return Reply() if known else Reply(ResponseCode.PROPERTY_NOT_SUPPORTED)

    async def _set_property(self, request: Request) -> Reply:
        if len(request.data) < 8:
            return Reply(ResponseCode.INVALID_VALUE)
        code, value = int.from_bytes(request.data[4:8], "little"), request.data[8:]
        if code == props.MOVIE_TARGET and "movierecordtarget" not in self.settings.vetoed():
            return self._set_movie(int.from_bytes(value[:2], "little"))
        reply = self._set(code, value)
        if not self._body.live_view:
            self.lens.live_view_ended()
            if code == props.LIVE_VIEW_OUTPUT:
                self._body.recorder.end("live view")
        return reply

    def _set_movie(self, target: int) -> Reply:
        """Start or end a movie."""
        recorder = self._body.recorder
        if target == props.MOVIE_TO_CARD:
            if self._body.exposing or not self._body.live_view:
                return Reply(ResponseCode.DEVICE_BUSY)
            if time.monotonic() < self._body.live_view_since + LIVE_VIEW_READY_SECONDS:
                return Reply()
            try:
                recorder.start(self)
            except MovieRejected:
                return Reply(ResponseCode.DEVICE_BUSY)
        elif not recorder.end("host"):
            self.settings.announce(props.MOVIE_TARGET)
        return Reply()

    async def _set_host_capacity(self, request: Request) -> Reply:
        self.settings.host_clusters = request.parameter(0)
        self.settings.announce(props.AVAILABLE_SHOTS)
        return Reply()

    # Files

    async def _get_object_info_ex(self, request: Request) -> Reply:
        return Reply(data=_folder_entries(self._body.card.children(request.parameter(1))))

    async def _delete_object(self, request: Request) -> Reply:
        reply = await super()._delete_object(request)
        if reply == Reply():
            self.card_changed()
        return reply

    async def _transfer_complete(self, request: Request) -> Reply:
        stored = self._body.ram.pop(request.parameter(0), None)
        return Reply() if stored else Reply(ResponseCode.INVALID_HANDLE)

    # Shutter and live view

    async def _release_on(self, request: Request) -> Reply:
        button = request.parameter(0)
        if button & props.HALF_PRESS:
            self.lens.press_half(True)
        if button == props.HALF_PRESS:
            return await self._autofocus(self._body.faults.armed(Kind.FOCUS_FAILED), request.parameter(1) == 0)
        speed = props.BURST_SPEEDS.get(self.settings.number(props.DRIVE_MODE))
        if speed is not None and not self.settings.bulb and not self.settings.mirror_lock:
            if distance := props.BRACKETS_EV.get(self.settings.number(props.AEB)):
                return self._bracket(distance, speed)
            return self._burst(self.next_exposure, speed)
        return self._release(self.next_exposure(), hold=self.settings.bulb)

    def _bracket(self, distance: Fraction, speed: float) -> Reply:
        """Take three pictures: with the exposure of the settings, a darker and a brighter one. Then the burst ends."""
        usual = self.next_exposure()
        shutters = [usual.shutter * Fraction(2 ** float(ev)) for ev in (0, -distance, distance)]
        pictures = [replace(usual, shutter=one.limit_denominator(8000), seconds=float(one)) for one in shutters]
        following = iter((usual, *pictures))  # the first one is only asked whether it fits on the card
        return self._burst(lambda: next(following), speed, len(pictures))

    def _out_of_focus(self) -> Reply:
        # For this failure, real bodies send the same code as when they are busy (libgphoto2 issue 304).
        return Reply(ResponseCode.DEVICE_BUSY)

    async def _release_off(self, request: Request) -> Reply:
        if request.parameter(0) & props.HALF_PRESS:
            self.lens.press_half(False)
        if request.parameter(0) & props.FULL_PRESS:
            self._body.close_shutter()
            self._body.release_button()
        return Reply()

    async def _do_af(self, request: Request) -> Reply:
        return await self._autofocus(self._body.faults.take({Kind.FOCUS_FAILED}) is not None, True)

    async def _autofocus(self, fails: bool, wanted: bool) -> Reply:
        """Focus, unless the lens is on manual focus or the host has not asked for it (``wanted``)."""
        if wanted and self.settings.number(props.FOCUS_MODE) != props.MANUAL_FOCUS:
            await asyncio.sleep(AUTOFOCUS_SECONDS)
            if not fails:
                self.lens.focus()
            self.settings.push(events.focus_info([] if fails else [4]))
        else:
            # After a half press the driver waits up to 0.1 s for an event. A real body sends metering values, but any
            # event ends the wait.
            self.settings.announce(props.AVAILABLE_SHOTS)
        return Reply()

    async def _start_bulb(self, request: Request) -> Reply:
        if not self.settings.bulb:
            return Reply(ResponseCode.GENERAL_ERROR)
        return self._release(self.next_exposure(), hold=True)

    async def _end_bulb(self, request: Request) -> Reply:
        self._body.close_shutter()
        return Reply()

    async def _drive_lens(self, request: Request) -> Reply:
        steps = props.LENS_STEPS.get(request.parameter(0))
        if steps is None:
            return Reply(ResponseCode.INVALID_VALUE)
        if not self._body.live_view:
            return Reply(ResponseCode.DEVICE_BUSY)
        self.lens.drive(steps)  # the body does not report that the lens is at a limit
        return Reply()

    async def _zoom(self, request: Request) -> Reply:
        if not self._body.live_view:
            return Reply(ResponseCode.DEVICE_BUSY)
        if request.parameter(0) not in props.ZOOMS:
            return Reply(ResponseCode.INVALID_VALUE)
        self.lens.zoom = request.parameter(0)
        return Reply()

    async def _zoom_position(self, request: Request) -> Reply:
        if not self._body.live_view:
            return Reply(ResponseCode.DEVICE_BUSY)
        x, y = request.parameter(0), request.parameter(1)
        (width, height), part = self.lens.optics.picture, max(self.lens.zoom, props.ZOOMS[1])
        # A real body ignores positions that are not allowed, and replies OK (libgphoto2 issue 198).
        if 0 < x <= width - width // part and 0 < y <= height - height // part:
            self.lens.zoom_at = (x, y)
            self.lens.point = (x + width // part // 2, y + height // part // 2)
        return Reply()

    async def _get_live_view(self, request: Request) -> Reply:
        if not self._body.live_view or self._body.exposing:
            return Reply(NOT_READY)
        variety = self._live_view_variety(request)
        return Reply(data=live_view_reply(await self._body.next_frame(), variety))

    # The steps of a shot: see body.ShutterListener

    def mirror_raised(self) -> None:
        """Emit the state of the mirror."""
        self.settings.announce(props.MIRROR_LOCK_STATE)

    def exposure_started(self) -> None:
        """Emit that a shot has started."""
        self.settings.push(events.status_changed(busy=True))

    def burst_goes_on(self) -> None:
        """Emit how many shots fit on the card, and the number of releases."""
        self.settings.announce(props.AVAILABLE_SHOTS)
        self.settings.announce(props.SHUTTER_COUNTER)

    def picture_stored(self, stored: StoredFile) -> None:
        """Emit that a picture was stored on the card."""
        self.settings.push(events.object_added(stored))

    def picture_in_ram(self, stored: StoredFile) -> None:
        """Emit that a picture in RAM can be fetched by the host."""
        self.settings.push(events.transfer_request(stored))

    def exposure_ended(self) -> None:
        """Emit that the shot is finished."""
        self.settings.announce(props.AVAILABLE_SHOTS)
        self.settings.announce(props.SHUTTER_COUNTER)
        self.settings.push(events.status_changed(busy=False))

    # The steps of a movie: see movies.MovieListener

    def movie_started(self) -> None:
        """Emit that the body records."""
        self.settings.announce(props.MOVIE_TARGET)

    def movie_ended(self, interrupted: bool) -> None:
        """Emit that the body no longer records."""
        self.settings.announce(props.MOVIE_TARGET)

    def movie_stored(self, stored: StoredFile) -> None:
        """Emit that the file is on the card."""
        self.settings.push(events.object_added(stored))
        self.card_changed()

    # Changes on the body: see dialect.Dialect

    def battery_changed(self) -> None:
        """Emit the level of the battery."""
        self.settings.announce(props.BATTERY)

    def card_changed(self) -> None:
        """Emit the number of shots that fit on the card."""
        self.settings.announce(props.AVAILABLE_SHOTS)

    def file_removed(self, stored: StoredFile) -> None:
        """Emit that a file was deleted on the body."""
        self.settings.push(events.object_removed(stored.handle))
        self.card_changed()


def _folder_entries(children: Sequence[StoredFile]) -> bytes:
    """The list of a folder's files (0x9109): u32 count, then 56 bytes for each file."""
    entries = [struct.pack("<I", len(children))]
    for stored in children:
        name = datasets.plain_bytes(stored.name)[:15]
        size = len(stored.content)
        head = (56, stored.handle, props.LAYOUT.storage, stored.format, 0, 0, 0, size, 0, stored.parent)
        entries.append(struct.pack("<IIIHHIIIII16sI", *head, name, int(stored.taken)))
    return b"".join(entries)
