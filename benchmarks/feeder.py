"""A camera process that has frames as fast as they are wanted: `python -m benchmarks.feeder FD`.

The other end of a channel. Told {"rate": n}, it sends n frames a second as a real one does, until told another.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress

from benchmarks import samples
from camera.channel import BlockingChannel, ChannelClosed


def main(fd: int) -> None:
    """Send frames until the server is gone."""
    channel, rate, seq, due = BlockingChannel(fd), 0.0, 0, 0.0
    while True:
        pause = max(0.0, due - time.monotonic()) if rate else 3600.0
        message = channel.receive(pause)
        if message is not None:
            rate, due = message.header["rate"], time.monotonic()
        elif rate:
            seq += 1
            told = {"event": "frame", "seq": seq, "time_us": time.time_ns() // 1000, "rotation": 0, "flip": False}
            channel.send(told, samples.frame(seq))
            due = max(due + 1 / rate, time.monotonic() - 0.01)


if __name__ == "__main__":
    os.sched_setaffinity(0, range(os.cpu_count() or 1))  # not on the server's core
    with suppress(ChannelClosed):
        main(int(sys.argv[1]))
