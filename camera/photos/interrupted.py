"""Completes interrupted shots: restores their settings, determines their outcomes, and records both.

A camera may write a file long after its release. Until then, other commands can use the camera, and further captures
wait.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress

from camera.errors import CameraDisconnected, CameraError, CameraIO, CameraTimeout
from camera.photos.card import Card, Finding
from camera.photos.journal import Body, Journal, OpenShot, now
from camera.remote import RemoteCamera

_log = logging.getLogger("camera.photos.interrupted")

# The longest time from the end of the exposure until the files are on the card, in seconds: a slow card and a full buffer.
_WRITING_S = 10.0
# The pauses between two searches for a missing file, in seconds: the first and the longest; and the shortest wait for
# the next search, because the end of a wait is not exact.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _SHORTEST_PAUSE_S = 1.0, 4.0, 0.02
# If the camera is lost this many times while the settings of a shot are restored, they are not restored any more.
_RESTORE_TRIES = 3


class InterruptedShots:
    """The shots of one camera that were interrupted by the loss of the camera, or by the end of an earlier server.

    Args:
        card, journal: the content of the card, and the records.
        exclusive: gives exclusive access to the camera.
        body: returns what identifies the camera now.
        found: called with each result of a check, before it is recorded.

    Attributes:
        driver_cache_stale: whether the driver may not know the newest files, so that the camera must be opened again
            before the next search.
    """

    def __init__(
        self,
        card: Card,
        journal: Journal,
        exclusive: Callable[[], AbstractAsyncContextManager[RemoteCamera]],
        body: Callable[[], Body],
        found: Callable[[Finding], None],
    ) -> None:
        self.driver_cache_stale = False
        self._card = card
        self._journal = journal
        self._exclusive = exclusive
        self._body = body
        self._found = found
        self._lost_restoring: dict[OpenShot, int] = {}
        self._pause = _FIRST_PAUSE_S
        self._look_at = 0.0  # the time of the next search, in monotonic seconds
        self._wait_until: float | None = None  # the end of the search for a missing file, in monotonic seconds
        self._file_added = asyncio.Event()

    def opened(self) -> None:
        """Called when a new process has opened the camera. It may be another camera, with its own interrupted shots."""
        self._card.needs_check, self.driver_cache_stale = True, False
        self._pause, self._look_at, self._wait_until = _FIRST_PAUSE_S, 0.0, None

    def interrupted(self) -> None:
        """Called when the outcome of a shot is unknown."""
        self._card.needs_check = self.driver_cache_stale = True
        self._pause, self._look_at, self._wait_until = _FIRST_PAUSE_S, 0.0, None

    def file_added(self) -> None:
        """Called when the camera has reported a new file, so that the search continues at once."""
        self._look_at = 0.0
        self._file_added.set()

    async def complete_all(self) -> None:
        """Complete all interrupted shots; waits until the camera has written their files.

        Raises:
            CameraError: the camera is not open. This is repeated after the next opening.
        """
        while True:
            async with self._exclusive() as camera:
                if await self.completed(camera):
                    return
            await self.next_search()

    async def next_search(self) -> None:
        """Wait until the next search for a missing file is useful."""
        self._file_added.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(_SHORTEST_PAUSE_S, self._look_at - time.monotonic())):
                await self._file_added.wait()

    async def completed(self, camera: RemoteCamera) -> bool:
        """Complete the interrupted shots, as far as it is possible now.

        Returns:
            Whether a new shot may be taken; False if the camera may still be writing a file of an earlier shot.

        Raises:
            CameraError: the camera was lost; try again later.
        """
        if self._card.needs_check and time.monotonic() < self._look_at:
            return False
        if self.driver_cache_stale:
            await camera.renew()
            self.driver_cache_stale = False
        if not self._card.needs_check:
            return True
        await self._journal.identify(self._body())
        await self._restore(camera)
        findings = await self._card.check(self._body(), lambda folder: list_names(camera, folder))
        if findings and findings[-1].files == () and self._may_follow(findings[-1]):
            self.driver_cache_stale = True  # the driver has cached the content of the card
            return False
        for finding in findings:
            _log.warning("%s: %s", self._body().port, finding.message)
            # First emit, then record: if the server ends in between, the finding is emitted again after the next start.
            self._found(finding)
            await self._card.reported(finding)
        return True

    def _may_follow(self, finding: Finding) -> bool:
        """Whether the camera may still write the file of a shot. If so, the time of the next search is set."""
        if self._wait_until is None:
            # The wait uses the monotonic clock and has a limit, because the system clock may have been set since the
            # release.
            settled_at = finding.shot.settled_at or 0.0
            self._wait_until = time.monotonic() + min(settled_at - now(), settled_at - finding.shot.asked_at)
        left = self._wait_until - time.monotonic()
        if left <= 0:
            self._pause, self._wait_until = _FIRST_PAUSE_S, None
            return False
        self._look_at = time.monotonic() + min(self._pause, left)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE_S)
        return True

    # -- settings

    async def restore_settings(self) -> None:
        """Restore the settings of interrupted shots. If the camera is lost, this is repeated after the next opening."""
        with suppress(CameraError):
            async with self._exclusive() as camera:
                await self._journal.identify(self._body())
                await self._restore(camera)

    async def setting_chosen(self, name: str) -> None:
        """A client has changed a setting, so an earlier value of this setting must no longer be restored."""
        await self._journal.identify(self._body())
        for shot in self._journal.open_shots():
            if name in shot.put_back:
                await self._journal.put_back(
                    shot, {other: value for other, value in shot.put_back.items() if other != name}
                )

    async def _restore(self, camera: RemoteCamera) -> None:
        """Restore the settings that earlier shots did not restore, because the camera was lost or the server ended.

        Raises:
            CameraError: the camera was lost; try again later.
        """
        port = self._body().port
        for shot in self._journal.open_shots():
            for name, value in reversed(list(shot.put_back.items())):
                try:
                    await camera.set_config(name, value)
                    _log.info("%s: %s restored to %s after an interrupted shot", port, name, value)
                except (CameraDisconnected, CameraIO, CameraTimeout) as error:
                    self._lost_restoring[shot] = lost = self._lost_restoring.get(shot, 0) + 1
                    if lost < _RESTORE_TRIES:
                        raise
                    _log.warning("%s: %s was not restored to %s: %s", port, name, value, error)
                    break
                except CameraError as error:
                    _log.warning("%s: %s was not restored to %s: %s", port, name, value, error)
            if shot.put_back:
                self._lost_restoring.pop(shot, None)
                await self._journal.put_back(shot, {})


def settled_at(exposure_s: float) -> float:
    """The latest time at which a shot that is released now is on the card, in seconds since 1970."""
    # The exposure counts twice, because noise reduction in the camera takes as long as the exposure.
    return now() + 2 * exposure_s + _WRITING_S


async def list_names(camera: RemoteCamera, folder: str) -> tuple[list[str], list[str]]:
    """The names of the folders and of the files in a folder of the camera."""
    names = await camera.list_names(folder)
    return names.folders, names.files
