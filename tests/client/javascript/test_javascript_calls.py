"""The JavaScript client sends commands, and reports errors by code."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from simulator.client import Control
from tests.client.javascript.node import Program

Programs = Callable[[str], Program]


async def test_commands_use_the_selected_camera(program: Programs, ports: list[str]) -> None:
    script = """
        const client = await connect(server);
        say((await client.call("list_cameras")).cameras.map((camera) => camera.port));
        await client.call("select_camera", { port });
        const { camera_filepath, files } = await client.call("capture_image", { settings: { iso: "200" } });
        say([camera_filepath === files[0].camera_filepath, (await client.call("get_config", { name: "iso" })).value]);
        say((await client.call("list_shots")).shots[0]);
    """
    async with program(script) as running:
        assert await running.says() == ports
        assert await running.says() == [True, "100"]
        shot = await running.says()
    assert shot["port"] == ports[0]
    assert shot["settings"] == {"iso": "200"}
    assert shot["key"]


async def test_an_error_has_a_code_words_and_details(program: Programs) -> None:
    script = """
        const client = await connect(server);
        const error = await client.call("set_config", { name: "iso", value: 201, port }).catch((error) => error);
        const { code, message, retryable, details } = error;
        say([error instanceof CameraError, error instanceof Error, code, message, retryable, details.choices.length]);
        say(await client.call("nothing").catch(({ code, details }) => [code, details.commands.length > 30]));
    """
    async with program(script) as running:
        known, is_error, code, message, retryable, choices = await running.says()
        assert (known, is_error, code, retryable, choices) == (True, True, "invalid_value", False, 8)
        assert message.startswith("'201' is not a valid value for iso. Allowed: Auto, 100,")
        assert await running.says() == ["unknown_command", True]


async def test_a_failed_connect_says_why(program: Programs) -> None:
    script = """
        const attempt = (options) => connect({ ...server, ...options }).catch(({ name, code, message, retryable }) => [code ?? name, retryable ?? message]);
        say(await attempt({ token: "wrong" }));
        say(await attempt({ url: "ws://127.0.0.1:1" }));
        say(await attempt({ url: `${url}/nothing` }));
        say(await attempt({ url: "not an address" }));
        const { WebSocket: own } = globalThis;
        delete globalThis.WebSocket;
        say(await attempt({ createSocket: undefined }));
        if (own) globalThis.WebSocket = own;
    """
    async with program(script) as running:
        assert await running.says() == ["unauthorized", False]
        assert await running.says() == ["connection_failed", True]
        assert await running.says() == ["connection_failed", True]
        assert (await running.says())[0] == "SyntaxError"
        kind, words = await running.says()
    assert kind == "TypeError"
    assert "createSocket" in words


async def test_a_server_that_does_not_answer_the_login_fails_in_time(program: Programs) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    script = """
        const silent = await told();
        say(await connect({ ...server, url: silent, openTimeoutMs: 50 }).catch(codeOf));
    """
    listener = await asyncio.start_server(say_nothing, "127.0.0.1")
    async with listener, program(script) as running:
        running.tell(f"ws://127.0.0.1:{listener.sockets[0].getsockname()[1]}")
        assert await running.says() == "connection_failed"


async def test_a_command_with_a_method_of_its_own_names_it(program: Programs) -> None:
    script = """
        const client = await connect(server);
        say(await client.call("start_live_view").catch(({ message }) => message));
        client.close();
        say([client.state, client.error.code, await client.call("ping").catch(codeOf)]);
    """
    async with program(script) as running:
        assert await running.says() == "Use client.liveView() instead of start_live_view."
        assert await running.says() == ["closed", "connection_failed", "connection_failed"]


async def test_a_download_is_complete_and_reports_its_progress(program: Programs, simulator: Control) -> None:
    script = """
        import { createHash } from "node:crypto";
        const client = await connect(server);
        await client.call("select_camera", { port });
        const { camera_filepath } = await client.call("capture_image");
        const progress = [];
        const file = await client.download({ camera_filepath, onProgress: (...figures) => progress.push(figures) });
        const bytes = new Uint8Array(await file.blob.arrayBuffer());
        say([file, createHash("sha256").update(bytes).digest("hex"), file.blob.type, progress]);
        say(await client.download({ camera_filepath: "/no/such.jpg" }).catch(codeOf));
        say(await client.download({ onProgress: () => { throw new RangeError("mine"); } }).catch(({ message }) => message));
    """
    async with program(script) as running:
        file, digest, mimetype, progress = await running.says()
        assert await running.says() == "file_not_found"
        assert await running.says() == "mine"
    (on_camera,) = simulator.state(sha256=True)["files"]
    assert (digest, mimetype) == (on_camera["sha256"], "image/jpeg")
    assert (file["camera_filepath"], file["size"]) == (on_camera["path"], on_camera["size"])
    assert progress[-1] == [file["size"], file["size"]]
    assert progress == sorted(progress)
    assert len(progress) > 1


async def test_a_damaged_piece_of_a_download_is_fetched_again(program: Programs, simulator: Control) -> None:
    script = """
        import { createHash } from "node:crypto";
        let damaged = 0;
        const damaging = (url) => {
          const socket = createSocket(url);
          socket.prependListener("message", (data, isBinary) => {
            if (!isBinary || damaged === harm) return;
            new Uint8Array(data)[data.byteLength - 1] ^= 1;
            damaged++;
          });
          return socket;
        };
        let harm = 1;
        const client = await connect({ ...server, createSocket: damaging });
        await client.call("select_camera", { port });
        await client.call("capture_image");
        const { blob } = await client.download();
        say([damaged, createHash("sha256").update(new Uint8Array(await blob.arrayBuffer())).digest("hex")]);
        harm = Infinity;
        say(await client.download().catch(codeOf));
    """
    async with program(script) as running:
        damaged, digest = await running.says()
        assert await running.says() == "unexpected_reply"
    (on_camera,) = simulator.state(sha256=True)["files"]
    assert (damaged, digest) == (1, on_camera["sha256"])


async def test_the_digest_without_crypto_subtle_is_sha256(program: Programs) -> None:
    script = """
        import { createHash, randomBytes } from "node:crypto";
        import { digest } from "./node_modules/gphoto-ws-client/src/sha256.js";
        const lengths = [...Array(200).keys(), 100_003];
        const wrong = lengths.filter((length) => {
          const data = randomBytes(length);
          return createHash("sha256").update(data).digest("hex") !== Buffer.from(digest(data)).toString("hex");
        });
        say(wrong);
    """
    async with program(script) as running:
        assert await running.says() == []


async def test_live_view_sends_no_more_frames_than_the_program_reads(program: Programs) -> None:
    script = """
        const reader = await connect(server);
        const client = await connect(server);
        let frames = 0;
        sockets.at(-1).prependListener("message", (data, isBinary) => isBinary && frames++);
        const unread = client.liveView({ port });
        say((await unread.ready).port);
        let read = 0;
        for await (const frame of reader.liveView({ port })) {
          if (++read === 30 && frames < 3) read = 0;
          if (read === 45) break;
        }
        say(frames);
        const { value: newest } = await unread.next();
        say([newest.dropped, newest.stream, newest.time instanceof Date, Math.abs(Date.now() - newest.time) < 60_000]);
        const followers = [];
        for await (const frame of unread) if (followers.push(frame.seq) === 5) break;
        say(followers.every((seq, index) => seq > (followers[index - 1] ?? newest.seq)));
        say([...newest.jpeg.slice(0, 2)]);
        say((await client.call("get_camera_info", { port })).viewers);
        say(await unread.next());
    """
    async with program(script) as running:
        assert (await running.says()).startswith("ptpip:")
        assert await running.says() == 3  # one that was acknowledged, and two in flight
        assert await running.says() == [True, 1, True, True]
        assert await running.says() is True
        assert await running.says() == [0xFF, 0xD8]
        assert await running.says() == 0
        assert await running.says() == {"done": True}


async def test_a_stream_that_the_camera_ends_throws(program: Programs, simulator: Control) -> None:
    script = """
        const client = await connect(server);
        const view = client.liveView({ port: "usb:999,999" });
        say([await view.ready.catch(codeOf), await view.next().catch(codeOf)]);
        say(await client.liveView({ fps: 1000 }).next().catch(codeOf));
    """
    async with program(script) as running:
        assert await running.says() == ["camera_not_found", "camera_not_found"]
        assert await running.says() == "invalid_payload"


@pytest.mark.parametrize("names", ['["file_added"]', ""])
async def test_events_come_to_each_iterator(program: Programs, simulator: Control, names: str) -> None:
    script = f"""
        const client = await connect(server);
        const [one, two] = [client.events({names}), client.events(["file_added"])];
        await Promise.all([one.ready, two.ready]);
        say();
        for await (const event of one) if (event.event === "file_added") {{ say(event.camera_filepath); break; }}
        say((await two.next()).value.camera_filepath);
        say(await client.call("ping").then(({{ message }}) => message));
        say();
        say((await two.next()).value.camera_filepath);
        two.stop();
        say(await two.next());
        say(await client.events(["no_such"]).next().catch(codeOf));
    """
    async with program(script) as running:
        await running.says()
        (path,) = simulator.shutter()
        assert [await running.says(), await running.says()] == [path, path]
        assert await running.says() == "pong"
        await running.says()
        (path,) = simulator.shutter()
        assert await running.says() == path
        assert await running.says() == {"done": True}
        assert await running.says() == "invalid_payload"
