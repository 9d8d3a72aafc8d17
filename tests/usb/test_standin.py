"""The stand-in for libusb behaves like libusb on Linux in everything on which libgphoto2 depends."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from simulator.client import Control
from tests.support.cameras import QUICK, OneCamera, one_camera
from tests.support.usb import Bus, compile_standin
from tests.support.waiting import until

# From libusb.h: errors, and the states of transfers.
NO_DEVICE, NOT_FOUND, BUSY, TIMEOUT, PIPE = -4, -5, -6, -7, -9
COMPLETED, CANCELLED, GONE = 0, 3, 5
INTERRUPT_TRANSFER = 3
BULK_IN, BULK_OUT, INTERRUPT = 0x81, 0x02, 0x83
GET_DEVICE_INFO, OPEN_SESSION, SET_EVENT_MODE = 0x1001, 0x1002, 0x9115
EVENT_CONTAINER = 4
SHORT_MS, LONG_MS = 50, 10_000


class Transfer(ctypes.Structure):
    """libusb_transfer."""


CALLBACK = ctypes.CFUNCTYPE(None, ctypes.POINTER(Transfer))
Transfer._fields_ = [
    ("handle", ctypes.c_void_p), ("flags", ctypes.c_uint8), ("endpoint", ctypes.c_ubyte), ("type", ctypes.c_ubyte),
    ("timeout", ctypes.c_uint), ("status", ctypes.c_int), ("length", ctypes.c_int), ("actual", ctypes.c_int),
    ("callback", CALLBACK), ("user_data", ctypes.c_void_p), ("buffer", ctypes.c_void_p), ("packets", ctypes.c_int),
]  # fmt: skip


class TimeValue(ctypes.Structure):
    """timeval."""

    _fields_ = (("seconds", ctypes.c_long), ("microseconds", ctypes.c_long))


class Usb:
    """A context of libusb and the only device, which is open. Results are those of libusb."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        self.context, self.handle = ctypes.c_void_p(), ctypes.c_void_p()
        assert library.libusb_init(ctypes.byref(self.context)) == 0
        (device,) = self.devices()
        assert library.libusb_open(ctypes.c_void_p(device), ctypes.byref(self.handle)) == 0
        self._transfers: list[tuple[Any, Any, Any]] = []

    def devices(self) -> list[int]:
        """The devices. They are not freed."""
        listed = ctypes.POINTER(ctypes.c_void_p)()
        count = self._library.libusb_get_device_list(self.context, ctypes.byref(listed))
        return [address for address in listed[:count] if address is not None]

    def claim(self) -> int:
        return int(self._library.libusb_claim_interface(self.handle, 0))

    def close(self) -> None:
        self._library.libusb_close(self.handle)
        self._library.libusb_exit(self.context)

    def clear_halt(self, endpoint: int) -> int:
        return int(self._library.libusb_clear_halt(self.handle, endpoint))

    def bulk(self, endpoint: int, buffer: Any, timeout: int) -> tuple[int, int]:
        """A bulk transfer; returns the result, and the number of bytes."""
        actual = ctypes.c_int(-1)
        arguments = (self.handle, endpoint, buffer, len(buffer), ctypes.byref(actual), timeout)
        return int(self._library.libusb_bulk_transfer(*arguments)), actual.value

    def read(self, timeout: int = LONG_MS) -> int | bytes:
        """Read from the bulk endpoint; an error, or what was received."""
        buffer = ctypes.create_string_buffer(4096)
        result, size = self.bulk(BULK_IN, buffer, timeout)
        return result or buffer.raw[:size]

    def send(self, operation: int, *parameters: int) -> None:
        """Send a request of PTP."""
        container = struct.pack(f"<IHHI{len(parameters)}I", 12 + 4 * len(parameters), 1, operation, 1, *parameters)
        assert self.bulk(BULK_OUT, ctypes.create_string_buffer(container, len(container)), LONG_MS) == (
            0, len(container)
        )  # fmt: skip

    def works(self) -> bool:
        """Whether the device answers a request."""
        self.send(GET_DEVICE_INFO)
        data, response = self.read(), self.read()
        return isinstance(data, bytes) and isinstance(response, bytes) and (data[4], response[4]) == (2, 3)

    def submit(self, ended: Callable[[int, bytes], None]) -> Any:
        """Submit an interrupt transfer. When it has ended, `ended` gets its status and what was received."""
        buffer = ctypes.create_string_buffer(64)

        def called(transfer: Any) -> None:
            ended(transfer.contents.status, buffer.raw[: transfer.contents.actual])

        self._library.libusb_alloc_transfer.restype = ctypes.POINTER(Transfer)
        transfer, callback = self._library.libusb_alloc_transfer(0), CALLBACK(called)
        transfer.contents.handle, transfer.contents.endpoint = self.handle, INTERRUPT
        transfer.contents.type, transfer.contents.length = INTERRUPT_TRANSFER, len(buffer)
        transfer.contents.buffer, transfer.contents.callback = ctypes.addressof(buffer), callback
        self._transfers.append((transfer, callback, buffer))  # ctypes would free them
        assert self._library.libusb_submit_transfer(transfer) == 0
        return transfer

    def cancel(self, transfer: Any) -> int:
        return int(self._library.libusb_cancel_transfer(transfer))

    def handle_events(self, milliseconds: int) -> None:
        """Call the callbacks of transfers that have ended; waits for one."""
        time = TimeValue(milliseconds // 1000, milliseconds % 1000 * 1000)
        assert self._library.libusb_handle_events_timeout(self.context, ctypes.byref(time)) == 0


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The stand-in, under a name that libgphoto2 does not look for."""
    return ctypes.CDLL(str(compile_standin(tmp_path_factory.mktemp("library"), "standin.so")))


@pytest.fixture
def camera() -> Iterator[OneCamera]:
    """A camera on USB."""
    with one_camera("--usbip", "0", *QUICK) as camera:
        yield camera


@pytest.fixture
def control(camera: OneCamera) -> Control:
    """The control port of the camera."""
    return camera.control


@pytest.fixture
def new_usb(
    camera: OneCamera, library: ctypes.CDLL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Usb]]:
    """A function that opens the camera. What it opens is closed after the test."""
    assert camera.process.usbip is not None
    with Bus(tmp_path, [camera.process.usbip]) as bus, ExitStack() as opened:
        monkeypatch.setenv("USB_STANDIN", str(bus.devices))

        def start() -> Usb:
            usb = Usb(library)
            opened.callback(usb.close)
            return usb

        yield start


@pytest.fixture
def usb(new_usb: Callable[[], Usb]) -> Usb:
    """The camera, open and claimed."""
    usb = new_usb()
    assert usb.claim() == 0
    return usb


def test_a_transfer_that_has_timed_out_leaves_the_endpoint_usable(usb: Usb) -> None:
    assert [usb.read(SHORT_MS), usb.read(SHORT_MS)] == [TIMEOUT, TIMEOUT]
    assert usb.works()


def test_a_halted_endpoint_fails_until_the_halt_is_cleared(usb: Usb, control: Control) -> None:
    control.fault("halt", endpoint="bulk_in")
    assert [usb.read(), usb.read()] == [PIPE, PIPE]
    assert usb.clear_halt(BULK_IN) == 0
    assert usb.works()


def test_a_device_can_be_claimed_once_at_a_time(library: ctypes.CDLL, new_usb: Callable[[], Usb]) -> None:
    first = Usb(library)
    assert first.claim() == 0
    second = new_usb()  # opening it does not fail, as in the kernel
    assert second.claim() == BUSY
    assert first.works()
    first.close()
    assert second.claim() == 0
    assert second.works()


async def test_an_unplugged_device_is_gone_for_transfers_and_from_the_list(usb: Usb, control: Control) -> None:
    ends: list[int] = []
    usb.submit(lambda status, received: ends.append(status))
    control.unplug()
    assert usb.read() == NO_DEVICE
    usb.handle_events(0)
    assert ends == [GONE]
    assert usb.claim() == NO_DEVICE
    await until(lambda: not usb.devices())


def test_events_arrive_by_interrupt_transfers_that_can_be_cancelled(usb: Usb, control: Control) -> None:
    ends: list[tuple[int, bytes]] = []
    usb.submit(lambda *end: ends.append(end))
    waiting = usb.submit(lambda *end: ends.append(end))
    usb.handle_events(0)
    assert ends == []
    for operation in (OPEN_SESSION, SET_EVENT_MODE):  # the camera announces its first event
        usb.send(operation, 1)
        assert isinstance(usb.read(), bytes)
    if not ends:  # a transfer that waits calls the callbacks of others, as in libusb
        usb.handle_events(LONG_MS)
    ((status, event),) = ends
    assert (status, struct.unpack_from("<IH", event)) == (COMPLETED, (len(event), EVENT_CONTAINER))
    assert usb.cancel(waiting) == 0
    usb.handle_events(0)
    assert ends[1:] == [(CANCELLED, b"")]
    assert usb.cancel(waiting) == NOT_FOUND
    assert usb.works()
