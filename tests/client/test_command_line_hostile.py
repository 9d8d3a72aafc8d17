"""gphoto-ws against a server that sends harmful text and file names: terminals, files and scripts are not affected."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import subprocess
import unicodedata
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from gphoto_ws_client.cli.safe import local_name, printable
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection

from tests.client.shell import Done, Shell
from tests.client.strange import strange, transfer

# This text sets the window's title, clears the screen, returns to the start of the line, changes the writing direction,
# and ends lines in three ways. It also contains DEL, a C1 control character and a lone surrogate.
HARMFUL = "a\x1b]0;owned\x07\x1b[2J\rb\u202ec\nd\u2028e\x85f\x9b31mg\x7fh\ud800i\u200b\U000e0041"
ESCAPED = "a\\x1b]0;owned\\x07\\x1b[2J\\rb\\u202ec\\nd\\u2028e\\x85f\\x9b31mg\\x7fh\\ud800i\\u200b\\U000e0041"
CAMERA = {
    "name": HARMFUL, "port": HARMFUL, "index": 0, "serial": HARMFUL, "state": HARMFUL, "connected": True, "can": [HARMFUL], "model": HARMFUL,
    "manufacturer": HARMFUL, "version": HARMFUL, "viewers": 0, "battery": HARMFUL, "lens": HARMFUL, "last_error": HARMFUL,
    "warnings": [HARMFUL], "storage": [{"path": HARMFUL, "label": HARMFUL, "capacity": 2**63, "free": None}],
}  # fmt: skip
CONFIG = {
    "config_name": HARMFUL, "label": HARMFUL, "type": HARMFUL, "value": HARMFUL, "readonly": False, "choices": [HARMFUL], "path": HARMFUL,
}  # fmt: skip
REPLIES: dict[str, dict[str, Any]] = {
    "list_cameras": {"cameras": [CAMERA, CAMERA]},
    "get_camera_info": CAMERA,
    "get_config": {**CONFIG, "configs": [CONFIG]},
    "set_config": CONFIG,
    "subscribe": {"events": ["file_added"]},
    "unsubscribe": {"events": []},
}
Answer = Callable[[ServerConnection, dict[str, Any]], Awaitable[None]]


def shot(*names: str) -> dict[str, Any]:
    """The reply to capture_image: a shot with files of these names."""
    files = [
        {"camera_filepath": f"/DCIM/{n}", "filename": name, "mimetype": "image/jpeg"} for n, name in enumerate(names)
    ]
    return {"message": HARMFUL, "camera_filepath": "/DCIM/0", "files": files, "warnings": [HARMFUL],
            "timing": {"shutter_ms": 1, "file_known_ms": 1}}  # fmt: skip


def answering(replies: dict[str, dict[str, Any]]) -> Answer:
    """A function that sends the reply in `replies` to each command, or an error if `replies` has none.

    The content of a downloaded file is its path.
    """

    async def answer(socket: ServerConnection, message: dict[str, Any]) -> None:
        command = message["command"]
        if command == "download_last_image":
            await transfer(socket, message, message["payload"]["camera_filepath"].encode())
            return
        error = {
            "status": "error",
            "code": HARMFUL,
            "message": HARMFUL,
            "details": {"ports": [HARMFUL, 7], "x": HARMFUL},
        }
        head = {"status": "ok", "id": message["id"], "command": command}
        await socket.send(json.dumps({**head, **replies.get(command, error)}))
        if command == "subscribe":
            event = {"event": "file_added", "time": HARMFUL, "port": HARMFUL, "camera_filepath": HARMFUL}
            await socket.send(json.dumps(event))

    return answer


@contextlib.asynccontextmanager
async def hostile(installed: Path, folder: Path, replies: dict[str, dict[str, Any]] = REPLIES) -> Any:
    """A Shell for a server that sends these replies."""
    async with strange(answering(replies)) as server:
        yield Shell(installed, folder, server)


async def run(shell: Shell, *arguments: str) -> Done:
    """Run gphoto-ws without blocking the server's event loop."""
    return await asyncio.to_thread(shell.run, *arguments)


