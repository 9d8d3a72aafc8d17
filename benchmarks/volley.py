"""Several cameras released together, compared with separate captures that are requested at the same time."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from benchmarks import wire
from benchmarks.effort import Effort
from benchmarks.figures import Figure, Limit, for_information, judged
from benchmarks.served import Served
from simulator.client import Control
from simulator.process import SimulatorProcess

_CAMERA = ("--still", "1296x864", "--shutter", "0.02")
_NIKON = ("--maker", "nikon")
# Long enough for 8 cameras to be ready on a slow machine.
_IN_MS = 600
# How many volleys a round has, for each photo that another benchmark would take in it.
_VOLLEYS = 4


def run(effort: Effort) -> list[Figure]:
    """All figures of volleys."""
    return [
        *_released([()] * 4, "4 Canons", effort, Limit(1, "ms"), Limit(6, "ms")),
        *_released([()] * 8, "8 Canons", effort, Limit(3, "ms"), None),
        *_released([_NIKON] * 4, "4 Nikons", effort, Limit(1, "ms"), Limit(6, "ms")),
    ]


def _released(
    makers: Sequence[tuple[str, ...]], what: str, effort: Effort, median: Limit, longest: Limit | None
) -> list[Figure]:
    """The figures of one rig. Each camera has a simulator of its own, so that they can answer at the same time."""
    middles: list[float] = []
    opened: list[float] = []
    apart: list[float] = []
    everything: list[float] = []
    with ExitStack() as stack:
        simulators = [stack.enter_context(SimulatorProcess(*maker, *_CAMERA)) for maker in makers]
        controls = [stack.enter_context(Control(simulator.control)) for simulator in simulators]
        ports = [simulator.cameras[0].address for simulator in simulators]
        served = stack.enter_context(Served(*ports))
        clients = [served.client() for _ in ports]
        clients[0].command("fire", in_ms=2 * _IN_MS)  # the simulators generate their pictures now
        for _ in range(effort.parts):
            commanded, shutters, separate = [], [], []
            for _ in range(max(1, _VOLLEYS * effort.shots // effort.parts)):
                commanded.append(_fire(clients[0]))
                shutters.append(_span_ms(controls))
                _capture_each(clients, ports)
                separate.append(_span_ms(controls))
            everything += commanded
            middles.append(statistics.median(commanded))
            opened.append(statistics.median(shutters))
            apart.append(statistics.median(separate))
        for client in clients:
            client.close()
    row = f"{what} released together, {len(everything)} volleys"
    figures = [judged(row, "commands: median skew", middles, "", median)]
    if longest is not None:
        figures.append(judged(row, "commands: longest skew", [max(everything)], "", longest))
    else:
        figures.append(for_information(row, "commands: longest skew", [max(everything)], "ms"))
    compared = f"separate captures {statistics.median(apart):.1f} ms ({min(apart):.1f} to {max(apart):.1f})"
    return [*figures, for_information(row, "shutters of the simulators: median skew", opened, "ms", compared)]


def _fire(client: wire.Client) -> float:
    reply: dict[str, Any] = client.command("fire", in_ms=_IN_MS)
    failed = [camera for camera in reply["cameras"] if camera["status"] != "ok"]
    if failed:
        raise RuntimeError(f"not released: {failed}")
    return float(reply["skew_ms"])


def _capture_each(clients: Sequence[wire.Client], ports: Sequence[str]) -> None:
    """Request a capture of each camera, one immediately after the other, each on its own connection."""
    for client, port in zip(clients, ports, strict=True):
        client.send(wire.request("capture_image", port=port))
    for client in clients:
        client.receive()


def _span_ms(controls: Sequence[Control]) -> float:
    """The time between the first and the last opening of a shutter, by the clock of the simulators."""
    at = [float(control.releases()[-1]["at"]) for control in controls]
    return (max(at) - min(at)) * 1000
