"""`python gphoto_ws_server.py --doctor` reports every problem together with its fix, and changes nothing."""

from __future__ import annotations

import asyncio
import grp
import os
import re
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from camera import ports
from doctor import cameras, machine, rules
from doctor.account import READ, WRITE, Account, current
from doctor.lines import lines
from gphoto_ws_server import VERSION
from simulator.client import Control
from simulator.process import SimulatorProcess
from tests.support.cameras import QUICK, Simulator
from tests.support.entry import run_with
from tests.support.rig import ROOT, TOKEN, Client, Server

GROUP_WITHOUT_NAME = 54321
WEBHOOK = f'[[webhook]]\nurl = "https://booth.example/secret-path"\nevents = ["capture_saved"]\nsecret = "{"A" * 40}"\n'


@pytest.fixture(scope="module")
def camera_process() -> Iterator[SimulatorProcess]:
    """One simulated camera."""
    with Simulator(*QUICK) as simulator:
        yield simulator


def run_doctor(folder: Path, *options: str, **settings: str) -> tuple[int, str]:
    """Run the doctor. Returns the exit code and the report."""
    path = f"{ROOT}/tests/support/no_service:{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(folder), "WS_PORT": "0", "API_TOKEN": TOKEN}
    done = run_with(environment, folder, "--doctor", *options, **settings)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout


def test_with_a_working_camera_no_problem_is_reported_and_nothing_is_changed(
    tmp_path: Path, camera_process: SimulatorProcess
) -> None:
    code, report = run_doctor(tmp_path, NETWORK_CAMERAS=camera_process.cameras[0].address)
    assert (code, report.splitlines()[-1]) == (0, "No problems found.")
    assert "Canon EOS 550D" in report
    assert f"photos are saved to {tmp_path}/photos" in report
    assert list(tmp_path.iterdir()) == []


def test_a_missing_camera_is_reported(tmp_path: Path) -> None:
    code, report = run_doctor(tmp_path)
    assert code == 1
    assert "PROBLEM no camera was found" in report
    assert "make demo" in report


def test_an_empty_battery_and_a_camera_that_is_off_are_reported(
    tmp_path: Path, camera_process: SimulatorProcess
) -> None:
    address = camera_process.cameras[0].address
    with Control(camera_process.control) as control:
        control.battery(0)
        code, report = run_doctor(tmp_path, NETWORK_CAMERAS=address)
        assert code == 0
        assert "battery" in report
        control.battery(100)
        control.power(False)
        code, report = run_doctor(tmp_path, NETWORK_CAMERAS=address)
        assert code == 1
        assert f"PROBLEM PTP/IP Camera on {address}" in report
        control.power(True)


def test_the_cameras_of_a_running_server_are_listed_but_not_opened(
    tmp_path: Path, camera_process: SimulatorProcess
) -> None:
    server = Server("--simulate", cwd=tmp_path)
    try:
        port = server.uri.rpartition(":")[2]
        server.wait_for_log("Camera ready")  # from then on, its model is known
        code, report = run_doctor(
            tmp_path, WS_HOST="127.0.0.1", WS_PORT=port, NETWORK_CAMERAS=camera_process.cameras[0].address
        )
    finally:
        server.stop()
    assert (code, report.splitlines()[-1]) == (0, "No problems found.")
    assert re.search(rf"^ok      port {port}: gphoto-ws-server {VERSION} is running, for \d+ s$", report, re.MULTILINE)
    assert re.search(r"^ok      its camera Canon EOS 550D: (being opened|ready)$", report, re.MULTILINE)
    assert re.search(r"^note    .*stop the server to check them", report, re.MULTILINE)
    assert camera_process.cameras[0].address not in "".join(report.splitlines()[1:])  # the first line has the settings
    assert "{" not in report


def test_a_running_server_is_found_at_the_host_and_port_of_the_options(tmp_path: Path) -> None:
    server = Server(cwd=tmp_path)
    try:
        options = ("--host", "127.0.0.1", "--port", server.uri.rpartition(":")[2])
        code, report = run_doctor(tmp_path, *options, WS_PORT="1")
    finally:
        server.stop()
    assert "gphoto-ws-server" in report
    assert code == 1
    assert "PROBLEM the running server finds no camera" in report


