"""What libgphoto2 sees on the bus, found out by a process that ends; see detect.py for what runs in it."""

from __future__ import annotations

import asyncio
import json
import logging
import sys

from camera.child import environment
from camera.drives import is_drive
from camera.ending import end
from camera.model import DetectedCamera

_log = logging.getLogger("camera.detection")

_DEADLINE_S = 15.0


async def detect(drives: bool) -> tuple[str, list[DetectedCamera]] | None:
    """The version of libgphoto2 and what it sees; None where detection failed, which is logged.

    Args:
        drives: whether mounted drives with a DCIM folder count as cameras.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "camera.detect",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, env=environment(), cwd="/",
            start_new_session=True,
        )  # fmt: skip
    except OSError as error:  # out of descriptors, memory or processes: none of it lasts for ever
        _log.warning("detection failed: %s", error)
        return None
    try:
        async with asyncio.timeout(_DEADLINE_S):
            output, _ = await process.communicate()
        found = json.loads(output)
    except (TimeoutError, ValueError) as error:
        _log.warning("detection failed: %s", type(error).__name__)
        return None
    finally:
        await end(process)
    cameras = [DetectedCamera.from_json(camera) for camera in found["cameras"]]
    return found["library"], [camera for camera in cameras if drives or not is_drive(camera.port)]
