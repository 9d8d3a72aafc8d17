"""Accessibility of the console page: keyboard, small windows, contrast and screen readers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from simulator.client import Control
from tests.support.page import Console, expect
from tests.support.rig import TOKEN, Server
from tests.support.waiting import until_answers

pytestmark = pytest.mark.asyncio(loop_scope="session")

Open = Callable[..., Awaitable[Console]]
PHONE, LAPTOP = {"width": 320, "height": 568}, {"width": 1366, "height": 768}
# Finds the controls without a name for screen readers. Returns their HTML.
NAMELESS = """[...document.querySelectorAll("button, input, select, a[href], summary, img:not([hidden]), canvas, progress")]
  .filter((one) => one.checkVisibility())
  .filter((one) => ![...(one.labels ?? [])].some((label) => label.textContent.trim()) && !one.ariaLabel
    && !one.textContent.trim() && one.alt === undefined)
  .map((one) => one.outerHTML)"""
FOCUS_VISIBLE = """(() => {
  const style = getComputedStyle(document.activeElement);
  const framed = document.activeElement.closest(".camera");
  return style.outlineStyle !== "none" || (framed && getComputedStyle(framed).outlineStyle !== "none");
})()"""
# Finds the visible texts whose contrast to their background is below the limit of WCAG 2.
LOW_CONTRAST = """(() => {
  const paint = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    paint.clearRect(0, 0, 1, 1);
    paint.fillStyle = color;
    paint.fillRect(0, 0, 1, 1);
    return [...paint.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (rgb) => rgb.slice(0, 3).map((part) => part / 255)
    .map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const behind = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const color = rgba(getComputedStyle(at).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const pale = [];
  while (walker.nextNode()) {
    const one = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !one.checkVisibility() || one.closest(".screen, :disabled, script, noscript")) continue;
    const [a, b] = [luminance(rgba(getComputedStyle(one).color)), luminance(behind(one))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) pale.push(`${walker.currentNode.data.trim()}: ${contrast.toFixed(2)}`);
  }
  return pale;
})()"""


# Finds the visible controls and labels that a message covers.
COVERED = """new Promise((resolve) => {
  const message = ["notice", "problem-box"].map((id) => document.getElementById(id)).find((one) => one.checkVisibility());
  const [over, all] = [message.getBoundingClientRect(), document.querySelectorAll("main :is(button, input, select, label, summary, a)")];
  const observer = new IntersectionObserver((entries) => {
    observer.disconnect();
    resolve(entries.filter(({ isIntersecting, intersectionRect: seen }) => isIntersecting && seen.width * seen.height > 0
      && seen.bottom > over.top && seen.top < over.bottom && seen.right > over.left && seen.left < over.right)
      .map(({ target }) => target.outerHTML));
  });
  for (const one of all) observer.observe(one);
})"""


async def _tab_to(console: Console, selector: str) -> None:
    """Press Tab until an element has the focus. Fails if the focus is not visible after a step."""
    for _ in range(40):
        if await console[selector].evaluate("one => one === document.activeElement"):
            return
        await console.page.keyboard.press("Tab")
        assert await console.page.evaluate(FOCUS_VISIBLE), await console.page.evaluate(
            "document.activeElement.outerHTML"
        )
    raise AssertionError(f"Tab does not lead to {selector}")


async def test_a_picture_can_be_taken_with_the_keyboard_only(open_console: Open, server: Server) -> None:
    console = await open_console(server)
    await expect(console["#token"]).to_be_focused()
    await console.page.keyboard.type(TOKEN)
    await console.page.keyboard.press("Enter")
    await expect(console["#quick .setting"].first).to_be_visible()
    await expect(console["#live-toggle"]).to_be_focused()
    await console.page.keyboard.press("Space")
    await console.more_frames()
    await _tab_to(console, "#shutter")
    await console.page.keyboard.press("Enter")
    await expect(console["#shot-image"]).to_be_visible()
    await expect(console["#shutter"]).to_be_focused()
    await _tab_to(console, "#shot-files a")
    async with console.page.expect_download() as download_info:
        await console.page.keyboard.press("Enter")
    assert (await download_info.value).suggested_filename == "IMG_0001.JPG"


@pytest.mark.parametrize(("size", "scheme"), [(PHONE, "dark"), (LAPTOP, "light")], ids=["phone-dark", "laptop-light"])
async def test_the_page_fits_the_window_and_has_enough_contrast(
    open_console: Open, server: Server, simulator: Control, size: dict[str, int], scheme: str
) -> None:
    console = await open_console(server, viewport=size, color_scheme=scheme, reduced_motion="reduce")
    assert await console.widest() <= 0
    assert await console.page.evaluate(LOW_CONTRAST) == []
    await console.log_in()
    await console.start_live_view()
    await console["#shutter"].click()
    await expect(console["#shot-image"]).to_be_visible()
    await expect(console[".tile img"]).to_have_count(1)
    await console["#settings-filter"].fill("e")  # every section with a matching setting is opened
    simulator.card(full=True)
    await console["#shutter"].click()
    await expect(console["#problem"]).to_be_visible()
    assert await console.widest() <= 0
    assert await console.page.evaluate(LOW_CONTRAST) == []
    assert await console.page.evaluate(NAMELESS) == []
    dark = (
        await console.page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(13, 16, 20)"
    )
    assert dark == (scheme == "dark")
    await console["[aria-label='Delete IMG_0001.JPG']"].click()
    assert await console.widest() <= 0
    assert await console.page.evaluate("document.getAnimations().length") == 0


async def _shutter_position(console: Console) -> object:
    await expect(console["#shutter"]).to_have_text("Take picture")  # the button has another text during a capture
    return await console["#shutter"].bounding_box()


@pytest.mark.parametrize("size", [PHONE, LAPTOP], ids=["phone", "laptop"])
async def test_messages_cover_no_control_and_move_none(
    open_console: Open, server: Server, simulator: Control, size: dict[str, int]
) -> None:
    console = await open_console(server, viewport=size)
    await console.log_in()
    await console["#shutter"].click()
    await expect(console["#shot-image"]).to_be_visible()
    await console["#shutter"].evaluate("one => one.scrollIntoView({ block: 'center' })")
    before = await _shutter_position(console)
    simulator.card(full=True)
    await console["#shutter"].click()
    await expect(console["#problem"]).to_be_visible()
    assert await console.page.evaluate(COVERED) == []
    assert await _shutter_position(console) == before
    await console["#problem-close"].click()
    simulator.card(full=False)
    await console["#shutter"].click()
    await expect(console["#notice"]).to_have_text("IMG_0002.JPG taken.")
    assert await console.page.evaluate(COVERED) == []
    assert await _shutter_position(console) == before


async def test_the_pressed_button_stays_visible_above_its_message(open_console: Open, server: Server) -> None:
    console = await open_console(server, viewport=PHONE)
    await console.log_in()
    # Without timers, the message stays until the next one, however slow the machine is.
    await console.page.evaluate("window.setTimeout = () => 0")
    await console["#shutter"].evaluate("one => one.scrollIntoView({ block: 'end' })")
    await console["#shutter"].click()
    await expect(console["#notice"]).to_have_text("IMG_0001.JPG taken.")

    async def above() -> bool:
        shutter, notice = await console["#shutter"].bounding_box(), await console["#notice"].bounding_box()
        return bool(shutter["y"] + shutter["height"] <= notice["y"] + 1)  # the browser scrolls only by whole pixels

    await until_answers(above)  # the page scrolls after the message has appeared
    await console["#page"].evaluate("page => page.scrollTo(0, 0)")
    # The event is dispatched, because a real click would scroll. The element with the focus must stay out of view.
    await console["#restart-camera"].dispatch_event("click")
    await expect(console["#notice"]).to_contain_text("was restarted")
    assert await console["#page"].evaluate("page => page.scrollTop") == 0


async def test_messages_are_announced_to_screen_readers(open_console: Open, server: Server) -> None:
    console = await open_console(server)

    async def role_of(selector: str) -> Any:
        return await console[selector].get_attribute("role")

    assert [await role_of(selector) for selector in ("#notice", "#problem", "#login-error")] == [
        "status",
        "alert",
        "alert",
    ]
    assert await role_of("#connection-words") == "status"
    assert await role_of("#camera-trouble") == "status"
