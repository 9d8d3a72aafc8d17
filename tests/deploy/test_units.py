"""Check the files in deploy/ with the tools of systemd and udev. All settings that the files name must exist."""

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
# The highest allowed exposure level of `systemd-analyze security`, in tenths: 20 means 2.0 of 10.
MAX_EXPOSURE = 20


def tool(*command: str | Path, needs: str = "--help") -> subprocess.CompletedProcess[str]:
    """Run a tool of systemd. Skips the test if the tool is missing or does not have the option `needs`."""
    if shutil.which(str(command[0])) is None:
        pytest.skip(f"{command[0]} is not installed (Debian's packages systemd and udev)")
    known = subprocess.run([command[0], "--help"], capture_output=True, text=True, timeout=WITHIN_S, check=False)
    if needs not in known.stdout:
        pytest.skip(f"{command[0]} is too old for {needs}")
    return subprocess.run(
        [str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=50,
        check=False,
    )  # fmt: skip


def values_of(unit: str, name: str) -> list[str]:
    """All values of a name in a unit file."""
    return re.findall(rf"^{name}=(.*)$", unit, re.MULTILINE)


@pytest.fixture
def local_unit(tmp_path: Path) -> Path:
    """The unit file, with the paths of this project instead of paths in /opt."""
    unit = tmp_path / UNIT.name
    text = UNIT.read_text().replace("/opt/gphoto-ws-server/.venv/bin/python", sys.executable)
    unit.write_text(text.replace("/opt/gphoto-ws-server", str(ROOT)))
    return unit


def test_systemd_finds_no_errors_in_the_unit(local_unit: Path) -> None:
    result = tool("systemd-analyze", "verify", "--man=no", local_unit, needs="verify")
    assert (result.returncode, [line for line in result.stderr.splitlines() if local_unit.name in line]) == (0, [])


def test_the_unit_starts_the_server(local_unit: Path) -> None:
    [command] = values_of(local_unit.read_text(), "ExecStart")
    result = subprocess.run(
        [*command.split(), "--version"], cwd=values_of(local_unit.read_text(), "WorkingDirectory")[0],
        capture_output=True, text=True, timeout=WITHIN_S, check=False,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout


def test_the_unit_reloads_on_a_minimal_debian() -> None:
    """The reload command needs only /bin/sh and the variable MAINPID, which systemd sets. It does not need PATH."""
    (command,) = values_of(UNIT.read_text(), "ExecReload")
    program, *arguments = shlex.split(command)
    assert program == "/bin/sh"
    # The child sets SIGHUP to its default action, because it inherits an ignored SIGHUP if the tests run under nohup.
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert server.stdout.readline()
        subprocess.run([program, *arguments], env={"MAINPID": str(server.pid)}, check=True)
        assert server.wait(WITHIN_S) == -signal.SIGHUP


def test_systemd_detects_an_error_in_the_unit(local_unit: Path) -> None:
    text = local_unit.read_text()
    local_unit.write_text(text.replace("WatchdogSec=30s", "WatchdogSec=often"))
    line = text.splitlines().index("WatchdogSec=30s") + 1
    result = tool("systemd-analyze", "verify", "--man=no", local_unit, needs="verify")
    assert f"{local_unit.name}:{line}: Failed to parse" in result.stderr


def test_the_exposure_level_of_the_unit_is_at_most_2() -> None:
    result = tool(
        "systemd-analyze", "security", "--offline=true", f"--threshold={MAX_EXPOSURE}", "--no-pager", UNIT,
        needs="--offline",
    )  # fmt: skip
    assert result.returncode == 0, result.stdout


def test_udev_finds_no_errors_in_the_rules(request: pytest.FixtureRequest) -> None:
    [udevadm] = find_tool(("udevadm",), install="sudo apt-get install udev")
    if not broken(udevadm, "verify", "--help"):
        result = tool("udevadm", "verify", "--resolve-names=never", RULES)
        assert result.returncode == 0, result.stdout + result.stderr
        return
    # Debian 12 has no `udevadm verify`. `udevadm test` also reads all rules, but only in udev's own folders.
    folder = "/etc/udev/rules.d"
    result = request.getfixturevalue("run_in_overlay")(
        f"mkdir -p {folder}; useradd gphoto-ws; cp {RULES} {folder}; echo 'NONSENSE==\"1\"' >{folder}/71-mistake.rules\n"
        "udevadm test /sys/devices/virtual/mem/null 2>&1",
        WITHIN_S,
    )
    reported_files = re.findall(rf"^{folder}/([\w.-]+):\d+ ", result.stdout, re.MULTILINE)
    assert reported_files == ["71-mistake.rules"], result.stdout


def test_the_user_and_group_of_the_unit_are_created(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    result = tool("systemd-sysusers", f"--root={tmp_path}", USERS, needs="--root")
    assert result.returncode == 0, result.stderr
    [user] = (tmp_path / "etc/passwd").read_text().splitlines()
    [group] = (tmp_path / "etc/group").read_text().splitlines()
    unit = UNIT.read_text()
    assert values_of(unit, "User") == [user.partition(":")[0]]
    assert values_of(unit, "Group") == [group.partition(":")[0]]
    assert user.endswith("/nologin")


def test_the_rules_assign_cameras_to_the_group_of_the_unit() -> None:
    [group] = values_of(UNIT.read_text(), "Group")
    assert f'GROUP="{group}", MODE="0660"' in RULES.read_text()


def test_the_order_of_the_rules_file_is_right() -> None:
    for earlier_rules in ("60-libgphoto2.rules", "60-libgphoto2-6.rules", "60-autosuspend.rules", "69-libmtp.rules"):
        assert earlier_rules < RULES.name
    assert RULES.name < "73-seat-late.rules"


def test_the_unit_sets_only_existing_settings() -> None:
    unit = UNIT.read_text()
    names = [assignment.partition("=")[0] for assignment in values_of(unit, "Environment")]
    assert [name for name in names if name.lower() not in Settings.model_fields] == []
    [credential] = values_of(unit, "LoadCredential")
    assert credential.partition(":")[0] in Settings.model_fields


def test_the_files_and_settings_in_the_readme_exist() -> None:
    text = (DEPLOY / "README.md").read_text()
    for name in re.findall(r"deploy/([\w.-]+\.(?:service|rules|sysusers))", text):
        assert (DEPLOY / name).is_file(), name
    assert {UNIT.name, RULES.name, USERS.name} <= set(re.findall(r"[\w-]+\.(?:service|rules|sysusers)", text))
    names = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", text))
    assert names
    compose_settings = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "compose.yaml").read_text()))
    assert [name for name in names - compose_settings if name.lower() not in Settings.model_fields] == []


