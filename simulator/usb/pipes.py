"""Transfers that a host submits, and the IN pipe that answers them packet by packet."""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

DONE = 0
STALLED = -errno.EPIPE
BABBLE = -errno.EOVERFLOW
"""The device sent a packet that does not fit into the rest of the host's buffer."""

CONTROL, BULK_IN, BULK_OUT, INTERRUPT = 0x00, 0x81, 0x02, 0x83
"""The addresses of the endpoints."""


@dataclass(eq=False)
class Urb:
    """A transfer that a host has submitted.

    Attributes:
        number: its number on the connection.
        endpoint: the address of the endpoint; 0 for control transfers of both directions.
        length: the size of the host's buffer in bytes.
        setup: the 8 bytes of a control request.
        data: what the host sends.
        complete: called with the status, 0 or a negative number of Linux's errno, when the transfer has ended.
        received: what the device has sent.
    """

    number: int
    endpoint: int
    length: int
    setup: bytes
    data: bytes
    complete: Callable[[Urb, int], None]
    received: bytearray = field(default_factory=bytearray)


@dataclass
class _Transfer:
    data: memoryview
    whole: bool


class InPipe:
    """What a device sends on one IN endpoint, and the transfers of the host that wait for it."""

    def __init__(self, packet: int) -> None:
        """``packet``: the size of a full packet in bytes."""
        self._packet = packet
        self._transfers: deque[_Transfer] = deque()
        self._waiting: deque[Urb] = deque()
        self._read = asyncio.Event()
        self.halted = False

    def submit(self, urb: Urb) -> None:
        """Answer ``urb`` when there is data. A halted pipe answers with `STALLED`."""
        if self.halted:
            urb.complete(urb, STALLED)
            return
        self._waiting.append(urb)
        self._pump()

    def send(self, data: bytes, whole: bool = True) -> None:
        """Send one transfer, ended by a short packet. If not ``whole``, it does not end, and nothing follows it."""
        self._transfers.append(_Transfer(memoryview(data), whole))
        self._read.clear()
        self._pump()

    async def read(self) -> None:
        """Wait until the host has read everything that was sent."""
        await self._read.wait()

    def withdraw(self, urb: Urb) -> None:
        """Forget a transfer of the host, if it waits here."""
        if urb in self._waiting:
            self._waiting.remove(urb)

    def withdraw_all(self) -> list[Urb]:
        """Forget all transfers of the host that wait here, and return them."""
        waiting, self._waiting = list(self._waiting), deque()
        return waiting

    def flush(self) -> None:
        """Drop what the host has not read."""
        self._transfers.clear()

    def drop_oldest(self, kept: int) -> None:
        """Drop all but the last ``kept`` transfers that the host has not read."""
        while len(self._transfers) > kept:
            self._transfers.popleft()

    def halt(self) -> None:
        """Drop what was not read, and answer all transfers with `STALLED` until ``halted`` is false again."""
        self.halted = True
        self.flush()
        for urb in self.withdraw_all():
            urb.complete(urb, STALLED)

    def _pump(self) -> None:
        while self._waiting and self._transfers:
            urb, transfer = self._waiting[0], self._transfers[0]
            room = urb.length - len(urb.received)
            if not transfer.data and not transfer.whole:
                break
            last_is_full = not len(transfer.data) % self._packet
            taken = transfer.data[:room]
            urb.received += taken
            status, done = DONE, False
            if len(taken) < len(transfer.data):
                if room % self._packet:
                    status = BABBLE
                    taken = transfer.data[: -(-room // self._packet) * self._packet]
            elif transfer.whole:
                # If the last packet is full, a packet without data ends the transfer. A full buffer cannot hold it.
                done = not last_is_full or len(taken) < room
            transfer.data = transfer.data[len(taken) :]
            if done or (status == BABBLE and not transfer.data):
                self._transfers.popleft()
            if done or status or len(urb.received) == urb.length:
                self._waiting.popleft()
                urb.complete(urb, status)
        if not any(transfer.data for transfer in self._transfers):
            self._read.set()
