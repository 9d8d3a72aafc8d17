"""One test for each thing that can go wrong in a camera: the right error, and a camera that works again by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from camera.remote import RemoteCamera, verb_of
from simulator.client import Control
from tests.support.in_process import InProcess
from tests.support.marks import decoded, from_base64, mark
from tests.support.rig import Client, CommandError, Server
from tests.support.waiting import BUSY_MACHINE, until

CAPTURE, FULL_PRESS = "0x9128", 1  # a half press comes first
SPARE = 2  # the camera that the shared server does not have
NO_ANSWER = {"camera_io", "camera_timeout", "camera_disconnected"}


async def failure(client: Client, command: str, within: float = 20.0, **payload: object) -> CommandError:
    """The error of a command that has to fail."""
    with pytest.raises(CommandError) as caught:
        await client.command(command, within, **payload)
    return caught.value


@pytest.fixture
def works(client: Client, simulator: Control) -> Callable[[], Awaitable[None]]:
    """Whether a setting, a shot, its download and live view come through, without anybody's help."""

    async def check() -> None:
        assert (await client.command("set_config", name="iso", value="200"))["value"] == "200"
        shots = simulator.state()["shots"]
        captured = await client.command("capture_image")
        assert simulator.state()["shots"] == shots + 1
        downloaded = await client.command("download_last_image", camera_filepath=captured["camera_filepath"])
        assert mark(from_base64(downloaded["image_b64"]), "shot") == shots + 1
        decoded(from_base64((await client.command("capture_preview"))["image_b64"]))

    return check


@pytest.fixture
async def bystander(server: Server, ports: list[str]) -> AsyncIterator[Client]:
    """A client of the other camera that must not notice anything: it watches and asks all the time."""
    async with await Client.connect(server) as client:
        await client.command("select_camera", port=ports[1])
        noticed: list[str] = []

        async def live() -> None:
            while True:
                async with asyncio.timeout(2 * BUSY_MACHINE):
                    noticed.append((await client.command("get_config", name="iso"))["value"])
                await asyncio.sleep(0.05)

        living = asyncio.create_task(live())
        yield client
        assert not living.done(), living.exception()
        assert noticed
        living.cancel()
        await asyncio.wait((living,))


pytestmark = pytest.mark.usefixtures("bystander")
Works = Callable[[], Awaitable[None]]


async def test_silence_at_the_half_press_takes_no_picture(client: Client, simulator: Control, works: Works) -> None:
    simulator.fault("silent", CAPTURE)
    assert (await failure(client, "capture_image")).code in NO_ANSWER
    assert simulator.state()["shots"] == 0
    await works()


async def test_silence_at_the_shutter_leaves_the_shot_unknown(client: Client, simulator: Control, works: Works) -> None:
    simulator.fault("silent", CAPTURE, after=FULL_PRESS, execute=True)
    error = await failure(client, "capture_image")
    assert (error.code, error.reply["retryable"]) == ("capture_unknown", False)
    assert simulator.state()["shots"] == 1
    await works()


async def test_silence_of_a_setting(client: Client, simulator: Control, works: Works) -> None:
    simulator.fault("silent", "0x9110")
    assert (await failure(client, "set_config", name="iso", value="800")).code in NO_ANSWER
    await works()


async def test_a_late_answer_is_waited_for(client: Client, simulator: Control, works: Works) -> None:
    simulator.fault("late", "0x9110", seconds=1.0)
    assert (await client.command("set_config", name="iso", value="800"))["value"] == "800"
    await works()


async def test_an_answer_that_comes_too_late(client: Client, simulator: Control, works: Works) -> None:
    simulator.fault("late", "0x9110", seconds=3.5)
    assert (await failure(client, "set_config", name="iso", value="800")).code in NO_ANSWER
    await works()


