"""The messages of every recipe are sent to a server. The replies must be equal to the replies in the recipe."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from simulator.client import Control
from simulator.process import SimulatorProcess
from tests.support.cameras import QUICK, Simulator
from tests.support.rig import ROOT, Client, Json, Server

PAGE = (ROOT / "docs" / "recipes.md").read_text()
SHOWN_EPOCH = "481920374455"
SHOWN_PORTS = ("ptpip:127.0.0.1:40001:40001", "ptpip:127.0.0.1:40002:40002")
ELLIPSIS = "…"

ACTIONS: dict[str, Callable[[Control], object]] = {
    "the camera switches itself off": lambda control: control.power(False),
    "the camera is switched on": lambda control: control.power(True),
    "somebody presses the camera's shutter button": lambda control: control.shutter(),
}


def recipes() -> dict[str, list[str]]:
    """The lines of the messages in each recipe, by the heading of the recipe."""
    parts = re.split(r"^## (.+)$", PAGE, flags=re.MULTILINE)[1:]
    blocks = {
        heading: re.findall(r"^```\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        for heading, text in zip(parts[::2], parts[1::2], strict=True)
    }
    return {heading: "".join(found).splitlines() for heading, found in blocks.items()}


@pytest.fixture(scope="module")
def recipe_cameras() -> Iterator[SimulatorProcess]:
    """Two cameras for all recipes."""
    with Simulator("--cameras", "2", *QUICK) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def recipe_server(recipe_cameras: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for `recipe_cameras`."""
    addresses = ",".join(camera.address for camera in recipe_cameras.cameras)
    settings = {"RESTART_DELAY": "0.3", "MAX_RESTART_ATTEMPTS": "100"}
    server = Server(cwd=tmp_path_factory.mktemp("kitchen"), NETWORK_CAMERAS=addresses, **settings)
    yield server
    assert server.stop() == 0


def fits(shown: Any, received: Any) -> bool:
    """Whether a received message matches the message in the document.

    Numbers, file names and times may differ. If the message in the document has the key "…", the received message may
    have more keys.
    """
    match shown:
        case dict():
            if not isinstance(received, dict) or (set(received) != set(shown) and ELLIPSIS not in shown):
                return False
            return all(
                name in received and fits(value, received[name]) for name, value in shown.items() if name != ELLIPSIS
            )
        case list():
            return isinstance(received, list) and len(received) == len(shown) and all(map(fits, shown, received))
        case str() if "/photos/" in shown:
            return isinstance(received, str) and "/photos/" in received
        case str() if re.search(r"IMG_\d|T\d\d:", shown):
            return isinstance(received, str) and re.sub(r"\d+", "#", received) == re.sub(r"\d+", "#", shown)
        case bool() | str():
            return bool(received == shown)
        case _:
            return type(received) is type(shown)


async def next_message(client: Client, shown: Json) -> Json:
    """The next reply if `shown` is a reply, otherwise the next event with the name of `shown`. Skips other messages."""
    if "event" in shown:
        return await client.event(shown["event"])
    while "status" not in (received := await client.receive()):
        pass
    assert isinstance(received, dict)
    client.events = [
        event for event in client.events if event["event"] != "live_view_frame"
    ]  # the removed frames were received before the reply
    return received


async def reset_camera(client: Client, control: Control) -> None:
    """Undo the changes that other recipes made to the camera."""
    await client.command("set_config", name="imageformat", value="L")
    for file in control.state()["files"]:
        await client.command("delete_file", camera_filepath=file["path"])


@pytest.mark.parametrize("heading", recipes())
async def test_a_recipe_works(heading: str, recipe_server: Server, recipe_cameras: SimulatorProcess) -> None:
    lines = recipes()[heading]
    assert lines
    ports = [camera.address for camera in recipe_cameras.cameras]
    replacements: dict[str, str] = dict(zip(SHOWN_PORTS, ports, strict=True))
    async with await Client.connect(recipe_server) as client:
        await client.command("select_camera", port=ports[0])
        replacements[SHOWN_EPOCH] = (await client.command("server_info"))["epoch"]
        with Control(recipe_cameras.control) as control:
            await reset_camera(client, control)
            for line in lines:
                for shown_text, actual in replacements.items():
                    line = line.replace(shown_text, actual)
                if line.startswith("("):
                    ACTIONS[line.strip("()")](control)
                elif line.startswith("> "):
                    await client.socket.send(line[2:])
                else:
                    shown = json.loads(line[2:])
                    received = await next_message(client, shown)
                    assert fits(shown, received), (shown, {**received, "image_b64": ""})
                    if ("event" in shown and "seq" in shown) or "epoch" in shown:
                        replacements[f'"seq": {shown["seq"]}'] = f'"seq": {received["seq"]}'
                    if "camera_filepath" in shown:
                        replacements[shown["camera_filepath"]] = received["camera_filepath"]
                    if "seq" in shown:
                        replacements[f'"seq": {shown["seq"]}}}'] = f'"seq": {received["seq"]}}}'


def test_the_contents_list_every_recipe() -> None:
    assert re.findall(r"^- \[(.+)\]", PAGE, re.MULTILINE) == list(recipes())
