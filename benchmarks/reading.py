"""Reads a stream of frames message by message. Finds the age of each frame, missing frames, and wrong data."""

from __future__ import annotations

import base64
import json
import re
import struct
import time
from dataclasses import dataclass, field

from benchmarks import samples

_CONTROL, _PING = 0x8, 0x9
_HEADER = struct.Struct(">BBHIQ")
# The comment that the simulator writes into each frame: frame number, serial number, and time in microseconds.
_MARK = re.compile(rb"frame=(\d+) serial=\S+ time=(\d+)")
_MARK_WITHIN = 600


@dataclass(frozen=True, slots=True)
class Seen:
    """What one viewer received.

    Attributes:
        frames: number of frames.
        first: number of the first frame, as counted by the source.
        last: number of the last frame.
        wrong: number of messages whose content differs from what the source sent.
        ages: for each frame, the milliseconds from the source to the viewer.
        waits: for each frame, the milliseconds from the camera process to the viewer.
    """

    frames: int
    first: int
    last: int
    wrong: int
    ages: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    @property
    def share(self) -> float:
        """The fraction of frames that were received, of all frames that the source sent from `first` to `last`."""
        return self.frames / (self.last - self.first + 1) if self.frames else 0.0


class Reader:
    """Parses the bytes of one connection.

    Args:
        exact: if true, compare each frame with the frame from `samples`. If false, read the simulator's comment in each
            frame.
    """

    def __init__(self, exact: bool) -> None:
        self._exact = exact
        self._buffer = bytearray()
        self._numbers: list[int] = []
        self._ages: list[float] = []
        self._waits: list[float] = []
        self._wrong = 0

    def feed(self, data: memoryview) -> list[bytes]:
        """Parse received bytes; returns the payloads of pings, which must be answered."""
        self._buffer += data
        pings = []
        while (message := self._next()) is not None:
            opcode, payload = message
            if opcode >= _CONTROL:
                pings += [payload] if opcode == _PING else []
                continue
            if opcode == 1 and b'"live_view_frame"' not in payload[:40]:
                continue  # a reply
            (self._compare if self._exact else self._look)(opcode, payload)
        return pings

    def report(self) -> Seen:
        """What was received since the last report."""
        numbers = self._numbers
        first, last = (numbers[0], numbers[-1]) if numbers else (0, 0)
        seen = Seen(len(numbers), first, last, self._wrong, self._ages, self._waits)
        self._numbers, self._ages, self._waits, self._wrong = [], [], [], 0
        return seen

    def _next(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        size, start = buffer[1] & 0x7F, 2
        if size == 126:
            start = 4
        elif size == 127:
            start = 10
        if len(buffer) < start:
            return None
        if start > 2:
            size = int.from_bytes(buffer[2:start], "big")
        if len(buffer) < start + size:
            return None
        opcode, payload = buffer[0] & 0x0F, bytes(buffer[start : start + size])
        del buffer[: start + size]
        return opcode, payload

    def _look(self, opcode: int, payload: bytes) -> None:
        now = time.time_ns() // 1000
        _, _, _, _, for_information = _HEADER.unpack_from(payload)
        mark = _MARK.search(payload, 0, _MARK_WITHIN)
        if opcode != 2 or mark is None:
            self._wrong += 1
            return
        self._numbers.append(int(mark[1]))
        self._ages.append((now - int(mark[2])) / 1000)
        self._waits.append((now - for_information) / 1000)

    def _compare(self, opcode: int, payload: bytes) -> None:
        if opcode == 2:
            kind, _, stream, seq, _ = _HEADER.unpack_from(payload)
            right = (kind, stream) == (1, 1) and payload[_HEADER.size :] == samples.frame(seq)
        else:
            event = json.loads(payload)
            seq = event["seq"]
            right = event["stream"] == 1 and base64.b64decode(event["image_b64"]) == samples.frame(seq)
        self._wrong += not right or bool(self._numbers and seq <= self._numbers[-1])
        self._numbers.append(seq)
