"""Focusing with simulated cameras of two makers: moves, autofocus, focus points, magnified live view, half press."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from camera.orientation import Orientation, Point
from tests.support.cameras import QUICK, OneCamera
from tests.support.marks import decoded, from_base64
from tests.support.rig import Client, CommandError, Json, Server
from tests.support.waiting import until

MAKERS = {"canon": (), "nikon": ("--maker", "nikon", "--serial", "NIK")}


@dataclass(frozen=True)
class Place:
    """A client, and the camera that it has selected."""

    server: Server
    client: Client
    camera: OneCamera

    def focus(self) -> Json:
        """What the camera knows about focusing."""
        state: Json = self.camera.control.state()["focus"]
        return state

    def point(self) -> tuple[float, float]:
        """The focus point as fractions of the picture of the sensor."""
        focus = self.focus()
        x, y = focus["point"]
        width, height = focus["picture"]
        return x / width, y / height

    def set_autofocus(self) -> None:
        """Switch the lens to autofocus."""
        names = self.camera.control.state()["properties"]
        name, value = ("focusmode2", "AF-S") if "focusmode2" in names else ("focusmode", "One Shot")
        self.camera.control.set(name, value)


Start = Callable[..., Any]


@pytest.fixture
async def start(own_camera: Callable[..., OneCamera], new_server: Callable[..., Server]) -> AsyncIterator[Start]:
    """A function that starts a server with a camera of a maker, and returns its `Place`."""
    clients: list[Client] = []

    async def place(maker: str, *options: str, **settings: str) -> Place:
        camera = own_camera(*MAKERS[maker], *QUICK, *options)
        server = new_server(NETWORK_CAMERAS=camera.port, **settings)
        client = await Client.connect(server)
        clients.append(client)
        await client.command("select_camera", port=camera.port)
        return Place(server, client, camera)

    yield place
    for client in clients:
        await client.close()


both_makers = pytest.mark.parametrize("maker", MAKERS)


@both_makers
async def test_the_focus_moves_by_steps_of_three_sizes(start: Start, maker: str) -> None:
    place = await start(maker)
    await place.client.command("start_live_view", fps=30)
    positions = [place.focus()["position"]]
    for steps, size in ((3, "large"), (-2, "large"), (4, "medium"), (-1, "medium"), (5, "small"), (-5, "small")):
        reply = await place.client.command("drive_focus", steps=steps, size=size)
        positions.append(place.focus()["position"])
        assert (reply["moved"], reply["at_limit"]) == (steps, None if maker == "canon" else False)
        assert math.copysign(1, positions[-1] - positions[-2]) == math.copysign(1, steps)
    assert positions[-3] == positions[-1]
    assert place.focus()["moves"] == 20


async def test_the_same_step_is_carried_out_each_time(start: Start) -> None:
    place = await start("canon")
    await place.client.command("start_live_view")
    for moves in (1, 2, 3):
        await place.client.command("drive_focus", steps=1, size="small")
        assert place.focus()["moves"] == moves


async def test_frames_are_sent_during_a_long_movement(start: Start) -> None:
    place = await start("nikon")
    await place.client.command("start_live_view", fps=30)
    frames = place.camera.control.state()["frames"]
    await place.client.command("drive_focus", steps=20, size="medium")
    assert place.camera.control.state()["frames"] > frames + 3


async def test_a_nikon_reports_that_its_lens_is_at_a_limit(start: Start) -> None:
    place = await start("nikon")
    await place.client.command("start_live_view")
    reply = await place.client.command("drive_focus", steps=100, size="large")
    assert (reply["moved"], reply["at_limit"]) == (4, True)
    assert place.focus()["position"] == place.focus()["far"]
    assert (await place.client.command("drive_focus", steps=1))["at_limit"] is True
    assert (await place.client.command("drive_focus", steps=-1))["at_limit"] is False


async def test_a_step_that_is_too_small_for_the_lens_is_a_limit(start: Start) -> None:
    place = await start("nikon")
    await place.client.command("start_live_view")
    place.camera.control.fault("code", "DeviceReady", code="0xA00E")
    reply = await place.client.command("drive_focus", steps=3, size="small")
    assert (reply["moved"], reply["at_limit"]) == (0, True)


@both_makers
async def test_a_movement_continues_after_a_still(start: Start, maker: str) -> None:
    place = await start(maker)
    await place.client.command("start_live_view", fps=1)
    await place.client.event("live_view_frame")
    await place.client.command("capture_image")
    assert (await place.client.command("drive_focus", steps=-2, size="medium"))["moved"] == -2


@both_makers
@pytest.mark.parametrize(
    ("command", "payload"),
    [
        ("drive_focus", {"steps": 1}),
        ("autofocus", {"x": 0.5, "y": 0.5}),
        ("zoom_live_view", {"factor": 5}),
        ("zoom_live_view", {"factor": 5, "x": 0.1, "y": 0.1}),
    ],
)
async def test_without_live_view_the_error_says_what_to_do(
    start: Start, maker: str, command: str, payload: Json
) -> None:
    place = await start(maker)
    with pytest.raises(CommandError, match=r"live view runs\. Send start_live_view first\.$") as raised:
        await place.client.command(command, **payload)
    assert raised.value.code == "live_view_needed"
    assert (place.focus()["moves"], place.focus()["point"], place.focus()["zoom"]) == (0, None, 1)


@both_makers
async def test_a_busy_camera_moves_its_focus_exactly_once_per_step(start: Start, maker: str) -> None:
    place = await start(maker)
    await place.client.command("start_live_view", fps=1)
    operation = "DriveLens" if maker == "canon" else "MfDrive"
    place.camera.control.fault("busy", operation, times=2)
    assert (await place.client.command("drive_focus", steps=2))["moved"] == 2
    assert place.focus()["moves"] == 2


@both_makers
async def test_a_camera_that_stays_busy_tells_how_far_it_came(start: Start, maker: str) -> None:
    place = await start(maker)
    await place.client.command("start_live_view", fps=1)
    operation = "DriveLens" if maker == "canon" else "MfDrive"
    place.camera.control.fault("busy", operation, after=2, times=None)
    assert (await place.client.command("drive_focus", steps=5))["moved"] == 2
    with pytest.raises(CommandError, match="camera_busy"):
        await place.client.command("drive_focus", steps=5)


@both_makers
@pytest.mark.parametrize("live", [False, True])
async def test_autofocus_reports_whether_the_camera_is_in_focus(start: Start, maker: str, live: bool) -> None:
    place = await start(maker)
    place.set_autofocus()
    if live:
        await place.client.command("start_live_view", fps=1)
    place.camera.control.fault("focus_failed", times=None)
    failed = await place.client.command("autofocus")
    assert (failed["focused"], failed["message"][:26]) == (False, "The camera could not focus")
    place.camera.control.clear()
    before = place.focus()["position"]
    assert (await place.client.command("autofocus"))["focused"] is True
    assert place.focus()["position"] > before
    assert place.focus()["half_pressed"] is False


async def test_a_camera_in_manual_focus_does_not_report_a_result(start: Start) -> None:
    place = await start("canon")
    assert (await place.client.command("autofocus"))["focused"] is None


@both_makers
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("flip", [False, True])
async def test_a_focus_point_is_the_point_that_the_viewer_sees(
    start: Start, maker: str, rotation: int, flip: bool
) -> None:
    seen, orientation = Point(0.3, 0.6), Orientation(rotation, flip)
    place = await start(maker, PREVIEW_ROTATION="90", PREVIEW_FLIP="true")
    place.set_autofocus()
    await place.client.command("start_live_view", fps=1, rotation=rotation, flip=flip)
    await place.client.command("autofocus", x=seen.x, y=seen.y)
    expected = orientation.undone(seen)
    assert place.point() == pytest.approx((expected.x, expected.y), abs=0.01)


async def test_without_a_stream_of_its_own_a_client_sees_the_configured_orientation(start: Start) -> None:
    place = await start("canon", PREVIEW_ROTATION="90", PREVIEW_FLIP="true")
    await place.client.command("start_live_view", fps=1, rotation=0, flip=False)
    async with await Client.connect(place.server) as other:
        await other.command("autofocus", x=0.3, y=0.6, port=place.camera.port)
    expected = Orientation(90, True).undone(Point(0.3, 0.6))
    assert place.point() == pytest.approx((expected.x, expected.y), abs=0.01)


async def test_a_point_at_the_edge_is_moved_inside(start: Start) -> None:
    place = await start("canon")
    await place.client.command("start_live_view", fps=1)
    for x, y in ((0, 0), (1, 1), (0, 1)):
        await place.client.command("autofocus", x=x, y=y)
        assert place.point() == pytest.approx((abs(x - 0.1), abs(y - 0.1)), abs=0.01)


async def test_a_canon_magnifies_live_view_around_the_point_that_the_viewer_sees(start: Start) -> None:
    place = await start("canon")
    await place.client.command("start_live_view", fps=1, rotation=90)
    reply = await place.client.command("zoom_live_view", factor=3, x=0.25, y=0.7)
    assert (reply["factor"], reply["x"], reply["y"]) == (5, pytest.approx(0.25, abs=0.01), pytest.approx(0.7, abs=0.01))
    expected = Orientation(90).undone(Point(0.25, 0.7))
    assert place.focus()["zoom"] == 5
    assert place.point() == pytest.approx((expected.x, expected.y), abs=0.01)
    again = await place.client.command("zoom_live_view", factor=50)
    assert (again["factor"], again["x"], again["y"]) == (10, reply["x"], reply["y"])
    clamped = await place.client.command("zoom_live_view", factor=10, x=0, y=1)
    assert (clamped["x"], clamped["y"]) == pytest.approx((0.05, 0.95), abs=0.01)
    whole = await place.client.command("zoom_live_view", factor=1)
    assert (whole["factor"], "x" in whole, place.focus()["zoom"]) == (1, False, 1)


async def test_in_magnified_live_view_a_focus_point_is_a_point_of_the_visible_part(start: Start) -> None:
    place = await start("canon")
    await place.client.command("start_live_view", fps=1)
    await place.client.command("zoom_live_view", factor=5, x=0.5, y=0.5)
    await place.client.command("autofocus", x=0, y=1)
    assert place.point() == pytest.approx((0.4, 0.6), abs=0.01)


async def test_the_magnification_ends_with_live_view(start: Start) -> None:
    place = await start("canon")
    await place.client.command("start_live_view", fps=1)
    await place.client.command("zoom_live_view", factor=10, x=0.2, y=0.2)
    await place.client.command("stop_live_view")
    await until(lambda: not place.camera.control.state()["live_view"])
    await place.client.command("start_live_view", fps=1)
    await place.client.command("autofocus", x=0.5, y=0.5)
    assert place.point() == pytest.approx((0.5, 0.5), abs=0.01)


async def test_a_nikon_magnifies_live_view_by_a_share_of_its_resolution(start: Start) -> None:
    place = await start("nikon", "--still", "2400x1600")  # frames of 480 pixels: 100% is a factor of 5
    await place.client.command("start_live_view", fps=1, rotation=180)
    reply = await place.client.command("zoom_live_view", factor=4, x=0.25, y=0.7)
    assert (reply["factor"], reply["x"], reply["y"]) == (5, 0.25, 0.7)
    assert place.camera.control.state()["properties"]["liveviewimagezoomratio"] == "100%"
    assert place.point() == pytest.approx((0.75, 0.3), abs=0.01)
    assert (await place.client.command("zoom_live_view", factor=2))["factor"] == 2.5
    assert (await place.client.command("zoom_live_view", factor=1))["factor"] == 1
    assert place.camera.control.state()["properties"]["liveviewimagezoomratio"] == "Entire Display"


async def test_a_half_press_lasts_as_long_as_requested(start: Start) -> None:
    place = await start("canon")
    started = asyncio.get_running_loop().time()
    pressing = asyncio.create_task(place.client.command("half_press", hold_ms=700))
    await until(lambda: place.focus()["half_pressed"])
    await pressing
    assert asyncio.get_running_loop().time() - started > 0.7
    assert (place.focus()["half_pressed"], place.focus()["half_presses"]) == (False, 1)


async def test_a_nikon_cannot_be_half_pressed(start: Start) -> None:
    place = await start("nikon")
    with pytest.raises(CommandError, match="cannot be half pressed") as raised:
        await place.client.command("half_press", hold_ms=700)
    assert raised.value.code == "not_supported"


@pytest.mark.parametrize(
    ("command", "payload", "message"),
    [
        ("drive_focus", {"steps": 0}, "steps: Input should be -100 to 100, and not 0. "),
        ("drive_focus", {"steps": 101}, "steps: Input should be less than or equal to 100. "),
        ("drive_focus", {"steps": 1, "size": "huge"}, "size: Input should be 'small', 'medium' or 'large'. "),
        ("autofocus", {"x": 1.01, "y": 0}, "x: Input should be less than or equal to 1. "),
        ("autofocus", {"x": 0.5}, "x and y go together. "),
        ("autofocus", {"x": 0.5, "y": -0.1}, "y: Input should be greater than or equal to 0. "),
        ("half_press", {"hold_ms": 99}, "hold_ms: Input should be greater than or equal to 100. "),
        ("half_press", {"hold_ms": 5001}, "hold_ms: Input should be less than or equal to 5000. "),
        ("zoom_live_view", {"factor": 0.5}, "factor: Input should be greater than or equal to 1. "),
        ("zoom_live_view", {"factor": 5, "y": 0.5}, "x and y go together. "),
    ],
)
async def test_bad_input_is_rejected(client: Client, command: str, payload: Json, message: str) -> None:
    with pytest.raises(CommandError) as raised:
        await client.command(command, **payload)
    assert raised.value.code == "invalid_payload"
    assert raised.value.reply["message"].startswith(message)


@pytest.mark.parametrize(("wanted", "size"), [("", (480, 320)), ("small", (240, 160)), ("Medium", (352, 240))])
async def test_the_size_of_live_view_is_set(start: Start, wanted: str, size: tuple[int, int]) -> None:
    place = await start("canon", "--model", "Canon EOS R50", PREVIEW_SIZE=wanted)
    assert decoded(from_base64((await place.client.command("capture_preview"))["image_b64"])).size == size
    await place.client.command("start_live_view")
    assert decoded(from_base64((await place.client.event("live_view_frame"))["image_b64"])).size == size
    await place.client.command("capture_image")
    place.client.events.clear()
    assert decoded(from_base64((await place.client.event("live_view_frame"))["image_b64"])).size == size


async def test_a_size_that_the_camera_does_not_have_is_a_warning(start: Start) -> None:
    place = await start("canon", PREVIEW_SIZE="small")
    for _ in range(2):
        assert (await place.client.command("capture_preview"))["image_b64"]
    place.server.wait_for_log(r"WARNING .*Live-view size was rejected: 'small' .* Allowed: Large\.")
    assert place.server.log.count("Live-view size was rejected") == 1


async def test_a_camera_without_the_setting_keeps_its_size(start: Start) -> None:
    place = await start("nikon", PREVIEW_SIZE="large")
    assert decoded(from_base64((await place.client.command("capture_preview"))["image_b64"])).size == (480, 320)
    assert "WARNING" not in place.server.log
