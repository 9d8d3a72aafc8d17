"""The command for saved files: it runs in order, with few variables, and nothing that it does harms the server."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from camera.events import CameraEvent, CaptureSaved
from service.event_log import EventLog
from service.events import EventHub
from service.hook_process import HookProcess
from service.hooks import HookCommand, Hooks
from service.outgoing import Outgoing
from store.database import Store
from store.events import EventStore
from store.schema import MIGRATIONS
from tests.support.rig import ROOT
from tests.support.waiting import WITHIN_S, until

PORT = "usb:001,002"
LONG_S = 300.0


class Booth:
    """The parts of a server that run the command."""

    def __init__(self, hooks: Hooks) -> None:
        self.hooks = hooks
        self.hub = EventHub(EventLog(EventStore(Store(None, MIGRATIONS))), Outgoing(hooks=hooks))

    def save(self, path: str, shot: int | None = 41, job: str | None = "Smith") -> None:
        """Let a file be saved."""
        self.hub.emit(CameraEvent(PORT, CaptureSaved("/DCIM/IMG_0001.JPG", path, shot, job)))

    async def ran(self, number: int) -> None:
        """Wait until so many runs have ended."""
        await until(lambda: self.hooks.status.succeeded + self.hooks.status.failed >= number)


@asynccontextmanager
async def running(*words: str, deadline_s: float = LONG_S, most_waiting: int = 1000) -> AsyncIterator[Booth]:
    hooks = Hooks(HookCommand(words, deadline_s), lambda port: f"serial of {port}", most_waiting)
    booth = Booth(hooks)
    await booth.hub.open()
    try:
        yield booth
    finally:
        await booth.hub.close()


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], str]:
    """A function that writes a script of the shell, and returns its path. $OUT is the folder of the test."""

    def write(text: str) -> str:
        path = tmp_path / "hook with space.sh"
        path.write_text(f"#!/bin/sh\nOUT='{tmp_path}'\n{text}\n")
        path.chmod(0o755)
        return str(path)

    return write


@pytest.fixture
def info_log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level("INFO")
    return caplog


def has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def content(path: Path) -> str:
    """The content of a file, as soon as there is some."""
    await until(lambda: path.exists() and path.read_text().endswith("\n"))
    return path.read_text().strip()


async def test_the_command_gets_the_path_and_only_the_declared_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_TOKEN", "secret")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/elsewhere")
    report = tmp_path / "report.json"
    code = f"import json, os, sys; open({str(report)!r}, 'w').write(json.dumps([sys.argv, dict(os.environ)]))"
    picture = "/photos/a $(touch x) 'b'.jpg"
    async with running(sys.executable, "-c", code, "an argument") as booth:
        booth.save(picture)
        await booth.ran(1)
        assert (booth.hooks.status.succeeded, booth.hooks.status.last_error) == (1, None)
    arguments, variables = json.loads(report.read_text())
    assert arguments == ["-c", "an argument", picture]
    variables.pop("LC_CTYPE", None)  # Python itself sets this one
    assert variables == {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        "GPHOTO_WS_EVENT": "capture_saved",
        "GPHOTO_WS_SHOT": "41",
        "GPHOTO_WS_JOB": "Smith",
        "GPHOTO_WS_PORT": PORT,
        "GPHOTO_WS_SERIAL": f"serial of {PORT}",
        "GPHOTO_WS_CAMERA_FILEPATH": "/DCIM/IMG_0001.JPG",
        "GPHOTO_WS_SAVED_PATH": picture,
    }
    page = (ROOT / "docs" / "hooks.md").read_text()
    assert set(re.findall(r"^\| `(GPHOTO_WS_\w+)`", page, re.MULTILINE)) == {
        name for name in variables if name.startswith("GPHOTO_WS_")
    }


async def test_unknown_values_are_empty(tmp_path: Path, script: Callable[[str], str]) -> None:
    async with running(script('echo "<$GPHOTO_WS_SHOT><$GPHOTO_WS_JOB>" > "$OUT/values"')) as booth:
        booth.save("/photos/1.jpg", shot=None, job=None)
        assert await content(tmp_path / "values") == "<><>"


async def test_files_are_handled_one_after_the_other_in_order(tmp_path: Path, script: Callable[[str], str]) -> None:
    words = script('echo "begin $1" >> "$OUT/log"; sleep 0.05; echo "end $1" >> "$OUT/log"')
    async with running(words) as booth:
        for number in range(5):
            booth.save(f"/{number}.jpg")
        await booth.ran(5)
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines == [f"{step} /{number}.jpg" for number in range(5) for step in ("begin", "end")]


@pytest.mark.parametrize(
    ("words", "failure"),
    [(("/nonexistent/hook",), "could not be started: No such file"), (("/etc/passwd",), "could not be started: Permission"),
     (("sh", "-c", "exit 7"), "exit code 7"), (("sh", "-c", "kill -9 $$"), "signal 9")],
)  # fmt: skip
async def test_a_failure_is_logged_and_the_next_file_is_handled(
    words: tuple[str, ...], failure: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(*words) as booth:
        booth.save("/photos/1.jpg")
        booth.save("/photos/2.jpg")
        await booth.ran(2)
        status = booth.hooks.status
    assert (status.failed, status.succeeded, status.waiting) == (2, 0, 0)
    assert failure in str(status.last_error)
    assert "The hook for /photos/2.jpg has failed: " in caplog.text
    assert failure in caplog.text


async def test_a_path_with_a_null_character_harms_nothing() -> None:
    async with running("true") as booth:
        booth.save("/photos/\0.jpg")
        booth.save("/photos/1.jpg")
        await booth.ran(2)
        assert (booth.hooks.status.failed, booth.hooks.status.succeeded) == (1, 1)


async def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path, script: Callable[[str], str]) -> None:
    words = script('trap "" TERM INT HUP; sleep 1000 & echo $! > "$OUT/child"; sleep 1000')
    async with running(words, deadline_s=1.0) as booth:
        booth.save("/photos/1.jpg")
        child = int(await content(tmp_path / "child"))
        await booth.ran(1)
        assert booth.hooks.status.last_error == "it was killed after 1 s"
    assert has_ended(child)


async def test_what_a_command_leaves_behind_is_killed(tmp_path: Path, script: Callable[[str], str]) -> None:
    words = script('sleep 1000 & echo $! > "$OUT/child"')  # the child keeps the output open
    async with running(words) as booth:
        booth.save("/photos/1.jpg")
        child = int(await content(tmp_path / "child"))
        await booth.ran(1)
        assert booth.hooks.status.succeeded == 1
    assert has_ended(child)


async def test_a_process_that_has_left_the_group_delays_nothing(info_log: pytest.LogCaptureFixture) -> None:
    code = "import os, time\nif not os.fork(): os.setsid(); print(os.getpid(), flush=True); time.sleep(1000)\ntime.sleep(1)"
    async with running(sys.executable, "-c", code) as booth:
        booth.save("/photos/1.jpg")
        await booth.ran(1)
        assert booth.hooks.status.succeeded == 1
    (line,) = [record.getMessage() for record in info_log.records if record.name == "service.hook"]
    psutil.Process(int(line.removeprefix("hook: "))).kill()  # it was still there


async def test_the_output_is_logged_without_control_characters(info_log: pytest.LogCaptureFixture) -> None:
    async with running("sh", "-c", r"printf 'sent\n'; printf 'a\033[31mred' >&2") as booth:
        booth.save("/photos/1.jpg")
        await booth.ran(1)
    assert [record.getMessage() for record in info_log.records if record.name == "service.hook"] == [
        "hook: sent",
        "hook: a\x1b[31mred",  # the formatter of the server's log escapes it
    ]


async def test_a_flood_of_output_is_limited_and_does_not_occupy_the_server(info_log: pytest.LogCaptureFixture) -> None:
    async with running("yes", deadline_s=1.0) as booth:
        booth.save("/photos/1.jpg")
        used = time.process_time()
        await booth.ran(1)
        used = time.process_time() - used
    lines = [record.getMessage() for record in info_log.records if record.name == "service.hook"]
    assert lines[:-1] == ["hook: /photos/1.jpg"] * 50
    assert "more lines were suppressed" in lines[-1]
    assert used < 0.5


async def test_a_long_line_is_cut(info_log: pytest.LogCaptureFixture) -> None:
    async with running(sys.executable, "-c", "print('x' * 100_000)") as booth:
        booth.save("/photos/1.jpg")
        await booth.ran(1)
    lines = [record.getMessage() for record in info_log.records if record.name == "service.hook"]
    assert lines
    assert max(map(len, lines)) < 1100


async def test_files_beyond_the_limit_are_dropped_and_named(
    tmp_path: Path, script: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    async with running(script('echo "$1" > "$OUT/started"; sleep 1000'), most_waiting=2) as booth:
        booth.save("/1.jpg")
        await content(tmp_path / "started")
        for number in range(2, 6):
            booth.save(f"/{number}.jpg")
        status = booth.hooks.status
    assert (status.waiting, status.dropped) == (3, 2)
    for number in (4, 5):
        assert f"The hook is not run for /{number}.jpg, because 2 files already wait for it" in caplog.text


async def test_the_end_of_the_server_kills_the_command_and_names_what_was_left_out(
    tmp_path: Path, script: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    words = script('trap "" TERM; echo $$ > "$OUT/pid"; sleep 1000')
    async with running(words) as booth:
        for number in range(3):
            booth.save(f"/{number}.jpg")
        pid = int(await content(tmp_path / "pid"))
        started = time.monotonic()
    assert time.monotonic() - started < 5
    await until(lambda: has_ended(pid))
    assert "the hook was not run for 2 files: /1.jpg, /2.jpg" in caplog.text


async def test_an_event_is_not_delayed_by_a_command(script: Callable[[str], str]) -> None:
    async with running(script("sleep 1000")) as booth:
        started = time.monotonic()
        for number in range(500):
            booth.save(f"/{number}.jpg")
        assert time.monotonic() - started < 1


def test_a_kill_before_the_start_ends_the_run() -> None:
    process = HookProcess(("sleep", "1000"), dict(os.environ), LONG_S)
    process.kill()
    started = time.monotonic()
    assert process.run().failure == "it was killed because the server ends"
    assert time.monotonic() - started < WITHIN_S


async def test_a_failure_of_the_server_itself_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def no_thread(work: object) -> None:
        raise RuntimeError("can't start new thread")

    booth = Booth(Hooks(HookCommand(("true",), LONG_S), lambda port: None, start=no_thread))
    await booth.hub.open()
    booth.save("/photos/1.jpg")
    await until(lambda: "can't start new thread" in caplog.text)
    assert "Background task hooks failed" in caplog.text
    await booth.hub.close()
