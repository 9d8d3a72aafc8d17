"""The receiver and the file of webhooks in docs/hooks.md work."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from protocol.commands import HookInfo, WebhookInfo
from settings.webhook_file import read
from tests.outgoing.receiver import SECRET
from tests.support.cameras import QUICK, OneCamera
from tests.support.ports import free_port
from tests.support.rig import ROOT, Client, Server
from tests.support.waiting import until

PAGE = (ROOT / "docs" / "hooks.md").read_text()


def block(language: str) -> str:
    """The only block of the page in a language."""
    (text,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return str(text)


@pytest.fixture
def receiver_port(tmp_path: Path) -> Iterator[int]:
    """The port of the page's receiver. It writes what it prints to the file `printed`."""
    port = free_port()
    environment = {"PATH": os.environ["PATH"], "WEBHOOK_SECRET": SECRET, "PORT": str(port)}
    with open(tmp_path / "printed", "wb") as printed:
        process = subprocess.Popen(
            [sys.executable, "-c", block("python")], env=environment, stdout=printed, stderr=subprocess.DEVNULL
        )
    yield port
    process.kill()
    process.wait()


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("genuine", [True, False])
async def test_the_receiver_accepts_only_genuine_events(
    receiver_port: int,
    genuine: bool,
    tmp_path: Path,
    new_server: Callable[..., Server],
    own_camera: Callable[..., OneCamera],
) -> None:
    secret = SECRET if genuine else "whsec_" + "A" * 32
    file = tmp_path / "webhooks.toml"
    url = f"http://127.0.0.1:{receiver_port}/"
    file.write_text(f'[[webhook]]\nurl = "{url}"\nevents = ["capture_saved"]\nsecret = "{secret}"\n')
    await until(lambda: is_listening(receiver_port))
    server = new_server(NETWORK_CAMERAS=own_camera(*QUICK).port, WEBHOOKS=str(file))
    async with await Client.connect(server) as client:
        saved = (await client.command("capture_image", save=True))["files"][0]["saved_path"]
    printed = tmp_path / "printed"
    if genuine:
        await until(lambda: printed.read_text() == f"{saved}\n")
    else:
        server.wait_for_log("HTTP 401")
        assert printed.read_text() == ""


def test_the_file_of_the_page_is_valid(tmp_path: Path) -> None:
    file = tmp_path / "webhooks.toml"
    file.write_text(block("toml"))
    assert len(read(str(file))) == 2


def test_the_states_on_the_page_are_those_of_server_info() -> None:
    shown = json.loads(block("json"))
    assert HookInfo.model_validate(shown["hook"]).model_dump() == shown["hook"]
    for webhook in shown["webhooks"]:
        assert WebhookInfo.model_validate(webhook).model_dump(exclude_none=True) == webhook
