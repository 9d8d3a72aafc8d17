"""The console page shows the current state of the camera: its pictures, its battery, and which controls work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from simulator.client import Control
from tests.support.cameras import OneCamera
from tests.support.page import Console, expect
from tests.support.rig import TOKEN, Client, Server

pytestmark = pytest.mark.asyncio(loop_scope="session")

Open = Callable[..., Awaitable[Console]]
StartServer = Callable[..., Server]


async def test_a_picture_taken_with_the_camera_button_becomes_the_last_picture(
    console: Console, simulator: Control
) -> None:
    simulator.shutter()
    await expect(console["#shot-image"]).to_have_attribute("alt", "IMG_0001.JPG")
    assert await console["#shot-image"].evaluate("image => image.decode().then(() => image.naturalWidth)") == 1296
    await console["#shutter"].click()
    await expect(console["#shot-image"]).to_have_attribute("alt", "IMG_0002.JPG")
    simulator.shutter()
    await expect(console["#shot-image"]).to_have_attribute("alt", "IMG_0003.JPG")
    async with console.page.expect_download() as download_info:
        await console["#shot-files a"].click()
    assert (await download_info.value).suggested_filename == "IMG_0003.JPG"


async def test_both_files_of_a_shot_with_the_camera_button_are_shown_as_one_picture(
    console: Console, simulator: Control
) -> None:
    formats = console.setting("imageformat", "#quick").locator("select")
    choices = await formats.locator("option").all_text_contents()
    await formats.select_option(next(choice for choice in choices if "RAW +" in choice))
    await expect(console["#notice"]).to_contain_text("Image Format")
    simulator.shutter()
    await expect(console["#shot-files .name"]).to_contain_text(["IMG_0001.JPG", "IMG_0001.CR2"])
    await expect(console["#shot-image"]).to_have_attribute("alt", "IMG_0001.JPG")


async def test_a_picture_of_another_client_becomes_the_last_picture(
    console: Console, server: Server, ports: list[str]
) -> None:
    async with await Client.connect(server) as client:
        await client.command("capture_image", port=ports[0])
    await expect(console["#shot-image"]).to_have_attribute("alt", "IMG_0001.JPG")


async def test_the_last_picture_is_that_of_the_selected_camera(console: Console, simulator: Control) -> None:
    await console["#shutter"].click()
    await expect(console["#shot-image"]).to_be_visible()
    await console["#cameras input"].nth(1).check()
    await expect(console["#shot-image"]).to_be_hidden()
    await expect(console["#shot-files li"]).to_have_count(0)
    simulator.shutter(camera=0)  # camera 1 is selected
    simulator.shutter(camera=1)
    await expect(console["#shot-image"]).to_have_attribute("alt", "IMG_0001.JPG")
    await expect(console["#events"]).to_contain_text("New on the camera: IMG_0002.JPG.")
    await expect(console["#shot-image"]).to_have_attribute("alt", "IMG_0001.JPG")


async def test_a_capture_error_is_hidden_after_a_successful_capture(console: Console, simulator: Control) -> None:
    simulator.card(full=True)
    await console["#shutter"].click()
    await expect(console["#problem"]).to_contain_text("card")
    simulator.card(full=False)
    await console["#shutter"].click()
    await expect(console["#shot-image"]).to_be_visible()
    await expect(console["#problem"]).to_be_hidden()


async def test_an_error_stays_until_the_same_action_succeeds(console: Console, simulator: Control) -> None:
    simulator.shutter()
    simulator.write_protect(True)
    delete_button = console["[aria-label='Delete IMG_0001.JPG']"]
    await delete_button.click()
    await console["#confirm-yes"].click()
    await expect(console["#problem"]).to_be_visible()
    await console.setting("iso", "#quick").locator("select").select_option("800")
    await expect(console["#notice"]).to_have_text("ISO Speed: 800.")
    await expect(console["#problem"]).to_be_visible()
    simulator.write_protect(False)
    await delete_button.click()
    await console["#confirm-yes"].click()
    await expect(console[".tile"]).to_have_count(0)
    await expect(console["#problem"]).to_be_hidden()


async def test_a_battery_change_is_shown(console: Console, simulator: Control) -> None:
    await expect(console["#camera-facts"]).to_contain_text("100%")
    simulator.battery(50)
    await expect(console["#camera-facts"]).to_contain_text("50%")


async def test_the_camera_information_is_refreshed_every_minute(open_console: Open, server: Server) -> None:
    console = await open_console(server)
    await console.page.clock.install()
    await console.page.reload()  # so that the page's timers use the installed clock
    await console.log_in()
    # Any battery level is accepted, because the driver may still have the level of an earlier test.
    await expect(console["#camera-facts"]).to_contain_text("%")
    await console.page.clock.fast_forward(5_000)  # after this, the page has sent the requests of its start
    await expect(console["#camera-facts"]).to_contain_text("%")
    old_facts = console["#camera-facts .old"]
    await console["#camera-facts div"].first.evaluate("fact => { fact.className = 'old'; }")
    await console.page.clock.fast_forward(30_000)
    await expect(old_facts).to_have_count(1)
    await console.page.clock.fast_forward(30_000)
    await expect(old_facts).to_have_count(0)


async def test_without_a_camera_shutter_and_settings_explain_why_they_are_disabled(
    open_console: Open, bare_server: Server
) -> None:
    console = await open_console(bare_server)
    await console["#token"].fill(TOKEN)
    await console["#token"].press("Enter")
    await expect(console["#no-cameras"]).to_be_visible()
    await expect(console["#shutter"]).to_be_disabled()
    await expect(console["#shutter"]).to_have_accessible_description("No camera is connected.")
    await console["#shutter"].focus()  # this button can have the focus even while it is disabled
    await console.page.keyboard.press("Enter")
    await expect(console["#notice"]).to_have_text("No camera is connected.")
    await expect(console["#settings-why"]).to_have_text("No camera is connected.")
    await expect(console["#settings-refresh"]).to_be_disabled()


async def test_settings_are_disabled_while_the_camera_is_disconnected(
    open_console: Open, new_server: StartServer, restart_camera: OneCamera, restart_control: Control
) -> None:
    server = new_server(NETWORK_CAMERAS=restart_camera.port, RESTART_DELAY="0.2", MAX_RESTART_ATTEMPTS="1000")
    console = await open_console(server)
    await console.log_in()
    owner_input = (await console.show_setting("ownername")).locator("input")
    await owner_input.type("half typed")
    restart_control.power(False)
    await expect(console["#shutter"]).to_be_disabled()
    await expect(console["#shutter"]).to_have_accessible_description("Canon EOS 550D does not answer.")
    await expect(console.setting("iso", "#quick").locator("select")).to_be_disabled()
    await expect(owner_input).to_be_disabled()
    await expect(console["#settings-why"]).to_have_text("Canon EOS 550D does not answer.")
    restart_control.power(True)
    await expect(console["#shutter"]).to_be_enabled()
    await expect(owner_input).to_be_enabled()
    await expect(owner_input).to_be_focused()
    await expect(owner_input).to_have_value("half typed")
    await expect(console["#settings-why"]).to_be_hidden()


async def test_a_countdown_is_cancelled_when_the_camera_is_disconnected(
    open_console: Open, new_server: StartServer, restart_camera: OneCamera, restart_control: Control
) -> None:
    server = new_server(NETWORK_CAMERAS=restart_camera.port, RESTART_DELAY="0.2", MAX_RESTART_ATTEMPTS="1000")
    console = await open_console(server)
    await console.log_in()
    await console.start_live_view()
    await console.start_countdown()
    restart_control.power(False)
    await expect(console["#countdown"]).to_be_empty()
    await expect(console["#shutter"]).to_have_text("Take picture")
    await expect(console["#events"]).to_contain_text("Countdown cancelled: Canon EOS 550D does not answer.")
