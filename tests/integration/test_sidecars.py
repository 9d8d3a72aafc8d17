"""XMP sidecars next to RAW files: their content, and what happens if they cannot be made."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.support.cameras import QUICK, OneCamera
from tests.support.entry import run
from tests.support.rig import Client, Json, Server
from tests.support.small_disk import small_disk
from tests.support.waiting import WITHIN_S

RAW_FORMAT = {"canon": ("imageformat", "RAW + L"), "nikon": ("imagequality", "NEF+Fine")}
NAMESPACES = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#", "dc": "http://purl.org/dc/elements/1.1/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/", "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpDM": "http://ns.adobe.com/xmp/1.0/DynamicMedia/", "aux": "http://ns.adobe.com/exif/1.0/aux/",
}  # fmt: skip


def words_in(sidecar: Path) -> dict[str, str]:
    """The texts in a sidecar, by prefix and name."""
    (description,) = ElementTree.parse(sidecar).iterfind(".//rdf:Description", NAMESPACES)
    prefixes = {uri: prefix for prefix, uri in NAMESPACES.items()}
    found = dict(description.attrib)
    found |= {item.tag: str(item.findtext(".//rdf:li", None, NAMESPACES)) for item in description}
    pairs = {tuple(name.removeprefix("{").split("}")): text for name, text in found.items()}
    return {f"{prefixes[uri]}:{name}": text for (uri, name), text in pairs.items() if name != "about"}


async def save_raw(client: Client, maker: str = "canon", **options: Any) -> Json:
    name, value = RAW_FORMAT[maker]
    return await client.command("capture_image", save=True, settings={name: value}, **options)


@pytest.mark.parametrize("maker", ["canon", "nikon"])
async def test_a_raw_file_gets_a_sidecar_with_the_words_and_is_not_changed(
    own_camera: Callable[..., OneCamera], new_server: Callable[..., Server], maker: str
) -> None:
    camera = own_camera("--maker", maker, *QUICK)
    server = new_server(
        NETWORK_CAMERAS=camera.port, SIDECARS="xmp", PHOTO_NAME="{job}/{seq:03}", CAMERA_LABELS="SIM0000001:left"
    )
    async with await Client.connect(server) as client:
        await client.command("get_camera_info")
        await client.command(
            "set_job_info", job="A & B <1>", artist="Ada, L\u00e9a", copyright="type=Bag \u00a9", owner="Studio"
        )
        reply = await save_raw(client, maker)
    assert "warnings" not in reply
    jpeg, raw = (Path(file["saved_path"]) for file in reply["files"])
    assert sorted(path.name for path in raw.parent.iterdir()) == sorted(("001.jpg", f"001{raw.suffix}", "001.xmp"))
    words = words_in(raw.with_suffix(".xmp"))
    taken = datetime.fromisoformat(words.pop("photoshop:DateCreated"))
    assert abs(taken.timestamp() - time.time()) < WITHIN_S
    assert words == {
        "photoshop:TransmissionReference": "A & B <1>", "xmp:Label": "left", "xmpDM:shotNumber": "1",
        "dc:creator": "Ada, L\u00e9a", "dc:rights": " type=Bag \u00a9", "aux:OwnerName": "Studio", "aux:SerialNumber": "SIM0000001",
    }  # fmt: skip
    digests = {file["path"]: file["sha256"] for file in camera.control.state(sha256=True)["files"]}
    assert digests[reply["files"][1]["camera_filepath"]] == hashlib.sha256(raw.read_bytes()).hexdigest()
    assert jpeg.suffix == ".jpg"


async def test_a_jpeg_alone_gets_no_sidecar_and_without_the_setting_no_file_does(
    own_camera: Callable[..., OneCamera], new_server: Callable[..., Server]
) -> None:
    camera = own_camera(*QUICK)
    server = new_server(NETWORK_CAMERAS=camera.port, SIDECARS="xmp")
    async with await Client.connect(server) as client:
        saved = Path((await client.command("capture_image", save=True))["files"][0]["saved_path"])
    assert server.stop() == 0
    async with await Client.connect(new_server(NETWORK_CAMERAS=camera.port)) as client:
        await save_raw(client)
    assert list(saved.parent.glob("*.xmp")) == []


async def test_a_name_whose_sidecar_exists_is_not_used_again(
    own_camera: Callable[..., OneCamera], new_server: Callable[..., Server], tmp_path: Path
) -> None:
    camera = own_camera(*QUICK)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "guest.xmp").write_text("somebody's")
    async with await Client.connect(new_server(NETWORK_CAMERAS=camera.port, SIDECARS="xmp")) as client:
        reply = await save_raw(client, filename="guest.cr2", keep_on_camera=False)
    assert {Path(file["saved_path"]).stem for file in reply["files"]} == {"guest-2"}
    assert (tmp_path / "photos" / "guest.xmp").read_text() == "somebody's"
    assert "SIM0000001" in (tmp_path / "photos" / "guest-2.xmp").read_text()


async def test_a_sidecar_that_cannot_be_saved_is_a_warning(
    own_camera: Callable[..., OneCamera], new_server: Callable[..., Server], tmp_path: Path
) -> None:
    camera = own_camera(*QUICK)
    with small_disk(
        tmp_path / "disk", "size=400m,nr_inodes=4"
    ) as disk:  # two files fit; a third has no room for its final name
        server = new_server(NETWORK_CAMERAS=camera.port, SIDECARS="xmp", PHOTO_DIR=str(disk))
        async with await Client.connect(server) as client:
            reply = await save_raw(client)
        assert reply["warnings"] == ["The sidecar of IMG_0001.CR2 was not saved: The disk of the photo folder is full."]
        assert len([file for file in reply["files"] if "saved_path" in file]) == 2
        assert server.stop() == 0


def test_without_the_package_the_server_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "exiv2.py").write_text("raise ImportError('No module named exiv2')\n")
    done = run(tmp_path, SIDECARS="xmp", PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    assert "SIDECARS='xmp' is not allowed: it needs the package exiv2" in done.stderr
    assert "-m pip install exiv2" in done.stderr
