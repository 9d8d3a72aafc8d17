"""How much is measured: QUICK takes two minutes, FULL is for docs/performance.md."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """Numbers of measurements, and their lengths.

    Attributes:
        viewers: the numbers of viewers for which live view is measured; the plot needs more of them than the table.
        rounds: number of rounds. In each round, all contenders of a figure are measured.
        parts: number of measurements of each figure that depends on a fixed pace, such as the camera's frame rate.
        slices: how often each contender is measured within a round.
        slice_s: length of each of these slices, in seconds.
        watch_s: length of each measurement that `parts` counts, in seconds.
        calls: number of commands of each kind.
        shots: number of photos.
        starts: number of starts of the server.
        files: sizes of downloads, in megabytes.
    """

    viewers: tuple[int, ...]
    rounds: int
    parts: int
    slices: int
    slice_s: float
    watch_s: float
    calls: int
    shots: int
    starts: int
    files: tuple[int, ...]


QUICK = Effort(viewers=(16, 64), rounds=4, parts=2, slices=2, slice_s=0.07, watch_s=0.9, calls=150, shots=6, starts=3,
               files=(8, 50))  # fmt: skip
FULL = Effort(viewers=(1, 4, 16, 64), rounds=9, parts=5, slices=8, slice_s=0.12, watch_s=4.0, calls=1200, shots=25,
              starts=9, files=(8, 50))  # fmt: skip
# For the test of the benchmarks: everything is measured once, and the figures have no meaning.
TINY = Effort(viewers=(2,), rounds=1, parts=1, slices=1, slice_s=0.03, watch_s=0.3, calls=5, shots=1, starts=1,
              files=(1,))  # fmt: skip
