"""Live view for many viewers that receive as many frames as the server can send.

The CPU time of the server per delivered frame is compared with other programs.
"""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from benchmarks import samples, wire
from benchmarks.effort import Effort
from benchmarks.figures import Figure, Limit, Verdict, for_information, judged, ratios
from benchmarks.processes import Running, Window, pin
from benchmarks.served import Served, live_view
from benchmarks.viewers import Viewers, Wanted

_SETTLE_S = 0.03
# How long viewers stay connected, in seconds. Viewers that discard everything do not answer pings: servers send a ping
# after 20 s, and disconnect the viewer 20 s later.
_STAY_S = 10.0
_EXACT_VIEWERS = 16
_BINARY = samples.FRAME_BYTES + 26  # including the headers of the WebSocket and of the protocol
_PEERS = ("aiohttp WebSocket", "Starlette + uvicorn", "websockets broadcast()", "aiohttp MJPEG")
_FLOOR, _JSON = "raw epoll", "json + base64 per client"
_OURS, _OURS_TEXT, _OURS_UVLOOP = "ours, binary", "ours, base64", "ours on uvloop, binary"


@dataclass(frozen=True, slots=True)
class Sample:
    """The result of one contender in one round.

    Attributes:
        frames: number of frames that were delivered to all viewers together.
        cpu: CPU seconds of the server process.
        seconds: length of the measurement.
    """

    frames: float
    cpu: float
    seconds: float

    @property
    def microseconds(self) -> float:
        """CPU time of one delivered frame in microseconds."""
        return self.cpu / self.frames * 1e6


Samples = dict[str, list[Sample]]
"""The results of each contender by its name, one for each round."""


class Contender:
    """A server that sends frames as fast as viewers read them. It is stopped (SIGSTOP) except while it is measured.

    Args:
        name: its name in the table.
        process: the server process.
        wanted: how its viewers connect; `crowd` sets their number.
        message: size of one frame on the wire in bytes.
    """

    def __init__(self, name: str, process: Running, wanted: Wanted, message: int) -> None:
        self.name = name
        self._process, self._wanted, self._message = process, wanted, message
        self._viewers = Viewers()
        pin(process.pid, 0)
        pin(self._viewers.pid, -1)

    def crowd(self, count: int) -> None:
        """Connect `count` viewers, wait until each has received a frame, and stop the server process (SIGSTOP)."""
        self._process.signal(signal.SIGCONT)
        self._viewers.leave()
        wanted = self._wanted
        self._viewers.connect(Wanted(wanted.port, count, wanted.hello, wanted.messages))
        deadline = time.monotonic() + 10
        while min(self._viewers.count()) < self._message:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} does not serve {count} viewers")
            time.sleep(0.01)
        self._process.signal(signal.SIGSTOP)

    def run_slice(self, seconds: float) -> Sample:
        """Let the server process run (SIGCONT), measure it for some seconds, and stop it again."""
        self._process.signal(signal.SIGCONT)
        time.sleep(_SETTLE_S)
        before, window = sum(self._viewers.count()), Window(self._process.pid)
        time.sleep(seconds)
        got, cpu, took = sum(self._viewers.count()) - before, window.cpu(), window.seconds()
        self._process.signal(signal.SIGSTOP)
        return Sample(got / self._message, cpu, took)

    def close(self) -> None:
        """Disconnect the viewers. The server process continues."""
        self._viewers.stop()


