"""Settings of a camera: values that the camera rejects, changes that are made at the camera, and events."""

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
from tests.support.cameras import QUICK, OneCamera
from tests.support.rig import Client, CommandError, Server
from tests.support.waiting import WITHIN_S


async def test_a_change_by_one_client_is_sent_to_subscribers(client: Client, server: Server) -> None:
    # If events are unread, the client of the library websockets does not see the server's close frame, and waits for
    # close_timeout.
    async with await Client.connect(server, close_timeout=0.2) as listener:
        await listener.command("subscribe", events=["config_changed"])
        await client.command("set_config", name="iso", value="800")
        changed = await listener.event(lambda event: (event["config_name"], event["value"]) == ("iso", "800"))
        assert changed["event"] == "config_changed"


async def test_values_reported_while_a_camera_opens_are_not_changes(client: Client, server: Server) -> None:
    async with await Client.connect(server, close_timeout=0.2) as listener:
        await listener.command("subscribe", events=["camera_state", "config_changed"])
        await client.command("restart_camera")
        await listener.event(lambda event: event.get("state") == "ready")
        listener.events.clear()  # the events of changes that earlier tests made
        await client.command("set_config", name="iso", value="800")
        changed = await listener.event("config_changed")
        assert (changed["config_name"], changed["value"]) == ("iso", "800")


async def test_a_setting_changed_at_the_camera_is_read_afterwards(client: Client, simulator: Control) -> None:
    await client.command("get_config", name="iso")
    await asyncio.to_thread(simulator.set, "iso", "1600")
    async with asyncio.timeout(WITHIN_S):
        while (await client.command("get_config", name="iso"))["value"] != "1600":
            pass


@pytest.mark.parametrize(
    ("maker", "name", "value"), [("canon", "drivemode", "Timer 2 sec"), ("nikon", "capturemode", "Timer")]
)
async def test_a_setting_changed_at_the_camera_is_sent_to_subscribers(
    own_camera: Callable[..., OneCamera], new_server: Callable[..., Server], maker: str, name: str, value: str
) -> None:
    camera = own_camera("--maker", maker, *QUICK)
    async with await Client.connect(new_server(NETWORK_CAMERAS=camera.port)) as client:
        await client.info_with_card()
        await client.command("subscribe", events=["config_changed"])
        await asyncio.to_thread(camera.control.set, name, value)
        await client.event(lambda event: (event["config_name"], event["value"]) == (name, value))


async def test_the_error_for_a_vetoed_value_names_the_kept_value(client: Client, simulator: Control) -> None:
    simulator.veto("iso")
    with pytest.raises(CommandError) as error:
        await client.command("set_config", name="iso", value="800")
    assert error.value.code == "invalid_value"
    assert (error.value.details["config_name"], error.value.details["value"]) == ("iso", "100")
    assert "100" in str(error.value)
    simulator.veto("iso", on=False)
    assert (await client.command("set_config", name="iso", value="800"))["value"] == "800"


async def test_a_setting_fixed_by_the_mode_dial_has_one_choice(client: Client) -> None:
    await client.command("set_config", name="autoexposuremode", value="P")
    async with asyncio.timeout(WITHIN_S):
        while (await client.command("get_config", name="aperture"))["choices"] != ["5.6"]:
            pass
    with pytest.raises(CommandError) as error:
        await client.command("set_config", name="aperture", value="8")
    assert (error.value.code, error.value.details["choices"]) == ("invalid_value", ["5.6"])


async def test_an_invalid_value_is_not_sent_to_the_camera(client: Client, simulator: Control) -> None:
    await client.command("get_config", name="iso")
    before = simulator.state()["operations"].get("0x9110", 0)
    with pytest.raises(CommandError, match="invalid_value"):
        await client.command("set_config", name="iso", value="123")
    assert simulator.state()["operations"].get("0x9110", 0) == before


async def test_settings_remain_after_a_restart_of_the_camera_process(client: Client) -> None:
    await client.command("set_config", name="iso", value="3200")
    await client.command("restart_camera")
    assert (await client.command("get_config", name="iso"))["value"] == "3200"


async def test_a_restart_closes_the_camera_session(client: Client, simulator: Control) -> None:
    closed_before = simulator.state()["operations"].get("0x1003", 0)
    await client.command("restart_camera")
    assert simulator.state()["operations"]["0x1003"] == closed_before + 1