async def test_a_camera_that_a_running_server_cannot_open_is_reported(
    tmp_path: Path, camera_process: SimulatorProcess
) -> None:
    server = Server(
        cwd=tmp_path, NETWORK_CAMERAS=camera_process.cameras[0].address, MAX_RESTART_ATTEMPTS="1", RESTART_DELAY="0"
    )
    try:
        with Control(camera_process.control) as control:
            async with await Client.connect(server) as client:
                await client.command("get_camera_info")
                await client.command("subscribe", events=["camera_state"])
                control.power(False)
                await client.event(lambda event: event.get("state") == "needs_attention")
            address = {"WS_HOST": "127.0.0.1", "WS_PORT": server.uri.rpartition(":")[2]}
            code, report = await asyncio.to_thread(run_doctor, tmp_path, **address)
            control.power(True)
    finally:
        server.stop()
    assert (code, report.splitlines()[-1]) == (1, "1 problem found.")
    assert re.search(
        r"^PROBLEM its camera Canon EOS 550D: cannot be opened, \d+ tries so far \(camera_\w+\)$", report, re.MULTILINE
    )
    assert "-> switch it on and plug it in" in report


def test_a_running_server_with_another_token_is_reported_without_its_cameras(
    tmp_path: Path, camera_process: SimulatorProcess
) -> None:
    server = Server(cwd=tmp_path, API_TOKEN="of-that-server-alone")
    try:
        address = {"WS_HOST": "127.0.0.1", "WS_PORT": server.uri.rpartition(":")[2]}
        code, report = run_doctor(tmp_path, **address)
    finally:
        server.stop()
    assert (code, report.splitlines()[-1]) == (1, "1 problem found.")
    assert "a gphoto-ws-server is running; its cameras are missing, or cannot be opened" in report
    assert "-> run this again with the server's API_TOKEN" in report


class _OtherProgram(BaseHTTPRequestHandler):
    """Another program, whose reply also has the key `cameras`, but with a different meaning."""

    def do_GET(self) -> None:
        body = b'{"cameras": "2"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing to stderr."""


