"""Runs simulations: `python -m tests.simulation --seeds 300`.

A seed that shows a violation is replayed exactly with `--replay SEED`, and made smaller with `--shrink SEED`.
"""

from __future__ import annotations

import argparse
import sys

from tests.simulation.many import quiet, run_all
from tests.simulation.plan import Plan, plan_of
from tests.simulation.shrink import shrink
from tests.simulation.verdict import judge
from tests.simulation.world import run


def main() -> int:
    """Run the simulations; returns 1 if any of them has shown a violation."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=300, help="number of seeds (300)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (0)")
    parser.add_argument("--replay", type=int, metavar="SEED", help="run one seed and print its plan and its trace")
    parser.add_argument("--shrink", type=int, metavar="SEED", help="the same, with the smallest plan that still fails")
    arguments = parser.parse_args()
    quiet()
    if arguments.replay is not None:
        return _show(plan_of(arguments.replay))
    if arguments.shrink is not None:
        return _show(shrink(plan_of(arguments.shrink), lambda plan: bool(run(plan, judge).violations)))
    return run_all(range(arguments.first, arguments.first + arguments.seeds))


def _show(plan: Plan) -> int:
    result = run(plan, judge)
    orders = (*plan.orders, *plan.jobs, *plan.volleys, *plan.half_presses, *plan.movies)
    print(*plan.cameras, *orders, *plan.incidents, *result.trace, *result.violations, sep="\n")
    return int(bool(result.violations))


if __name__ == "__main__":
    sys.exit(main())
