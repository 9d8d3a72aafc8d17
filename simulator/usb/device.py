"""One camera as a USB device: its endpoints, its control requests and its plug."""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable, Iterable

from ..faults import AT_ENDPOINT, Kind
from ..ptp import Event, Reply, Request, ResponseCode
from ..session import Session
from . import containers, descriptors
from .bus import Bus
from .containers import Assembler, ContainerError
from .descriptors import BULK_PACKET, INTERRUPT_PACKET, UsbIdentity
from .pipes import BULK_IN, BULK_OUT, CONTROL, DONE, INTERRUPT, STALLED, InPipe, Urb

log = logging.getLogger(__name__)

ENDPOINTS = {"control": CONTROL, "bulk_in": BULK_IN, "bulk_out": BULK_OUT, "interrupt": INTERRUPT}
"""The endpoints by their names in faults."""

_NAMES = {address: name for name, address in ENDPOINTS.items()}
_EVENTS_KEPT = 32
"""The events that wait for a host; older ones are dropped, because a camera has little memory for them."""

# bmRequestType and bRequest of the control requests. Sources: USB 2.0, chapter 9.4, and the Still Image class, chapter 5.
_GET_STATUS = ((0x80, 0x00), (0x81, 0x00), (0x82, 0x00))
_CLEAR_HALT, _SET_HALT = (0x02, 0x01), (0x02, 0x03)
_SET_ADDRESS, _GET_DESCRIPTOR = (0x00, 0x05), (0x80, 0x06)
_GET_CONFIGURATION, _SET_CONFIGURATION = (0x80, 0x08), (0x00, 0x09)
_GET_INTERFACE, _SET_INTERFACE = (0x81, 0x0A), (0x01, 0x0B)
_CANCEL, _EXTENDED_EVENT = (0x21, 0x64), (0xA1, 0x65)
_DEVICE_RESET, _DEVICE_STATUS = (0x21, 0x66), (0xA1, 0x67)


