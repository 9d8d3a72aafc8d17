"""The console page in a real browser: login, live view, shutter, settings, storage."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from simulator.client import Control
from tests.support.marks import decoded, mark
from tests.support.page import OTHER_NAME, Console, expect
from tests.support.rig import TOKEN, Client, Server

pytestmark = pytest.mark.asyncio(loop_scope="session")

Open = Callable[..., Awaitable[Console]]
CORNER = """(() => {
  const copy = new OffscreenCanvas(1, 1).getContext("2d");
  copy.drawImage(document.getElementById("live"), 8, 8, 1, 1, 0, 0, 1, 1);
  return [...copy.getImageData(0, 0, 1, 1).data];
})()"""


async def test_a_wrong_token_shows_an_error_and_the_right_one_logs_in(open_console: Open, server: Server) -> None:
    console = await open_console(server)
    await console["#token"].fill("not-the-token")
    await console["#token"].press("Enter")
    await expect(console["#login-error"]).to_contain_text("This token is wrong")
    await expect(console["#token"]).to_be_focused()
    assert await console.page.evaluate("sessionStorage.length") == 0
    await console.log_in()
    await expect(console["#login"]).to_be_hidden()
    await expect(console["#connection-words"]).to_have_text("Connected")


async def test_the_token_is_kept_in_the_tab_until_log_out(console: Console, server: Server) -> None:
    await console.page.reload()
    await expect(console["#quick .setting"].first).to_be_visible()
    assert await console.page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
    await console["#log-out"].click()
    await expect(console["#login"]).to_be_visible()
    assert await console.page.evaluate("sessionStorage.length") == 0
    await console.page.reload()
    await expect(console["#login"]).to_be_visible()


async def test_the_page_works_with_another_host_name_and_without_tls(open_console: Open, server: Server) -> None:
    # With this host name and without TLS, the browser does not treat the page as a secure context. The same is true for
    # a page that a phone opens without TLS.
    console = await open_console(server, name=OTHER_NAME)
    assert await console.page.evaluate("[location.hostname, isSecureContext]") == [OTHER_NAME, False]
    await console.log_in()
    await console.start_live_view()


async def test_live_view_shows_frame_rate_and_age(console: Console) -> None:
    await console.start_live_view()
    await expect(console["#live-rate"]).to_have_text(re.compile(r"^\d+\.\d frames/s$"))
    await expect(console["#live-age"]).to_have_text(re.compile(r"^\d+ ms old$"))
    await expect(console["#live-words"]).to_be_empty()
    red, green, blue, _ = await console.page.evaluate(CORNER)
    assert _is_pure(red, green, blue), "the red corner of the simulator's picture"
    await console.more_frames()
    await console["#live-toggle"].click()
    await expect(console["#live-words"]).to_have_text("Live view is off.")


async def test_live_view_can_be_rotated_and_mirrored(console: Console) -> None:
    await console.start_live_view()
    await console["#view summary"].click()
    await console["#flip"].check()
    await _wait_for_corner(console, lambda red, green, blue: _is_pure(green, red, blue))
    await console["#flip"].uncheck()
    await console["#rotation"].select_option("90")
    await _wait_for_corner(console, lambda red, green, blue: _is_pure(blue, red, green))
    await expect(console["#live"]).to_have_attribute("width", "320")


def _is_pure(channel: int, *others: int) -> bool:
    return channel > 200 and max(others) < 80


async def _wait_for_corner(console: Console, is_expected: Callable[[int, int, int], bool]) -> None:
    for _ in range(20):
        await console.more_frames()
        if is_expected(*(await console.page.evaluate(CORNER))[:3]):
            return
    raise AssertionError("the corner never had the wanted colour")


async def test_a_captured_picture_is_shown_and_can_be_downloaded(console: Console) -> None:
    await console["#shutter"].click()
    await expect(console["#shot-image"]).to_be_visible()
    assert await console["#shot-image"].evaluate("image => image.decode().then(() => image.naturalWidth)") == 1296
    async with console.page.expect_download() as download_info:
        await console["#shot-files a"].click()
    download = await download_info.value
    picture = Path(await download.path()).read_bytes()
    assert (download.suggested_filename, decoded(picture).size) == ("IMG_0001.JPG", (1296, 864))
    assert mark(picture, "shot") == 1


async def test_a_picture_can_be_saved_on_the_server(console: Console) -> None:
    await console["#save"].check()
    await console["#shutter"].click()
    await expect(console["#shot-words"]).to_contain_text("Saved on the server as")
    words = await console["#shot-words"].text_content()
    saved = re.search(r"Saved on the server as (\S+\.jpg)\.", words)
    assert saved is not None, words
    assert decoded(Path(saved[1]).read_bytes()).size == (1296, 864)


async def test_both_files_of_a_shot_can_be_downloaded_and_the_jpeg_is_shown(console: Console) -> None:
    formats = console.setting("imageformat", "#quick").locator("select")
    both = next(choice for choice in await formats.locator("option").all_text_contents() if "RAW +" in choice)
    await formats.select_option(both)
    await expect(console["#notice"]).to_have_text(f"Image Format: {both}.")
    await console["#shutter"].click()
    await expect(console["#shot-image"]).to_have_attribute("alt", "IMG_0001.JPG")
    await expect(console["#shot-files .name"]).to_contain_text(["IMG_0001.JPG", "IMG_0001.CR2"])
    async with console.page.expect_download() as download_info:
        await console["[aria-label='Download IMG_0001.CR2'] >> nth=0"].click()
    assert (await download_info.value).suggested_filename == "IMG_0001.CR2"


async def test_without_a_camera_a_message_is_shown(open_console: Open, bare_server: Server) -> None:
    console = await open_console(bare_server)
    await console["#token"].fill(TOKEN)
    await console["#token"].press("Enter")
    await expect(console["#no-cameras"]).to_be_visible()
    await console["#live-toggle"].click()
    await expect(console["#live-words"]).to_have_text("No camera. Live view continues when the camera is back.")


async def test_a_countdown_can_be_cancelled_or_completed(console: Console, simulator: Control) -> None:
    await console.start_countdown()
    await console["#shutter"].press("Escape")
    await expect(console["#notice"]).to_have_text("Countdown cancelled.")
    await expect(console["#countdown"]).to_be_empty()
    assert simulator.state()["files"] == []
    await console["#delay"].select_option("3")
    await console["#shutter"].click()
    await expect(console["#countdown"]).to_have_text(re.compile("[1-3]"))
    await expect(console["#shot-image"]).to_be_visible()
    assert len(simulator.state()["files"]) == 1


async def test_a_setting_changed_on_the_page_is_changed_on_the_camera(
    console: Console, server: Server, ports: list[str]
) -> None:
    await console.setting("iso", "#quick").locator("select").select_option("800")
    await expect(console["#notice"]).to_have_text("ISO Speed: 800.")
    owner = await console.show_setting("ownername")
    await owner.locator("input").fill("Ansel")
    await owner.locator("input").press("Enter")
    await expect(console["#notice"]).to_have_text("Owner Name: Ansel.")
    async with await Client.connect(server) as client:
        for name, value in (("iso", "800"), ("ownername", "Ansel")):
            assert (await client.command("get_config", name=name, port=ports[0]))["value"] == value
    await expect(console.setting("iso").locator("select")).to_have_value("800")


async def test_a_change_by_another_client_or_on_the_camera_is_shown(
    console: Console, server: Server, ports: list[str], simulator: Control
) -> None:
    async with await Client.connect(server) as client:
        await client.command("set_config", name="iso", value="1600", port=ports[0])
    await expect(console.setting("iso", "#quick").locator("select")).to_have_value("1600")
    await expect(console.setting("iso").locator("select")).to_have_value("1600")
    simulator.set("iso", "400")
    await expect(console.setting("iso").locator("select")).to_have_value("400")


async def test_an_invalid_value_shows_an_error_with_the_allowed_range(console: Console) -> None:
    row = await console.show_setting("d303")
    number = row.locator("input[type=number]")
    await number.fill("500")
    await number.press("Enter")
    await expect(row.locator(".problem")).to_have_text(
        "'500' is not a valid value for d303. Allowed: 0 to 200 in steps of 1."
    )
    await number.fill("20")
    await number.press("Enter")
    await expect(row.locator(".problem")).to_be_empty()
    await expect(row.locator("input[type=range]")).to_have_value("20")


async def test_each_type_of_setting_has_the_right_control(console: Console) -> None:
    for name, control in (
        ("iso", "select"), ("ownername", "input[type=text]"), ("d303", "input[type=range]"),
        ("uilock", "input[type=checkbox]"), ("datetime", "input[type=datetime-local]"),
    ):  # fmt: skip
        row = await console.show_setting(name)
        await expect(row.locator(control)).to_be_visible()
        assert await row.locator("label").evaluate("label => label.control !== null")
    row = await console.show_setting("cameramodel")
    await expect(row).to_contain_text("Canon EOS 550D")
    await expect(row).to_contain_text("read only")
    assert await row.locator("input, select").count() == 0


async def test_settings_can_be_filtered_by_their_label(console: Console) -> None:
    sections = console["#sections details"]
    await expect(console["#sections details[open]"]).to_have_count(1)
    await console["#settings-filter"].fill("owner")
    await expect(console["#sections .setting:visible .label"]).to_have_text(["Owner Name"])
    await console["#settings-filter"].fill("")
    await expect(console["#sections details[open]"]).to_have_count(1)
    assert await sections.count() > 4


async def test_the_storage_is_shown_in_pages_of_thumbnails(console: Console, simulator: Control) -> None:
    for _ in range(26):
        simulator.shutter()
    await expect(console["#page-words"]).to_have_text("Page 1 of 2")
    await expect(console[".tile .name"].first).to_have_text("IMG_0026.JPG")
    await expect(console[".tile img"]).to_have_count(24)
    assert await console[".tile img"].first.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    await console["#older"].click()
    await expect(console[".tile .name"]).to_have_text(["IMG_0002.JPG", "IMG_0001.JPG"])
    await console[".tile .open"].first.click()
    await expect(console["#viewer-image"]).to_be_visible()
    assert await console["#viewer-image"].evaluate("image => image.decode().then(() => image.naturalWidth)") == 1296
    await console.page.keyboard.press("Escape")
    await expect(console["#viewer"]).to_be_hidden()


async def test_delete_requires_confirmation(console: Console, simulator: Control) -> None:
    (path,) = simulator.shutter()
    delete_button = console["[aria-label='Delete IMG_0001.JPG']"]
    await delete_button.click()
    await expect(console["#confirm-words"]).to_contain_text("IMG_0001.JPG")
    await expect(console["#confirm-no"]).to_be_focused()
    await console.page.keyboard.press("Enter")
    await expect(console["#confirm"]).to_be_hidden()
    assert [file["path"] for file in simulator.state()["files"]] == [path]
    await delete_button.click()
    await console["#confirm-yes"].click()
    await expect(console[".tile"]).to_have_count(0)
    assert simulator.state()["files"] == []


async def test_the_second_camera_can_be_selected(console: Console, simulator: Control, ports: list[str]) -> None:
    await console["#cameras input"].nth(1).check()
    await expect(console["#camera-facts"]).to_contain_text(ports[1])
    await console["#shutter"].click()
    await expect(console["#shot-image"]).to_be_visible()
    assert [len(simulator.state(camera)["files"]) for camera in (0, 1)] == [0, 1]


async def test_a_camera_error_is_shown(console: Console, simulator: Control) -> None:
    simulator.card(full=True)
    await console["#shutter"].click()
    await expect(console["#problem"]).to_contain_text("card")
    simulator.card(full=False)
    await console["#problem-close"].click()
    await console["#shutter"].click()
    await expect(console["#shot-image"]).to_be_visible()
