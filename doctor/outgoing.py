"""Checks the command for saved files, and the file with the webhooks. Nothing is run or sent."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

from doctor.account import ENTER, READ, Account
from doctor.findings import Finding
from settings import webhook_file
from settings.environment import Settings, SettingsError

# The PATH of a service whose unit sets none; see systemd.exec(5).
_SERVICE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def examine(settings: Settings, folder: Path, account: Account, environment: Mapping[str, str]) -> list[Finding]:
    """Findings about HOOK_COMMAND and WEBHOOKS; empty if neither is set.

    Args:
        settings: the settings of the server.
        folder: the working directory of the server.
        account: the user of the server.
        environment: the environment variables of the server.
    """
    findings = []
    if words := shlex.split(settings.hook_command):
        findings.append(_command(words[0], folder, account, environment.get("PATH") or _SERVICE_PATH))
    if settings.webhooks:
        findings += _webhooks(folder / settings.webhooks, account)
    return findings


def _command(name: str, folder: Path, account: Account, path: str) -> Finding:
    found = str(folder / name) if os.sep in name else shutil.which(name, mode=os.F_OK, path=path)
    fix = "correct HOOK_COMMAND: give the whole path of the program"
    if found is None:
        return Finding("problem", f"the hook {name} is not in the folders of PATH ({path})", fix)
    try:
        if not Path(found).is_file():
            return Finding("problem", f"the hook {found} is not a file", fix)
        if not account.may(Path(found), READ | ENTER):
            words = f"user {account.name} may not run the hook {found}"
            return Finding("problem", words, f"sudo chmod a+rx {shlex.quote(found)}")
    except OSError as error:
        return Finding("note", f"the hook {found} was not checked: {error.strerror}", "run this with sudo to check it")
    return Finding("ok", f"the hook {found} runs for each saved file")


def _webhooks(file: Path, account: Account) -> list[Finding]:
    try:
        readable = account.may(file, READ)
    except FileNotFoundError:
        return [
            Finding("problem", f"the file of WEBHOOKS, {file}, does not exist", "docs/hooks.md shows how to write it")
        ]
    except OSError as error:
        words = f"the file of WEBHOOKS, {file}, was not checked: {error.strerror}"
        return [Finding("note", words, "run this with sudo to check it")]
    if not readable:
        name = shlex.quote(str(file))
        words = f"user {account.name} may not read the file of WEBHOOKS, {file}"
        return [Finding("problem", words, f"sudo chown {account.uid}:{account.gid} {name}; sudo chmod 640 {name}")]
    if not os.access(file, os.R_OK):
        words = f"the file of WEBHOOKS, {file}, is not readable by this user, so it was not checked"
        return [Finding("note", words, "run this with sudo")]
    try:
        webhooks = webhook_file.read(str(file))
    except SettingsError as error:
        return [Finding("problem", str(error).removesuffix("."), "docs/hooks.md shows an example")]
    origins = ", ".join(webhook.origin for webhook in webhooks)
    findings = [Finding("ok", f"events are sent to {origins}")]
    return findings + [Finding("note", words) for words in webhook_file.warnings(str(file), webhooks)]
