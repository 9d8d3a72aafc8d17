"""Replaces a camera process, and sends frames at any rate: `python -m benchmarks.feeder FD`.

FD is the file descriptor of the process's end of a channel. After the message {"rate": n}, the process sends n frames
per second until the next message. The frames have the same format as those of a real camera process.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress

from benchmarks import samples
from camera.channel import BlockingChannel, ChannelClosed


def main(fd: int) -> None:
    """Send frames until the server closes the channel."""
    channel, rate, seq, due = BlockingChannel(fd), 0.0, 0, 0.0
    while True:
        pause = max(0.0, due - time.monotonic()) if rate else 3600.0
        message = channel.receive(pause)
        if message is not None:
            rate, due = message.header["rate"], time.monotonic()
        elif rate:
            seq += 1
            for_information = {
                "event": "frame",
                "seq": seq,
                "time_us": time.time_ns() // 1000,
                "rotation": 0,
                "flip": False,
            }
            channel.send(for_information, samples.frame(seq))
            due = max(due + 1 / rate, time.monotonic() - 0.01)


if __name__ == "__main__":
    os.sched_setaffinity(0, range(os.cpu_count() or 1))  # the server is limited to one core; this process may use all
    with suppress(ChannelClosed):
        main(int(sys.argv[1]))
