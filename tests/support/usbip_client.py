"""A host without a kernel: it attaches a simulated camera over USB/IP and speaks PTP with it."""

from __future__ import annotations

import errno
import socket
import struct
from dataclasses import dataclass
from types import TracebackType
from typing import Self

BULK_IN, BULK_OUT, INTERRUPT = 0x81, 0x02, 0x83
STALLED, WITHDRAWN = -errno.EPIPE, -errno.ECONNRESET
OK = 0x2001
GET_DEVICE_INFO, OPEN_SESSION, CLOSE_SESSION, GET_OBJECT = 0x1001, 0x1002, 0x1003, 0x1009

_DEVICE = struct.Struct(">256s32s3I3H6B")


class UsbError(Exception):
    """A transfer or an import ended with an error; ``status`` is its number."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


@dataclass(frozen=True)
class Listed:
    """A device in a list, or the device that an import returned."""

    busid: str
    bus: int
    number: int
    speed: int
    vendor: int
    product: int
    interfaces: int


@dataclass(frozen=True)
class Answer:
    """The reply to one operation."""

    code: int
    data: bytes = b""
    parameters: tuple[int, ...] = ()


def connect(address: str, timeout: float = 10.0) -> socket.socket:
    """A connection to a USB/IP server at ``HOST:PORT``."""
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout)


def receive(connection: socket.socket, size: int) -> bytes:
    """Exactly ``size`` bytes.

    Raises:
        ConnectionResetError: The server has closed the connection.
    """
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise ConnectionResetError
        data += part
    return data


def _listed(connection: socket.socket) -> Listed:
    _, busid, bus, number, speed, vendor, product, *_, interfaces = _DEVICE.unpack(receive(connection, _DEVICE.size))
    return Listed(busid.rstrip(b"\0").decode(), bus, number, speed, vendor, product, interfaces)


def devices(address: str) -> list[Listed]:
    """The devices that the server at ``address`` offers."""
    with connect(address) as connection:
        connection.sendall(struct.pack(">HHI", 0x0111, 0x8005, 0))
        version, code, status, count = struct.unpack(">HHII", receive(connection, 12))
        assert (version, code, status) == (0x0111, 0x0005, 0)
        found = []
        for _ in range(count):
            found.append(_listed(connection))
            assert receive(connection, 4) == b"\6\1\1\0"
        assert connection.recv(1) == b""
        return found


class Host:
    """A host that has attached one device. Transfers wait up to 10 s."""

    def __init__(self, address: str, busid: str = "1-1") -> None:
        self.connection = connect(address)
        self.connection.sendall(struct.pack(">HHI32s", 0x0111, 0x8003, 0, busid.encode()))
        _, code, status = struct.unpack(">HHI", receive(self.connection, 8))
        assert code == 0x0003
        if status:
            self.connection.close()
            raise UsbError(status)
        self.device = _listed(self.connection)
        self._number = 0
        self._transaction = 0
        self._done: dict[int, tuple[int, bytes]] = {}
        self._inward: dict[int, bool] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()

    # Transfers

    def submit(self, endpoint: int, length: int = 0, data: bytes = b"", setup: bytes = bytes(8)) -> int:
        """Submit a transfer; returns its number."""
        self._number += 1
        inward = bool(endpoint & 0x80)
        size = length if inward else len(data)
        devid = self.device.bus << 16 | self.device.number
        head = (1, self._number, devid, int(inward), endpoint & 0x7F, 0, size, 0, 0, 0)
        self._inward[self._number] = inward
        self.connection.sendall(struct.pack(">10I8s", *head, setup) + data)
        return self._number

    def unlink(self, number: int) -> int:
        """Take a transfer back; returns the status of the reply."""
        self._number += 1
        self.connection.sendall(struct.pack(">6I24x", 2, self._number, 0, 0, 0, number))
        return self.ended(self._number)[0]

    def ended(self, number: int) -> tuple[int, bytes]:
        """Wait for the end of a transfer; returns its status and what was received."""
        while number not in self._done:
            command, which, _, _, _, status, length = struct.unpack(">5IiI20x", receive(self.connection, 48))
            if command == 4:
                self._done[which] = status, b""
            else:
                assert command == 3
                data = receive(self.connection, length) if self._inward[which] else b""
                self._done[which] = status, data
        return self._done.pop(number)

    def transfer(self, endpoint: int, length: int = 0, data: bytes = b"", setup: bytes = bytes(8)) -> bytes:
        """Submit a transfer and wait for its end; returns what was received.

        Raises:
            UsbError: It ended with an error.
        """
        status, received = self.ended(self.submit(endpoint, length, data, setup))
        if status:
            raise UsbError(status)
        return received

    def control(self, kind: int, request: int, value: int = 0, index: int = 0, length: int = 0) -> bytes:
        """A control request without data from the host."""
        setup = struct.pack("<BBHHH", kind, request, value, index, length)
        return self.transfer(kind & 0x80, length, setup=setup)

    def string(self, index: int) -> str:
        """A string descriptor; empty if ``index`` is 0."""
        return self.control(0x80, 6, 0x0300 | index, 0x0409, 255)[2:].decode("utf-16-le") if index else ""

    def sent_everything(self) -> bool:
        """Whether the camera runs no operation. Then its reply can be read, unless a fault prevents that."""
        return bool(struct.unpack_from("<HH", self.control(0xA1, 0x67, length=20))[1] == OK)

    def clear_halt(self, endpoint: int) -> None:
        """End the halt of an endpoint."""
        self.control(0x02, 1, 0, endpoint)

    # PTP

    def send(self, operation: int, *parameters: int, data: bytes | None = None) -> int:
        """Send an operation; returns the number of its transaction."""
        self._transaction += 1
        count = len(parameters)
        head = struct.pack(f"<IHHI{count}I", 12 + 4 * count, 1, operation, self._transaction, *parameters)
        self.transfer(BULK_OUT, data=head)
        if data is not None:
            container = struct.pack("<IHHI", 12 + len(data), 2, operation, self._transaction) + data
            self.transfer(BULK_OUT, data=container)
            if len(container) % 512 == 0:
                self.transfer(BULK_OUT)
        return self._transaction

    def _container(self) -> tuple[int, int, bytes]:
        """Read one container; returns its type, code and payload."""
        data = self.transfer(BULK_IN, 1 << 24)
        length, kind, code, transaction = struct.unpack_from("<IHHI", data)
        assert (length, transaction) == (len(data), self._transaction)
        return kind, code, data[12:]

    def answer(self) -> Answer:
        """Read the reply to the last operation."""
        kind, code, payload = self._container()
        data = b""
        if kind == 2:
            data = payload
            kind, code, payload = self._container()
        assert kind == 3
        return Answer(code, data, struct.unpack(f"<{len(payload) // 4}I", payload))

    def run(self, operation: int, *parameters: int, data: bytes | None = None) -> Answer:
        """Run an operation."""
        self.send(operation, *parameters, data=data)
        return self.answer()
