"""Draws the live-view figures of the contenders (without uvloop) as SVG.

The two plots show frames per second and CPU time per frame for each number of viewers.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path

import matplotlib
from matplotlib import pyplot

from benchmarks.live_view import Sample, Samples

_OURS = "ours"


def draw(plotted: dict[int, Samples], file: Path) -> None:
    """Write the plot. The same figures give the same file."""
    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "performance", "font.size": 9, "axes.grid": True, "grid.alpha": 0.3})
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    counts = sorted(plotted)
    for axis, title, value in (
        (left, "frames delivered a second, all viewers", _rate),
        (right, "CPU of a delivered frame, microseconds", _cost),
    ):
        for index, name in enumerate(name for name in plotted[counts[0]] if "uvloop" not in name):
            axis.plot(
                counts, [_median(plotted[count][name], value) for count in counts], label=name, **_style(name, index)
            )
        axis.set_title(title)
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.set_xticks(counts, [str(count) for count in counts])
        axis.set_xlabel("viewers of 100 KB frames, saturated")
    figure.legend(*left.get_legend_handles_labels(), loc="outside right center", frameon=False)
    figure.savefig(file, metadata={"Date": None, "Title": "Live view, saturated: ours beside peers"})
    pyplot.close(figure)


def _rate(sample: Sample) -> float:
    return sample.frames / sample.seconds


def _cost(sample: Sample) -> float:
    return sample.microseconds


def _median(samples: list[Sample], value: Callable[[Sample], float]) -> float:
    return statistics.median(value(sample) for sample in samples)


def _style(name: str, index: int) -> dict[str, str | float]:
    if name.startswith(_OURS):
        return {"linewidth": 2.2, "marker": "o"}
    if name == "raw epoll":
        return {"linewidth": 1.2, "linestyle": "--", "color": "black"}
    return {"linewidth": 1.0, "marker": "^v<>sD"[index % 6], "markersize": 4, "alpha": 0.8}
