"""The server with cameras that are not ours. Each of them does what it can, and rejects the rest with the right error."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.foreign.pictures import FOLDER, RAW, VIDEO, WITH_THUMBNAIL, WITHOUT_THUMBNAIL, write_card
from tests.foreign.umtp import umtp_camera
from tests.support.drives import with_drive
from tests.support.marks import decoded, from_base64
from tests.support.processes import camera_process
from tests.support.rig import Client, CommandError, Json, Server
from tests.support.waiting import until_answers

NAMES = {WITH_THUMBNAIL, WITHOUT_THUMBNAIL, RAW, VIDEO}


@dataclass(frozen=True)
class Foreign:
    """A foreign camera with the files of tests/foreign/pictures.py.

    Attributes:
        name: libgphoto2's name for the model.
        folder: the folder with the files.
        content: a folder of this machine with the same files.
        thumbnail: the thumbnail of the file WITH_THUMBNAIL, or None if the camera has no thumbnails.
        can: the operations that work, of "capture", "config" and "delete".
        listed_only: names of files that can be listed but not downloaded.
    """

    server: Server
    port: str
    name: str
    folder: str
    content: Path
    thumbnail: bytes | None
    can: frozenset[str]
    listed_only: frozenset[str] = frozenset()

    def path(self, name: str) -> str:
        """The path of a file on the camera."""
        return f"{self.folder}/{name}"


@pytest.fixture(scope="module")
def virtual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foreign]:
    """The virtual camera of libgphoto2: a Nikon below the driver for PTP, without live view.

    It knows the format of JPEG files only, and the driver downloads no files of an unknown format.
    """
    folder = tmp_path_factory.mktemp("virtual")
    thumbnail = write_card(folder / "card")
    server = Server(cwd=folder, VCAMERADIR=str(folder / "card"), RESTART_DELAY="0.3")
    yield Foreign(
        server=server, port="usb:001,001", name="Nikon DSC D750", folder=f"/store_00010001/{FOLDER}",
        content=folder / "card" / FOLDER, thumbnail=thumbnail, can=frozenset(("capture", "config", "delete")),
        listed_only=frozenset((RAW, VIDEO)),
    )  # fmt: skip
    assert server.stop() == 0


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foreign]:
    """A mounted memory card, which libgphoto2's driver `directory` reads."""
    folder = tmp_path_factory.mktemp("drive")
    thumbnail, mount_point = write_card(folder / "card"), folder / "mnt"
    through = with_drive(mount_point, folder / "card")
    server = Server(cwd=folder, through=through, DISK_CAMERAS="yes", RESTART_DELAY="0.3")
    yield Foreign(
        server=server, port=f"disk:{mount_point}", name="Mass Storage Camera", folder=f"/{FOLDER}",
        content=folder / "card" / FOLDER, thumbnail=thumbnail, can=frozenset(("delete",)),
    )  # fmt: skip
    assert server.stop() == 0


@pytest.fixture(scope="module")
def umtp(standin: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foreign]:
    """umtp-responder on USB: another implementation of PTP, without shutter and without thumbnails."""
    folder = tmp_path_factory.mktemp("umtp")
    write_card(folder / "card")
    with umtp_camera(folder, folder / "card", standin) as (port, settings):
        server = Server(cwd=folder, RESTART_DELAY="0.3", **settings)
        yield Foreign(
            server=server, port=port, name="USB PTP Class Camera", folder=f"/store_ffff0001/{FOLDER}",
            content=folder / "card" / FOLDER, thumbnail=None, can=frozenset(("config", "delete")),
        )  # fmt: skip
        assert server.stop() == 0


@pytest.fixture(params=["virtual", "drive", "umtp"])
def foreign(request: pytest.FixtureRequest) -> Foreign:
    """Each of the cameras."""
    value = request.getfixturevalue(request.param)
    assert isinstance(value, Foreign)
    return value


