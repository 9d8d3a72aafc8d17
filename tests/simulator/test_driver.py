"""The real libgphoto2 with the simulated camera: every operation of a session."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import ExifTags, Image

from simulator.client import Control
from tests.simulator.rig import Driver, DriverError, Simulator, running_simulator
from tests.support.marks import decoded

pytestmark = pytest.mark.timeout(30)

FOLDER = "/store_00020001/DCIM/100CANON"

SETTINGS = {
    "iso": "800",
    "aperture": "8",
    "shutterspeed": "1/250",
    "whitebalance": "Cloudy",
    "drivemode": "Continuous",
    "focusmode": "One Shot",
    "exposurecompensation": "-1.3",
    "meteringmode": "Spot",
    "picturestyle": "Landscape",
    "colorspace": "AdobeRGB",
    "ownername": "Somebody",
    "artist": "An Artist",
    "copyright": "CC0",
    "autopoweroff": "240",
    "reviewtime": "Hold",
    "aeb": "+/- 1",
    "whitebalanceadjusta": "-3",
    "capturetarget": "Internal RAM",
    "datetime": 1700000000,
}


def test_summary_names_the_camera(driver: Driver) -> None:
    summary = driver.summary()
    assert "Model: Canon EOS 550D" in summary
    assert "Serial Number: SIM0000001" in summary


def test_the_wlan_model_also_works(simulator: Simulator, new_driver: Callable[..., Driver]) -> None:
    assert new_driver(simulator.address, "Canon EOS (WLAN)").get("iso")["value"] == "100"


def test_storage_has_free_space(driver: Driver) -> None:
    storage = driver.storage()
    assert storage["base"] == "/store_00020001"
    assert 0 < storage["free_kb"] <= storage["capacity_kb"]


def test_configuration_tree_has_every_kind_of_widget(driver: Driver) -> None:
    tree = driver.tree()
    assert {item["type"] for item in tree.values()} >= {"text", "radio", "menu", "toggle", "date", "range"}
    assert tree["lensname"] == {"type": "text", "read_only": True, "value": "EF-S18-55mm f/3.5-5.6 IS"}
    assert tree["eosserialnumber"]["value"] == "SIM0000001"
    assert tree["batterylevel"]["value"] == "100%"
    assert int(tree["availableshots"]["value"]) > 100
    assert tree["capturetarget"]["choices"] == ["Internal RAM", "Memory card"]
    assert tree["d303"]["range"] == [0.0, 200.0, 1.0]


def test_settings_are_read_back(driver: Driver) -> None:
    assert {name: driver.set(name, value) for name, value in SETTINGS.items()} == SETTINGS
    tree = driver.tree()
    assert {name: tree[name]["value"] for name in SETTINGS} == SETTINGS


def test_every_choice_is_accepted_and_read_back(driver: Driver) -> None:
    for name in ("iso", "aperture", "shutterspeed", "imageformat", "exposurecompensation", "whitebalance"):
        choices = driver.get(name)["choices"]
        assert [driver.set(name, choice) for choice in choices] == choices


def test_choices_depend_on_the_exposure_mode(driver: Driver) -> None:
    assert len(driver.get("aperture")["choices"]) > 5
    driver.set("autoexposuremode", "TV")
    assert driver.get("aperture")["choices"] == ["5.6"]
    assert len(driver.get("shutterspeed")["choices"]) > 5
    driver.set("autoexposuremode", "Manual")
    assert len(driver.get("aperture")["choices"]) > 5


def test_settings_are_kept_when_the_driver_is_killed(
    driver: Driver, simulator: Simulator, new_driver: Callable[..., Driver]
) -> None:
    driver.set("iso", "1600")
    driver.kill()
    assert new_driver(simulator.address).get("iso")["value"] == "1600"


def test_capture_to_card_returns_the_path(driver: Driver, control: Control) -> None:
    assert driver.capture() == f"{FOLDER}/IMG_0001.JPG"
    assert driver.capture() == f"{FOLDER}/IMG_0002.JPG"
    assert driver.list(FOLDER) == {"files": ["IMG_0001.JPG", "IMG_0002.JPG"], "folders": []}
    state = control.state()
    assert [file["path"] for file in state["files"]] == [f"{FOLDER}/IMG_0001.JPG", f"{FOLDER}/IMG_0002.JPG"]
    assert state["shots"] == 2


def test_capture_to_ram_transfers_the_file(driver: Driver, control: Control, tmp_path: Path) -> None:
    driver.set("capturetarget", "Internal RAM")
    assert control.state()["capture_destination"] == "host"
    path = driver.capture()
    assert path == "/capt0000.jpg"
    driver.download(path, str(tmp_path / "ram.jpg"))
    assert decoded((tmp_path / "ram.jpg").read_bytes()).info["comment"] == b"shot=1 serial=SIM0000001"
    state = control.state()
    assert (state["files"], state["ram_files"], state["shots"]) == ([], 0, 1)


def test_raw_and_jpeg_create_two_files(driver: Driver, tmp_path: Path) -> None:
    driver.set("imageformat", "RAW + L")
    first = driver.capture()
    second = driver.wait_for("file")
    assert {first, *second} == {f"{FOLDER}/IMG_0001.CR2", f"{FOLDER}/IMG_0001.JPG"}
    driver.download(f"{FOLDER}/IMG_0001.CR2", str(tmp_path / "raw.cr2"))
    head = (tmp_path / "raw.cr2").read_bytes()[:11]
    assert head == b"II*\0\x10\0\0\0CR\x02"
    assert driver.info(f"{FOLDER}/IMG_0001.CR2")["size"] > driver.info(f"{FOLDER}/IMG_0001.JPG")["size"]


@pytest.mark.parametrize(("size", "pixels"), [("M", (864, 576)), ("cS", (640, 432))])
def test_smaller_formats_have_fewer_pixels(driver: Driver, tmp_path: Path, size: str, pixels: tuple[int, int]) -> None:
    driver.set("imageformat", size)
    driver.download(driver.capture(), str(tmp_path / "small.jpg"))
    assert decoded((tmp_path / "small.jpg").read_bytes()).size == pixels


def test_trigger_capture_reports_the_file_as_an_event(driver: Driver) -> None:
    driver.trigger()
    assert driver.wait_for("file") == [f"{FOLDER}/IMG_0001.JPG"]
    assert driver.wait_for("complete") == [None]


def test_a_shot_with_the_camera_button_is_an_event(driver: Driver, control: Control) -> None:
    assert driver.wait_for("file", seconds=0.1) == []
    assert control.shutter() == [f"{FOLDER}/IMG_0001.JPG"]
    assert driver.wait_for("file") == [f"{FOLDER}/IMG_0001.JPG"]


def test_autofocus_succeeds_at_a_capture(driver: Driver) -> None:
    driver.set("focusmode", "One Shot")
    assert driver.capture() == f"{FOLDER}/IMG_0001.JPG"
    assert driver.get("focusinfo")["value"] != "{}"


def test_list_info_thumbnail_and_delete(driver: Driver, control: Control, tmp_path: Path) -> None:
    path = driver.capture()
    assert driver.list("/store_00020001")["folders"] == ["DCIM"]
    info = driver.info(path)
    assert info["type"] == "image/jpeg"
    assert (info["width"], info["height"]) == (1296, 864)
    driver.download(path, str(tmp_path / "thumb.jpg"), preview=True)
    assert decoded((tmp_path / "thumb.jpg").read_bytes()).size == (160, 120)
    driver.delete(path)
    assert driver.list(FOLDER)["files"] == []
    assert control.state()["files"] == []


def test_the_driver_no_longer_lists_a_file_deleted_on_the_body(driver: Driver, control: Control) -> None:
    path = driver.capture()
    control.delete(path)
    driver.wait_for("unknown", count=20, seconds=0.3)
    assert driver.list(FOLDER)["files"] == []


def test_a_full_size_still_has_exif_and_can_be_read_at_once_or_in_chunks(
    new_driver: Callable[..., Driver], tmp_path: Path
) -> None:
    with running_simulator() as simulator:
        driver = new_driver(simulator.address)
        for name, value in {
            "capturetarget": "Memory card",
            "iso": "400",
            "aperture": "8",
            "shutterspeed": "1/60",
        }.items():
            driver.set(name, value)
        path = driver.capture()
        (listed,) = simulator.control.state(sha256=True)["files"]
        result = driver.download(path, str(tmp_path / "full.jpg"))
        assert 11e6 < result["size"] < 13e6
        assert result["sha256"] == listed["sha256"]
        driver.kill()
        # The first driver would read the file from its cache, so a new driver is needed.
        new_session = new_driver(simulator.address)
        assert new_session.read_pieces(path, listed["size"], 1 << 20) == listed["sha256"]
    image = decoded((tmp_path / "full.jpg").read_bytes())
    assert image.size == (5184, 3456)
    assert image.info["comment"] == b"shot=1 serial=SIM0000001"
    main = image.getexif()
    details = main.get_ifd(0x8769)
    assert (main[0x010F], main[0x0110], main[0x0112]) == ("Canon", "Canon EOS 550D", 1)
    assert re.fullmatch(r"\d{4}:\d\d:\d\d \d\d:\d\d:\d\d", details[0x9003])
    assert (float(details[0x829A]), float(details[0x829D]), details[0x8827]) == (1 / 60, 8, 400)
    assert details[0xA431] == "SIM0000001"
    thumbnail_ifd = main.get_ifd(ExifTags.IFD.IFD1)
    thumbnail = image.info["exif"][6 + thumbnail_ifd[0x0201] :][: thumbnail_ifd[0x0202]]
    assert Image.open(io.BytesIO(thumbnail)).size == (160, 120)


def test_corner_colours_show_the_orientation(driver: Driver, tmp_path: Path) -> None:
    driver.download(driver.capture(), str(tmp_path / "still.jpg"))
    image = decoded((tmp_path / "still.jpg").read_bytes())
    right, bottom = image.width - 9, image.height - 9
    corners = [image.getpixel(position) for position in ((8, 8), (right, 8), (8, bottom), (right, bottom))]
    expected = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]
    for corner, colour in zip(corners, expected, strict=True):
        assert isinstance(corner, tuple)
        assert all(abs(actual - wanted) < 12 for actual, wanted in zip(corner, colour, strict=True)), corners


def test_live_view_frames_have_numbers_and_change(driver: Driver, control: Control, tmp_path: Path) -> None:
    result = driver.preview(5, str(tmp_path / "fifth.jpg"))
    matches = [re.fullmatch(r"frame=(\d+) serial=SIM0000001 time=(\d{16})", actual) for actual in result["comments"]]
    assert [int(match[1]) for match in matches if match] == [1, 2, 3, 4, 5]
    driver.preview(10, str(tmp_path / "fifteenth.jpg"))
    assert decoded((tmp_path / "fifth.jpg").read_bytes()).size == (480, 320)
    assert (tmp_path / "fifth.jpg").read_bytes()[60:] != (tmp_path / "fifteenth.jpg").read_bytes()[60:]
    assert control.state()["frames"] == 15


def test_live_view_is_switched_on_and_off(driver: Driver, control: Control) -> None:
    assert not control.state()["live_view"]
    driver.set("viewfinder", 1)
    assert control.state()["live_view"]
    driver.preview()
    driver.set("viewfinder", 0)
    assert not control.state()["live_view"]
    driver.preview()
    driver.close()
    assert not control.state()["live_view"]


def test_the_camera_limits_the_frame_rate(new_driver: Callable[..., Driver]) -> None:
    with running_simulator("--fps", "50", "--still", "320x240", "--frame", "320x240") as simulator:
        driver = new_driver(simulator.address)
        driver.preview(3)
        assert 0.55 < driver.preview(30)["seconds"] < 0.75
        # The camera replies only when the next frame is ready, so the driver sends one request for each frame.
        assert simulator.control.state()["operations"]["0x9153"] == 33


def test_live_view_without_a_frame_rate_limit_is_fast(new_driver: Callable[..., Driver]) -> None:
    with running_simulator("--fps", "0", "--still", "320x240") as simulator:
        driver = new_driver(simulator.address)
        driver.preview(3)
        result = driver.preview(200)
        assert 70_000 < result["size"] < 140_000
        assert result["seconds"] < 1.5


def test_a_capture_during_live_view(driver: Driver) -> None:
    driver.preview(2)
    assert driver.capture() == f"{FOLDER}/IMG_0001.JPG"
    assert len(driver.preview(2)["comments"]) == 2


def test_two_cameras_in_one_simulator_are_independent(new_driver: Callable[..., Driver]) -> None:
    with running_simulator("--cameras", "2", "--still", "320x240", "--frame", "320x240") as simulator:
        first, second = (new_driver(address) for address in simulator.addresses)
        first.set("iso", "200")
        assert second.get("iso")["value"] == "100"
        assert "serial=SIM0000002" in second.preview()["comments"][0]
        assert simulator.control.state(camera=0)["frames"] == 0
        assert simulator.control.state(camera=1)["frames"] == 1


def test_a_new_connection_replaces_the_old_one(
    driver: Driver, simulator: Simulator, new_driver: Callable[..., Driver]
) -> None:
    newer = new_driver(simulator.address)
    assert newer.preview()["size"] > 0
    with pytest.raises(DriverError):
        driver.preview()
    assert simulator.control.state()["connected"] == 1
    assert newer.preview()["size"] > 0


def test_a_killed_driver_leaves_the_camera_reachable_at_once(
    driver: Driver, simulator: Simulator, new_driver: Callable[..., Driver]
) -> None:
    driver.preview()
    driver.kill()
    begin = time.monotonic()
    assert new_driver(simulator.address).preview()["size"] > 0
    assert time.monotonic() - begin < 2
