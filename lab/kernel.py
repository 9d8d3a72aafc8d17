"""The kernel of the guest: Debian's Linux source, built for User-Mode Linux with USB and USB/IP.

User-Mode Linux is a Linux kernel that runs as a process. So it needs neither KVM nor modules of this machine's kernel.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from lab.folder import CannotRun

SOURCE = Path("/usr/src/linux-source-6.1.tar.xz")
_OPTIONS = Path(__file__).with_name("kernel.config")
_NEEDED = ("bc", "bison", "flex", "gcc", "make", "xz")
# Landlock is not allowed together with the inodes of hostfs (arch/um/Kconfig of Linux 6.1, corrected in 6.5). The
# guest has no hostfs, and the camera processes of the server use Landlock.
_NO_HOST_FILES = ("arch/um/Kconfig", "\tselect ARCH_EPHEMERAL_INODES\n")


def kernel(cache: Path) -> Path:
    """The kernel, as a program. It is built at the first call, in 4 to 20 minutes.

    Raises:
        CannotRun: a package is missing.
        CalledProcessError: the build failed; the log is next to the kernel.
    """
    missing = [program for program in _NEEDED if shutil.which(program) is None]
    if missing or not SOURCE.exists():
        raise CannotRun("apt-get install linux-source-6.1 flex bison bc gcc make libelf-dev xz-utils")
    version = hashlib.sha256(_OPTIONS.read_bytes() + str(SOURCE.stat().st_size).encode()).hexdigest()[:12]
    built = cache / f"linux-{version}"
    if not built.exists():
        print("Building the kernel of the guest. This takes 4 to 20 minutes, only the first time.", flush=True)
        with tempfile.TemporaryDirectory(prefix="kernel-", dir=cache) as folder:
            made = _build(Path(folder), cache / f"linux-{version}.log")
            subprocess.run(["strip", "-o", built.with_suffix(".new"), made], check=True)
        built.with_suffix(".new").replace(built)
    return built


def _build(folder: Path, log: Path) -> Path:
    subprocess.run(["tar", "--extract", "--strip-components=1", "--file", SOURCE], cwd=folder, check=True)
    patched, line = _NO_HOST_FILES
    text = (folder / patched).read_text()
    assert line in text, f"{patched} has changed"
    (folder / patched).write_text(text.replace(line, ""))
    with log.open("w") as output:
        for command in (
            ["make", "ARCH=um", "defconfig"],
            ["scripts/kconfig/merge_config.sh", "-m", ".config", str(_OPTIONS)],
            ["make", "ARCH=um", "olddefconfig"],
        ):
            subprocess.run(command, cwd=folder, check=True, stdout=output, stderr=subprocess.STDOUT)
        _check_options((folder / ".config").read_text())
        subprocess.run(
            ["nice", "make", "-j2", "ARCH=um", "linux"], cwd=folder, check=True, stdout=output, stderr=subprocess.STDOUT
        )
    return folder / "linux"


def _check_options(config: str) -> None:
    """Fail if an option was dropped, because another option that it needs is missing."""
    wanted = [line for line in _OPTIONS.read_text().splitlines() if "CONFIG_" in line]
    dropped = [line for line in wanted if line not in config.splitlines() and not _is_off(line, config)]
    assert not dropped, f"options that are not in force: {dropped}"


def _is_off(line: str, config: str) -> bool:
    name = line.removeprefix("# ").removesuffix(" is not set")
    return line.startswith("# CONFIG_") and f"\n{name}=" not in config
