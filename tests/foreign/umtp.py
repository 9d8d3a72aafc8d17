"""umtp-responder, a PTP and MTP device of Debian, as a camera on the simulated USB bus (tests/support/usb.py).

On a real device, umtprd speaks to a USB device port through the files of FunctionFS. Here, these files are a terminal (for the
events of the port) and three pipes (one for each endpoint). What umtprd writes there is passed to the host as it is. The
simulator has the part below: the USB descriptors, the control requests and USB/IP. The simulator's own PTP is not used.
"""

from __future__ import annotations

import asyncio
import os
import pty
import shutil
import struct
import subprocess
import threading
import tty
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from simulator.faults import Faults
from simulator.ptp import Event, Request
from simulator.session import Session, Transport
from simulator.usb.bus import Bus as UsbBus
from simulator.usb.containers import ContainerType, container
from simulator.usb.descriptors import UsbIdentity
from simulator.usb.device import UsbDevice
from simulator.usb.usbip import UsbIpServer
from tests.support.rig import ROOT
from tests.support.usb import Bus, python_on
from tests.support.waiting import WITHIN_S

SERIAL = "UMTP0001"
# The ids of the Linux Foundation for a PTP gadget, which are the defaults of umtprd.
_IDENTITY = UsbIdentity(0x1D6B, 0x0100, "Viveris Technologies", "uMTP")
# usb_functionfs_event of linux/usb/functionfs.h: 8 bytes of a control request, the type of the event, 3 unused bytes.
_BIND, _ENABLE = 0, 2
_EVENT = struct.Struct("<8xB3x")
_HEADER = struct.Struct("<IHHI")  # the header of a container; see simulator/usb/containers.py
# The operations of umtprd for which the host sends data: SendObjectInfo, SendObject, SetDevicePropValue, SetObjectPropValue.
_TAKES_DATA = frozenset((0x100C, 0x100D, 0x1016, 0x9804))
_LARGEST_PIECE = 2**20

_CONFIGURATION = """\
loop_on_disconnect 1
storage "{storage}" "card" "rw"
manufacturer "{identity.manufacturer}"
product "{identity.name}"
serial "{serial}"
firmware_version "1"
interface "PTP"
usb_vendor_id {identity.vendor:#x}
usb_product_id {identity.product:#x}
usb_class 0x6
usb_subclass 0x1
usb_protocol 0x1
usb_dev_version 0x100
usb_functionfs_mode 0x1
usb_dev_path "{ep0}"
usb_epin_path "{bulk_in}"
usb_epout_path "{bulk_out}"
usb_epint_path "{interrupt}"
usb_max_packet_size 0x200
"""


class _Relay:
    """Passes the requests of a host to umtprd, and its replies back. It takes the place of the simulator's `Session`."""

    def __init__(self, bulk_out: int) -> None:
        self._bulk_out = bulk_out
        self._containers: asyncio.Queue[tuple[int, int, bytes]] = asyncio.Queue()
        self._notify: Callable[[Event], None] = lambda _event: None
        self.faults = Faults()
        self.body = SimpleNamespace(
            identity=SimpleNamespace(serial=SERIAL), studio=SimpleNamespace(warm=lambda: None)
        )  # fmt: skip
        self.dialect = SimpleNamespace(takes_data=_TAKES_DATA, notify_with=self._notify_with)

    def _notify_with(self, notify: Callable[[Event], None]) -> None:
        self._notify = notify

    def end(self) -> None:
        """The host has left. umtprd notices it when the next host opens a session."""

    async def answer(self, request: Request, transport: Transport) -> None:
        """Send a request to umtprd, and pass on its data and its response."""
        parameters = struct.pack(f"<{len(request.parameters)}I", *request.parameters)
        self._send(container(ContainerType.COMMAND, request.operation, request.transaction, parameters))
        if request.operation in _TAKES_DATA:
            self._send(container(ContainerType.DATA, request.operation, request.transaction, request.data))
        while True:
            kind, transaction, data = await self._containers.get()
            if transaction != request.transaction:  # of a request that a host has given up
                continue
            await transport.send_raw([data])
            if kind == ContainerType.RESPONSE:
                return

    def _send(self, data: bytes) -> None:
        os.write(self._bulk_out, data)

    async def read_replies(self, pipe: asyncio.StreamReader) -> None:
        """Read containers from the endpoint for data and responses."""
        async for kind, _, transaction, data in _containers(pipe):
            self._containers.put_nowait((kind, transaction, data))

    async def read_events(self, pipe: asyncio.StreamReader) -> None:
        """Read containers from the endpoint for events."""
        async for _, code, _, data in _containers(pipe):
            parameters = data[_HEADER.size :]
            self._notify(Event(code, struct.unpack(f"<{len(parameters) // 4}I", parameters)))


