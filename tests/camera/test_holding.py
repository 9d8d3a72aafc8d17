"""A camera process ends by itself after the end of the server, also if the driver hangs while it closes the camera."""

from __future__ import annotations

import subprocess
import sys

# Prints how many seconds a process of a killed server has left after it has closed the shutter.
_PROGRAM = """
import os, select, signal, time
from camera.channel import BlockingChannel, ChannelClosed, pair
from camera.device.holding import Holding

server_end, process_end = pair()
held, holds = os.pipe()
server = os.getpid()
if os.fork():
    select.select([held], [], [])
    os._exit(0)
server_end.close()
holding = Holding(BlockingChannel(process_end.detach()))
holding.hold(600)
os.write(holds, b"x")
while os.getppid() == server:
    time.sleep(0.01)
try:
    holding.let_go()
except ChannelClosed:
    print(signal.getitimer(signal.ITIMER_REAL)[0], flush=True)
"""


def test_the_time_after_the_end_of_the_server_stays_limited() -> None:
    ended = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    assert 0 < float(ended.stdout) <= 20
