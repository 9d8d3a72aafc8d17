"""Measure the coverage of the process that runs this file. A .pth file runs this file in every Python process.

A camera process cannot open files after Landlock has confined it, and SIGKILL ends it without cleanup. Therefore the data
file is opened at the start of the process, and the data is appended to the file every second.
"""

from __future__ import annotations

import atexit
import os
import sqlite3
import threading
from pathlib import Path

import coverage

ROOT = Path(__file__).resolve().parent.parent.parent
_EVERY_S = 1.0
_NOT_MEASURED = ("tests", "benchmarks", "build", "clients", "docs", "examples", "simulator", ".venv*")


def new_coverage(data_file: str | None = None) -> coverage.Coverage:
    """A Coverage for the server's packages. It uses absolute paths, because camera processes run in another folder."""
    return coverage.Coverage(
        data_file=data_file, config_file=str(ROOT / "pyproject.toml"), branch=True, source=[str(ROOT)],
        omit=[str(ROOT / folder / "*") for folder in _NOT_MEASURED],
    )  # fmt: skip


def measure(folder: str) -> None:
    """Start to measure this process. The data is written to a new file in `folder`, which must exist."""
    measured = new_coverage()
    file = os.open(f"{folder}/{os.getpid()}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    ended = threading.Event()
    written = b""

    def write() -> None:
        nonlocal written
        data = measured.get_data().dumps()
        if data != written:
            os.write(file, len(data).to_bytes(8, "big") + data)
            written = data

    def write_regularly() -> None:
        while not ended.wait(_EVERY_S):
            write()

    def finish() -> None:
        ended.set()
        writer.join()
        measured.stop()
        write()
        keeper.close()

    write()
    # The library coverage has its data in an SQLite database in memory. The database is lost when the last connection
    # to it is closed, so this connection stays open.
    keeper = sqlite3.connect(measured.get_data().data_filename(), uri=True, check_same_thread=False)
    measured.start()
    writer = threading.Thread(target=write_regularly, name="coverage", daemon=True)
    writer.start()
    atexit.register(finish)
