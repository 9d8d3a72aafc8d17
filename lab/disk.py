"""A disk for the guest, which loses unflushed data in a power cut: a server of network block devices (NBD).

A written block is volatile until the guest flushes the disk, or writes with FUA (forced unit access). A power cut drops
volatile blocks: all of them, or a random half, because a real disk may have written any of them already. The protocol:
https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md (fixed newstyle).
"""

from __future__ import annotations

import os
import random
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

BLOCK = 4096
_MAGIC, _OPTION_MAGIC, _REPLY_MAGIC = b"NBDMAGIC", b"IHAVEOPT", 0x3E889045565A9
_FIXED_NEWSTYLE, _NO_ZEROES = 1, 2
_OPTION_EXPORT, _OPTION_ABORT, _UNSUPPORTED = 1, 2, 0x80000001
_HAS_FLAGS, _SENDS_FLUSH, _SENDS_FUA = 1, 4, 8
_READ, _WRITE, _DISCONNECT, _FLUSH = 0, 1, 2, 3
_FUA = 1
_INVALID = 22
_REQUEST_MAGIC, _ANSWER_MAGIC = 0x25609513, 0x67446698
_OPTION = struct.Struct(">8sII")
_OPTION_REPLY = struct.Struct(">QIII")
_REQUEST = struct.Struct(">IHHQQI")
_ANSWER = struct.Struct(">IIQ")


@dataclass(frozen=True, slots=True)
class Cut:
    """What a power cut did: the number of volatile blocks that were lost, and that were on the disk already."""

    lost: int
    kept: int


class Disk:
    """One disk in a file. Its server runs in a thread, until `close`. A new connection ends the one before it.

    Attributes:
        writes, flushes: the number of requests since the start.

    Raises:
        OSError: the address is in use, or the file cannot be opened.
    """

    def __init__(self, file: Path, host: str, port: int) -> None:
        self.writes = self.flushes = 0
        self._size = file.stat().st_size
        self._file = os.open(file, os.O_RDWR)
        self._volatile: dict[int, bytes] = {}
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self._listener = socket.create_server((host, port))
        self._thread = threading.Thread(target=self._accept, name="disk", daemon=True)
        self._thread.start()

    def cut(self, rng: random.Random, keep: float) -> Cut:
        """Cut the power of a guest that does not run any more. Each volatile block survives with the probability `keep`."""
        with self._lock:
            survivors = {number: block for number, block in self._volatile.items() if rng.random() < keep}
            cut = Cut(len(self._volatile) - len(survivors), len(survivors))
            self._volatile = survivors
            self._settle()
            self._disconnect()
        return cut

    def close(self) -> None:
        """Settle everything, end the server and close the file."""
        with self._lock:
            self._settle()
            self._disconnect()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(OSError):  # the guest has closed it
                self._connection.shutdown(socket.SHUT_RDWR)
            self._connection = None

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._disconnect()
                self._connection = connection
            threading.Thread(target=self._serve, args=(connection,), name="disk connection", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):  # the guest was killed, or another connection follows
            if self._negotiate(connection):
                while self._answer(connection):
                    pass

    def _negotiate(self, connection: socket.socket) -> bool:
        connection.sendall(_MAGIC + _OPTION_MAGIC + struct.pack(">H", _FIXED_NEWSTYLE | _NO_ZEROES))
        (client_flags,) = struct.unpack(">I", _receive(connection, 4))
        while True:
            _, option, length = _OPTION.unpack(_receive(connection, _OPTION.size))
            _receive(connection, length)
            if option == _OPTION_ABORT:
                return False
            if option == _OPTION_EXPORT:
                flags = _HAS_FLAGS | _SENDS_FLUSH | _SENDS_FUA
                padding = b"" if client_flags & _NO_ZEROES else bytes(124)
                connection.sendall(struct.pack(">QH", self._size, flags) + padding)
                return True
            connection.sendall(_OPTION_REPLY.pack(_REPLY_MAGIC, option, _UNSUPPORTED, 0))

    def _answer(self, connection: socket.socket) -> bool:
        """Handle one request. Returns False after the last one."""
        magic, flags, kind, handle, offset, length = _REQUEST.unpack(_receive(connection, _REQUEST.size))
        if magic != _REQUEST_MAGIC:
            raise ConnectionError(f"a request with the magic number {magic:#x}")
        data, error = b"", 0
        if kind == _DISCONNECT:
            return False
        payload = _receive(connection, length) if kind == _WRITE else b""
        with self._lock:
            if self._connection is not connection:
                return False
            if kind == _READ:
                data = self._read(offset, length)
            elif kind == _WRITE:
                self._write(offset, payload, lasting=bool(flags & _FUA))
                self.writes += 1
            elif kind == _FLUSH:
                self._settle()
                self.flushes += 1
            else:
                error = _INVALID
        connection.sendall(_ANSWER.pack(_ANSWER_MAGIC, error, handle) + data)
        return True

    def _read(self, offset: int, length: int) -> bytes:
        first, last = offset // BLOCK, (offset + length - 1) // BLOCK
        data = bytearray(os.pread(self._file, (last - first + 1) * BLOCK, first * BLOCK))
        for number in range(first, last + 1):
            if (block := self._volatile.get(number)) is not None:
                data[(number - first) * BLOCK : (number - first + 1) * BLOCK] = block
        begin = offset - first * BLOCK
        return bytes(data[begin : begin + length])

    def _write(self, offset: int, data: bytes, lasting: bool) -> None:
        if offset % BLOCK or len(data) % BLOCK:
            raise ConnectionError("the guest wrote a partial block, although its block size is that of this disk")
        for begin in range(0, len(data), BLOCK):
            number = (offset + begin) // BLOCK
            if lasting:
                self._volatile.pop(number, None)
                os.pwrite(self._file, data[begin : begin + BLOCK], number * BLOCK)
            else:
                self._volatile[number] = data[begin : begin + BLOCK]

    def _settle(self) -> None:
        for number, block in self._volatile.items():
            os.pwrite(self._file, block, number * BLOCK)
        self._volatile.clear()


def _receive(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise ConnectionResetError
        data += piece
    return bytes(data)