def harmless(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n"))


@pytest.mark.parametrize(
    "command",
    [
        ("cameras",), ("info",), ("config", "get", "x"), ("config", "set", "x", "y"), ("config", "list"),
        ("watch", "--count", "1"), ("files",), ("capture",), ("get", "/DCIM/a.jpg"),
    ],
)  # fmt: skip
async def test_control_characters_are_escaped(installed: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    async with hostile(installed, tmp_path, {**REPLIES, "capture_image": shot(HARMFUL)}) as shell:
        done = await run(shell, *command)
        assert harmless(done.text + done.err)
        if command[0] != "get":
            assert ESCAPED.split("\\n")[0] in done.text + done.err
        as_json = await run(shell, *command, "--json", *(("-o", "b.jpg") if command[0] == "get" else ()))
    out = as_json.text if as_json.code == 0 else as_json.err.splitlines()[-1]
    assert out.isascii()
    assert harmless(out)
    json.loads(out)


async def test_a_message_cannot_forge_a_line(installed: Path, tmp_path: Path) -> None:
    async with hostile(installed, tmp_path) as shell:
        done = await run(shell, "files")
    assert (done.code, done.err) == (1, f"gphoto-ws: {ESCAPED}\n")


async def test_the_log_is_escaped_too(installed: Path, tmp_path: Path) -> None:
    async def reply_with_harmful_text(socket: ServerConnection, message: dict[str, Any]) -> None:
        await socket.send(json.dumps({"id": message["id"], "status": "ok", "message": HARMFUL}))

    async def flood(socket: ServerConnection, message: dict[str, Any]) -> None:
        await socket.send(json.dumps(HARMFUL))
        await reply_with_harmful_text(socket, message)

    async with strange(flood) as server:
        done = await run(Shell(installed, tmp_path, server), "cameras")
    assert (done.code, harmless(done.err)) == (1, True)
    assert done.err.startswith("gphoto-ws: Skipped a message of the server")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
async def test_characters_outside_the_encoding_are_escaped(installed: Path, tmp_path: Path, encoding: str) -> None:
    replies = {"get_config": {**CONFIG, "value": "é日\U0001f4f7"}}
    async with hostile(installed, tmp_path, replies) as shell:
        done = await asyncio.to_thread(lambda: shell.run("config", "get", "x", PYTHONIOENCODING=encoding))
    shown = {"ascii": "\\xe9\\u65e5\\U0001f4f7", "latin-1": "é\\u65e5\\U0001f4f7", "utf-8": "é日\U0001f4f7"}
    assert (done.code, done.out.decode(encoding)) == (0, f"{shown[encoding]}\n")


async def test_a_progress_bar_escapes_the_file_name(installed: Path, tmp_path: Path) -> None:
    async with hostile(installed, tmp_path, {"capture_image": shot("[red]a[/nothing]\x1b[2J.jpg")}) as shell:
        drawn = await asyncio.to_thread(_at_a_terminal, shell, "capture", "-o", ".")
    assert "\x1b[2J" not in drawn
    assert "Traceback" not in drawn
    (saved,) = (path.name for path in tmp_path.iterdir())
    assert saved == "nothing]_[2J.jpg"


NAMES = {
    ".bash_profile": "_.bash_profile", "-rf": "_-rf", "../../.ssh/authorized_keys": "authorized_keys", "..": "picture",
    "": "picture", "con.jpg": "_con.jpg", "a\\b.jpg": "a_b.jpg", "c:d.jpg": "c_d.jpg", "a.jpg. .": "a.jpg",
    "\x1b[31m.jpg": "_[31m.jpg", "\u202egpj.exe": "_gpj.exe", "x\ud800.jpg": "x_.jpg", "y" * 300 + ".jpg": "y" * 196 + ".jpg",
}  # fmt: skip


@pytest.mark.parametrize(("name", "saved_name"), NAMES.items())
async def test_a_file_name_from_the_camera_is_made_safe(
    installed: Path, tmp_path: Path, name: str, saved_name: str
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    async with hostile(installed, folder, {"capture_image": shot(name)}) as shell:
        done = await run(shell, "capture", "-o", ".")
    assert (done.code, done.text) == (0, saved_name)
    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()] == [Path("work", saved_name)]
    assert f"saving as {saved_name}" in done.err


async def test_get_makes_the_name_from_the_path_safe(installed: Path, tmp_path: Path) -> None:
    async with hostile(installed, tmp_path) as shell:
        assert (await run(shell, "get", "/DCIM/.bashrc")).text == "_.bashrc"
        assert (await run(shell, "get", "/DCIM/-x", "-o", ".")).text == "_-x"
        # A name given by the user is used unchanged.
        assert (await run(shell, "get", "/DCIM/a.jpg", "-o", ".mine")).text == ".mine"
        assert (await run(shell, "get", "/DCIM/a.jpg", "--output=-x")).text == "-x"
        assert (await run(shell, "get", "/DCIM/a.jpg", "-o", "nowhere/")).code == 2
    assert {path.name for path in tmp_path.iterdir()} == {"_.bashrc", "_-x", ".mine", "-x"}


async def test_files_with_equal_names_are_all_kept(installed: Path, tmp_path: Path) -> None:
    for force in ((), ("--force",)):
        folder = tmp_path / f"work{len(force)}"
        folder.mkdir()
        async with hostile(installed, folder, {"capture_image": shot("A.JPG", "a.jpg", "A.JPG", ".x", ".x")}) as shell:
            done = await run(shell, "capture", "-o", ".", *force)
        assert done.text.splitlines() == ["A.JPG", "a-2.jpg", "A-3.JPG", "_.x", "_-2.x"]
        assert {path.name: path.read_text() for path in folder.iterdir()} == {
            "A.JPG": "/DCIM/0", "a-2.jpg": "/DCIM/1", "A-3.JPG": "/DCIM/2", "_.x": "/DCIM/3", "_-2.x": "/DCIM/4",
        }  # fmt: skip


async def test_an_existing_file_or_symlink_is_kept(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "A.JPG").write_text("precious")
    (tmp_path / "B.JPG").symlink_to(tmp_path / "nothing")
    for name in ("A.JPG", "B.JPG"):
        async with hostile(installed, tmp_path, {"capture_image": shot(name)}) as shell:
            done = await run(shell, "capture", "-o", ".")
        assert (done.code, "exists already" in done.err, "the picture is on the camera" in done.err) == (
            2,
            True,
            True,
        )
    assert (tmp_path / "A.JPG").read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["A.JPG", "B.JPG"]


async def test_a_shot_without_files_and_endlessly_nested_folders(installed: Path, tmp_path: Path) -> None:
    endless = {"list_files": {"folder": "/", "folders": ["a"], "files": [], "total": 2**60}, "capture_image": shot()}
    async with hostile(installed, tmp_path, endless) as shell:
        done = await run(shell, "capture", "-o", "x.jpg")
        assert (done.code, "named no file" in done.err) == (1, True)
        done = await run(shell, "files", "-r")
    assert (done.code, len(done.text.splitlines())) == (0, 33)
    assert "are not listed" in done.err


async def test_an_endless_list_of_files_is_cut_off(installed: Path, tmp_path: Path) -> None:
    page = {"folder": "/", "folders": [], "total": 2**62, "files": [
        {"camera_filepath": f"/{number}.jpg", "filename": f"{number}.jpg", "mimetype": "image/jpeg"} for number in range(1000)
    ]}  # fmt: skip
    async with hostile(installed, tmp_path, {"list_files": page}) as shell:
        done = await run(shell, "files")
    assert done.code == 0
    assert "the rest is not listed" in done.err
    assert len(done.text.splitlines()) == 100_000


@given(st.text(max_size=30))
def test_any_text_is_made_printable(text: str) -> None:
    shown = printable(text)
    assert all(char.isprintable() or unicodedata.category(char) == "Zs" for char in shown)
    assert printable(shown) == shown
    shown.encode()


@given(st.text(max_size=300) | st.text("./\\-\x00:aé ", max_size=300), st.sets(st.text(max_size=5), max_size=3))
def test_any_name_becomes_valid_on_every_system(name: str, taken: set[str]) -> None:
    chosen = local_name(name, taken)
    assert chosen
    assert not chosen.startswith((".", "-", " "))
    assert not set(chosen) & set('/\\:*?"<>|\x00\n')
    assert len(chosen.encode()) <= 230
    assert chosen.casefold() not in {char.casefold() for char in taken}


def _at_a_terminal(shell: Shell, *arguments: str) -> str:
    """The output of gphoto-ws with a terminal as stdout and stderr."""
    main, terminal = pty.openpty()
    process = subprocess.Popen(
        [shell.program, *arguments], cwd=shell.folder, env=shell.environment | {"TERM": "xterm", "COLUMNS": "200"},
        stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal,
    )  # fmt: skip
    os.close(terminal)
    drawn = b""
    try:
        while part := os.read(main, 4096):
            drawn += part
    except OSError:  # Linux raises this error after the last process has closed the terminal
        pass
    os.close(main)
    process.wait(30)
    return drawn.decode()
