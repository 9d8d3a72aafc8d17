"""The console page at a photobooth: controls are visible and large enough, and each press has only one effect."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from simulator.client import Control
from tests.support.page import SIZES, Console, expect
from tests.support.rig import Server
from tests.support.waiting import until_answers

pytestmark = pytest.mark.asyncio(loop_scope="session")

Open = Callable[..., Awaitable[Console]]
NARROW = {"width": 1000, "height": 700}  # one column, as on a tablet
FINGER_PX = 44  # the minimum size of a control in WCAG 2.5.5 and in the guidelines of Apple

# Finds the elements with the given ids that are not completely visible in the window.
OUT_OF_SIGHT = """(ids) => new Promise((resolve) => {
  const observer = new IntersectionObserver((entries) => {
    observer.disconnect();
    resolve(entries.filter((entry) => entry.intersectionRatio < 0.99).map(({ target }) => target.id));
  });
  for (const id of ids) observer.observe(document.getElementById(id));
})"""
# Finds the controls that are too small for a finger. A checkbox or radio button may be small if its label is large.
TOO_SMALL = """(least) => [...document.querySelectorAll("button, input, select, a[href], summary")]
  .filter((one) => one.checkVisibility())
  .map((one) => [one, ...(/checkbox|radio/.test(one.type) ? one.labels : [])])
  .filter((parts) => parts.every((part) => part.getBoundingClientRect().height < least - 0.5))
  .map(([one]) => `${one.outerHTML.slice(0, 120)}: ${one.getBoundingClientRect().height}`)"""
# The height of the empty space below the last line of the page, in pixels.
BLANK_PX = """(() => {
  const page = document.getElementById("page");
  page.scrollTo(0, 1e6);
  const rest = page.getBoundingClientRect().bottom - document.getElementById("about-server").getBoundingClientRect().bottom;
  page.scrollTo(0, 0);
  return Math.max(rest, document.documentElement.scrollHeight - innerHeight);
})()"""


@pytest.mark.parametrize("size", [NARROW, SIZES["phone"]], ids=["narrow", "phone"])
async def test_the_page_has_no_blank_space_below_its_content(
    open_console: Open, server: Server, simulator: Control, size: dict[str, int]
) -> None:
    for _ in range(3):
        simulator.shutter()
    console = await open_console(server, viewport=size)
    await console.log_in()
    await expect(console[".tile img"]).to_have_count(3)
    await console["#settings-filter"].fill("e")  # opens the sections; many texts in them are only for screen readers
    assert await console.page.evaluate(BLANK_PX) <= 40


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
async def test_live_view_countdown_shutter_and_picture_are_visible_together(
    open_console: Open, server: Server, size: dict[str, int]
) -> None:
    console = await open_console(server, viewport=size)
    await console.log_in()
    await console.start_live_view()
    await console["#shutter"].click()
    await expect(console["#shot-image"]).to_be_visible()
    await console.start_countdown()

    async def together() -> bool:
        return bool(await console.page.evaluate(OUT_OF_SIGHT, ["live", "countdown", "shutter", "shot-image"]) == [])

    await until_answers(together)  # the page scrolls after the countdown has appeared
    await expect(console["#shutter"]).to_have_text("Cancel")


async def test_every_control_is_large_enough_for_a_finger(open_console: Open, server: Server) -> None:
    console = await open_console(server, viewport=SIZES["phone"])
    await console.log_in()
    await console["#shutter"].click()
    await expect(console["#shot-image"]).to_be_visible()
    await expect(console[".tile img"]).to_have_count(1)
    await console["#view summary"].click()
    await console["#settings-filter"].fill("e")
    assert await console.page.evaluate(TOO_SMALL, FINGER_PX) == []


async def test_escape_cancels_the_countdown_with_any_focus(console: Console, simulator: Control) -> None:
    await console.start_countdown()
    await console["#live-toggle"].focus()
    await console.page.keyboard.press("Escape")
    await expect(console["#notice"]).to_have_text("Countdown cancelled.")
    await expect(console["#countdown"]).to_be_empty()
    assert simulator.state()["files"] == []


async def test_a_double_click_does_not_cancel_the_countdown_it_starts(console: Console, simulator: Control) -> None:
    await console["#delay"].select_option("3")
    await console["#shutter"].dblclick()
    await expect(console["#shot-image"]).to_be_visible()
    assert len(simulator.state()["files"]) == 1


async def test_holding_a_key_down_takes_one_picture(console: Console, simulator: Control) -> None:
    await console["#shutter"].focus()
    for count in range(1, 4):  # a key that is held down is repeated, even after the picture is shown
        await console.page.keyboard.down("Enter")
        await expect(console["#shutter"]).to_have_text("Take picture")
        await expect(console["#shot-image"]).to_be_visible()
        assert len(simulator.state()["files"]) == 1, f"after {count} key presses of one hold"
    await console.page.keyboard.up("Enter")


async def test_closing_an_error_returns_the_focus_to_the_shutter_button(console: Console, simulator: Control) -> None:
    simulator.card(full=True)
    await console["#shutter"].focus()
    await console.page.keyboard.press("Space")
    await expect(console["#problem"]).to_be_visible()
    await console["#problem-close"].focus()
    await console.page.keyboard.press("Enter")
    await expect(console["#problem"]).to_be_hidden()
    await expect(console["#shutter"]).to_be_focused()
    await console.page.keyboard.press("Space")
    await expect(console["#problem"]).to_be_visible()
    await console.page.keyboard.press("Escape")
    await expect(console["#problem"]).to_be_hidden()
    await expect(console["#shutter"]).to_be_focused()
