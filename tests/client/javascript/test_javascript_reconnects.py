"""The JavaScript client reconnects: commands, streams, events and downloads continue, and no shot is taken twice."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

import pytest

from simulator.client import Control
from simulator.process import SimulatorProcess
from tests.client.javascript.node import Node, Program
from tests.support.rig import Client, Server
from tests.support.waiting import until

Programs = Callable[[str], Program]
# For each shot, the driver sends operation 0x9128 twice: once for the half press, and then for the full press.
FULL_PRESS, HALF_PRESSES = "0x9128", 1


async def test_the_selection_live_view_and_commands_survive_a_restart_of_the_server(
    nodejs: Node, restartable_server: Callable[..., Server], restart_cameras: SimulatorProcess
) -> None:
    both = {"NETWORK_CAMERAS": ",".join(camera.address for camera in restart_cameras.cameras)}
    script = """
        const client = await connect(server);
        client.addEventListener("state", () => say(client.state));
        await client.call("select_camera", { port });
        const view = client.liveView();
        await view.next();
        say("ready");
        await told();
        say((await client.call("get_camera_info")).serial);
        const frames = [];
        for await (const frame of view) if (frames.push(frame.dropped) === 3) break;
        say(frames.includes(true));
    """
    old = restartable_server(**both)
    async with nodejs.program(script, old, restart_cameras.cameras[1].address) as running:
        assert await running.says() == "ready"
        old.kill()
        assert await running.says() == "reconnecting"
        running.tell()
        await asyncio.to_thread(restartable_server, **both)
        assert await running.says() == "connected"
        assert await running.says() == restart_cameras.cameras[1].serial
        assert await running.says() is True
        assert await running.says() == "closed"


@pytest.mark.parametrize(("command", "presses"), [("capture_image", HALF_PRESSES), ("capture_burst", 0), ("fire", 0)])
async def test_a_shot_whose_connection_is_lost_is_taken_once(
    program: Programs, simulator: Control, command: str, presses: int
) -> None:
    payload = {"capture_image": "{ port }", "capture_burst": "{ port, frames: 2 }", "fire": "{ ports: [port] }"}
    script = f"""
        const client = await connect(server);
        const shooting = client.call("{command}", {payload[command]});
        await told();
        cut();
        const {{ frames, repeated }} = await shooting;
        say([repeated, sockets.length, frames ?? 1]);
    """
    simulator.fault("late", FULL_PRESS, after=presses, seconds=0.5)
    async with program(script) as running:
        await until(lambda: not simulator.state()["faults"])
        running.tell()
        repeated, sockets, frames = await running.says()
    assert (repeated, sockets) == (True, 2)
    assert simulator.state()["shots"] == frames


async def test_a_command_that_changes_something_is_not_sent_again(program: Programs, simulator: Control) -> None:
    script = """
        const client = await connect(server);
        await client.call("get_config", { port, name: "iso" }); // the camera is open
        const pressing = client.call("half_press", { port, hold_ms: 300 });
        await told();
        cut();
        say(await pressing.catch(({ code, retryable, details }) => [code, retryable, details.close]));
        say((await client.call("get_camera_info", { port })).port === port); // waits until the camera is free
    """
    simulator.fault("late", FULL_PRESS, seconds=0.1)
    async with program(script) as running:
        await until(lambda: not simulator.state()["faults"])
        running.tell()
        assert await running.says() == ["connection_lost", True, 1006]
        assert await running.says() is True


async def test_a_shot_without_a_server_for_good_has_an_unknown_outcome(
    program: Programs, simulator: Control, client: Client
) -> None:
    script = """
        const client = await connect({ ...server, reconnectForMs: 100 });
        const events = client.events();
        const view = client.liveView({ port });
        await view.next();
        const shooting = client.call("capture_image", { port });
        await told();
        network.blocked = true;
        cut();
        say(await shooting.catch(codeOf));
        say(await client.call("capture_image", { port }).catch(codeOf));
        for (const iterator of [events, view]) {
          try {
            for await (const _ of iterator);
          } catch (error) {
            say(error.code);
          }
        }
        say([client.state, client.error.code]);
    """
    simulator.fault("late", FULL_PRESS, after=HALF_PRESSES, seconds=0.5)
    async with program(script) as running:
        await until(lambda: not simulator.state()["faults"])
        running.tell()
        assert await running.says() == "capture_unknown"
        for _ in range(3):  # a new shot, the events and live view
            assert await running.says() == "connection_failed"
        assert await running.says() == ["closed", "connection_failed"]
    await client.command("get_camera_info")  # waits until the camera is free


async def test_missed_events_follow_a_reconnect_once(program: Programs, simulator: Control, server: Server) -> None:
    script = """
        const client = await connect(server);
        const events = client.events(["file_added", "reconnected"]);
        await events.ready;
        say();
        const { value: first } = await events.next();
        network.blocked = true;
        cut();
        await new Promise((resolve) => client.addEventListener("state", resolve, { once: true }));
        say(client.state);
        await told();
        network.blocked = false;
        say((await events.next()).value);
        const { value: second } = await events.next();
        say([first, second].map(({ camera_filepath }) => camera_filepath));
        const { epoch, seq } = client.place;
        say([seq === second.seq, typeof epoch]);
        // The server repeats all events since then, also those that were received.
        await client.events(["config_changed"], { since: { epoch, seq: first.seq } }).ready;
        say();
        say((await events.next()).value.camera_filepath);
        const late = (await connect(server)).events(["file_added"], { since: { epoch, seq: first.seq } });
        say((await late.next()).value);
        say(second);
    """
    async with program(script) as running, await Client.connect(server) as other:
        await other.command("subscribe", events=["file_added"])
        await running.says()
        paths = simulator.shutter()
        assert await running.says() == "reconnecting"
        paths += simulator.shutter()
        for path in paths:
            assert (await other.event("file_added"))["camera_filepath"] == path
        running.tell()
        assert await running.says() == {"event": "reconnected", "recovered": True}
        assert await running.says() == paths
        assert await running.says() == [True, "string"]
        await running.says()
        (third,) = simulator.shutter()
        assert await running.says() == third
        assert await running.says() == await running.says()


async def test_a_download_continues_after_a_lost_connection(program: Programs, simulator: Control) -> None:
    script = """
        import { createHash } from "node:crypto";
        const client = await connect(server);
        await client.call("select_camera", { port });
        await client.call("capture_image");
        let cuts = 0;
        const onProgress = (received, size) => {
          if (received < size && cuts < 2 && ++cuts) cut();
        };
        const { blob } = await client.download({ onProgress });
        say([cuts, sockets.length, createHash("sha256").update(new Uint8Array(await blob.arrayBuffer())).digest("hex")]);
    """
    async with program(script) as running:
        cuts, sockets, digest = await running.says()
    (on_camera,) = simulator.state(sha256=True)["files"]
    assert (cuts, sockets, digest) == (2, 3, on_camera["sha256"])


async def test_another_token_after_a_restart_ends_the_client(
    nodejs: Node, restartable_server: Callable[..., Server]
) -> None:
    script = """
        const client = await connect({ ...server, reconnectForMs: Infinity });
        say("ready");
        await new Promise((resolve) => client.addEventListener("state", () => client.state === "closed" && resolve()));
        say([client.error.code, await client.call("capture_image").catch(codeOf), sockets.length]);
    """
    old = restartable_server()
    async with nodejs.program(script, old) as running:
        assert await running.says() == "ready"
        assert await asyncio.to_thread(old.stop) == 0
        new = await asyncio.to_thread(restartable_server, API_TOKEN="another-token-8841")
        code, code_of_capture, sockets = await running.says()
    assert (code, code_of_capture) == ("unauthorized", "unauthorized")
    assert sockets >= 2
    assert new.log.count("closed with 4401") == 1


async def test_a_silent_server_is_noticed(nodejs: Node, restartable_server: Callable[..., Server]) -> None:
    # The clock of the program runs a hundred times as fast.
    script = """
        const [every, now] = [setInterval, Date.now];
        const begin = now();
        globalThis.setInterval = (call, ms) => every(call, ms / 100);
        Date.now = () => begin + 100 * (now() - begin);
        const client = await connect(server);
        client.addEventListener("state", () => say(client.state), { once: true });
        await told();
        say(sockets.length);
        network.blocked = true;
        await told();
        globalThis.setInterval = every;
        Date.now = now;
    """
    server = restartable_server()
    async with nodejs.program(script, server) as running:
        running.tell()
        assert await running.says() == 1
        server.process.send_signal(signal.SIGSTOP)
        assert await running.says() == "reconnecting"
        server.process.send_signal(signal.SIGCONT)
        running.tell()
