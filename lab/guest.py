"""The guest: it is started, gets commands over SSH, is shut down, and is killed without a warning."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.addresses import GUEST, TAP
from lab.system import USER

_MEMORY = "1536M"
# Each system call of the guest switches between processes of this machine. On one CPU, and before all other programs,
# this is several times quicker. The figures are then those of a machine without other work.
_ALONE = ("chrt", "--rr", "1", "taskset", "--cpu-list", str(max(os.sched_getaffinity(0))))
BOOT_S, COMMAND_S = 120.0, 120.0


class GuestError(Exception):
    """A command failed in the guest, or the guest does not answer."""


class Guest:
    """A machine with User-Mode Linux.

    Args:
        kernel: the kernel as a program.
        system: the image of its file system.
        key: the key for SSH.
        log: the file to which its console is appended.

    Attributes:
        started: when the kernel was started last, in monotonic seconds.
    """

    def __init__(self, kernel: Path, system: Path, key: Path, log: Path) -> None:
        self._kernel, self._system, self._key, self._log = kernel, system, key, log
        self._process: subprocess.Popen[bytes] | None = None
        self.started = 0.0

    def start(self) -> None:
        """Start the kernel; `wait` waits until commands can be run."""
        assert self._process is None, "the guest runs already"
        self.started = time.monotonic()
        with self._log.open("ab") as console:
            self._process = subprocess.Popen(
                [
                    *("setpriv", "--pdeathsig", "KILL", *_ALONE),
                    *(str(self._kernel), f"mem={_MEMORY}", f"ubd0={self._system}"),
                    *("root=/dev/ubda", "rw", "con0=fd:0,fd:1", "con=null", "ssl=null", "panic=-1"),
                    f"vec0:transport=tap,ifname={TAP},depth=64,gro=1",
                ],
                stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT, start_new_session=True,
                env=os.environ | {"TMPDIR": "/dev/shm"},
            )  # fmt: skip

    def wait(self, seconds: float = BOOT_S) -> str:
        """Wait until commands can be run. Returns the id of the boot.

        Raises:
            GuestError: the guest has ended, or does not answer in time.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._check_runs()
            try:
                return self.run("cat /proc/sys/kernel/random/boot_id", within=10.0).strip()
            except GuestError:
                time.sleep(0.2)
        raise GuestError(f"the guest does not answer after {seconds:.0f} s; its console is in {self._log}")

    def run(self, script: str, user: str = "root", within: float = COMMAND_S) -> str:
        """Run a shell script, and return its output.

        Raises:
            GuestError: the script failed, or did not end within `within` seconds.
        """
        try:
            done = subprocess.run(
                [*self._ssh(user), "bash -s"], input=script.encode(), capture_output=True, timeout=within, check=False
            )
        except subprocess.TimeoutExpired:
            raise GuestError(f"no end after {within:.0f} s: {script}") from None
        if done.returncode:
            raise GuestError(
                f"code {done.returncode}: {script}\n{done.stdout[-3000:].decode()}{done.stderr[-3000:].decode()}"
            )
        return done.stdout.decode(errors="replace")

    def send(self, file: Path, target: str, user: str = "root") -> None:
        """Copy a file to the guest. Raises GuestError."""
        with file.open("rb") as data:
            done = subprocess.run([*self._ssh(user), f"cat >{target}"], stdin=data, capture_output=True, check=False)
        if done.returncode:
            raise GuestError(f"{target} was not written: {done.stderr.decode()}")

    def shut_down(self) -> None:
        """Shut down in good order. `start` then starts the next boot.

        A reboot inside the kernel would not work: User-Mode Linux then keeps its old connection to the network.
        """
        assert self._process is not None, "the guest does not run"
        self.run("systemd-run --quiet --on-active=0.1 systemctl poweroff")
        self._forget_connections()
        try:
            self._process.wait(BOOT_S)
        except subprocess.TimeoutExpired:
            raise GuestError(f"no shutdown within {BOOT_S:.0f} s; the console is in {self._log}") from None
        self.kill()

    def kill(self) -> None:
        """End the guest at once, as a power cut does."""
        if self._process is None:
            return
        process, self._process = self._process, None
        # Each process of the guest is a process of this machine, in the process group of the kernel.
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._forget_connections()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def _forget_connections(self) -> None:
        """End the processes of ssh that keep a connection to the guest."""
        for user in ("root", USER):
            if self._control(user).exists():
                subprocess.run([*self._ssh(user), "-O", "exit"], capture_output=True, check=False)
                self._control(user).unlink(missing_ok=True)

    def _control(self, user: str) -> Path:
        return self._log.parent / f"ssh-{user}"

    def _check_runs(self) -> None:
        if self._process is None or self._process.poll() is not None:
            raise GuestError(f"the guest has ended; its console is in {self._log}")

    def _ssh(self, user: str) -> list[str]:
        options = (
            "BatchMode=yes",
            "ConnectTimeout=5",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
        )
        # One connection for all commands of a boot: a new one takes half a second.
        shared = (
            "ControlMaster=auto",
            f"ControlPath={self._control(user)}",
            "ControlPersist=60",
            "ServerAliveInterval=5",
            "ServerAliveCountMax=2",
        )
        return [
            "ssh",
            "-i",
            str(self._key),
            *(part for option in (*options, *shared) for part in ("-o", option)),
            f"{user}@{GUEST}",
        ]
