"""Tests with a photo folder whose disk does not respond, and with two cameras that save photos at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.rig import ROOT, Client, CommandError, Json, Server

# Python runs this code at the start of the server process. While the file `flag` exists, fsync does not return, as on a
# network folder whose server is down. The deadline for writing is shorter than usual.
HANG = """
import os
import sys
import time

sys.path.insert(0, {root!r})
from camera.photos import saver

saver._WRITE_S = 2.0
real = os.fsync


def fsync(descriptor):
    while os.path.exists({flag!r}):
        time.sleep(0.02)
    return real(descriptor)


os.fsync = fsync
"""


@pytest.fixture
def hang(tmp_path: Path) -> Path:
    """The path of a file. While this file exists, the disk hangs."""
    return tmp_path / "hang"


@pytest.fixture
def hanging_server(new_server: Callable[..., Server], pair: list[str], tmp_path: Path, hang: Path) -> Server:
    """A server with two cameras. Its disk hangs while the file `hang` exists."""
    patches = tmp_path / "patches"
    patches.mkdir()
    (patches / "sitecustomize.py").write_text(HANG.format(root=str(ROOT), flag=str(hang)))
    return new_server(NETWORK_CAMERAS=",".join(pair), PYTHONPATH=str(patches))


@pytest.mark.parametrize("download", ["none", "full"])
async def test_a_photo_folder_that_hangs_delays_neither_other_commands_nor_later_shots(
    hanging_server: Server, pair: list[str], hang: Path, download: str
) -> None:
    async with await Client.connect(hanging_server) as booth_client, await Client.connect(hanging_server) as other:
        hang.touch()
        shot = asyncio.create_task(booth_client.command("capture_image", port=pair[0], save=True, download=download))
        while (await other.command("get_camera_info", port=pair[1]))["state"] != "ready" or not shot.done():
            await other.command("ping")
            await asyncio.sleep(0.05)
        reply = await shot
        assert "does not respond" in reply["warnings"][0]
        assert "saved_path" not in reply["files"][0]
        names = await booth_client.command(
            "list_files", port=pair[0], folder=reply["camera_filepath"].rpartition("/")[0]
        )
        assert reply["camera_filepath"] in [file["camera_filepath"] for file in names["files"]]
        for port in pair:  # now captures with `save` are rejected at once, before the release
            with pytest.raises(CommandError, match="does not respond") as rejected:
                await booth_client.command("capture_image", port=port, save=True)
            assert rejected.value.code == "folder_not_writable"
            assert await booth_client.command("capture_image", port=port)
        hang.unlink()
        saved: Json | None = None
        while saved is None:  # captures with `save` are rejected until the hanging call has returned
            with suppress(CommandError):
                saved = await booth_client.command("capture_image", port=pair[0], save=True)
        assert Path(saved["files"][0]["saved_path"]).is_file()
        folder = Path(saved["files"][0]["saved_path"]).parent
        assert len(list(folder.iterdir())) == 1  # the photo of the first shot was not saved afterwards


async def test_the_server_stops_while_the_photo_folder_hangs(
    hanging_server: Server, pair: list[str], hang: Path
) -> None:
    async with await Client.connect(hanging_server) as booth_client:
        hang.touch()
        assert "warnings" in await booth_client.command("capture_image", port=pair[0], save=True)
    assert hanging_server.stop() == 0


async def test_raw_and_jpeg_of_two_cameras_keep_one_name_for_each_shot(
    new_server: Callable[..., Server], pair: list[str]
) -> None:
    server = new_server(NETWORK_CAMERAS=",".join(pair))

    async def shoot(port: str) -> list[set[str]]:
        async with await Client.connect(server) as client:
            await client.command("set_config", port=port, name="imageformat", value="RAW + L")
            shots = [await client.command("capture_image", port=port, save=True) for _ in range(12)]
            return [{Path(file["saved_path"]).stem for file in shot["files"]} for shot in shots]

    stems = [stem for shots in await asyncio.gather(*map(shoot, pair)) for stem in shots]
    assert all(len(stem) == 1 for stem in stems), stems
    assert len(set.union(*stems)) == len(stems)
