"""Rotated live view: its CPU time compared with Pillow, and whether many viewers still receive all frames."""

from __future__ import annotations

import io
import os
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from PIL import Image

from benchmarks.effort import Effort
from benchmarks.figures import Figure, Limit, for_information, judged, ratios
from benchmarks.served import Served, live_view
from benchmarks.viewers import Viewers, Wanted
from camera.device import jpeg
from camera.orientation import Orientation
from camera.processes.programs import environment
from simulator.process import SimulatorProcess

_ORIENTATIONS = (Orientation(90), Orientation(180), Orientation(270), Orientation(0, True))
_FRAMES, _VIEWERS = 20, 16


def run(effort: Effort) -> list[Figure]:
    """All figures of rotated live view."""
    return [*_orientation_figures(effort), *_served_figures(effort)]


def _sample() -> bytes:
    """A live-view frame of 1280x720 pixels. It has about 100 KB, as the frames in all other rows of the table."""
    picture = Image.merge("RGB", [Image.effect_noise((40, 24), 90) for _ in range(3)])
    picture = picture.resize((1280, 720), Image.Resampling.BICUBIC)
    picture = Image.blend(picture, Image.effect_noise((1280, 720), 40).convert("RGB"), 0.1)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=68)
    return out.getvalue()


def _milliseconds(data: bytes, orientation: Orientation, by_pillow: bool, frames: int) -> float:
    """The median CPU time for one frame, in milliseconds. Runs in a separate process, as in a real camera process."""
    work = jpeg.by_pillow if by_pillow else jpeg.turned
    took = []
    for _ in range(frames):
        started = time.process_time()
        work(data, orientation)
        took.append((time.process_time() - started) * 1000)
    return statistics.median(took)


def _orientation_figures(effort: Effort) -> list[Figure]:
    row = "turned preview, 1280x720: CPU of one frame"
    if jpeg.turbojpeg() is None:
        return [Figure(row, "all turns", "no libturbojpeg here", "Pillow", "at most 0.5 x", "for information")]
    data = _sample()
    figures = []
    frames = min(_FRAMES, 4 * effort.calls)
    for orientation in _ORIENTATIONS:
        with (
            _separate_process(environment()) as ours,
            _separate_process({}) as theirs,
            _separate_process(environment()) as tuned,
        ):
            rounds = [
                (
                    ours.submit(_milliseconds, data, orientation, False, frames).result(),
                    theirs.submit(_milliseconds, data, orientation, True, frames).result(),
                    tuned.submit(_milliseconds, data, orientation, True, frames).result(),
                )
                for _ in range(effort.parts + 1)
            ]
        quick, default_settings_pool, kept = zip(*rounds, strict=True)
        what = f"turned {orientation.rotation}{' and mirrored' if orientation.flip else ''} / Pillow"
        compared_with = f"{statistics.median(quick):.1f} / {statistics.median(default_settings_pool):.1f} ms"
        figures.append(judged(row, what, ratios(quick, default_settings_pool), compared_with, Limit(0.5, "x")))
        figures.append(
            for_information(row, "the same with our memory settings for Pillow too", ratios(quick, kept), "x")
        )
    return figures


@contextmanager
def _separate_process(settings: dict[str, str]) -> Iterator[ProcessPoolExecutor]:
    """A separate process that starts with `settings` as additional environment variables."""
    before = dict(os.environ)
    os.environ.update(settings)
    try:
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            pool.submit(os.getpid).result()  # start the process while the settings are in the environment
            yield pool
    finally:
        os.environ.clear()
        os.environ.update(before)


def _served_figures(effort: Effort) -> list[Figure]:
    with SimulatorProcess("--frame", "1280x720") as simulator, Served(simulator.cameras[0].address) as served:
        viewers = Viewers()
        viewers.connect(
            Wanted(served.port, _VIEWERS, messages=live_view(format="binary", rotation=90), how="numbers")
        )  # fmt: skip
        time.sleep(0.5)
        viewers.seen()
        rates = []
        for _ in range(effort.parts):
            started = time.monotonic()
            time.sleep(effort.watch_s)
            seen = viewers.seen()
            rates.append(min(one.frames for one in seen) / (time.monotonic() - started))
        viewers.stop()
    what = f"{_VIEWERS} viewers of a turned stream at 30 frames/s, the slowest"
    return [judged("turned preview, served", what, rates, "", Limit(29, "frames/s", at_least=True), digits=1)]
