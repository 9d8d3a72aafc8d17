"""axe-core finds no serious problem on the console page: in any state, at three window sizes, and in both themes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from simulator.client import Control
from tests.support.page import SIZES, Console, expect
from tests.support.rig import TOKEN, Server

axe: Any = pytest.importorskip(
    "axe_playwright_python.async_playwright", reason="axe-playwright-python needs playwright"
)
pytestmark = pytest.mark.asyncio(loop_scope="session")

Open = Callable[..., Awaitable[Console]]


async def _findings(console: Console) -> list[str]:
    """The serious and critical findings of axe, with the elements that they are about."""
    results = await axe.Axe().run(console.page)
    return [
        f"{finding['id']}: {finding['help']}: {[node['target'] for node in finding['nodes']]}"
        for finding in results.response["violations"]
        if finding["impact"] in ("serious", "critical")
    ]


# The theme changes colours and not the layout, so that not every theme is needed at every size.
@pytest.mark.parametrize(("size", "scheme"), [("phone", "light"), ("tablet", "dark"), ("laptop", "light")])
async def test_axe_finds_nothing_serious(
    open_console: Open,
    server: Server,
    bare_server: Server,
    simulator: Control,
    size: str,
    scheme: str,
) -> None:
    # Animations are off. Otherwise, axe would measure colours during a transition.
    options = {"viewport": SIZES[size], "color_scheme": scheme, "reduced_motion": "reduce"}
    console = await open_console(server, **options)
    findings_by_state = {"login": await _findings(console)}
    await console.log_in()
    findings_by_state["with a camera"] = await _findings(console)
    await console.start_live_view()
    await console["#shutter"].click()
    await expect(console["#shot-image"]).to_be_visible()
    await expect(console[".tile img"]).to_have_count(1)
    findings_by_state["live view"] = await _findings(console)
    simulator.card(full=True)
    await console["#shutter"].click()
    await expect(console["#problem"]).to_be_visible()
    findings_by_state["after an error"] = await _findings(console)
    await console["[aria-label='Delete IMG_0001.JPG']"].click()
    findings_by_state["a question"] = await _findings(console)
    console = await open_console(bare_server, **options)
    await console["#token"].fill(TOKEN)
    await console["#token"].press("Enter")
    await expect(console["#no-cameras"]).to_be_visible()
    findings_by_state["without a camera"] = await _findings(console)
    assert {state: findings for state, findings in findings_by_state.items() if findings} == {}
