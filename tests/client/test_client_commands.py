"""Each command of the client, with a real server and a simulated camera."""

from __future__ import annotations

from datetime import datetime

import pytest
from gphoto_ws_client import CameraError, Client, DataError, RequestRefused

from simulator.client import Control
from tests.support.marks import decoded, mark
from tests.support.rig import Server
from tests.support.waiting import WITHIN_S


async def test_cameras_are_listed(api: Client, ports: list[str]) -> None:
    cameras = (await api.list_cameras()).cameras
    assert [camera.port for camera in cameras] == ports
    assert cameras[0].serial == "SIM0000001"
    assert "live_view" in cameras[0].can


async def test_commands_use_the_selected_camera_unless_a_port_is_given(api: Client, ports: list[str]) -> None:
    assert (await api.select_camera(ports[1])).message == f"Camera on port {ports[1]} selected"
    assert (await api.get_camera_info()).serial == "SIM0000002"
    assert (await api.get_camera_info(port=ports[0])).serial == "SIM0000001"


async def test_camera_info_has_model_state_and_storage(api: Client) -> None:
    info = await api.get_camera_info()
    assert (info.name, info.model, info.state, info.connected) == ("PTP/IP Camera", "Canon EOS 550D", "ready", True)
    assert info.battery
    assert info.storage is not None
    assert info.storage[0].capacity


async def test_capture_with_settings_returns_the_picture(api: Client, simulator: Control) -> None:
    shots = simulator.state()["shots"]
    shot = await api.capture_image(settings={"iso": 400}, download="full")
    assert simulator.state()["shots"] == shots + 1
    assert shot.image is not None
    assert mark(shot.image, "shot") == shots + 1
    assert decoded(shot.image).getexif().get_ifd(0x8769)[0x8827] == 400
    assert shot.files[0].camera_filepath == shot.camera_filepath
    assert shot.timing is not None
    assert shot.timing.file_here_ms is not None
    assert (await api.get_config("iso")).value == "100"


async def test_capture_can_return_a_thumbnail(api: Client) -> None:
    shot = await api.capture_image(download="thumbnail")
    assert shot.image is not None
    assert decoded(shot.image).size == (160, 120)


async def test_a_file_and_a_part_of_it_are_returned_as_bytes(api: Client) -> None:
    shot = await api.capture_image()
    complete = await api.download_last_image()
    assert complete.camera_filepath == shot.camera_filepath
    assert complete.image is not None
    assert complete.size == len(complete.image)
    decoded(complete.image)
    piece = await api.download_last_image(shot.camera_filepath, offset=1000, length=5000)
    assert (piece.offset, piece.length, piece.eof) == (1000, 5000, False)
    assert piece.image == complete.image[1000:6000]


async def test_settings_are_read_and_changed(api: Client) -> None:
    before = await api.get_config("iso")
    assert (before.value, before.type) == ("100", "radio")
    assert "1600" in before.choices
    assert (await api.set_config("iso", 800)).value == "800"
    assert (await api.get_config("iso")).value == "800"
    tree = (await api.get_all_config()).configs
    (iso,) = [one for one in tree if one.config_name == "iso"]
    assert (iso.value, iso.path) == ("800", "/main/imgsettings/iso")


async def test_capture_preview_returns_a_picture(api: Client) -> None:
    assert decoded((await api.capture_preview()).image).size == (480, 320)


async def test_a_camera_can_be_restarted(api: Client) -> None:
    assert "restarted" in (await api.restart_camera()).message
    assert (await api.get_camera_info()).state == "ready"


async def test_files_are_listed_in_pages_read_as_thumbnails_and_deleted(api: Client) -> None:
    paths = [(await api.capture_image()).camera_filepath for _ in range(3)]
    folder = paths[0].rpartition("/")[0]
    first = await api.list_files(folder, limit=2)
    rest = await api.list_files(folder, offset=2, limit=2)
    assert first.total == rest.total == 3
    assert [file.camera_filepath for file in (*first.files, *rest.files)] == paths
    thumbnail = await api.get_thumbnail(paths[0])
    assert (thumbnail.filename, decoded(thumbnail.image).size) == ("IMG_0001.JPG", (160, 120))
    assert "deleted" in (await api.delete_file(paths[0])).message
    assert (await api.list_files(folder)).total == 2


