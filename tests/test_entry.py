"""The entry: options, exit codes, signals; nothing stays behind."""

from __future__ import annotations

import signal
import socket
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from websockets.exceptions import ConnectionClosed

from simulator.client import Control
from simulator.process import SimulatorProcess
from tests.support.cameras import QUICK
from tests.support.entry import run
from tests.support.rig import REPLY_S, TOKEN, Client, Server
from tests.support.waiting import BUSY_MACHINE, WITHIN_S, until

# What the README promises for the end, in seconds.
END_S = 5.0 * BUSY_MACHINE
# The simulated camera's operation that a frame is asked for with.
LIVE_VIEW = "0x9153"
HUNG_END_S = 20.0 * BUSY_MACHINE  # promised for a server with a camera that hangs


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [("WS_PORT", "http", "integer"), ("LOG_LEVEL", "LOUD", "'DEBUG'"), ("NETWORK_CAMERAS", "usb:001,003", "ptpip:"),
     ("WS_TLS_CERT", "/nonexistent/chain.pem", "WS_TLS_KEY")],
)  # fmt: skip
def test_a_bad_setting_ends_with_2_its_name_and_what_is_allowed(
    tmp_path: Path, name: str, value: str, allowed: str
) -> None:
    ended = run(tmp_path, **{name: value})
    assert ended.returncode == 2
    assert name in ended.stderr
    assert allowed in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_bad_setting_in_the_dotenv_file_ends_with_2(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PREVIEW_FPS=1000\n")
    ended = run(tmp_path)
    assert ended.returncode == 2
    assert "PREVIEW_FPS='1000' is not allowed" in ended.stderr


@pytest.mark.parametrize(
    "options",
    [
        ("--port", "70000"),
        ("--port", "http"),
        ("--simulate", "17"),
        ("--simulate", "0"),
        ("--simulate", "-1"),
        ("--simulate", "x"),
        ("--x",),
    ],
    ids=" ".join,
)
def test_a_bad_option_ends_with_2(tmp_path: Path, options: tuple[str, ...]) -> None:
    ended = run(tmp_path, *options)
    assert ended.returncode == 2
    assert options[0] in ended.stderr


def test_simulated_and_virtual_cameras_exclude_each_other(tmp_path: Path) -> None:
    ended = run(tmp_path, "--simulate", VCAMERADIR=str(tmp_path))
    assert ended.returncode == 2
    assert "VCAMERADIR" in ended.stderr


@pytest.mark.parametrize("options", [(), ("--simulate",)], ids=["no camera", "simulated"])
def test_a_port_that_is_taken_ends_with_1_and_is_named(tmp_path: Path, options: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run(tmp_path, *options, WS_PORT=str(port))
    assert ended.returncode == 1
    assert (
        f"Cannot listen on 127.0.0.1:{port}: Address already in use. Choose another port with WS_PORT or --port."
        in ended.stderr
    )
    assert "Traceback" not in ended.stderr


def test_a_host_that_is_not_ours_ends_with_1_and_is_named(tmp_path: Path) -> None:
    ended = run(tmp_path, WS_HOST="192.0.2.1", API_TOKEN=TOKEN, WS_PLAIN="yes")
    assert ended.returncode == 1
    assert "192.0.2.1" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_certificate_that_is_none_ends_with_1(tmp_path: Path) -> None:
    for name in ("chain.pem", "key.pem"):
        (tmp_path / name).write_text("no certificate")
    ended = run(tmp_path, WS_TLS_CERT=str(tmp_path / "chain.pem"), WS_TLS_KEY=str(tmp_path / "key.pem"))
    assert ended.returncode == 1
    assert "Cannot serve with TLS: WS_TLS_CERT and WS_TLS_KEY" in ended.stderr
    assert "Choose another port" not in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_version_is_told(tmp_path: Path) -> None:
    ended = run(tmp_path, "--version")
    assert ended.returncode == 0
    assert ended.stdout.count(".") == 2


@pytest.mark.parametrize(("host", "told"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "localhost")])
def test_the_address_of_the_console_is_told(new_server: Callable[..., Server], host: str, told: str) -> None:
    server = new_server(WS_HOST=host, WS_PLAIN="yes")
    address = server.wait_for_log("The console is").split()[-1]
    assert address == f"http://{told}:{server.uri.rpartition(':')[2]}/console"
    with urllib.request.urlopen(address, timeout=WITHIN_S) as page:
        assert b"Camera console" in page.read()


async def test_host_and_port_of_the_command_line_win(new_server: Callable[..., Server]) -> None:
    server = new_server("--host", "127.0.0.2", "--port", "0", WS_HOST="192.0.2.1", WS_PORT="1")
    assert server.uri.startswith("ws://127.0.0.2:")
    async with await Client.connect(server) as client:
        assert (await client.command("ping"))["message"] == "pong"
    assert server.stop() == 0


def test_the_dotenv_file_is_read_at_the_start(new_server: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LOG_LEVEL=DEBUG\nWS_HOST=192.0.2.1\n")
    server = new_server()
    server.wait_for_log(" DEBUG ")
    assert server.uri.startswith("ws://127.0.0.1:")  # the environment's
    assert server.stop() == 0


async def test_a_token_that_is_not_set_is_made_and_told_and_opens(new_server: Callable[..., Server]) -> None:
    server = new_server(API_TOKEN="")
    token = server.wait_for_log("The token of this run is").rpartition(" ")[2]
    async with await Client.connect(server, token) as client:
        assert (await client.command("ping"))["message"] == "pong"
    assert server.stop() == 0


@pytest.mark.parametrize(("options", "count"), [((), 1), (("3",), 3)], ids=["one", "three"])
async def test_simulate_starts_that_many_cameras(
    new_server: Callable[..., Server], options: tuple[str, ...], count: int
) -> None:
    server = new_server("--simulate", *options)
    async with await Client.connect(server) as client:
        cameras = (await client.command("list_cameras"))["cameras"]
        assert [camera["index"] for camera in cameras] == list(range(count))
        for camera in cameras:
            assert (await client.command("get_config", name="iso", port=camera["port"]))["value"] == "100"
        cameras = (await client.command("list_cameras"))["cameras"]
        assert len({camera["serial"] for camera in cameras}) == count
    assert server.stop(timeout=END_S) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
async def test_a_signal_releases_the_cameras_and_ends_with_0(
    new_server: Callable[..., Server], number: signal.Signals
) -> None:
    server = new_server("--simulate", "2")
    client = await Client.connect(server)
    [one, other] = [camera["port"] for camera in (await client.command("list_cameras"))["cameras"]]
    await client.command("start_live_view", port=one)
    await client.event("live_view_frame")
    await client.command("get_config", name="iso", port=other)
    assert server.stop(number, timeout=END_S) == 0  # and leaves no process
    with suppress(ConnectionClosed):
        while await client.receive():
            pass
    assert client.socket.close_code == 1001
    server.wait_for_log("gphoto_ws_server: Stopped")
    assert "Traceback" not in server.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
async def test_a_signal_ends_it_also_with_a_camera_that_hangs(
    new_server: Callable[..., Server], number: signal.Signals
) -> None:
    with SimulatorProcess("--cameras", "1", *QUICK) as simulator, Control(simulator.control) as control:
        server = new_server(NETWORK_CAMERAS=simulator.cameras[0].address)
        async with await Client.connect(server) as client:
            await client.command("select_camera", port=simulator.cameras[0].address)
            control.fault("malformed_live_view", variety="zero_length", times=None)  # libgphoto2 loops for ever
            await client.socket.send('{"command": "capture_preview", "id": 1}')
            await until(lambda: LIVE_VIEW in control.state()["operations"], REPLY_S)
            assert server.stop(number, timeout=HUNG_END_S) == 0


async def test_its_processes_end_with_it_even_when_it_is_killed(new_server: Callable[..., Server]) -> None:
    server = new_server("--simulate")
    async with await Client.connect(server) as client:
        await client.command("get_config", name="iso")
    children = server.children()
    commands = [argument for child in children for argument in child.cmdline()]
    assert "simulator" in commands
    assert "camera.device.worker" in commands
    server.kill()
    _, alive = psutil.wait_procs(children, END_S)
    assert alive == []