@pytest.fixture
async def client(foreign: Foreign) -> AsyncIterator[Client]:
    """A client that has selected the camera, which is open."""
    async with await Client.connect(foreign.server) as client:

        async def is_ready() -> bool:
            cameras = (await client.command("list_cameras"))["cameras"]
            return any((camera["port"], camera["state"]) == (foreign.port, "ready") for camera in cameras)

        await until_answers(is_ready)
        await client.command("select_camera", port=foreign.port)
        yield client


async def not_supported(client: Client, command: str, **payload: Any) -> Json:
    """Send a command that must be rejected because the camera cannot do it; returns the reply."""
    with pytest.raises(CommandError) as error:
        await client.command(command, **payload)
    assert (error.value.code, error.value.reply["retryable"]) == ("not_supported", False)
    return error.value.reply


async def test_the_camera_is_listed_and_describes_itself(client: Client, foreign: Foreign) -> None:
    (listed,) = (await client.command("list_cameras"))["cameras"]
    assert (listed["name"], listed["port"], listed["connected"]) == (foreign.name, foreign.port, True)
    info = await client.command("get_camera_info")
    assert info["model"]
    assert info["storage"][0]["capacity"] > info["storage"][0]["free"] > 0


async def test_every_setting_is_returned_and_can_be_read_again(client: Client, foreign: Foreign) -> None:
    if "config" not in foreign.can:
        await not_supported(client, "get_config")
        await not_supported(client, "set_config", name="iso", value="100")
        return
    configs = (await client.command("get_config"))["configs"]
    assert configs
    for config in configs:
        again = await client.command("get_config", name=config["path"])
        assert (again["type"], again["label"]) == (config["type"], config["label"])


async def test_a_capture_gives_a_picture_or_no_record_of_one(client: Client, foreign: Foreign) -> None:
    if "capture" in foreign.can:
        captured = await client.command("capture_image")
        downloaded = await client.command("download_last_image", camera_filepath=captured["camera_filepath"])
        picture = from_base64(downloaded["image_b64"])
        assert captured["files"][0]["size"] == len(picture)
        decoded(picture)
        return
    await not_supported(client, "capture_image")
    assert (await not_supported(client, "capture_image", download="full"))["message"]
    assert "last_unknown_capture" not in await client.command("get_camera_info")


async def test_the_files_are_listed_with_their_sizes_from_the_root_on(client: Client, foreign: Foreign) -> None:
    folder = ""
    for part in foreign.folder.split("/")[1:]:
        assert part in (await client.command("list_files", folder=folder or "/"))["folders"]
        folder += "/" + part
    files = (await client.command("list_files", folder=foreign.folder))["files"]
    sizes = {file["filename"]: file["size"] for file in files if file["filename"] in NAMES}
    assert sizes == {name: (foreign.content / name).stat().st_size for name in NAMES}


@pytest.mark.parametrize("name", sorted(NAMES))
async def test_a_downloaded_file_equals_the_original(client: Client, foreign: Foreign, name: str) -> None:
    if name in foreign.listed_only:
        await not_supported(client, "download_last_image", camera_filepath=foreign.path(name))
        return
    reply = await client.command("download_last_image", camera_filepath=foreign.path(name))
    original = (foreign.content / name).read_bytes()
    assert hashlib.sha256(from_base64(reply["image_b64"])).digest() == hashlib.sha256(original).digest()


async def test_a_thumbnail_is_returned_if_the_file_has_one(client: Client, foreign: Foreign) -> None:
    if foreign.thumbnail is None:
        await not_supported(client, "get_thumbnail", camera_filepath=foreign.path(WITH_THUMBNAIL))
        return
    reply = await client.command("get_thumbnail", camera_filepath=foreign.path(WITH_THUMBNAIL))
    assert from_base64(reply["image_b64"]) == foreign.thumbnail


