"""A running server with HOOK_COMMAND and WEBHOOKS: settings, states, restarts, and what a kill loses."""

from __future__ import annotations

import http.client
import json
import signal
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from tests.outgoing.receiver import SECRET, Receiver
from tests.support.cameras import QUICK, OneCamera
from tests.support.ports import free_port
from tests.support.rig import TOKEN, Client, Json, Server
from tests.support.waiting import until, until_answers

NewServer = Callable[..., Server]


@pytest.fixture
def port(own_camera: Callable[..., OneCamera]) -> str:
    """The port of a camera."""
    return own_camera(*QUICK).port


def webhook_file(folder: Path, *urls: str, events: str = '"capture_saved"') -> str:
    path = folder / "webhooks.toml"
    path.write_text("".join(f'[[webhook]]\nurl = "{url}"\nevents = [{events}]\nsecret = "{SECRET}"\n' for url in urls))
    path.chmod(0o600)
    return str(path)


def health(server: Server, token: str | None = TOKEN) -> Json:
    parts = urlsplit(server.uri)
    assert parts.hostname
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    connection.request("GET", "/health", headers={"Authorization": f"Bearer {token}"} if token else {})
    value = json.loads(connection.getresponse().read())
    connection.close()
    assert isinstance(value, dict)
    return value


async def test_a_saved_picture_runs_the_hook_and_calls_the_webhook(
    new_server: NewServer, port: str, tmp_path: Path
) -> None:
    report = tmp_path / "report"
    hook = tmp_path / "hook.sh"
    hook.write_text(
        f'#!/bin/sh\nenv > "{report}.part"; echo "path=$1" >> "{report}.part"; mv "{report}.part" "{report}"\n'
    )
    hook.chmod(hook.stat().st_mode | stat.S_IXUSR)
    with Receiver() as receiver:
        webhooks = webhook_file(tmp_path, receiver.url)
        server = new_server(NETWORK_CAMERAS=port, HOOK_COMMAND=f"'{hook}'", WEBHOOKS=webhooks)
        async with await Client.connect(server) as client:
            await client.command("set_job_info", job="Smith")
            reply = await client.command("capture_image", save=True)
            serial = (await client.command("get_camera_info"))["serial"]
            await receiver.got(1)
            await until(report.exists)

            async def both_counted() -> bool:
                info = await client.command("server_info")
                return (info["hook"]["succeeded"], info["webhooks"][0]["delivered"]) == (1, 1)

            await until_answers(both_counted)
            info = await client.command("server_info")
    saved = reply["files"][0]["saved_path"]
    (request,) = receiver.requests
    request.verify()
    event = request.event
    assert event["type"] == "capture_saved"
    assert event["data"].items() >= {"saved_path": saved, "shot": reply["shot"], "job": "Smith", "port": port}.items()
    variables = dict(line.split("=", 1) for line in report.read_text().splitlines())
    assert variables["path"] == saved
    assert TOKEN not in report.read_text()
    assert variables.items() >= {
        "GPHOTO_WS_SAVED_PATH": saved, "GPHOTO_WS_SHOT": str(reply["shot"]), "GPHOTO_WS_JOB": "Smith",
        "GPHOTO_WS_PORT": port, "GPHOTO_WS_SERIAL": serial,
    }.items()  # fmt: skip
    assert variables.keys() - {"path", "PWD", "SHLVL", "_", "OLDPWD"} <= {
        "PATH", "HOME", "LANG", *(name for name in variables if name.startswith("GPHOTO_WS_"))
    }  # fmt: skip
    assert info["hook"] == {"waiting": 0, "succeeded": 1, "failed": 0, "dropped": 0}
    assert info["webhooks"] == [
        {
            "origin": f"http://127.0.0.1:{receiver.port}",
            "state": "ok",
            "waiting": 0,
            "delivered": 1,
            "failed": 0,
            "given_up": 0,
        }
    ]
    shown = health(server)
    assert (shown["hook"]["succeeded"], shown["webhooks"][0]["state"]) == (1, "ok")
    assert health(server, None).keys() == {"status"}
    assert SECRET not in server.log