async def test_a_connection_dropped_at_the_shutter_leaves_the_shot_unknown(
    client: Client, simulator: Control, works: Works
) -> None:
    simulator.fault("drop", CAPTURE, after=FULL_PRESS)
    assert (await failure(client, "capture_image")).code == "capture_unknown"
    await works()


async def test_a_connection_dropped_when_idle_is_mended_before_anybody_asks(
    client: Client, simulator: Control, works: Works
) -> None:
    await client.command("subscribe", events=["camera_state"])
    simulator.fault("drop")
    await client.event(lambda event: event["state"] == "recovering")
    await client.event(lambda event: event["state"] == "ready")
    await works()


async def test_a_connection_dropped_during_live_view_lets_the_stream_go_on(
    client: Client, simulator: Control, works: Works
) -> None:
    await client.command("start_live_view")
    seen = await client.event("live_view_frame")
    simulator.fault("drop", "0x9153")
    await client.event(lambda event: event["event"] == "live_view_frame" and event["seq"] > seen["seq"] + 20)
    assert simulator.state()["faults"] == []
    await works()


async def test_a_connection_dropped_in_the_middle_of_a_download(
    client: Client, simulator: Control, works: Works
) -> None:
    path = (await client.command("capture_image"))["camera_filepath"]
    simulator.fault("drop_mid_data", "0x1009")
    error = await failure(client, "download_last_image", camera_filepath=path)
    assert error.code in {"camera_io", "camera_error", "camera_disconnected"}
    downloaded = await client.command("download_last_image", camera_filepath=path)
    assert len(from_base64(downloaded["image_b64"])) == simulator.state()["files"][0]["size"]
    await works()


async def test_a_download_that_stalls(client: Client, simulator: Control, works: Works) -> None:
    path = (await client.command("capture_image"))["camera_filepath"]
    simulator.fault("stall_mid_data", "0x1009")
    assert (await failure(client, "download_last_image", camera_filepath=path)).code in NO_ANSWER
    downloaded = await client.command("download_last_image", camera_filepath=path)
    assert len(from_base64(downloaded["image_b64"])) == simulator.state()["files"][0]["size"]
    await works()


async def test_a_frame_that_stalls_lets_the_stream_go_on(client: Client, simulator: Control, works: Works) -> None:
    await client.command("start_live_view")
    seen = await client.event("live_view_frame")
    simulator.fault("stall_mid_data", "0x9153")
    await client.event(lambda event: event["event"] == "live_view_frame" and event["seq"] > seen["seq"] + 10)
    await works()


@pytest.mark.parametrize(
    ("code", "seen"),
    [("0x2002", "camera_error"), ("0x200C", "card_full"), ("0x200E", "camera_error"), ("0x2005", "not_supported")],
)
async def test_a_refusal_of_the_shutter(client: Client, simulator: Control, works: Works, code: str, seen: str) -> None:
    simulator.fault("code", CAPTURE, after=FULL_PRESS, code=code)
    error = await failure(client, "capture_image")
    assert (error.code, simulator.state()["shots"]) == (seen, 0)
    assert code.lower() in error.details["gp_text"].lower()
    await works()


async def test_a_shutter_that_is_busy_for_a_moment_fires_once_it_can(
    client: Client, simulator: Control, works: Works
) -> None:
    simulator.fault("busy", CAPTURE, times=3)
    await client.command("capture_image")
    assert simulator.state()["shots"] == 1
    await works()


async def test_a_setting_waits_for_a_body_that_is_busy_for_a_moment(
    client: Client, simulator: Control, works: Works
) -> None:
    simulator.fault("busy", "0x9110", times=3)
    assert (await client.command("set_config", name="iso", value="400"))["value"] == "400"
    simulator.fault("busy", "0x9110", times=None)
    assert (await failure(client, "set_config", name="iso", value="800")).code == "camera_busy"
    simulator.clear()
    await works()


