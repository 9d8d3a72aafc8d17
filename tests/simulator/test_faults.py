"""Each fault of the simulator: libgphoto2 reports the expected error, and the camera works again afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from simulator.client import Control
from tests.simulator.rig import Driver, Simulator, failure, works

pytestmark = pytest.mark.timeout(30)

FOLDER = "/store_00020001/DCIM/100CANON"
NO_ANSWER = {-7, -10}
"""I/O error and timeout. On PTP/IP, libgphoto2 may report either error if there is no response."""


@pytest.fixture
def reopened(simulator: Simulator, new_driver: Callable[..., Driver]) -> Callable[[], Driver]:
    """A function that opens a new session after a fault, with the card as capture target."""

    def reopen() -> Driver:
        simulator.control.clear()
        driver = new_driver(simulator.address)
        driver.set("capturetarget", "Memory card")
        return driver

    return reopen


def test_silent_in_live_view_is_a_timeout(driver: Driver, control: Control, reopened: Callable[[], Driver]) -> None:
    driver.preview()
    control.fault("silent", "GetViewFinderData")
    begin = time.monotonic()
    assert failure(driver.preview) in NO_ANSWER
    assert 2 < time.monotonic() - begin < 4
    assert works(reopened())


def test_a_silent_shutter_may_have_fired(driver: Driver, control: Control, reopened: Callable[[], Driver]) -> None:
    control.fault("silent", "0x9128", after=1, execute=True)
    assert failure(driver.capture) in NO_ANSWER
    assert control.state()["shots"] == 1
    assert works(reopened())


def test_the_driver_waits_for_a_late_reply(driver: Driver, control: Control) -> None:
    control.fault("late", "0x9153", seconds=0.5)
    assert driver.preview()["seconds"] > 0.5
    assert works(driver)


def test_a_dropped_connection_fails_at_once(driver: Driver, control: Control, reopened: Callable[[], Driver]) -> None:
    driver.preview()
    control.fault("drop", "0x9153")
    begin = time.monotonic()
    assert failure(driver.preview) == -1
    assert time.monotonic() - begin < 1
    assert control.state()["connected"] == 0
    assert works(reopened())


def test_a_connection_dropped_during_a_download(
    driver: Driver, control: Control, reopened: Callable[[], Driver], tmp_path: Path
) -> None:
    path = driver.capture()
    control.fault("drop_mid_data", "GetObject")
    assert failure(lambda: driver.download(path, str(tmp_path / "half"))) == -1
    new_session = reopened()
    assert new_session.download(path, str(tmp_path / "whole"))["size"] == control.state()["files"][0]["size"]


def test_a_download_that_stalls(
    driver: Driver, control: Control, reopened: Callable[[], Driver], tmp_path: Path
) -> None:
    path = driver.capture()
    control.fault("stall_mid_data", "0x1009")
    assert failure(lambda: driver.download(path, str(tmp_path / "half"))) in NO_ANSWER
    assert works(reopened())


def test_data_faults_without_an_operation_affect_the_next_data_transfer(
    driver: Driver, control: Control, reopened: Callable[[], Driver]
) -> None:
    control.fault("drop_mid_data")
    assert failure(driver.preview) == -1
    assert works(reopened())


@pytest.mark.parametrize(("code", "error"), [("0x2019", -110), ("0x2002", -1), ("0x200C", -1)])
def test_a_response_code_at_the_shutter(driver: Driver, control: Control, code: str, error: int) -> None:
    control.fault("code", "RemoteReleaseOn", after=1, code=code)
    assert failure(driver.capture) == error
    assert control.state()["shots"] == 0
    assert works(driver)


def test_live_view_works_after_a_few_busy_replies(driver: Driver, control: Control) -> None:
    driver.preview()
    control.fault("busy", "0x9153", times=3)
    assert driver.preview()["size"] > 0


def test_live_view_that_stays_busy(driver: Driver, control: Control) -> None:
    driver.preview()
    control.fault("busy", "0x9153", times=None)
    assert failure(driver.preview) == -110
    control.clear()
    assert works(driver)


def test_garbage_breaks_the_session(driver: Driver, control: Control, reopened: Callable[[], Driver]) -> None:
    control.fault("garbage", "0x9153")
    assert failure(driver.preview) == -1
    assert failure(driver.preview) == -1
    assert works(reopened())


def test_a_shot_without_a_file(driver: Driver, control: Control, reopened: Callable[[], Driver]) -> None:
    control.fault("no_file")
    driver.trigger()
    assert driver.wait_for("complete") == [None]
    assert driver.wait_for("file", seconds=0.2) == []
    assert control.state()["shots"] == 1
    control.fault("no_file")
    with pytest.raises(TimeoutError):
        # The test does not wait for the timeout of libgphoto2, which is 90 s.
        driver.call("capture", timeout=0.7)
    driver.kill()
    assert works(reopened())


@pytest.mark.parametrize("variety", ["zero_length", "too_long"])
def test_live_view_data_that_makes_the_driver_loop(
    driver: Driver, control: Control, reopened: Callable[[], Driver], variety: str
) -> None:
    control.fault("malformed_live_view", variety=variety)
    with pytest.raises(TimeoutError):
        driver.call("preview", timeout=0.5)
    driver.kill()
    assert works(reopened())


@pytest.mark.parametrize("variety", ["truncated", "short"])
def test_a_truncated_live_view_frame(driver: Driver, control: Control, variety: str) -> None:
    full_size = driver.preview()["size"]
    control.fault("malformed_live_view", variety=variety)
    assert driver.preview()["size"] < full_size
    assert works(driver)


def test_live_view_without_a_picture(driver: Driver, control: Control) -> None:
    control.fault("malformed_live_view", variety="no_picture")
    assert failure(driver.preview) == -1
    assert works(driver)


@pytest.mark.parametrize("mode", ["Manual", "One Shot"])
def test_a_failed_autofocus_is_reported_as_busy(driver: Driver, control: Control, mode: str) -> None:
    driver.set("focusmode", mode)
    control.fault("focus_failed")
    assert failure(driver.capture) == -110
    assert control.state()["shots"] == 0
    assert works(driver)


def test_a_rejected_init(simulator: Simulator, new_driver: Callable[..., Driver], control: Control) -> None:
    control.fault("init_fail")
    assert failure(lambda: new_driver(simulator.address)) == -1
    assert works(new_driver(simulator.address))


def test_a_silent_init(simulator: Simulator, new_driver: Callable[..., Driver], control: Control) -> None:
    control.fault("init_silent")
    assert failure(lambda: new_driver(simulator.address)) in NO_ANSWER
    assert works(new_driver(simulator.address))


def test_a_full_card(driver: Driver, control: Control) -> None:
    control.card(full=True)
    assert failure(driver.capture) == -1
    control.card(free_shots=1)
    assert driver.capture() == f"{FOLDER}/IMG_0001.JPG"
    assert driver.get("availableshots")["value"] == "0"
    assert failure(driver.capture) == -1
    control.card(full=False)
    assert works(driver)


def test_a_full_card_does_not_prevent_captures_to_ram(driver: Driver, control: Control) -> None:
    control.card(full=True)
    driver.set("capturetarget", "Internal RAM")
    assert driver.capture() == "/capt0000.jpg"


def test_a_write_protected_card(driver: Driver, control: Control) -> None:
    path = driver.capture()
    control.write_protect()
    assert failure(lambda: driver.delete(path)) == -1
    assert failure(driver.capture) == -1
    control.write_protect(False)
    driver.delete(path)
    assert works(driver)


def test_a_vetoed_setting_keeps_its_value_without_an_error(driver: Driver, control: Control) -> None:
    control.veto("iso")
    assert driver.set("iso", "800") == "100"
    control.veto("iso", False)
    assert driver.set("iso", "800") == "800"


def test_power_off_and_on(
    driver: Driver, control: Control, simulator: Simulator, reopened: Callable[[], Driver]
) -> None:
    driver.set("iso", "800")
    driver.preview()
    control.power(False)
    assert failure(driver.preview) in {-1, *NO_ANSWER}
    state = control.state()
    assert (state["power"], state["connected"], state["live_view"]) == (False, 0, False)
    driver.kill()
    assert failure(reopened) in NO_ANSWER
    control.power(True)
    new_session = reopened()
    assert new_session.get("iso")["value"] == "800"
    assert works(new_session)


def test_power_on_can_be_delayed(control: Control, simulator: Simulator, new_driver: Callable[..., Driver]) -> None:
    control.power(False)
    control.power(True, after=0.1)
    deadline = time.monotonic() + 5
    while not control.state()["power"] and time.monotonic() < deadline:
        pass
    assert works(new_driver(simulator.address))
