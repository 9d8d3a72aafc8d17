"""A Nikon D7100: its identity and its operations.

Source of the codes: ptp.h of libgphoto2. The steps of a shot and of live view are those that library.c of libgphoto2
expects (functions camera_nikon_capture and camera_capture_preview).
"""

from __future__ import annotations

import time
from dataclasses import replace

from .. import datasets, standard
from ..body import Body
from ..card import FORMAT_FOLDER, FORMAT_JPEG, FORMAT_MOVIE, FORMAT_NEF, StoredFile
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
from .settings import NikonSettings

OUT_OF_FOCUS, INVALID_STATUS, NOT_LIVE_VIEW, LENS_AT_LIMIT, MOVE_TOO_SMALL = 0xA002, 0xA004, 0xA00B, 0xA00C, 0xA00E

_NEAR, _FAR = 1, 2
"""The values of the first parameter of MfDrive."""

WITH_AUTOFOCUS = 0xFFFFFFFE
"""The first parameter of a release with autofocus; 0xFFFFFFFF is a release without autofocus."""

MIRROR_SECONDS = 0.03

NAMES = standard.NAMES | {
    0x90C0: "InitiateCaptureRecInSdram", 0x90C1: "AfDrive", 0x90C2: "ChangeCameraMode", 0x90C3: "DelImageSDRAM",
    0x90C7: "GetEvent", 0x90C8: "DeviceReady", 0x90CA: "GetVendorPropCodes", 0x90CB: "AfCaptureSDRAM",
    0x9201: "StartLiveView", 0x9202: "EndLiveView", 0x9203: "GetLiveViewImg", 0x9204: "MfDrive",
    0x9205: "ChangeAfArea", 0x9206: "AfDriveCancel", 0x9207: "InitiateCaptureRecInMedia",
    0x920A: "StartMovieRecInCard", 0x920B: "EndMovieRec",
    0x920C: "TerminateCapture",
}  # fmt: skip


