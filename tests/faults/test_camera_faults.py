"""For each fault of a camera: the error is correct, and the camera works again without intervention."""

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

# For each shot, the driver sends the operation CAPTURE twice: first for the half press (number 0), and then for the
# full press (number 1).
CAPTURE, FULL_PRESS = "0x9128", 1
SPARE = 2  # the index of a camera that the shared server does not use
NO_RESPONSE = {"camera_io", "camera_timeout", "camera_disconnected"}


async def failure(client: Client, command: str, within: float = 20.0, **payload: object) -> CommandError:
    """Send a command that must fail, and return the error."""
    with pytest.raises(CommandError) as error:
        await client.command(command, within, **payload)
    return error.value


@pytest.fixture
def check_works(client: Client, simulator: Control) -> Callable[[], Awaitable[None]]:
    """A function that checks that a setting, a shot, a download and a preview work without intervention."""

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
async def other_client(server: Server, ports: list[str]) -> AsyncIterator[Client]:
    """A client that repeatedly reads a setting of the other camera. The test fails if a fault delays a reply to it."""
    async with await Client.connect(server) as client:
        await client.command("select_camera", port=ports[1])
        values: list[str] = []

        async def read_repeatedly() -> None:
            while True:
                async with asyncio.timeout(2 * BUSY_MACHINE):
                    values.append((await client.command("get_config", name="iso"))["value"])
                await asyncio.sleep(0.05)

        reading = asyncio.create_task(read_repeatedly())
        yield client
        assert not reading.done(), reading.exception()
        assert values
        reading.cancel()
        await asyncio.wait((reading,))


pytestmark = pytest.mark.usefixtures("other_client")
Check = Callable[[], Awaitable[None]]


async def test_no_response_to_the_half_press_takes_no_picture(
    client: Client, simulator: Control, check_works: Check
) -> None:
    simulator.fault("silent", CAPTURE)
    assert (await failure(client, "capture_image")).code in NO_RESPONSE
    assert simulator.state()["shots"] == 0
    await check_works()


async def test_no_response_to_the_release_is_an_unknown_outcome(
    client: Client, simulator: Control, check_works: Check
) -> None:
    simulator.fault("silent", CAPTURE, after=FULL_PRESS, execute=True)
    error = await failure(client, "capture_image")
    assert (error.code, error.reply["retryable"]) == ("capture_unknown", False)
    assert simulator.state()["shots"] == 1
    await check_works()


async def test_no_response_to_a_setting_is_an_error(client: Client, simulator: Control, check_works: Check) -> None:
    simulator.fault("silent", "0x9110")
    assert (await failure(client, "set_config", name="iso", value="800")).code in NO_RESPONSE
    await check_works()


async def test_a_late_response_is_awaited(client: Client, simulator: Control, check_works: Check) -> None:
    simulator.fault("late", "0x9110", seconds=1.0)
    assert (await client.command("set_config", name="iso", value="800"))["value"] == "800"
    await check_works()


async def test_a_response_after_the_timeout_is_an_error(client: Client, simulator: Control, check_works: Check) -> None:
    simulator.fault("late", "0x9110", seconds=3.5)
    assert (await failure(client, "set_config", name="iso", value="800")).code in NO_RESPONSE
    await check_works()


async def test_a_connection_dropped_at_the_release_is_an_unknown_outcome(
    client: Client, simulator: Control, check_works: Check
) -> None:
    simulator.fault("drop", CAPTURE, after=FULL_PRESS)
    assert (await failure(client, "capture_image")).code == "capture_unknown"
    await check_works()


async def test_an_idle_connection_that_drops_is_reconnected_without_a_command(
    client: Client, simulator: Control, check_works: Check
) -> None:
    await client.command("subscribe", events=["camera_state"])
    simulator.fault("drop")
    await client.event(lambda event: event["state"] == "recovering")
    await client.event(lambda event: event["state"] == "ready")
    await check_works()


async def test_a_stream_continues_after_a_dropped_connection(
    client: Client, simulator: Control, check_works: Check
) -> None:
    await client.command("start_live_view")
    frame = await client.event("live_view_frame")
    simulator.fault("drop", "0x9153")
    await client.event(lambda event: event["event"] == "live_view_frame" and event["seq"] > frame["seq"] + 20)
    assert simulator.state()["faults"] == []
    await check_works()


async def test_a_connection_dropped_during_a_download_is_an_error(
    client: Client, simulator: Control, check_works: Check
) -> None:
    path = (await client.command("capture_image"))["camera_filepath"]
    simulator.fault("drop_mid_data", "0x1009")
    error = await failure(client, "download_last_image", camera_filepath=path)
    assert error.code in {"camera_io", "camera_error", "camera_disconnected"}
    downloaded = await client.command("download_last_image", camera_filepath=path)
    assert len(from_base64(downloaded["image_b64"])) == simulator.state()["files"][0]["size"]
    await check_works()


