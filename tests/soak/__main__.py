"""The chaos run: `python -m tests.soak --minutes 10 [--seed 7] [--cameras 2]`. Exit code 1: a promise was broken.

The run has a real server with simulated cameras, clients of all kinds, and a random fault every few seconds. A fault is
an error in the protocol, a change at the camera's body, or a signal to a real process. At the end, every capture and
every process is checked. A promise is a property of the server that the run checks, such as the time of a recovery.
"""

from __future__ import annotations

import argparse
import random
import sys

from tests.soak.command import run_in_folder
from tests.soak.run import Plan, Run


def main() -> int:
    """Run the soak test. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="how long the faults go on (10)")
    parser.add_argument("--seed", type=int, default=None, help="of the generator of faults (a random one)")
    parser.add_argument("--cameras", type=int, default=2, help="how many; Canon and Nikon in turn (2)")
    parser.add_argument("--patience", type=float, default=1.0, help="stretches the promised times (1)")
    options = parser.parse_args()
    seed = random.randrange(10**6) if options.seed is None else options.seed
    plan = Plan(options.minutes, seed, options.cameras, options.patience)
    return run_in_folder("soak-", lambda folder: Run(plan, folder).run())


if __name__ == "__main__":
    sys.exit(main())
