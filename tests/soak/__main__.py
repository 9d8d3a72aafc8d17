"""The chaos run: `python -m tests.soak --minutes 10 [--seed 7] [--cameras 2]`. Exit code 1: a promise was broken.

The run has a real server with simulated cameras, clients of all kinds, and a random fault every few seconds. A fault
affects the protocol or the camera's body, or is a signal to a real process. At the end, every capture and every process
is checked.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tests.soak.run import Plan, Run


async def _run(plan: Plan, folder: Path) -> bool:
    running = asyncio.current_task()
    assert running is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    return await Run(plan, folder).run()


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
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    passed = False
    try:
        passed = asyncio.run(_run(plan, folder))
    except asyncio.CancelledError:
        print("stopped by a signal", file=sys.stderr)
    finally:
        if passed:
            shutil.rmtree(folder)
        else:
            print(f"The server's log and photos are in {folder}.", flush=True)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
