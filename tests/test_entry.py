"""The server's command: options, exit codes and signals. No process remains after the server has ended."""

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

from tests.support.cameras import QUICK, one_camera
from tests.support.entry import run
from tests.support.rig import REPLY_S, TOKEN, Client, ExecutedServer, Server
from tests.support.waiting import BUSY_MACHINE, WITHIN_S, until

# The README promises that the server stops within 5 s.
STOP_S = 5.0 * BUSY_MACHINE
# The PTP operation that reads a live-view frame from the simulated camera.
LIVE_VIEW = "0x9153"
HUNG_STOP_S = 20.0 * BUSY_MACHINE  # the promised limit if a camera hangs


@pytest.fixture
def server_class() -> type[Server]:
    return ExecutedServer


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [("WS_PORT", "http", "integer"), ("LOG_LEVEL", "LOUD", "'DEBUG'"), ("NETWORK_CAMERAS", "usb:001,003", "ptpip:"),
     ("WS_TLS_CERT", "/nonexistent/chain.pem", "WS_TLS_KEY")],
)  # fmt: skip
def test_an_invalid_setting_exits_with_2_and_shows_what_is_allowed(
    tmp_path: Path, name: str, value: str, allowed: str
) -> None:
    result = run(tmp_path, **{name: value})
    assert result.returncode == 2
    assert name in result.stderr
    assert allowed in result.stderr
    assert "Traceback" not in result.stderr


def test_an_invalid_setting_in_the_dotenv_file_exits_with_2(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PREVIEW_FPS=1000\n")
    result = run(tmp_path)
    assert result.returncode == 2
    assert "PREVIEW_FPS='1000' is not allowed" in result.stderr


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
def test_an_invalid_option_exits_with_2(tmp_path: Path, options: tuple[str, ...]) -> None:
    result = run(tmp_path, *options)
    assert result.returncode == 2
    assert options[0] in result.stderr


def test_simulated_and_virtual_cameras_cannot_be_combined(tmp_path: Path) -> None:
    result = run(tmp_path, "--simulate", VCAMERADIR=str(tmp_path))
    assert result.returncode == 2
    assert "VCAMERADIR" in result.stderr


@pytest.mark.parametrize("options", [(), ("--simulate",)], ids=["no camera", "simulated"])
def test_a_port_in_use_exits_with_1_and_is_reported(tmp_path: Path, options: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        result = run(tmp_path, *options, WS_PORT=str(port))
    assert result.returncode == 1
    assert (
        f"Cannot listen on 127.0.0.1:{port}: Address already in use. Choose another port with WS_PORT or --port."
        in result.stderr
    )
    assert "Traceback" not in result.stderr


def test_a_host_of_another_machine_exits_with_1_and_is_reported(tmp_path: Path) -> None:
    result = run(tmp_path, WS_HOST="192.0.2.1", API_TOKEN=TOKEN, WS_PLAIN="yes")
    assert result.returncode == 1
    assert "192.0.2.1" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_invalid_certificate_exits_with_1(tmp_path: Path) -> None:
    for name in ("chain.pem", "key.pem"):
        (tmp_path / name).write_text("no certificate")
    result = run(tmp_path, WS_TLS_CERT=str(tmp_path / "chain.pem"), WS_TLS_KEY=str(tmp_path / "key.pem"))
    assert result.returncode == 1
    assert "Cannot serve with TLS: WS_TLS_CERT and WS_TLS_KEY" in result.stderr
    assert "Choose another port" not in result.stderr
    assert "Traceback" not in result.stderr


def test_the_version_is_printed(tmp_path: Path) -> None:
    result = run(tmp_path, "--version")
    assert result.returncode == 0
    assert result.stdout.count(".") == 2


@pytest.mark.parametrize(("host", "shown_host"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "localhost")])
def test_the_address_of_the_console_is_logged(new_server: Callable[..., Server], host: str, shown_host: str) -> None:
    server = new_server(WS_HOST=host, WS_PLAIN="yes")
    address = server.wait_for_log("The console is").split()[-1]
    assert address == f"http://{shown_host}:{server.uri.rpartition(':')[2]}/console"
    with urllib.request.urlopen(address, timeout=WITHIN_S) as page:
        assert b"Camera console" in page.read()


async def test_host_and_port_options_have_priority(new_server: Callable[..., Server]) -> None:
    server = new_server("--host", "127.0.0.2", "--port", "0", WS_HOST="192.0.2.1", WS_PORT="1")
    assert server.uri.startswith("ws://127.0.0.2:")
    async with await Client.connect(server) as client:
        assert (await client.command("ping"))["message"] == "pong"
    assert server.stop() == 0


def test_the_dotenv_file_is_read_but_the_environment_has_priority(
    new_server: Callable[..., Server], tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("LOG_LEVEL=DEBUG\nWS_HOST=192.0.2.1\n")
    server = new_server()
    server.wait_for_log(" DEBUG ")
    assert server.uri.startswith("ws://127.0.0.1:")  # WS_HOST of the environment, not of .env
    assert server.stop() == 0


async def test_without_a_token_a_random_one_is_logged_and_accepted(new_server: Callable[..., Server]) -> None:
    server = new_server(API_TOKEN="")
    token = server.wait_for_log("The token of this run is").rpartition(" ")[2]
    async with await Client.connect(server, token) as client:
        assert (await client.command("ping"))["message"] == "pong"
    assert server.stop() == 0


@pytest.mark.parametrize(("options", "count"), [((), 1), (("3",), 3)], ids=["one", "three"])
async def test_simulate_starts_the_given_number_of_cameras(
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
    assert server.stop(timeout=STOP_S) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
async def test_a_signal_releases_the_cameras_and_exits_with_0(
    new_server: Callable[..., Server], number: signal.Signals
) -> None:
    server = new_server("--simulate", "2")
    client = await Client.connect(server)
    [first, second] = [camera["port"] for camera in (await client.command("list_cameras"))["cameras"]]
    await client.command("start_live_view", port=first)
    await client.event("live_view_frame")
    await client.command("get_config", name="iso", port=second)
    assert server.stop(number, timeout=STOP_S) == 0  # stop() also fails if a child process remains
    with suppress(ConnectionClosed):
        while await client.receive():
            pass
    assert client.socket.close_code == 1001
    server.wait_for_log("gphoto_ws_server: Stopped")
    assert "Traceback" not in server.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
async def test_a_signal_stops_the_server_even_if_a_camera_hangs(
    new_server: Callable[..., Server], number: signal.Signals
) -> None:
    with one_camera(*QUICK) as camera:
        server = new_server(NETWORK_CAMERAS=camera.port)
        async with await Client.connect(server) as client:
            await client.command("select_camera", port=camera.port)
            camera.control.fault("malformed_live_view", variety="zero_length", times=None)  # libgphoto2 loops endlessly
            await client.socket.send('{"command": "capture_preview", "id": 1}')
            await until(lambda: LIVE_VIEW in camera.control.state()["operations"], REPLY_S)
            assert server.stop(number, timeout=HUNG_STOP_S) == 0


async def test_all_child_processes_end_when_the_server_is_killed(new_server: Callable[..., Server]) -> None:
    server = new_server("--simulate")
    async with await Client.connect(server) as client:
        await client.command("get_config", name="iso")
    children = server.children()
    commands = [argument for child in children for argument in child.cmdline()]
    assert "simulator" in commands
    assert "camera.device.worker" in commands
    server.kill()
    _, alive = psutil.wait_procs(children, STOP_S)
    assert alive == []
