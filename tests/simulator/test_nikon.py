"""The real libgphoto2 with the simulated Nikon: what differs from a Canon, and faults that have other results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from simulator.client import Control, ControlError
from tests.simulator.rig import Driver, Simulator, failure, running_simulator, works
from tests.support.marks import decoded

pytestmark = pytest.mark.timeout(20)

FOLDER = "/store_00010001/DCIM/100D7100"

SETTINGS = {
    "iso": "800",
    "f-number": "f/8",
    "shutterspeed": "0.0040s",
    "shutterspeed2": "1/500",
    "imagequality": "NEF+Fine",
    "imagesize": "976x640",
    "whitebalance": "Cloudy",
    "exposurecompensation": "-1.333",
    "exposuremetermode": "Center Spot",
    "flashmode": "Auto Slow Sync",
    "focusmode2": "AF-C",
    "colorspace": "AdobeRGB",
    "autoiso": "On",
    "artist": "An Artist",
    "copyright": "CC0",
    "imagecomment": "a comment",
    "flexibleprogram": -4.0,
    "capturetarget": "Memory card",
    "datetime": 1700000000,
}


@pytest.fixture(scope="module")
def shared_simulator() -> Iterator[Simulator]:
    """One simulated Nikon with small pictures and short times, for all tests of this module."""
    options = ("--still", "1296x864", "--frame", "480x320", "--fps", "200", "--shutter", "0.02")
    with running_simulator("--maker", "nikon", *options) as simulator:
        yield simulator


def read_events(driver: Driver) -> None:
    """Let the driver read all events, so that it discards its cached properties."""
    driver.wait_for("unknown", count=99, seconds=0.1)


def test_the_ready_line_and_the_state_name_the_model(simulator: Simulator, control: Control) -> None:
    assert [camera["model"] for camera in simulator.ready["cameras"]] == ["D7100"]
    state = control.state()
    assert (state["model"], state["serial"]) == ("D7100", "SIM0000001")
    assert state["properties"]["f-number"] == "f/5.6"


def test_the_driver_recognizes_a_nikon(driver: Driver) -> None:
    summary = driver.summary()
    assert "Vendor Extension ID: 0xa (1.0)" in summary
    assert "Nikon Capture 3" in summary
    tree = driver.tree()
    names = ("manufacturer", "cameramodel", "serialnumber", "deviceversion")
    assert [tree[name]["value"] for name in names] == ["Nikon Corporation", "D7100", "SIM0000001", "V1.00"]
    assert driver.storage()["base"] == "/store_00010001"


def test_the_wlan_model_also_works(simulator: Simulator, new_driver: Callable[..., Driver]) -> None:
    assert new_driver(simulator.address, "Nikon DSLR (WLAN)").get("iso")["value"] == "100"


def test_the_configuration_has_nikons_names(driver: Driver, control: Control) -> None:
    control.battery(75)
    tree = driver.tree()
    assert {item["type"] for item in tree.values()} >= {"text", "radio", "menu", "toggle", "date", "range"}
    assert not {"aperture", "imageformat", "shuttercounter"} & tree.keys()
    assert tree["imagequality"]["choices"][-4:] == ["NEF (Raw)", "NEF+Basic", "NEF+Normal", "NEF+Fine"]
    assert tree["imagesize"]["choices"] == ["1296x864", "976x640", "640x432"]
    assert tree["capturetarget"]["choices"] == ["Internal RAM", "Memory card"]
    assert tree["batterylevel"] == {"type": "text", "read_only": True, "value": "75%"}
    assert tree["lensname"]["value"] == "AF-S Nikkor 18-55mm 1:3.5-F5.6G DX VR"
    assert tree["minfocallength"]["value"] == "18 mm"
    assert tree["availableshots"]["value"] > 100


def test_settings_are_read_back(driver: Driver) -> None:
    assert {name: driver.set(name, value) for name, value in SETTINGS.items()} == SETTINGS
    tree = driver.tree()
    expected = SETTINGS | {"shutterspeed": "0.0020s", "focusmode": "AF-C"}
    assert {name: tree[name]["value"] for name in expected} == expected


def test_every_choice_is_accepted_and_read_back(driver: Driver) -> None:
    skipped = {"opcode", "thumbsize", "autofocus", "capturetarget"}
    for name, item in driver.tree().items():
        if item["type"] == "radio" and not item["read_only"] and name not in skipped:
            assert {choice: driver.set(name, choice) for choice in item["choices"]} == {
                choice: choice for choice in item["choices"]
            }, name


def test_writable_settings_depend_on_the_mode_dial(driver: Driver, control: Control) -> None:
    control.set("expprogram", "A")
    read_events(driver)
    assert driver.get("shutterspeed")["read_only"]
    # If a property is read-only or a value is not allowed, the driver searches for another property with the same name.
    # There is none, so the error is -2.
    assert failure(lambda: driver.set("shutterspeed", "0.0040s")) == -2
    assert driver.set("f-number", "f/11") == "f/11"
    assert failure(lambda: driver.set("iso", "123")) == -2


def test_the_mode_is_writable_in_control_mode(driver: Driver) -> None:
    assert driver.get("expprogram")["read_only"]
    driver.set("controlmode", "1")
    read_events(driver)
    assert driver.set("expprogram", "S") == "S"
    read_events(driver)
    assert driver.get("f-number")["read_only"]


def test_a_change_on_the_body_is_an_event(driver: Driver, control: Control) -> None:
    control.set("iso", "400")
    assert driver.wait_for("unknown") == ['PTP Property 0000500f changed, "iso" to "400"']
    control.set("focusmode", "AF-S")
    read_events(driver)
    assert driver.get("focusmode2")["value"] == "AF-S"
    control.veto("iso")
    assert driver.set("iso", "800") == "400"
    for name, value in (("iso", "123"), ("liveviewstatus", 1), ("taste", 1)):
        with pytest.raises(ControlError, match=r"allowed|follows"):
            control.set(name, value)


def test_capture_to_the_card(driver: Driver, control: Control, tmp_path: Path) -> None:
    path = driver.capture()
    assert path == f"{FOLDER}/DSC_0001.JPG"
    assert driver.capture() == f"{FOLDER}/DSC_0002.JPG"
    assert driver.list(FOLDER)["files"] == ["DSC_0001.JPG", "DSC_0002.JPG"]
    (listed, _) = control.state(sha256=True)["files"]
    assert (listed["path"], listed["sha256"]) == (path, driver.download(path, str(tmp_path / "still.jpg"))["sha256"])
    image = decoded((tmp_path / "still.jpg").read_bytes())
    assert (image.size, image.info["comment"]) == ((1296, 864), b"shot=1 serial=SIM0000001")
    assert image.getexif()[0x010F] == "NIKON CORPORATION"
    details = image.getexif().get_ifd(0x8769)
    assert (float(details[0x829A]), float(details[0x829D]), details[0x8827]) == (1 / 125, 5.6, 100)
    driver.download(path, str(tmp_path / "thumb.jpg"), preview=True)
    assert decoded((tmp_path / "thumb.jpg").read_bytes()).size == (160, 120)
    driver.delete(path)
    assert driver.list(FOLDER)["files"] == ["DSC_0002.JPG"]
    control.delete(f"{FOLDER}/DSC_0002.JPG")
    read_events(driver)
    assert driver.list(FOLDER)["files"] == []


def test_raw_and_jpeg_create_two_files(driver: Driver, tmp_path: Path) -> None:
    driver.set("imagequality", "NEF+Fine")
    driver.set("imagesize", "640x432")
    files = {driver.capture(), *driver.wait_for("file")}
    assert files == {f"{FOLDER}/DSC_0001.NEF", f"{FOLDER}/DSC_0001.JPG"}
    driver.download(f"{FOLDER}/DSC_0001.NEF", str(tmp_path / "raw.nef"))
    head = (tmp_path / "raw.nef").read_bytes()[:300]
    assert head.startswith(b"II*\0\x08\0\0\0")
    assert b"NIKON CORPORATION\0" in head
    raw, jpeg = (driver.info(f"{FOLDER}/DSC_0001.{extension}") for extension in ("NEF", "JPG"))
    assert raw["size"] > jpeg["size"]
    assert (jpeg["width"], jpeg["height"]) == (640, 432)


def test_capture_to_ram_transfers_the_files(driver: Driver, control: Control, tmp_path: Path) -> None:
    driver.set("capturetarget", "Internal RAM")
    assert driver.capture() == "/capt0000.jpg"
    driver.download("/capt0000.jpg", str(tmp_path / "ram.jpg"))
    assert decoded((tmp_path / "ram.jpg").read_bytes()).info["comment"] == b"shot=1 serial=SIM0000001"
    driver.set("imagequality", "NEF+Basic")
    assert [driver.capture(), *driver.wait_for("file")] == ["/capt0001.nef", "/capt0002.jpg"]
    driver.trigger()
    assert driver.wait_for("file", count=2) == ["/capt0003.nef", "/capt0004.jpg"]
    state = control.state()
    assert (state["files"], state["ram_files"], state["shots"]) == ([], 0, 3)


def test_a_shot_with_the_camera_button_is_an_event(driver: Driver, control: Control) -> None:
    assert driver.wait_for("file", seconds=0.1) == []
    control.set("imagequality", "NEF+Normal")
    paths = control.shutter()
    assert paths == [f"{FOLDER}/DSC_0001.NEF", f"{FOLDER}/DSC_0001.JPG"]
    assert driver.wait_for("file", count=2) == paths
    assert driver.wait_for("complete") == [None]


def test_live_view_is_switched_on_and_off(driver: Driver, control: Control, tmp_path: Path) -> None:
    # The driver discards the first frame, because some bodies send a damaged first frame (libgphoto2, library.c).
    comments = driver.preview(3, str(tmp_path / "frame.jpg"))["comments"]
    assert [comment.split()[0] for comment in comments] == ["frame=2", "frame=3", "frame=4"]
    assert decoded((tmp_path / "frame.jpg").read_bytes()).size == (480, 320)
    assert control.state()["live_view"]
    assert driver.set("viewfinder", 0) == 0
    assert not control.state()["live_view"]
    assert driver.set("viewfinder", 1) == 1
    assert control.state()["live_view"]
    driver.close()
    assert not control.state()["live_view"]


def test_live_view_continues_after_a_capture(driver: Driver, control: Control) -> None:
    driver.preview(2)
    assert driver.capture() == f"{FOLDER}/DSC_0001.JPG"
    assert control.state()["live_view"]
    driver.preview(2)
    driver.trigger()
    assert not control.state()["live_view"]
    assert driver.wait_for("file") == [f"{FOLDER}/DSC_0002.JPG"]
    assert driver.wait_for("complete") == [None]
    assert control.state()["live_view"]
    assert control.state()["shots"] == 2


def test_the_camera_button_during_live_view_captures_to_ram(driver: Driver, control: Control) -> None:
    driver.preview()
    control.shutter()
    assert control.state()["ram_files"] == 1
    assert failure(driver.preview) == -1
    assert driver.wait_for("file") == ["/capt0000.jpg"]
    assert driver.preview()["size"] > 0


def test_a_picture_in_ram_is_lost_with_the_session(
    driver: Driver, control: Control, simulator: Simulator, new_driver: Callable[..., Driver]
) -> None:
    driver.preview()
    control.shutter()
    driver.kill()
    new_session = new_driver(simulator.address)
    new_session.set("capturetarget", "Memory card")
    assert works(new_session)
    state = control.state()
    assert (state["ram_files"], len(state["files"])) == (0, 1)


def test_an_empty_battery_prevents_live_view(driver: Driver, control: Control) -> None:
    control.battery(0)
    assert failure(driver.preview) == -1
    assert driver.get("liveviewprohibit")["value"] == "Live View prohibit conditions: Battery exhausted"
    control.battery(100)
    assert works(driver)


def test_a_busy_live_view_returns_an_empty_frame(driver: Driver, control: Control) -> None:
    driver.preview()
    control.fault("busy", "GetLiveViewImg", times=19)
    assert driver.preview()["size"] > 0
    # The driver retries 20 times in 0.2 s. After that, it reports success and returns an empty file.
    control.fault("busy", "GetLiveViewImg", times=20)
    assert driver.preview()["size"] == 0
    assert works(driver)


def test_live_view_that_ended_by_itself_is_started_again(driver: Driver, control: Control) -> None:
    driver.preview()
    control.fault("code", "GetLiveViewImg", code="0xA00B")
    assert driver.preview()["size"] > 0
    control.fault("code", "GetLiveViewImg", code="0xA004")
    assert failure(driver.preview) == -1
    assert works(driver)


def test_malformed_live_view_is_an_error(driver: Driver, control: Control) -> None:
    driver.preview()
    for variety in ("zero_length", "truncated", "short", "no_picture"):
        control.fault("malformed_live_view", variety=variety)
        assert failure(driver.preview) == -1, variety
    control.fault("malformed_live_view", variety="too_long")
    assert driver.preview()["size"] > 0
    assert works(driver)


def test_response_codes_at_the_shutter(driver: Driver, control: Control) -> None:
    for code, error in (("0x2019", -110), ("0xA004", -1), ("0x200C", -1), ("0x2002", -1)):
        control.fault("code", "InitiateCaptureRecInMedia", code=code, times=None)
        assert failure(driver.capture) == error, code
        control.clear()
    assert control.state()["shots"] == 0
    # After these codes, the driver retries for 0.2 s.
    for code in ("0x2019", "0xA004"):
        control.fault("code", "InitiateCaptureRecInMedia", code=code, times=3)
        driver.capture()
    assert control.state()["shots"] == 2
    assert works(driver)


def test_a_trigger_on_a_busy_camera_reports_success(driver: Driver, control: Control) -> None:
    control.fault("busy", "InitiateCaptureRecInMedia", times=None)
    driver.trigger()
    assert control.state()["shots"] == 0
    control.clear()
    assert works(driver)


def test_a_capture_that_fails_after_the_release_creates_a_file(driver: Driver, control: Control) -> None:
    control.fault("code", "DeviceReady", code="0xA004")
    assert failure(driver.capture) == -1
    assert driver.wait_for("file") == [f"{FOLDER}/DSC_0001.JPG"]
    assert works(driver)


def test_a_failed_autofocus_is_an_error_of_capture_trigger_and_autofocusdrive(driver: Driver, control: Control) -> None:
    driver.set("focusmode2", "AF-S")
    for call in (driver.capture, driver.trigger, lambda: driver.set("autofocusdrive", 1)):
        control.fault("focus_failed")
        assert failure(call) == -1
        control.clear()
    assert control.state()["shots"] == 0
    driver.set("autofocusdrive", 1)
    assert works(driver)


def test_a_full_and_a_locked_card(driver: Driver, control: Control) -> None:
    control.card(free_shots=1)
    path = driver.capture()
    assert failure(driver.capture) == -1
    driver.set("capturetarget", "Internal RAM")
    assert driver.capture() == "/capt0000.jpg"
    driver.set("capturetarget", "Memory card")
    control.card(full=False)
    control.write_protect()
    assert failure(driver.capture) == -1
    assert failure(lambda: driver.delete(path)) == -1
    control.write_protect(False)
    assert works(driver)


def test_a_shot_without_a_file(driver: Driver, control: Control) -> None:
    control.fault("no_file")
    driver.trigger()
    assert driver.wait_for("complete") == [None]
    assert driver.wait_for("file", seconds=0.2) == []
    assert control.state()["shots"] == 1
    control.fault("no_file")
    with pytest.raises(TimeoutError):
        # The test does not wait for the timeout of libgphoto2, which is 20 s.
        driver.call("capture", timeout=0.7)


def test_a_dropped_connection_fails_at_once(
    driver: Driver, control: Control, simulator: Simulator, new_driver: Callable[..., Driver]
) -> None:
    driver.preview()
    control.fault("drop", "GetLiveViewImg")
    begin = time.monotonic()
    assert failure(driver.preview) == -1
    assert time.monotonic() - begin < 1
    # The driver reads the configuration of a Nikon from the camera each time. It caches the configuration of a Canon.
    assert failure(lambda: driver.get("iso")) == -2
    new_session = new_driver(simulator.address)
    new_session.set("capturetarget", "Memory card")
    assert works(new_session)


def test_power_off_and_on(
    driver: Driver, control: Control, simulator: Simulator, new_driver: Callable[..., Driver]
) -> None:
    driver.set("iso", "800")
    driver.preview()
    control.power(False)
    assert failure(driver.preview) in {-1, -7, -10}
    control.power(True)
    assert new_driver(simulator.address).get("iso")["value"] == "800"