async def test_a_shutter_that_stays_busy(client: Client, simulator: Control, works: Works) -> None:
    simulator.fault("busy", CAPTURE, times=None)
    error = await failure(client, "capture_image")
    assert (error.code, error.reply["retryable"]) == ("camera_busy", True)
    assert simulator.state()["shots"] == 0
    simulator.clear()
    await works()


async def test_live_view_that_is_busy_for_a_while_goes_on(client: Client, simulator: Control, works: Works) -> None:
    await client.command("start_live_view")
    seen = await client.event("live_view_frame")
    simulator.fault("busy", "0x9153", times=5)
    await client.event(lambda event: event["event"] == "live_view_frame" and event["seq"] > seen["seq"] + 10)
    await works()


async def test_live_view_that_stays_busy_cannot_be_started(client: Client, simulator: Control, works: Works) -> None:
    simulator.fault("busy", "0x9153", times=None)
    assert (await failure(client, "start_live_view")).code in {"camera_busy", "camera_timeout"}
    simulator.clear()
    await works()


async def test_garbage_in_place_of_an_answer(client: Client, simulator: Control, works: Works) -> None:
    simulator.fault("garbage", "0x9110")
    assert (await failure(client, "set_config", name="iso", value="800")).code in NO_ANSWER | {"camera_error"}
    await works()


async def test_garbage_in_place_of_a_frame_lets_the_stream_go_on(
    client: Client, simulator: Control, works: Works
) -> None:
    await client.command("start_live_view")
    seen = await client.event("live_view_frame")
    simulator.fault("garbage", "0x9153")
    await client.event(lambda event: event["event"] == "live_view_frame" and event["seq"] > seen["seq"] + 10)
    await works()


async def test_a_shot_whose_file_never_appears_is_unknown(
    in_process: Callable[..., Awaitable[InProcess]],
    monkeypatch: pytest.MonkeyPatch,
    simulator: Control,
    ports: list[str],
) -> None:
    monkeypatch.setattr(verb_of(RemoteCamera.capture), "deadline_s", 1.0)
    running = await in_process(ports[SPARE])
    async with await running.connect() as impatient:
        await impatient.command("get_config", name="iso")
        simulator.fault("no_file", camera=SPARE)
        error = await failure(impatient, "capture_image")
        assert (error.code, simulator.state(SPARE)["shots"]) == ("capture_unknown", 1)
        await impatient.command("capture_image")
        assert simulator.state(SPARE)["shots"] == 2


@pytest.mark.parametrize("variety", ["zero_length", "too_long"])
async def test_a_frame_that_makes_the_driver_loop_for_ever(
    in_process: Callable[..., Awaitable[InProcess]],
    monkeypatch: pytest.MonkeyPatch,
    simulator: Control,
    ports: list[str],
    variety: str,
) -> None:
    monkeypatch.setattr("camera.process._SILENCE_S", 1.5)
    monkeypatch.setattr(verb_of(RemoteCamera.list_names), "deadline_s", 1.5)
    running = await in_process(ports[SPARE])
    async with await running.connect() as viewer:
        await viewer.command("start_live_view")
        seen = await viewer.event("live_view_frame")
        simulator.fault("malformed_live_view", variety=variety, camera=SPARE)
        later = await viewer.event(
            lambda event: event["event"] == "live_view_frame" and event["seq"] > seen["seq"] + 10
        )
        decoded(from_base64(later["image_b64"]))


async def test_a_preview_that_makes_the_driver_loop_for_ever_is_a_timeout(
    in_process: Callable[..., Awaitable[InProcess]],
    monkeypatch: pytest.MonkeyPatch,
    simulator: Control,
    ports: list[str],
) -> None:
    monkeypatch.setattr(verb_of(RemoteCamera.preview), "deadline_s", 1.5)
    running = await in_process(ports[SPARE])
    async with await running.connect() as impatient:
        await impatient.command("get_config", name="iso")
        simulator.fault("malformed_live_view", variety="zero_length", camera=SPARE)
        assert (await failure(impatient, "capture_preview")).code == "camera_timeout"
        decoded(from_base64((await impatient.command("capture_preview"))["image_b64"]))


