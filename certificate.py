"""Creates a self-signed certificate for this machine: `python gphoto_ws_server.py --make-cert [FOLDER]`."""

from __future__ import annotations

import ipaddress
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import machine_names

CERTIFICATE, KEY = "tls-cert.pem", "tls-key.pem"
# Apple's devices reject certificates with a longer validity.
DAYS = 825
_OPENSSL_S = 30.0
_CONFIGURATION = """\
[req]
prompt = no
distinguished_name = subject
[subject]
CN = {common_name}
[extensions]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
subjectAltName = {alternatives}
"""
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_COMMON_NAME_LENGTH = 64  # limit of X.509


def run(folder: Path) -> int:
    """Create the certificate and print the settings for it. Returns the exit code: 0, or 1 after a failure."""
    try:
        covered = make(folder)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"gphoto_ws_server: the certificate could not be created: {_reason(folder, error)}", file=sys.stderr)
        return 1
    print(f"Created a certificate for {', '.join(covered)}, valid for {DAYS} days. Set:\n")
    print(f"WS_TLS_CERT={folder.absolute() / CERTIFICATE}")
    print(f"WS_TLS_KEY={folder.absolute() / KEY}\n")
    print("Clients do not trust it yet: give them the certificate (not the key), or let them accept it once.")
    return 0


def make(folder: Path) -> list[str]:
    """Create a certificate and its key. Only this user can read the key.

    Returns:
        The names and addresses that the certificate covers.

    Raises:
        FileExistsError: one of the files exists; nothing is overwritten.
        OSError: the folder is not writable, or openssl is not installed.
        subprocess.SubprocessError: openssl failed.
    """
    covered = [name for name in ("localhost", *machine_names.names()) if _NAME.fullmatch(name)]
    covered += ["127.0.0.1", "::1", *machine_names.addresses()]
    with tempfile.TemporaryDirectory(dir=folder, prefix=".certificate-") as hidden:  # private to this user
        work = Path(hidden)
        names = [name for name in machine_names.names() if name in covered and len(name) <= _COMMON_NAME_LENGTH]
        alternatives = ",".join(f"{'IP' if _is_address(name) else 'DNS'}:{name}" for name in covered)
        configuration = _CONFIGURATION.format(common_name=(names or ["localhost"])[0], alternatives=alternatives)
        (work / "openssl.cnf").write_text(configuration)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-sha256", "-days", str(DAYS), "-config", "openssl.cnf", "-extensions", "extensions",
             "-keyout", KEY, "-out", CERTIFICATE],
            cwd=work, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_OPENSSL_S, check=True,
        )  # fmt: skip
        os.chmod(work / KEY, 0o600)
        os.chmod(work / CERTIFICATE, 0o644)
        os.link(work / KEY, folder / KEY)  # fails if the file exists
        try:
            os.link(work / CERTIFICATE, folder / CERTIFICATE)
        except BaseException:
            (folder / KEY).unlink()
            raise
    return covered


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _reason(folder: Path, error: OSError | subprocess.SubprocessError) -> str:
    if isinstance(error, FileExistsError):
        return (
            f"{error.filename2} exists already. Delete {CERTIFICATE} and {KEY} there first, or choose another folder."
        )
    if isinstance(error, FileNotFoundError) and error.filename == "openssl":
        return "openssl is not installed. Install it with: sudo apt-get install openssl"
    if isinstance(error, OSError):
        return f"{folder}: {error.strerror}"
    if isinstance(error, subprocess.CalledProcessError):
        return str(error.stderr).strip()
    return str(error)
