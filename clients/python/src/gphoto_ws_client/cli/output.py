"""Output: lines, tables, JSON and pictures on stdout; notes, log and progress bar on stderr.

All text is escaped by `printable` or as JSON, because most texts come from a camera or a server.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any, TextIO

from gphoto_ws_client.cli.safe import printable


def open_output() -> None:
    """Prepare the output: escape characters that stdout cannot encode, and log to stderr."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_LogLine("gphoto-ws: %(message)s"))
    logging.basicConfig(handlers=[handler])
    logging.getLogger("gphoto_ws_client").setLevel(logging.INFO)


class _LogLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def show(text: str) -> None:
    """Print one line on stdout and flush it."""
    print(printable(text), flush=True)


def note(text: str) -> None:
    """Print one line on stderr for the user."""
    print(f"gphoto-ws: {printable(text)}", file=sys.stderr, flush=True)


def show_json(value: Any, file: TextIO | None = None) -> None:
    """Print a reply as one line of ASCII JSON, on stdout by default."""
    print(json.dumps(plain(value)).replace("\x7f", "\\u007f"), file=file or sys.stdout, flush=True)


def plain(value: Any) -> Any:
    """Convert a dataclass to JSON-compatible values. Pictures are omitted."""
    if is_dataclass(value) and not isinstance(value, type):
        entries = {one.name: getattr(value, one.name) for one in fields(value)}
        return {name: plain(entry) for name, entry in entries.items() if not isinstance(entry, bytes)}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    return value if isinstance(value, (str, int, float, bool, dict)) or value is None else str(value)


def show_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table with aligned columns."""
    cells = [[printable(str(cell)) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    for row in cells:
        show("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def size_words(size: int | None) -> str:
    """A size in bytes as text for people, for example 11.8 MB."""
    if size is None:
        return "?"
    number = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


@contextmanager
def progress_bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on stderr for one download.

    Yields a function. Call it with the number of bytes received so far and the size of the file. Nothing is shown if
    stderr is not a terminal, or if the package rich is not installed (the extra `cli` installs it).
    """
    if not sys.stderr.isatty():
        yield lambda here, size: None
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
    except ImportError:
        yield lambda here, size: None
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(printable(name), total=None)
        yield lambda here, size: progress.update(task, completed=here, total=size)


async def write_stdout(data: bytes) -> None:
    """Write bytes to stdout without blocking the event loop.

    Raises:
        BrokenPipeError: the reader closed the pipe.
    """
    descriptor = sys.stdout.fileno()
    blocking = os.get_blocking(descriptor)
    os.set_blocking(descriptor, False)
    try:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(descriptor, rest) :]
            except BlockingIOError:
                await _writable(descriptor)
    finally:
        os.set_blocking(descriptor, blocking)


async def _writable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_writer(descriptor, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_writer(descriptor)
