"""Cameras that answer with anything: at most their own process ends, the server and the other cameras go on.

`make fuzz SECONDS=n` runs the same for longer with new seeds (FUZZ_SECONDS, FUZZ_SEED).
"""

from __future__ import annotations

import asyncio
import json
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
from simulator.process import SimulatorProcess
from tests.support.cameras import QUICK
from tests.support.marks import from_base64
from tests.support.rig import Client, CommandError, Json, Server
from tests.support.wire import well_formed

HOSTILE = 6
HONEST = HOSTILE  # the last camera of the simulator
SECONDS = float(os.environ.get("FUZZ_SECONDS", "6"))
FIRST_SEED = int(os.environ.get("FUZZ_SEED", "1"))
AT_ONCE = {"RESTART_DELAY": "0.3", "MAX_RESTART_ATTEMPTS": "100"}
# What a Canon EOS tells of a new file: GetObjectInfo.
FILE_INFO = "0x1008"
# Names with "..", slashes, control characters, surrogates and of great length. Others (1, 6, 11: no name at all) have
# the driver look for the file until the deadline of a capture.
NAMES = (2, 3, 4, 7, 8, 9, 10, 12, 13, 14)
# A client that hears nothing for so long goes on with the next seed; the server's own deadlines are longer.
PATIENCE_S = 2.5
# A ping and a setting of the honest camera, all the time; generous, for a busy machine.
BYSTANDER_S = 5.0
# A driver that loops for ever while it opens or reads everything is ended at its deadline, 35 or 30 s.
READY_S = 100.0


@dataclass
class Booth:
    """A server on hostile cameras and an honest one, in a folder whose every file is known."""

    server: Server
    control: Control
    ports: list[str]
    folder: Path
    met: Counter[str] = field(default_factory=Counter)
    seeds: list[int] = field(default_factory=list)

    @property
    def photos(self) -> Path:
        """Where pictures may be."""
        return self.folder / "server" / "photos"


