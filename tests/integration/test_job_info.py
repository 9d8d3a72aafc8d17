"""The words for pictures: names and subfolders of saved files, and artist, copyright and owner in the cameras."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from simulator.process import SimulatorProcess
from tests.support.cameras import QUICK, OneCamera
from tests.support.entry import run
from tests.support.marks import decoded, from_base64
from tests.support.rig import Client, CommandError, Json, Server

NewServer = Callable[..., Server]
ARTIST, COPYRIGHT = 0x013B, 0x8298  # Exif 2.32, 4.6.4


@pytest.fixture(scope="module")
def pair() -> Iterator[SimulatorProcess]:
    """Two cameras, SIM0000001 and SIM0000002."""
    with SimulatorProcess("--cameras", "2", *QUICK) as simulator:
        yield simulator


def settings(simulator: SimulatorProcess, name: str, **more: str) -> dict[str, str]:
    addresses = ",".join(camera.address for camera in simulator.cameras)
    return {"NETWORK_CAMERAS": addresses, "PHOTO_NAME": name, **more}


async def save(client: Client, port: str, **options: Any) -> str:
    """Take a picture; returns its path below the photo folder."""
    reply = await client.command("capture_image", save=True, port=port, **options)
    assert "warnings" not in reply
    return relative(reply)


def relative(reply: Json) -> str:
    path = str(reply["files"][0]["saved_path"])
    assert Path(path).is_file()
    return path.partition("/photos/")[2]


async def test_names_have_job_number_and_label_also_after_a_restart(
    pair: SimulatorProcess, new_server: NewServer
) -> None:
    ports = [camera.address for camera in pair.cameras]
    chosen = settings(pair, "{job}/{seq:04}_{label}", CAMERA_LABELS="SIM0000001:left")
    server = new_server(**chosen)
    async with await Client.connect(server) as client:
        assert await save(client, ports[0]) == "no-job/0001_left.jpg"
        assert await save(client, ports[1]) == "no-job/0002_SIM0000002.jpg"
        await client.command("set_job_info", job="Smith wedding")
        await client.command("set_job_info", port=ports[1], label="right")
        await client.command("subscribe", events=["capture_saved"])
        assert await save(client, ports[0]) == "Smith_wedding/0001_left.jpg"
        assert (await client.event("capture_saved"))["job"] == "Smith wedding"
        assert await save(client, ports[1]) == "Smith_wedding/0002_right.jpg"
    assert server.stop() == 0
    async with await Client.connect(new_server(**chosen)) as client:
        info = await client.command("set_job_info")
        assert info["job"] == "Smith wedding"
        assert await save(client, ports[1]) == "Smith_wedding/0003_right.jpg"
        await client.command("set_job_info", port=ports[1], job="Portraits", label="")
        assert await save(client, ports[1]) == "Portraits/0001_SIM0000002.jpg"
        assert await save(client, ports[0]) == "Smith_wedding/0004_left.jpg"
        await client.command("set_job_info", port=ports[1], job="")
        assert await save(client, ports[1]) == "Smith_wedding/0005_SIM0000002.jpg"
        await client.command("set_job_info", job="")
        assert await save(client, ports[0]) == "no-job/0003_left.jpg"


async def test_shots_of_two_cameras_at_once_have_different_numbers(
    pair: SimulatorProcess, new_server: NewServer
) -> None:
    server = new_server(**settings(pair, "{seq}"))
    clients = [await Client.connect(server) for _ in pair.cameras]
    rounds = 4

    async def shoot(client: Client, port: str) -> list[str]:
        return [await save(client, port) for _ in range(rounds)]

    found = await asyncio.gather(
        *(shoot(client, camera.address) for client, camera in zip(clients, pair.cameras, strict=True))
    )
    assert sorted(name for names in found for name in names) == sorted(f"{n}.jpg" for n in range(1, 2 * rounds + 1))
    for client in clients:
        await client.socket.close()


async def test_a_shot_with_a_name_of_its_own_has_no_number(pair: SimulatorProcess, new_server: NewServer) -> None:
    port = pair.cameras[0].address
    async with await Client.connect(new_server(**settings(pair, "{job}/{seq}"))) as client:
        assert await save(client, port, filename="guest.jpg") == "guest.jpg"
        assert await save(client, port) == "no-job/1.jpg"


async def test_without_a_database_no_file_is_overwritten(pair: SimulatorProcess, new_server: NewServer) -> None:
    port = pair.cameras[0].address
    chosen = settings(pair, "{job}/{seq:02}", STATE_DIR="/proc/nowhere")
    server = new_server(**chosen)
    async with await Client.connect(server) as client:
        await client.command("set_job_info", job="a")
        assert [await save(client, port) for _ in range(2)] == ["a/01.jpg", "a/02.jpg"]
    assert server.stop() == 0
    async with await Client.connect(new_server(**chosen)) as client:
        await client.command("set_job_info", job="a")
        assert await save(client, port) == "a/01-2.jpg"


@pytest.mark.parametrize(
    "job", ["../../out", "/etc", "..", ".", " ", "a/b", "a\\b", "*?", "{date}", "\u76f8" * 80, "\u202e"]
)
async def test_no_job_leads_out_of_the_photo_folder(
    pair: SimulatorProcess, new_server: NewServer, tmp_path: Path, job: str
) -> None:
    async with await Client.connect(new_server(**settings(pair, "{job}/{seq}"))) as client:
        await client.command("set_job_info", job=job)
        assert (await save(client, pair.cameras[0].address)).count("/") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos", "state"]


@pytest.mark.parametrize("obstacle", ["file", "link"])
async def test_a_subfolder_that_cannot_be_used_is_a_warning_and_the_picture_stays_on_the_camera(
    pair: SimulatorProcess, new_server: NewServer, tmp_path: Path, obstacle: str
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "elsewhere").mkdir()
    blocked = tmp_path / "photos" / "no-job"
    blocked.write_text("somebody's") if obstacle == "file" else blocked.symlink_to(tmp_path / "elsewhere")
    async with await Client.connect(new_server(**settings(pair, "{job}/{seq}"))) as client:
        port = pair.cameras[0].address
        reply = await client.command("capture_image", save=True, port=port)
        assert "no-job is " in reply["warnings"][0]
        assert "saved_path" not in reply["files"][0]
        await client.command("download_last_image", camera_filepath=reply["camera_filepath"], port=port)
    assert list((tmp_path / "elsewhere").iterdir()) == []


async def test_raw_and_jpeg_have_the_same_number(pair: SimulatorProcess, new_server: NewServer) -> None:
    port = pair.cameras[0].address
    async with await Client.connect(new_server(**settings(pair, "{job}/{seq}"))) as client:
        before = (await client.command("get_config", name="imageformat", port=port))["value"]
        await client.command("set_config", name="imageformat", value="RAW + L", port=port)
        files = (await client.command("capture_image", save=True, port=port))["files"]
        await client.command("set_config", name="imageformat", value=before, port=port)
    assert [file["saved_path"].partition("/photos/")[2] for file in files] == ["no-job/1.jpg", "no-job/1.cr2"]


@pytest.mark.parametrize(("maker", "missing"), [("canon", []), ("nikon", ["owner"])])
async def test_artist_and_copyright_are_in_the_pictures(
    own_camera: Callable[..., OneCamera], new_server: NewServer, maker: str, missing: list[str]
) -> None:
    camera = own_camera("--maker", maker, *QUICK)
    async with await Client.connect(new_server(NETWORK_CAMERAS=camera.port)) as client:
        await client.command("get_camera_info")
        words: Json = {"artist": "Ada Lovelace", "copyright": "2030 Ada", "owner": "Studio 5"}
        (entry,) = (await client.command("set_job_info", **words))["cameras"]
        assert (entry["missing"], entry["set"]) == (missing, [name for name in words if name not in missing])
        shot = await client.command("capture_image", download="full")
        exif = decoded(from_base64(shot["image_b64"])).getexif()
        assert (exif[ARTIST], exif[COPYRIGHT]) == ("Ada Lovelace", "2030 Ada")
        await client.command("set_job_info", artist="", copyright="")
        shot = await client.command("capture_image", download="full")
        assert not {ARTIST, COPYRIGHT} & decoded(from_base64(shot["image_b64"])).getexif().keys()
    assert camera.control.state()["properties"].get("ownername", "Studio 5") == "Studio 5"


async def test_a_word_that_the_camera_ignores_is_a_warning(
    own_camera: Callable[..., OneCamera], new_server: NewServer
) -> None:
    camera = own_camera(*QUICK)
    camera.control.veto("artist")
    async with await Client.connect(new_server(NETWORK_CAMERAS=camera.port)) as client:
        (entry,) = (await client.command("set_job_info", port=camera.port, artist="Ada", copyright="Ada"))["cameras"]
    camera.control.veto("artist", on=False)
    assert (entry["set"], entry["missing"]) == (["copyright"], [])
    assert entry["warnings"] == ["artist was not set: The camera kept artist at . It does not accept this value."]


async def test_a_camera_that_is_off_is_an_error_only_if_it_is_named(
    own_camera: Callable[..., OneCamera], new_server: NewServer
) -> None:
    camera = own_camera(*QUICK)
    camera.control.power(False)
    server = new_server(NETWORK_CAMERAS=camera.port, MAX_RESTART_ATTEMPTS="0")
    async with await Client.connect(server) as client:
        assert (await client.command("set_job_info", job="a"))["cameras"] == []
        with pytest.raises(CommandError) as error:
            await client.command("set_job_info", job="b", port=camera.port)
        assert error.value.code == "camera_disconnected"
        assert (await client.command("set_job_info"))["job"] == "a"
        with pytest.raises(CommandError) as error:
            await client.command("set_job_info", job="b", port="usb:009,009")
        assert error.value.code == "camera_not_found"
    camera.control.power(True)


@pytest.mark.parametrize(
    "payload",
    [{"label": "left"}, {"job": "a\nb"}, {"artist": "a\0b"}, {"job": "x" * 81}, {"job": 1}],
)
async def test_words_that_no_picture_can_have_are_rejected(bare_server: Server, payload: Json) -> None:
    async with await Client.connect(bare_server) as client:
        with pytest.raises(CommandError) as error:
            await client.command("set_job_info", **payload)
        assert error.value.code == "invalid_payload"
        assert (await client.command("set_job_info"))["job"] == ""


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PHOTO_NAME", "{job}/../{seq}", "A slash separates at most 8 subfolders of the photo folder"),
        ("PHOTO_NAME", "{date:%Y}", "also {seq:04} with a number of digits"),
        ("CAMERA_LABELS", "left", "serial numbers with labels, such as 012345:left,067890:right, not 'left'"),
        ("CAMERA_LABELS", "000:left", "serial numbers with labels"),
        ("CAMERA_LABELS", "1:le/ft", "labels of 1 to 80 characters without slashes"),
        ("CAMERA_LABELS", "1:", "labels of 1 to 80 characters without slashes"),
        ("CAMERA_LABELS", "1:..", "labels of 1 to 80 characters without slashes"),
        ("CAMERA_LABELS", "01:left,1:right", "each serial number once"),
        ("SHUTTER_LINES", "gpiochip0/17", "serial numbers with lines, such as 012345:gpiochip0/17"),
        ("SHUTTER_LINES", "1:gpio17", "a chip and a line, such as gpiochip0/17, not 'gpio17'"),
        ("SHUTTER_LINES", "1:gpiochip0/4/4", "two different lines"),
        ("SHUTTER_LINES", "1:gpiochip0/4,01:gpiochip0/5", "each camera and each line once"),
        ("SHUTTER_LINES", "1:gpiochip0/4,2:gpiochip0/5/4", "each camera and each line once"),
    ],
)
def test_a_setting_that_is_not_allowed_stops_the_start(tmp_path: Path, name: str, value: str, words: str) -> None:
    done = run(tmp_path, **{name: value})
    assert done.returncode == 2
    assert f"{name}=" in done.stderr
    assert words in done.stderr