async def test_without_the_settings_there_is_nothing(new_server: NewServer) -> None:
    server = new_server()
    async with await Client.connect(server) as client:
        info = await client.command("server_info")
    assert not info.keys() & {"hook", "webhooks"}
    assert not health(server).keys() & {"hook", "webhooks"}


async def test_a_hook_that_hangs_delays_neither_shots_nor_the_end(new_server: NewServer, port: str) -> None:
    server = new_server(NETWORK_CAMERAS=port, HOOK_COMMAND="sh -c 'exec sleep 1000'")
    async with await Client.connect(server) as client:
        for _ in range(3):
            assert (await client.command("capture_image", save=True))["status"] == "ok"
        assert (await client.command("server_info"))["hook"]["waiting"] == 3
    hooks = [process for process in server.children() if process.name() == "sleep"]
    assert len(hooks) == 1
    assert server.stop() == 0
    psutil.wait_procs(hooks, 10)
    assert not hooks[0].is_running()
    assert "the hook was not run for 2 files" in server.log


async def test_a_kill_loses_no_event_that_reached_the_disk(new_server: NewServer, port: str, tmp_path: Path) -> None:
    address = free_port()
    settings = {
        "NETWORK_CAMERAS": port,
        "WEBHOOKS": webhook_file(tmp_path, f"http://127.0.0.1:{address}/hook"),
    }
    saved = []
    for _ in range(2):
        server = new_server(**settings)
        async with await Client.connect(server) as client:
            reply = await client.command("capture_image", save=True)
            saved.append(reply["files"][0]["saved_path"])
        await until(lambda: len(_on_disk(tmp_path)) == len(saved))
        server.kill()
    with Receiver(address) as receiver:
        new_server(**settings)
        await receiver.got(2)
    assert [request.event["data"]["saved_path"] for request in receiver.requests] == saved
    assert len({request.id for request in receiver.requests}) == 2


def _on_disk(folder: Path) -> list[object]:
    with sqlite3.connect(folder / "state" / "store.db") as db:
        found = db.execute("SELECT seq FROM events WHERE name = 'capture_saved'").fetchall()
    db.close()
    return found


async def test_sighup_reads_the_webhooks_again(
    new_server: NewServer, tmp_path: Path, own_camera: Callable[..., OneCamera]
) -> None:
    camera = own_camera(*QUICK)
    with Receiver() as first, Receiver() as second:
        path = webhook_file(tmp_path, first.url, events='"file_added"')
        server = new_server(NETWORK_CAMERAS=camera.port, WEBHOOKS=path)
        async with await Client.connect(server) as client:
            await client.command("select_camera", port=camera.port)
            camera.control.shutter()
            await first.got(1)
            webhook_file(tmp_path, second.url, events='"file_added"')
            server.process.send_signal(signal.SIGHUP)
            server.wait_for_log("SIGHUP: 1 webhooks reloaded")
            camera.control.shutter()
            await second.got(1)
            Path(path).write_text("[[webhook]]\n")
            server.process.send_signal(signal.SIGHUP)
            server.wait_for_log("the previous ones stay in use: .* url is missing")
            camera.control.shutter()
            await second.got(2)
        assert len(first.requests) == 1


async def test_nothing_is_sent_to_an_address_that_a_receiver_names(
    new_server: NewServer, port: str, tmp_path: Path
) -> None:
    with Receiver() as elsewhere, Receiver() as receiver:
        receiver.statuses, receiver.more_headers = [307], {"Location": elsewhere.url}
        server = new_server(NETWORK_CAMERAS=port, WEBHOOKS=webhook_file(tmp_path, receiver.url))
        async with await Client.connect(server) as client:
            await client.command("capture_image", save=True)
            line = server.wait_for_log("Webhook 1 .*redirects are not followed")
        assert "The next attempt is in 1" in line
        assert "from=booth" not in server.log
        assert elsewhere.requests == []
