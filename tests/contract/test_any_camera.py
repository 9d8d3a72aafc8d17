"""The same tests with three cameras: a simulated one on the network, one on USB, and libgphoto2's virtual camera."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from simulator.client import Control
from tests.support.cameras import QUICK, Simulator, one_camera
from tests.support.marks import decoded, from_base64
from tests.support.rig import Client, CommandError, Json, Server
from tests.support.usb import usb_machine


@dataclass(frozen=True)
class Subject:
    """A camera under test and its expected properties.

    Attributes:
        sha256: a function that returns the digest of the file at a path of the camera.
        changes: for each type of setting, the name of a writable setting, the sent value, and the value read afterwards.
        invalid: for each type of setting, the name of a setting, a forbidden value, and the expected details of the error.
        types: the types that the settings of the camera have.
    """

    server: Server
    port: str
    name: str
    sha256: Callable[[str], str]
    changes: dict[str, tuple[str, str | int | float | bool, str | int | float]]
    invalid: dict[str, tuple[str, str | int | float | bool, Json]]
    types: set[str]
    readonly: str = "batterylevel"


def subject_of_simulator(server: Server, port: str, name: str, control: Control) -> Subject:
    """A simulated Canon as a subject, on any port."""

    def sha256(path: str) -> str:
        files = control.state(sha256=True)["files"]
        return next(str(file["sha256"]) for file in files if file["path"] == path)

    return Subject(
        server=server, port=port, name=name, sha256=sha256,
        changes={
            "text": ("ownername", "Ada Lovelace", "Ada Lovelace"),
            "radio": ("iso", 400, "400"),
            "toggle": ("viewfinder", True, 1),
            "range": ("d303", "25", 25.0),
            "date": ("datetime", "2030-01-02T03:04:05+00:00", 1893553445),
        },
        invalid={
            "radio": ("iso", "123", {"choices": ["Auto", "100", "200", "400", "800", "1600", "3200", "6400"]}),
            "range": ("d303", 200.5, {"range": {"min": 0, "max": 200, "step": 1}}),
            "toggle": ("viewfinder", "maybe", {"choices": ["0", "1"]}),
            "date": ("datetime", "tomorrow", {"type": "date"}),
            "text": ("ownername", "two\nlines", {"type": "text"}),
        },
        types={"text", "radio", "menu", "toggle", "range", "date"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    """A simulated Canon on PTP/IP. libgphoto2 has one name for all cameras there."""
    with one_camera(*QUICK) as camera:
        server = Server(cwd=tmp_path_factory.mktemp("network"), NETWORK_CAMERAS=camera.port)
        yield subject_of_simulator(server, camera.port, "PTP/IP Camera", camera.control)
        assert server.stop() == 0


@pytest.fixture(scope="module")
def usb(standin: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    """A simulated Canon on libgphoto2's `usb:` port. Skipped without a C compiler."""
    with (
        Simulator("--usbip", "0", *QUICK) as simulator,
        usb_machine(tmp_path_factory.mktemp("machine"), standin, simulator) as machine,
    ):
        (camera,) = machine.cameras
        server = Server(cwd=tmp_path_factory.mktemp("usb"), **machine.settings)
        yield subject_of_simulator(server, camera.port, "Canon EOS 550D", camera.control)
        assert server.stop() == 0


