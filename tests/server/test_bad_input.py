"""Bad input gets the defined error or close code. After an error, the connection and the camera continue to work."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.catalogue import COMMANDS
from server import limits
from simulator.client import Control
from tests.support.rig import Client, Server
from tests.support.wire import answer, last_words, logged_in, refused, say, still_answers, stranger

NOT_JSON = {
    "an empty message": "",
    "words": "list_cameras",
    "half an object": '{"command": "ping"',
    "two objects": '{"command": "ping"} {"command": "ping"}',
    "single quotes": "{'command': 'ping'}",
    "NaN": "NaN",
    "NaN in a payload": '{"command": "set_config", "payload": {"name": "iso", "value": NaN}}',
    "Infinity in a payload": '{"command": "start_live_view", "payload": {"fps": Infinity}}',
    "deep lists": "[" * 60000,
    "deep objects": '{"a":' * 10000,
    "a deep payload": '{"command": "ping", "payload": ' + '{"a":' * 5000 + "1" + "}" * 5001,
    "a high surrogate": '{"command": "ping", "id": "\\ud800"}',
    "a low surrogate": '{"command": "\\udc80"}',
    "a surrogate in a key": '{"\\ud800": 1}',
    "a number of 5000 digits": '{"command": "ping", "id": ' + "9" * 5000 + "}",
    "a zero byte": "\x00",
}
NO_COMMAND = {
    "a list": '[{"command": "ping"}]',
    "a number": "1",
    "null": "null",
    "a text": '"ping"',
    "an empty object": "{}",
    "a number for a command": '{"command": 1}',
    "null for a command": '{"command": null}',
    "an object for a command": '{"command": {"name": "ping"}}',
    "arguments outside of the payload": '{"command": "get_config", "name": "iso"}',
    "an unknown key": '{"cmd": "ping"}',
    "a number for a token": '{"token": 1}',
    "a null ack": '{"ack": null}',
    "an ack without numbers": '{"ack": {"stream": "1", "seq": true}}',
    "binary": b'{"command": "ping"}',
    "an empty binary message": b"",
}


@pytest.mark.parametrize("message", NOT_JSON.values(), ids=NOT_JSON)
async def test_a_message_that_is_not_json_is_invalid_json(bare_client: Client, message: str) -> None:
    await say(bare_client, message)
    assert (await answer(bare_client))["code"] == "invalid_json"
    await still_answers(bare_client)


@pytest.mark.parametrize("message", NO_COMMAND.values(), ids=NO_COMMAND)
async def test_json_without_a_command_is_a_bad_request(bare_client: Client, message: str | bytes) -> None:
    await say(bare_client, message)
    assert (await answer(bare_client))["code"] == "bad_request"
    await still_answers(bare_client)


@pytest.mark.parametrize("name", ["list_camera", "LIST_CAMERAS", "", " ping", "__class__", "table", "x" * 5000])
async def test_the_error_for_an_unknown_command_lists_the_known_commands(bare_client: Client, name: str) -> None:
    await say(bare_client, {"command": name})
    reply = await answer(bare_client)
    assert reply["code"] == "unknown_command"
    assert reply["details"]["commands"] == list(COMMANDS)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("list_camera", "list_cameras"), ("GET-CONFIG", "get_config"), ("captureImage", "capture_image"),
        ("downlaod_last_image", "download_last_image"),
    ],
)  # fmt: skip
async def test_the_error_for_a_mistyped_command_suggests_the_nearest(
    bare_client: Client, name: str, meant: str
) -> None:
    await say(bare_client, {"command": name})
    reply = await answer(bare_client)
    assert reply["details"]["similar"][0] == meant
    assert f"{name!r}. Did you mean {meant}" in reply["message"]
    await say(bare_client, {"command": "frobnicate"})
    reply = await answer(bare_client)
    assert ("similar" in reply["details"], "Did you mean" in reply["message"]) == (False, False)


@pytest.mark.parametrize(
    ("command", "payload", "field"),
    [
        ("select_camera", {}, "port"),
        ("select_camera", {"port": 3}, "port"),
        ("select_camera", {"port": ""}, "port"),
        ("select_camera", {"port": "x" * 257}, "port"),
        ("get_config", {"name": ["iso"]}, "name"),
        ("get_config", {"name": ""}, "name"),
        ("get_config", {"name": "x" * 257}, "name"),
        ("set_config", {"name": "iso"}, "value"),
        ("set_config", {"value": "100"}, "name"),
        ("set_config", {"name": "iso", "value": None}, "value"),
        ("set_config", {"name": "iso", "value": ["100"]}, "value"),
        ("set_config", {"name": "iso", "value": {"iso": 100}}, "value"),
        ("start_live_view", {"fps": 0}, "fps"),
        ("start_live_view", {"fps": 1000}, "fps"),
        ("start_live_view", {"fps": "30"}, "fps"),
        ("start_live_view", {"format": "png"}, "format"),
        ("start_live_view", {"max_in_flight": 0}, "max_in_flight"),
        ("start_live_view", {"max_in_flight": 1.5}, "max_in_flight"),
        ("stop_live_view", {"stream": "1"}, "stream"),
        ("download_last_image", {"offset": -1}, "offset"),
        ("download_last_image", {"length": 0}, "length"),
        ("download_last_image", {"length": 10**12}, "length"),
        ("download_last_image", {"transfer": "carrier pigeon"}, "transfer"),
        ("download_last_image", {"camera_filepath": 1}, "camera_filepath"),
        ("list_files", {"folder": None}, "folder"),
        ("list_files", {"offset": True}, "offset"),
        ("list_files", {"limit": 0}, "limit"),
        ("get_thumbnail", {}, "camera_filepath"),
        ("delete_file", {}, "camera_filepath"),
        ("subscribe", {}, "events"),
        ("subscribe", {"events": []}, "events"),
        ("subscribe", {"events": "*"}, "events"),
        ("unsubscribe", {"events": ["everything"]}, "events"),
        ("capture_image", {"port": 5}, "port"),
    ],
)
async def test_the_error_for_an_invalid_payload_names_the_field(
    bare_client: Client, command: str, payload: dict[str, Any], field: str
) -> None:
    error = await refused(bare_client, command, **payload)
    assert error.code == "invalid_payload"
    assert {problem["field"].partition(".")[0] for problem in error.details["errors"]} == {field}
    assert error.details["allowed"] == list(COMMANDS[command].payload.model_fields)


@pytest.mark.parametrize("payload", ["[]", '"iso"', "1", "true", "0", '""'])
async def test_a_payload_that_is_not_an_object_is_rejected(bare_client: Client, payload: str) -> None:
    await say(bare_client, f'{{"command": "get_config", "payload": {payload}}}')
    assert (await answer(bare_client))["code"] == "invalid_payload"


@pytest.mark.parametrize("command", COMMANDS)
async def test_the_error_for_an_unknown_payload_key_names_it(bare_client: Client, command: str) -> None:
    example = COMMANDS[command].example
    error = await refused(bare_client, command, **example, iso_speed=100)
    assert error.code == "invalid_payload"
    assert "iso_speed" in str(error)
    assert [problem["field"] for problem in error.details["errors"]] == ["iso_speed"]


@pytest.mark.parametrize("name", ["is", "isoo", "/iso/x", "/", "iso\x00", "iso\x00x", "\u00e4" * 256, "%s%n", "../iso"])
async def test_an_unknown_setting_is_not_found(client: Client, name: str) -> None:
    read_error = await refused(client, "get_config", name=name)
    write_error = await refused(client, "set_config", name=name, value="100")
    assert (read_error.code, write_error.code) == ("config_not_found", "config_not_found")
    assert read_error.details["config_name"] == name


@pytest.mark.parametrize("value", ["123", "", 123, -1, 100.5, True, False, "100\x00", "Auto, 100", 1e300, "x" * 50000])
async def test_the_error_for_an_invalid_choice_lists_the_choices(client: Client, value: str | float | bool) -> None:
    before = await client.command("get_config", name="iso")
    error = await refused(client, "set_config", name="iso", value=value)
    assert error.code == "invalid_value"
    assert error.details["choices"] == before["choices"]
    assert (await client.command("get_config", name="iso"))["value"] == before["value"]


async def test_a_text_with_control_characters_is_an_invalid_value(client: Client) -> None:
    assert (await refused(client, "set_config", name="ownername", value="a\x00b")).code == "invalid_value"


async def test_writing_a_read_only_setting_is_rejected(client: Client) -> None:
    assert (await refused(client, "set_config", name="eosserialnumber", value="1")).code == "config_readonly"


@pytest.mark.parametrize("command", ["download_last_image", "get_thumbnail", "delete_file"])
@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/store_00020001/../../etc/passwd", "invalid_path"),
        ("/..", "invalid_path"),
        ("/./IMG_0001.JPG", "invalid_path"),
        ("/DCIM/IMG_0001.JPG\x00.png", "invalid_path"),
        ("IMG_0001.JPG", "invalid_path"),
        ("/DCIM//IMG_0001.JPG", "invalid_path"),
        ("/DCIM/", "invalid_path"),
        ("/", "invalid_path"),
        ("/DCIM/IMG\n.JPG", "invalid_path"),
        ("/nothing", "file_not_found"),
        ("/nothing/IMG_0001.JPG", "file_not_found"),
        ("/store_00020001/DCIM/100CANON/IMG_9999.JPG", "file_not_found"),
        ("/store_00020001/DCIM", "file_not_found"),
        ("/%s%n/" + "\u00e4" * 1000, "file_not_found"),
    ],
)
async def test_an_invalid_or_unknown_path_is_rejected(client: Client, command: str, path: str, code: str) -> None:
    assert (await refused(client, command, camera_filepath=path)).code == code


@pytest.mark.parametrize(
    ("folder", "code"),
    [("/store_00020001/..", "invalid_path"), ("/a\x00b", "invalid_path"), ("DCIM", "invalid_path"),
     ("//", "invalid_path"), ("/nothing", "file_not_found")],
)  # fmt: skip
async def test_an_invalid_or_unknown_folder_is_rejected(client: Client, folder: str, code: str) -> None:
    assert (await refused(client, "list_files", folder=folder)).code == code


@pytest.mark.parametrize("port", ["usb:009,009", "ptpip:127.0.0.1", "\x00", "serial:/dev/ttyS0", "../", "x" * 256])
async def test_the_error_for_an_unknown_port_lists_the_ports(client: Client, ports: list[str], port: str) -> None:
    for error in (await refused(client, "select_camera", port=port), await refused(client, "capture_image", port=port)):
        assert error.code == "camera_not_found"
        assert error.details["ports"] == ports
    assert (await client.command("get_camera_info"))["port"] == ports[0]


async def test_with_two_cameras_a_command_needs_a_selected_camera(
    server: Server, simulator: Control, ports: list[str]
) -> None:
    async with await logged_in(server) as client:
        error = await refused(client, "capture_image")
    assert error.code == "no_camera_selected"
    assert error.details["ports"] == ports
    assert simulator.state()["shots"] == 0


async def test_an_offset_beyond_the_end_of_a_file_is_rejected(client: Client) -> None:
    captured = await client.command("capture_image")
    size = captured["files"][0]["size"]
    assert (await refused(client, "download_last_image", offset=size + 1, length=1)).code == "invalid_payload"


async def test_stopping_live_view_that_is_not_running_is_rejected(client: Client) -> None:
    assert (await refused(client, "stop_live_view")).code == "live_view_not_running"
    assert (await refused(client, "stop_live_view", stream=10**30)).code == "live_view_not_running"


async def test_an_ack_for_an_unknown_stream_is_ignored(bare_client: Client) -> None:
    await say(bare_client, {"ack": {"stream": 10**30, "seq": -1}})
    await still_answers(bare_client)


async def test_a_message_of_64_kib_is_accepted(bare_client: Client) -> None:
    await say(bare_client, '{"command": "ping"}'.ljust(limits.MESSAGE_BYTES))
    assert (await answer(bare_client))["message"] == "pong"


async def test_a_longer_message_closes_with_1009(bare_server: Server, bare_client: Client) -> None:
    async with await logged_in(bare_server) as client:
        await say(client, '{"command": "ping"}'.ljust(limits.MESSAGE_BYTES + 1))
        assert await last_words(client.socket) == ([], 1009)
    await still_answers(bare_client)


async def test_a_long_message_in_fragments_closes_with_1009(bare_server: Server) -> None:
    async with await logged_in(bare_server) as client:
        await client.socket.send([" " * 40000, " " * 40000])
        assert (await last_words(client.socket))[1] == 1009


async def test_a_long_message_before_the_login_closes_with_1009(bare_server: Server) -> None:
    async with await stranger(bare_server) as socket:
        await socket.send(" " * (limits.MESSAGE_BYTES + 1))
        assert await last_words(socket) == ([], 1009)


async def test_text_that_is_not_utf8_closes_with_1007(bare_server: Server, bare_client: Client) -> None:
    async with await logged_in(bare_server) as client:
        await client.socket.send(b'{"command": "\xff"}', text=True)
        assert (await last_words(client.socket))[1] == 1007
    await still_answers(bare_client)