@pytest.mark.parametrize("variety", ["no_picture", "short", "truncated"])
async def test_a_malformed_frame_does_not_end_the_stream(
    client: Client, simulator: Control, works: Works, variety: str
) -> None:
    await client.command("start_live_view")
    seen = await client.event("live_view_frame")
    simulator.fault("malformed_live_view", variety=variety)
    await client.event(lambda event: event["event"] == "live_view_frame" and event["seq"] > seen["seq"] + 10)
    await works()


@pytest.mark.parametrize("mode", ["Manual", "One Shot"])
async def test_a_picture_that_cannot_be_focused_is_not_taken(
    client: Client, simulator: Control, works: Works, mode: str
) -> None:
    await client.command("set_config", name="focusmode", value=mode)
    simulator.fault("focus_failed", times=None)
    error = await failure(client, "capture_image")
    assert (error.code, simulator.state()["shots"]) == ("camera_busy", 0)
    simulator.clear()
    await works()


@pytest.mark.parametrize("kind", ["init_fail", "init_silent"])
async def test_a_camera_that_refuses_once_to_open_is_open_the_next_time(
    client: Client, simulator: Control, works: Works, kind: str
) -> None:
    simulator.fault(kind)
    error = await failure(client, "restart_camera")
    assert error.code in {"camera_disconnected", "camera_timeout"}
    await works()


async def test_a_camera_that_is_off_says_so_and_is_back_after_power_on(
    client: Client, simulator: Control, works: Works
) -> None:
    await client.command("subscribe", events=["camera_state"])
    simulator.power(False)
    assert (await failure(client, "capture_image")).code in {"camera_disconnected", "camera_timeout", "camera_io"}
    error = await failure(client, "capture_image")
    assert (error.code, error.reply["retryable"]) == ("camera_disconnected", True)
    assert simulator.state()["shots"] == 0
    simulator.power(True)
    await client.event(lambda event: event["state"] == "ready")
    await works()


async def test_a_viewer_gets_frames_again_after_power_off_and_on(
    client: Client, simulator: Control, works: Works
) -> None:
    await client.command("subscribe", events=["camera_state"])
    await client.command("start_live_view")
    seen = await client.event("live_view_frame")
    simulator.power(False)
    await client.event(lambda event: event.get("state") == "recovering")
    simulator.power(True)
    await client.event(lambda event: event["event"] == "live_view_frame" and event["seq"] > seen["seq"] + 10)
    await works()


async def test_a_full_card(client: Client, simulator: Control, works: Works) -> None:
    simulator.card(free_shots=1)
    path = (await client.command("capture_image"))["camera_filepath"]
    for _ in range(2):
        assert (await failure(client, "capture_image")).code == "card_full"
    assert simulator.state()["shots"] == 1
    await client.command("delete_file", camera_filepath=path)
    simulator.card(full=False)
    await works()


async def test_a_write_protected_card(client: Client, simulator: Control, works: Works) -> None:
    path = (await client.command("capture_image"))["camera_filepath"]
    simulator.write_protect()
    assert (await failure(client, "capture_image")).code == "camera_error"
    assert (await failure(client, "delete_file", camera_filepath=path)).code == "camera_error"
    assert len(simulator.state()["files"]) == 1
    simulator.write_protect(False)
    await client.command("delete_file", camera_filepath=path)
    await works()


async def test_a_mirror_that_could_not_be_lowered_is_lowered_later(
    client: Client, simulator: Control, works: Works
) -> None:
    await client.command("start_live_view")
    await client.event("live_view_frame")
    simulator.fault("code", "0x9110", code=0x2002, times=1)
    await client.command("stop_live_view")
    await until(lambda: not simulator.state()["live_view"])
    await works()
