"""What stands in one place only: the messages of the channel, and the names of commands and settings."""

from __future__ import annotations

import re

import pytest

from protocol.catalogue import COMMANDS
from settings.environment import Settings
from tests.support.rig import ROOT

CAMERA = sorted((ROOT / "camera").rglob("*.py"))


def test_only_the_channel_and_remote_know_the_messages_between_server_and_camera_process() -> None:
    knowing = [
        file.relative_to(ROOT).as_posix() for file in CAMERA if re.search(r"header(\[|\.get\()", file.read_text())
    ]
    assert knowing == ["camera/channel.py", "camera/remote.py"]


@pytest.mark.parametrize("verb", ["get_config", "live_view", "list_names", "storage"])
def test_no_verb_is_called_by_its_name_as_text(verb: str) -> None:
    """Also outside of camera/."""
    rooms = ("camera", "server", "doctor")
    files = [file for room in rooms for file in (ROOT / room).rglob("*.py")]
    calling = [file.name for file in files if re.search(rf'\.(call|_ask)\(\s*"{verb}"', file.read_text())]
    assert calling == []


def test_messages_of_cameras_name_no_command_and_no_setting() -> None:
    """Who asks may be somebody else than a client of this protocol; protocol/errors.py adds what helps a client."""
    commands = {name for name in COMMANDS if "_" in name} - {"live_view"}
    settings = {name.upper() for name in Settings.model_fields}
    found = []
    for file in CAMERA:
        for text in re.findall(r'"([^"\n]* [^"\n]*)"', re.sub(r'""".*?"""', "", file.read_text(), flags=re.DOTALL)):
            words = set(re.findall(r"\w+", text))
            found += [(file.name, text) for _ in words & (commands | settings)]
    assert found == []
