"""What systemd and udev say about the files in deploy/, and whether those files speak of settings that exist."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from settings.environment import Settings
from tests.support.rig import ROOT
from tests.support.tools import broken, find_tool
from tests.support.waiting import WITHIN_S

DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "gphoto-ws-server.service"
RULES = DEPLOY / "70-gphoto-ws-server.rules"
USERS = DEPLOY / "gphoto-ws-server.sysusers"
# Overall exposure in tenths, 0 to 100: 2.0.
MOST_EXPOSED = 20


def tool(*command: str | Path, needs: str = "--help") -> subprocess.CompletedProcess[str]:
    """Run a tool of systemd's that ends by itself; skips where it is missing or too old for the option."""
    if shutil.which(str(command[0])) is None:
        pytest.skip(f"{command[0]} is not installed (Debian's packages systemd and udev)")
    known = subprocess.run([command[0], "--help"], capture_output=True, text=True, timeout=WITHIN_S, check=False)
    if needs not in known.stdout:
        pytest.skip(f"{command[0]} is too old for {needs}")
    return subprocess.run(
        [str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=50,
        check=False,
    )  # fmt: skip


def settings_of(unit: str, name: str) -> list[str]:
    """Every value that a unit file gives to a name."""
    return re.findall(rf"^{name}=(.*)$", unit, re.MULTILINE)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit as it would be with the project here and not in /opt."""
    unit = tmp_path / UNIT.name
    text = UNIT.read_text().replace("/opt/gphoto-ws-server/.venv/bin/python", sys.executable)
    unit.write_text(text.replace("/opt/gphoto-ws-server", str(ROOT)))
    return unit


def test_systemd_finds_no_mistake_in_the_unit(installed: Path) -> None:
    ended = tool("systemd-analyze", "verify", "--man=no", installed, needs="verify")
    assert (ended.returncode, [line for line in ended.stderr.splitlines() if installed.name in line]) == (0, [])


def test_the_unit_starts_the_server(installed: Path) -> None:
    [command] = settings_of(installed.read_text(), "ExecStart")
    ended = subprocess.run(
        [*command.split(), "--version"], cwd=settings_of(installed.read_text(), "WorkingDirectory")[0],
        capture_output=True, text=True, timeout=WITHIN_S, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout


def test_the_unit_reloads_on_a_minimal_debian() -> None:
    """With what is always there: /bin/sh, no PATH, and the variable that systemd sets."""
    (command,) = settings_of(UNIT.read_text(), "ExecReload")
    program, *arguments = shlex.split(command)
    assert program == "/bin/sh"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as server:
        subprocess.run([program, *arguments], env={"MAINPID": str(server.pid)}, check=True)
        assert server.wait(WITHIN_S) == -signal.SIGHUP


def test_systemd_would_find_one(installed: Path) -> None:
    text = installed.read_text()
    installed.write_text(text.replace("WatchdogSec=30s", "WatchdogSec=often"))
    line = text.splitlines().index("WatchdogSec=30s") + 1
    ended = tool("systemd-analyze", "verify", "--man=no", installed, needs="verify")
    assert f"{installed.name}:{line}: Failed to parse" in ended.stderr


def test_the_unit_is_exposed_by_2_of_10_at_most() -> None:
    ended = tool(
        "systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager", UNIT,
        needs="--offline",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout


def test_udev_finds_no_mistake_in_the_rules(request: pytest.FixtureRequest) -> None:
    [udevadm] = find_tool(("udevadm",), install="sudo apt-get install udev")
    if not broken(udevadm, "verify", "--help"):
        ended = tool("udevadm", "verify", "--resolve-names=never", RULES)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return
    # It came after Debian 12. `udevadm test` reads all rules too, but only where udev looks for them.
    folder = "/etc/udev/rules.d"
    ended = request.getfixturevalue("run_layered")(
        f"mkdir -p {folder}; useradd gphoto-ws; cp {RULES} {folder}; echo 'NONSENSE==\"1\"' >{folder}/71-mistake.rules\n"
        "udevadm test /sys/devices/virtual/mem/null 2>&1",
        WITHIN_S,
    )
    complaints = re.findall(rf"^{folder}/([\w.-]+):\d+ ", ended.stdout, re.MULTILINE)
    assert complaints == ["71-mistake.rules"], ended.stdout


def test_the_user_is_made(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    ended = tool("systemd-sysusers", f"--root={tmp_path}", USERS, needs="--root")
    assert ended.returncode == 0, ended.stderr
    [user] = (tmp_path / "etc/passwd").read_text().splitlines()
    [group] = (tmp_path / "etc/group").read_text().splitlines()
    unit = UNIT.read_text()
    assert settings_of(unit, "User") == [user.partition(":")[0]]
    assert settings_of(unit, "Group") == [group.partition(":")[0]]
    assert user.endswith("/nologin")


def test_the_rules_give_cameras_to_the_group_of_the_unit() -> None:
    [group] = settings_of(UNIT.read_text(), "Group")
    assert f'GROUP="{group}", MODE="0660"' in RULES.read_text()


def test_the_rules_are_read_between_those_they_build_on() -> None:
    for before in ("60-libgphoto2.rules", "60-libgphoto2-6.rules", "60-autosuspend.rules", "69-libmtp.rules"):
        assert before < RULES.name
    assert RULES.name < "73-seat-late.rules"


def test_the_unit_sets_nothing_but_settings() -> None:
    unit = UNIT.read_text()
    names = [assignment.partition("=")[0] for assignment in settings_of(unit, "Environment")]
    assert [name for name in names if name.lower() not in Settings.model_fields] == []
    [credential] = settings_of(unit, "LoadCredential")
    assert credential.partition(":")[0] in Settings.model_fields


def test_the_readme_speaks_of_files_and_settings_that_exist() -> None:
    text = (DEPLOY / "README.md").read_text()
    for name in re.findall(r"deploy/([\w.-]+\.(?:service|rules|sysusers))", text):
        assert (DEPLOY / name).is_file(), name
    assert {UNIT.name, RULES.name, USERS.name} <= set(re.findall(r"[\w-]+\.(?:service|rules|sysusers)", text))
    names = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", text))
    assert names
    of_compose = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "compose.yaml").read_text()))
    assert [name for name in names - of_compose if name.lower() not in Settings.model_fields] == []


def test_both_compileall_lines_compile_every_room_and_leave_the_environment_alone(tmp_path: Path) -> None:
    lines = re.findall(
        r"^sudo \.venv/bin/python (-m compileall .*?)(?:  +#.*)?$", (DEPLOY / "README.md").read_text(), re.MULTILINE
    )
    assert (len(lines), len(set(lines))) == (2, 1)
    clone = tmp_path / "clone"
    shutil.copytree(ROOT, clone, ignore=shutil.ignore_patterns(".*", "__pycache__", "tests", "benchmarks", "photos"))
    (clone / ".venv").mkdir()
    (clone / ".venv" / "theirs.py").write_text("from __future__ import braces")
    ended = subprocess.run(
        [sys.executable, *shlex.split(lines[0])], cwd=clone, capture_output=True, text=True, timeout=50, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "")
    sources = {path for path in clone.rglob("*.py") if ".venv" not in path.parts}
    assert clone / "doctor" / "report.py" in sources
    assert [path for path in sources if not list(path.parent.glob(f"__pycache__/{path.stem}.*.pyc"))] == []


def test_the_server_is_ended_by_systemd_after_the_20_seconds_it_may_take() -> None:
    unit = UNIT.read_text()
    [seconds] = settings_of(unit, "TimeoutStopSec")
    assert int(seconds.removesuffix("s")) > 20
    # To all processes at once, a SIGTERM would take the cameras' processes before the cameras were released.
    assert settings_of(unit, "KillMode") == ["mixed"]
    # One camera process that takes too much memory must not take the others along.
    assert settings_of(unit, "OOMPolicy") == ["continue"]