class UsbDevice:
    """A camera on a USB bus. While it is plugged, one host can attach it.

    Attributes:
        usb_serial: the serial number in its USB descriptors; empty: it has none.
        resets: how often a host has chosen the configuration (the kernel does it after each reset) or has sent DeviceReset.
        clear_halts: how often a host has ended the halt of an endpoint, whether or not it was halted.
    """

    def __init__(self, session: Session, identity: UsbIdentity, usb_serial: str, bus: Bus) -> None:
        """A device of ``bus`` that is not plugged."""
        self.session = session
        self._faults = session.faults
        self.identity = identity
        self.usb_serial = usb_serial
        self.bus = bus
        self.busid = bus.new_port()
        self.number = 0
        self.resets = 0
        self.clear_halts = 0
        self._cut: Callable[[], None] | None = None
        self.configuration = 0
        self._bulk_in, self._interrupt = InPipe(BULK_PACKET), InPipe(INTERRUPT_PACKET)
        self._in_pipes = {BULK_IN: self._bulk_in, INTERRUPT: self._interrupt}
        self._bulk_out_halted = False
        self._assembler = Assembler(session.dialect.takes_data, BULK_PACKET)
        self._ignored: list[Urb] = []
        self._last_event = Event(0)
        self._requests: asyncio.Queue[Request] = asyncio.Queue()
        self._worker: asyncio.Task[None] | None = None
        self._busy = False
        session.dialect.notify_with(self._send_event)

    # The plug

    @property
    def address(self) -> str:
        """The address for libgphoto2 without a kernel: the numbers of bus and device."""
        return f"usb:{self.bus.number:03d},{self.number:03d}"

    @property
    def on(self) -> bool:
        """Whether the device is plugged."""
        return self.number > 0

    @property
    def sessions(self) -> int:
        """The number of hosts that have attached the device: 0 or 1."""
        return int(self._cut is not None)

    async def switch_on(self) -> None:
        """Plug the device in."""
        self.plug()

    async def switch_off(self) -> None:
        """Unplug the device."""
        self.unplug()

    def plug(self) -> None:
        """Plug the device in: it gets a new number on its bus. Does nothing if it is plugged."""
        if not self.on:
            self.number = self.bus.take_number()
            log.info("%s: plugged as %s", self.session.body.identity.serial, self.address)

    def unplug(self) -> None:
        """Unplug the device: the connection of the host is closed."""
        if self.on:
            log.info("%s: unplugged", self.session.body.identity.serial)
            self.bus.release_number(self.number)
        self.number = 0
        cut = self._cut
        self.detach()
        if cut:
            cut()

    def attach(self, cut: Callable[[], None]) -> None:
        """Give the device to a host; ``cut`` closes its connection when the device is unplugged."""
        self._cut = cut
        self.configuration = 0
        self.session.body.studio.warm()
        self._start_over()

    def detach(self) -> None:
        """The host has gone, with all its transfers."""
        if self._cut:
            self._cut = None
            for pipe in self._in_pipes.values():
                for urb in pipe.waiting():
                    pipe.withdraw(urb)
            self._ignored.clear()
            self._start_over()
            self._stop_worker()

    # Transfers

    def submit(self, urb: Urb) -> None:
        """Answer a transfer of the host, at once or later."""
        name = _NAMES.get(urb.endpoint)
        if name is None:
            urb.complete(urb, STALLED)
            return
        fault = self._faults.take(AT_ENDPOINT, self.session.latest, name)
        if fault:
            log.info("%s: fault %s at endpoint %s", self.session.body.identity.serial, fault.kind, name)
            if fault.kind is Kind.NO_ANSWER:
                self._ignored.append(urb)
                return
            self._halt(urb.endpoint)
            if urb.endpoint == CONTROL:
                urb.complete(urb, STALLED)
                return
        if urb.endpoint == CONTROL:
            self._control(urb)
        elif urb.endpoint == BULK_OUT:
            self._receive(urb)
        else:
            self._in_pipes[urb.endpoint].submit(urb)

    def withdraw(self, urb: Urb) -> None:
        """Take back a transfer of the host that was not answered."""
        if urb in self._ignored:
            self._ignored.remove(urb)
        for pipe in self._in_pipes.values():
            pipe.withdraw(urb)

    def faults_cleared(self) -> None:
        """Answer the transfers that a fault has left without an answer."""
        ignored, self._ignored = self._ignored, []
        for urb in ignored:
            self.submit(urb)

    def fault_armed(self, endpoint: str) -> None:
        """Let a new fault of ``endpoint`` occur at the transfers that wait there already."""
        if pipe := self._in_pipes.get(ENDPOINTS[endpoint]):
            for urb in pipe.waiting():
                pipe.withdraw(urb)
                self.submit(urb)

    def _receive(self, urb: Urb) -> None:
        if self._bulk_out_halted:
            urb.complete(urb, STALLED)
            return
        try:
            request = self._assembler.feed(urb.data)
        except ContainerError as error:
            log.warning("%s: invalid transfer: %s", self.session.body.identity.serial, error)
            self._halt(BULK_OUT)
            self._halt(BULK_IN)
            urb.complete(urb, STALLED)
            return
        urb.complete(urb, DONE)
        if request:
            self._requests.put_nowait(request)

    def _halt(self, endpoint: int) -> None:
        """Halt an endpoint, which ends the transaction. The control endpoint is never halted for longer than a request."""
        if endpoint == CONTROL:
            return
        if endpoint == BULK_OUT:
            self._bulk_out_halted = True
        else:
            self._in_pipes[endpoint].halt()
        if endpoint != INTERRUPT:
            self._cancel()

    def _halted(self) -> list[int]:
        halted = [address for address, pipe in self._in_pipes.items() if pipe.halted]
        return [*halted, BULK_OUT] if self._bulk_out_halted else halted

    def _clear_halt(self, endpoint: int) -> None:
        if endpoint == BULK_OUT:
            self._bulk_out_halted = False
        elif endpoint in self._in_pipes:
            self._in_pipes[endpoint].halted = False

    # Operations: see session.Transport

    def _cancel(self) -> None:
        """End the transaction: forget its request, stop its operation, drop its data."""
        self._stop_worker()
        self._assembler.reset()
        self._bulk_in.flush()
        self._requests = asyncio.Queue()
        self._worker = asyncio.create_task(self._work(self._requests))

    def _stop_worker(self) -> None:
        if self._worker:
            self._worker.cancel()
            self._worker = None
        self._busy = False

    def _start_over(self) -> None:
        """Do what a reset does: end the session and the halts, and drop what was not sent."""
        self.session.end()
        self._interrupt.flush()
        for endpoint in self._halted():
            self._clear_halt(endpoint)
        self._cancel()

    async def _work(self, requests: asyncio.Queue[Request]) -> None:
        while True:
            request = await requests.get()
            self._busy = True
            try:
                await self.session.answer(request, _Bulk(self, self._bulk_in, request.operation))
            except ConnectionResetError:
                return
            except Exception:
                log.exception("%s: unexpected error", self.session.body.identity.serial)
                self._halt(BULK_IN)
            self._busy = False

    def halt_bulk_in(self) -> None:
        """Halt the bulk IN endpoint, until the host clears it."""
        self._halt(BULK_IN)

    def _send_event(self, event: Event) -> None:
        self._last_event = event
        if self._cut and not self._interrupt.halted:
            self._interrupt.send(containers.event(event))
            self._interrupt.drop_oldest(_EVENTS_KEPT)

    # Control requests

    def _control(self, urb: Urb) -> None:
        kind, request, value, index, length = struct.unpack("<BBHHH", urb.setup)
        answer = self._answer((kind, request), value, index)
        if answer is None:
            log.info("%s: control request %02x %02x is not supported", self.busid, kind, request)
            urb.complete(urb, STALLED)
            return
        urb.received += answer[: min(length, urb.length)]
        urb.complete(urb, DONE)

    def _answer(self, request: tuple[int, int], value: int, index: int) -> bytes | None:
        """What a control request returns; None if it is not supported."""
        if request in _GET_STATUS:
            return struct.pack("<H", int(request[0] == 0x80 or index in self._halted()))
        match request:
            case (0x80, 0x06):
                return self._descriptor(value >> 8, value & 0xFF)
            case (0x80, 0x08):
                return bytes([self.configuration])
            case (0x00, 0x09) if value in (0, 1):
                self.configuration = value
                self.resets += 1
                self._start_over()
            case (0x81, 0x0A):
                return b"\0"
            case (0x01, 0x0B) if value == 0:
                for endpoint in self._halted():
                    self._clear_halt(endpoint)
            case (0x02, 0x01) if value == 0:
                self.clear_halts += 1
                self._clear_halt(index)
            case (0x02, 0x03) if value == 0:
                self._halt(index)
            case (0x00, 0x05):
                pass  # the kernel of the host addresses the device by its connection
            case (0x21, 0x64):
                self._cancel()
            case (0xA1, 0x65):
                return self._extended_event()
            case (0x21, 0x66):
                self.resets += 1
                self._start_over()
            case (0xA1, 0x67):
                return self._status()
            case _:
                return None
        return b""

    def _descriptor(self, kind: int, index: int) -> bytes | None:
        if kind == descriptors.DEVICE:
            return descriptors.device(self.identity, self.usb_serial)
        if kind == descriptors.CONFIGURATION and index == 0:
            return descriptors.configuration()
        if kind == descriptors.STRING:
            return descriptors.string(index, self.identity, self.usb_serial)
        return descriptors.qualifier() if kind == descriptors.QUALIFIER else None

    def _extended_event(self) -> bytes:
        event = self._last_event
        parameters = b"".join(struct.pack("<HI", 4, one) for one in event.parameters)
        return struct.pack("<HIH", event.code, 0, len(event.parameters)) + parameters

    def _status(self) -> bytes:
        halted = self._halted()
        code = ResponseCode.DEVICE_BUSY if self._busy else ResponseCode.OK
        return struct.pack(f"<HH{len(halted)}I", 4 + 4 * len(halted), code, *halted)


class _Bulk:
    """Sends the reply to one operation over the bulk IN endpoint."""

    def __init__(self, device: UsbDevice, pipe: InPipe, operation: int) -> None:
        self.framing = containers.Framing(operation)
        self._device = device
        self._pipe = pipe

    async def send(self, transaction: int, reply: Reply) -> None:
        await self.send_raw(self.framing.reply(transaction, reply))

    async def send_half(self, transaction: int, data: bytes, then: Kind) -> None:
        whole = b"".join(self.framing.data(transaction, data))
        # Full packets only, because a short packet would end the transfer.
        self._pipe.send(whole[: len(whole) // 2 // BULK_PACKET * BULK_PACKET], whole=False)
        await self._pipe.read()
        if then is Kind.STALL_MID_DATA:
            await asyncio.Event().wait()
        if then is Kind.HALT_MID_DATA:
            self._device.halt_bulk_in()
            await asyncio.Event().wait()
        self.drop()
        raise ConnectionResetError

    async def send_raw(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            self._pipe.send(piece)

    def drop(self) -> None:
        self._device.unplug()