async def _containers(pipe: asyncio.StreamReader) -> AsyncIterator[tuple[int, int, int, bytes]]:
    """The type, code and transaction of each container, and the complete container."""
    while True:
        header = await pipe.readexactly(_HEADER.size)
        length, kind, code, transaction = _HEADER.unpack(header)
        yield kind, code, transaction, header + await pipe.readexactly(length - _HEADER.size)


@contextmanager
def umtp_camera(folder: Path, card: Path, library: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """umtprd with the files in `card`, on a machine that uses `folder`; the port of the camera, and the settings of a server.

    Skips the test if umtprd is not installed. `library` is the compiled stand-in for libusb.
    """
    program = shutil.which("umtprd")
    if program is None:
        pytest.skip("no umtprd: sudo apt-get install umtp-responder")
    endpoints = folder / "endpoints"
    endpoints.mkdir()
    with ExitStack() as opened:
        port, terminal = pty.openpty()
        opened.callback(os.close, port)
        opened.callback(os.close, terminal)
        tty.setraw(terminal)
        paths, pipes = {}, {}
        for name in ("bulk_in", "bulk_out", "interrupt"):
            os.mkfifo(endpoints / name)
            paths[name] = endpoints / name
            pipes[name] = os.open(endpoints / name, os.O_RDWR | os.O_NONBLOCK)
            opened.callback(os.close, pipes[name])
        configuration = folder / "umtprd.conf"
        configuration.write_text(
            _CONFIGURATION.format(storage=card, identity=_IDENTITY, serial=SERIAL, ep0=os.ttyname(terminal), **paths)
        )
        with (folder / "umtprd.log").open("w") as log:
            process = subprocess.Popen([program, "-conf", str(configuration)], stdout=log, stderr=log)
        opened.callback(process.wait)
        opened.callback(process.kill)
        os.read(port, 4096)  # its descriptors: it is ready
        for event in (_BIND, _ENABLE):
            os.write(port, _EVENT.pack(event))
        address = opened.enter_context(_served(pipes))
        machine = folder / "machine"
        machine.mkdir()
        bus = opened.enter_context(Bus(machine, [address]))
        (device,) = bus.devices.iterdir()
        numbers = [int((device / name).read_text()) for name in ("busnum", "devnum")]
        python = python_on(bus, library, machine)
        yield "usb:{:03d},{:03d}".format(*numbers), {"python": str(python), "PYTHONPATH": str(ROOT)}


@contextmanager
def _served(pipes: dict[str, int]) -> Iterator[str]:
    """A USB/IP server for umtprd in a thread; its address."""
    started: list[str] = []
    ready, loop = threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        relay = _Relay(pipes["bulk_out"])
        device = UsbDevice(cast("Session", relay), _IDENTITY, SERIAL, UsbBus())
        device.plug(device.port)
        server = UsbIpServer([device])
        started.append(f"127.0.0.1:{await server.start('127.0.0.1', 0)}")
        async with _pipe(pipes["bulk_in"]) as replies, _pipe(pipes["interrupt"]) as events:
            tasks = [asyncio.create_task(relay.read_replies(replies)), asyncio.create_task(relay.read_events(events))]
            ready.set()
            await stop.wait()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        device.unplug()
        await server.stop()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, name="umtp")
    thread.start()
    try:
        assert ready.wait(WITHIN_S), "the USB/IP server did not start"
        yield started[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


@asynccontextmanager
async def _pipe(fd: int) -> AsyncIterator[asyncio.StreamReader]:
    reader = asyncio.StreamReader(_LARGEST_PIECE)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(os.dup(fd), "rb", buffering=0)
    )
    try:
        yield reader
    finally:
        transport.close()
