"""The standard PTP operations (0x1001 to 0x101B) on a body's card. Source: ISO 15740, clause 10."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import replace

from . import datasets
from .body import Body
from .card import CAPACITY, EOS_LAYOUT, FORMAT_FOLDER, ROOT, StoredFile
from .datasets import DeviceInfo, ObjectInfo, Property
from .dialect import Handler
from .exposures import Exposure, size
from .ptpip import Reply, Request

INVALID_HANDLE, PROPERTY_NOT_SUPPORTED = 0x2009, 0x200A
STORE_FULL, STORE_READ_ONLY, ACCESS_DENIED, NO_THUMBNAIL = 0x200C, 0x200E, 0x200F, 0x2010
INVALID_VALUE = 0x201C

NAMES = {
    0x1001: "GetDeviceInfo", 0x1002: "OpenSession", 0x1003: "CloseSession", 0x1004: "GetStorageIDs",
    0x1005: "GetStorageInfo", 0x1006: "GetNumObjects", 0x1007: "GetObjectHandles", 0x1008: "GetObjectInfo",
    0x1009: "GetObject", 0x100A: "GetThumb", 0x100B: "DeleteObject", 0x1014: "GetDevicePropDesc",
    0x1015: "GetDevicePropValue", 0x1016: "SetDevicePropValue", 0x101B: "GetPartialObject",
}  # fmt: skip


class StandardOperations:
    """Answers standard operations. The maker's dialect supplies device info, properties and the next shot."""

    def __init__(
        self,
        body: Body,
        device_info: Callable[[], DeviceInfo],
        properties: Callable[[], Sequence[Property]],
        next_exposure: Callable[[], Exposure],
    ) -> None:
        """Answer for ``body``."""
        self._body = body
        self._device_info = device_info
        self._properties = properties
        self._next_exposure = next_exposure
        self._written: dict[int, int | str] = {}

    def operations(self) -> dict[int, Handler]:
        """The handlers by operation code."""
        return {
            0x1001: self._get_device_info,
            0x1002: self.accept,
            0x1003: self.accept,
            0x1004: self.get_storage_ids,
            0x1005: self.get_storage_info,
            0x1006: self._get_number_of_objects,
            0x1007: self._get_object_handles,
            0x1008: self.get_object_info,
            0x1009: self._get_object,
            0x100A: self._get_thumbnail,
            0x100B: self._delete_object,
            0x1014: self._get_property_description,
            0x1015: self._get_property_value,
            0x1016: self._set_property_value,
            0x101B: self._get_partial_object,
        }

    async def accept(self, request: Request) -> Reply:
        """Answer OK and do nothing."""
        return Reply()

    async def _get_device_info(self, request: Request) -> Reply:
        return Reply(data=self._device_info().pack())

    async def get_storage_ids(self, request: Request) -> Reply:
        """The one card."""
        return Reply(data=datasets.array32([self._body.card.layout.storage]))

    async def get_storage_info(self, request: Request) -> Reply:
        """Size and free space of the card."""
        card = self._body.card
        free = card.free_bytes(size(self._next_exposure(), self._body.studio))
        return Reply(data=datasets.storage_info(CAPACITY, free, card.write_protected, "SD"))

    def _matching(self, request: Request) -> list[int]:
        """The handles a host asks for by storage, format and parent folder (0: anywhere)."""
        card = self._body.card
        wanted, parent = request.parameter(1), request.parameter(2)
        found = card.children(ROOT if parent == ROOT else parent) if parent else card.objects()
        return [stored.handle for stored in found if wanted in (0, stored.format)]

    async def _get_number_of_objects(self, request: Request) -> Reply:
        return Reply(parameters=(len(self._matching(request)),))

    async def _get_object_handles(self, request: Request) -> Reply:
        return Reply(data=datasets.array32(self._matching(request)))

    def info(self, stored: StoredFile) -> ObjectInfo:
        """The object info of a file or folder."""
        return ObjectInfo(
            storage=self._body.card.layout.storage,
            format=stored.format,
            protected=self._body.card.write_protected,
            size=len(stored.content),
            thumbnail_size=len(stored.thumbnail),
            thumbnail=(160, 120) if stored.thumbnail else (0, 0),
            pixels=stored.pixels,
            parent=stored.parent,
            name=stored.name,
            taken=stored.taken,
        )

    async def get_object_info(self, request: Request) -> Reply:
        """Object info by handle."""
        stored = self._body.find(request.parameter(0))
        return Reply(data=self.info(stored).pack()) if stored else Reply(INVALID_HANDLE)

    async def _get_object(self, request: Request) -> Reply:
        stored = self._body.find(request.parameter(0))
        return Reply(data=stored.content.read()) if stored else Reply(INVALID_HANDLE)

    async def _get_partial_object(self, request: Request) -> Reply:
        stored = self._body.find(request.parameter(0))
        if not stored:
            return Reply(INVALID_HANDLE)
        data = stored.content.read(request.parameter(1), request.parameter(2))
        return Reply(data=data, parameters=(len(data),))

    async def _get_thumbnail(self, request: Request) -> Reply:
        stored = self._body.find(request.parameter(0))
        if not stored:
            return Reply(INVALID_HANDLE)
        return Reply(data=stored.thumbnail) if stored.thumbnail else Reply(NO_THUMBNAIL)

    async def _delete_object(self, request: Request) -> Reply:
        card = self._body.card
        stored = card.get(request.parameter(0))
        if not stored:
            return Reply(INVALID_HANDLE)
        if card.write_protected:
            return Reply(STORE_READ_ONLY)
        if stored.format == FORMAT_FOLDER:
            return Reply(ACCESS_DENIED)
        card.remove(stored.handle)
        return Reply()

    def _property(self, code: int) -> Property | None:
        found = next((one for one in self._properties() if one.code == code), None)
        return replace(found, value=self._written.get(code, found.value)) if found else None

    async def _get_property_description(self, request: Request) -> Reply:
        found = self._property(request.parameter(0))
        return Reply(data=found.pack_description()) if found else Reply(PROPERTY_NOT_SUPPORTED)

    async def _get_property_value(self, request: Request) -> Reply:
        found = self._property(request.parameter(0))
        return Reply(data=found.pack_value()) if found else Reply(PROPERTY_NOT_SUPPORTED)

    async def _set_property_value(self, request: Request) -> Reply:
        found = self._property(request.parameter(0))
        if not found:
            return Reply(PROPERTY_NOT_SUPPORTED)
        if not found.writable:
            return Reply(ACCESS_DENIED)
        value = found.read_value(request.data)
        if value is None:
            return Reply(INVALID_VALUE)
        self._written[found.code] = value
        return Reply()


def folder_entries(children: Sequence[StoredFile]) -> bytes:
    """The folder listing of an EOS (0x9109): u32 count, then 56 bytes for each entry."""
    entries = [struct.pack("<I", len(children))]
    for stored in children:
        name = datasets.plain_bytes(stored.name)[:15]
        head = (56, stored.handle, EOS_LAYOUT.storage, stored.format, 0, 0, 0, len(stored.content), 0, stored.parent)
        entries.append(struct.pack("<IIIHHIIIII16sI", *head, name, int(stored.taken)))
    return b"".join(entries)
