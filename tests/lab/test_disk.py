"""The disk of `make machine` keeps what was flushed in a power cut, and loses the rest."""

from __future__ import annotations

import os
import random
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.disk import BLOCK, Cut, Disk
from tests.support.ports import free_port
from tests.support.waiting import WITHIN_S

_READ, _WRITE, _FLUSH = 0, 1, 3
_FUA = 1
_BLOCKS = 64


class _Guest:
    """A client of the disk, which speaks the NBD protocol."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), WITHIN_S)
        assert self._receive(18) == b"NBDMAGICIHAVEOPT\x00\x03"
        # An unknown option first, as nbd-client does: the reply says that it is not supported.
        self._socket.sendall(struct.pack(">I8sII", 3, b"IHAVEOPT", 7, 0))
        assert self._receive(20)[12:16] == b"\x80\x00\x00\x01"
        self._socket.sendall(struct.pack(">8sII6s", b"IHAVEOPT", 1, 6, b"photos"))
        self.size, self.flags = struct.unpack(">QH", self._receive(10))

    def write(self, block: int, text: bytes, flags: int = 0) -> None:
        self._ask(_WRITE, block, BLOCK, text.ljust(BLOCK, b"\0"), flags)

    def read(self, block: int, blocks: int = 1) -> list[bytes]:
        self._ask(_READ, block, blocks * BLOCK)
        return [self._receive(BLOCK).rstrip(b"\0") for _ in range(blocks)]

    def flush(self) -> None:
        self._ask(_FLUSH, 0, 0)

    def is_cut_off(self) -> bool:
        return self._socket.recv(1) == b""

    def close(self) -> None:
        self._socket.close()

    def _ask(self, kind: int, block: int, length: int, data: bytes = b"", flags: int = 0) -> None:
        self._socket.sendall(struct.pack(">IHHQQI", 0x25609513, flags, kind, 7, block * BLOCK, length) + data)
        assert struct.unpack(">IIQ", self._receive(16)) == (0x67446698, 0, 7)

    def _receive(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self._socket.recv(size - len(data))
            assert piece, "the disk closed the connection"
            data += piece
        return data


class _Machine:
    """A disk, and the guests that use it one after the other."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "disk"
        with self.file.open("wb") as file:
            os.truncate(file.fileno(), _BLOCKS * BLOCK)
        self.port = free_port()
        self.disk = Disk(self.file, "127.0.0.1", self.port)
        self.guests: list[_Guest] = []

    def boot(self) -> _Guest:
        self.guests.append(_Guest(self.port))
        return self.guests[-1]

    def end(self) -> None:
        for guest in self.guests:
            guest.close()
        self.disk.close()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[_Machine]:
    machine = _Machine(tmp_path)
    yield machine
    machine.end()


def test_a_cut_loses_what_was_not_flushed(machine: _Machine) -> None:
    guest = machine.boot()
    assert guest.size == _BLOCKS * BLOCK
    guest.write(1, b"flushed")
    guest.flush()
    guest.write(2, b"forced", _FUA)
    guest.write(3, b"volatile")
    guest.write(1, b"newer and volatile")
    assert guest.read(1, 3) == [b"newer and volatile", b"forced", b"volatile"]
    assert machine.disk.cut(random.Random(1), keep=0.0) == Cut(lost=2, kept=0)
    assert guest.is_cut_off()
    assert machine.boot().read(1, 3) == [b"flushed", b"forced", b""]


def test_a_cut_may_find_some_of_the_blocks_written(machine: _Machine) -> None:
    guest = machine.boot()
    for block in range(_BLOCKS):
        guest.write(block, b"volatile")
    cut = machine.disk.cut(random.Random(1), keep=0.5)
    assert cut.lost + cut.kept == _BLOCKS
    assert 0 < cut.lost < _BLOCKS
    assert machine.boot().read(0, _BLOCKS).count(b"volatile") == cut.kept


def test_a_new_guest_ends_the_connection_of_the_last_one(machine: _Machine) -> None:
    first = machine.boot()
    first.write(0, b"of the first")
    assert machine.boot().read(0) == [b"of the first"]
    assert first.is_cut_off()


def test_a_disk_that_is_closed_has_everything(tmp_path: Path) -> None:
    machine = _Machine(tmp_path)
    machine.boot().write(5, b"volatile")
    machine.end()
    assert machine.file.read_bytes()[5 * BLOCK :].startswith(b"volatile\0")
