"""Runs many simulations in several processes."""

from __future__ import annotations

import logging
import multiprocessing
import os
import time
import warnings
from collections import Counter

from tests.simulation.plan import plan_of
from tests.simulation.verdict import judge
from tests.simulation.world import run


def run_all(seeds: range) -> int:
    """Run these seeds and print which of them have shown a violation; returns 1 if there is any."""
    started, failed, counts = time.monotonic(), 0, Counter[str]()
    with multiprocessing.get_context("spawn").Pool(os.cpu_count(), quiet) as pool:
        for seed, violations, one in pool.imap(_simulate, seeds, chunksize=20):
            counts += one
            if violations:
                failed += 1
                print(f"seed {seed}: {'; '.join(violations)}", flush=True)
    print(", ".join(f"{count} {name}" for name, count in counts.items()))
    print(f"{failed} of {len(seeds)} seeds have shown a violation, in {time.monotonic() - started:.0f} s")
    if failed:
        print("Replay a seed with --replay SEED, or make it smaller with --shrink SEED.")
    return int(failed > 0)


def quiet() -> None:
    """Print neither the log of the simulated servers nor warnings about the coroutines of killed servers."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")


def _simulate(seed: int) -> tuple[int, list[str], Counter[str]]:
    result = run(plan_of(seed), judge)
    return seed, result.violations, result.counts
