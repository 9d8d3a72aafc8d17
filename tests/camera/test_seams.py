"""Only two modules read the headers of channel messages, and camera/ contains no names of commands and settings."""

from __future__ import annotations

import ast
import re

import pytest

from protocol.catalogue import COMMANDS
from settings.environment import Settings
from tests.support.rig import ROOT

CAMERA = sorted((ROOT / "camera").rglob("*.py"))


def test_only_channel_and_remote_read_the_headers_of_messages() -> None:
    users = [file.relative_to(ROOT).as_posix() for file in CAMERA if re.search(r"header(\[|\.get\()", file.read_text())]
    assert users == ["camera/channel.py", "camera/remote.py"]


@pytest.mark.parametrize("verb", ["get_config", "live_view", "list_names", "storage"])
def test_no_verb_is_called_by_a_string(verb: str) -> None:
    """The test searches camera/ and the folders that use camera/."""
    folders = ("camera", "service", "server", "doctor")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    callers = [file.name for file in files if re.search(rf'\.(call|_ask)\(\s*"{verb}"', file.read_text())]
    assert callers == []


def test_messages_of_camera_errors_name_no_command_or_setting() -> None:
    """camera/ must be usable without this protocol. protocol/errors.py adds the hints for clients."""
    commands = {name for name in COMMANDS if "_" in name} - {"live_view"}
    settings = {name.upper() for name in Settings.model_fields}
    found = []
    for file in CAMERA:
        tree = ast.parse(re.sub(r'""".*?"""', '""', file.read_text(), flags=re.DOTALL))
        texts = [
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        for text in texts:
            words = set(re.findall(r"\w+", text)) if " " in text else set()
            found += [(file.name, text) for _ in words & (commands | settings)]
    assert found == []
