"""Detects cameras in a short-lived process (camera/device/detect.py), and checks whether libgphoto2 is outdated."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import replace
from functools import cache

from camera.codec import codec
from camera.model import Detected
from camera.ports import is_drive
from camera.processes.spawn import run_helper

_log = logging.getLogger("camera.detection")

_DEADLINE_S = 15.0
# The first version of libgphoto2 in which eight published vulnerabilities (CVEs) are fixed. A malicious camera can
# exploit them with the data that it sends.
OLDEST = (2, 5, 34)


class DetectionFailed(Exception):
    """The cameras could not be detected. The message says why."""


async def detect(drives: bool) -> Detected:
    """The cameras that libgphoto2 finds.

    Args:
        drives: whether mounted drives with a DCIM folder count as cameras.

    Raises:
        DetectionFailed: the process that detects them could not be started, did not answer in time, or failed.
    """
    try:
        ended = await run_helper("camera.device.detect", deadline_s=_DEADLINE_S)
    except OSError as error:
        raise DetectionFailed(f"its process could not be started ({error})") from error
    if ended.code is None:
        raise DetectionFailed(f"its process did not answer within {_DEADLINE_S:g} s")
    try:
        found: Detected = codec(Detected).decode(json.loads(ended.output))
    except (ValueError, TypeError, KeyError, AttributeError):
        words = f"its process ended with code {ended.code} ({ended.complaint or 'no message'})"
        raise DetectionFailed(words) from None
    return replace(found, cameras=[camera for camera in found.cameras if drives or not is_drive(camera.port)])


def is_old(version: str) -> bool:
    """Whether a version such as "2.5.31" or "2.5.34.1" is older than OLDEST; False if it cannot be parsed."""
    numbers = re.match(r"\d+(\.\d+)+", version)
    return numbers is not None and tuple(int(number) for number in numbers[0].split(".")) < OLDEST


@cache
def warn_if_old(version: str) -> None:
    """Log a warning if this version of libgphoto2 is outdated. Each version is logged only once."""
    if is_old(version):
        oldest = ".".join(map(str, OLDEST))
        _log.warning(
            "libgphoto2 %s is older than %s and has known vulnerabilities that a malicious camera can exploit."
            " Install gphoto2 2.6.4 or newer (pip install -r requirements.txt).",
            version, oldest,
        )  # fmt: skip