async def test_a_download_that_stalls_is_an_error(client: Client, simulator: Control, check_works: Check) -> None:
    path = (await client.command("capture_image"))["camera_filepath"]
    simulator.fault("stall_mid_data", "0x1009")
    assert (await failure(client, "download_last_image", camera_filepath=path)).code in NO_RESPONSE
    downloaded = await client.command("download_last_image", camera_filepath=path)
    assert len(from_base64(downloaded["image_b64"])) == simulator.state()["files"][0]["size"]
    await check_works()


async def test_a_stream_continues_after_a_frame_that_stalls(
    client: Client, simulator: Control, check_works: Check
) -> None:
    await client.command("start_live_view")
    frame = await client.event("live_view_frame")
    simulator.fault("stall_mid_data", "0x9153")
    await client.event(lambda event: event["event"] == "live_view_frame" and event["seq"] > frame["seq"] + 10)
    await check_works()


@pytest.mark.parametrize(
    ("code", "expected"),
    [("0x2002", "camera_error"), ("0x200C", "card_full"), ("0x200E", "camera_error"), ("0x2005", "not_supported")],
)
async def test_a_rejected_release_is_an_error_and_takes_no_picture(
    client: Client, simulator: Control, check_works: Check, code: str, expected: str
) -> None:
    simulator.fault("code", CAPTURE, after=FULL_PRESS, code=code)
    error = await failure(client, "capture_image")
    assert (error.code, simulator.state()["shots"]) == (expected, 0)
    assert code.lower() in error.details["gp_text"].lower()
    await check_works()


async def test_a_capture_waits_for_a_camera_that_is_busy_for_a_moment(
    client: Client, simulator: Control, check_works: Check
) -> None:
    simulator.fault("busy", CAPTURE, times=3)
    await client.command("capture_image")
    assert simulator.state()["shots"] == 1
    await check_works()


async def test_a_setting_waits_for_a_camera_that_is_busy_for_a_moment(
    client: Client, simulator: Control, check_works: Check
) -> None:
    simulator.fault("busy", "0x9110", times=3)
    assert (await client.command("set_config", name="iso", value="400"))["value"] == "400"
    simulator.fault("busy", "0x9110", times=None)
    assert (await failure(client, "set_config", name="iso", value="800")).code == "camera_busy"
    simulator.clear()
    await check_works()


async def test_a_capture_on_a_camera_that_stays_busy_fails(
    client: Client, simulator: Control, check_works: Check
) -> None:
    simulator.fault("busy", CAPTURE, times=None)
    error = await failure(client, "capture_image")
    assert (error.code, error.reply["retryable"]) == ("camera_busy", True)
    assert simulator.state()["shots"] == 0
    simulator.clear()
    await check_works()


async def test_live_view_continues_after_a_camera_was_busy(
    client: Client, simulator: Control, check_works: Check
) -> None:
    await client.command("start_live_view")
    frame = await client.event("live_view_frame")
    simulator.fault("busy", "0x9153", times=5)
    await client.event(lambda event: event["event"] == "live_view_frame" and event["seq"] > frame["seq"] + 10)
    await check_works()


async def test_live_view_on_a_camera_that_stays_busy_cannot_be_started(
    client: Client, simulator: Control, check_works: Check
) -> None:
    simulator.fault("busy", "0x9153", times=None)
    assert (await failure(client, "start_live_view")).code in {"camera_busy", "camera_timeout"}
    simulator.clear()
    await check_works()


async def test_an_invalid_response_is_an_error(client: Client, simulator: Control, check_works: Check) -> None:
    simulator.fault("garbage", "0x9110")
    assert (await failure(client, "set_config", name="iso", value="800")).code in NO_RESPONSE | {"camera_error"}
    await check_works()


async def test_a_stream_continues_after_an_invalid_response(
    client: Client, simulator: Control, check_works: Check
) -> None:
    await client.command("start_live_view")
    frame = await client.event("live_view_frame")
    simulator.fault("garbage", "0x9153")
    await client.event(lambda event: event["event"] == "live_view_frame" and event["seq"] > frame["seq"] + 10)
    await check_works()


async def test_a_shot_without_a_file_is_an_unknown_outcome(
    in_process: Callable[..., Awaitable[InProcess]],
    monkeypatch: pytest.MonkeyPatch,
    simulator: Control,
    ports: list[str],
) -> None:
    monkeypatch.setattr(verb_of(RemoteCamera.capture), "deadline_s", 1.0)
    server = await in_process(ports[SPARE])
    async with await server.connect() as client:
        await client.command("get_config", name="iso")
        simulator.fault("no_file", camera=SPARE)
        error = await failure(client, "capture_image")
        assert (error.code, simulator.state(SPARE)["shots"]) == ("capture_unknown", 1)
        await client.command("capture_image")
        assert simulator.state(SPARE)["shots"] == 2


