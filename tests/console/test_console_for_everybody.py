"""The console page by keyboard, on a phone, in the dark, and for who listens to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from simulator.client import Control
from tests.support.page import Console, expect
from tests.support.rig import TOKEN, Server

pytestmark = pytest.mark.asyncio(loop_scope="session")

Open = Callable[..., Awaitable[Console]]
PHONE, DESK = {"width": 320, "height": 568}, {"width": 1366, "height": 768}
# What a control says of itself to a screen reader; empty ones are listed by their HTML.
NAMELESS = """[...document.querySelectorAll("button, input, select, a[href], summary, img:not([hidden]), canvas, progress")]
  .filter((one) => one.checkVisibility())
  .filter((one) => ![...(one.labels ?? [])].some((label) => label.textContent.trim()) && !one.ariaLabel
    && !one.textContent.trim() && one.alt === undefined)
  .map((one) => one.outerHTML)"""
FOCUS = """(() => {
  const style = getComputedStyle(document.activeElement);
  const framed = document.activeElement.closest(".camera");
  return style.outlineStyle !== "none" || (framed && getComputedStyle(framed).outlineStyle !== "none");
})()"""
# WCAG 2 contrast of every visible piece of text against what is painted behind it.
PALE = """(() => {
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


# Controls and their labels that are in view, but below the words that tell what happened.
COVERED = """new Promise((resolve) => {
  const told = ["notice", "problem-box"].map((id) => document.getElementById(id)).find((one) => one.checkVisibility());
  const [over, all] = [told.getBoundingClientRect(), document.querySelectorAll("main :is(button, input, select, label, summary, a)")];
  const observer = new IntersectionObserver((entries) => {
    observer.disconnect();
    resolve(entries.filter(({ isIntersecting, intersectionRect: seen }) => isIntersecting && seen.width * seen.height > 0
      && seen.bottom > over.top && seen.top < over.bottom && seen.right > over.left && seen.left < over.right)
      .map(({ target }) => target.outerHTML));
  });
  for (const one of all) observer.observe(one);
})"""


async def _tab_to(console: Console, selector: str) -> None:
    """Press Tab until something has the focus, which has to be seen at every step."""
    for _ in range(40):
        if await console[selector].evaluate("one => one === document.activeElement"):
            return
        await console.page.keyboard.press("Tab")
        assert await console.page.evaluate(FOCUS), await console.page.evaluate("document.activeElement.outerHTML")
    raise AssertionError(f"Tab does not lead to {selector}")


async def test_the_keyboard_alone_leads_from_the_login_to_a_picture(open_console: Open, server: Server) -> None:
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
    async with console.page.expect_download() as downloading:
        await console.page.keyboard.press("Enter")
    assert (await downloading.value).suggested_filename == "IMG_0001.JPG"


@pytest.mark.parametrize(("size", "scheme"), [(PHONE, "dark"), (DESK, "light")], ids=["phone-dark", "desk-light"])
async def test_it_fits_and_can_be_read(
    open_console: Open, server: Server, simulator: Control, size: dict[str, int], scheme: str
) -> None:
    console = await open_console(server, viewport=size, color_scheme=scheme, reduced_motion="reduce")
    assert await console.widest() <= 0
    assert await console.page.evaluate(PALE) == []
    await console.log_in()
    await console.start_live_view()
    await console["#shutter"].click()
    await expect(console["#shot-image"]).to_be_visible()
    await expect(console[".tile img"]).to_have_count(1)
    await console["#settings-filter"].fill("e")  # every section is open
    simulator.card(full=True)
    await console["#shutter"].click()
    await expect(console["#problem"]).to_be_visible()
    assert await console.widest() <= 0
    assert await console.page.evaluate(PALE) == []
    assert await console.page.evaluate(NAMELESS) == []
    dark = (
        await console.page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(13, 16, 20)"
    )
    assert dark == (scheme == "dark")
    await console["[aria-label='Delete IMG_0001.JPG']"].click()
    assert await console.widest() <= 0
    assert await console.page.evaluate("document.getAnimations().length") == 0


async def _place_of_shutter(console: Console) -> object:
    await expect(console["#shutter"]).to_have_text("Take picture")  # other words while it does
    return await console["#shutter"].bounding_box()


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
async def test_what_is_told_covers_no_control_and_moves_none(
    open_console: Open, server: Server, simulator: Control, size: dict[str, int]
) -> None:
    console = await open_console(server, viewport=size)
    await console.log_in()
    await console["#shutter"].click()
    await expect(console["#shot-image"]).to_be_visible()
    await console["#shutter"].evaluate("one => one.scrollIntoView({ block: 'center' })")
    before = await _place_of_shutter(console)
    simulator.card(full=True)
    await console["#shutter"].click()
    await expect(console["#problem"]).to_be_visible()
    assert await console.page.evaluate(COVERED) == []
    assert await _place_of_shutter(console) == before
    await console["#problem-close"].click()
    simulator.card(full=False)
    await console["#shutter"].click()
    await expect(console["#notice"]).to_have_text("IMG_0002.JPG taken.")
    assert await console.page.evaluate(COVERED) == []
    assert await _place_of_shutter(console) == before


async def test_the_button_that_was_pressed_stays_in_view_above_what_it_tells(
    open_console: Open, server: Server
) -> None:
    console = await open_console(server, viewport=PHONE)
    await console.log_in()
    await console["#shutter"].evaluate("one => one.scrollIntoView({ block: 'end' })")
    await console["#shutter"].click()
    await expect(console["#notice"]).to_have_text("IMG_0001.JPG taken.")
    shutter, notice = await console["#shutter"].bounding_box(), await console["#notice"].bounding_box()
    assert shutter["y"] + shutter["height"] <= notice["y"] + 1  # the browser scrolls by whole pixels
    await console["#page"].evaluate("page => page.scrollTo(0, 0)")
    await console["#restart-camera"].dispatch_event("click")  # told while the focus is out of sight
    await expect(console["#notice"]).to_contain_text("was restarted")
    assert await console["#page"].evaluate("page => page.scrollTop") == 0


async def test_what_happens_is_said_to_who_listens(open_console: Open, server: Server) -> None:
    console = await open_console(server)

    async def heard(selector: str) -> Any:
        return await console[selector].get_attribute("role")

    assert [await heard(one) for one in ("#notice", "#problem", "#login-error")] == ["status", "alert", "alert"]
    assert await heard("#connection-words") == "status"
    assert await heard("#camera-trouble") == "status"
