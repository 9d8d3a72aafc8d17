"""Every recipe is played, message by message, with two simulated cameras."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from simulator.client import Control
from simulator.process import SimulatorProcess
from tests.support.cameras import QUICK
from tests.support.rig import ROOT, Client, Json, Server

PAGE = (ROOT / "docs" / "recipes.md").read_text()
SHOWN_PORTS = ("ptpip:127.0.0.1:40001:40001", "ptpip:127.0.0.1:40002:40002")
MORE = "…"

DEEDS: dict[str, Callable[[Control], object]] = {
    "the camera switches itself off": lambda control: control.power(False),
    "the camera is switched on": lambda control: control.power(True),
    "somebody presses the camera's shutter button": lambda control: control.shutter(),
}


def recipes() -> dict[str, list[str]]:
    """The lines of each recipe's dialogue, by its heading."""
    parts = re.split(r"^## (.+)$", PAGE, flags=re.MULTILINE)[1:]
    blocks = {
        heading: re.findall(r"^```\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        for heading, text in zip(parts[::2], parts[1::2], strict=True)
    }
    return {heading: "".join(found).splitlines() for heading, found in blocks.items()}


@pytest.fixture(scope="module")
def kitchen() -> Iterator[SimulatorProcess]:
    """Two cameras for all recipes."""
    with SimulatorProcess("--cameras", "2", *QUICK) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def cook(kitchen: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on them."""
    addresses = ",".join(camera.address for camera in kitchen.cameras)
    settings = {"RESTART_DELAY": "0.3", "MAX_RESTART_ATTEMPTS": "100"}
    server = Server(cwd=tmp_path_factory.mktemp("kitchen"), NETWORK_CAMERAS=addresses, **settings)
    yield server
    assert server.stop() == 0


def fits(shown: Any, told: Any) -> bool:
    """Whether a message is as shown; numbers, names of files and pictures differ from run to run."""
    match shown:
        case dict():
            if not isinstance(told, dict) or (set(told) != set(shown) and MORE not in shown):
                return False
            return all(name in told and fits(value, told[name]) for name, value in shown.items() if name != MORE)
        case list():
            return isinstance(told, list) and len(told) == len(shown) and all(map(fits, shown, told))
        case str() if "/photos/" in shown:
            return isinstance(told, str) and "/photos/" in told
        case str() if re.search(r"IMG_\d|T\d\d:", shown):
            return isinstance(told, str) and re.sub(r"\d+", "#", told) == re.sub(r"\d+", "#", shown)
        case bool() | str():
            return bool(told == shown)
        case _:
            return type(told) is type(shown)


async def next_like(client: Client, shown: Json) -> Json:
    """The next message of that kind: a reply, or an event of that name; others may come between."""
    if "event" in shown:
        return await client.event(shown["event"])
    while "status" not in (told := await client.receive()):
        pass
    assert isinstance(told, dict)
    client.events = [event for event in client.events if event["event"] != "live_view_frame"]  # from before it
    return told


async def in_factory_state(client: Client, control: Control) -> None:
    """The camera as it was before other recipes."""
    await client.command("set_config", name="imageformat", value="L")
    for file in control.state()["files"]:
        await client.command("delete_file", camera_filepath=file["path"])


@pytest.mark.parametrize("heading", recipes())
async def test_a_recipe_works_as_shown(heading: str, cook: Server, kitchen: SimulatorProcess) -> None:
    lines = recipes()[heading]
    assert lines
    ports = [camera.address for camera in kitchen.cameras]
    here: dict[str, str] = dict(zip(SHOWN_PORTS, ports, strict=True))
    async with await Client.connect(cook) as client:
        await client.command("select_camera", port=ports[0])
        with Control(kitchen.control) as control:
            await in_factory_state(client, control)
            for line in lines:
                for as_shown, as_it_is in here.items():
                    line = line.replace(as_shown, as_it_is)
                if line.startswith("("):
                    DEEDS[line.strip("()")](control)
                elif line.startswith("> "):
                    await client.socket.send(line[2:])
                else:
                    shown = json.loads(line[2:])
                    told = await next_like(client, shown)
                    assert fits(shown, told), (shown, {**told, "image_b64": ""})
                    if "camera_filepath" in shown:
                        here[shown["camera_filepath"]] = told["camera_filepath"]
                    if "seq" in shown:
                        here[f'"seq": {shown["seq"]}}}'] = f'"seq": {told["seq"]}}}'


def test_the_contents_name_every_recipe() -> None:
    assert re.findall(r"^- \[(.+)\]", PAGE, re.MULTILINE) == list(recipes())