def test_both_compileall_lines_compile_every_package_but_not_the_environment(tmp_path: Path) -> None:
    lines = re.findall(
        r"^sudo \.venv/bin/python (-m compileall .*?)(?:  +#.*)?$", (DEPLOY / "README.md").read_text(), re.MULTILINE
    )
    assert (len(lines), len(set(lines))) == (2, 1)
    clone = tmp_path / "clone"
    shutil.copytree(ROOT, clone, ignore=shutil.ignore_patterns(".*", "__pycache__", "tests", "benchmarks", "photos"))
    (clone / ".venv").mkdir()
    (clone / ".venv" / "theirs.py").write_text("from __future__ import braces")
    result = subprocess.run(
        [sys.executable, *shlex.split(lines[0])], cwd=clone, capture_output=True, text=True, timeout=50, check=False
    )
    assert (result.returncode, result.stdout) == (0, "")
    sources = {path for path in clone.rglob("*.py") if ".venv" not in path.parts}
    assert clone / "doctor" / "report.py" in sources
    assert [path for path in sources if not list(path.parent.glob(f"__pycache__/{path.stem}.*.pyc"))] == []


def test_systemd_waits_longer_than_20_seconds_for_the_stop() -> None:
    unit = UNIT.read_text()
    [seconds] = values_of(unit, "TimeoutStopSec")
    assert int(seconds.removesuffix("s")) > 20
    # If systemd sent SIGTERM to all processes, the camera processes would end before the server releases the cameras.
    assert values_of(unit, "KillMode") == ["mixed"]
    # If the kernel ends a camera process because of its memory use, the other processes must continue.
    assert values_of(unit, "OOMPolicy") == ["continue"]
