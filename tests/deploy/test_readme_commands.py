"""Run the commands of deploy/README.md that install and update the service.

A user with sudo rights runs the unchanged commands on this machine, in a temporary overlay (tests/deploy/layered). The
test uses the real apt-get, git, pip, sudo, systemd-sysusers and `systemctl enable`. pip checks the hashes of the
packages. The user of the service runs the real server. systemd does not run in the overlay, so the other commands of
systemctl are only recorded. In a chroot, udevadm ignores `control` and `trigger`, so `udevadm test` reads the rules.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deploy.overlay import OVERLAY_SCRIPT
from tests.support.readme_commands import checked_script, readme_block, source_archive
from tests.support.rig import ROOT
from tests.support.tools import OFFLINE, find_tool
from tests.support.waiting import WITHIN_S

SECONDS = 420
# The time limit is long, because pip downloads about 20 MB, maybe over a slow connection.
pytestmark = pytest.mark.timeout(SECONDS + 60)

# Prepares the machine: removes an installed service, and adds a user with sudo who has a clone of this repository.
_BEFORE = r"""
set -euo pipefail
rm -rf /etc/sysusers.d /etc/udev/rules.d /etc/gphoto-ws-server /opt/gphoto-ws-server /var/lib/gphoto-ws-server
rm -f /etc/systemd/system/gphoto-ws-server.service /etc/systemd/system/*/gphoto-ws-server.service
! id gphoto-ws >/dev/null 2>&1 || userdel gphoto-ws
chmod 1777 /tmp; mkdir -p /run/lock
useradd --create-home --shell /bin/bash newcomer
echo 'newcomer ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/newcomer
echo 'APT::Get::Assume-Yes "true";' >/etc/apt/apt.conf.d/99-nobody-types-here
# If all packages are installed, apt does not need to download anything.
if dpkg -s $PACKAGES >/dev/null 2>&1; then rm -rf /etc/apt/sources.list /etc/apt/sources.list.d; fi
# No systemd runs here: the unit is really enabled, and the rest is written down.
install -m 666 /dev/null /var/log/systemctl-calls
cat >/usr/local/sbin/systemctl <<'STUB'
#!/bin/bash
echo "$*" >>/var/log/systemctl-calls
[ "$1" != enable ] || exec /usr/bin/systemctl enable "${@:3}"
STUB
chmod 755 /usr/local/sbin/systemctl
as_user() { runuser -u newcomer -- env -i HOME=/home/newcomer USER=newcomer LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/bin:/bin "$@"; }
as_user git config --global user.name N; as_user git config --global user.email n@example.org
as_user git init -q -b main /home/newcomer/upstream
tar -xf "$TREE" -C /home/newcomer/upstream; chown -R newcomer: /home/newcomer/upstream
as_user git -C /home/newcomer/upstream add -A
as_user git -C /home/newcomer/upstream commit -q -m one
as_user git clone -q /home/newcomer/upstream /home/newcomer/clone
cd /home/newcomer/clone
"""
_INSTALLED = r"""
echo "== installed"
stat -c '%n %U:%G %a' /etc/gphoto-ws-server/api_token
id -un gphoto-ws
ls /etc/systemd/system/multi-user.target.wants/gphoto-ws-server.service
udevadm test /sys/devices/virtual/mem/null 2>&1 | grep -F gphoto-ws-server
echo "== served"
# As systemd starts it: the unit's command, folder, user and environment, and the credential that it copies.
unit() { sed -n "s/^$1=//p" /etc/systemd/system/gphoto-ws-server.service; }
install -d -o gphoto-ws -m 700 /var/lib/gphoto-ws-server /tmp/credentials
install -o gphoto-ws -m 400 /etc/gphoto-ws-server/api_token /tmp/credentials/
cd "$(unit WorkingDirectory)"
: >/tmp/server-log
runuser -u "$(unit User)" -- env -i PATH=/usr/bin:/bin $(unit Environment) WS_PORT=0 \
    CREDENTIALS_DIRECTORY=/tmp/credentials STATE_DIRECTORY=/var/lib/gphoto-ws-server \
    $(unit ExecStart) >/tmp/server-log 2>&1 &
for _ in $(seq 600); do grep -q 'gphoto_ws_server: Listening on' /tmp/server-log && break; kill -0 $! || break; sleep 0.1; done
grep -c 'gphoto_ws_server: Listening on' /tmp/server-log || { cat /tmp/server-log; exit 1; }
{ kill $! && wait $!; } 2>/dev/null || true
find . -name '*.pyc' -path './server/*' | head -1
echo "== update"
as_user bash -c 'cd ~/upstream && echo two >two && git add two && git commit -q -m two'
cd /home/newcomer/clone
"""
_UPDATED = r"""
echo "== updated"
git -C /opt/gphoto-ws-server log -1 --format=%s
echo "== calls"
cat /var/log/systemctl-calls
"""


def _as_user(block: str, name: str) -> str:
    """A script that runs the lines of a block as the user newcomer, and exits after the first line that fails."""
    return f"cat >/tmp/{name} <<'TYPED'\n{checked_script(block)}TYPED\nas_user bash /tmp/{name}\n"


def _part(output: str, name: str) -> list[str]:
    return output.partition(f"== {name}\n")[2].partition("\n== ")[0].splitlines()


def test_the_commands_install_and_update_the_service(
    run_in_overlay: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone, and the service is installed from one")
    for program, package in (
        ("apt-get", "apt: the commands are Debian's"), ("git", "git"), ("sudo", "sudo"), ("udevadm", "udev"),
        ("systemctl", "systemd"), ("useradd", "passwd"),
    ):  # fmt: skip
        find_tool((program,), install=f"sudo apt-get install {package}")
    install, update = readme_block("As a service"), readme_block("An update")
    packages = re.findall(r"apt-get install (.+)", install)[0]
    done = run_in_overlay(
        f"TREE={source_archive(tmp_path)}\nPACKAGES={packages!r}\n{_BEFORE}{_as_user(install, 'install')}{_INSTALLED}"
        f"{_as_user(update, 'update')}{_UPDATED}",
        SECONDS,
    )
    output = done.stdout
    if done.returncode and OFFLINE.search(output):
        pytest.skip("no package index is reached from here")
    assert done.returncode == 0, output[-6000:]
    token, user, unit_link, *rules = _part(output, "installed")
    assert token == "/etc/gphoto-ws-server/api_token root:root 600"
    assert user == "gphoto-ws"
    assert unit_link.endswith("multi-user.target.wants/gphoto-ws-server.service")
    # If udev did not know the group or found an error in the rules, there would be more lines.
    assert rules == ["Reading rules file: /etc/udev/rules.d/70-gphoto-ws-server.rules"]
    listening, compiled = _part(output, "served")
    assert listening == "1"
    assert compiled.startswith("./server/")
    assert _part(output, "updated") == ["two"]
    assert _part(output, "calls") == [
        "daemon-reload", "enable --now gphoto-ws-server", "status gphoto-ws-server", "daemon-reload",
        "restart gphoto-ws-server",
    ]  # fmt: skip


def test_the_overlay_does_not_change_this_machine(
    run_in_overlay: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    left_file, before = tmp_path / "left", Path("/etc/passwd").read_bytes()
    done = run_in_overlay(f"echo here >{left_file}\nsleep 600 &\necho $$ >/etc/passwd && cat /etc/passwd\n", WITHIN_S)
    assert done.returncode == 0
    assert 1 < int(done.stdout) < 100  # the process id is low, because the script has its own PID namespace
    assert not left_file.exists()
    assert Path("/etc/passwd").read_bytes() == before


@pytest.mark.parametrize(
    ("restrictions", "reason"),
    [
        (["--reuid=65534", "--clear-groups"], "needs root"),
        (["--bounding-set=-sys_admin"], "this root may not make namespaces"),
    ],
    ids=["another user", "root in a container"],
)
def test_without_the_needed_rights_the_overlay_script_reports_the_reason(restrictions: list[str], reason: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("gives away what only root has: sudo make test")
    [setpriv] = find_tool(("setpriv",), install="sudo apt-get install util-linux")
    done = subprocess.run(
        [setpriv, *restrictions, "/bin/bash", "-s", "/", "/"], input=OVERLAY_SCRIPT.read_text(), capture_output=True, text=True,
        timeout=WITHIN_S, check=False, cwd="/",
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (125, f"{reason}\n")
