"""The network between this machine and the guest, in a network namespace, so that this machine's network is untouched."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence

from lab.addresses import HOST, PROXY_PORT, TAP
from lab.folder import ROOT, CannotRun

_OUTSIDE = "LAB_OUTSIDE"
"""The variable with the number of a descriptor of the network namespace in which the lab was started."""


def enter_own_network(arguments: Sequence[str]) -> None:
    """Start this program again in a new network namespace, which ends with it. Returns in that namespace.

    Raises:
        CannotRun: this user is not root, or a program is missing.
    """
    if _OUTSIDE in os.environ:
        for command in (
            ["link", "set", "lo", "up"],
            ["tuntap", "add", TAP, "mode", "tap"],
            ["address", "add", f"{HOST}/24", "dev", TAP],
            ["link", "set", TAP, "up"],
        ):
            subprocess.run(["ip", *command], check=True)
        return
    if os.geteuid() != 0:
        raise CannotRun("only root can make a network for the guest: sudo make machine")
    for program, package in (("ip", "iproute2"), ("unshare", "util-linux"), ("ssh", "openssh-client")):
        if shutil.which(program) is None:
            raise CannotRun(f"apt-get install {package}")
    outside = os.open("/proc/self/ns/net", os.O_RDONLY)
    os.set_inheritable(outside, True)
    environment = os.environ | {
        _OUTSIDE: str(outside),
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "clients/python/src"))),
    }
    os.execvpe("unshare", ["unshare", "--net", sys.executable, "-m", "lab", *arguments], environment)


def start_proxy() -> subprocess.Popen[bytes]:
    """Start the proxy for the guest's apt and pip. The caller ends the process."""
    outside = int(os.environ[_OUTSIDE])
    with socket.create_server((HOST, PROXY_PORT)) as listener:
        return subprocess.Popen(
            [
                *("nsenter", f"--net=/proc/self/fd/{outside}", "setpriv", "--pdeathsig", "KILL"),
                *(sys.executable, "-m", "lab.proxy", str(listener.fileno())),
            ],
            pass_fds=(outside, listener.fileno()), start_new_session=True, cwd=ROOT,
        )  # fmt: skip
