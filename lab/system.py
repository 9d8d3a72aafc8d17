"""The file system of the guest: Debian 12 without the product. The README's commands install the product later."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from lab.addresses import DISK_NAME, DISK_PORT, GUEST, HOST, PROXY_PORT
from lab.folder import CannotRun

PHOTO_DISK_AT = "/var/lib/gphoto-ws-server"
USER = "newcomer"
"""The user who types the commands of the README, with sudo rights."""

_SUITE, _MIRROR = "bookworm", "http://deb.debian.org/debian"
_PACKAGES = (
    "systemd", "systemd-sysv", "udev", "dbus", "kmod", "sudo", "openssh-server", "ca-certificates", "python3", "iproute2",
    "procps", "nbd-client", "e2fsprogs", "usbutils",
)  # fmt: skip
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_SIZE = "6G"
_ATTACH = Path(__file__).with_name("attach.py")

# Files of the guest. The network of the guest ends at this machine: apt and pip use the proxy of lab/proxy.py.
_FILES = {
    "/etc/hostname": "booth\n",
    "/etc/hosts": "127.0.0.1 localhost booth\n::1 localhost\n",
    "/etc/systemd/network/10-lab.network": f"[Match]\nName=vec0 en* eth0\n[Network]\nAddress={GUEST}/24\nLinkLocalAddressing=no\n",
    "/etc/apt/sources.list": "deb https://deb.debian.org/debian bookworm main\n",
    "/etc/apt/apt.conf.d/99-lab": f'Acquire::https::Proxy "http://{HOST}:{PROXY_PORT}";\nAPT::Get::Assume-Yes "true";\nAPT::Install-Recommends "false";\n',
    "/etc/pip.conf": f"[global]\nproxy = http://{HOST}:{PROXY_PORT}\ncert = {_CERTIFICATES}\n",
    f"/etc/sudoers.d/{USER}": f"{USER} ALL=(ALL) NOPASSWD: ALL\n",
    "/etc/fstab": f"/dev/ubda / ext4 defaults 0 1\n/dev/nbd0 {PHOTO_DISK_AT} ext4 x-systemd.requires=lab-disk.service,_netdev 0 0\n",
    "/etc/systemd/system/lab-disk.service": f"""\
[Unit]
Description=The disk that loses what was not flushed
DefaultDependencies=no
Wants=network-online.target
After=network-online.target
Before=remote-fs-pre.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nbd-client {HOST} {DISK_PORT} /dev/nbd0 -name {DISK_NAME} -block-size 4096
""",
    "/etc/systemd/system/lab-camera.service": """\
[Unit]
Description=The simulated camera, plugged in before the server starts
Wants=network-online.target
After=network-online.target
Before=gphoto-ws-server.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/lab-attach
[Install]
WantedBy=multi-user.target
""",
}
_MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "nbd-client.service",
    "getty@tty1.service",
    "e2scrub_all.timer",
)


def system(cache: Path) -> Path:
    """An image of the file system (ext4). It is made at the first call, in some minutes.

    Raises:
        CannotRun: a package is missing.
        CalledProcessError: Debian could not be downloaded or installed.
    """
    if shutil.which("debootstrap") is None:
        raise CannotRun("apt-get install debootstrap e2fsprogs")
    key = _key(cache)
    said = repr((_FILES, _PACKAGES, _SIZE, _MASKED, key.with_suffix(".pub").read_text(), _ATTACH.read_text()))
    image = cache / f"debian-{hashlib.sha256(said.encode()).hexdigest()[:12]}.ext4"
    if not image.exists():
        print("Creating the file system of the guest. This takes some minutes, only the first time.", flush=True)
        with tempfile.TemporaryDirectory(prefix="debian-", dir=cache) as folder:
            root = Path(folder)
            root.chmod(0o755)
            subprocess.run(["tar", "--extract", "--file", _debian(cache), "--directory", root], check=True)
            _configure(root, key)
            new = image.with_suffix(".new")
            new.unlink(missing_ok=True)
            subprocess.run(["mkfs.ext4", "-q", "-L", "booth", "-d", root, new, _SIZE], check=True)
        new.replace(image)
    return image


def _debian(cache: Path) -> Path:
    """Debian as debootstrap installs it, as a tar archive."""
    archive = cache / f"debian-{hashlib.sha256(repr((_SUITE, _MIRROR, _PACKAGES)).encode()).hexdigest()[:12]}.tar"
    if not archive.exists():
        with (
            tempfile.TemporaryDirectory(prefix="debootstrap-", dir=cache) as folder,
            (cache / "debootstrap.log").open("w") as log,
        ):
            command = ["debootstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}", _SUITE, folder, _MIRROR]
            subprocess.run(command, check=True, stdout=log, stderr=subprocess.STDOUT)
            shutil.rmtree(Path(folder, "var/cache/apt/archives"))
            subprocess.run(
                ["tar", "--create", "--file", archive.with_suffix(".new"), "--directory", folder, "."], check=True
            )
        archive.with_suffix(".new").replace(archive)
    return archive


def _key(cache: Path) -> Path:
    """The key with which the lab logs in to the guest."""
    key = cache / "key"
    if not key.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", key], check=True)
    return key


def _configure(root: Path, key: Path) -> None:
    for path, text in _FILES.items():
        file = root / path.removeprefix("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (root / f"etc/sudoers.d/{USER}").chmod(0o440)
    for user in ("root", f"home/{USER}"):
        (root / user / ".ssh").mkdir(parents=True, mode=0o700, exist_ok=True)
        shutil.copy(key.with_suffix(".pub"), root / user / ".ssh/authorized_keys")
    # The certificates of this machine: it may be in a network with an authority of its own.
    shutil.copy(_CERTIFICATES, root / _CERTIFICATES.relative_to("/"))
    shutil.copy(_ATTACH, root / "usr/local/sbin/lab-attach")
    (root / "usr/local/sbin/lab-attach").chmod(0o755)
    (root / PHOTO_DISK_AT.removeprefix("/")).mkdir(exist_ok=True)
    (root / "var/log/journal").mkdir(exist_ok=True)  # the journal survives a reboot
    for command in (
        ["useradd", "--shell", "/bin/bash", "--no-create-home", USER],
        ["chown", "-R", f"{USER}:", f"/home/{USER}"],
        ["systemctl", "enable", "systemd-networkd", "systemd-networkd-wait-online", "ssh", "lab-camera"],
        ["systemctl", "mask", *_MASKED],
    ):
        subprocess.run(["chroot", root, *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
