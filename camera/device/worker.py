"""The main loop of a camera process: runs jobs, sends live-view frames, and reports events of the camera.

A program of camera/device/program.py. It serves one camera connection.
When the connection fails, the process ends and the server starts a new process.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import resource
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from camera import remote
from camera.channel import BlockingChannel, ChannelClosed, Message
from camera.device import kernel, sandbox
from camera.device.bulb import BulbHooks
from camera.device.burst import BurstHooks
from camera.device.driver import Driver, library_version
from camera.device.focus import Focus, release_half_press
from camera.device.gp_codes import camera_answered, transfer_broke
from camera.device.holding import Closing, Holding
from camera.device.jpeg import turned, upright
from camera.device.movie import Movie, stop_left_over
from camera.device.preview_size import PreviewSize
from camera.device.recording import Recording
from camera.device.volley import Volley
from camera.device.wires import Wire, wire_of
from camera.errors import (
    CameraBusy,
    CameraDisconnected,
    CameraError,
    CameraIO,
    CameraRefused,
    CameraTimeout,
    CaptureUnknown,
    ConfigNotFound,
    InvalidValue,
    MovieStuck,
    NotSupported,
    PortGone,
)
from camera.events import ConfigChanged, ExposureEnded, ExposureStarted, Learned, LiveViewEnded
from camera.exposure import LONGEST_S
from camera.log_lines import PASSED_ON_FORMAT, OneLine
from camera.model import BurstLength, BurstTaken, Frame, ShutterLine
from camera.orientation import Orientation
from camera.remote import (
    Alive,
    Content,
    Exposed,
    Job,
    JobTable,
    Lost,
    OnProgress,
    Opened,
    RemoteCamera,
    ignore_progress,
    serve,
)

_log = logging.getLogger("camera.device.worker")

# While there is nothing else to do, the camera is asked for events at this interval, in seconds. Each request is one
# exchange over USB.
_EVENTS_EVERY_S = 0.1
# The process sends at least one message in this time, because the server kills a silent process after 6 s.
_HEARTBEAT_S = 1.0
# A camera without events is checked at this interval, in seconds. The check is an operation that needs an answer from
# the camera.
_PROBE_EVERY_S = 10.0
# Live view may miss frames (autofocus, an open menu on the camera). After this many consecutive misses, live view ends.
_PREVIEW_MISSES = 8
_PREVIEW_MISS_PAUSE_S = 0.1
# The largest file whose digest is calculated in this process. The digest of a video would block the camera for seconds,
# so for larger files the server calculates it in a thread.
_MOST_DIGESTED_BYTES = 64 * 2**20
# The initial events are read in at most this many rounds of up to 50 events, because a camera might never stop sending
# events.
_INITIAL_EVENT_ROUNDS = 10
# The limit of the address space, which also contains the libraries. Rotating a picture of 60 megapixels needs 600 MB.
_MOST_MEMORY_BYTES = 3 * 2**30


@dataclass(slots=True)
class _LiveView:
    interval: float
    due: float
    seq: int
    orientations: tuple[Orientation, ...]
    misses: int = 0


_CHECK_CAMERA_AFTER = (
    CameraRefused, CameraIO, CameraTimeout, CameraDisconnected, CaptureUnknown, ConfigNotFound, MovieStuck
)  # fmt: skip


class Worker:
    """Runs jobs on one open camera, one at a time."""

    def __init__(self, channel: BlockingChannel, driver: Driver, wire: Wire | None) -> None:
        self._channel = channel
        self._driver = driver
        self._holding = Holding(channel)
        self._live: _LiveView | None = None
        self._events_due = 0.0
        self._heartbeat_due = 0.0
        self._reported: dict[str, bool] = {}
        focus = Focus(driver, lambda: self._live is not None, self._idle, self._holding)
        volley = Volley(driver, self._holding, wire)
        movie = Movie(driver, lambda: self._live is not None)
        self._recording = recording = Recording(
            driver, movie, self._holding, lambda event: self._send(remote.event(event))
        )
        self._jobs = JobTable(
            serve(RemoteCamera.get_config, driver.get_config),
            serve(RemoteCamera.get_all_config, driver.get_all_config),
            serve(RemoteCamera.set_config, recording.set_config),
            serve(RemoteCamera.capture, driver.capture),
            serve(RemoteCamera.plan_bulb, driver.plan_bulb),
            serve(RemoteCamera.expose, self._expose),
            serve(RemoteCamera.plan_fire, volley.plan),
            serve(RemoteCamera.fire, volley.fire),
            serve(RemoteCamera.plan_burst, driver.bursts.plan),
            serve(RemoteCamera.burst, self._burst),
            serve(RemoteCamera.start_movie, recording.start),
            serve(RemoteCamera.stop_movie, recording.stop),
            serve(RemoteCamera.file_info, driver.file_info),
            serve(RemoteCamera.preview, self._preview),
            serve(RemoteCamera.start_live_view, self._start_live_view),
            serve(RemoteCamera.stop_live_view, self._stop_live_view),
            serve(RemoteCamera.drive_focus, focus.drive),
            serve(RemoteCamera.autofocus, focus.autofocus),
            serve(RemoteCamera.half_press, focus.half_press),
            serve(RemoteCamera.zoom_live_view, focus.zoom),
            serve(RemoteCamera.fetch, self._fetch),
            serve(RemoteCamera.thumbnail, self._thumbnail),
            serve(RemoteCamera.list_files, driver.list_files),
            serve(RemoteCamera.list_names, driver.list_names),
            serve(RemoteCamera.delete_file, driver.delete_file),
            serve(RemoteCamera.sync_clock, driver.sync_clock),
            serve(RemoteCamera.wire_problem, volley.wire_problem),
            serve(RemoteCamera.storage, driver.storage),
            serve(RemoteCamera.keep_alive, driver.keep_alive),
        )

    def run(self) -> None:
        """Run until the server closes the camera.

        Raises:
            ChannelClosed: the server has closed the channel.
            CameraError: the connection to the camera is lost.
        """
        self._skip_initial_events()
        try:
            with suppress(Closing):
                self._serve()
        except ChannelClosed:
            self._recording.stop_at_the_end()
            raise
        self._recording.stop_at_the_end()

    def _serve(self) -> None:
        while True:
            self._recording.check()
            waiting = self._holding.waiting
            message = waiting.popleft() if waiting else self._channel.receive(self._pause())
            if message is None:
                self._idle()
                self._report_learned()
            elif (job := self._jobs.job_of(message)) is not None:
                self._carry_out(job)
            elif remote.is_close(message):
                return

    def _pause(self) -> float:
        """How long to wait for a job until the next frame, event check or heartbeat is due, in seconds."""
        now = time.monotonic()
        due = self._live.due if self._live else self._events_due
        return max(0.0, min(due, self._heartbeat_due, self._recording.due) - now)

    def _idle(self) -> None:
        now = time.monotonic()
        if self._live and now >= self._live.due:
            self._send_frame(self._live)
        elif not self._live and now >= self._events_due:
            self._report_events()
            self._events_due = time.monotonic() + self._until_events()
        if now >= self._heartbeat_due:
            if self._live:
                self._report_events()
            self._heartbeat_due = now + _HEARTBEAT_S
            self._send(remote.event(Alive()))

    def _until_events(self) -> float:
        """Seconds until the next event check. If the driver has no events, checks that the camera still answers."""
        if self._driver.has_events:
            return 0.0 if self._driver.has_more_events else _EVENTS_EVERY_S
        self._probe()
        return _PROBE_EVERY_S

    def _report_learned(self) -> None:
        """Send what was learned about the capabilities of the camera, if it has changed."""
        if self._reported != self._driver.learned:
            self._reported = dict(self._driver.learned)
            self._send(remote.event(Learned(self._driver.identity.model, self._reported)))

    def _skip_initial_events(self) -> None:
        """Ignore the changes of settings that a camera reports after it was opened.

        A Canon reports every setting, although none has changed.
        """
        for _ in range(_INITIAL_EVENT_ROUNDS):
            for event in self._driver.events():
                if not isinstance(event, ConfigChanged):
                    self._send(remote.event(event))
            if not self._driver.has_more_events:
                return

    def _report_events(self) -> None:
        for event in self._driver.events():
            self._send(remote.event(event))

    def _send(self, message: Message) -> None:
        self._channel.send(message.header, message.data, message.fd)

    def _send_frame(self, live: _LiveView) -> None:
        started = time.monotonic()
        try:
            data = self._driver.preview()
        except CameraError as error:
            live.misses += 1
            if live.misses >= _PREVIEW_MISSES:
                if not isinstance(error, NotSupported):
                    raise
                _log.warning("Live view ended: %s", error)
                self._live = None
                if self._driver.viewfinder_on and not self._recording.running:
                    with suppress(CameraError):  # the next call shows the error again
                        self._driver.viewfinder(False)
                self._send(remote.event(LiveViewEnded()))
                return
            _log.info("Live-view frame missed: %s", error)
            self._check_alive(error)
            live.due = started + _PREVIEW_MISS_PAUSE_S
            return
        live.misses = 0
        live.seq += 1
        time_us = time.time_ns() // 1000
        for orientation in live.orientations:
            try:
                picture = turned(data, orientation)
            except ValueError as error:
                _log.info("Live-view frame was not rotated: %s", error)
                continue
            self._send(remote.event(Frame(picture, live.seq, time_us, orientation)))
        # Keeps the average rate after a late frame, but sends no burst after a long pause.
        live.due = max(live.due + live.interval, started)

    def _carry_out(self, job: Job) -> None:
        try:
            try:
                reply = job.run(partial(self._progress, job))
            finally:
                self._report_learned()  # before the reply: afterwards, a client may request the capabilities
        except CameraError as error:
            try:
                self._check_alive(error)
            except CameraError as dead:
                # The camera is disconnected, so the reason for the refusal that the driver reports is wrong.
                if isinstance(error, CameraRefused):
                    error = replace(dead, gp=error.gp, doing=error.doing)
                # The error and the loss are sent in one message, so that the server sends no more jobs to this process.
                self._channel.send(remote.failure(job.number, error, lost=True))
                raise
            self._channel.send(remote.failure(job.number, error, lost=False))
            return
        try:
            self._send(reply)
        finally:
            if reply.fd is not None:
                os.close(reply.fd)

    def _progress(self, job: Job, needs_s: float) -> None:
        """Report that a job makes progress.

        Events are sent first, so that a file that was added before a release does not count as a file of this shot.
        """
        for event in self._driver.read_events():
            self._send(remote.event(event))
        self._channel.send(remote.progress(job.number, needs_s))

    def _check_alive(self, error: CameraError) -> None:
        """After an error, check whether the camera still answers.

        The driver answers many requests for a disconnected camera from its cache, so this uses an operation that needs
        an answer from the camera. After a failed transfer, the next answer may belong to an earlier request; only a new
        connection is safe then.

        Raises:
            CameraError: the camera does not answer, or its answers no longer match the requests.
        """
        # ConfigNotFound is in _CHECK_CAMERA_AFTER, because this error also occurs when a camera is disconnected while
        # its settings are read.
        if not isinstance(error, _CHECK_CAMERA_AFTER):
            return
        if isinstance(error, PortGone) or transfer_broke(error):
            raise error
        if not camera_answered(error):
            self._probe()

    def _probe(self) -> None:
        try:
            self._driver.storage()
        except (NotSupported, CameraBusy):
            return
        except CameraError as error:
            if not camera_answered(error):
                raise

    def _expose(self, bulb_s: float, on_progress: OnProgress) -> Exposed:
        """A bulb exposure, which is ended early by a stop message, and by the end of the server."""

        def opened() -> None:
            ends_at = datetime.now(UTC) + timedelta(seconds=bulb_s)
            self._send(remote.event(ExposureStarted(bulb_s, ends_at.isoformat(timespec="milliseconds"))))

        def closed(exposed_s: float, aborted: bool, needs_s: float) -> None:
            self._send(remote.event(ExposureEnded(round(exposed_s, 3), aborted)))
            on_progress(needs_s)

        with self._holding.outliving_the_server(2 * bulb_s):
            hooks = BulbHooks(lambda: on_progress(0.0), opened, self._holding.reporting(on_progress), closed)
            return self._driver.expose(bulb_s, hooks)

    def _burst(self, length: BurstLength, on_progress: OnProgress) -> BurstTaken:
        """A burst. If it holds the button, the end of the server ends it."""
        lasts_s = length.lasts_s(LONGEST_S)
        held = self._driver.bursts.holds_button
        with ExitStack() as stack:
            if held:
                stack.enter_context(self._holding.outliving_the_server(lasts_s))
            return self._driver.burst(
                length, BurstHooks(on_progress, self._holding.reporting(on_progress), stack.close)
            )

    def _preview(self, orientation: Orientation) -> bytes:
        """One frame. Afterwards, live view is on or off as it was before.

        All of this is one job, so that no stream can start in between.
        """
        was_on = self._live is not None or self._driver.viewfinder_on  # a movie needs live view, too
        data = self._driver.preview()
        if not was_on:
            self._driver.viewfinder(False)
        with suppress(ValueError):
            data = turned(data, orientation)
        return data

    def _thumbnail(self, path: str, orientation: Orientation) -> bytes:
        data = self._driver.thumbnail(path)
        with suppress(ValueError):
            data = turned(data, orientation)
        return data

    def _fetch(
        self, path: str, orientation: Orientation, digest: bool, on_progress: OnProgress = ignore_progress
    ) -> Content:
        fd = os.memfd_create("gphoto-ws", os.MFD_CLOEXEC)
        try:
            file = self._driver.fetch(path, fd, lambda: on_progress(0.0))
            if orientation and file.mimetype == "image/jpeg":
                file = replace(file, size=_orient_file(fd, orientation))
            # Calculated here, because the calculation in the server would delay all clients.
            sha256 = _sha256(fd) if digest and (file.size or 0) <= _MOST_DIGESTED_BYTES else None
        except BaseException:
            os.close(fd)
            raise
        return Content(file, sha256, fd)

    def _start_live_view(self, fps: float, orientations: frozenset[Orientation], seq: int) -> None:
        """Start live view, or change its rate and orientations. The frame numbers continue after `seq`."""
        if self._live is None:
            self._driver.preview()  # raises if the camera has no live view
        running = self._live
        due = running.due if running else time.monotonic()
        self._live = _LiveView(1 / fps, due, running.seq if running else seq, tuple(orientations))

    def _stop_live_view(self) -> None:
        self._live = None
        if self._recording.running:  # it needs live view
            return
        if self._driver.viewfinder_on:  # true also if an earlier attempt to switch it off failed
            self._driver.viewfinder(False)


def _sha256(fd: int) -> str:
    os.lseek(fd, 0, os.SEEK_SET)
    with open(fd, "rb", closefd=False) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _orient_file(fd: int, orientation: Orientation) -> int:
    """Rotate or mirror the JPEG in a file; returns its new size in bytes. A damaged picture stays unchanged."""
    data = os.pread(fd, os.fstat(fd).st_size, 0)
    try:
        new = upright(data, orientation)
    except ValueError as error:
        _log.warning("Picture was not rotated: %s", error)
        return len(data)
    os.ftruncate(fd, 0)
    os.lseek(fd, 0, os.SEEK_SET)
    with open(fd, "wb", closefd=False) as file:
        file.write(new)
    return len(new)


def _limit_resources() -> None:
    """Limit the resources of this process, because a malicious camera may send endless data."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    kernel.limit(resource.RLIMIT_AS, _MOST_MEMORY_BYTES)
    kernel.limit(resource.RLIMIT_FSIZE, memory // 2)  # during a transfer, the file is in memory
    kernel.prefer_for_oom_kill()


def _open(options: dict[str, Any]) -> Driver:
    driver = Driver(options["port"], options["model"])
    if options["release_button"]:
        released = driver.release_button()
        release_half_press(driver, released)
    if options["stop_movie"]:
        stop_left_over(driver)
    driver.preview_size = PreviewSize(options["preview_size"])
    capture_target = options["capture_target"]
    if capture_target and driver.identity.capabilities.config:
        try:
            driver.set_config("capturetarget", capture_target)
        except (CameraTimeout, CameraIO, CameraBusy):
            raise
        except CameraError as error:
            if not isinstance(error, InvalidValue | NotSupported):
                _log.debug("Capture target could not be set: %s", error)
            else:
                _log.warning("Capture target was rejected: %s", error)
    return driver


def main(arguments: list[str]) -> int:
    """Run a camera process until the server closes the camera, or the camera is lost; returns the exit code.

    Args:
        arguments: the port, which identifies the process for people, and the options as JSON. The channel to the server
            is the stdin of the process.
    """
    options = json.loads(arguments[1])
    _limit_resources()
    log = logging.StreamHandler(sys.stderr)
    log.setFormatter(OneLine(PASSED_ON_FORMAT))
    logging.basicConfig(level=options["log_level"], handlers=[log])
    channel = BlockingChannel(sys.stdin.fileno())
    chips = [ShutterLine.parse(line).node for line in options["shutter_lines"].values()]
    if not sandbox.confine(options["port"], chips) and kernel.landlock_version():
        _log.warning("Camera process could not be confined by Landlock")
    _use_camera(channel, options)
    return 0


def _use_camera(channel: BlockingChannel, options: dict[str, Any]) -> None:
    """Open the camera, send `Opened`, run the worker, and release the camera even after an error.

    Sends `Lost` if the camera could not be opened or its connection is lost.
    """
    try:
        try:
            driver = _open(options)
        except CameraError as error:
            channel.send(remote.event(Lost(error)).header)
            return
        channel.send(remote.event(Opened(driver.identity, library_version())).header)
        try:
            wire = wire_of(options["shutter_lines"], driver.identity.serial, options["port"])
            Worker(channel, driver, wire).run()
        except CameraError as error:
            if isinstance(error, CameraRefused):  # for a disconnected camera, the driver's message is wrong
                words = "The camera is disconnected. Plug it in or switch it on."
                error = CameraDisconnected(words, gp=error.gp, doing=error.doing)
            channel.send(remote.event(Lost(error)).header)
        finally:
            driver.close()
    except ChannelClosed:
        return
    except CameraError as error:
        _log.info("Camera was not released cleanly: %s: %s", options["port"], error)
