"""Each example command is sent to a server with a simulated camera and gets the reply that docs/protocol.md shows."""

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

# The picture is taken early and deleted late. Live view comes after the commands whose examples show an idle camera.
ORDER = [
    "list_cameras", "select_camera", "get_config", "capture_image", "list_shots", "get_shot", "start_job", "list_jobs", "get_job",
    "pause_job", "resume_job", "stop_job", "set_config", "download_last_image", "get_thumbnail",
    "list_files", "get_camera_info", "sync_clock", "set_job_info", "start_live_view", "drive_focus", "autofocus", "half_press", "zoom_live_view", "stop_live_view", "fire",
    "capture_preview", "subscribe", "unsubscribe",
    "server_info", "create_ticket", "list_commands", "ping", "delete_file", "capture_burst", "restart_camera", "stop_exposure", "start_movie", "stop_movie",
]  # fmt: skip


def shape(value: object) -> object:
    """The parts of a reply that must equal the document: keys, types and texts. Pictures and numbers may differ."""
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
    """The reply, shortened in the same way as the reply in the document."""
    if name == "list_cameras":
        reply["cameras"] = reply["cameras"][:1]  # the document shows only one camera
    if name == "list_commands":
        reply["commands"] = [command for command in reply["commands"] if command["command"] == "ping"]
    if name == "fire":  # the document shows another camera
        other = examples.reply(name)["cameras"][1]["port"]
        reply["cameras"].append({**reply["cameras"][0], "port": other})
    if name == "capture_burst":  # on a slow machine, the camera takes more pictures than ordered
        reply["files"] = reply["files"][:3]
        reply.pop("warnings", None)
    if name == "sync_clock":
        reply.pop("warnings", None)  # if the clock of this machine is not synchronized
    if name == "create_ticket":  # another token makes another ticket
        shown = examples.reply(name)
        assert len(reply["ticket"]) == len(shown["ticket"])
        reply |= {"ticket": shown["ticket"], "url": reply["url"].replace(reply["ticket"], shown["ticket"])}
    if name == "server_info":
        reply["limits"] = {key: reply["limits"][key] for key in examples.reply(name)["limits"]}
    return reply


def test_every_command_has_an_example() -> None:
    assert set(COMMANDS) == set(ORDER)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_reply_fits_the_declared_reply(name: str) -> None:
    COMMANDS[name].reply.model_validate(COMMANDS[name].example_reply)
    fields = COMMANDS[name].reply.model_fields
    assert set(COMMANDS[name].example_reply) <= set(fields)


async def test_every_example_gets_the_reply_shown(docs_server: Server, docs_port: str) -> None:
    def with_test_camera(value: object) -> str:
        # The documents show a camera on USB, but the test uses a network camera.
        text = json.dumps(value).replace(EXAMPLE_PORT, docs_port)
        return text.replace('"name": "Canon EOS 550D"', '"name": "PTP/IP Camera"')

    async with await Client.connect(docs_server) as client:
        await client.command("get_config", name="iso", port=docs_port)  # opens the camera, to read its model
        for name in ORDER:
            request = examples.request(name)
            if name == "stop_exposure":
                await client.command("subscribe", events=["exposure_started"])
                exposure = {"command": "capture_image", "id": "bulb", "payload": {"bulb_s": 600, "port": docs_port}}
                await client.socket.send(json.dumps(exposure))
                await client.event("exposure_started")
            if name == "get_shot":
                request["payload"] = {"shot": (await client.command("list_shots"))["shots"][0]["shot"]}
            if "job" in request.get("payload", {}) and name != "set_job_info":
                request["payload"] = {"job": (await client.command("list_jobs"))["jobs"][0]["job"]}
            if name == "autofocus":
                await client.command("set_config", name="focusmode", value="One Shot", port=docs_port)
            await client.socket.send(with_test_camera(request))
            reply = await client.reply()
            while name == "get_camera_info" and "file_count" not in reply:  # the server is still reading the card
                reply = await client.command(name)
            if name == "stop_exposure":
                assert (await client.reply())["id"] == "bulb"
            shown = json.loads(with_test_camera(examples.reply(name)))
            assert shape(as_shown(name, reply)) == shape(shown), name


async def test_the_example_error_is_returned(client: Client) -> None:
    await client.socket.send(json.dumps(examples.FAILED["request"]))
    assert await client.receive() == examples.FAILED["reply"]


@pytest.mark.parametrize("name", EVENTS)
def test_the_example_of_an_event_fits_its_declaration(name: str) -> None:
    message = EVENTS[name].message()
    assert message.pop("event") == name
    EVENTS[name].holds.model_validate(message)


async def test_the_events_of_a_session_fit_their_declarations(
    docs_server: Server, docs_port: str, docs_control: Control
) -> None:
    async with await Client.connect(docs_server) as client:
        await client.command("select_camera", port=docs_port)
        await client.command("subscribe", events=["*"])
        await client.command("set_config", name="iso", value="400")
        await client.command("start_live_view", fps=30)
        await client.event("live_view_frame")
        await client.command("stop_live_view")
        shot = await client.command("capture_image", save=True)
        await client.command("download_last_image", camera_filepath=shot["camera_filepath"], transfer="binary")
        await client.command("capture_image", bulb_s=0.2)
        await client.command("start_movie", max_s=60)
        await client.command("stop_movie")
        docs_control.shutter()
        received = {}
        for name in (
            "exposure_started",
            "exposure_ended",
            "movie_started",
            "movie_ended",
            "config_changed",
            "camera_state",
            "file_added",
            "capture_saved",
            "transfer_complete",
        ):
            received[name] = await client.event(name)
        docs_control.power(False)
        await client.command("ping")
        for name in ("camera_disconnected", "camera_state"):
            received[name] = await client.event(name)
        docs_control.power(True)
        received["camera_connected"] = await client.event("camera_connected")
        for event in (*received.values(), *client.events):
            EVENTS[event.pop("event")].holds.model_validate(event)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("this is no JSON", closing.NO_LOGIN),
        ('{"token": "a-wrong-one-for-the-tests"}', closing.WRONG_TOKEN),
        ("[" * 70_000, closing.MESSAGE_TOO_BIG),
    ],
)
async def test_close_codes_match_the_table(bare_server: Server, message: str, code: int) -> None:
    async with connect(bare_server.uri) as socket:
        await socket.send(message)
        await socket.wait_closed()
        assert socket.close_code == code
    assert code in {line.code for line in closing.CLOSE_CODES}