@contextmanager
def contenders() -> Iterator[list[Contender]]:
    """Start all contenders, and end them afterwards."""
    with ExitStack() as stack:

        def peer(*command: str) -> Running:
            return stack.enter_context(Running(*(f"benchmarks.peers.{command[0]}", *command[1:])))

        def ours(**settings: str) -> Served:
            return stack.enter_context(Served(module="benchmarks.saturated", **settings))

        def websocket(process: Running, path: str = "/") -> Wanted:
            return Wanted(int(process.hello), 0, wire.HELLO.format(path=path))

        binary, text, uvloop = ours(), ours(), ours(BENCHMARK_LOOP="uvloop")
        raw, broadcast, whole = peer("raw_epoll"), peer("with_websockets", "broadcast"), peer("with_websockets", "json")
        starlette, aiohttp, mjpeg = peer("with_starlette"), peer("with_aiohttp"), peer("with_aiohttp")
        encoded = 4 * ((samples.FRAME_BYTES + 2) // 3) + len(json.dumps(_EVENT)) + 10
        all_contenders = [
            Contender(_FLOOR, raw, Wanted(int(raw.hello), 0, hello=""), _BINARY),
            Contender(_OURS, binary.process, Wanted(binary.port, 0, messages=live_view(format="binary")), _BINARY),
            Contender(_OURS_TEXT, text.process, Wanted(text.port, 0, messages=live_view(format="base64")), encoded),
            Contender(
                _OURS_UVLOOP, uvloop.process, Wanted(uvloop.port, 0, messages=live_view(format="binary")), _BINARY
            ),
            Contender(_PEERS[0], aiohttp, websocket(aiohttp, "/ws"), _BINARY),
            Contender(_PEERS[1], starlette, websocket(starlette), _BINARY),
            Contender(_PEERS[2], broadcast, websocket(broadcast), _BINARY),
            Contender(
                _PEERS[3],
                mjpeg,
                Wanted(int(mjpeg.hello), 0, "GET /mjpeg HTTP/1.1\r\nHost: localhost\r\n\r\n"),
                samples.FRAME_BYTES + 70,
            ),
            Contender(_JSON, whole, websocket(whole), encoded),
        ]
        for one in all_contenders:
            stack.callback(one.close)
        yield all_contenders


_EVENT = {
    "event": "live_view_frame",
    "stream": 1,
    "seq": 10_000,
    "time": "2030-12-24T18:00:00.000000Z",
    "mimetype": "image/jpeg",
    "image_b64": "",
}


def measure(effort: Effort, count: int, all_contenders: list[Contender]) -> Samples:
    """Measure all rounds with `count` viewers. In each slice of a round, the order of the contenders is random."""
    samples: Samples = {one.name: [] for one in all_contenders}
    crowded_at = float("-inf")
    for _ in range(effort.rounds):
        if time.monotonic() - crowded_at > _STAY_S:
            for one in all_contenders:
                one.crowd(count)
            crowded_at = time.monotonic()
        orientations: dict[str, list[Sample]] = {one.name: [] for one in all_contenders}
        for _ in range(effort.slices):
            for one in random.sample(all_contenders, len(all_contenders)):
                orientations[one.name].append(one.run_slice(effort.slice_s))
        for name, parts in orientations.items():
            total = Sample(sum(p.frames for p in parts), sum(p.cpu for p in parts), sum(p.seconds for p in parts))
            samples[name].append(total)
    return samples


def judge(count: int, samples: Samples) -> list[Figure]:
    """The figures for `count` viewers."""
    cost = {name: [sample.microseconds for sample in rounds] for name, rounds in samples.items()}
    row = f"live view, {count} viewers, saturated: CPU of the server for each delivered frame of 100 KB"
    floor = for_information("", "", cost[_FLOOR], "us", digits=1).value

    def line(name: str, peer: str, limit: float, compared_with: str) -> Figure:
        return judged(row, f"{name} / {peer}", ratios(cost[name], cost[peer]), compared_with, Limit(limit, "x"))

    figures = [
        line(_OURS, _FLOOR, 1.3, f"raw epoll {floor}"),
        line(_OURS_TEXT, _FLOOR, 1.9, f"raw epoll {floor}, binary"),
        judged(
            row,
            f"{_JSON} / {_OURS_TEXT}",
            ratios(cost[_JSON], cost[_OURS_TEXT]),
            for_information("", "", cost[_JSON], "us", digits=0).value,
            Limit(15, "x", at_least=True),
            digits=1,
        ),
    ]
    for peer in _PEERS:
        figures.append(line(_OURS, peer, 1.0, for_information("", "", cost[peer], "us", digits=1).value))
    figures.append(
        for_information(
            row, f"{_OURS_UVLOOP} / asyncio", ratios(cost[_OURS_UVLOOP], cost[_OURS]), "x", "not used by the server"
        )
    )
    return figures


def exact(effort: Effort) -> list[Figure]:
    """Check the delivered data: viewers compare every byte with what was sent."""
    figures = []
    for form in ("binary", "base64"):
        with Served(module="benchmarks.saturated") as served:
            viewers = Viewers()
            viewers.connect(Wanted(served.port, _EXACT_VIEWERS, messages=live_view(format=form), how="exact"))
            time.sleep(effort.watch_s)
            seen = viewers.seen()
            viewers.stop()
        frames, wrong = sum(one.frames for one in seen), sum(one.wrong for one in seen)
        good = wrong == 0 and min(one.frames for one in seen) > 0
        words = f"{wrong} of {frames} wrong"
        what = f"{_EXACT_VIEWERS} viewers, saturated, {form}"
        verdict: Verdict = "reached" if good else "MISSED"
        figures.append(Figure("every byte looked at", what, words, "what was sent", "0 wrong", verdict))
    return figures


def run(effort: Effort, plotted: dict[int, Samples] | None = None) -> list[Figure]:
    """All figures of the live view. Adds the samples for the plot to `plotted`, by number of viewers."""
    figures = []
    with contenders() as all_contenders:
        for count in effort.viewers:
            samples = measure(effort, count, all_contenders)
            if plotted is not None:
                plotted[count] = samples
            if count >= 16 or len(effort.viewers) == 1:
                figures += judge(count, samples)
    return figures + exact(effort)
