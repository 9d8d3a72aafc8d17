"""Viewers in a separate process: `python -m benchmarks.viewers`.

Each line of input is a JSON request, which the process answers with one line. Most viewers discard the received data in
the kernel (MSG_TRUNC), so that no server waits for them. Other viewers read every message: they record its age and its
number, or compare each byte. A viewer may read at a limited rate.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import time
from dataclasses import asdict, dataclass
from typing import Literal

from benchmarks import reading, wire
from benchmarks.processes import Running

How = Literal["discard", "numbers", "exact"]
_CHUNK = 1024 * 1024
_TICK_S = 0.005
# Viewers that discard data poll at this interval, so that the server does not wake them when it sends. When it woke
# them, this cost the server more CPU time than sending, and caused most of the differences between rounds. With real
# clients, which run on other machines, the server does not have this cost.
_NAP_S = 0.0002
_ADMISSION_S = 5.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """A group of viewers of one server.

    Attributes:
        port: the port of the server.
        count: number of viewers.
        hello: the HTTP request to send first; "" for a server that sends at once.
        messages: text messages that each viewer sends afterwards.
        how: what they do with received data: discard it, read numbers and ages of frames, or compare every byte.
        bytes_a_second: the maximum reading rate; 0 for no limit.
    """

    port: int
    count: int
    hello: str = wire.HELLO.format(path="/")
    messages: tuple[str, ...] = ()
    how: How = "discard"
    bytes_a_second: int = 0


class Viewers:
    """The process of the viewers. It connects viewers, counts the bytes that they receive, and disconnects them."""

    def __init__(self) -> None:
        self._process = Running("benchmarks.viewers")
        self.pid = self._process.pid

    def connect(self, wanted: Wanted) -> None:
        """Connect viewers; returns when each has sent its messages."""
        self._process.ask(json.dumps(asdict(wanted)))

    def say(self, message: str) -> None:
        """Send a text message from each viewer."""
        self._process.ask(json.dumps(["say", message]))

    def count(self) -> list[int]:
        """The number of bytes that each viewer received so far."""
        counts: list[int] = json.loads(self._process.ask('"count"'))
        return counts

    def seen(self) -> list[reading.Seen]:
        """For each viewer that reads messages: what it received since it was connected, or since the previous call."""
        return [reading.Seen(**one) for one in json.loads(self._process.ask('"seen"'))]

    def leave(self) -> None:
        """Close every connection."""
        self._process.ask('"leave"')

    def stop(self) -> None:
        """End the process."""
        self._process.stop()


class _Viewer:
    def __init__(self, wanted: Wanted) -> None:
        # The buffers of a slow link are small. Without this limit, the client's kernel would buffer megabytes.
        self.socket = wire.connected(wanted.port, wanted.hello, 32 * 1024 if wanted.bytes_a_second else None)
        if wanted.messages:
            self.socket.sendall(b"".join(wire.masked(text) for text in wanted.messages))
        self.socket.setblocking(False)
        self.rate = wanted.bytes_a_second
        self.bytes = 0
        self.reader = None if wanted.how == "discard" else reading.Reader(exact=wanted.how == "exact")
        self._allowed_at = time.monotonic()

    def readable(self, buffer: memoryview) -> bool:
        """Read the available data; returns whether the connection is still open."""
        size = len(buffer)
        if self.rate:
            now = time.monotonic()
            size = min(size, int((now - self._allowed_at) * self.rate))
            self._allowed_at = now
            if size == 0:
                return True
        try:
            got = self.socket.recv_into(buffer, size, 0 if self.reader else socket.MSG_TRUNC)
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        self.bytes += got
        if self.reader is not None:
            for ping in self.reader.feed(buffer[:got]):
                self.socket.send(wire.pong(ping))
        return got > 0


def _admitted(wanted: Wanted) -> _Viewer:
    """Connect a viewer. If the server has too many clients, try again for 5 s.

    The reason may be temporary: other clients are logging in or disconnecting.
    """
    deadline = time.monotonic() + _ADMISSION_S
    while True:
        try:
            return _Viewer(wanted)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_TICK_S)


class _Crowd:
    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._epoll.register(0, select.EPOLLIN)
        self._viewers: dict[int, _Viewer] = {}
        self._buffer = memoryview(bytearray(_CHUNK))
        self._input = b""

    def run(self) -> None:
        while True:
            slow = [viewer for viewer in self._viewers.values() if viewer.rate]
            discarding = any(viewer.reader is None for viewer in self._viewers.values())
            if discarding:
                time.sleep(_NAP_S)
            for fd, _ in self._epoll.poll(0 if discarding else _TICK_S if slow else None):
                if fd == 0:
                    data = os.read(0, 65536)
                    if not data:
                        return
                    self._input += data
                elif fd in self._viewers and not self._viewers[fd].readable(self._buffer):
                    self._epoll.unregister(fd)
            for viewer in slow:
                viewer.readable(self._buffer)
            while b"\n" in self._input:
                line, _, self._input = self._input.partition(b"\n")
                print(json.dumps(self._answer(json.loads(line))), flush=True)

    def _answer(self, request: object) -> object:
        match request:
            case "count":
                return [viewer.bytes for viewer in self._viewers.values()]
            case "seen":
                return [asdict(viewer.reader.report()) for viewer in self._viewers.values() if viewer.reader]
            case "leave":
                for viewer in self._viewers.values():
                    viewer.socket.close()
                self._viewers.clear()
            case ["say", str(message)]:
                for viewer in self._viewers.values():
                    viewer.socket.send(wire.masked(message))
            case dict():
                wanted = Wanted(**request)
                for _ in range(wanted.count):
                    viewer = _admitted(wanted)
                    self._viewers[viewer.socket.fileno()] = viewer
                    if not viewer.rate:
                        self._epoll.register(viewer.socket.fileno(), select.EPOLLIN)
        return None


if __name__ == "__main__":
    print("ready", flush=True)
    _Crowd().run()
    sys.exit(0)
