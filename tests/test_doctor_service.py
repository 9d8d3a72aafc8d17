"""If the server is installed as a service, the doctor examines the service: its settings, its user and its state.

No systemd runs during the tests. A `systemctl` in PATH prints what the real one prints for such a unit.
"""

from __future__ import annotations

import os
import pwd
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from doctor.unit import variables
from tests.support.cameras import QUICK, Simulator
from tests.support.entry import run_with
from tests.support.ports import free_port
from tests.support.rig import ROOT, TOKEN, Server
from tests.support.tools import find_tool

UNIT = ROOT / "deploy" / "gphoto-ws-server.service"
SECONDS = 50
MAIN_USER = pwd.getpwuid(os.geteuid()).pw_name


class Service:
    """An installed service: its files below a folder, and the answers of systemctl.

    Attributes:
        folder: has the settings file `env`, the token file `api_token`, the state folder and the working directory.
        properties: what `systemctl show` prints.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("bin", "home", "state", "elsewhere"):
            (folder / name).mkdir()
        (folder / "api_token").write_text(TOKEN + "\n")
        (folder / "env").write_text("")
        (folder / "unit").write_text(UNIT.read_text().replace("/etc/gphoto-ws-server", str(folder)))
        self.properties = {
            "LoadState": "loaded", "ActiveState": "active", "User": MAIN_USER, "Group": "", "SupplementaryGroups": "",
            "WorkingDirectory": str(folder / "home"), "Environment": f'"PHOTO_DIR={folder}/state/my photos"',
            "EnvironmentFiles": f"{folder}/env (ignore_errors=yes)", "StateDirectory": "gphoto-ws-test",
        }  # fmt: skip
        systemctl = folder / "bin" / "systemctl"
        shown = shlex.quote(str(folder))
        systemctl.write_text(f"#!/bin/sh\ncase $1 in show) cat {shown}/shown ;; cat) cat {shown}/unit ;; esac\n")
        systemctl.chmod(0o755)

    def diagnose(self, *through: str) -> tuple[int, list[str]]:
        """Run the doctor in a folder with a wrong .env file. Returns the exit code and the lines of the report."""
        (self.folder / "shown").write_text("".join(f"{name}={value}\n" for name, value in self.properties.items()))
        (self.folder / "elsewhere" / ".env").write_text("WS_PORT=none\nPHOTO_DIR=/proc\n")
        folder = self.folder / "elsewhere"
        environment = {
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}", "WS_PORT": "wrong", "HOME": str(self.folder)
        }  # fmt: skip
        if through:
            done = subprocess.run(
                [*through, sys.executable, str(ROOT / "gphoto_ws_server.py"), "--doctor"], cwd=folder, env=environment,
                capture_output=True, text=True, timeout=SECONDS, check=False,
            )  # fmt: skip
        else:
            done = run_with(environment, folder, "--doctor")
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout.splitlines()


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


@pytest.fixture
def running(service: Service) -> Iterator[Server]:
    """The server of the service, with one camera."""
    with Simulator(*QUICK) as simulator:
        port = free_port()
        settings = {"WS_PORT": str(port), "NETWORK_CAMERAS": simulator.cameras[0].address}
        (service.folder / "env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        server = Server(cwd=service.folder / "home", **settings)
        try:
            server.wait_for_log("Camera ready")
            yield server
        finally:
            server.stop()


@pytest.fixture
def as_stranger() -> Callable[[Path], list[str]]:
    """A function that removes all rights to a file, and returns a command prefix for a user who cannot read it."""

    def close(file: Path) -> list[str]:
        file.chmod(0)
        if os.geteuid():
            return []
        [setpriv] = find_tool(("setpriv",), install="sudo apt-get install util-linux")
        return [setpriv, "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]

    return close


def test_a_healthy_service_has_no_problem_and_its_own_settings(service: Service, running: Server) -> None:
    code, report = service.diagnose()
    assert (code, report[-1]) == (0, "No problems found."), report
    assert report[0].startswith(f"ok      settings of the service gphoto-ws-server.service, user {MAIN_USER}: ")
    assert f"PHOTO_DIR='{service.folder}/state/my photos' (Environment= of gphoto-ws-server.service)" in report[0]
    assert f"WS_PORT={running.uri.rpartition(':')[2]} ({service.folder}/env)" in report[0]
    assert TOKEN not in "".join(report)
    # The token of the credential was used, because the server lists its cameras only with it.
    assert [line for line in report if "its camera Canon EOS 550D: ready" in line]


def test_the_dotenv_file_of_the_service_is_read(service: Service) -> None:
    (service.folder / "home" / ".env").write_text("PREVIEW_FPS=7\nPREVEIW_ISO=100\n")
    _, report = service.diagnose()
    assert f"PREVIEW_FPS=7 ({service.folder}/home/.env)" in report[0]
    assert [line for line in report if "Did you mean PREVIEW_ISO" in line]


def test_without_the_right_to_read_the_token_the_service_is_still_healthy(
    service: Service, running: Server, as_stranger: Callable[[Path], list[str]]
) -> None:
    code, report = service.diagnose(*as_stranger(service.folder / "api_token"))
    assert (code, report[-1]) == (0, "No problems found."), report
    assert [line for line in report if line.startswith(f"note    {service.folder}/api_token is not readable")]
    assert "          -> run this with sudo" in report


def test_a_settings_file_that_cannot_be_read_is_named(
    service: Service, as_stranger: Callable[[Path], list[str]]
) -> None:
    _, report = service.diagnose(*as_stranger(service.folder / "env"))
    assert [line for line in report if line.startswith(f"note    {service.folder}/env is not readable by this user")]


def test_a_wrong_setting_of_the_service_is_reported_with_its_file(service: Service) -> None:
    (service.folder / "env").write_text("PREVIEW_FPS=fast\n")
    code, report = service.diagnose()
    assert code == 1
    assert "PREVIEW_FPS='fast' is not allowed" in report[0]
    assert f"correct it in {service.folder}/env" in report[1]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"ActiveState": "failed"}, "PROBLEM the service has failed"),
        ({"ActiveState": "inactive"}, "note    the service is not running"),
        ({"User": "nobody-of-this-name"}, "PROBLEM the user of gphoto-ws-server.service does not exist"),
        ({"EnvironmentFiles": "/nonexistent/env (ignore_errors=no)"}, "PROBLEM /nonexistent/env does not exist"),
    ],
)
def test_a_service_that_does_not_run_is_reported(service: Service, changed: dict[str, str], words: str) -> None:
    service.properties |= changed
    _, report = service.diagnose()
    assert [line for line in report if line.startswith(words)], report


def test_a_missing_token_file_is_reported(service: Service) -> None:
    (service.folder / "api_token").unlink()
    code, report = service.diagnose()
    assert code == 1
    words = f"PROBLEM {service.folder}/api_token does not exist, so the service does not start"
    assert words in report


def test_folders_are_checked_for_the_user_of_the_service(service: Service) -> None:
    if os.geteuid():
        pytest.skip("only root can look at the folders of another user")
    service.properties |= {"User": "nobody", "Environment": f"PHOTO_DIR={service.folder}/state/photos"}
    for folder in (service.folder, *service.folder.parents):
        if folder != Path("/tmp") and Path("/tmp") in folder.parents:
            folder.chmod(0o755)
    code, report = service.diagnose()
    assert code == 1
    assert [line for line in report if "photos is not writable by user nobody" in line]
    nobody = pwd.getpwnam("nobody")
    os.chown(service.folder / "state", nobody.pw_uid, nobody.pw_gid)
    _, report = service.diagnose()
    assert f"ok      photos are saved to {service.folder}/state/photos" in report


def test_folders_that_systemd_creates_are_no_problem(service: Service) -> None:
    service.properties |= {"User": "nobody", "Environment": "PHOTO_DIR=/var/lib/gphoto-ws-test/photos"}
    _, report = service.diagnose()
    assert "ok      photos are saved to /var/lib/gphoto-ws-test/photos, which systemd creates" in report
    assert not [line for line in report if "across a restart" in line]


def test_the_hook_and_the_webhooks_of_the_service_are_checked(
    service: Service, as_stranger: Callable[[Path], list[str]]
) -> None:
    webhooks = service.folder / "webhooks.toml"
    webhooks.write_text('[[webhook]]\nurl = "https://booth.example"\nevents = ["*"]\nsecret = ""\n')
    (service.folder / "env").write_text(f"HOOK_COMMAND=true --all\nWEBHOOKS={webhooks}\n")
    _, report = service.diagnose()
    assert [line for line in report if re.fullmatch(r"ok      the hook /\S*bin/true runs for each saved file", line)]
    assert [line for line in report if line.startswith("PROBLEM WEBHOOKS: [[webhook]] number 1")]
    _, report = service.diagnose(*as_stranger(webhooks))
    assert not [line for line in report if line.startswith("PROBLEM WEBHOOKS")]
    assert [line for line in report if f"{webhooks}" in line and line.startswith(("note", "PROBLEM user"))]


def test_without_the_unit_the_report_names_the_settings_of_the_folder(service: Service) -> None:
    service.properties = {"LoadState": "not-found", "ActiveState": "inactive"}
    code, report = service.diagnose()
    assert code == 1
    assert re.search("correct it in .env or the environment", report[-2])


def test_a_file_of_settings_is_read_as_systemd_reads_it() -> None:
    text = r"""# a comment
; another one
A=1
  B = not an assignment
C="a \"b\" $x" 
D='x y'z
E=one\
two
F=it's a "b"
G=
export H=1
I=a\ b # no comment
J="two
lines"
K=end"""
    assert dict(variables(text)) == {
        "A": "1", "C": 'a "b" $x', "D": "x yz", "E": "onetwo", "F": 'it\'s a "b"', "G": "", "I": "a b # no comment",
        "J": "two\nlines", "K": "end",
    }  # fmt: skip