@pytest.mark.parametrize("variety", ["zero_length", "too_long"])
async def test_a_stream_continues_after_a_frame_that_makes_the_driver_loop(
    in_process: Callable[..., Awaitable[InProcess]],
    monkeypatch: pytest.MonkeyPatch,
    simulator: Control,
    ports: list[str],
    variety: str,
) -> None:
    monkeypatch.setattr("camera.processes.process._SILENCE_S", 1.5)
    monkeypatch.setattr(verb_of(RemoteCamera.list_names), "deadline_s", 1.5)
    server = await in_process(ports[SPARE])
    async with await server.connect() as viewer:
        await viewer.command("start_live_view")
        frame = await viewer.event("live_view_frame")
        simulator.fault("malformed_live_view", variety=variety, camera=SPARE)
        later_frame = await viewer.event(
            lambda event: event["event"] == "live_view_frame" and event["seq"] > frame["seq"] + 10
        )
        decoded(from_base64(later_frame["image_b64"]))


async def test_a_preview_that_makes_the_driver_loop_is_a_timeout(
    in_process: Callable[..., Awaitable[InProcess]],
    monkeypatch: pytest.MonkeyPatch,
    simulator: Control,
    ports: list[str],
) -> None:
    monkeypatch.setattr(verb_of(RemoteCamera.preview), "deadline_s", 1.5)
    server = await in_process(ports[SPARE])
    async with await server.connect() as client:
        await client.command("get_config", name="iso")
        simulator.fault("malformed_live_view", variety="zero_length", camera=SPARE)
        assert (await failure(client, "capture_preview")).code == "camera_timeout"
        decoded(from_base64((await client.command("capture_preview"))["image_b64"]))


@pytest.mark.parametrize("variety", ["no_picture", "short", "truncated"])
async def test_a_malformed_frame_does_not_end_the_stream(
    client: Client, simulator: Control, check_works: Check, variety: str
) -> None:
    await client.command("start_live_view")
    frame = await client.event("live_view_frame")
    simulator.fault("malformed_live_view", variety=variety)
    await client.event(lambda event: event["event"] == "live_view_frame" and event["seq"] > frame["seq"] + 10)
    await check_works()


@pytest.mark.parametrize("mode", ["Manual", "One Shot"])
async def test_without_focus_no_picture_is_taken(
    client: Client, simulator: Control, check_works: Check, mode: str
) -> None:
    await client.command("set_config", name="focusmode", value=mode)
    simulator.fault("focus_failed", times=None)
    error = await failure(client, "capture_image")
    assert (error.code, simulator.state()["shots"]) == ("camera_busy", 0)
    simulator.clear()
    await check_works()


@pytest.mark.parametrize("kind", ["init_fail", "init_silent"])
async def test_a_camera_that_fails_to_open_once_is_opened_the_next_time(
    client: Client, simulator: Control, check_works: Check, kind: str
) -> None:
    simulator.fault(kind)
    error = await failure(client, "restart_camera")
    assert error.code in {"camera_disconnected", "camera_timeout"}
    await check_works()


async def test_a_camera_that_is_off_is_an_error_and_works_after_power_on(
    client: Client, simulator: Control, check_works: Check
) -> None:
    await client.command("subscribe", events=["camera_state"])
    simulator.power(False)
    assert (await failure(client, "capture_image")).code in {"camera_disconnected", "camera_timeout", "camera_io"}
    error = await failure(client, "capture_image")
    assert (error.code, error.reply["retryable"]) == ("camera_disconnected", True)
    assert simulator.state()["shots"] == 0
    simulator.power(True)
    await client.event(lambda event: event["state"] == "ready")
    await check_works()


async def test_a_viewer_gets_frames_again_after_power_off_and_on(
    client: Client, simulator: Control, check_works: Check
) -> None:
    await client.command("subscribe", events=["camera_state"])
    await client.command("start_live_view")
    frame = await client.event("live_view_frame")
    simulator.power(False)
    await client.event(lambda event: event.get("state") == "recovering")
    simulator.power(True)
    await client.event(lambda event: event["event"] == "live_view_frame" and event["seq"] > frame["seq"] + 10)
    await check_works()


async def test_a_capture_on_a_full_card_fails_with_card_full(
    client: Client, simulator: Control, check_works: Check
) -> None:
    simulator.card(free_shots=1)
    path = (await client.command("capture_image"))["camera_filepath"]
    for _ in range(2):
        assert (await failure(client, "capture_image")).code == "card_full"
    assert simulator.state()["shots"] == 1
    await client.command("delete_file", camera_filepath=path)
    simulator.card(full=False)
    await check_works()


async def test_a_write_protected_card_rejects_captures_and_deletions(
    client: Client, simulator: Control, check_works: Check
) -> None:
    path = (await client.command("capture_image"))["camera_filepath"]
    simulator.write_protect()
    assert (await failure(client, "capture_image")).code == "camera_error"
    assert (await failure(client, "delete_file", camera_filepath=path)).code == "camera_error"
    assert len(simulator.state()["files"]) == 1
    simulator.write_protect(False)
    await client.command("delete_file", camera_filepath=path)
    await check_works()


async def test_live_view_that_failed_to_end_at_the_camera_is_ended_later(
    client: Client, simulator: Control, check_works: Check
) -> None:
    await client.command("start_live_view")
    await client.event("live_view_frame")
    simulator.fault("code", "0x9110", code=0x2002, times=1)
    await client.command("stop_live_view")
    await until(lambda: not simulator.state()["live_view"])
    await check_works()
