"""Completes interrupted shots: restores their settings, determines their outcomes, and records both.

A camera may write a file long after its release. Until then, other commands can use the camera, and further captures
wait.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress

from camera.errors import (
    CameraBusy,
    CameraDisconnected,
    CameraError,
    CameraIO,
    CameraRefused,
    CameraTimeout,
    ConfigReadonly,
)
from camera.events import CameraOpened
from camera.photos.card import Card
from camera.photos.finding import Finding
from camera.photos.journal import Journal
from camera.photos.open_shot import Body, OpenShot
from camera.remote import RemoteCamera
from camera.values import WantedValue

_log = logging.getLogger("camera.photos.interrupted")

# The exposure that is assumed before the camera has reported it.
LONGEST_EXPOSURE_S = 30.0
# The first and the longest pause between two searches for a missing file, and the shortest wait before a search, in
# seconds. The shortest wait is needed because a timer may end slightly too early.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _SHORTEST_PAUSE_S = 1.0, 4.0, 0.02
# If the camera refuses a setting of an interrupted shot this many times, or is lost each time, the setting is not restored.
_RESTORE_TRIES = 3
_REFUSED_PAUSE_S = 0.5
# The longest time from the request for a single picture until its release: a driver waits up to 45 s for a busy camera.
_LATEST_RELEASE_S = 60.0
# For how much longer than twice its length an interrupted bulb exposure may have lasted, in seconds.
_LONGEST_ABSENCE_S = 60.0


class InterruptedShots:
    """The shots of one camera that were interrupted by the loss of the camera, or by the end of an earlier server.

    Args:
        card, journal: the content of the card, and the records.
        exclusive: gives exclusive access to the camera.
        body: returns what identifies the camera now.
        settles_s: returns how long after the release the files of an exposure are written, in seconds.
        found: called with each result of a check, before it is recorded.

    Attributes:
        card, journal: see Args.
    """

    def __init__(
        self,
        card: Card,
        journal: Journal,
        exclusive: Callable[[], AbstractAsyncContextManager[RemoteCamera]],
        body: Callable[[], Body],
        settles_s: Callable[[float], float],
        found: Callable[[Finding], None],
    ) -> None:
        # Whether the driver may not know the newest files, so that the camera must be opened again before the next search.
        self._driver_cache_stale = False
        self._shutter_closed = self._movie_stopped = False
        self.card = card
        self.journal = journal
        self._exclusive = exclusive
        self._body = body
        self._settles_s = settles_s
        self._found = found
        self._lost_restoring: dict[OpenShot, int] = {}
        self._pause = _FIRST_PAUSE_S
        self._look_at = 0.0  # the time of the next search, in monotonic seconds
        self._file_added = asyncio.Event()
        self._renewing = False
        self._stopped = False

    def opened(self, event: CameraOpened) -> None:
        """Called when a new process has opened the camera. It may be another camera, with its own interrupted shots."""
        self._shutter_closed |= event.shutter_closed
        self._movie_stopped |= event.movie_stopped
        self.card.opened()
        self._driver_cache_stale = False
        if not self._renewing:
            self._pause, self._look_at = _FIRST_PAUSE_S, 0.0
        self._renewing = False

    def interrupted(self) -> None:
        """Called when the outcome of a shot is unknown."""
        self.card.needs_check = self._driver_cache_stale = True
        self._pause, self._look_at = _FIRST_PAUSE_S, 0.0

    def file_added(self) -> None:
        """Called when the camera has reported a new file, so that the search continues at once."""
        self._look_at = 0.0
        self._file_added.set()

    def stop(self) -> None:
        """End all waits, because the server is shutting down."""
        self._stopped = True
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
        """Wait until the next search for a missing file is useful.

        Raises:
            CameraDisconnected: the server is shutting down.
        """
        self._file_added.clear()
        if not self._stopped:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(_SHORTEST_PAUSE_S, self._look_at - time.monotonic())):
                    await self._file_added.wait()
        if self._stopped:
            raise CameraDisconnected("The server is shutting down.")

    async def completed(self, camera: RemoteCamera) -> bool:
        """Complete the interrupted shots, as far as it is possible now.

        Returns:
            Whether a new shot may be taken; False if the camera may still be writing a file of an earlier shot.

        Raises:
            CameraError: the camera was lost; try again later.
        """
        if self.card.needs_check and time.monotonic() < self._look_at:
            return False
        if self._driver_cache_stale:
            self._renewing = True
            try:
                await camera.renew()  # this may cancel the current task, so `opened` notes the end
            except CameraError:
                self._renewing = False
                raise
            self._driver_cache_stale = False
        if not self.card.needs_check:
            return True
        await self.journal.identify(self._body())
        self._end_exposures()
        if not await self._restore(camera):
            self._look_in(self._pause)
            return False
        findings = await self.card.check(self._body(), lambda folder: list_names(camera, folder))
        may_follow = [self._may_follow(finding) for finding in findings]  # of each, because each sets its deadline
        if any(may_follow):
            self._driver_cache_stale = True  # the driver has cached the content of the card
            return False
        for finding in findings:
            _log.warning("%s: %s", self._body().port, finding.message)
            # First emit, then record: if the server ends in between, the finding is emitted again after the next start.
            self._found(finding)
            await self.card.reported(finding)
        return True

    def _end_exposures(self) -> None:
        """If the opening of the camera closed its shutter or stopped a movie, set a new deadline for the files."""
        shutter_closed, movie_stopped = self._shutter_closed, self._movie_stopped
        self._shutter_closed = self._movie_stopped = False
        for shot in self.journal.open_shots():
            if not shot.may_have_fired or shot.outcome is not None:
                continue
            if movie_stopped and shot.is_movie:
                shot.will_settle(shot.settles_s)
            elif shutter_closed and shot.burst is not None:
                # The button was pressed until now, perhaps for longer than ordered.
                shot.will_settle(shot.settles_s)
                shot.cut_short = True
            elif shutter_closed and shot.bulb_s is not None:
                # The shutter was open until now, perhaps for longer than ordered. A dark frame takes as long again. But
                # captures wait for the files, so this wait has a limit.
                exposed_s = min(shot.age_s, 2 * shot.bulb_s + _LONGEST_ABSENCE_S)
                shot.will_settle(self._settles_s(exposed_s) - exposed_s)
                shot.cut_short = True

    def _may_follow(self, finding: Finding) -> bool:
        """Whether a further search may find the file of a shot. If so, this also sets the time of the next search."""
        if not finding.shot.may_have_fired:
            return False
        if finding.outcome == "done":
            return self._burst_may_go_on(finding)
        if not self._may_be_writing(finding.shot):
            # One search without a new file proves nothing: just after it was switched on, a camera may list no files.
            search_again = (finding.files == () or finding.doubtful) and not finding.shot.nothing_found
            finding.shot.nothing_found = True
            if search_again:
                self._look_in(_FIRST_PAUSE_S)
            return search_again
        left = (finding.shot.deadline or 0.0) - time.monotonic()
        # If the files cannot be determined, a further search is useful only when all of them are written.
        later = finding.files is None and not finding.doubtful
        self._look_in(left if later else min(self._pause, left))
        return True

    def _burst_may_go_on(self, finding: Finding) -> bool:
        """Whether the camera may still be writing pictures of a burst: until two searches have found the same files.

        Between them, there is enough time for an exposure and for writing its files.
        """
        shot, count, now = finding.shot, len(finding.files or ()), time.monotonic()
        if shot.burst is None:
            return False
        if shot.seen != count:
            shot.seen, shot.seen_at = count, now
        write_s = self._settles_s(0.0)
        until = shot.seen_at + write_s + max(0.0, (shot.settles_s - write_s) / 2)
        if now < until:
            self._look_in(until - now)
        return now < until

    def _look_in(self, seconds: float) -> None:
        self._look_at = time.monotonic() + seconds
        self._pause = min(2 * self._pause, _LONGEST_PAUSE_S)

    def _may_be_writing(self, shot: OpenShot) -> bool:
        """Whether the camera may still expose or write a shot."""
        if shot.deadline is None:  # of an earlier server; the system clock may have been set since
            left = shot.settles_s
            single = shot.bulb_s is None and shot.burst is None and not shot.is_movie
            if single and shot.age_s < math.inf:
                # Otherwise, a server that is killed again and again would never end the search.
                left = min(left, max(0.0, left + _LATEST_RELEASE_S - shot.age_s))
            shot.deadline = time.monotonic() + left
        return shot.may_have_fired and time.monotonic() < shot.deadline

    # -- settings

    async def restore_settings(self) -> None:
        """Restore the settings of interrupted shots. If the camera is lost, this is repeated after the next opening."""
        with suppress(CameraError):
            async with self._exclusive() as camera:
                await self.journal.identify(self._body())
                self._end_exposures()
                await self._restore(camera)

    async def setting_chosen(self, name: str) -> None:
        """A client has changed a setting, so an earlier value of this setting must no longer be restored."""
        await self.journal.identify(self._body())
        for shot in self.journal.open_shots():
            # a key is the name that the order used, which may be a whole path
            left = {other: value for other, value in shot.put_back.items() if other.rpartition("/")[2] != name}
            if left != shot.put_back:
                await self.journal.put_back(shot, left)

    async def _restore(self, camera: RemoteCamera) -> bool:
        """Restore the settings that earlier shots did not restore, because the camera was lost or the server ended.

        Returns:
            False if the camera refused a setting, and may do so because it still exposes or writes the shot.

        Raises:
            CameraError: the camera was lost; try again later.
        """
        port, complete = self._body().port, True
        for shot in self.journal.open_shots():
            left = dict(shot.put_back)
            for name, value in reversed(list(shot.put_back.items())):
                try:
                    await _set_patiently(camera, name, value)
                    _log.info("%s: %s restored to %s after an interrupted shot", port, name, value)
                except CameraError as error:
                    if isinstance(error, CameraRefused | CameraBusy) and self._may_be_writing(shot):
                        complete = False
                        continue
                    if isinstance(error, CameraDisconnected | CameraIO | CameraTimeout):
                        self._lost_restoring[shot] = lost = self._lost_restoring.get(shot, 0) + 1
                        if lost < _RESTORE_TRIES:
                            raise
                    _log.warning("%s: %s was not restored to %s: %s", port, name, value, error)
                del left[name]
            self._lost_restoring.pop(shot, None)
            if left != shot.put_back:
                await self.journal.put_back(shot, left)
        return complete


async def _set_patiently(camera: RemoteCamera, name: str, value: WantedValue) -> None:
    """Change a setting; if the camera refuses it, try again, because it may be busy with the interrupted shot."""
    for _ in range(_RESTORE_TRIES - 1):
        try:
            await camera.set_config(name, value)
        except (CameraRefused, CameraBusy):
            await asyncio.sleep(_REFUSED_PAUSE_S)
        except ConfigReadonly:  # for example the mode of a Nikon, which its dial determines again in a new session
            if (await camera.get_config(name)).value == value:
                return
            raise
        else:
            return
    await camera.set_config(name, value)


async def list_names(camera: RemoteCamera, folder: str) -> tuple[list[str], list[str]]:
    """The names of the folders and of the files in a folder of the camera."""
    names = await camera.list_names(folder)
    return names.folders, names.files
