"""A camera with random responses can end only its own camera process. The server and other cameras are not affected.

`make fuzz SECONDS=n` runs these tests for n seconds with new seeds. It sets the environment variables FUZZ_SECONDS and
FUZZ_SEED.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from simulator.client import Control
from tests.support.cameras import QUICK, Simulator
from tests.support.marks import from_base64
from tests.support.rig import Client, CommandError, Json, Server
from tests.support.wire import well_formed

HOSTILE_COUNT = 6
HONEST = HOSTILE_COUNT  # the last camera of the simulator
SECONDS = float(os.environ.get("FUZZ_SECONDS", "6"))
FIRST_SEED = int(os.environ.get("FUZZ_SEED", "1"))
QUICK_RESTARTS = {"RESTART_DELAY": "0.3", "MAX_RESTART_ATTEMPTS": "100"}
# The operation GetObjectInfo. The response of a Canon EOS to this operation describes a new file.
FILE_INFO = "0x1008"
# With these seeds, file names contain "..", slashes, control characters or surrogates, or are very long. The seeds 1, 6
# and 11 are left out, because they make the name empty. The driver then searches for the file until the capture times
# out.
NAME_SEEDS = (2, 3, 4, 7, 8, 9, 10, 12, 13, 14)
# After this time without a reply, a client continues with the next seed. The timeouts of the server are longer.
REPLY_TIMEOUT_S = 2.5
# The timeout for a ping and for reading a setting of the honest camera. It is long enough for a busy machine.
HONEST_TIMEOUT_S = 5.0
# This time is long, because a driver may loop while it opens the camera or reads all settings. The server ends the
# process of such a driver after 35 s (opening) or 30 s (settings).
READY_S = 100.0


@dataclass
class Setup:
    """A server with hostile cameras and one honest camera, and the folder that contains all files of the server."""

    server: Server
    control: Control
    ports: list[str]
    folder: Path
    results: Counter[str] = field(default_factory=Counter)
    seeds: list[int] = field(default_factory=list)

    @property
    def photos(self) -> Path:
        """The only folder where pictures may be saved."""
        return self.folder / "server" / "photos"


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    """A server with six hostile cameras and one honest camera."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "server").mkdir()
    with (
        Simulator("--cameras", str(HOSTILE_COUNT + 1), *QUICK) as simulator,
        Control(simulator.control) as control,
    ):
        ports = [camera.address for camera in simulator.cameras]
        server = Server(cwd=folder / "server", NETWORK_CAMERAS=",".join(ports), **QUICK_RESTARTS)
        yield Setup(server, control, ports, folder)
        assert server.stop() == 0


@asynccontextmanager
async def honest_camera_works(setup: Setup) -> AsyncIterator[None]:
    """Check repeatedly that the server replies to pings and that the honest camera works."""
    replies = 0

    async def ask_repeatedly(client: Client) -> None:
        nonlocal replies
        while True:
            assert await client.command("ping", HONEST_TIMEOUT_S) == {"status": "ok", "message": "pong"}
            assert (await client.command("get_config", HONEST_TIMEOUT_S, name="iso"))["value"] == "100"
            replies += 1
            await asyncio.sleep(0.05)

    async with await Client.connect(setup.server) as client:
        await client.command("select_camera", port=setup.ports[HONEST])
        asking = asyncio.create_task(ask_repeatedly(client))
        try:
            yield
        finally:
            failure = asking.exception() if asking.done() else None
            asking.cancel()
            await asyncio.wait((asking,))
        assert failure is None, failure
        assert replies


def _check_reply(reply: Json) -> None:
    """Check that a reply is well-formed and is not an internal error, and that its pictures are valid base64."""
    well_formed(reply)
    assert reply.get("code") != "internal_error", reply
    for file in (reply, *reply.get("files", ())):
        if isinstance(file, dict) and file.get("image_b64") is not None:
            from_base64(file["image_b64"])


async def _command(setup: Setup, client: Client, command: str, **payload: object) -> Json | None:
    """Send a command to a hostile camera. Returns the reply, or None if the reply is an error."""
    try:
        reply = await client.command(command, REPLY_TIMEOUT_S, **payload)
    except CommandError as error:
        _check_reply(error.reply)
        setup.results[error.code] += 1
        return None
    _check_reply(reply)
    setup.results["ok"] += 1
    return reply


async def _session(setup: Setup, port: str, rng: random.Random) -> None:
    """Send random commands to a camera. Raises TimeoutError if there is no reply."""
    async with await Client.connect(setup.server, close_timeout=0.3) as client:
        with suppress(CommandError):
            await client.command("select_camera", port=port)
        commands: list[tuple[str, Json]] = [
            ("get_config", {}),
            ("get_config", {"name": "iso"}),
            ("set_config", {"name": "iso", "value": "400"}),
            ("get_camera_info", {}),
            ("capture_preview", {}),
            ("capture_image", {"download": "full", "save": True}),
            ("capture_image", {"save": True}),
            ("list_files", {"folder": "/store_00020001/DCIM/100CANON"}),
            ("download_last_image", {}),
            ("start_live_view", {}),
            ("restart_camera", {}),
        ]
        for name, payload in rng.sample(commands, 5):
            reply = await _command(setup, client, name, port=port, **payload)
            if reply is not None and reply.get("folders") is not None:
                for file in reply["files"][:2]:
                    await _command(setup, client, "get_thumbnail", port=port, camera_filepath=file["camera_filepath"])
            if reply is not None and name == "start_live_view":
                await client.event("live_view_frame", REPLY_TIMEOUT_S)


