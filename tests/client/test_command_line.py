"""Every command of gphoto-ws. The program is installed into a new environment and run with a real server."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from simulator.client import Control
from tests.client.shell import Shell, interrupt, line_of
from tests.support.marks import decoded, mark
from tests.support.waiting import WITHIN_S, until


def files_on_camera(simulator: Control) -> dict[str, str]:
    """The digests of the files on the first camera, by path."""
    return {file["path"]: file["sha256"] for file in simulator.state(sha256=True)["files"]}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_environment_contains_no_server_package(installed: Path) -> None:
    names = "('server', 'camera', 'protocol', 'simulator', 'gphoto2', 'pydantic', 'PIL')"
    program = (
        f"import importlib.util as u; print([n for n in {names} if u.find_spec(n)], u.find_spec('rich') is not None)"
    )
    done = subprocess.run([installed / "python", "-I", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] True"
    typed = (
        "import gphoto_ws_client, pathlib; print((pathlib.Path(gphoto_ws_client.__file__).parent/'py.typed').exists())"
    )
    done = subprocess.run([installed / "python", "-I", "-c", typed], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


def test_rich_is_imported_only_for_progress_bars(installed: Path) -> None:
    program = "import sys, gphoto_ws_client.cli.main; print('rich' in sys.modules)"
    done = subprocess.run([installed / "python", "-I", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_cameras(shell: Shell, ports: list[str]) -> None:
    head, *lines = shell.succeed("cameras").text.splitlines()
    assert head.split() == ["PORT", "MODEL", "SERIAL", "STATE", "CAN"]
    assert [line.split()[0] for line in lines] == ports
    assert "SIM0000001" in lines[0]
    assert [camera["port"] for camera in shell.succeed("cameras", "--json").json] == ports


def test_sync_clock(shell: Shell, ports: list[str]) -> None:
    assert shell.succeed("sync-clock", "--port", ports[0]).text.startswith("clock set to 20")
    assert abs(shell.succeed("sync-clock", "--json", "--port", ports[0]).json["was_off_s"]) <= 2


def test_job(shell: Shell, ports: list[str]) -> None:
    lines = shell.succeed("job", "Smith", "--owner", "Ada", "--label", "left", "--port", ports[0]).text.splitlines()
    assert lines[0] == "job: -"
    assert lines[1].split()[:3] == ["PORT", "SERIAL", "LABEL"]
    assert lines[2].split() == [ports[0], "SIM0000001", "left", "Smith", "owner", "-"]
    assert shell.succeed("job", "--json").json["cameras"][0]["label"] == "left"
    shell.succeed("job", "", "--label", "", "--port", ports[0])
    done = shell.run("job", "--label", "left")
    assert (done.code, "--label needs --port" in done.err) == (2, True)


def test_focus(shell: Shell, ports: list[str], simulator: Control) -> None:
    port = ("--port", ports[0])
    refused = shell.run("focus", "zoom", "5", "--at", "0.5,0.5", *port)
    assert (refused.code, "live view runs" in refused.err) == (1, True)
    assert shell.succeed("focus", "far", "3", "--size", "small", *port).text == "Focus moved 3 small steps far"
    assert shell.succeed("focus", "near", "--json", *port).json["moved"] == -1
    assert simulator.state()["focus"]["moves"] == 4
    assert shell.succeed("focus", "hold", "0.2", *port).text == "Shutter button half pressed for 200 ms"
    simulator.set("focusmode", "One Shot")
    assert shell.succeed("focus", "auto", "--at", "0.25,0.5", *port).text == "In focus"
    simulator.fault("focus_failed", times=None)
    failed = shell.run("focus", "auto", *port)
    assert (failed.code, "The camera could not focus." in failed.err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("far", "0"), "'0' is not a whole number from 1 to 100"), (("near", "x"), "'x' is not a whole number"),
        (("auto", "--at", "1"), "'1' is not a point such as 0.25,0.5"), (("auto", "--at", "0,2"), "is not a point"),
        (("hold", "9"), "'9' is not a number of seconds from 0.1 to 5"), (("hold", "inf"), "'inf' is not"),
        (("zoom", "0.5"), "'0.5' is not a number from 1 to 100"), (("zoom", "x"), "'x' is not"),
    ],
)  # fmt: skip
def test_focus_rejects_wrong_arguments(shell: Shell, arguments: tuple[str, ...], words: str) -> None:
    done = shell.run("focus", *arguments)
    assert (done.code, words in done.err) == (2, True)


def test_fire(shell: Shell, ports: list[str], simulator: Control) -> None:
    done = shell.succeed("fire", "--in", "3", "--offset", f"{ports[1]}=10", "--set", "iso=200")
    head, *rows, words = done.text.splitlines()
    assert head.split() == ["PORT", "COMMANDED", "ACCEPTED", "FILES"]
    assert [row.split()[0] for row in rows] == ports
    assert words.startswith("2 of 2 cameras released")
    assert [len(simulator.releases(camera)) for camera in (0, 1)] == [1, 1]
    assert shell.succeed("fire", ports[1], "--in", "0", "--json").json["cameras"][0]["port"] == ports[1]
    simulator.fault("busy", "0x9128", camera=1, times=None)
    failed = shell.run("fire", "--in", "3", "--half-press")
    assert (failed.code, f"{ports[1]}: The camera is busy" in failed.err) == (1, True)
    assert "error: camera_busy" in failed.text
    none = shell.run("fire", "--in", "3", "--half-press", "--all-or-none", "--json")
    assert none.code == 1
    assert [len(simulator.releases(camera)) for camera in (0, 1)] == [2, 2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--in", "11"), "'11' is not a number of seconds from 0 to 10"), (("--in", "x"), "'x' is not"),
        (("--offset", "5"), "'5' is not PORT=MILLISECONDS"), (("--offset", "usb:001,004=x"), "is not PORT="),
        (("--set", "iso"), "--set takes NAME=VALUE"),
    ],
)  # fmt: skip
def test_fire_rejects_wrong_arguments(shell: Shell, arguments: tuple[str, ...], words: str) -> None:
    done = shell.run("fire", *arguments)
    assert (done.code, words in done.err) == (2, True)


def test_movie(shell: Shell, ports: list[str], simulator: Control) -> None:
    port = ("--port", ports[0])
    path = shell.succeed("movie", "1.5s", *port).text
    (movie,) = simulator.state()["movies"]
    assert (path, movie["recorded_s"] > 1) == (movie["path"], True)
    assert shell.succeed("movie", "start", "--max", "1h", *port).text.startswith("Movie started, until 20")
    assert simulator.state()["recording"]
    refused = shell.run("movie", "start", *port)
    assert (refused.code, "records a movie until" in refused.err) == (1, True)
    assert shell.succeed("movie", "stop", "--json", *port).json["files"][0]["mimetype"] == "video/quicktime"
    refused = shell.run("movie", "stop", *port)
    assert (refused.code, "No movie is in progress." in refused.err) == (1, True)


async def test_an_interrupted_movie_ends_and_is_kept(shell: Shell, ports: list[str], simulator: Control) -> None:
    recording = shell.start("movie", "1h", "--port", ports[0])
    await until(lambda: bool(simulator.state()["recording"]))
    done = await asyncio.to_thread(interrupt, recording)
    assert done.code == 130
    (movie,) = simulator.state()["movies"]
    assert (movie["ended_by"], bool(movie["path"])) == ("host", True)


@pytest.mark.parametrize("length", ["0s", "11h", "x", "-5", "5 m"])
def test_movie_rejects_wrong_lengths(shell: Shell, length: str) -> None:
    done = shell.run("movie", "--", length)
    assert (done.code, "is not start, stop or a length" in done.err) == (2, True)


def test_info(shell: Shell, ports: list[str]) -> None:
    words = shell.succeed("info", "--port", ports[1]).text
    for part in (
        "model: Canon EOS 550D",
        "name: PTP/IP Camera",
        "serial: SIM0000002",
        "battery: ",
        "storage: ",
        "GB free of 16.0 GB",
    ):
        assert part in words
    assert shell.succeed("--json", "--port", ports[1], "info").json["serial"] == "SIM0000002"


def test_capture_saves_the_picture_in_the_working_directory(shell: Shell, ports: list[str], simulator: Control) -> None:
    done = shell.succeed("capture", "-o", "photo.jpg", "--set", "iso=400", "--set", "aperture=8", "--port", ports[0])
    assert done.text == "photo.jpg"
    photo = shell.folder / "photo.jpg"
    assert [digest(photo)] == list(files_on_camera(simulator).values())
    exif = decoded(photo.read_bytes()).getexif().get_ifd(0x8769)
    assert (exif[0x8827], float(exif[0x829D])) == (400, 8.0)
    assert [path.name for path in shell.folder.iterdir()] == ["photo.jpg"]


def test_capture_without_output_prints_the_path_on_the_camera(
    shell: Shell, ports: list[str], simulator: Control
) -> None:
    assert shell.succeed("capture", "--port", ports[0]).text in files_on_camera(simulator)
    reply = shell.succeed("capture", "-o", "a.jpg", "--port", ports[0], "--json").json
    assert reply["camera_filepath"] in files_on_camera(simulator)
    assert reply["saved"][0]["sha256"] == files_on_camera(simulator)[reply["camera_filepath"]]


def test_capture_of_raw_and_jpeg_into_a_folder_saves_both(shell: Shell, ports: list[str], simulator: Control) -> None:
    shell.succeed("config", "set", "imageformat", "RAW + L", "--port", ports[0])
    saved = shell.succeed("capture", "-o", ".", "--port", ports[0]).text.splitlines()
    assert sorted(Path(name).suffix for name in saved) == [".CR2", ".JPG"]
    on_card = {path.rpartition("/")[2]: sha256 for path, sha256 in files_on_camera(simulator).items()}
    assert {path.name: digest(path) for path in shell.folder.iterdir()} == on_card


def test_burst_saves_every_picture_in_a_folder(shell: Shell, ports: list[str], simulator: Control) -> None:
    saved = shell.succeed("burst", "2", "-o", ".", "--set", "iso=400", "--port", ports[0]).text.splitlines()
    assert {path.name: digest(path) for path in shell.folder.iterdir()} == {
        path.rpartition("/")[2]: sha256 for path, sha256 in files_on_camera(simulator).items()
    }
    assert len(saved) == len(simulator.releases()) >= 2
    assert {release["settings"]["iso"] for release in simulator.releases()} == {"400"}


def test_burst_by_time_prints_the_paths_on_the_camera(shell: Shell, ports: list[str], simulator: Control) -> None:
    taken = shell.succeed("burst", "--hold", "600ms", "--port", ports[0]).text.splitlines()
    assert taken == list(files_on_camera(simulator))
    reply = shell.succeed("burst", "--hold", "0.6s", "--port", ports[0], "--json").json
    assert reply["frames"] == len(reply["files"]) == len(files_on_camera(simulator)) - len(taken)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [((), "either a number of pictures or --hold"), (("3", "--hold", "2s"), "either a number of pictures or --hold"),
     (("1",), "'1' is not a whole number from 2 to 100"), (("--hold", "40ms"), "is not a number from 50 to 10000"),
     (("--hold", "11s"), "is not a number from 0.05 to 10"), (("2", "-o", "nowhere"), "There is no folder nowhere"),
     (("2", "--set", "iso"), "--set takes NAME=VALUE")],
)  # fmt: skip
def test_invalid_bursts_are_rejected_before_anything_is_sent(
    bare_shell: Shell, arguments: tuple[str, ...], words: str
) -> None:
    done = bare_shell.run("burst", *arguments)
    assert (done.code, words in done.err) == (2, True), done.err


def test_capture_to_stdout(shell: Shell, ports: list[str], simulator: Control) -> None:
    picture = shell.succeed("capture", "-o", "-", "--port", ports[0]).out
    assert [hashlib.sha256(picture).hexdigest()] == list(files_on_camera(simulator).values())


def test_live_view_into_numbered_files(shell: Shell, ports: list[str]) -> None:
    done = shell.succeed("live", "-o", "f-%03d.jpg", "--count", "3", "--fps", "20", "--port", ports[0])
    assert done.text.splitlines() == ["f-001.jpg", "f-002.jpg", "f-003.jpg"]
    numbers = [mark((shell.folder / name).read_bytes(), "frame") for name in done.text.splitlines()]
    assert numbers == sorted(set(numbers))
    (line,) = shell.succeed("live", "-o", "one.jpg", "--count", "1", "--port", ports[0], "--json").text.splitlines()
    assert json.loads(line)["path"] == "one.jpg"


def test_live_view_to_stdout_is_a_sequence_of_jpegs(shell: Shell, ports: list[str]) -> None:
    stream = shell.succeed("live", "-o", "-", "--count", "4", "--rotation", "90", "--flip", "--port", ports[0]).out
    pictures = [b"\xff\xd8" + part for part in stream.split(b"\xff\xd8\xff")[1:]]
    assert len(pictures) == 4
    for part in stream.split(b"\xff\xd8\xff")[1:]:
        assert decoded(b"\xff\xd8\xff" + part).size == (320, 480)


def test_config(shell: Shell, ports: list[str]) -> None:
    port = ("--port", ports[0])
    assert shell.succeed("config", "get", "iso", *port).text == "100"
    assert shell.succeed("config", "set", "iso", "800", *port).text == "iso = 800"
    assert shell.succeed("config", "get", "iso", "--json", *port).json["value"] == "800"
    lines = shell.succeed("config", "list", *port).text.splitlines()
    (iso,) = [line for line in lines if line.startswith("iso ")]
    assert iso.split(maxsplit=2)[1:] == ["800", "Auto, 100, 200, 400, 800, 1600, 3200, 6400"]
    assert shell.succeed("config", "set", "iso", "100", "--json", *port).json["value"] == "100"


def test_files_and_get(shell: Shell, ports: list[str], simulator: Control) -> None:
    paths = [path for _ in range(3) for path in simulator.shutter()]
    port = ("--port", ports[0])
    listed: list[str] = []
    deadline = time.monotonic() + WITHIN_S
    while listed != paths and time.monotonic() < deadline:  # the camera reports its files one after the other
        lines = shell.succeed("files", "--recursive", *port).text.splitlines()
        listed = [line.split()[0] for line in lines if not line.endswith("/")]
    assert listed == paths
    assert shell.succeed("files", *port).text == "/store_00020001/"
    assert [file["camera_filepath"] for file in shell.succeed("files", "-r", "--json", *port).json] == paths
    assert shell.succeed("get", paths[0], *port).text == "IMG_0001.JPG"
    assert (
        shell.succeed("get", paths[1], "-o", "second.jpg", "--json", *port).json["sha256"]
        == files_on_camera(simulator)[paths[1]]
    )
    assert {path.name: digest(path) for path in shell.folder.iterdir()} == {
        "IMG_0001.JPG": files_on_camera(simulator)[paths[0]],
        "second.jpg": files_on_camera(simulator)[paths[1]],
    }
    assert (
        hashlib.sha256(shell.succeed("get", paths[2], "-o", "-", *port).out).hexdigest()
        == files_on_camera(simulator)[paths[2]]
    )


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_watch_prints_events(shell: Shell, ports: list[str], simulator: Control, form: tuple[str, ...]) -> None:
    watching = shell.start("watch", "file_added", "config_changed", *form)

    def change() -> None:  # called repeatedly, because the program may not have subscribed yet
        shell.succeed("config", "set", "iso", "3200", "--port", ports[0])

    # line_of skips other events: the reset of the cameras to factory state may have caused some.
    line = line_of(watching, change, b"3200")
    if form:
        event = json.loads(line)
        assert (event["event"], event["config_name"], event["port"]) == ("config_changed", "iso", ports[0])
        assert event["value"] == "3200"
    else:
        assert re.fullmatch(rf"\S+Z  config_changed  {ports[0]}  config_name=iso value=3200\n", line.decode())
    paths: list[str] = []
    line = line_of(watching, lambda: paths.extend(simulator.shutter()), b"file_added")
    assert any(path.encode() in line for path in paths)


def test_tether_downloads_every_new_picture_and_runs_the_hook(
    shell: Shell, ports: list[str], simulator: Control
) -> None:
    hook = shlex.join([sys.executable, "-c", "import os, sys; print('hook', sys.argv[1] == os.environ['ARGUMENT'])"])
    tethered = shell.start("tether", "--port", ports[0], "--hook", hook)
    paths: list[str] = []
    line = line_of(tethered, lambda: paths.extend(simulator.shutter()), b".JPG").decode().strip()
    line_of(tethered, lambda: None, b"hook True")
    saved = shell.folder / line
    assert hashlib.sha256(saved.read_bytes()).hexdigest() in {
        file["sha256"] for file in simulator.state(sha256=True)["files"]
    }
    assert interrupt(tethered).code == 130


def test_timelapse_shows_each_picture(shell: Shell, ports: list[str], simulator: Control) -> None:
    lines = shell.succeed("timelapse", "1s", "--count", "2", "--no-save", "--port", ports[0]).text.splitlines()
    assert lines[0].startswith("Job ")
    assert [line.partition(" ")[0] for line in lines[1:3]] == ["1/2", "2/2"]
    assert "is done: 2 pictures, 0 skipped, 0 failed" in lines[3]
    assert simulator.state()["shots"] == 2


def test_a_timelapse_goes_on_without_the_program_and_can_be_stopped(
    shell: Shell, ports: list[str], simulator: Control
) -> None:
    started = shell.succeed("timelapse", "30m", "--count", "9", "--detach", "--port", ports[0], "--json").json
    number = str(started["job"]["job"])
    assert number in shell.succeed("jobs", "list").text
    assert shell.succeed("jobs", "pause", number).text == f"Job {number} paused"
    assert shell.succeed("jobs", "resume", number).text == f"Job {number} goes on"
    assert shell.succeed("jobs", "stop", number, "--json").json["job"]["state"] == "stopped"


def test_a_timelapse_with_a_ramp_writes_its_table(shell: Shell, ports: list[str], simulator: Control) -> None:
    options = ("--ramp", "--max-exposure", "1/4", "--max-iso", "400", "--count", "1", "--port", ports[0], "--json")
    lines = shell.succeed("timelapse", "1s", *options).text.splitlines()
    shot = next(line for line in map(json.loads, lines) if line.get("event") == "job_shot")
    job, saved = shot["job"], Path(shot["files"][0]["saved_path"])
    assert saved.name in (saved.parent / f"job-{job}.csv").read_text()


def test_a_movie_is_made_of_a_timelapse(shell: Shell, ports: list[str], simulator: Control, tmp_path: Path) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs ffmpeg")
    target = tmp_path / "film.mp4"
    options = ("--count", "2", "--movie", str(target), "--fps", "5", "--force", "--port", ports[0])
    # Without a copy on the server's disk, the pictures are downloaded from the camera.
    for place in ((), ("--no-save",)):
        assert shell.succeed("timelapse", "1s", *options, *place).text.splitlines()[-1] == str(target)
        assert target.read_bytes()[4:8] == b"ftyp"
        assert list(tmp_path.glob("gphoto-ws-*")) == []


def test_without_ffmpeg_no_timelapse_with_a_movie_is_started(bare_shell: Shell, tmp_path: Path) -> None:
    done = bare_shell.run("timelapse", "1s", "--count", "2", "--movie", "film.mp4", PATH=str(tmp_path))
    assert (done.code, done.text) == (2, "")
    assert "ffmpeg, which is not installed on this computer" in done.err


def test_a_bracket_and_a_focus_stack_end_with_their_pictures(
    shell: Shell, ports: list[str], simulator: Control
) -> None:
    lines = shell.succeed("bracket", "--ev=0,1", "--by", "iso", "--no-save", "--port", ports[0]).text.splitlines()
    assert [line.partition(" ")[0] for line in lines[1:3]] == ["1/2", "2/2"]
    stack = shell.succeed("stack", "2", "1", "--settle", "10", "--no-save", "--port", ports[0]).text
    assert "is done: 2 pictures, 0 skipped, 0 failed" in stack
    assert simulator.state()["shots"] == 4


@pytest.mark.parametrize(
    "arguments",
    [
        ("1s",),
        ("1s", "--count", "2", "--iso-first"),
        ("soon", "--count", "2"),
        ("1s", "--count", "2", "--start", "noon"),
    ],
)
def test_an_invalid_timelapse_is_rejected(bare_shell: Shell, arguments: tuple[str, ...]) -> None:
    done = bare_shell.run("timelapse", *arguments)
    assert (done.code, done.text) == (2, "")


@pytest.mark.parametrize("arguments", [("-o", "missing"), ("--hook", ""), ("--hook", "'open")])
def test_an_invalid_tether_is_rejected(bare_shell: Shell, arguments: tuple[str, ...]) -> None:
    done = bare_shell.run("tether", *arguments)
    assert (done.code, done.text) == (2, "")
