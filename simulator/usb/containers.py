"""PTP containers, the packets of PTP over USB: u32 length, u16 type, u16 code, u32 transaction, payload; little-endian.

Source: USB Still Image Capture Device Definition 1.0, chapter 7.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator, Sequence
from enum import IntEnum

from ..ptp import Event, Reply, Request

_HEADER = struct.Struct("<IHHI")
_UNKNOWN_LENGTH = 0xFFFFFFFF
_NO_TRANSACTION = 0xFFFFFFFF
_MOST_PARAMETERS = 5


class ContainerType(IntEnum):
    """The types of containers."""

    COMMAND = 1
    DATA = 2
    RESPONSE = 3
    EVENT = 4


class ContainerError(Exception):
    """The host sent an invalid container, or a container that is not allowed at this time."""


def container(type_: int, code: int, transaction: int, payload: bytes = b"") -> bytes:
    """One container."""
    return _HEADER.pack(_HEADER.size + len(payload), type_, code, transaction) + payload


def event(one: Event) -> bytes:
    """The container of an event."""
    parameters = struct.pack(f"<{len(one.parameters)}I", *one.parameters)
    return container(ContainerType.EVENT, one.code, _NO_TRANSACTION, parameters)


class Framing:
    """How USB frames the reply to an operation, also one that is not correct; see ``mutation.Framing``."""

    types = tuple(ContainerType)

    def __init__(self, operation: int) -> None:
        """Frame the reply to ``operation``, because a data container repeats the code of its operation."""
        self._operation = operation

    def packet(self, type_: int, body: bytes) -> bytes:
        """A packet of any type with any body."""
        return container(type_ & 0xFFFF, self._operation, 0, body)

    def data(
        self, transaction: int, data: bytes, announced: int | None = None, length: int | None = None
    ) -> Iterator[bytes]:
        """A data phase. ``announced``: the size that it announces; ``length``: the length in its header."""
        size = len(data) if announced is None else announced
        length = _HEADER.size + size if length is None else length
        yield _HEADER.pack(min(length, _UNKNOWN_LENGTH), ContainerType.DATA, self._operation, transaction) + data

    def endless(self, transaction: int, piece: bytes, count: int) -> Iterator[bytes]:
        """A data phase that is never complete: ``count`` times ``piece``."""
        yield _HEADER.pack(_UNKNOWN_LENGTH, ContainerType.DATA, self._operation, transaction) + piece * count

    def response(self, transaction: int, code: int, parameters: Sequence[int]) -> bytes:
        """The packet that ends a transaction."""
        return container(ContainerType.RESPONSE, code, transaction, struct.pack(f"<{len(parameters)}I", *parameters))

    def reply(self, transaction: int, reply: Reply) -> Iterator[bytes]:
        """The containers of a reply."""
        if reply.data is not None:
            yield from self.data(transaction, reply.data)
        yield self.response(transaction, reply.code, reply.parameters)


class Assembler:
    """Puts requests together from the transfers on the bulk OUT endpoint."""

    def __init__(self, takes_data: Collection[int]) -> None:
        """``takes_data``: the operations for which the host sends data."""
        self._takes_data = takes_data
        self.reset()

    def reset(self) -> None:
        """Forget a request that is not complete."""
        self._request: Request | None = None
        self._missing: int | None = None
        self._parts: list[bytes] = []

    def operation(self, transfer: bytes) -> int | None:
        """The code of the operation to which ``transfer`` belongs; None if it does not contain a code."""
        if self._missing is not None and self._request:
            return self._request.operation
        return int(_HEADER.unpack_from(transfer)[2]) if len(transfer) >= _HEADER.size else None

    def feed(self, transfer: bytes) -> Request | None:
        """The request that ``transfer`` completes; None if it completes no request.

        Raises:
            ContainerError: The transfer is not a part of a valid request.
        """
        if self._missing is not None:
            return self._take_data(transfer, self._missing, ends=not transfer)
        if not transfer:
            # After a data phase that fills its last packet, a host sends a packet without data.
            return None
        if len(transfer) < _HEADER.size:
            raise ContainerError(f"a container of {len(transfer)} bytes")
        length, type_, code, transaction = _HEADER.unpack_from(transfer)
        payload = transfer[_HEADER.size :]
        if type_ == ContainerType.COMMAND:
            return self._take_command(length, code, transaction, payload)
        if type_ == ContainerType.DATA and self._request and transaction == self._request.transaction:
            return self._take_data(payload, length - _HEADER.size, ends=False)
        raise ContainerError(f"a container of type {type_} instead of a command")

    def _take_command(self, length: int, code: int, transaction: int, payload: bytes) -> Request | None:
        if length != _HEADER.size + len(payload) or len(payload) % 4 or len(payload) > 4 * _MOST_PARAMETERS:
            raise ContainerError(f"a command with {len(payload)} bytes of parameters, but the length {length}")
        request = Request(code, transaction, struct.unpack(f"<{len(payload) // 4}I", payload))
        self.reset()
        if code not in self._takes_data:
            return request
        self._request = request
        return None

    def _take_data(self, part: bytes, missing: int, ends: bool) -> Request | None:
        self._parts.append(part)
        self._missing = missing - len(part)
        if self._missing > 0 and not ends:
            return None
        request, data = self._request, b"".join(self._parts)
        self.reset()
        if request is None or missing < len(part):
            raise ContainerError("more data than the container announces")
        return Request(request.operation, request.transaction, request.parameters, data)
