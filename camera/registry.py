"""The cameras of this machine: detection, hot-plug, one session for each camera, selection by port."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from background import log_failure
from camera import detection, ports, uevents
from camera.errors import CameraNotFound
from camera.events import CameraConnected, CameraEvent, OtherCamera
from camera.model import Capabilities, DetectedCamera
from camera.options import SessionOptions
from camera.photos.job_info import JobInfos
from camera.session import Session
from camera.uevents import Uevents

_log = logging.getLogger("camera.registry")

# If the USB bus cannot be watched, the result of a detection is used for this many seconds before the next detection.
_FRESH_S = 1.0
_FIRST_TRY_S = 0.5
# How long to wait for the first detection, in seconds. Usually it takes 0.25 s, but on a Raspberry Pi with a slow disk
# it takes several seconds.
_FIRST_DETECTION_S = 5.0
_MOST_ABSENT = 8
_WATCH_EVERY_S = 0.5
# The first and the longest pause after a failed detection. While the bus does not change, each pause is twice the last.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
# libgphoto2's generic driver for network cameras.
_NETWORK_MODEL = "PTP/IP Camera"
_NETWORK_CAPABILITIES = Capabilities(capture=True, live_view=True, config=True, delete=True)


def network_camera(entry: str) -> DetectedCamera:
    """The data of a network camera before it is opened.

    `entry` is an address, or an address and a driver: `ptpip:192.168.1.20` or `ptpip:192.168.1.20=driver`.
    """
    address, _, driver = entry.partition("=")
    return DetectedCamera(driver or _NETWORK_MODEL, address, _NETWORK_CAPABILITIES)


@dataclass(frozen=True, slots=True)
class _Failure:
    """A failed detection: the reason, the state of the bus, the pause, and when the next detection may start."""

    words: str
    signature: frozenset[str] | None
    pause_s: float
    retry_at: float


class Registry:
    """The cameras of this machine and the configured network cameras.

    Args:
        network: entries such as "ptpip:192.168.1.10" (see `network_camera`) from the settings, never from clients.
        options: options for all sessions.
        emit: receives every event of every camera.
        drives: whether mounted drives with a DCIM folder count as cameras.
    """

    def __init__(
        self,
        network: Sequence[str],
        options: SessionOptions,
        emit: Callable[[CameraEvent], None],
        drives: bool = False,
    ) -> None:
        self._options = options
        self._emit = emit
        self._network = {camera.port: camera for camera in map(network_camera, network)}
        self._drives = drives
        self._found: dict[str, DetectedCamera] = {}
        self._stopping: set[asyncio.Task[None]] = set()
        self._sessions: dict[str, Session] = {}
        self._absent: list[Session] = []
        self._signature: frozenset[str] | None = None
        self._detected_at = float("-inf")
        self._detecting = asyncio.Lock()
        self._failure: _Failure | None = None
        self._watchers: tuple[asyncio.Task[None], ...] = ()
        self._look_now = asyncio.Event()
        self._library: str | None = None
        self._first_detection = asyncio.Event()

    @property
    def job_infos(self) -> JobInfos:
        """The words for the pictures of all cameras."""
        return self._options.photos.job_infos

    def start(self) -> None:
        """Start to open the network cameras and all detected cameras."""
        for camera in self._network.values():
            self._add(camera)
        self._watchers = (
            asyncio.create_task(self._watch(), name="camera watcher"),
            asyncio.create_task(self._watch_removals(uevents.listen()), name="removal watcher"),
        )
        for watcher in self._watchers:
            watcher.add_done_callback(log_failure)

    async def stop(self) -> None:
        """Release all cameras at the same time."""
        for watcher in self._watchers:
            watcher.cancel()
            await asyncio.wait((watcher,))
        sessions = [*self._sessions.values(), *self._absent]
        self._sessions, self._absent = {}, []
        await asyncio.gather(*(session.stop() for session in sessions), *self._stopping)
        if all(session.reconnect.released for session in sessions):
            await self._options.photos.journals.released()

    async def drain(self, seconds: float) -> None:
        """Wait up to this many seconds for the jobs in progress."""
        if self._sessions:
            waiting = [asyncio.create_task(session.drain()) for session in self._sessions.values()]
            _, late = await asyncio.wait(waiting, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.wait(waiting)

    async def cameras(self) -> list[Session]:
        """All present cameras in a fixed order: network cameras as configured, then USB as found, then drives."""
        if not self._watching:
            await self._detect()
        # Wait for newly found cameras, because their names and serial numbers are not known before the first attempt to
        # open them has ended.
        first_tries = [
            session.reconnect.first_try for session in self._sessions.values() if not session.reconnect.first_try.done()
        ]
        if first_tries:
            await asyncio.wait(first_tries, timeout=_FIRST_TRY_S)
        return self.known

    async def library(self) -> str | None:
        """The version of libgphoto2; None if it is unknown. Waits for the first detection."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_DETECTION_S):
                await self._first_detection.wait()
        return self._library

    @property
    def known(self) -> list[Session]:
        """The cameras of the last detection, in the same order as `cameras`."""
        return sorted(self._sessions.values(), key=lambda session: ports.is_drive(session.port))

    async def by_port(self, port: str) -> Session:
        """The camera on a port.

        Raises:
            CameraNotFound: there is no camera on this port; `ports` lists the ports with a camera.
        """
        if port not in self._sessions:
            await self.cameras()
        session = self._sessions.get(port)
        if session is None:
            known_ports = tuple(self._sessions)
            known = f"Ports with a camera: {', '.join(known_ports)}." if known_ports else "No camera is connected."
            raise CameraNotFound(f"No camera on port {port[:80]!r}. {known}", ports=known_ports)
        return session

    def has(self, session: Session) -> bool:
        """Whether this camera is still present."""
        return self._sessions.get(session.port) is session

    @property
    def _watching(self) -> bool:
        return self._signature is not None

    async def _watch(self) -> None:
        await self._detect()
        self._first_detection.set()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_WATCH_EVERY_S):
                    await self._look_now.wait()
            self._look_now.clear()
            if self._failure is not None or self._current_signature() != self._signature:
                await self._detect()

    async def _watch_removals(self, sock: socket.socket | None) -> None:
        """Remove an unplugged camera at once, even while a slow detection runs."""
        with Uevents(sock) as changes:
            while True:
                await changes.wait(_WATCH_EVERY_S)
                self._look_now.set()
                await self._remove([port for port in self._sessions if ports.is_gone(port)])

    def _current_signature(self) -> frozenset[str] | None:
        """A value that changes with the set of connected devices; None if the USB bus cannot be watched."""
        signature = ports.signature()
        return signature | ports.mounted() if signature is not None and self._drives else signature

    async def _detect(self) -> None:
        async with self._detecting:
            loop = asyncio.get_running_loop()
            signature = self._current_signature()
            if signature is None and loop.time() - self._detected_at <= _FRESH_S:
                return
            if signature is not None and signature == self._signature:
                return
            failure = self._failure
            if failure is not None and failure.signature == signature and loop.time() < failure.retry_at:
                return
            try:
                found = await detection.detect(self._drives)
            except detection.DetectionFailed as error:
                self._failed(error, signature)
                return
            if failure is not None:
                _log.info("Camera detection works again")
                self._failure = None
            self._detected_at = loop.time()
            self._signature = signature
            self._library = found.library
            detection.warn_if_old(found.library)
            await self._apply(found.cameras)

    def _failed(self, error: detection.DetectionFailed, signature: frozenset[str] | None) -> None:
        """Log a failure whose reason is new, and choose the pause before the next detection."""
        last = self._failure
        if last is None or last.words != str(error):
            _log.warning("Camera detection failed: %s. It is repeated, at least every %g s.", error, _LONGEST_PAUSE_S)
        pause = _FIRST_PAUSE_S
        if last is not None and last.signature == signature:
            pause = min(2 * last.pause_s, _LONGEST_PAUSE_S)
        self._failure = _Failure(str(error), signature, pause, asyncio.get_running_loop().time() + pause)
        self._signature = None  # so that the cameras are detected again

    async def _apply(self, cameras: list[DetectedCamera]) -> None:
        self._found = {camera.port: camera for camera in cameras}
        present = {*self._found, *self._network}
        gone = [port for port in self._sessions if port not in present]
        await self._remove(gone)
        for camera in sorted(cameras, key=lambda camera: camera.port):
            if camera.port in self._sessions or ports.is_gone(camera.port):  # unplugged since the detection
                continue
            returned = self._returned_session(camera)
            if returned is None:
                self._add(camera)
            else:
                self._restore(returned, camera.port)
        self._forget_oldest()

    async def _remove(self, gone: Sequence[str]) -> None:
        sessions = [self._sessions.pop(port) for port in gone]
        for session in sessions:
            _log.info("Camera removed: %s (%s)", session.port, session.detected.model)
        self._absent += sessions
        await asyncio.gather(*(session.reconnect.unplug() for session in sessions))

    def _forget_oldest(self) -> None:
        """Limit the number of absent cameras."""
        while len(self._absent) > _MOST_ABSENT:
            forgotten = self._absent.pop(0)
            forgotten.live.end("camera_disconnected")
            self._stop_soon(forgotten)

    def _stop_soon(self, session: Session) -> None:
        stopping = asyncio.create_task(session.stop(), name=f"stop {session.port}")
        self._stopping.add(stopping)
        stopping.add_done_callback(self._stopping.discard)

    def _returned_session(self, camera: DetectedCamera) -> Session | None:
        """The session of a camera that was unplugged and is now plugged in again; None for a new camera.

        The session is found by the serial number. If USB reports no serial number and only one unplugged camera has the
        same model, its session is taken. This is a guess. If it is wrong, `_expected` notices this after the camera was
        opened. A drive is found by its port.
        """
        if camera.serial is not None:
            known = [session for session in self._absent if _same_serial(camera.serial, session)]
        elif ports.is_drive(camera.port):
            known = [session for session in self._absent if session.port == camera.port]
        else:
            known = [session for session in self._absent if session.detected.model == camera.model]
        return known[0] if len(known) == 1 else None

    def _from_session(self, event: CameraEvent) -> None:
        if isinstance(event.what, OtherCamera):
            self._reassign_port(event.port, event.what.serial)
        else:
            self._emit(event)

    def _expected(self, port: str, serial: str) -> bool:
        """Whether the newly opened camera on a port belongs to the session of that port.

        Network cameras are checked, too, because another camera may answer at the same address.
        """
        session = self._sessions.get(port)
        if session is None or _same_serial(serial, session):
            return True
        return session.status.serial is None and self._absent_with_serial(serial) is None

    def _reassign_port(self, port: str, serial: str) -> None:
        """Assign a port to the session of the camera that is on it, or to a new session."""
        session = self._sessions.pop(port, None)
        if session is None:  # the server is shutting down
            return
        if session.status.serial is None:  # the session has never opened a camera with a serial number
            self._stop_soon(session)
        else:
            self._absent.append(session)
            if port in self._network:  # on USB, the camera was unplugged and may come back soon
                session.live.end("camera_disconnected")
        owner = self._absent_with_serial(serial)
        if owner is None:
            self._add(self._network.get(port) or self._found[port])
        else:
            self._restore(owner, port)
        self._forget_oldest()

    def _absent_with_serial(self, serial: str) -> Session | None:
        return next((session for session in self._absent if _same_serial(serial, session)), None)

    def _restore(self, session: Session, port: str) -> None:
        _log.info("Camera connected again: %s (%s), previously on %s", port, session.detected.model, session.port)
        self._absent.remove(session)
        self._sessions[port] = session
        session.reconnect.replug(port)

    def _add(self, camera: DetectedCamera) -> None:
        session = Session(camera, self._options, self._expected, self._from_session)
        self._sessions[camera.port] = session
        _log.info("Camera found: %s (%s)", camera.port, camera.model)
        session.start()
        self._emit(CameraEvent(camera.port, CameraConnected(camera.model)))


def _same_serial(serial: str, session: Session) -> bool:
    """Whether a serial number is that of the session.

    USB and PTP report the same number, but in one of them it may have leading zeros.
    """
    known = {known.lstrip("0") for known in (session.detected.serial, session.status.serial) if known}
    return serial.lstrip("0") in known
