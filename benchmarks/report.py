"""Writes the table into docs/performance.md, between two marks, and the plot into docs/performance.svg."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks import plot
from benchmarks.figures import Figure, as_markdown
from benchmarks.live_view import Samples
from benchmarks.processes import ROOT

_BEGIN, _END = "<!-- figures: written by make bench-full -->", "<!-- end of figures -->"
_DOCUMENT, _PICTURE = ROOT / "docs/performance.md", ROOT / "docs/performance.svg"
_VERSIONS = ("websockets", "pybase64", "aiohttp", "starlette", "uvicorn", "uvloop", "pillow", "gphoto2")


def write(figures: Sequence[Figure], plotted: dict[int, Samples]) -> None:
    """Write the table into the document, and the plot if there are samples for it."""
    text = _DOCUMENT.read_text()
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    _DOCUMENT.write_text(f"{before}{_BEGIN}\n\n{machine()}\n\n{as_markdown(figures)}\n\n{_END}{after}")
    if plotted:
        plot.draw(plotted, _PICTURE)


def machine() -> str:
    """A paragraph about the machine, with the versions of the compared programs."""
    model = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    versions = ", ".join(f"{name} {version(name)}" for name in _VERSIONS)
    busy = os.getloadavg()[2]
    return (
        f"{len(os.sched_getaffinity(0))} cores of {model}, Linux {platform.release().partition('-')[0]}, "
        f"Python {platform.python_version()}, {versions}; {datetime.now(UTC):%Y-%m-%d}, "
        f"load of the last 15 minutes {busy:.1f}."
    )
