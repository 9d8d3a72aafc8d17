"""A Canon EOS 550D: its identity and its operations."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence

from .. import datasets, standard
from ..body import Body, CardFull, CardProtected, ShutterRefused
from ..card import StoredFile
from ..datasets import DeviceInfo, Property
from ..dialect import Handler
from ..exposures import Exposure
from ..faults import DEVICE_BUSY, Kind
from ..ptpip import Reply, Request
from . import events
from . import properties as props
from .live_view import live_view_blob
from .settings import CanonSettings

NOT_READY = 0xA102
"""Canon: no live-view frame yet. The driver asks again for up to 3 s."""

AUTOFOCUS_SECONDS = 0.1

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


class CanonEos:
    """The dialect of one body. Lives as long as the body; what belongs to a session is reset with it."""

    names = NAMES

    def __init__(self, body: Body) -> None:
        """Speak for ``body``."""
        self._body = body
        self.settings = CanonSettings(body)
        self._standard = standard.StandardOperations(
            body, self.device_info, self._standard_properties, self.settings.exposure
        )
        self.operations: dict[int, Handler] = self._standard.operations() | self._vendor_operations()

    def _vendor_operations(self) -> dict[int, Handler]:
        accept = self._standard.accept
        return {
            0x100B: self._delete_object,
            0x9101: self._standard.get_storage_ids,
            0x9102: self._standard.get_storage_info,
            0x9103: self._standard.get_object_info,
            0x9108: self._get_device_info_ex,
            0x9109: self._get_object_info_ex,
            0x910C: accept,
            0x9110: self._set_property,
            0x9113: self._get_remote_mode,
            0x9114: self._set_remote_mode,
            0x9115: self._set_event_mode,
            0x9116: self._get_events,
            0x9117: self._transfer_complete,
            0x9118: self._transfer_complete,
            0x911A: self._set_host_capacity,
            **dict.fromkeys((0x911B, 0x911C, 0x911D), accept),
            0x9125: accept,
            0x9126: self._end_bulb,
            0x9127: self._request_property,
            0x9128: self._release_on,
            0x9129: accept,
            0x9131: accept,
            0x9153: self._get_live_view,
            0x9154: self._autofocus,
            **dict.fromkeys((0x9155, 0x9158, 0x9159, 0x9160), accept),
        }

    def device_info(self) -> DeviceInfo:
        """What the body says about itself."""
        identity = self._body.identity
        return DeviceInfo(
            vendor_id=0x0B,
            vendor_version=100,
            vendor_description="",
            operations=sorted(self.operations),
            events=(0x4002, 0x4003, 0x4004, 0x4005, 0x4009),
            properties=[one.code for one in self._standard_properties()],
            capture_formats=(0x3801,),
            image_formats=(0x3001, 0x3801, 0xB103),
            manufacturer="Canon Inc.",
            model=identity.model,
            version="3-1.0.9",
            serial=identity.serial,
        )

    def _standard_properties(self) -> list[Property]:
        """The standard properties. No vendor codes here: libgphoto2 would take its other way with them."""
        return [
            Property(0xD402, datasets.STRING, self._body.identity.model),
            Property(0xD407, datasets.UINT32, 1),
            Property(0xD406, datasets.STRING, "Unknown Initiator", writable=True),
            # A flag on a real 550D; here a range, so that a widget of that type exists. libgphoto2 makes a
            # menu of ranges below 128 steps.
            Property(0xD303, datasets.UINT8, 1, writable=True, bounds=(0, 200, 1)),
            Property(0x5001, datasets.UINT8, self._body.battery, choices=tuple(props.BATTERY_VALUES)),
        ]

    # Session and events

    def session_ended(self) -> None:
        """The host is gone: no events, live view off, pictures to the card again."""
        self.settings.session_ended()
        self._body.ram.clear()

    def reset(self) -> None:
        """Back to factory settings."""
        self.settings.reset()

    async def _get_remote_mode(self, request: Request) -> Reply:
        return Reply(parameters=(self.settings.remote_mode,))

    async def _set_remote_mode(self, request: Request) -> Reply:
        self.settings.remote_mode = request.parameter(0)
        return Reply()

    async def _set_event_mode(self, request: Request) -> Reply:
        self.settings.set_event_mode(request.parameter(0))
        return Reply()

    async def _get_events(self, request: Request) -> Reply:
        return Reply(data=self.settings.take_events())

    async def _get_device_info_ex(self, request: Request) -> Reply:
        arrays = datasets.array32(events.CODES) + datasets.array32([]) + datasets.array32([])
        return Reply(data=struct.pack("<I", len(arrays) + 4) + arrays)

    async def _request_property(self, request: Request) -> Reply:
        known = self.settings.announce(request.parameter(0))
        return Reply() if known else Reply(standard.PROPERTY_NOT_SUPPORTED)

    async def _set_property(self, request: Request) -> Reply:
        if len(request.data) < 8:
            return Reply(standard.INVALID_VALUE)
        code = int.from_bytes(request.data[4:8], "little")
        if self._body.exposing:
            return Reply(DEVICE_BUSY)
        return Reply(self.settings.set_from_host(code, request.data[8:]))

    async def _set_host_capacity(self, request: Request) -> Reply:
        self.settings.host_clusters = request.parameter(0)
        self.settings.announce(props.AVAILABLE_SHOTS)
        return Reply()

    # Files

    async def _get_object_info_ex(self, request: Request) -> Reply:
        return Reply(data=standard.folder_entries(self._body.card.children(request.parameter(1))))

    async def _delete_object(self, request: Request) -> Reply:
        reply = await self._standard.operations()[0x100B](request)
        if reply == Reply():
            self.card_changed()
        return reply

    async def _transfer_complete(self, request: Request) -> Reply:
        stored = self._body.ram.pop(request.parameter(0), None)
        return Reply() if stored else Reply(standard.INVALID_HANDLE)

    # Shutter and live view

    async def _release_on(self, request: Request) -> Reply:
        button = request.parameter(0)
        if button == 1:
            return await self._autofocus(request)
        return self._fire()

    def _fire(self) -> Reply:
        try:
            self._body.fire(self.settings.exposure(), self)
        except CardFull:
            return Reply(standard.STORE_FULL)
        except CardProtected:
            return Reply(standard.STORE_READ_ONLY)
        except ShutterRefused:
            # Busy as well as out of focus: both are 0x2019 on real bodies (libgphoto2 issue 304).
            return Reply(DEVICE_BUSY)
        return Reply()

    async def _autofocus(self, request: Request) -> Reply:
        if self.settings.number(props.FOCUS_MODE) != props.MANUAL_FOCUS:
            await asyncio.sleep(AUTOFOCUS_SECONDS)
            in_focus = not self._body.faults.armed(Kind.FOCUS_FAILED)
            self.settings.push(events.focus_info([4] if in_focus else []))
        else:
            # The driver waits 0.1 s for any event to follow a half press; a real body tells its metering.
            self.settings.announce(props.AVAILABLE_SHOTS)
        return Reply()

    async def _end_bulb(self, request: Request) -> Reply:
        return self._fire()

    async def _get_live_view(self, request: Request) -> Reply:
        if not self._body.live_view or self._body.exposing:
            return Reply(NOT_READY)
        fault = self._body.faults.take({Kind.MALFORMED_LIVE_VIEW}, request.operation)
        return Reply(data=live_view_blob(await self._body.next_frame(), fault.variety if fault else None))

    # What the body tells: see body.ShutterListener

    def exposure_started(self) -> None:
        """The shutter opened."""
        self.settings.push(events.status_changed(busy=True))

    def picture_stored(self, stored: StoredFile) -> None:
        """A picture is on the card."""
        self.settings.push(events.object_added(stored))

    def picture_in_ram(self, stored: StoredFile) -> None:
        """A picture waits for the host."""
        self.settings.push(events.transfer_request(stored))

    def exposure_ended(self) -> None:
        """The body is free again."""
        self.settings.announce(props.AVAILABLE_SHOTS)
        self.settings.announce(props.SHUTTER_COUNTER)
        self.settings.push(events.status_changed(busy=False))

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
        """The shot that the settings describe."""
        return self.settings.exposure()

    async def press_shutter(self) -> list[StoredFile]:
        """The camera's own button."""
        return await self._body.press(self.settings.exposure(), self)

    def battery_changed(self) -> None:
        """Tell the host."""
        self.settings.announce(props.BATTERY)

    def card_changed(self) -> None:
        """Tell the host."""
        self.settings.announce(props.AVAILABLE_SHOTS)

    def file_removed(self, stored: StoredFile) -> None:
        """Tell the host."""
        self.settings.push(events.object_removed(stored.handle))
        self.card_changed()
