"""The camera process: a job, else a live-view frame, else what the camera says by itself, for ever.

Started as `python -m camera.worker FD JSON` by session's child. Lives for one camera session: whatever breaks the
camera connection ends the process, and the server starts a new one.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from camera import kernel, sandbox
from camera.channel import BlockingChannel, ChannelClosed, Message
from camera.driver import Driver, library_version
from camera.errors import (
    CameraBusy,
    CameraDisconnected,
    CameraError,
    CameraIO,
    CameraTimeout,
    CaptureUnknown,
    ConfigNotFound,
    InvalidValue,
    NotSupported,
)
from camera.gp_codes import camera_answered, transfer_broke
from camera.jpeg import turned, upright
from camera.log_lines import PASSED_ON_FORMAT, OneLine
from camera.model import to_json
from camera.turn import Turn

_log = logging.getLogger("camera.worker")

# How often the camera is asked for its own events while nothing else is to do, in seconds. Each asking is one
# exchange over USB.
_EVENTS_EVERY_S = 0.1
# A silent camera process is taken for a hung one: it speaks at least this often (session's watchdog waits 5 s).
_HEARTBEAT_S = 1.0
# A camera whose driver has no events is seen to be there by real I/O this often, in seconds.
_PROBE_EVERY_S = 10.0
# Live view may stumble (a focusing lens, a menu opened at the body); after this many misses in a row it is over.
_PREVIEW_MISSES = 8
_PREVIEW_MISS_PAUSE_S = 0.1
# A film would keep the camera for seconds; the server has a thread for it.
_MOST_DIGESTED_BYTES = 64 * 2**20
# A body that never ends is not waited for; each round is up to 50 events.
_GREETING_ROUNDS = 10
# Turning a picture of 60 megapixels takes 600 MB; address space, of which libraries take their part.
_MOST_MEMORY_BYTES = 3 * 2**30


@dataclass(slots=True)
class _LiveView:
    interval: float
    due: float
    seq: int
    turns: tuple[Turn, ...]
    misses: int = 0


_MAYBE_DEAD = (CameraError, CameraIO, CameraTimeout, CameraDisconnected, CaptureUnknown, ConfigNotFound)

Result = tuple[dict[str, Any], bytes, int | None]


class Worker:
    """Carries out jobs on one open camera, one at a time."""

    def __init__(self, channel: BlockingChannel, driver: Driver) -> None:
        self._channel = channel
        self._driver = driver
        self._live: _LiveView | None = None
        self._job = 0
        self._events_due = 0.0
        self._heartbeat_due = 0.0
        self._told: dict[str, bool] = {}
        self._jobs: dict[str, Callable[..., Result]] = {
            "get_config": lambda name: (to_json(driver.get_config(name)), b"", None),
            "get_all_config": lambda: ({"items": [to_json(item) for item in driver.get_all_config()]}, b"", None),
            "set_config": lambda name, value: (to_json(driver.set_config(name, value)), b"", None),
            "capture": self._capture,
            "preview": self._preview,
            "fetch": self._fetch,
            "thumbnail": self._thumbnail,
            "list_files": self._list_files,
            "list_names": self._list_names,
            "keep_alive": self._keep_alive,
            "delete_file": self._delete_file,
            "storage": lambda: ({"storage": [to_json(card) for card in driver.storage()]}, b"", None),
            "live_view": self._live_view,
        }

    def run(self) -> None:
        """Work until told to close.

        Raises:
            ChannelClosed: the server is gone.
            CameraError: the camera is lost.
        """
        self._take_the_greeting()
        while True:
            message = self._channel.receive(self._pause())
            if message is None:
                self._idle()
                self._tell_learned()
            elif message.header["do"] == "close":
                return
            else:
                self._carry_out(message)

    def _pause(self) -> float:
        """How long to wait for a job before the next thing of our own is due, in seconds."""
        now = time.monotonic()
        due = self._live.due if self._live else self._events_due
        return max(0.0, min(due, self._heartbeat_due) - now)

    def _idle(self) -> None:
        now = time.monotonic()
        if self._live and now >= self._live.due:
            self._frame(self._live)
        elif not self._live and now >= self._events_due:
            self._tell_events()
            self._events_due = time.monotonic() + self._until_events()
        if now >= self._heartbeat_due:
            if self._live:
                self._tell_events()
            self._heartbeat_due = now + _HEARTBEAT_S
            self._channel.send({"event": "alive"})

    def _until_events(self) -> float:
        """When to ask for events again, in seconds. Without any, sees that the camera still answers."""
        if self._driver.has_events:
            return 0.0 if self._driver.has_more_events else _EVENTS_EVERY_S
        self._probe()
        return _PROBE_EVERY_S

    def _tell_learned(self) -> None:
        """What the driver turned out to have or not to have, where that is new."""
        if self._told != self._driver.learned:
            self._told = dict(self._driver.learned)
            self._channel.send({"event": "learned", "model": self._driver.identity.model, "values": self._told})

    def _take_the_greeting(self) -> None:
        """What a body says when it is opened: a Canon tells each of its settings, none of which was changed."""
        for _ in range(_GREETING_ROUNDS):
            for name, values in self._driver.events():
                if name != "config_changed":
                    self._channel.send({"event": name, "values": values})
            if not self._driver.has_more_events:
                return

    def _tell_events(self) -> None:
        for name, values in self._driver.events():
            self._channel.send({"event": name, "values": values})

    def _frame(self, live: _LiveView) -> None:
        started = time.monotonic()
        try:
            data = self._driver.preview()
        except CameraError as error:
            live.misses += 1
            if live.misses >= _PREVIEW_MISSES:
                if not isinstance(error, NotSupported):
                    raise
                _log.warning("live view ended: %s", error)
                self._live = None
                if self._driver.viewfinder_on:
                    with suppress(CameraError):  # what is wrong is found by the next call
                        self._driver.viewfinder(False)
                self._channel.send({"event": "live_view_ended", "values": {}})
                return
            _log.info("live view missed a frame: %s", error)
            self._check_alive(error)
            live.due = started + _PREVIEW_MISS_PAUSE_S
            return
        live.misses = 0
        live.seq += 1
        told = {"event": "frame", "seq": live.seq, "time_us": time.time_ns() // 1000}
        for turn in live.turns:
            try:
                picture = turned(data, turn)
            except ValueError as error:
                _log.info("a live-view frame was not turned: %s", error)
                continue
            self._channel.send({**told, "rotation": turn.rotation, "flip": turn.flip}, picture)
        # Keeps the average rate where a frame was late, without a burst after a long pause.
        live.due = max(live.due + live.interval, started)

    def _run(self, do: str, args: dict[str, Any]) -> Result:
        try:
            return self._jobs[do](**args)
        finally:
            self._tell_learned()  # before the reply, after which a client may ask what the camera can do

    def _carry_out(self, message: Message) -> None:
        header = message.header
        self._job = header["job"]
        try:
            result, data, fd = self._run(header["do"], header["args"])
        except CameraError as error:
            try:
                self._check_alive(error)
            except CameraError as dead:
                if type(error) is CameraError:  # what a driver says of a camera that is gone means nothing
                    error = type(dead)(dead.message, **error.details)
                # In one message: the next job must not be given to this process any more.
                self._channel.send({"job": self._job, "error": error.to_json(), "lost": True})
                raise
            self._channel.send({"job": self._job, "error": error.to_json()})
            return
        try:
            self._channel.send({"job": self._job, "ok": result}, data, fd)
        finally:
            if fd is not None:
                os.close(fd)

    def _check_alive(self, error: CameraError) -> None:
        """After an error that may mean a dead camera, ask it something that only real I/O can answer.

        A dead camera does not look dead: abilities and configuration are still answered from the driver's cache.
        After a transfer that broke, what comes next may be the answer to what was asked before: only a new session
        is sure to be in step.

        Raises:
            CameraError: it does not answer, or not in step.
        """
        # ConfigNotFound: so it looks when a camera leaves while its settings are read.
        if type(error) not in _MAYBE_DEAD:
            return
        if transfer_broke(error):
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

    def _progress(self, what: str, needs: float = 0.0) -> None:
        self._channel.send({"job": self._job, "progress": what, "needs": needs})

    def _capture(self) -> Result:
        files = self._driver.capture(lambda exposure: self._progress("released", exposure))
        return {"files": [to_json(file) for file in files]}, b"", None

    def _preview(self, rotation: int, flip: bool) -> Result:
        """One frame. The mirror is left as it was: in the same job, so that no stream can start in between."""
        was_on = self._live is not None or self._driver.viewfinder_on
        data = self._driver.preview()
        if not was_on:
            self._driver.viewfinder(False)
        with suppress(ValueError):
            data = turned(data, Turn(rotation, flip))
        return {}, data, None

    def _thumbnail(self, path: str, rotation: int, flip: bool) -> Result:
        data = self._driver.thumbnail(path)
        with suppress(ValueError):
            data = turned(data, Turn(rotation, flip))
        return {}, data, None

    def _fetch(self, path: str, rotation: int, flip: bool, digest: bool) -> Result:
        fd = os.memfd_create("gphoto-ws", os.MFD_CLOEXEC)
        try:
            file = self._driver.fetch(path, fd, lambda: self._progress("data"))
            turn = Turn(rotation, flip)
            if turn and file.mimetype == "image/jpeg":
                file = replace(file, size=_turn_file(fd, turn))
            # Here, where nobody waits but who asked: the server's loop has everybody to serve.
            sha256 = _sha256(fd) if digest and (file.size or 0) <= _MOST_DIGESTED_BYTES else None
        except BaseException:
            os.close(fd)
            raise
        return to_json(file) | {"sha256": sha256}, b"", fd

    def _list_files(self, folder: str) -> Result:
        folders, files = self._driver.list_files(folder)
        return {"folders": folders, "files": [to_json(file) for file in files]}, b"", None

    def _list_names(self, folder: str) -> Result:
        folders, files = self._driver.list_names(folder)
        return {"folders": folders, "files": files}, b"", None

    def _keep_alive(self) -> Result:
        self._driver.keep_alive()
        return {}, b"", None

    def _delete_file(self, path: str) -> Result:
        self._driver.delete_file(path)
        return {}, b"", None

    def _live_view(self, fps: float | None, seq: int, turns: list[tuple[int, bool]]) -> Result:
        """Start live view, change its rate or turns, or (fps None) end it. Frames are numbered on from `seq`."""
        if fps is None:
            self._live = None
            if self._driver.viewfinder_on:  # also where switching it off was refused before
                self._driver.viewfinder(False)
            return {}, b"", None
        if self._live is None:
            self._driver.preview()  # raises where there is no live view
        running = self._live
        wanted = tuple(Turn(rotation, flip) for rotation, flip in turns)
        due = running.due if running else time.monotonic()
        self._live = _LiveView(1 / fps, due, running.seq if running else seq, wanted)
        return {}, b"", None


def _sha256(fd: int) -> str:
    os.lseek(fd, 0, os.SEEK_SET)
    with open(fd, "rb", closefd=False) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _turn_file(fd: int, turn: Turn) -> int:
    """Turn the JPEG in a file; its new size in bytes. A picture that cannot be read stays as it is."""
    data = os.pread(fd, os.fstat(fd).st_size, 0)
    try:
        new = upright(data, turn)
    except ValueError as error:
        _log.warning("a picture was not turned: %s", error)
        return len(data)
    os.ftruncate(fd, 0)
    os.lseek(fd, 0, os.SEEK_SET)
    with open(fd, "wb", closefd=False) as file:
        file.write(new)
    return len(new)


def _die_with_parent(parent: int) -> None:
    # A process that hangs in C does not see the channel close.
    kernel.prctl(kernel.PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(0)


def _limit_itself() -> None:
    """What a camera can make its process take: a hostile one sends data without end."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    kernel.limit(resource.RLIMIT_AS, _MOST_MEMORY_BYTES)
    kernel.limit(resource.RLIMIT_FSIZE, memory // 2)  # files on their way are in memory
    kernel.die_first()


def _open(port: str, model: str, capture_target: str) -> Driver:
    driver = Driver(port, model)
    if capture_target and driver.identity.capabilities.config:
        try:
            driver.set_config("capturetarget", capture_target)
        except (CameraTimeout, CameraIO, CameraBusy):
            raise
        except CameraError as error:
            if not isinstance(error, InvalidValue | NotSupported):
                _log.debug("no capture target to set: %s", error)
            else:
                _log.warning("CAPTURE_TARGET is not used: %s", error)
    return driver


def main(fd: int, options: dict[str, Any]) -> None:
    """Open the camera, say so, work, and release the camera whatever happens."""
    _die_with_parent(options["parent"])
    _limit_itself()
    log = logging.StreamHandler(sys.stderr)
    log.setFormatter(OneLine(PASSED_ON_FORMAT))
    logging.basicConfig(level=options["log_level"], handlers=[log])
    channel = BlockingChannel(fd)
    if not sandbox.confine(options["port"]) and kernel.landlock_version():
        _log.warning("this camera process could not be confined by Landlock")
    try:
        try:
            driver = _open(options["port"], options["model"], options["capture_target"])
        except CameraError as error:
            channel.send({"event": "lost", "error": error.to_json()})
            return
        channel.send({"event": "opened", "identity": to_json(driver.identity), "library": library_version()})
        try:
            Worker(channel, driver).run()
        except CameraError as error:
            if type(error) is CameraError:  # what a driver says of a camera that is gone means nothing
                error = CameraDisconnected("The camera is gone. Plug it in or switch it on.", **error.details)
            channel.send({"event": "lost", "error": error.to_json()})
        finally:
            driver.close()
    except ChannelClosed:
        return
    except CameraError as error:
        _log.info("the camera on %s was not released cleanly: %s", options["port"], error)


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(sys.argv[2]))