async def test_subscribe_and_unsubscribe_return_the_events(api: Client) -> None:
    assert (await api.subscribe(["file_added", "camera_state"])).events == ("camera_state", "file_added")
    assert (await api.unsubscribe(["file_added"])).events == ("camera_state",)


async def test_server_info_and_list_commands(api: Client) -> None:
    info = await api.server_info()
    assert (info.server, info.protocol) == ("gphoto-ws-server", 1)
    assert info.limits["pending_commands"] > 0
    assert (await api.ping()).message == "pong"


async def test_the_error_of_a_wrong_value_lists_the_choices(api: Client) -> None:
    with pytest.raises(DataError, match="Allowed: Auto, 100") as caught:
        await api.set_config("iso", 201)
    error = caught.value
    assert (error.code, error.retryable) == ("invalid_value", False)
    assert "200" in error.details["choices"]


async def test_a_wrong_argument_is_rejected(api: Client) -> None:
    with pytest.raises(RequestRefused) as caught:
        await api.list_files("/", limit=100_000)
    assert caught.value.code == "invalid_payload"


async def test_without_a_selected_camera_the_error_lists_both_ports(server: Server, ports: list[str]) -> None:
    async with Client(server.uri, server.token) as client:
        with pytest.raises(CameraError) as caught:
            await client.capture_image()
    assert caught.value.code == "no_camera_selected"
    assert caught.value.details["ports"] == ports


async def test_a_command_to_a_busy_camera_can_be_retried(api: Client, simulator: Control) -> None:
    simulator.fault("busy", "0x9128", times=None)  # the operation that presses the shutter button
    with pytest.raises(CameraError) as caught:
        await api.capture_image()
    assert (caught.value.code, caught.value.retryable) == ("camera_busy", True)
    assert caught.value.details["gp_error"] == -110


async def test_focusing(api: Client, simulator: Control) -> None:
    with pytest.raises(CameraError) as raised:
        await api.drive_focus(1)
    assert raised.value.code == "live_view_needed"
    async with api.live_view(fps=1, rotation=180):
        moved = await api.drive_focus(-2, size="small")
        assert (moved.moved, moved.at_limit) == (-2, None)
        zoomed = await api.zoom_live_view(5, x=0.25, y=0.5)
        assert (zoomed.factor, zoomed.x, zoomed.y) == (5, 0.25, 0.5)
        await api.autofocus(x=0.5, y=0.5)
        assert simulator.state()["focus"]["point"][0] / simulator.state()["focus"]["picture"][0] == pytest.approx(
            0.75, abs=0.01
        )
    assert (await api.autofocus()).focused is None
    assert "200 ms" in (await api.half_press(200)).message


async def test_cameras_are_released_together(api: Client, ports: list[str], simulator: Control) -> None:
    fired = await api.fire(ports=ports, in_ms=3000, offsets_ms={ports[1]: 5.5}, settings={"iso": "200"})
    assert [(camera.port, camera.status, len(camera.files)) for camera in fired.cameras] == [
        (port, "ok", 1) for port in ports
    ]
    assert fired.skew_ms is not None
    assert [len(simulator.releases(camera)) for camera in (0, 1)] == [1, 1]
    with pytest.raises(TypeError, match="port"):
        await api.fire(port=ports[0])  # type: ignore[call-arg]


async def test_the_clock_is_set(api: Client, simulator: Control) -> None:
    clock = await api.sync_clock()
    assert (clock.config_name, abs(clock.was_off_s) <= 2) == ("datetime", True)
    shown = simulator.state()["properties"]["datetime"]
    assert 0 <= shown - datetime.fromisoformat(clock.set_to).timestamp() < WITHIN_S


async def test_words_for_pictures_are_set_and_shown(api: Client, ports: list[str]) -> None:
    info = await api.set_job_info(port=ports[0], job="Smith", label="left", owner="Ada")
    (words,) = info.cameras
    assert (words.job, words.label, words.set, words.missing) == ("Smith", "left", ("owner",), ())
    assert [one.job for one in (await api.set_job_info()).cameras] == ["Smith", ""]
    await api.set_job_info(port=ports[0], job="", label="")
    assert (await api.set_job_info()).job == ""
