"""How exactly bulb exposures have the length that was ordered, by the clock of the simulated camera."""

from __future__ import annotations

from benchmarks.effort import Effort
from benchmarks.figures import Figure, Limit, for_information, judged
from benchmarks.served import Served
from simulator.client import Control
from simulator.process import SimulatorProcess

_LENGTHS_S = (0.1, 0.5, 2.0, 8.0)
_MAKERS = {
    "a Canon": (),
    "a Canon without bulb operations": ("--without", "0x9125", "--without", "0x9126"),
    "a Nikon": ("--maker", "nikon"),
}


def run(effort: Effort) -> list[Figure]:
    """All figures of bulb exposures."""
    return [figure for maker, options in _MAKERS.items() for figure in _exposures(maker, options, effort)]


def _exposures(maker: str, options: tuple[str, ...], effort: Effort) -> list[Figure]:
    row = f"bulb exposures of {maker}: length by the camera's clock"
    differences: dict[float, list[float]] = {length: [] for length in _LENGTHS_S}
    with (
        SimulatorProcess(*options, "--still", "1296x864", "--shutter", "0.02") as simulator,
        Control(simulator.control) as control,
        Served(simulator.cameras[0].address) as served,
    ):
        client = served.client()
        client.command("capture_image")  # the simulator generates its picture now
        for _ in range(max(1, effort.shots // 4)):
            for length in _LENGTHS_S:
                client.command("capture_image", bulb_s=length)
                differences[length].append((float(control.releases()[-1]["exposed_s"]) - length) * 1000)
        client.close()
    longest = max((abs(one), length) for length, found in differences.items() for one in found)
    return [
        judged(row, f"largest difference ({longest[1]:g} s ordered)", [longest[0]], "", Limit(20 + longest[1], "ms")),
        *(
            for_information(row, f"{length:g} s ordered: difference", found, "ms")
            for length, found in differences.items()
        ),
    ]
