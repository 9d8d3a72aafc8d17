"""Bursts with simulated cameras of both makers: pictures, files, drive mode, limits, and what the camera refuses."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.burst.cameras import CANON, NIKON
from tests.support.cameras import OneCamera, in_factory_state, one_camera
from tests.support.rig import Client, CommandError, Json, Server
from tests.support.waiting import until

MAKERS = {"canon": CANON, "nikon": NIKON}
RAW_AND_JPEG = {"canon": ("imageformat", "RAW + L"), "nikon": ("imagequality", "NEF+Fine")}
DRIVES = ("drivemode", "burstnumber", "capturemode")
both = pytest.mark.parametrize("camera", MAKERS, indirect=True)


@pytest.fixture(scope="module")
def shared_cameras() -> Iterator[dict[str, OneCamera]]:
    """One camera of each maker."""
    with one_camera(*CANON) as canon, one_camera(*NIKON) as nikon:
        yield {"canon": canon, "nikon": nikon}


@pytest.fixture(scope="module")
def shared_server(shared_cameras: dict[str, OneCamera], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("burst")
    ports = ",".join(camera.port for camera in shared_cameras.values())
    yield (server := Server(cwd=folder, NETWORK_CAMERAS=ports, PHOTO_NAME="{seq:04}", SIDECARS="xmp"))
    assert server.stop() == 0


@pytest.fixture
def camera(request: pytest.FixtureRequest, shared_cameras: dict[str, OneCamera]) -> Iterator[OneCamera]:
    """The camera in factory state; the dial of a Nikon is at "Burst". After the test, nothing is pressed."""
    maker = getattr(request, "param", "canon")
    chosen = shared_cameras[maker]
    with in_factory_state(chosen.process):
        if maker == "nikon":
            chosen.control.set("capturemode", "Burst")
        yield chosen
        state = chosen.control.state()
        assert not state["button_held"]
        assert not state["focus"]["half_pressed"]


@pytest.fixture
async def client(shared_server: Server, camera: OneCamera) -> AsyncIterator[Client]:
    async with await Client.connect(shared_server, close_timeout=0.2) as client:
        await client.command("select_camera", port=camera.port)
        yield client


def names(reply: Json) -> list[str]:
    return [file["camera_filepath"] for file in reply["files"]]


def on_card(camera: OneCamera) -> list[str]:
    return [file["path"] for file in camera.control.state()["files"]]


def drives(camera: OneCamera) -> list[object]:
    properties = camera.control.state()["properties"]
    return [properties.get(name) for name in DRIVES]


@both
async def test_a_burst_by_frames_reports_every_picture(client: Client, camera: OneCamera) -> None:
    before = drives(camera)
    burst = await client.command("capture_burst", frames=4)
    assert burst["frames"] == len(camera.control.releases()) >= 4
    assert names(burst) == on_card(camera)
    assert drives(camera) == before
    shot = (await client.command("get_shot", shot=burst["shot"]))["files"]
    assert [file["camera_filepath"] for file in shot] == names(burst)


async def test_a_repeated_burst_gets_the_answer_of_the_first(client: Client, camera: OneCamera) -> None:
    first = await client.command("capture_burst", frames=3, key="three")
    again = await client.command("capture_burst", frames=3, key="three")
    shots = camera.control.state()["shots"]
    assert first.pop("repeated", None) is None
    assert again.pop("repeated") is True
    assert again == first
    assert shots == first["frames"]
    with pytest.raises(CommandError, match="key_reused"):
        await client.command("capture_burst", frames=2, key="three")
    with pytest.raises(CommandError, match="key_reused"):
        await client.command("capture_image", key="three")
    assert camera.control.state()["shots"] == shots


async def test_a_burst_in_progress_is_joined(client: Client, camera: OneCamera) -> None:
    payload = {"frames": 2, "key": "at once"}
    for number in (1, 2):
        await client.socket.send(json.dumps({"command": "capture_burst", "payload": payload, "id": number}))
    replies = {reply["id"]: reply for reply in [await client.reply(), await client.reply()]}
    assert replies[1]["files"] == replies[2]["files"]
    assert [replies[number].get("repeated") for number in (1, 2)] == [None, True]
    assert camera.control.state()["shots"] == replies[1]["frames"]


async def test_the_last_image_is_the_last_picture_of_the_burst(client: Client, camera: OneCamera) -> None:
    burst = await client.command("capture_burst", frames=3)
    last = await client.command("download_last_image", length=1)
    assert last["camera_filepath"] == names(burst)[-1]


async def test_a_burst_by_time_takes_pictures_as_long_as_the_button_is_held(client: Client, camera: OneCamera) -> None:
    burst = await client.command("capture_burst", hold_ms=700)
    releases = camera.control.releases()
    assert burst["frames"] == len(releases) > 1
    assert names(burst) == on_card(camera)
    assert {release["settings"]["drivemode"] for release in releases} == {"Continuous"}
    assert releases[-1]["at"] - releases[0]["at"] > 0.4
    assert drives(camera)[0] == "Single"


async def test_the_fastest_continuous_drive_mode_is_chosen(
    new_server: Callable[..., Server], own_camera: Callable[..., OneCamera]
) -> None:
    camera = own_camera(*CANON, "--model", "Canon EOS R5")
    async with await Client.connect(new_server(NETWORK_CAMERAS=camera.port)) as client:
        await client.command("capture_burst", hold_ms=300)
        assert camera.control.releases()[-1]["settings"]["drivemode"] == "Continuous high speed"
        camera.control.set("drivemode", "Continuous low speed")  # continuous already, as the photographer wants it
        await client.command("capture_burst", hold_ms=300)
    assert camera.control.releases()[-1]["settings"]["drivemode"] == "Continuous low speed"


@both
async def test_every_file_of_raw_and_jpeg_is_saved_with_a_name_for_each_picture(
    client: Client, camera: OneCamera, request: pytest.FixtureRequest
) -> None:
    name, value = RAW_AND_JPEG[request.node.callspec.params["camera"]]
    burst = await client.command("capture_burst", frames=3, save=True, settings={name: value, "iso": "400"})
    files = burst["files"]
    assert len(files) == 2 * burst["frames"] == len(on_card(camera))
    digests = {file["path"]: file["sha256"] for file in camera.control.state(sha256=True)["files"]}
    for jpeg, raw in zip(files[::2], files[1::2], strict=True):
        assert jpeg["mimetype"] == "image/jpeg"
        saved = [Path(file["saved_path"]) for file in (jpeg, raw)]
        assert saved[0].stem == saved[1].stem
        assert saved[1].with_suffix(".xmp").exists()
        for path, file in zip(saved, (jpeg, raw), strict=True):
            assert hashlib.sha256(path.read_bytes()).hexdigest() == digests[file["camera_filepath"]]
    stems = [Path(file["saved_path"]).stem for file in files[::2]]
    assert len(set(stems)) == burst["frames"]
    assert {release["settings"]["iso"] for release in camera.control.releases()} == {"400"}
    properties = camera.control.state()["properties"]
    assert (properties["iso"], properties[name] == value) == ("100", False)


async def test_a_camera_that_takes_one_picture_says_so(client: Client, camera: OneCamera) -> None:
    camera.control.veto("drivemode")
    burst = await client.command("capture_burst", frames=5)
    assert (burst["frames"], names(burst)) == (1, on_card(camera))
    refused, single = burst["warnings"]
    assert "drivemode was not set to Continuous" in refused
    assert "only one picture" in single
    assert "Single" in single


@pytest.mark.parametrize("camera", ["nikon"], indirect=True)
async def test_the_dial_of_a_nikon_decides(client: Client, camera: OneCamera) -> None:
    camera.control.set("capturemode", "Single Shot")
    burst = await client.command("capture_burst", frames=5)
    assert (burst["frames"], len(on_card(camera))) == (1, 1)
    assert "Its drive mode is Single Shot" in burst["warnings"][0]
    with pytest.raises(CommandError, match="cannot hold the shutter button") as error:
        await client.command("capture_burst", hold_ms=500)
    assert error.value.code == "not_supported"


@both
async def test_a_full_card_ends_the_burst(client: Client, camera: OneCamera) -> None:
    camera.control.card(free_shots=3)
    burst = await client.command("capture_burst", frames=6)
    assert (burst["frames"], names(burst)) == (3, on_card(camera))
    assert burst["warnings"] == ["The camera stopped after 3 of 6 pictures. Its card is full."]
    with pytest.raises(CommandError, match="card is full"):
        await client.command("capture_burst", frames=6)
    assert drives(camera)[0] in ("Single", None)


@both
async def test_a_picture_that_is_written_late_is_waited_for(client: Client, camera: OneCamera) -> None:
    camera.control.fault("late_picture", after=1, seconds=2.0)
    burst = await client.command("capture_burst", frames=3)
    assert burst["frames"] == len(camera.control.releases())
    assert names(burst) == on_card(camera)


async def test_pictures_that_have_no_file_are_counted(client: Client, camera: OneCamera) -> None:
    """The wait for the missing files has a limit, so this is about the count, not about 40 s."""
    camera.control.fault("no_file", after=1)
    started = time.monotonic()
    burst = await client.command("capture_burst", within=120, frames=3)
    assert burst["frames"] == len(camera.control.releases()) == len(on_card(camera)) + 1
    assert f"counted {burst['frames']} releases" in burst["warnings"][0]
    assert time.monotonic() - started < 100


async def test_a_busy_camera_is_asked_again(client: Client, camera: OneCamera) -> None:
    camera.control.fault("busy", operation="RemoteReleaseOn", times=3)
    burst = await client.command("capture_burst", frames=2)
    assert burst["frames"] == len(camera.control.releases())


async def test_a_camera_that_stays_busy_takes_no_picture(client: Client, camera: OneCamera) -> None:
    camera.control.fault("busy", operation="RemoteReleaseOn", times=None)
    with pytest.raises(CommandError) as error:
        await client.command("capture_burst", frames=2)
    assert error.value.code == "camera_busy"
    assert (camera.control.releases(), drives(camera)[0]) == ([], "Single")


async def test_a_refused_button_is_also_released_halfway(client: Client, camera: OneCamera) -> None:
    """The two parts of the button are released one by one, and the first one is refused."""
    camera.control.fault("code", "RemoteReleaseOn", code="0x2002", execute=True)
    camera.control.fault("code", "RemoteReleaseOff", code="0x2002")
    camera.control.card(full=True)
    with pytest.raises(CommandError):
        await client.command("capture_burst", frames=2)
    assert not camera.control.state()["focus"]["half_pressed"]


async def test_a_half_pressed_button_that_cannot_be_released_is_released_by_the_next_process(
    client: Client, camera: OneCamera
) -> None:
    camera.control.fault("code", "RemoteReleaseOn", code="0x2002", execute=True)
    camera.control.fault("code", "RemoteReleaseOff", code="0x2002", times=2)
    camera.control.card(full=True)
    with pytest.raises(CommandError, match="capture_unknown"):
        await client.command("capture_burst", frames=2)
    await until(lambda: not camera.control.state()["focus"]["half_pressed"])


@pytest.mark.parametrize("camera", ["nikon"], indirect=True)
async def test_the_number_of_pictures_is_required(client: Client, camera: OneCamera) -> None:
    camera.control.veto("burstnumber")
    with pytest.raises(CommandError):
        await client.command("capture_burst", frames=3)
    with pytest.raises(CommandError, match="burstnumber") as error:
        await client.command("capture_burst", frames=3, settings={"burstnumber": 5})
    assert error.value.code == "invalid_value"
    assert camera.control.releases() == []


async def test_the_memory_of_the_camera_takes_only_few_pictures(client: Client, camera: OneCamera) -> None:
    target = {"capturetarget": "Internal RAM"}
    for payload in ({"frames": 3}, {"hold_ms": 500}):
        with pytest.raises(CommandError, match="Order at most 2 frames") as error:
            await client.command("capture_burst", settings=target, **payload)
        assert error.value.code == "invalid_value"
        assert error.value.details["choices"] == ["Memory card"]
    assert camera.control.releases() == []
    two_files = target | {"imageformat": "RAW + L"}
    with pytest.raises(CommandError, match="Store the pictures on the card"):
        await client.command("capture_burst", settings=two_files, frames=2)
    assert camera.control.releases() == []
    burst = await client.command("capture_burst", settings=target, frames=2, save=True)
    assert burst["frames"] == len(camera.control.releases()) == len({file["saved_path"] for file in burst["files"]})
    assert (await client.command("get_config", name="capturetarget"))["value"] == "Memory card"


@pytest.mark.parametrize("camera", ["nikon"], indirect=True)
async def test_the_memory_of_a_nikon_takes_no_burst(client: Client, camera: OneCamera) -> None:
    with pytest.raises(CommandError, match="Store the pictures on the card") as error:
        await client.command("capture_burst", settings={"capturetarget": "Internal RAM"}, frames=2)
    assert error.value.code == "invalid_value"
    assert camera.control.releases() == []


async def test_live_view_continues_after_a_burst(client: Client, camera: OneCamera) -> None:
    await client.command("start_live_view")
    await client.event("live_view_frame")
    await client.command("capture_burst", hold_ms=300)
    client.events.clear()
    await client.event("live_view_frame")
    await client.command("stop_live_view")


@pytest.mark.parametrize(
    ("payload", "words"),
    [({}, "either frames or hold_ms"), ({"frames": 3, "hold_ms": 500}, "either frames or hold_ms"),
     ({"frames": 1}, "greater than or equal to 2"), ({"frames": 101}, "less than or equal to 100"),
     ({"hold_ms": 49}, "greater than or equal to 50"), ({"hold_ms": 10_001}, "less than or equal to 10000"),
     ({"frames": 2.5}, "integer")],
)  # fmt: skip
async def test_invalid_bursts_are_rejected(client: Client, payload: Json, words: str) -> None:
    with pytest.raises(CommandError, match=words) as error:
        await client.command("capture_burst", **payload)
    assert error.value.code == "invalid_payload"


async def test_a_camera_without_bursts(new_server: Callable[..., Server], picture_folder: Path) -> None:
    server = new_server(VCAMERADIR=str(picture_folder))
    async with await Client.connect(server) as client:
        with pytest.raises(CommandError, match="cannot take several pictures in a row") as error:
            await client.command("capture_burst", frames=3)
    assert error.value.code == "not_supported"


async def test_one_picture_that_leaves_the_memory_is_missing_and_the_others_are_there(
    client: Client, camera: OneCamera
) -> None:
    camera.control.fault("code", "GetPartialObject", code="0x2002", times=1)
    target = {"capturetarget": "Internal RAM"}
    reply = await client.command("capture_burst", frames=2, settings=target, save=True)
    assert reply["frames"] >= 2
    assert len(names(reply)) == reply["frames"] - 1
    assert any("is missing" in warning for warning in reply["warnings"])
    assert all(Path(file["saved_path"]).is_file() for file in reply["files"])
    shot = await client.command("get_shot", shot=reply["shot"])
    assert (shot["outcome"], [file["camera_filepath"] for file in shot["files"]]) == ("done", names(reply))
