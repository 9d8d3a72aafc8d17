"""The information about a camera is correct: its name (which never changes), its capabilities and its driver."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator

import pytest

from camera.device.configuration import not_found
from camera.model import ConfigItem
from tests.support.cameras import QUICK, OneCamera, one_camera
from tests.support.rig import Client, CommandError, Json, Server

FUJI_COMMANDS = 55740  # the TCP port of Fuji cameras, from libgphoto2 camlibs/ptp2/fujiptpip.c


@pytest.fixture(scope="module", params=["canon", "nikon"])
def maker(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def separate_camera(maker: str) -> Iterator[OneCamera]:
    """A new camera of the maker `maker`."""
    with one_camera("--maker", maker, *QUICK) as camera:
        yield camera


async def only_camera(client: Client) -> Json:
    (camera,) = (await client.command("list_cameras"))["cameras"]
    assert isinstance(camera, dict)
    return camera


async def test_the_name_is_the_same_before_and_after_opening(
    separate_camera: OneCamera, maker: str, new_server: Callable[..., Server]
) -> None:
    port, control = separate_camera.port, separate_camera.control
    control.power(False)
    server = new_server(NETWORK_CAMERAS=port, RESTART_DELAY="0.2")
    async with await Client.connect(server) as client:
        await client.command("subscribe", events=["camera_connected", "camera_state"])
        before = await only_camera(client)
        assert (before["name"], before["model"], before["serial"]) == ("PTP/IP Camera", None, None)
        control.power(True)
        model = {"canon": "Canon EOS 550D", "nikon": "D7100"}[maker]
        connected = await client.event(lambda event: event.get("model") is not None)
        assert (connected["name"], connected["model"]) == ("PTP/IP Camera", model)
        after, info = await only_camera(client), await client.command("get_camera_info")
        for camera in (after, info):
            assert (camera["name"], camera["model"], camera["serial"]) == ("PTP/IP Camera", model, "SIM0000001")


@pytest.mark.parametrize("maker", ["canon"], indirect=True)
async def test_settings_and_serial_are_available_if_the_driver_claims_none(
    separate_camera: OneCamera, new_server: Callable[..., Server]
) -> None:
    """libgphoto2 knows this model, but its list of models has no capabilities for it."""
    server = new_server(NETWORK_CAMERAS=f"{separate_camera.port}=Canon PowerShot SX200 IS")
    async with await Client.connect(server) as client:
        info = await client.command("get_camera_info")
        assert (info["name"], info["can"]) == ("Canon PowerShot SX200 IS", ["config", "delete", "events"])
        assert (info["manufacturer"], info["serial"]) == ("Canon Inc.", "SIM0000001")
        assert info["version"]
        assert (await client.command("get_config", name="iso"))["value"] == "100"
        await client.command("capture_preview")
        await client.command("capture_image")
        can = ["capture", "live_view", "config", "delete", "events"]
        assert (await only_camera(client))["can"] == can


@pytest.mark.parametrize(
    ("maker", "driver"), [("canon", "Canon EOS (WLAN)"), ("nikon", "nikon dslr (wlan)")], indirect=["maker"]
)
async def test_a_network_camera_is_opened_with_the_given_driver(
    separate_camera: OneCamera, driver: str, new_server: Callable[..., Server]
) -> None:
    server = new_server(NETWORK_CAMERAS=f"{separate_camera.port}={driver}")
    async with await Client.connect(server) as client:
        await client.command("capture_image")
        camera = await only_camera(client)
        assert (camera["name"], camera["port"]) == (driver, separate_camera.port)


@pytest.mark.parametrize("maker", ["canon"], indirect=True)
@pytest.mark.parametrize("driver", ["Fuji X", "Mass Storage Camera"])
async def test_the_error_for_an_unknown_driver_lists_the_known_ones(
    separate_camera: OneCamera, driver: str, new_server: Callable[..., Server]
) -> None:
    server = new_server(NETWORK_CAMERAS=f"{separate_camera.port}={driver}", RESTART_DELAY="0", MAX_RESTART_ATTEMPTS="1")
    message = f"libgphoto2 has no driver '{driver}' for the port"
    async with await Client.connect(server) as client:
        for _ in range(3):
            with pytest.raises(CommandError, match=message) as error:
                await client.command("select_camera", port=separate_camera.port)
            assert (error.value.code, error.value.reply["retryable"]) == ("not_supported", False)
        info = await client.command("get_camera_info", port=separate_camera.port)
        assert message in info["last_error"]
        assert "Fuji X (WLAN)" in info["last_error"]
        assert info["attempts"] >= 3
    assert server.log.count(f"Camera could not be opened: {separate_camera.port} ({driver}). {message}") == 1


async def test_a_fuji_camera_is_connected_on_its_own_tcp_ports(new_server: Callable[..., Server]) -> None:
    with socket.create_server(("127.17.20.1", FUJI_COMMANDS)) as listener:
        listener.setblocking(False)
        new_server(NETWORK_CAMERAS="ptpip:127.17.20.1=Fuji X (WLAN)")
        async with asyncio.timeout(20):
            connection, _ = await asyncio.get_running_loop().sock_accept(listener)
        connection.close()


def test_a_setting_without_a_name_is_not_suggested() -> None:
    def item(name: str) -> ConfigItem:
        return ConfigItem(name=name, label="", type="text", value="", readonly=False, path=f"/main/other/{name}")

    error = not_found("zzz", "zzz", [item(""), item("iso")])
    assert "Did you mean" not in str(error)
    assert error.similar is None
    assert not_found("is", "is", [item(""), item("iso")]).similar == ("iso",)