def test_a_port_used_by_another_program_is_reported(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        _, report = run_doctor(tmp_path, WS_HOST="127.0.0.1", WS_PORT=str(silent.getsockname()[1]))
    assert "PROBLEM port" in report
    assert "is in use" in report
    with HTTPServer(("127.0.0.1", 0), _OtherProgram) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        _, report = run_doctor(tmp_path, WS_HOST="127.0.0.1", WS_PORT=str(other.server_port))
        other.shutdown()
    assert f"PROBLEM port {other.server_port} is in use" in report


@pytest.mark.parametrize(
    ("settings", "expected_text"),
    [
        ({"WS_HOST": "0.0.0.0", "API_TOKEN": ""}, "set API_TOKEN"),
        ({"WS_HOST": "0.0.0.0"}, "without TLS"),
        ({"WS_HOST": "0.0.0.0"}, "-> the server's option --make-cert"),
        ({"WS_HOST": "0.0.0.0", "API_TOKEN": "15-characters-x"}, "shorter than 16"),
        ({"PREVIEW_FPS": "fast"}, "PREVIEW_FPS='fast' is not allowed"),
        ({"WS_HOST": "203.0.113.9"}, "cannot listen on 203.0.113.9"),
        ({"PHOTO_DIR": "/proc/photos"}, "/proc"),
    ],
)
def test_invalid_settings_are_reported(tmp_path: Path, settings: dict[str, str], expected_text: str) -> None:
    assert expected_text in run_doctor(tmp_path, **settings)[1]


def test_a_hook_and_webhooks_that_can_work_are_listed(tmp_path: Path) -> None:
    file = tmp_path / "webhooks.toml"
    file.write_text(WEBHOOK)
    file.chmod(0o600)
    _, report = run_doctor(tmp_path, HOOK_COMMAND="true --all", WEBHOOKS="webhooks.toml")
    assert re.search(r"^ok      the hook /\S+/true runs for each saved file$", report, re.MULTILINE)
    assert "ok      events are sent to https://booth.example\n" in report
    assert "secret-path" not in report


@pytest.mark.parametrize(
    ("settings", "content", "words", "fix"),
    [
        ({"HOOK_COMMAND": "no-such-hook"}, "", "the hook no-such-hook is not in the folders of PATH", "whole path"),
        ({"HOOK_COMMAND": "/nonexistent/hook"}, "", "the hook /nonexistent/hook is not a file", "whole path"),
        ({"HOOK_COMMAND": "/etc/passwd"}, "", "may not run the hook /etc/passwd", "sudo chmod a+rx /etc/passwd"),
        ({"WEBHOOKS": "none.toml"}, "", "none.toml, does not exist", "docs/hooks.md"),
        ({"WEBHOOKS": "webhooks.toml"}, WEBHOOK.replace("https", "ftp"), "url must be an address", "docs/hooks.md"),
    ],
)
def test_a_hook_and_webhooks_that_cannot_work_are_reported(
    tmp_path: Path, settings: dict[str, str], content: str, words: str, fix: str
) -> None:
    (tmp_path / "webhooks.toml").write_text(content)
    _, report = run_doctor(tmp_path, **settings)
    found = re.search(rf"^PROBLEM .*{re.escape(words)}.*\n +-> .*{re.escape(fix)}", report, re.MULTILINE)
    assert found, report


def test_a_file_of_webhooks_that_everybody_can_read_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "webhooks.toml"
    file.write_text(WEBHOOK)
    file.chmod(0o644)
    _, report = run_doctor(tmp_path, WEBHOOKS=str(file))
    assert re.search(r"^note    Every user of this machine can read the secrets", report, re.MULTILINE)


async def test_a_hook_and_a_webhook_that_fail_in_a_running_server_are_reported(
    tmp_path: Path, camera_process: SimulatorProcess
) -> None:
    file = tmp_path / "webhooks.toml"
    file.write_text(WEBHOOK.replace("https://booth.example", "http://127.0.0.1:9"))  # the port "discard" is not in use
    address = camera_process.cameras[0].address
    server = Server(cwd=tmp_path, NETWORK_CAMERAS=address, HOOK_COMMAND="false", WEBHOOKS=str(file))
    try:
        async with await Client.connect(server) as client:
            await client.command("capture_image", save=True)
        server.wait_for_log("The hook for .* has failed: exit code 1")
        server.wait_for_log("The next attempt is in")
        options = ("--host", "127.0.0.1", "--port", server.uri.rpartition(":")[2])
        code, report = await asyncio.to_thread(run_doctor, tmp_path, *options, WS_PORT="1")
    finally:
        server.stop()
    assert code == 1
    assert "PROBLEM the last run of the hook has failed: exit code 1" in report
    assert re.search(
        r"^PROBLEM the webhook http://127.0.0.1:9 fails \(.*refused\); 1 events wait$", report, re.MULTILINE
    )


def test_the_desktops_volume_monitor_is_reported_with_its_process_id() -> None:
    with subprocess.Popen(
        ["gvfs-gphoto2-volume-monitor", "-c", "echo runs; read end"], executable="/bin/sh",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as monitor:  # fmt: skip
        try:
            assert monitor.stdout is not None
            monitor.stdout.readline()  # /proc may show the name of the program only after its first line of output
            findings = [str(finding) for finding in machine.volume_monitors()]
        finally:
            monitor.kill()
    (line,) = (line for line in findings if f"process {monitor.pid}" in line)
    assert "gvfs-gphoto2-volume-monitor" in line
    assert "systemctl --user mask" in line


@pytest.fixture
def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A USB bus as in sysfs, with one camera that has autosuspend enabled."""
    device = tmp_path / "devices" / "1-4"
    (device / "power").mkdir(parents=True)
    interface = tmp_path / "devices" / "1-4:1.0"
    interface.mkdir()
    for name, text in {"busnum": "1", "devnum": "4", "product": "Alpha", "power/control": "auto"}.items():
        (device / name).write_text(text + "\n")
    (interface / "bInterfaceClass").write_text("06\n")
    monkeypatch.setattr(ports, "DEVICES", tmp_path / "devices")
    return device


@pytest.fixture
def node(bus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The device file of the camera on the bus, for its owner only."""
    monkeypatch.setattr(ports, "_NODES", tmp_path / "nodes")
    node = tmp_path / "nodes" / "001" / "004"
    node.parent.mkdir(parents=True)
    node.touch()
    node.chmod(0o600)
    return node


def test_a_camera_that_the_user_of_the_server_may_not_use_is_reported(node: Path, rules_folder: Path) -> None:
    (finding,) = cameras.permissions(user_of_groups())
    assert (finding.level, finding.fix) == ("problem", cameras.permission(node, user_of_groups()))
    assert finding.words == f"user visitor may not use Alpha on usb:001,004 ({node})"
    node.chmod(0o606)
    (finding,) = cameras.permissions(user_of_groups())
    assert (finding.level, finding.words) == ("ok", "user visitor may use Alpha on usb:001,004")


def test_the_user_who_runs_the_doctor_may_use_an_own_file(node: Path) -> None:
    (finding,) = cameras.permissions(current())
    assert (finding.level, finding.words) == ("ok", f"user {current().name} may use Alpha on usb:001,004")
    node.unlink()
    assert cameras.permissions(current()) == []


@pytest.mark.parametrize(
    ("mode", "groups", "may"),
    [
        (0o660, (), False),
        (0o660, (os.getegid(),), True),
        (0o640, (os.getegid(),), False),
        (0o664, (), False),
        (0o666, (), True),
        (0o606, (os.getegid(),), False),  # for members of the group, its rights decide, not those of others
    ],
)
def test_the_mode_of_a_file_decides(tmp_path: Path, mode: int, groups: tuple[int, ...], may: bool) -> None:
    file = tmp_path / "file"
    file.touch()
    os.chown(file, -1, os.getegid())
    file.chmod(mode)
    assert user_of_groups(*groups).may(file, READ | WRITE) is may


@pytest.mark.parametrize(
    ("entries", "groups", "may"),
    [
        (((1, 6, -1), (2, 6, 12345), (4, 0, -1), (16, 6, -1), (32, 0, -1)), (), True),
        (((1, 6, -1), (2, 6, 12345), (4, 0, -1), (16, 4, -1), (32, 0, -1)), (), False),  # the mask allows only reading
        (((1, 6, -1), (2, 6, 54321), (4, 0, -1), (16, 6, -1), (32, 0, -1)), (), False),  # another user
        (((1, 6, -1), (2, 6, 54321), (4, 0, -1), (16, 6, -1), (32, 0, -1)), (os.getegid(),), False),
        (((1, 6, -1), (4, 0, -1), (8, 6, 777), (16, 6, -1), (32, 0, -1)), (777,), True),
    ],
)
def test_the_access_list_of_a_file_decides(
    tmp_path: Path, entries: tuple[tuple[int, int, int], ...], groups: tuple[int, ...], may: bool
) -> None:
    """With such a list, udev lets the logged-in user use cameras. The group bits of the mode show only its mask."""
    file = tmp_path / "file"
    file.touch()
    os.chown(file, -1, os.getegid())
    packed = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    try:
        os.setxattr(file, "system.posix_acl_access", packed)
    except OSError as error:
        pytest.skip(f"this file system has no access control lists: {error.strerror}")
    assert user_of_groups(*groups).may(file, READ | WRITE) is may


def test_a_camera_on_the_bus_that_libgphoto2_does_not_find_is_reported(bus: Path) -> None:
    (finding,) = machine.bus(0)
    assert "Alpha" in finding.words
    assert "PTP" in finding.fix
    assert machine.bus(1) == []


def test_a_camera_with_autosuspend_is_reported_with_its_control_file(bus: Path) -> None:
    assert ports.suspends("usb:001,004") == bus / "power/control"
    assert ports.suspends("usb:001,005") is None
    (finding,) = cameras.sleep("usb:001,004")
    assert str(bus / "power/control") in finding.fix


def user_of_groups(*groups: int) -> Account:
    return Account("visitor", 12345, 12345, frozenset(groups), is_current=False)


@pytest.fixture
def rules_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder where udev reads rules. It is empty."""
    monkeypatch.setattr(rules, "FOLDERS", (tmp_path / "rules.d",))
    (tmp_path / "rules.d").mkdir()
    return tmp_path / "rules.d"


def test_without_the_rules_the_fix_installs_them_and_names_no_other_group(tmp_path: Path, rules_folder: Path) -> None:
    node = tmp_path / "004"
    node.touch()
    for group in {0, *(group.gr_gid for group in grp.getgrall() if group.gr_name == "plugdev")}:
        if os.geteuid() == 0:  # only root gives a file to another group
            os.chown(node, -1, group)
        fix = cameras.permission(node, user_of_groups())
        assert str(ROOT / "deploy" / "70-gphoto-ws-server.rules") in fix
        assert re.findall(r"usermod -aG (\S+) (\S+),", fix) == [("gphoto-ws", "visitor")]
        assert "plugdev" not in fix


def test_the_commands_that_install_the_rules_are_those_of_the_readme() -> None:
    readme = (ROOT / "deploy" / "README.md").read_text()
    commands = [command for line in readme.splitlines() for command in line.split(" && ")]
    assert [one for one in rules.INSTALL.replace(f"{ROOT}/", "").split(" && ") if one not in commands] == []


def test_installed_rules_that_were_not_applied_are_applied(tmp_path: Path, rules_folder: Path) -> None:
    shutil.copy(ROOT / "deploy" / "70-gphoto-ws-server.rules", rules_folder)
    fix = cameras.permission(Path("/dev/null"), user_of_groups())  # of the group root
    assert fix.startswith("sudo udevadm control --reload")
    assert "deploy/" not in fix


def test_rules_that_are_disabled_are_not_installed(rules_folder: Path) -> None:
    assert not rules.are_installed()
    (rules_folder / "70-gphoto-ws-server.rules").symlink_to("/dev/null")
    assert not rules.are_installed()


def test_in_a_container_the_fix_names_the_number_of_the_group(tmp_path: Path) -> None:
    node = tmp_path / "004"
    node.touch()
    if os.geteuid():
        pytest.skip("only root gives a file to another group")
    os.chown(node, -1, GROUP_WITHOUT_NAME)
    assert cameras.permission(node, user_of_groups()) == f"set USB_GROUP={GROUP_WITHOUT_NAME} (see compose.yaml)"


def test_the_chips_of_wires_are_checked(tmp_path: Path) -> None:
    (tmp_path / "gpiochip1").write_text("")
    entries = ("1:gpiochip0/17", "2:gpiochip0/18/19", "3:gpiochip1/4")
    missing, other = lines(entries, current(), tmp_path)
    assert (missing.level, "gpiochip0" in missing.words, "gpiodetect" in missing.fix) == ("problem", True, True)
    assert (other.level, "is not a device" in other.words) == ("problem", True)
    (tmp_path / "gpiochip0").symlink_to("/dev/null")
    assert lines(entries[:1], current(), tmp_path)[0].level == "ok"
    if not Path("/dev/kmsg").exists():
        pytest.skip("there is no device that only root may write")
    nobody = Account("nobody", 65534, 65534, frozenset(), is_current=False)
    (tmp_path / "gpiochip0").unlink()
    (tmp_path / "gpiochip0").symlink_to("/dev/kmsg")
    (forbidden,) = lines(entries[:1], nobody, tmp_path)
    assert (forbidden.level, "may not use" in forbidden.words) == ("problem", True)


def test_a_missing_chip_is_in_the_report(tmp_path: Path) -> None:
    code, report = run_doctor(tmp_path, SHUTTER_LINES="1:gpiochip77/4")
    assert (code, "/dev/gpiochip77 of SHUTTER_LINES cannot be used: No such file" in report) == (1, True)
