"""The real libgphoto2 moves the focus of the simulated cameras, sets focus points, magnifies live view and presses halfway."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from simulator.client import Control
from tests.simulator.rig import Driver, DriverError, Simulator, running_simulator

pytestmark = pytest.mark.timeout(30)

SMALL = ("--still", "1296x864", "--frame", "480x320", "--fps", "200", "--shutter", "0.02")


@pytest.fixture(scope="module")
def nikon() -> Iterator[Simulator]:
    """A Nikon."""
    with running_simulator("--maker", "nikon", *SMALL) as simulator:
        yield simulator


@pytest.fixture
def nikon_driver(nikon: Simulator, new_driver: Callable[..., Driver]) -> Driver:
    """libgphoto2 with the Nikon open and in live view."""
    nikon.control.reset()
    driver = new_driver(nikon.address)
    driver.preview()
    return driver


def focus(control: Control) -> dict[str, object]:
    """What the control port shows about focusing."""
    shown: dict[str, object] = control.state()["focus"]
    return shown


def test_a_canon_moves_its_focus_only_in_live_view(driver: Driver, control: Control) -> None:
    with pytest.raises(DriverError):
        driver.set("manualfocusdrive", "Far 1")
    driver.preview()
    for wanted in ("Far 3", "Far 3", "Near 1", "Far 2"):
        driver.set("manualfocusdrive", wanted)
    assert (focus(control)["position"], focus(control)["moves"]) == (500 + 200 - 4 + 20, 4)


def test_the_focus_of_a_canon_stops_at_its_limits_without_an_error(driver: Driver, control: Control) -> None:
    driver.preview()
    for _ in range(7):
        driver.set("manualfocusdrive", "Near 3")
    assert focus(control)["position"] == 0


def test_a_canon_magnifies_live_view_until_live_view_ends(driver: Driver, control: Control) -> None:
    driver.preview()
    driver.set("eoszoom", "5")
    driver.set("eoszoomposition", "1000,900")
    assert (focus(control)["zoom"], focus(control)["zoom_at"]) == (5, [1000, 900])
    driver.set("eoszoomposition", "0,900")
    driver.set("eoszoomposition", "5000,900")
    assert focus(control)["zoom_at"] == [1000, 900]
    driver.set("viewfinder", 0)
    assert (focus(control)["zoom"], focus(control)["point"]) == (1, None)


def test_the_button_of_a_canon_stays_half_pressed_until_it_is_released(
    driver: Driver, control: Control, simulator: Simulator, new_driver: Callable[..., Driver]
) -> None:
    driver.set("eosremoterelease", "Press Half AF")
    driver.kill()
    assert focus(control)["half_pressed"] is True
    new_driver(simulator.address).set("eosremoterelease", "Release Half")
    assert (focus(control)["half_pressed"], focus(control)["half_presses"]) == (False, 1)


def test_the_autofocus_of_a_canon_moves_the_lens_unless_it_fails(driver: Driver, control: Control) -> None:
    driver.set("focusmode", "One Shot")
    control.fault("focus_failed")
    driver.set("autofocusdrive", 1)
    assert focus(control)["position"] == 500
    driver.set("autofocusdrive", 1)
    assert focus(control)["position"] == 700


def frame_size(driver: Driver, folder: Path) -> tuple[int, int]:
    """The size of a live-view frame in pixels."""
    driver.preview(target=str(folder / "frame.jpg"))
    with Image.open(folder / "frame.jpg") as frame:
        return frame.size


def test_a_mirrorless_canon_has_three_sizes_of_live_view(new_driver: Callable[..., Driver], tmp_path: Path) -> None:
    with running_simulator("--model", "Canon EOS R50", *SMALL) as simulator:
        driver = new_driver(simulator.address)
        sizes = [frame_size(driver, tmp_path)]
        assert driver.get("liveviewsize")["choices"] == ["Large", "Medium", "Small"]
        for wanted in ("Small", "Medium"):
            driver.set("liveviewsize", wanted)
            sizes.append(frame_size(driver, tmp_path))
    assert sizes == [(480, 320), (240, 160), (352, 240)]


def test_a_nikon_reports_a_limit_and_a_move_that_is_too_small(nikon_driver: Driver, nikon: Simulator) -> None:
    nikon_driver.set("manualfocusdrive", 500)
    assert focus(nikon.control)["position"] == 2500
    nikon_driver.set("manualfocusdrive", -100)
    assert focus(nikon.control)["position"] == 2400
    for move in (2, 3000):
        with pytest.raises(DriverError) as raised:
            nikon_driver.set("manualfocusdrive", move)
        assert raised.value.code == -113
    assert focus(nikon.control)["position"] == 4000


def test_a_nikon_moves_its_focus_only_in_live_view(nikon_driver: Driver) -> None:
    nikon_driver.set("viewfinder", 0)
    for name, value in (("manualfocusdrive", 100), ("changeafarea", "100x100")):
        with pytest.raises(DriverError) as raised:
            nikon_driver.set(name, value)
        assert raised.value.code == -1


def test_a_nikon_takes_a_focus_point_and_a_magnification(nikon_driver: Driver, nikon: Simulator) -> None:
    nikon_driver.set("changeafarea", "700x400")
    assert focus(nikon.control)["point"] == [700, 400]
    with pytest.raises(DriverError):
        nikon_driver.set("changeafarea", "1296x400")
    assert nikon_driver.set("liveviewimagezoomratio", "100%") == "100%"
    assert nikon.control.state()["properties"]["liveviewimagezoomratio"] == "100%"
