"""A Nikon D7100: its identity and its operations.

Codes: libgphoto2's ptp.h. Order of a shot and of live view: what library.c (camera_nikon_capture,
camera_capture_preview) expects of a body.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Sequence
from dataclasses import replace

from .. import datasets, standard
from ..body import Body, CardFull, CardProtected, OutOfFocus, ShutterRefused
from ..card import FORMAT_FOLDER, FORMAT_JPEG, FORMAT_NEF, Layout, StoredFile
from ..datasets import DeviceInfo, Property
from ..dialect import Handler
from ..exposures import Exposure
from ..faults import DEVICE_BUSY, Kind
from ..ptpip import OK, Reply, Request
from . import properties as props
from .live_view import live_view_answer
from .settings import NikonSettings

LAYOUT = Layout(0x00010001, "D7100", "DSC_")

OUT_OF_FOCUS, INVALID_STATUS, NOT_LIVE_VIEW = 0xA002, 0xA004, 0xA00B
OBJECT_ADDED, OBJECT_REMOVED, PROPERTY_CHANGED, STORAGE_CHANGED, CAPTURE_COMPLETE = (
    0x4002,
    0x4003,
    0x4006,
    0x400C,
    0x400D,
)
ADDED_IN_RAM, COMPLETE_IN_RAM = 0xC101, 0xC102

WITH_AUTOFOCUS = 0xFFFFFFFE
"""First parameter of a release; 0xFFFFFFFF is one without."""

AUTOFOCUS_SECONDS, MIRROR_SECONDS = 0.1, 0.03

NAMES = standard.NAMES | {
    0x90C0: "InitiateCaptureRecInSdram", 0x90C1: "AfDrive", 0x90C2: "ChangeCameraMode", 0x90C3: "DelImageSDRAM",
    0x90C7: "GetEvent", 0x90C8: "DeviceReady", 0x90CA: "GetVendorPropCodes", 0x90CB: "AfCaptureSDRAM",
    0x9201: "StartLiveView", 0x9202: "EndLiveView", 0x9203: "GetLiveViewImg", 0x9204: "MfDrive",
    0x9205: "ChangeAfArea", 0x9206: "AfDriveCancel", 0x9207: "InitiateCaptureRecInMedia",
}  # fmt: skip


class NikonDslr:
    """The dialect of one body. Lives as long as the body; what belongs to a session is reset with it."""

    names = NAMES

    def __init__(self, body: Body) -> None:
        """Speak for ``body``."""
        self._body = body
        self._events: list[tuple[int, int]] = []
        self._in_session = False
        self._busy_until = 0.0
        self._outcome = OK
        self._to_ram = False
        self.settings = NikonSettings(body, lambda code: self._tell(PROPERTY_CHANGED, code))
        self._standard = standard.StandardOperations(body, self.device_info, self._properties, self.settings.exposure)
        self.operations: dict[int, Handler] = self._standard.operations() | self._vendor_operations()

    def _vendor_operations(self) -> dict[int, Handler]:
        return {
            0x1002: self._open_session,
            0x1008: self._get_object_info,
            0x1009: self._get_object,
            0x1016: self._set_property,
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
            0x9205: self._move_focus,
            0x9206: self._standard.accept,
            0x9207: self._release,
        }

    def device_info(self) -> DeviceInfo:
        """What the body says about itself; its own properties come with 0x90CA."""
        identity = self._body.identity
        return DeviceInfo(
            vendor_id=0x0A,
            vendor_version=100,
            vendor_description="microsoft.com: 1.0",
            operations=sorted(self.operations),
            events=(0x4002, 0x4003, 0x4004, 0x4005, 0x4006, 0x4008, 0x400A, 0x400C, 0x400D, 0xC101, 0xC102),
            properties=[one.code for one in self._properties() if not _own(one.code)],
            capture_formats=(FORMAT_JPEG, FORMAT_NEF),
            image_formats=(FORMAT_NEF, FORMAT_FOLDER, FORMAT_JPEG),
            manufacturer="Nikon Corporation",
            model=identity.model,
            version="V1.00",
            serial=identity.serial,
        )

    def _properties(self) -> list[Property]:
        return [
            *self.settings.properties(),
            Property(0xD303, datasets.UINT8, 1),
            Property(0xD406, datasets.STRING, "Unknown Initiator"),
            Property(0xD407, datasets.UINT32, 1),
        ]

    # Session and events

    async def _open_session(self, request: Request) -> Reply:
        self._in_session = True
        return Reply()

    def session_ended(self) -> None:
        """The host is gone: no events, live view off, pictures to the card again."""
        self._in_session = False
        self._events.clear()
        self._outcome = OK
        self._body.ram.clear()
        self._body.switch_live_view(False)
        self.settings.session_ended()

    def reset(self) -> None:
        """Back to factory settings."""
        self._outcome = OK
        self.settings.reset()
        for one in self.settings.properties():
            self._tell(PROPERTY_CHANGED, one.code)

    def _tell(self, code: int, parameter: int = 0) -> None:
        """Queue an event, if there is a host."""
        if self._in_session:
            self._events.append((code, parameter))

    async def _get_events(self, request: Request) -> Reply:
        records = b"".join(struct.pack("<HI", *event) for event in self._events)
        count = len(self._events)
        self._events.clear()
        return Reply(data=struct.pack("<H", count) + records)

    async def _change_mode(self, request: Request) -> Reply:
        if request.parameter(0) not in (0, 1):
            return Reply(standard.INVALID_VALUE)
        self.settings.set_control_mode(request.parameter(0))
        return Reply()

    async def _get_property_codes(self, request: Request) -> Reply:
        return Reply(data=datasets.array16(one.code for one in self._properties() if _own(one.code)))

    async def _set_property(self, request: Request) -> Reply:
        if self._body.exposing:
            return Reply(DEVICE_BUSY)
        return Reply(self.settings.set_from_host(request.parameter(0), request.data))

    # Files

    async def _get_object_info(self, request: Request) -> Reply:
        stored = self._body.ram.get(request.parameter(0))
        if not stored:
            return await self._standard.get_object_info(request)
        # Storage 0 and parent 0: the driver takes them for "in RAM".
        return Reply(data=replace(self._standard.info(stored), storage=0).pack())

    async def _get_object(self, request: Request) -> Reply:
        reply = await self._standard.operations()[0x1009](request)
        # So it is on a D750, where the delete that follows finds no such object (libgphoto2 issue 22).
        self._forget_in_ram(request.parameter(0))
        return reply

    async def _delete_in_ram(self, request: Request) -> Reply:
        handles = [request.parameter(0)] if request.parameter(0) else list(self._body.ram)
        found = [self._forget_in_ram(handle) for handle in handles]
        return Reply() if any(found) else Reply(standard.INVALID_HANDLE)

    def _forget_in_ram(self, handle: int) -> bool:
        """A picture in RAM is gone once it was fetched; the next one of its shot is offered then."""
        gone = self._body.ram.pop(handle, None)
        if gone:
            others = (stored for stored in self._body.ram.values() if stored.shot == gone.shot)
            if following := next(others, None):
                self._tell(ADDED_IN_RAM, following.handle)
        return gone is not None

    # Shutter and focus

    @property
    def _busy(self) -> bool:
        return self._body.exposing or time.monotonic() < self._busy_until

    async def _device_ready(self, request: Request) -> Reply:
        """Busy, or how the last thing that took its time came out."""
        if self._busy:
            return Reply(DEVICE_BUSY)
        outcome, self._outcome = self._outcome, OK
        return Reply(outcome)

    async def _release(self, request: Request) -> Reply:
        return self._fire(request.parameter(0) == WITH_AUTOFOCUS, bool(request.parameter(1)))

    async def _release_to_ram(self, request: Request) -> Reply:
        return self._fire(request.operation == 0x90CB, True)

    def _fire(self, autofocus: bool, to_ram: bool) -> Reply:
        if self._busy:
            return Reply(DEVICE_BUSY)
        exposure = replace(self.settings.exposure(), to_host=to_ram)
        if autofocus and self.settings.number(props.FOCUS_MODE) != props.MANUAL_FOCUS:
            exposure = replace(exposure, seconds=exposure.seconds + AUTOFOCUS_SECONDS)
        self._outcome = OK
        self._to_ram = to_ram
        try:
            self._body.fire(exposure, self)
        except CardFull:
            return Reply(standard.STORE_FULL)
        except CardProtected:
            return Reply(standard.STORE_READ_ONLY)
        except OutOfFocus:
            # The release is accepted; that there was no focus comes out when the host asks whether it is ready.
            self._outcome = OUT_OF_FOCUS
        except ShutterRefused:
            return Reply(DEVICE_BUSY)
        return Reply()

    async def _autofocus(self, request: Request) -> Reply:
        if self._busy:
            return Reply(DEVICE_BUSY)
        self._busy_until = time.monotonic() + AUTOFOCUS_SECONDS
        self._outcome = OUT_OF_FOCUS if self._body.faults.armed(Kind.FOCUS_FAILED) else OK
        return Reply()

    async def _move_focus(self, request: Request) -> Reply:
        return Reply() if self._body.live_view else Reply(NOT_LIVE_VIEW)

    # Live view

    async def _start_live_view(self, request: Request) -> Reply:
        if self._busy:
            return Reply(DEVICE_BUSY)
        if self.settings.live_view_prohibited():
            return Reply(INVALID_STATUS)
        if not self._body.live_view:
            self._body.switch_live_view(True)
            self._busy_until = time.monotonic() + MIRROR_SECONDS
        return Reply()

    async def _end_live_view(self, request: Request) -> Reply:
        if self._body.exposing:
            return Reply(DEVICE_BUSY)
        self._body.switch_live_view(False)
        return Reply()

    async def _get_live_view(self, request: Request) -> Reply:
        if not self._body.live_view:
            return Reply(NOT_LIVE_VIEW)
        if self._busy:
            return Reply(DEVICE_BUSY)
        fault = self._body.faults.take({Kind.MALFORMED_LIVE_VIEW}, request.operation)
        frame = await self._body.next_frame()
        return Reply(data=live_view_answer(frame, self._body.studio.frame_size, fault.variety if fault else None))

    # What the body tells: see body.ShutterListener

    def exposure_started(self) -> None:
        """The mirror comes down for the shot, and with it live view ends."""
        self._body.switch_live_view(False)

    def picture_stored(self, stored: StoredFile) -> None:
        """A picture is on the card."""
        self._tell(OBJECT_ADDED, stored.handle)

    def picture_in_ram(self, stored: StoredFile) -> None:
        """A picture waits for the host. Of those of one shot the first is offered alone."""
        if sum(one.shot == stored.shot for one in self._body.ram.values()) == 1:
            self._tell(ADDED_IN_RAM, stored.handle)

    def exposure_ended(self) -> None:
        """The body is free again."""
        self._tell(COMPLETE_IN_RAM if self._to_ram else CAPTURE_COMPLETE)
        self._tell(PROPERTY_CHANGED, props.SHOTS_LEFT)

    # What a person does to the body: see dialect.Dialect

    def properties(self) -> dict[str, object]:
        """Every property by name, with its label or value."""
        return self.settings.describe()

    def change(self, name: str, value: object) -> None:
        """Turn a dial."""
        self.settings.change(name, value)

    def veto(self, name: str, on: bool) -> None:
        """Keep the old value when the host sets it."""
        self.settings.veto(name, on)

    def vetoed(self) -> Sequence[str]:
        """The names of the properties that keep their value."""
        return self.settings.vetoed()

    def next_exposure(self) -> Exposure:
        """The shot that the body's own button makes."""
        return self.settings.exposure()

    async def press_shutter(self) -> list[StoredFile]:
        """The camera's own button."""
        exposure = self.settings.exposure()
        self._to_ram = exposure.to_host
        return await self._body.press(exposure, self)

    def battery_changed(self) -> None:
        """Tell the host."""
        self._tell(PROPERTY_CHANGED, props.BATTERY)

    def card_changed(self) -> None:
        """Tell the host."""
        self._tell(STORAGE_CHANGED, LAYOUT.storage)
        self._tell(PROPERTY_CHANGED, props.SHOTS_LEFT)

    def file_removed(self, stored: StoredFile) -> None:
        """Tell the host."""
        self._tell(OBJECT_REMOVED, stored.handle)
        self.card_changed()


def _own(code: int) -> bool:
    """Whether a property is Nikon's own, which the device info does not tell."""
    return code & 0xF000 == 0xD000 and not 0xD300 <= code < 0xD500
