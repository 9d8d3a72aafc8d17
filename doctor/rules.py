"""The udev rules of the server: whether they are installed, and the commands that install them."""

from __future__ import annotations

from pathlib import Path

GROUP = "gphoto-ws"
_RULES = "70-gphoto-ws-server.rules"
_USERS = "gphoto-ws-server.sysusers"
# Where udev reads rules; a file in an earlier folder hides files with the same name in later ones.
FOLDERS = tuple(
    Path(folder) for folder in ("/etc/udev/rules.d", "/run/udev/rules.d", "/usr/local/lib/udev/rules.d",
                                "/usr/lib/udev/rules.d", "/lib/udev/rules.d")
)  # fmt: skip
# The folder deploy/ of this clone. An installed package does not have it.
_DEPLOY = Path(__file__).resolve().parents[1] / "deploy"
_PLACE = str(_DEPLOY) if _DEPLOY.is_dir() else "deploy"

# The commands of deploy/README.md.
INSTALL_USER = (
    f"sudo install -D -m 644 {_PLACE}/{_USERS} /etc/sysusers.d/gphoto-ws-server.conf && sudo systemd-sysusers"
)
APPLY = "sudo udevadm control --reload && sudo udevadm trigger --subsystem-match=usb --action=add"
INSTALL = f"{INSTALL_USER} && sudo install -D -m 644 {_PLACE}/{_RULES} -t /etc/udev/rules.d && {APPLY}"


def are_installed() -> bool:
    """Whether udev reads the rules. A link to /dev/null disables them."""
    found = next((file for folder in FOLDERS if (file := folder / _RULES).exists()), None)
    return found is not None and found.is_file()
