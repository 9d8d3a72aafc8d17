"""What the dialects of all makers share: the standard PTP operations (0x1001 to 0x101B) on a body and its card.

Source: ISO 15740, clause 10.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Generic, TypeVar

from . import datasets, exposures
from .body import Body, CardFull, CardProtected, OutOfFocus, ReleaseRejected, ShutterListener
from .card import CAPACITY, FORMAT_FOLDER, ROOT, StoredFile
from .datasets import DeviceInfo, ObjectInfo, Property
from .dialect import Handler, InvalidRequest, Notify
from .exposures import Exposure
from .faults import Kind
from .lens import Lens
from .movies import MovieListener, MovieRejected
from .ptp import Reply, Request, ResponseCode
from .settings import BodySettings

AUTOFOCUS_SECONDS = 0.1

NAMES = {
    0x1001: "GetDeviceInfo", 0x1002: "OpenSession", 0x1003: "CloseSession", 0x1004: "GetStorageIDs",
    0x1005: "GetStorageInfo", 0x1006: "GetNumObjects", 0x1007: "GetObjectHandles", 0x1008: "GetObjectInfo",
    0x1009: "GetObject", 0x100A: "GetThumb", 0x100B: "DeleteObject", 0x1014: "GetDevicePropDesc",
    0x1015: "GetDevicePropValue", 0x1016: "SetDevicePropValue", 0x101B: "GetPartialObject",
}  # fmt: skip
"""The name of each operation."""

TAKES_DATA = frozenset({0x100C, 0x100D, 0x1016})
"""The operations for which the host sends data: SendObjectInfo, SendObject and SetDevicePropValue."""

SettingsT = TypeVar("SettingsT", bound=BodySettings)


class StandardDialect(ABC, ShutterListener, MovieListener, Generic[SettingsT]):
    """The part of a body's dialect that is standard PTP. Subclasses add the part of the maker.

    An instance exists as long as its body. ``session_ended`` resets what belongs to a session.
    """

    names: Mapping[int, str] = NAMES
    takes_data: Collection[int] = TAKES_DATA
    releases_after_mirror = False
    """Whether the body takes the picture if its mirror was raised and no second release came."""

    def __init__(self, body: Body, settings: SettingsT, lens: Lens) -> None:
        """Create the dialect of ``body``."""
        self._body = body
        self.settings = settings
        self.lens = lens
        self._written: dict[int, int | str] = {}
        self.operations: Mapping[int, Handler] = self._handlers()

    def _handlers(self) -> dict[int, Handler]:
        """The handler of each operation."""
        return {
            0x1001: self._get_device_info,
            0x1002: self._open_session,
            0x1003: self._accept,
            0x1004: self._get_storage_ids,
            0x1005: self._get_storage_info,
            0x1006: self._get_number_of_objects,
            0x1007: self._get_object_handles,
            0x1008: self._get_object_info,
            0x1009: self._get_object,
            0x100A: self._get_thumbnail,
            0x100B: self._delete_object,
            0x1014: self._get_property_description,
            0x1015: self._get_property_value,
            0x1016: self._set_property_value,
            0x101B: self._get_partial_object,
        }

    def remove_operations(self, codes: Collection[int]) -> None:
        """Make the body a model that lacks these operations."""
        self.operations = {code: handler for code, handler in self.operations.items() if code not in codes}

    @abstractmethod
    def device_info(self) -> DeviceInfo:
        """The identity and the abilities of the body."""

    @abstractmethod
    def standard_properties(self) -> list[Property]:
        """The properties that the standard operations read and write."""

    # Sessions

    async def _accept(self, request: Request) -> Reply:
        """Reply OK and do nothing."""
        return Reply()

    async def _get_device_info(self, request: Request) -> Reply:
        return Reply(data=self.device_info().pack())

    async def _open_session(self, request: Request) -> Reply:
        return Reply()

    def notify_with(self, notify: Notify) -> None:
        """Call ``notify`` for each event of a session."""
        self.settings.notify = notify

    def session_ended(self) -> None:
        """Drop what belongs to the session: events, live view, pictures in RAM."""
        self._body.ram.clear()
        self._body.switch_live_view(False)
        self.lens.live_view_ended()
        self.settings.session_ended()

    # Files

    async def _get_storage_ids(self, request: Request) -> Reply:
        return Reply(data=datasets.array32([self._body.card.layout.storage]))

    async def _get_storage_info(self, request: Request) -> Reply:
        card = self._body.card
        free = card.free_bytes(exposures.size(self.next_exposure(), self._body.studio))
        return Reply(data=datasets.storage_info(CAPACITY, free, card.write_protected, "SD"))

    def _matching(self, request: Request) -> list[int]:
        """The handles of the objects with the requested format in the requested folder. 0 means any of them."""
        card = self._body.card
        wanted, parent = request.parameter(1), request.parameter(2)
        found = card.children(ROOT if parent == ROOT else parent) if parent else card.objects()
        return [stored.handle for stored in found if wanted in (0, stored.format)]

    async def _get_number_of_objects(self, request: Request) -> Reply:
        return Reply(parameters=(len(self._matching(request)),))

    async def _get_object_handles(self, request: Request) -> Reply:
        return Reply(data=datasets.array32(self._matching(request)))

    def _info(self, stored: StoredFile) -> ObjectInfo:
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

    async def _get_object_info(self, request: Request) -> Reply:
        stored = self._body.find(request.parameter(0))
        return Reply(data=self._info(stored).pack()) if stored else Reply(ResponseCode.INVALID_HANDLE)

    async def _get_object(self, request: Request) -> Reply:
        stored = self._body.find(request.parameter(0))
        return Reply(data=stored.content.read()) if stored else Reply(ResponseCode.INVALID_HANDLE)

    async def _get_partial_object(self, request: Request) -> Reply:
        stored = self._body.find(request.parameter(0))
        if not stored:
            return Reply(ResponseCode.INVALID_HANDLE)
        data = stored.content.read(request.parameter(1), request.parameter(2))
        return Reply(data=data, parameters=(len(data),))

    async def _get_thumbnail(self, request: Request) -> Reply:
        stored = self._body.find(request.parameter(0))
        if not stored:
            return Reply(ResponseCode.INVALID_HANDLE)
        return Reply(data=stored.thumbnail) if stored.thumbnail else Reply(ResponseCode.NO_THUMBNAIL)

    async def _delete_object(self, request: Request) -> Reply:
        card = self._body.card
        stored = card.get(request.parameter(0))
        if not stored:
            return Reply(ResponseCode.INVALID_HANDLE)
        if card.write_protected:
            return Reply(ResponseCode.STORE_READ_ONLY)
        if stored.format == FORMAT_FOLDER:
            return Reply(ResponseCode.ACCESS_DENIED)
        card.remove(stored.handle)
        return Reply()

    # Properties

    def _property(self, code: int) -> Property | None:
        found = next((one for one in self.standard_properties() if one.code == code), None)
        return replace(found, value=self._written.get(code, found.value)) if found else None

    async def _get_property_description(self, request: Request) -> Reply:
        found = self._property(request.parameter(0))
        return Reply(data=found.pack_description()) if found else Reply(ResponseCode.PROPERTY_NOT_SUPPORTED)

    async def _get_property_value(self, request: Request) -> Reply:
        found = self._property(request.parameter(0))
        return Reply(data=found.pack_value()) if found else Reply(ResponseCode.PROPERTY_NOT_SUPPORTED)

    async def _set_property_value(self, request: Request) -> Reply:
        found = self._property(request.parameter(0))
        if not found:
            return Reply(ResponseCode.PROPERTY_NOT_SUPPORTED)
        if not found.writable:
            return Reply(ResponseCode.ACCESS_DENIED)
        value = found.read_value(request.data)
        if value is None:
            return Reply(ResponseCode.INVALID_VALUE)
        self._written[found.code] = value
        return Reply()

    def _set(self, code: int, data: bytes) -> Reply:
        """Set one of the maker's properties to the value in ``data``."""
        if self._body.exposing:
            return Reply(ResponseCode.DEVICE_BUSY)
        return Reply(self.settings.set_from_host(code, data))

    # Shutter and live view

    def _release(self, exposure: Exposure, hold: bool = False) -> Reply:
        """Release the shutter. With ``hold``, it stays open until the host closes it."""

        def release() -> Reply:
            return self._try(lambda: self._body.release(exposure, self, hold=hold))

        after = release if self.releases_after_mirror else None
        if self.settings.mirror_lock and not self._body.exposing and self._body.raise_mirror(after):
            self.mirror_raised()
            return Reply()
        return release()

    def _burst(self, exposure: Callable[[], Exposure], speed: float = 1.0, frames: int | None = None) -> Reply:
        """Take pictures in a row; see `Body.burst`."""
        return self._try(lambda: self._body.burst(exposure, self, speed, frames))

    def _try(self, release: Callable[[], object]) -> Reply:
        try:
            release()
        except CardFull:
            return Reply(ResponseCode.STORE_FULL)
        except CardProtected:
            return Reply(ResponseCode.STORE_READ_ONLY)
        except OutOfFocus:
            return self._out_of_focus()
        except ReleaseRejected:
            return Reply(ResponseCode.DEVICE_BUSY)
        return Reply()

    def press_movie_button(self) -> None:
        """Press the body's own movie button: start a movie, or end it.

        Raises:
            InvalidRequest: The body does not start a movie.
        """
        if not self._body.recorder.end("button"):
            try:
                self._body.recorder.start(self, button=True)
            except MovieRejected:
                raise InvalidRequest("the body does not start a movie; see recording and files of `state`") from None

    @abstractmethod
    def mirror_raised(self) -> None:
        """Emit that the mirror is up, and that the next release takes the picture."""

    @abstractmethod
    def _out_of_focus(self) -> Reply:
        """The reply to a release that failed because of the autofocus."""

    def _live_view_variety(self, request: Request) -> str | None:
        """How the next live-view reply is malformed; None: it is correct."""
        fault = self._body.faults.take({Kind.MALFORMED_LIVE_VIEW}, request.operation)
        return fault.variety if fault else None

    # Changes on the body: see dialect.Dialect

    def reset(self) -> None:
        """Return to the factory settings."""
        self.settings.reset()
        self.lens.reset()

    def properties(self) -> dict[str, object]:
        """Every property by name, with its label or value."""
        return self.settings.describe()

    def change(self, name: str, value: object) -> None:
        """Change a property on the body."""
        self.settings.change(name, value)

    def veto(self, name: str, on: bool) -> None:
        """Keep the old value when the host sets the property; if ``on`` is false, accept new values again."""
        self.settings.veto(name, on)

    def vetoed(self) -> Sequence[str]:
        """The names of the vetoed properties."""
        return self.settings.vetoed()

    def next_exposure(self) -> Exposure:
        """The shot that the settings describe."""
        return self.settings.exposure()

    async def press_shutter(self) -> list[StoredFile]:
        """Take a shot with the body's own button; returns its files."""
        return await self._body.press(self.next_exposure(), self)