@pytest.mark.parametrize("value", [1, True, "on"])
async def test_an_action_that_the_driver_shows_as_a_toggle_is_executed(client: Client, value: object) -> None:
    assert (await client.command("set_config", name="autofocusdrive", value=value))["value"] == 1
    assert (await client.command("get_config", name="autofocusdrive"))["value"] == 0


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("syncdatetime", "0x9110"), ("uilock", "0x911b"), ("popupflash", "0x9131"), ("actions/popupflash", "0x9131"),
        ("capture", "0x9114"),
    ],
)  # fmt: skip
async def test_an_action_is_sent_to_the_camera_once(
    client: Client, simulator: Control, name: str, operation: str
) -> None:
    before = simulator.state()["operations"].get(operation, 0)
    assert (await client.command("set_config", name=name, value=True))["value"] == 1
    assert simulator.state()["operations"].get(operation, 0) == before + 1


async def test_an_action_in_the_settings_of_a_capture_is_not_restored(client: Client) -> None:
    assert "warnings" not in await client.command("capture_image", settings={"popupflash": True})


@pytest.mark.parametrize(("name", "value"), [("artist", "Ada"), ("datetime", "2033-05-18T03:33:20")])
async def test_a_text_or_date_that_the_camera_ignores_is_an_error(
    client: Client, simulator: Control, name: str, value: str
) -> None:
    before = (await client.command("get_config", name=name))["value"]
    simulator.veto(name)
    with pytest.raises(CommandError) as error:
        await client.command("set_config", name=name, value=value)
    assert error.value.code == "invalid_value"
    assert before == error.value.details["value"] or 0 <= error.value.details["value"] - before < WITHIN_S
    simulator.veto(name, on=False)
    await client.command("set_config", name=name, value=value)


async def test_a_text_that_the_driver_ignores_is_an_error(
    new_server: Callable[..., Server], picture_folder: Path
) -> None:
    server = new_server(VCAMERADIR=str(picture_folder))
    async with await Client.connect(server) as client:
        with pytest.raises(CommandError, match="kept 5011 at 20") as error:
            await client.command("set_config", name="5011", value="hello")
    assert error.value.code == "invalid_value"


OPEN_SHUTTER = [
    ("bulb", True), ("bulb", "on"), ("actions/bulb", 1), ("/main/actions/bulb", "1"),
    ("eosremoterelease", "Press Full AF"), ("eosremoterelease", "press full mf"),
    ("opcode", "0x9125"), ("opcode", "0x9128,0x3,0x1"), ("opcode", "0x 0x9128,0x3"), ("opcode", "0x-6edb"),
    ("opcode", "0x101c"), ("opcode", "0x19125"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), OPEN_SHUTTER)
async def test_settings_that_open_the_shutter_without_closing_it_are_rejected(
    client: Client, simulator: Control, name: str, value: str | int
) -> None:
    before = simulator.state()["operations"]
    for command, payload in (
        ("set_config", {"name": name, "value": value}),
        ("capture_image", {"settings": {name: value}}),
    ):
        with pytest.raises(CommandError, match="without releasing it") as error:
            await client.command(command, **payload)
        assert error.value.code == "not_supported"
    state = simulator.state()
    assert (state["shots"], state["exposing"]) == (0, False)
    for operation in ("0x9125", "0x9128", "0x101c"):
        assert state["operations"].get(operation) == before.get(operation)


@pytest.mark.parametrize("maker", ["Sony Corporation", "Panasonic"])
@pytest.mark.parametrize("name", ["bulb", "capture"])
def test_a_capture_setting_that_presses_the_button_is_rejected_like_bulb(maker: str, name: str) -> None:
    """On a Sony, the value "on" presses the shutter button. libgphoto2 releases it only with the value "off"."""
    setting = ConfigItem(name, "", "toggle", 2, readonly=False, path=f"/main/actions/{name}")
    with pytest.raises(ShutterStaysOpen):
        refuse_open_shutter(setting, 1, quirks_of(maker, ""))
    refuse_open_shutter(setting, 0, quirks_of(maker, ""))


@pytest.mark.parametrize(
    ("name", "value", "operation"),
    [("bulb", False, "0x9126"), ("eosremoterelease", "Press Half MF", "0x9128"), ("eosremoterelease", "Release Full", "0x9129")],
)  # fmt: skip
async def test_settings_that_close_the_shutter_are_sent(
    client: Client, simulator: Control, name: str, value: str | bool, operation: str
) -> None:
    before = simulator.state()["operations"].get(operation, 0)
    await client.command("set_config", name=name, value=value)
    assert simulator.state()["operations"].get(operation, 0) == before + 1