@pytest.fixture(scope="module")
def booth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booth]:
    """Seven cameras, six of which will be hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "server").mkdir()
    with SimulatorProcess("--cameras", str(HOSTILE + 1), *QUICK) as simulator, Control(simulator.control) as control:
        ports = [camera.address for camera in simulator.cameras]
        server = Server(cwd=folder / "server", NETWORK_CAMERAS=",".join(ports), **AT_ONCE)
        yield Booth(server, control, ports, folder)
        assert server.stop() == 0


@asynccontextmanager
async def bystander(booth: Booth) -> AsyncIterator[None]:
    """Somebody who pings the server and asks the honest camera all the time, and must not notice anything."""
    asked = 0

    async def ask(client: Client) -> None:
        nonlocal asked
        while True:
            assert await client.command("ping", BYSTANDER_S) == {"status": "ok", "message": "pong"}
            assert (await client.command("get_config", BYSTANDER_S, name="iso"))["value"] == "100"
            asked += 1
            await asyncio.sleep(0.05)

    async with await Client.connect(booth.server) as client:
        await client.command("select_camera", port=booth.ports[HONEST])
        asking = asyncio.create_task(ask(client))
        try:
            yield
        finally:
            noticed = asking.exception() if asking.done() else None
            asking.cancel()
            await asyncio.wait((asking,))
        assert noticed is None, noticed
        assert asked


def _check_reply(reply: Json) -> None:
    """A reply has the form it always has, and its picture is base64."""
    well_formed(reply)
    assert reply.get("code") != "internal_error", reply
    for file in (reply, *reply.get("files", ())):
        if isinstance(file, dict) and file.get("image_b64") is not None:
            from_base64(file["image_b64"])


async def _say(booth: Booth, client: Client, command: str, **payload: object) -> Json | None:
    """One command to a hostile camera; its reply, None where it was an error."""
    try:
        reply = await client.command(command, PATIENCE_S, **payload)
    except CommandError as error:
        _check_reply(error.reply)
        booth.met[error.code] += 1
        return None
    _check_reply(reply)
    booth.met["ok"] += 1
    return reply


async def _session(booth: Booth, port: str, chance: random.Random) -> None:
    """What a client may ask a camera, in any order, until it loses patience."""
    async with await Client.connect(booth.server, close_timeout=0.3) as client:
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
        for name, payload in chance.sample(commands, 5):
            reply = await _say(booth, client, name, port=port, **payload)
            if reply is not None and reply.get("folders") is not None:
                for file in reply["files"][:2]:
                    await _say(booth, client, "get_thumbnail", port=port, camera_filepath=file["camera_filepath"])
            if reply is not None and name == "start_live_view":
                await client.event("live_view_frame", PATIENCE_S)


async def _fuzz(booth: Booth, index: int, seeds: Iterator[int], until: float, way: str | None) -> None:
    for seed in seeds:
        if time.monotonic() > until:
            return
        booth.seeds.append(seed)
        chance = random.Random(seed)
        booth.control.clear(index)
        share = chance.choice((0.02, 0.1, 0.3, 0.8))
        booth.control.fault("mutate", None, index, times=None, seed=seed, share=share, way=way or "any")
        with suppress(TimeoutError):
            await _session(booth, booth.ports[index], chance)


async def _ready_again(booth: Booth, index: int) -> None:
    """Without mutations the camera is itself again: setting, shot and frame."""
    until, last = time.monotonic() + READY_S, ""
    async with await Client.connect(booth.server, close_timeout=0.3) as client:
        while True:
            port = booth.ports[index]
            lines = [line for line in booth.server.log.splitlines() if port in line]
            assert time.monotonic() < until, "\n".join([f"{port} is not ready: {last}", *lines[-40:]])
            left = until - time.monotonic()
            try:
                await client.command("get_config", left, port=port, name="iso")
                captured = await client.command("capture_image", left, port=port, download="full")
                assert from_base64(captured["image_b64"]).startswith(b"\xff\xd8")
                await client.command("capture_preview", left, port=port)
            except (CommandError, TimeoutError) as error:
                last = repr(error)
                # What the driver was told while it opened the camera it believes until it opens it again.
                with suppress(CommandError, TimeoutError):
                    await client.command("restart_camera", max(1.0, until - time.monotonic()), port=port)
            else:
                return


def _files(folder: Path) -> set[Path]:
    shots = folder / "server" / "state" / "shots"  # the server's own notes, under names of its own making
    return {path for path in folder.rglob("*") if not path.is_dir() and path.parent != shots}


async def _hostility(booth: Booth, seconds: float, seeds: Iterator[int], way: str | None) -> None:
    """Fuzz all hostile cameras at once, and check everything that has to hold meanwhile and afterwards."""
    await asyncio.gather(*(_ready_again(booth, index) for index in range(HOSTILE + 1)))
    process = psutil.Process(booth.server.process.pid)
    outside = _files(booth.folder) - _files(booth.photos)
    honest = _camera_process(process, booth.ports[HONEST])
    until = time.monotonic() + seconds
    try:
        async with bystander(booth):
            await asyncio.gather(*(_fuzz(booth, index, seeds, until, way) for index in range(HOSTILE)))
            for index in range(HOSTILE):
                booth.control.reset(index)
            over = time.monotonic()
            await asyncio.gather(*(_ready_again(booth, index) for index in range(HOSTILE)))
            print(f"all cameras ready again after {time.monotonic() - over:.1f} s")
    finally:
        print(f"seeds {booth.seeds}\nanswers {dict(booth.met)}\n{len(_files(booth.photos))} photos")
    assert _camera_process(process, booth.ports[HONEST]) == honest, "the honest camera's process was replaced"
    assert len(process.children()) == HOSTILE + 1
    assert _files(booth.folder) - _files(booth.photos) == outside
    assert not list(booth.photos.glob(".*")), "half-written photos"
    assert all(path.parent == booth.photos for path in _files(booth.photos))
    assert not Path("/tmp/escaped.jpg").exists()
    assert "Traceback" not in booth.server.log
    assert booth.met["ok"]
    assert booth.met.total() > booth.met["ok"], "no camera was hostile"


def _camera_process(server: psutil.Process, port: str) -> psutil.Process:
    (found,) = [child for child in server.children() if json.dumps(port) in " ".join(child.cmdline())]
    return found


@pytest.mark.timeout(SECONDS + 2 * READY_S)
async def test_no_reply_of_a_camera_does_more_than_end_its_own_process(booth: Booth) -> None:
    await _hostility(booth, SECONDS, iter(range(FIRST_SEED, 10**9)), None)


@pytest.mark.timeout(2 * READY_S)
async def test_pictures_with_hostile_names_are_saved_in_the_folder_or_not_at_all(booth: Booth) -> None:
    outside = _files(booth.folder) - _files(booth.photos)
    met: Counter[str] = Counter()
    async with bystander(booth), await Client.connect(booth.server) as client:
        for number, seed in enumerate(NAMES):
            index = number % HOSTILE
            booth.control.fault("mutate", FILE_INFO, index, times=None, seed=seed, share=1, way="strings")
            try:
                reply = await client.command("capture_image", 60, port=booth.ports[index], save=True)
            except CommandError as error:
                _check_reply(error.reply)
                met[error.code] += 1
            else:
                _check_reply(reply)
                names = [file["camera_filepath"] for file in reply["files"]]
                saved = [Path(file["saved_path"]) for file in reply["files"] if file.get("saved_path")]
                assert all(path.parent == booth.photos and path.is_file() for path in saved)
                met["saved" if saved else "not saved"] += 1
                print(names, [path.name for path in saved])
            booth.control.clear(index)
    print(dict(met))
    assert met["saved"]
    assert _files(booth.folder) - _files(booth.photos) == outside
    assert not Path("/tmp/escaped.jpg").exists()
