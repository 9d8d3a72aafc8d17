"""Settings through the server: vetoes by the camera, changes at the camera, events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from camera.device.actions import refuse_open_shutter
from camera.device.quirks import quirks_of
from camera.errors import ShutterStaysOpen
from camera.model import ConfigItem
from simulator.client import Control
from tests.support.rig import Client, CommandError, Server
from tests.support.waiting import WITHIN_S


async def test_a_change_by_one_client_is_told_to_subscribers(client: Client, server: Server) -> None:
    # Changes that nobody takes keep websockets' client from seeing the answer to its close.
    async with await Client.connect(server, close_timeout=0.2) as listener:
        await listener.command("subscribe", events=["config_changed"])
        await client.command("set_config", name="iso", value="800")
        changed = await listener.event(lambda event: (event["config_name"], event["value"]) == ("iso", "800"))
        assert changed["event"] == "config_changed"


async def test_what_a_camera_says_of_itself_when_it_is_opened_is_no_change(client: Client, server: Server) -> None:
    async with await Client.connect(server, close_timeout=0.2) as listener:
        await listener.command("subscribe", events=["camera_state", "config_changed"])
        await client.command("restart_camera")
        await listener.event(lambda event: event.get("state") == "ready")
        listener.events.clear()  # what was changed before, by other tests
        await client.command("set_config", name="iso", value="800")
        changed = await listener.event("config_changed")
        assert (changed["config_name"], changed["value"]) == ("iso", "800")


async def test_a_dial_turned_at_the_camera_is_read_afterwards(client: Client, simulator: Control) -> None:
    await client.command("get_config", name="iso")
    await asyncio.to_thread(simulator.set, "iso", "1600")
    async with asyncio.timeout(WITHIN_S):
        while (await client.command("get_config", name="iso"))["value"] != "1600":
            pass


async def test_a_vetoed_value_names_what_the_camera_kept(client: Client, simulator: Control) -> None:
    simulator.veto("iso")
    with pytest.raises(CommandError) as caught:
        await client.command("set_config", name="iso", value="800")
    assert caught.value.code == "invalid_value"
    assert (caught.value.details["config_name"], caught.value.details["value"]) == ("iso", "100")
    assert "100" in str(caught.value)
    simulator.veto("iso", on=False)
    assert (await client.command("set_config", name="iso", value="800"))["value"] == "800"


async def test_a_setting_that_the_mode_dial_decides_offers_only_what_it_is(client: Client) -> None:
    await client.command("set_config", name="autoexposuremode", value="P")
    async with asyncio.timeout(WITHIN_S):
        while (await client.command("get_config", name="aperture"))["choices"] != ["5.6"]:
            pass
    with pytest.raises(CommandError) as caught:
        await client.command("set_config", name="aperture", value="8")
    assert (caught.value.code, caught.value.details["choices"]) == ("invalid_value", ["5.6"])


async def test_a_refused_value_never_reaches_the_camera(client: Client, simulator: Control) -> None:
    await client.command("get_config", name="iso")
    before = simulator.state()["operations"].get("0x9110", 0)
    with pytest.raises(CommandError, match="invalid_value"):
        await client.command("set_config", name="iso", value="123")
    assert simulator.state()["operations"].get("0x9110", 0) == before


async def test_settings_outlive_the_cameras_process(client: Client) -> None:
    await client.command("set_config", name="iso", value="3200")
    await client.command("restart_camera")
    assert (await client.command("get_config", name="iso"))["value"] == "3200"


async def test_a_restart_releases_the_camera_in_order(client: Client, simulator: Control) -> None:
    closed = simulator.state()["operations"].get("0x1003", 0)
    await client.command("restart_camera")
    assert simulator.state()["operations"]["0x1003"] == closed + 1


@pytest.mark.parametrize("value", [1, True, "on"])
async def test_an_order_that_the_driver_shows_as_a_switch_is_given(client: Client, value: object) -> None:
    assert (await client.command("set_config", name="autofocusdrive", value=value))["value"] == 1
    assert (await client.command("get_config", name="autofocusdrive"))["value"] == 0


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("syncdatetime", "0x9110"), ("uilock", "0x911b"), ("popupflash", "0x9131"), ("actions/popupflash", "0x9131"),
        ("capture", "0x9114"),
    ],
)  # fmt: skip
async def test_an_order_is_answered_once_the_camera_has_it(
    client: Client, simulator: Control, name: str, operation: str
) -> None:
    before = simulator.state()["operations"].get(operation, 0)
    assert (await client.command("set_config", name=name, value=True))["value"] == 1
    assert simulator.state()["operations"].get(operation, 0) == before + 1


async def test_an_order_among_the_settings_of_a_shot_leaves_nothing_to_put_back(client: Client) -> None:
    assert "warnings" not in await client.command("capture_image", settings={"popupflash": True})


@pytest.mark.parametrize(("name", "value"), [("artist", "Ada"), ("datetime", "2033-05-18T03:33:20")])
async def test_a_text_or_a_date_that_the_camera_ignores_is_an_error(
    client: Client, simulator: Control, name: str, value: str
) -> None:
    kept = (await client.command("get_config", name=name))["value"]
    simulator.veto(name)
    with pytest.raises(CommandError) as caught:
        await client.command("set_config", name=name, value=value)
    assert caught.value.code == "invalid_value"
    assert kept == caught.value.details["value"] or 0 <= caught.value.details["value"] - kept < WITHIN_S
    simulator.veto(name, on=False)
    await client.command("set_config", name=name, value=value)


async def test_a_driver_that_ignores_a_text_is_not_answered_ok(
    new_server: Callable[..., Server], picture_folder: Path
) -> None:
    server = new_server(VCAMERADIR=str(picture_folder))
    async with await Client.connect(server) as client:
        with pytest.raises(CommandError, match="kept 5011 at 20") as caught:
            await client.command("set_config", name="5011", value="hello")
    assert caught.value.code == "invalid_value"


OPEN_SHUTTER = [
    ("bulb", True), ("bulb", "on"), ("actions/bulb", 1), ("/main/actions/bulb", "1"),
    ("eosremoterelease", "Press Full AF"), ("eosremoterelease", "press full mf"),
    ("opcode", "0x9125"), ("opcode", "0x9128,0x3,0x1"), ("opcode", "0x 0x9128,0x3"), ("opcode", "0x-6edb"),
    ("opcode", "0x101c"), ("opcode", "0x19125"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), OPEN_SHUTTER)
async def test_a_shutter_that_nothing_closes_is_not_opened(
    client: Client, simulator: Control, name: str, value: str | int
) -> None:
    before = simulator.state()["operations"]
    for command, payload in (
        ("set_config", {"name": name, "value": value}),
        ("capture_image", {"settings": {name: value}}),
    ):
        with pytest.raises(CommandError, match="without releasing it") as caught:
            await client.command(command, **payload)
        assert caught.value.code == "not_supported"
    state = simulator.state()
    assert (state["shots"], state["exposing"]) == (0, False)
    for operation in ("0x9125", "0x9128", "0x101c"):
        assert state["operations"].get(operation) == before.get(operation)


@pytest.mark.parametrize("maker", ["Sony Corporation", "Panasonic"])
@pytest.mark.parametrize("name", ["bulb", "capture"])
def test_where_capture_presses_the_button_it_is_refused_like_bulb(maker: str, name: str) -> None:
    """libgphoto2 presses it at a Sony, and lets it go only when the setting is off again."""
    setting = ConfigItem(name, "", "toggle", 2, readonly=False, path=f"/main/actions/{name}")
    with pytest.raises(ShutterStaysOpen):
        refuse_open_shutter(setting, 1, quirks_of(maker, ""))
    refuse_open_shutter(setting, 0, quirks_of(maker, ""))


@pytest.mark.parametrize(
    ("name", "value", "operation"),
    [("bulb", False, "0x9126"), ("eosremoterelease", "Press Half MF", "0x9128"), ("eosremoterelease", "Release Full", "0x9129")],
)  # fmt: skip
async def test_what_closes_a_shutter_or_leaves_it_closed_is_sent(
    client: Client, simulator: Control, name: str, value: str | bool, operation: str
) -> None:
    before = simulator.state()["operations"].get(operation, 0)
    await client.command("set_config", name=name, value=value)
    assert simulator.state()["operations"].get(operation, 0) == before + 1
