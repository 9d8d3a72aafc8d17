"""The example of each command is sent to a server with a simulated camera, and answered as docs/protocol.md says."""

from __future__ import annotations

import json
import re

import pytest
from websockets.asyncio.client import connect

from protocol import closing, examples
from protocol.catalogue import COMMANDS, EXAMPLE_PORT
from protocol.events import EVENTS
from simulator.client import Control
from tests.support.rig import Client, Json, Server

# A picture is taken first and deleted last; live view comes after what tells of a camera at rest.
ORDER = [
    "list_cameras", "select_camera", "get_config", "capture_image", "set_config", "download_last_image", "get_thumbnail",
    "list_files", "get_camera_info", "start_live_view", "stop_live_view", "capture_preview", "subscribe", "unsubscribe",
    "server_info", "list_commands", "ping", "delete_file", "restart_camera",
]  # fmt: skip


def shape(value: object) -> object:
    """What of a reply has to be as shown: keys, types and words, without pictures and numbers."""
    match value:
        case dict():
            return {key: shape(entry) for key, entry in value.items()}
        case list():
            return [shape(entry) for entry in value]
        case str() if value.startswith("/9j/"):
            return "a JPEG"
        case str() if "/photos/" in value:
            return "a saved picture"
        case str():
            return re.sub(r"\d+", "#", value)
        case _:
            return type(value)


def as_shown(name: str, reply: Json) -> Json:
    """A reply cut to what the document has room for."""
    if name == "list_cameras":
        reply["cameras"] = reply["cameras"][:1]  # the tests have a second camera
    if name == "list_commands":
        reply["commands"] = [told for told in reply["commands"] if told["command"] == "ping"]
    if name == "server_info":
        reply["limits"] = {key: reply["limits"][key] for key in examples.reply(name)["limits"]}
    return reply


def test_every_command_has_its_example() -> None:
    assert set(COMMANDS) == set(ORDER)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_reply_shown_fits_the_declared_reply(name: str) -> None:
    COMMANDS[name].reply.model_validate(COMMANDS[name].example_reply)
    fields = COMMANDS[name].reply.model_fields
    assert set(COMMANDS[name].example_reply) <= set(fields)


async def test_every_example_is_answered_as_shown(readers_server: Server, own_port: str) -> None:
    def here(value: object) -> str:
        # The documents show a camera on USB; the test's is on the network.
        text = json.dumps(value).replace(EXAMPLE_PORT, own_port)
        return text.replace('"name": "Canon EOS 550D"', '"name": "PTP/IP Camera"')

    async with await Client.connect(readers_server) as client:
        await client.command("get_config", name="iso", port=own_port)  # the camera is open, so its model is known
        for name in ORDER:
            await client.socket.send(here(examples.request(name)))
            reply = await client.reply()
            while name == "get_camera_info" and "file_count" not in reply:  # the card is still being read
                reply = await client.command(name)
            shown = json.loads(here(examples.reply(name)))
            assert shape(as_shown(name, reply)) == shape(shown), name


async def test_the_error_shown_is_answered(client: Client) -> None:
    await client.socket.send(json.dumps(examples.FAILED["request"]))
    assert await client.receive() == examples.FAILED["reply"]


@pytest.mark.parametrize("name", EVENTS)
def test_the_example_of_an_event_fits_what_it_holds(name: str) -> None:
    message = EVENTS[name].message()
    assert message.pop("event") == name
    EVENTS[name].holds.model_validate(message)


async def test_the_events_of_a_session_are_as_declared(
    readers_server: Server, own_port: str, own_control: Control
) -> None:
    async with await Client.connect(readers_server) as client:
        await client.command("select_camera", port=own_port)
        await client.command("subscribe", events=["*"])
        await client.command("set_config", name="iso", value="400")
        await client.command("start_live_view", fps=30)
        await client.event("live_view_frame")
        await client.command("stop_live_view")
        shot = await client.command("capture_image", save=True)
        await client.command("download_last_image", camera_filepath=shot["camera_filepath"], transfer="binary")
        own_control.shutter()
        seen = {}
        for name in ("config_changed", "camera_state", "file_added", "capture_saved", "transfer_complete"):
            seen[name] = await client.event(name)
        own_control.power(False)
        await client.command("ping")
        for name in ("camera_disconnected", "camera_state"):
            seen[name] = await client.event(name)
        own_control.power(True)
        seen["camera_connected"] = await client.event("camera_connected")
        for event in (*seen.values(), *client.events):
            EVENTS[event.pop("event")].holds.model_validate(event)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("this is no JSON", closing.NO_LOGIN),
        ('{"token": "a-wrong-one-for-the-tests"}', closing.WRONG_TOKEN),
        ("[" * 70_000, closing.MESSAGE_TOO_BIG),
    ],
)
async def test_close_codes_are_those_of_the_table(bare_server: Server, message: str, code: int) -> None:
    async with connect(bare_server.uri) as socket:
        await socket.send(message)
        await socket.wait_closed()
        assert socket.close_code == code
    assert code in {line.code for line in closing.CLOSE_CODES}