@pytest.fixture(scope="module")
def virtual(picture_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    folder = tmp_path_factory.mktemp("virtual-camera")
    for picture in picture_folder.glob("*.jpg"):
        shutil.copy(picture, folder / "picture.jpg")
    digest = hashlib.sha256((folder / "picture.jpg").read_bytes()).hexdigest()
    server = Server(cwd=tmp_path_factory.mktemp("virtual"), VCAMERADIR=str(folder))
    yield Subject(
        server=server, port="usb:001,001", name="Nikon DSC D750", sha256=lambda _: digest,
        changes={
            "radio": ("f-number", "f/4", "f/4"),
            "menu": ("500d", 500, "500"),
            "toggle": ("fastfs", "off", 0),
        },
        invalid={
            "radio": ("thumbsize", "huge", {"choices": ["normal", "large"]}),
            "menu": ("500d", "7", {"choices": ["10000", "1000", "500", "200", "100", "50", "25", "12", "1"]}),
            "toggle": ("fastfs", 2, {"choices": ["0", "1"]}),
            "date": ("datetime", -1, {"type": "date"}),
            "text": ("controlmode", "a\x00b", {"type": "text"}),
        },
        types={"text", "radio", "menu", "toggle", "date"},
    )  # fmt: skip
    assert server.stop() == 0


@pytest.fixture(params=["network", "usb", "virtual"])
def subject(request: pytest.FixtureRequest) -> Subject:
    value = request.getfixturevalue(request.param)
    assert isinstance(value, Subject)
    return value


@pytest.fixture
async def camera(subject: Subject) -> AsyncIterator[Client]:
    """A client that has selected the camera."""
    async with await Client.connect(subject.server) as client:
        await client.command("select_camera", port=subject.port)
        yield client


async def error_of(client: Client, command: str, **payload: Any) -> CommandError:
    with pytest.raises(CommandError) as error:
        await client.command(command, **payload)
    return error.value


async def test_the_camera_is_listed_with_its_name_and_port(camera: Client, subject: Subject) -> None:
    (entry,) = (await camera.command("list_cameras"))["cameras"]
    assert (entry["name"], entry["port"], entry["index"]) == (subject.name, subject.port, 0)
    assert (entry["state"], entry["connected"]) == ("ready", True)


async def test_the_reply_to_select_camera_names_the_port(camera: Client, subject: Subject) -> None:
    reply = await camera.command("select_camera", port=subject.port)
    assert reply == {"status": "ok", "message": f"Camera on port {subject.port} selected"}


async def test_selecting_an_unknown_port_keeps_the_selection(camera: Client, subject: Subject) -> None:
    error = await error_of(camera, "select_camera", port="usb:009,009")
    assert (error.code, error.details["ports"]) == ("camera_not_found", [subject.port])
    assert (await camera.command("get_camera_info"))["port"] == subject.port


async def test_a_downloaded_picture_equals_the_file_on_the_camera(camera: Client, subject: Subject) -> None:
    captured = await camera.command("capture_image")
    path = captured["camera_filepath"]
    downloaded = await camera.command("download_last_image", camera_filepath=path)
    picture = from_base64(downloaded["image_b64"])
    assert hashlib.sha256(picture).hexdigest() == subject.sha256(path)
    assert (downloaded["filename"], downloaded["mimetype"]) == (path.rpartition("/")[2], "image/jpeg")
    assert downloaded["size"] == captured["files"][0]["size"] == len(picture)
    decoded(picture)


async def test_without_a_path_the_last_image_is_downloaded(camera: Client) -> None:
    await camera.command("capture_image")
    last = (await camera.command("capture_image"))["camera_filepath"]
    assert (await camera.command("download_last_image"))["camera_filepath"] == last


# The types of settings that can be changed. The simulator's menu settings are read-only, and the virtual camera ignores
# changes of its text and date settings.
SIMULATED = [(subject, kind) for subject in ("network", "usb") for kind in ("text", "radio", "toggle", "range", "date")]
CHANGES = [*SIMULATED, ("virtual", "radio"), ("virtual", "menu"), ("virtual", "toggle")]
INVALID_VALUES = [*SIMULATED, *(("virtual", kind) for kind in ("text", "radio", "menu", "toggle", "date"))]


@pytest.mark.parametrize(("subject", "widget_type"), CHANGES, indirect=["subject"])
async def test_a_setting_of_each_type_is_changed_and_read_back(
    camera: Client, subject: Subject, widget_type: str
) -> None:
    name, sent, expected = subject.changes[widget_type]
    changed = await camera.command("set_config", name=name, value=sent)
    assert (changed["message"], changed["config_name"]) == (f"Config {name} set to {expected}", name)
    assert (changed["type"], changed["value"]) == (widget_type, expected)


@pytest.mark.parametrize(("subject", "widget_type"), INVALID_VALUES, indirect=["subject"])
async def test_an_invalid_value_changes_nothing_and_the_error_has_the_allowed_ones(
    camera: Client, subject: Subject, widget_type: str
) -> None:
    name, sent, allowed = subject.invalid[widget_type]
    before = await camera.command("get_config", name=name)
    error = await error_of(camera, "set_config", name=name, value=sent)
    assert error.code == "invalid_value"
    assert error.details == {"config_name": name} | allowed
    assert name in str(error)
    after = await camera.command("get_config", name=name)
    if widget_type == "date":
        assert 0 <= after["value"] - before["value"] < 60  # not equal, because the clock of the camera runs
    else:
        assert after == before


async def test_a_read_only_setting_cannot_be_changed(camera: Client, subject: Subject) -> None:
    before = await camera.command("get_config", name=subject.readonly)
    assert before["readonly"] is True
    assert (await error_of(camera, "set_config", name=subject.readonly, value="1%")).code == "config_readonly"
    assert (await camera.command("get_config", name=subject.readonly))["value"] == before["value"]


async def test_the_error_for_an_unknown_setting_suggests_similar_ones(camera: Client) -> None:
    error = await error_of(camera, "get_config", name="battery")
    assert error.code == "config_not_found"
    assert "batterylevel" in error.details["similar"]
    assert (await error_of(camera, "set_config", name="battery", value="1")).code == "config_not_found"


async def test_a_section_of_the_settings_cannot_be_set(camera: Client) -> None:
    assert (await error_of(camera, "set_config", name="settings", value="1")).code == "not_supported"


async def test_get_config_returns_every_setting_with_path_type_and_value(camera: Client, subject: Subject) -> None:
    configs = (await camera.command("get_config"))["configs"]
    assert {config["type"] for config in configs} == subject.types
    for config in configs:
        assert config["path"].startswith("/main/")
        assert config["path"].endswith("/" + config["config_name"])
        assert isinstance(config["readonly"], bool)
        assert isinstance(config["label"], str)
        values: dict[str, type] = {"toggle": int, "date": int, "range": float}
        assert isinstance(config["value"], values.get(config["type"], str)), config
        assert bool(config["choices"]) == (config["type"] in ("radio", "menu")), config
        assert ("range" in config) == (config["type"] == "range"), config


async def test_a_setting_can_be_named_by_its_path(camera: Client, subject: Subject) -> None:
    name, sent, expected = subject.changes["radio"]
    tree = (await camera.command("get_config"))["configs"]
    path = next(config["path"] for config in tree if config["config_name"] == name)
    assert (await camera.command("set_config", name=path, value=sent))["value"] == expected
    assert (await camera.command("get_config", name=path))["value"] == expected


async def test_a_captured_file_is_listed_until_it_is_deleted(camera: Client) -> None:
    path = (await camera.command("capture_image"))["camera_filepath"]
    folder = path.rpartition("/")[0]
    entry = await camera.command("list_files", folder=folder)
    assert path in [file["camera_filepath"] for file in entry["files"]]
    assert (await camera.command("delete_file", camera_filepath=path))["message"] == f"{path} deleted"
    after = await camera.command("list_files", folder=folder)
    assert path not in [file["camera_filepath"] for file in after["files"]]
    assert after["total"] == entry["total"] - 1
    assert (await error_of(camera, "download_last_image", camera_filepath=path)).code == "file_not_found"


async def test_every_folder_can_be_reached_from_the_root(camera: Client) -> None:
    path = (await camera.command("capture_image"))["camera_filepath"]
    folder = ""
    for part in path.split("/")[1:-1]:
        assert part in (await camera.command("list_files", folder=folder or "/"))["folders"]
        folder += "/" + part


@pytest.mark.parametrize("command", ["download_last_image", "get_thumbnail", "delete_file"])
async def test_an_unknown_file_is_not_found(camera: Client, command: str) -> None:
    folder = (await camera.command("capture_image"))["camera_filepath"].rpartition("/")[0]
    for path in (f"{folder}/NOBODY.JPG", "/nowhere/NOBODY.JPG"):
        assert (await error_of(camera, command, camera_filepath=path)).code == "file_not_found"
    assert (await camera.command("capture_image"))["status"] == "ok"


@pytest.mark.parametrize("path", ["IMG_0001.JPG", "/../etc/passwd", "/a//b.jpg", "/a/./b.jpg", "/a/", "/a\u0000b.jpg"])
async def test_an_invalid_path_is_rejected(camera: Client, path: str) -> None:
    for command in ("download_last_image", "get_thumbnail", "delete_file"):
        assert (await error_of(camera, command, camera_filepath=path)).code == "invalid_path"
    assert (await error_of(camera, "list_files", folder=path)).code == "invalid_path"


@pytest.mark.parametrize("subject", ["network", "usb"], indirect=True)
async def test_live_view_streams_if_supported(camera: Client) -> None:
    await camera.command("start_live_view")
    decoded(from_base64((await camera.event("live_view_frame"))["image_b64"]))
    assert (await camera.command("stop_live_view"))["sent"] >= 1
    decoded(from_base64((await camera.command("capture_preview"))["image_b64"]))


@pytest.mark.parametrize("subject", ["virtual"], indirect=True)
@pytest.mark.parametrize("command", ["start_live_view", "capture_preview"])
async def test_live_view_is_rejected_if_not_supported(camera: Client, command: str) -> None:
    error = await error_of(camera, command)
    assert (error.code, error.reply["retryable"]) == ("not_supported", False)
    assert (await error_of(camera, "stop_live_view")).code == "live_view_not_running"
    (entry,) = (await camera.command("list_cameras"))["cameras"]
    assert "live_view" not in entry["can"]  # although the driver reports live view for this camera
    assert (await camera.command("capture_image"))["status"] == "ok"


async def test_the_camera_can_be_restarted(camera: Client, subject: Subject) -> None:
    reply = await camera.command("restart_camera")
    assert reply["message"] == f"Camera on port {subject.port} restarted"
    assert (await camera.command("capture_image"))["status"] == "ok"


@pytest.mark.parametrize("subject", ["virtual"], indirect=True)
async def test_the_button_of_the_virtual_camera_is_reported(camera: Client) -> None:
    await camera.command("subscribe", events=["file_added"])
    await camera.command("set_config", name="opcode", value="0x9999,0x0,0x64")
    added = await camera.event("file_added")
    assert (await camera.command("download_last_image"))["camera_filepath"] == added["camera_filepath"]
