"""Figures of the server under load: `make load`. It takes a minute, or the number of seconds in LOAD_SECONDS.

All these clients are connected at the same time: a viewer with 30 frames/s, 30 clients that stay connected, 50 visits
per second, connections that never log in, clients that send many messages of the largest size, and clients that do not
read.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from contextlib import AsyncExitStack

import psutil

from benchmarks import crowd
from benchmarks.figures import Figure, Limit, as_text, for_information, judged
from benchmarks.served import Served
from benchmarks.wire import TOKEN
from server import limits
from simulator.process import SimulatorProcess

_SECONDS = float(os.environ.get("LOAD_SECONDS", "60"))
_STAYING, _SILENT, _DEAF = 30, 24, 4
_VISITS_A_SECOND, _SHOUTS_A_SECOND = 50, 300
_ROW = "a crowd"


def largest(command: str) -> str:
    """A command as JSON, padded with spaces to the largest size that a message may have."""
    return json.dumps({"command": command, "id": 1}).ljust(limits.MESSAGE_BYTES)


def _figures(process: psutil.Process) -> tuple[float, int, int]:
    return process.memory_full_info().pss / 1e6, process.num_fds(), len(process.children())


async def _alone(uri: str, port: str) -> float:
    """The frame rate of one viewer without other clients. Before that, some visits warm up the server."""
    await crowd.come_and_go(uri, TOKEN, _VISITS_A_SECOND, 3)
    return await crowd.watch(uri, TOKEN, port, 5)


async def _measure(uri: str, process: psutil.Process, port: str) -> list[Figure]:
    alone = await _alone(uri, port)
    memory, descriptors, children = _figures(process)
    start = json.dumps({"command": "start_live_view", "payload": {"port": port}})
    async with AsyncExitStack() as stack:
        for _ in range(_STAYING):
            await stack.enter_async_context(await crowd.log_in(uri, TOKEN))
        for _ in range(_DEAF):
            await stack.enter_async_context(crowd.deaf(uri, TOKEN, start, *[largest("nothing")] * 150))
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(crowd.watch(uri, TOKEN, port, _SECONDS))
            coming = group.create_task(crowd.come_and_go(uri, TOKEN, _VISITS_A_SECOND, _SECONDS))
            shouting = [
                group.create_task(crowd.shout(uri, TOKEN, _SECONDS, message, _SHOUTS_A_SECOND))
                for message in (largest("ping"), '{"ack": {"stream": 1, "seq": 1}}'.ljust(limits.MESSAGE_BYTES))
            ]
            silent = [group.create_task(crowd.keep_silent(uri, _SECONDS)) for _ in range(_SILENT)]
        during = _figures(process)[0]
    await asyncio.sleep(3)
    after, descriptors_after, children_after = _figures(process)
    rate, visits = watching.result(), coming.result()
    for what, tasks in (("shouting", shouting), ("silence", silent)):
        met = sum((task.result() for task in tasks), Counter[int | None]())
        print(f"{what} was answered with the close codes {dict(met)}")
    print(
        f"visits: {visits.answered} answered, {visits.refused} refused, {len(visits.broken)} broken {visits.broken[:3]}"
    )
    every = _VISITS_A_SECOND * int(_SECONDS)
    return [
        judged(_ROW, "a viewer alone", [alone], "", Limit(28, "frames/s", at_least=True), digits=1),
        judged(_ROW, "a viewer in the crowd", [rate], "", Limit(28, "frames/s", at_least=True), digits=1),
        judged(_ROW, "visits answered", [visits.answered], "", Limit(every, "visits", at_least=True), digits=0),
        for_information(_ROW, "memory of the server before (PSS)", [memory], "MB", digits=1),
        judged(_ROW, "more memory at the end of the crowd", [during - memory], "", Limit(30, "MB"), digits=1),
        judged(_ROW, "more memory afterwards", [after - memory], "", Limit(10, "MB"), digits=1),
        judged(_ROW, "more descriptors afterwards", [descriptors_after - descriptors], "", Limit(0, ""), digits=0),
        judged(_ROW, "more processes afterwards", [children_after - children], "", Limit(0, ""), digits=0),
    ]


def main() -> int:
    """Print the table. The exit code is 0 even if a figure misses its limit."""
    with SimulatorProcess("--cameras", "1", "--shutter", "0.1") as simulator:
        port = simulator.cameras[0].address
        with Served(port, module="benchmarks.monitored") as served:
            figures = asyncio.run(_measure(f"ws://127.0.0.1:{served.port}", psutil.Process(served.pid), port))
            stall = served.longest_stall()
            tracebacks = served.log.count("Traceback")
    figures.append(judged(_ROW, "longest stall of the server's loop", [stall], "", Limit(50, "ms"), digits=0))
    figures.append(judged(_ROW, "tracebacks in its log", [tracebacks], "", Limit(0, ""), digits=0))
    print(as_text(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