class NikonDslr(StandardDialect[NikonSettings]):
    """The dialect of one Nikon body."""

    names = NAMES
    releases_after_mirror = True

    def __init__(self, body: Body) -> None:
        """Create the dialect of ``body``."""
        super().__init__(body, NikonSettings(body), Lens(replace(props.OPTICS, picture=body.studio.still_size)))
        self._busy_until = 0.0
        self._outcome: int = ResponseCode.OK
        self._to_ram = False

    def _handlers(self) -> dict[int, Handler]:
        return super()._handlers() | {
            0x90C0: self._release_to_ram,
            0x90C1: self._autofocus,
            0x90C2: self._change_mode,
            0x90C3: self._delete_in_ram,
            0x90C7: self._get_events,
            0x90C8: self._device_ready,
            0x90CA: self._get_property_codes,
            0x90CB: self._release_to_ram,
            0x9201: self._start_live_view,
            0x9202: self._end_live_view,
            0x9203: self._get_live_view,
            0x9204: self._move_focus,
            0x9205: self._change_af_area,
            0x9206: self._accept,
            0x9207: self._release_to,
            0x920A: self._start_movie,
            0x920B: self._end_movie,
            0x920C: self._terminate_capture,
        }

    def device_info(self) -> DeviceInfo:
        """The identity and the abilities of the body. Nikon's own properties are in the reply to 0x90CA."""
        identity = self._body.identity
        return DeviceInfo(
            vendor_id=0x0A,
            vendor_version=100,
            vendor_description="microsoft.com: 1.0",
            operations=sorted(self.operations),
            events=(
                0x4002,
                0x4003,
                0x4004,
                0x4005,
                0x4006,
                0x4008,
                0x400A,
                0x400C,
                0x400D,
                0xC101,
                0xC102,
                0xC105,
                *((events.MOVIE_COMPLETE, events.MOVIE_STARTED) if self._reports_movies else ()),
            ),
            properties=[one.code for one in self.standard_properties() if not _vendor_property(one.code)],
            capture_formats=(FORMAT_JPEG, FORMAT_NEF),
            image_formats=(FORMAT_NEF, FORMAT_FOLDER, FORMAT_MOVIE, FORMAT_JPEG),
            manufacturer="Nikon Corporation",
            model=identity.model,
            version="V1.00",
            serial=identity.serial,
        )

    def standard_properties(self) -> list[Property]:
        """All properties, because for a Nikon the standard operations also read and write the maker's properties."""
        return [
            *self.settings.properties(),
            Property(0xD303, datasets.UINT8, 1),
            Property(0xD406, datasets.STRING, "Unknown Initiator"),
            Property(0xD407, datasets.UINT32, 1),
        ]

    # Sessions and events

    async def _open_session(self, request: Request) -> Reply:
        self.settings.emit_events(True)
        return Reply()

    def session_ended(self) -> None:
        """Drop what belongs to the session: events, live view, pictures in RAM."""
        super().session_ended()
        self._outcome = ResponseCode.OK

    def reset(self) -> None:
        """Return to the factory settings."""
        super().reset()
        self._outcome = ResponseCode.OK

    async def _get_events(self, request: Request) -> Reply:
        return Reply(data=events.pack(self.settings.take_events()))

    async def _change_mode(self, request: Request) -> Reply:
        if request.parameter(0) not in (0, 1):
            return Reply(ResponseCode.INVALID_VALUE)
        self.settings.set_control_mode(request.parameter(0))
        return Reply()

    async def _get_property_codes(self, request: Request) -> Reply:
        return Reply(
            data=datasets.array16(one.code for one in self.standard_properties() if _vendor_property(one.code))
        )

    async def _set_property_value(self, request: Request) -> Reply:
        return self._set(request.parameter(0), request.data)

    @property
    def _reports_movies(self) -> bool:
        """Whether the body has events for the start and the end of a movie, as mirrorless ones do."""
        return self._body.identity.model.startswith("Z")

    # Files

    def _matching(self, request: Request) -> list[int]:
        """In application mode, a host sees no files (libgphoto2 camlibs/ptp2/config.c, _put_Nikon_Movie)."""
        return [] if self.settings.number(props.APPLICATION_MODE) else super()._matching(request)

    async def _get_object_info(self, request: Request) -> Reply:
        stored = self._body.ram.get(request.parameter(0))
        if not stored:
            return await super()._get_object_info(request)
        # For the driver, storage 0 and parent 0 mean "in RAM".
        return Reply(data=replace(self._info(stored), storage=0).pack())

    async def _get_object(self, request: Request) -> Reply:
        reply = await super()._get_object(request)
        # Like a D750, delete a picture in RAM after the host has read it. The delete operation that the host then sends
        # does not find the object (libgphoto2 issue 22).
        self._drop_from_ram(request.parameter(0))
        return reply

    async def _delete_in_ram(self, request: Request) -> Reply:
        handles = [request.parameter(0)] if request.parameter(0) else list(self._body.ram)
        found = [self._drop_from_ram(handle) for handle in handles]
        return Reply() if any(found) else Reply(ResponseCode.INVALID_HANDLE)

    def _drop_from_ram(self, handle: int) -> bool:
        """Delete a picture in RAM, and emit the event for the next picture of the same shot."""
        gone = self._body.ram.pop(handle, None)
        if gone:
            others = (stored for stored in self._body.ram.values() if stored.shot == gone.shot)
            if following := next(others, None):
                self.settings.emit(events.ADDED_IN_RAM, following.handle)
        return gone is not None

    # Shutter and focus

    @property
    def _busy(self) -> bool:
        return self._body.exposing or time.monotonic() < self._busy_until

    async def _device_ready(self, request: Request) -> Reply:
        """Reply that the body is busy, or reply with the result of the last long operation."""
        if self._busy:
            return Reply(ResponseCode.DEVICE_BUSY)
        outcome, self._outcome = self._outcome, ResponseCode.OK
        return Reply(outcome)

    async def _release_to(self, request: Request) -> Reply:
        return self._release_shutter(request.parameter(0) == WITH_AUTOFOCUS, bool(request.parameter(1)))

    async def _release_to_ram(self, request: Request) -> Reply:
        return self._release_shutter(request.operation == 0x90CB, True)

    def _release_shutter(self, autofocus: bool, to_ram: bool) -> Reply:
        if self._busy:
            return Reply(ResponseCode.DEVICE_BUSY)
        exposure = replace(self.next_exposure(), to_host=to_ram)
        if autofocus and self.settings.number(props.FOCUS_MODE) != props.MANUAL_FOCUS:
            exposure = replace(exposure, seconds=exposure.seconds + AUTOFOCUS_SECONDS)
        self._outcome = ResponseCode.OK
        self._to_ram = to_ram
        speed = props.BURST_SPEEDS.get(self.settings.number(props.RELEASE_MODE))
        if speed is not None and not self.settings.bulb:
            frames = self.settings.number(props.BURST_NUMBER)
            return self._burst(lambda: replace(self.next_exposure(), to_host=to_ram), speed, frames)
        return self._release(exposure, hold=self.settings.bulb)

    async def _terminate_capture(self, request: Request) -> Reply:
        """End a bulb exposure."""
        return Reply() if self._body.close_shutter() else Reply(INVALID_STATUS)

    def _out_of_focus(self) -> Reply:
        # The reply to the release is OK. The host gets the failure with the reply to DeviceReady.
        self._outcome = OUT_OF_FOCUS
        return Reply()

    async def _autofocus(self, request: Request) -> Reply:
        if self._busy:
            return Reply(ResponseCode.DEVICE_BUSY)
        self._busy_until = time.monotonic() + AUTOFOCUS_SECONDS
        if self._body.faults.take({Kind.FOCUS_FAILED}):
            self._outcome = OUT_OF_FOCUS
        else:
            self._outcome = ResponseCode.OK
            self.lens.focus()
        return Reply()

    async def _move_focus(self, request: Request) -> Reply:
        direction, distance = request.parameter(0), request.parameter(1)
        if not self._body.live_view:
            return Reply(NOT_LIVE_VIEW)
        if self._busy:
            return Reply(ResponseCode.DEVICE_BUSY)
        if direction not in (_NEAR, _FAR):
            return Reply(ResponseCode.INVALID_VALUE)
        self._outcome = ResponseCode.OK
        if distance < props.SMALLEST_MOVE:
            self._outcome = MOVE_TOO_SMALL
        elif not self.lens.drive(distance if direction == _FAR else -distance):
            self._outcome = LENS_AT_LIMIT
        self._busy_until = time.monotonic() + distance / props.MOVE_PER_SECOND
        return Reply()

    async def _change_af_area(self, request: Request) -> Reply:
        x, y = request.parameter(0), request.parameter(1)
        width, height = self.lens.optics.picture
        if not self._body.live_view:
            return Reply(NOT_LIVE_VIEW)
        if not (0 <= x < width and 0 <= y < height):
            return Reply(ResponseCode.INVALID_VALUE)
        self.lens.point = (x, y)
        return Reply()

    # Live view

    async def _start_live_view(self, request: Request) -> Reply:
        if self._busy:
            return Reply(ResponseCode.DEVICE_BUSY)
        if self.settings.live_view_prohibited():
            return Reply(INVALID_STATUS)
        if not self._body.live_view:
            self._body.switch_live_view(True)
            self._busy_until = time.monotonic() + MIRROR_SECONDS
        return Reply()

    async def _end_live_view(self, request: Request) -> Reply:
        if self._body.exposing:
            return Reply(ResponseCode.DEVICE_BUSY)
        self._body.switch_live_view(False)
        self._body.recorder.end("live view")
        return Reply()

    async def _get_live_view(self, request: Request) -> Reply:
        if not self._body.live_view:
            return Reply(NOT_LIVE_VIEW)
        if self._busy:
            return Reply(ResponseCode.DEVICE_BUSY)
        variety = self._live_view_variety(request)
        frame = await self._body.next_frame()
        sizes = (*self._body.studio.frame_size, *self.lens.optics.picture)
        return Reply(data=live_view_reply(frame, sizes, variety))

    # Movies

    async def _start_movie(self, request: Request) -> Reply:
        if self.settings.movie_prohibited() or not self._body.live_view:
            return Reply(INVALID_STATUS)
        try:
            self._body.recorder.start(self)
        except MovieRejected:
            return Reply(INVALID_STATUS)
        return Reply()

    async def _end_movie(self, request: Request) -> Reply:
        return Reply() if self._body.recorder.end("host") else Reply(INVALID_STATUS)

    def movie_started(self) -> None:
        """Emit that the body records, if it has an event for that."""
        if self._reports_movies:
            self.settings.emit(events.MOVIE_STARTED)

    def movie_ended(self, interrupted: bool) -> None:
        """Emit that the body has ended a movie by itself."""
        if interrupted:
            self.settings.emit(events.MOVIE_INTERRUPTED)

    def movie_stored(self, stored: StoredFile) -> None:
        """Emit that the file is on the card."""
        self.settings.emit(events.OBJECT_ADDED, stored.handle)
        if self._reports_movies:
            self.settings.emit(events.MOVIE_COMPLETE)
        self.card_changed()

    # The steps of a shot: see body.ShutterListener

    def mirror_raised(self) -> None:
        """Emit that the first phase of a shot with mirror lock-up is complete."""
        self._outcome = ResponseCode.OK
        self.settings.emit(events.FIRST_COMPLETE)

    def exposure_started(self) -> None:
        """End live view, because the shutter has opened."""
        self._body.switch_live_view(False)

    def burst_goes_on(self) -> None:
        """Emit nothing: a Nikon reports the end of a burst, and its files."""

    def picture_stored(self, stored: StoredFile) -> None:
        """Emit that a picture was stored on the card."""
        self.settings.emit(events.OBJECT_ADDED, stored.handle)

    def picture_in_ram(self, stored: StoredFile) -> None:
        """Emit that the first picture of a shot waits in RAM for the host. `_drop_from_ram` emits the next pictures."""
        if sum(one.shot == stored.shot for one in self._body.ram.values()) == 1:
            self.settings.emit(events.ADDED_IN_RAM, stored.handle)

    def exposure_ended(self) -> None:
        """Emit that the shot is finished."""
        self.settings.emit(events.COMPLETE_IN_RAM if self._to_ram else events.CAPTURE_COMPLETE)
        self.settings.emit(events.PROPERTY_CHANGED, props.SHOTS_LEFT)

    # Changes on the body: see dialect.Dialect

    async def press_shutter(self) -> list[StoredFile]:
        """Take a shot with the body's own button; returns its files."""
        self._to_ram = self.next_exposure().to_host
        return await super().press_shutter()

    def battery_changed(self) -> None:
        """Emit that the battery level has changed."""
        self.settings.emit(events.PROPERTY_CHANGED, props.BATTERY)

    def card_changed(self) -> None:
        """Emit that the free space of the card and the number of shots that fit on it have changed."""
        self.settings.emit(events.STORAGE_CHANGED, props.LAYOUT.storage)
        self.settings.emit(events.PROPERTY_CHANGED, props.SHOTS_LEFT)

    def file_removed(self, stored: StoredFile) -> None:
        """Emit that a file was deleted on the body."""
        self.settings.emit(events.OBJECT_REMOVED, stored.handle)
        self.card_changed()


def _vendor_property(code: int) -> bool:
    """Whether a property is Nikon's own. The device info does not list Nikon's own properties."""
    return code & 0xF000 == 0xD000 and not 0xD300 <= code < 0xD500
