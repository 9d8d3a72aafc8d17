"""Tasks that run in the background, so nobody waits for their result."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

_log = logging.getLogger("background")


def log_failure(task: asyncio.Task[Any]) -> None:
    """Log the error of a task that has failed. To be called when a task has ended that nobody awaits."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.critical("Background task %s failed and has stopped", task.get_name(), exc_info=error)
