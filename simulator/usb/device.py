"""One camera as a USB device: its plug, its endpoints and the operations that it runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn

from ..faults import AT_ENDPOINT, Kind
from ..ptp import Event, Reply, Request
from ..session import Session
from . import containers
from .bus import Bus
from .containers import Assembler, ContainerError
from .descriptors import BULK_PACKET, INTERRUPT_PACKET, UsbIdentity
from .pipes import BULK_IN, BULK_OUT, CONTROL, DONE, INTERRUPT, STALLED, InPipe, Urb
from .requests import ControlRequests

log = logging.getLogger(__name__)

_ENDPOINTS = {"bulk_in": BULK_IN, "bulk_out": BULK_OUT, "interrupt": INTERRUPT, "control": CONTROL}
"""The endpoints by their names in ``faults``."""

_NAMES = {address: name for name, address in _ENDPOINTS.items()}

_EVENTS_KEPT = 32
"""The largest number of events that wait for a host that does not read them. Then, the oldest ones are dropped."""


class UsbDevice:
    """A camera on a USB bus. While it is plugged, one host can attach it.

    Attributes:
        identity: how its model appears on USB.
        usb_serial: the serial number in its USB descriptors; empty: it has none.
        port: the id of the port of the bus where it is plugged, or was plugged last.
        number: its number on the bus; 0: it is not plugged.
        requests: its control requests, with their counters.
        session: its PTP session.
        last_event: the last event that was sent in the session.
        busy: whether an operation runs.
    """

    def __init__(self, session: Session, identity: UsbIdentity, usb_serial: str, bus: Bus) -> None:
        """A device that has its own port of ``bus``, and is not plugged."""
        self.session = session
        self.identity = identity
        self.usb_serial = usb_serial
        self.bus = bus
        self.port = bus.new_port()
        self.number = 0
        self.requests = ControlRequests(self)
        self.last_event: Event | None = None
        self.busy = False
        self._serial = session.body.identity.serial
        self._cut: Callable[[], None] | None = None
        self._in_pipes = {BULK_IN: InPipe(BULK_PACKET), INTERRUPT: InPipe(INTERRUPT_PACKET)}
        self._bulk_out_halted = False
        self._assembler = Assembler(session.dialect.takes_data)
        self._operation: int | None = None
        self._unanswered: list[Urb] = []
        self._queue: asyncio.Queue[Request] = asyncio.Queue()
        self._worker: asyncio.Task[None] | None = None
        session.dialect.notify_with(self._send_event)

    # The plug: see camera.Link

    @property
    def address(self) -> str:
        """The address for libgphoto2 if no kernel is used: the numbers on the simulated bus."""
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
        """Plug the device into the port where it was last. If another device is there: into the first free port."""
        if not self.on:
            self.plug(self.port if self.port in self.bus.free else next(iter(self.bus.free)))

    async def switch_off(self) -> None:
        """Unplug the device."""
        self.unplug()

    def plug(self, port: str) -> None:
        """Plug the device into a free port. It gets a new number."""
        self.port = port
        self.number = self.bus.plug(port)
        log.info("%s: plugged into %s as %s", self._serial, port, self.address)

    def unplug(self) -> None:
        """Unplug the device. The connection of the host is closed."""
        if self.on:
            log.info("%s: unplugged from %s", self._serial, self.port)
            self.bus.unplug(self.port)
            self.number = 0
        cut = self._cut
        self.detach()
        if cut:
            cut()

    def attach(self, cut: Callable[[], None]) -> None:
        """Attach the device to a host. ``cut`` is called when the device is unplugged."""
        self._cut = cut
        self.requests.configuration = 0
        self.session.body.studio.warm()
        self.start_over()

    def detach(self) -> None:
        """Detach the device from the host, and forget the host's transfers. May be called more than once."""
        if not self._cut:
            return
        self._cut = None
        for pipe in self._in_pipes.values():
            pipe.withdraw_all()
        self._unanswered.clear()
        self.start_over()
        self._stop_worker()

    # Transfers

    def submit(self, urb: Urb) -> None:
        """Answer a transfer of the host, at once or later."""
        name = _NAMES.get(urb.endpoint)
        if name is None:
            urb.complete(urb, STALLED)
            return
        if urb.endpoint == BULK_OUT:
            self._operation = self._assembler.operation(urb.data)
        fault = self.session.faults.take(AT_ENDPOINT, self._operation, name)
        if fault:
            log.info("%s: fault %s at endpoint %s", self._serial, fault.kind, name)
        if fault and fault.kind is Kind.NO_ANSWER:
            self._unanswered.append(urb)
        elif urb.endpoint == CONTROL:
            self._answer_control(urb, halt=fault is not None)
        else:
            if fault:
                self.halt(urb.endpoint)
            if urb.endpoint == BULK_OUT:
                self._receive(urb)
            else:
                self._in_pipes[urb.endpoint].submit(urb)

    def withdraw(self, urb: Urb) -> None:
        """Forget a transfer of the host that was not answered."""
        if urb in self._unanswered:
            self._unanswered.remove(urb)
        for pipe in self._in_pipes.values():
            pipe.withdraw(urb)

    def fault_armed(self, endpoint: str) -> None:
        """Submit the transfers that wait at ``endpoint`` again, so that a new fault can occur at them."""
        if pipe := self._in_pipes.get(_ENDPOINTS[endpoint]):
            for urb in pipe.withdraw_all():
                self.submit(urb)

    def faults_cleared(self) -> None:
        """Submit the transfers again that a fault has left without an answer."""
        unanswered, self._unanswered = self._unanswered, []
        for urb in unanswered:
            self.submit(urb)

    def _answer_control(self, urb: Urb, halt: bool) -> None:
        # The halt of a control endpoint ends with the next request.
        answer = None if halt else self.requests.answer(urb.setup)
        if answer is None:
            log.info("%s: control request %s is rejected", self._serial, urb.setup.hex())
            urb.complete(urb, STALLED)
            return
        urb.received += answer[: urb.length]
        urb.complete(urb, DONE)

    def _receive(self, urb: Urb) -> None:
        if self._bulk_out_halted:
            urb.complete(urb, STALLED)
            return
        try:
            request = self._assembler.feed(urb.data)
        except ContainerError as error:
            log.warning("%s: invalid transfer: %s", self._serial, error)
            self.halt(BULK_OUT)
            self.halt(BULK_IN)
            urb.complete(urb, STALLED)
            return
        urb.complete(urb, DONE)
        if request:
            self._queue.put_nowait(request)

    def _send_event(self, event: Event) -> None:
        if self._cut:
            self.last_event = event
            self._in_pipes[INTERRUPT].send(containers.event(event))
            self._in_pipes[INTERRUPT].drop_oldest(_EVENTS_KEPT)

    # What control requests do: see requests.Function

    @property
    def halted(self) -> Sequence[int]:
        """The addresses of the halted endpoints."""
        halted = [address for address, pipe in self._in_pipes.items() if pipe.halted]
        return [*halted, BULK_OUT] if self._bulk_out_halted else halted

    def halt(self, endpoint: int) -> None:
        """Halt a bulk or interrupt endpoint. The halt of a bulk endpoint ends the operation, as the class requires."""
        if endpoint == BULK_OUT:
            self._bulk_out_halted = True
        elif endpoint in self._in_pipes:
            self._in_pipes[endpoint].halt()
        if endpoint in (BULK_IN, BULK_OUT):
            self.cancel()

    def clear_halt(self, endpoint: int) -> None:
        """End the halt of an endpoint."""
        if endpoint == BULK_OUT:
            self._bulk_out_halted = False
        elif endpoint in self._in_pipes:
            self._in_pipes[endpoint].halted = False

    def cancel(self) -> None:
        """End the operation, and drop its reply and all requests that wait."""
        self._stop_worker()
        self._assembler.reset()
        self._in_pipes[BULK_IN].flush()
        self._queue = asyncio.Queue()
        self._worker = asyncio.create_task(self._work(self._queue))

    def start_over(self) -> None:
        """End the session, the operation and the halts, and drop what was not sent."""
        self.session.end()
        self.last_event = None
        self._operation = None
        self._in_pipes[INTERRUPT].flush()
        for endpoint in self.halted:
            self.clear_halt(endpoint)
        self.cancel()

    # Operations

    def _stop_worker(self) -> None:
        if self._worker:
            self._worker.cancel()
            self._worker = None
        self.busy = False

    async def _work(self, queue: asyncio.Queue[Request]) -> None:
        while True:
            request = await queue.get()
            self.busy = True
            transport = _Containers(self, self._in_pipes[BULK_IN], request.operation)
            try:
                await self.session.answer(request, transport)
            except ConnectionResetError:
                return
            except Exception:
                log.exception("%s: unexpected error", self._serial)
                self.halt(BULK_IN)
            self.busy = False


class _Containers:
    """Sends the reply to one operation as containers on the bulk IN endpoint; see ``session.Transport``."""

    def __init__(self, device: UsbDevice, pipe: InPipe, operation: int) -> None:
        self.framing = containers.Framing(operation)
        self._device = device
        self._pipe = pipe

    async def send(self, transaction: int, reply: Reply) -> None:
        await self.send_raw(self.framing.reply(transaction, reply))

    async def send_half(self, transaction: int, data: bytes, then: Kind) -> NoReturn:
        container = b"".join(self.framing.data(transaction, data))
        # Only full packets, because a short packet would end the transfer.
        self._pipe.send(container[: len(container) // 2 // BULK_PACKET * BULK_PACKET], whole=False)
        await self._pipe.read()
        if then is Kind.DROP_MID_DATA:
            self.drop()
            raise ConnectionResetError
        if then is Kind.HALT_MID_DATA:
            self._device.halt(BULK_IN)
        # Send nothing more. The operation ends when it is cancelled, which the halt above has done already.
        while True:
            await asyncio.Event().wait()

    async def send_raw(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            self._pipe.send(piece)

    def drop(self) -> None:
        self._device.unplug()
