"""The console page while the server or the camera is disconnected, and after it is connected again."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import pytest

from simulator.client import Control
from tests.support.cameras import OneCamera
from tests.support.page import Console, expect
from tests.support.rig import Server

pytestmark = pytest.mark.asyncio(loop_scope="session")

Open = Callable[..., Awaitable[Console]]
StartServer = Callable[..., Server]


async def _open_live_view(open_console: Open, server: Server) -> Console:
    console = await open_console(server)
    await console.log_in()
    await console.start_live_view()
    return console


async def test_the_page_reconnects_when_the_server_was_killed_and_restarted(
    open_console: Open, new_server: StartServer, restart_camera: OneCamera
) -> None:
    server = new_server(NETWORK_CAMERAS=restart_camera.port)
    console = await _open_live_view(open_console, server)
    port = str(urlsplit(server.uri).port)
    server.kill()
    await expect(console["#connection-words"]).to_have_text("The server does not answer.")
    await expect(console["#connection-wait"]).to_contain_text("Next try in")
    await expect(console["#live-words"]).to_have_text("No server. Live view continues when the server is back.")
    await expect(console["#shutter"]).to_be_disabled()
    await expect(console["#shutter-why"]).to_have_text("There is no connection to the server.")
    await asyncio.to_thread(new_server, NETWORK_CAMERAS=restart_camera.port, WS_PORT=port)
    await expect(console["#connection-words"]).to_have_text("Connected")
    await expect(console["#shutter-why"]).to_be_hidden()
    await console.more_frames()
    await console["#shutter"].click()
    await expect(console["#shot-image"]).to_be_visible()


async def test_a_stopped_server_is_reported(
    open_console: Open, new_server: StartServer, restart_camera: OneCamera
) -> None:
    server = new_server(NETWORK_CAMERAS=restart_camera.port)
    console = await _open_live_view(open_console, server)
    await asyncio.to_thread(server.stop)
    await expect(console["#events"]).to_contain_text("The server was stopped.")
    await expect(console["#try-now"]).to_be_visible()


async def test_after_a_wrong_token_the_page_does_not_retry(
    open_console: Open, new_server: StartServer, restart_camera: OneCamera
) -> None:
    server = new_server(NETWORK_CAMERAS=restart_camera.port)
    console = await _open_live_view(open_console, server)
    port = str(urlsplit(server.uri).port)
    server.kill()
    await expect(console["#connection-words"]).to_have_text("The server does not answer.")
    token = "another-token-for-the-tests"
    new_instance = await asyncio.to_thread(
        new_server, NETWORK_CAMERAS=restart_camera.port, WS_PORT=port, API_TOKEN=token
    )
    await expect(console["#login-error"]).to_contain_text("This token is wrong")
    await expect(console["#try-now"]).to_be_hidden()
    assert new_instance.log.count("closed with 4401") == 1
    await console.log_in(token)
    await console.more_frames()


async def test_a_camera_that_is_switched_off_is_reported_and_live_view_continues_later(
    open_console: Open, new_server: StartServer, restart_camera: OneCamera, restart_control: Control
) -> None:
    server = new_server(NETWORK_CAMERAS=restart_camera.port, RESTART_DELAY="0.2", MAX_RESTART_ATTEMPTS="1000")
    console = await _open_live_view(open_console, server)
    restart_control.power(False)
    await expect(console["#camera-trouble"]).to_contain_text("Canon EOS 550D does not answer. Switch it on")
    await expect(console["#live-words"]).to_have_text("No camera. Live view continues when the camera is back.")
    await expect(console["#cameras .state"]).to_have_text(re.compile("Disconnected, reconnecting|Needs attention"))
    await expect(console["#shutter-why"]).to_have_text("Canon EOS 550D does not answer.")
    restart_control.power(True)
    await expect(console["#camera-trouble"]).to_be_empty()
    await console.more_frames()
    await expect(console["#events"]).to_contain_text("Canon EOS 550D is connected.")


async def test_a_selected_camera_stays_selected_when_its_serial_becomes_known(
    open_console: Open, new_server: StartServer, restart_camera: OneCamera, restart_control: Control
) -> None:
    restart_control.power(False)
    server = new_server(NETWORK_CAMERAS=restart_camera.port, RESTART_DELAY="0.2", MAX_RESTART_ATTEMPTS="1000")
    console = await open_console(server)
    await console["#token"].fill(server.token)
    await console["#token"].press("Enter")
    await expect(console["#camera-trouble"]).to_contain_text("PTP/IP Camera does not answer. Switch it on")
    restart_control.power(True)
    await expect(console["#quick .setting"].first).to_be_visible()
    await expect(console["#cameras input"]).to_be_checked()
    await expect(console["#camera-trouble"]).to_be_empty()
