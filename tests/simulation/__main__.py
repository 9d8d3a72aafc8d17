"""Runs simulations: `python -m tests.simulation --seeds 300`, or `--replay SEED` with everything that happened."""

from __future__ import annotations

import argparse
import logging
import sys
from collections import Counter

from tests.simulation.plan import plan_of
from tests.simulation.verdict import judge
from tests.simulation.world import run


def main() -> int:
    """Run the simulations; returns 1 if any of them has shown a violation."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=300, help="number of seeds (300)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (0)")
    parser.add_argument("--replay", type=int, metavar="SEED", help="run one seed and print its plan and its trace")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if arguments.replay is not None:
        plan = plan_of(arguments.replay)
        result = run(plan, judge)
        print(plan, *result.trace, *result.violations, sep="\n")
        return int(bool(result.violations))
    failed, counts = 0, Counter[str]()
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        result = run(plan_of(seed), judge)
        counts += result.counts
        if result.violations:
            failed += 1
            print(f"seed {seed}: {'; '.join(result.violations)}", flush=True)
    print(", ".join(f"{count} {name}" for name, count in counts.items()))
    print(f"{failed} of {arguments.seeds} seeds have shown a violation")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
