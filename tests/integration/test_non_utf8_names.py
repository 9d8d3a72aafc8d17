"""Names and values that are not UTF-8 (CP437, CP932) are escaped for clients. Clients can send the escaped text back."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

from camera.device.driver import Driver
from camera.errors import InvalidPath, InvalidValue
from camera.escapes import escaped, read, unescaped
from camera.model import ConfigItem
from camera.values import convert
from simulator.client import Control
from tests.support.rig import Client, CommandError, Server
from tests.support.waiting import WITHIN_S

# In CP437, é is the byte 0x82. The list of files of a Canon EOS has at most 15 bytes for a name.
PREFIX, ESCAPED_NAME = "ca\udc82_", "ca%82_0001.JPG"
OWNER, ESCAPED_OWNER = "Ren\udc82 100%AB", "Ren%82 100%25AB"


async def test_a_file_whose_name_is_not_utf8_is_listed_downloaded_and_deleted(
    client: Client, server: Server, simulator: Control
) -> None:
    simulator.card(prefix=PREFIX)
    folder = (await client.command("capture_image"))["camera_filepath"].rpartition("/")[0]
    await client.command("restart_camera")  # after the restart, the driver reads the name from the card
    (file,) = (await client.command("list_files", folder=folder))["files"]
    path = file["camera_filepath"]
    assert path == f"{folder}/{ESCAPED_NAME}"
    assert file["size"] == simulator.state()["files"][0]["size"]
    downloaded = base64.b64decode((await client.command("download_last_image", camera_filepath=path))["image_b64"])
    assert hashlib.sha256(downloaded).hexdigest() == simulator.state(sha256=True)["files"][0]["sha256"]
    assert (await client.command("get_thumbnail", camera_filepath=path))["image_b64"]
    await client.command("delete_file", camera_filepath=path)
    assert simulator.state()["files"] == []
    assert "UnicodeDecodeError" not in server.log


async def test_a_text_setting_that_is_not_utf8_is_read_set_and_reported(
    client: Client, server: Server, simulator: Control
) -> None:
    async with await Client.connect(server, close_timeout=0.2) as listener:
        await listener.command("subscribe", events=["config_changed"])
        await client.command("get_config", name="ownername")
        simulator.set("ownername", OWNER)
        async with asyncio.timeout(WITHIN_S):
            while (await client.command("get_config", name="ownername"))["value"] != ESCAPED_OWNER:
                pass
        event = await listener.event(lambda event: "%82" in str(event["value"]))
        assert event["value"] == ESCAPED_OWNER
    await client.command("set_config", name="artist", value=ESCAPED_OWNER)
    assert simulator.state()["properties"]["artist"] == OWNER
    with pytest.raises(CommandError, match="invalid_value"):
        await client.command("set_config", name="artist", value="50%25")


async def test_a_path_with_another_spelling_is_rejected(client: Client) -> None:
    with pytest.raises(CommandError, match="invalid_path") as error:
        await client.command("delete_file", camera_filepath="/store_00020001/DCIM/50%25.jpg")
    assert "%25" in str(error.value)


async def test_a_long_path_of_escaped_names_is_accepted(client: Client) -> None:
    path = "/store_00020001" + "/%82%83%84%85" * 200
    with pytest.raises(CommandError, match="file_not_found"):
        await client.command("delete_file", camera_filepath=path)


def test_files_and_folders_are_found_by_their_escaped_names(tmp_path: Path) -> None:
    names = (b"caf\x82.jpg", b"\x83e\x83X\x83g.jpg", b"caf%82.jpg", b"caf%2582.jpg", "é.jpg".encode(), b"100%.jpg")
    folder = os.fsencode(tmp_path) + b"/DCIM/\x96\xbc"
    os.makedirs(folder)
    for name in names:
        Path(os.fsdecode(folder + b"/" + name)).write_bytes(name)
    driver = Driver(f"disk:{tmp_path}", "Mass Storage Camera")
    try:
        (escaped_name,) = driver.list_files("/DCIM").folders
        assert escaped_name == "%96%BC"
        files = driver.list_files(f"/DCIM/{escaped_name}").files
        assert {unescaped(file.filename) for file in files} == set(names)
        for file in files:
            descriptor = os.memfd_create("file")
            driver.fetch(file.path, descriptor, lambda: None)
            assert os.pread(descriptor, 100, 0) == unescaped(file.filename)
            os.close(descriptor)
            driver.delete_file(file.path)
        assert os.listdir(folder) == []
        for invalid in ("/DCIM/%C3%A9.jpg", "/DCIM/\udc82.jpg"):
            with pytest.raises(InvalidPath):
                driver.delete_file(invalid)
    finally:
        driver.close()


def test_every_name_has_exactly_one_spelling() -> None:
    rng = random.Random(13)
    names_by_text: dict[str, bytes] = {}
    alphabet = (b"%", b"2", b"5", b"8", b"A", b"\x82", b"\xc3", b"\xa9", b"\xed", b"\xa0", b"/")
    for _ in range(20_000):
        name = b"".join(rng.choices(alphabet, k=rng.randrange(1, 9)))
        text = escaped(name)
        text.encode()
        assert unescaped(text) == name
        assert names_by_text.setdefault(text, name) == name


def test_a_choice_that_is_not_utf8_can_be_set() -> None:
    escaped_name = read(lambda: b"Fl\x84che".decode())  # decoded strictly, as in python-gphoto2
    item = ConfigItem("style", "Style", "radio", "Neutral", readonly=False, choices=("Neutral", escaped_name))
    assert unescaped(str(convert(item, escaped_name))) == b"Fl\x84che"
    with pytest.raises(InvalidValue):
        convert(replace(item, choices=()), "50%25")


@pytest.mark.parametrize("name", ["plain.jpg", "Zoë.jpg", "テスト.jpg", "100%.jpg", "%zz.jpg", "a%20b.jpg", "%c3%a9"])
def test_a_usual_name_is_not_escaped(name: str) -> None:
    assert escaped(name.encode()) == name