@pytest.mark.parametrize("name", [WITHOUT_THUMBNAIL, RAW, VIDEO])
async def test_without_a_thumbnail_the_error_says_so(client: Client, foreign: Foreign, name: str) -> None:
    reply = await not_supported(client, "get_thumbnail", camera_filepath=foreign.path(name))
    assert reply["message"] == "The camera has no thumbnail of this file."


@pytest.mark.parametrize("command", ["download_last_image", "get_thumbnail", "delete_file"])
async def test_an_unknown_file_is_not_found(client: Client, foreign: Foreign, command: str) -> None:
    with pytest.raises(CommandError) as error:
        await client.command(command, camera_filepath=foreign.path("NOBODY.JPG"))
    assert error.value.code == "file_not_found"


@pytest.mark.parametrize("command", ["start_live_view", "capture_preview"])
async def test_live_view_is_rejected(client: Client, foreign: Foreign, command: str) -> None:
    assert "live view" in (await not_supported(client, command))["message"]
    (listed,) = (await client.command("list_cameras"))["cameras"]
    assert (listed["state"], "live_view" in listed["can"]) == ("ready", False)


async def test_after_its_process_was_killed_the_camera_is_used_again(client: Client, foreign: Foreign) -> None:
    process = await camera_process(foreign.server.process.pid, foreign.port)
    process.kill()
    await camera_process(foreign.server.process.pid, foreign.port, other_than=process.pid)

    async def can_read() -> bool:
        try:
            reply = await client.command("download_last_image", camera_filepath=foreign.path(WITH_THUMBNAIL))
        except CommandError as error:
            if not error.reply["retryable"]:
                raise
            return False
        return from_base64(reply["image_b64"]) == (foreign.content / WITH_THUMBNAIL).read_bytes()

    await until_answers(can_read)
    (listed,) = (await client.command("list_cameras"))["cameras"]
    assert (listed["port"], listed["state"]) == (foreign.port, "ready")


async def test_rejected_commands_cost_the_camera_no_process(client: Client, foreign: Foreign) -> None:
    process = await camera_process(foreign.server.process.pid, foreign.port)
    await not_supported(client, "start_live_view")
    await not_supported(client, "get_thumbnail", camera_filepath=foreign.path(RAW))
    if "capture" not in foreign.can:
        await not_supported(client, "capture_image")
    await client.command("list_files", folder=foreign.folder)
    assert (await camera_process(foreign.server.process.pid, foreign.port)).pid == process.pid


async def test_a_deleted_file_is_gone(client: Client, foreign: Foreign) -> None:
    path = foreign.path(WITHOUT_THUMBNAIL)
    if "capture" in foreign.can:  # the virtual camera shows a deleted file of its folder again when it is opened again
        path = (await client.command("capture_image"))["camera_filepath"]
    before = (await client.command("list_files", folder=path.rpartition("/")[0]))["total"]
    await client.command("delete_file", camera_filepath=path)
    after = await client.command("list_files", folder=path.rpartition("/")[0])
    assert after["total"] == before - 1
    assert path not in [file["camera_filepath"] for file in after["files"]]
    with pytest.raises(CommandError) as error:
        await client.command("download_last_image", camera_filepath=path)
    assert error.value.code == "file_not_found"


@pytest.mark.parametrize("foreign", ["umtp"], indirect=True)  # the others have no events for that
async def test_a_file_that_appears_on_the_camera_is_reported(client: Client, foreign: Foreign) -> None:
    await client.command("list_files", folder=foreign.folder)  # from now on, umtprd watches the folder
    await client.command("subscribe", events=["file_added"])
    (foreign.content / "NEW.JPG").write_bytes((foreign.content / WITH_THUMBNAIL).read_bytes())
    added = await client.event("file_added")
    assert (added["port"], added["camera_filepath"]) == (foreign.port, foreign.path("NEW.JPG"))
    reply = await client.command("download_last_image", camera_filepath=added["camera_filepath"])
    assert from_base64(reply["image_b64"]) == (foreign.content / WITH_THUMBNAIL).read_bytes()