async def _fuzz(setup: Setup, index: int, seeds: Iterator[int], deadline: float, mutation: str | None) -> None:
    for seed in seeds:
        if time.monotonic() > deadline:
            return
        setup.seeds.append(seed)
        rng = random.Random(seed)
        setup.control.clear(index)
        share = rng.choice((0.02, 0.1, 0.3, 0.8))
        setup.control.fault("mutate", None, index, times=None, seed=seed, share=share, way=mutation or "any")
        with suppress(TimeoutError):
            await _session(setup, setup.ports[index], rng)


async def _works_again(setup: Setup, index: int) -> None:
    """Wait until a setting, a shot and a preview of the camera work, after its mutations have ended."""
    deadline, last_error = time.monotonic() + READY_S, ""
    async with await Client.connect(setup.server, close_timeout=0.3) as client:
        while True:
            port = setup.ports[index]
            lines = [line for line in setup.server.log.splitlines() if port in line]
            assert time.monotonic() < deadline, "\n".join([f"{port} is not ready: {last_error}", *lines[-40:]])
            remaining = deadline - time.monotonic()
            try:
                await client.command("get_config", remaining, port=port, name="iso")
                captured = await client.command("capture_image", remaining, port=port, download="full")
                assert from_base64(captured["image_b64"]).startswith(b"\xff\xd8")
                await client.command("capture_preview", remaining, port=port)
            except (CommandError, TimeoutError) as error:
                last_error = repr(error)
                # The driver may have cached mutated data when it opened the camera. A restart discards the data.
                with suppress(CommandError, TimeoutError):
                    await client.command("restart_camera", max(1.0, deadline - time.monotonic()), port=port)
            else:
                return


def _files(folder: Path) -> set[Path]:
    # The records of shots in progress are ignored, because the server chooses their names.
    shots = folder / "server" / "state" / "shots"
    return {path for path in folder.rglob("*") if not path.is_dir() and path.parent != shots}


async def _fuzz_and_check(setup: Setup, seconds: float, seeds: Iterator[int], mutation: str | None) -> None:
    """Fuzz all hostile cameras in parallel. Check the server during the fuzzing and afterwards."""
    await asyncio.gather(*(_works_again(setup, index) for index in range(HOSTILE_COUNT + 1)))
    process = psutil.Process(setup.server.process.pid)
    other_files = _files(setup.folder) - _files(setup.photos)
    honest_process = _camera_process(process, setup.ports[HONEST])
    deadline = time.monotonic() + seconds
    try:
        async with honest_camera_works(setup):
            await asyncio.gather(*(_fuzz(setup, index, seeds, deadline, mutation) for index in range(HOSTILE_COUNT)))
            for index in range(HOSTILE_COUNT):
                setup.control.reset(index)
            fuzzing_end = time.monotonic()
            await asyncio.gather(*(_works_again(setup, index) for index in range(HOSTILE_COUNT)))
            print(f"all cameras ready again after {time.monotonic() - fuzzing_end:.1f} s")
    finally:
        print(f"seeds {setup.seeds}\nanswers {dict(setup.results)}\n{len(_files(setup.photos))} photos")
    assert _camera_process(process, setup.ports[HONEST]) == honest_process, "the honest camera's process was replaced"
    # The template process, and one process for each camera.
    assert len(process.children(recursive=True)) == 1 + HOSTILE_COUNT + 1
    assert _files(setup.folder) - _files(setup.photos) == other_files
    assert not list(setup.photos.glob(".*")), "half-written photos"
    assert all(path.parent == setup.photos for path in _files(setup.photos))
    assert not Path("/tmp/escaped.jpg").exists()
    assert "Traceback" not in setup.server.log
    assert setup.results["ok"]
    assert setup.results.total() > setup.results["ok"], "no camera was hostile"


def _camera_process(server: psutil.Process, port: str) -> psutil.Process:
    (process,) = [child for child in server.children(recursive=True) if port in child.cmdline()]
    return process


@pytest.mark.timeout(SECONDS + 2 * READY_S)
async def test_mutated_responses_end_at_most_the_process_of_their_camera(setup: Setup) -> None:
    await _fuzz_and_check(setup, SECONDS, iter(range(FIRST_SEED, 10**9)), None)


@pytest.mark.timeout(2 * READY_S)
async def test_pictures_with_hostile_names_are_saved_only_in_the_photo_folder(setup: Setup) -> None:
    other_files = _files(setup.folder) - _files(setup.photos)
    results: Counter[str] = Counter()
    async with honest_camera_works(setup), await Client.connect(setup.server) as client:
        for number, seed in enumerate(NAME_SEEDS):
            index = number % HOSTILE_COUNT
            setup.control.fault("mutate", FILE_INFO, index, times=None, seed=seed, share=1, way="strings")
            try:
                reply = await client.command("capture_image", 60, port=setup.ports[index], save=True)
            except CommandError as error:
                _check_reply(error.reply)
                results[error.code] += 1
            else:
                _check_reply(reply)
                names = [file["camera_filepath"] for file in reply["files"]]
                saved = [Path(file["saved_path"]) for file in reply["files"] if file.get("saved_path")]
                assert all(path.parent == setup.photos and path.is_file() for path in saved)
                results["saved" if saved else "not saved"] += 1
                print(names, [path.name for path in saved])
            setup.control.clear(index)
    print(dict(results))
    assert results["saved"]
    assert _files(setup.folder) - _files(setup.photos) == other_files
    assert not Path("/tmp/escaped.jpg").exists()
