"""Download a full-size picture as a whole, in pieces and as binary messages. Check its Exif data and its thumbnail."""

from __future__ import annotations

import asyncio
import hashlib
import struct
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from tests.support.cameras import one_camera
from tests.support.marks import decoded, from_base64, mark
from tests.support.rig import Client, CommandError, Server

HEADER = struct.Struct(">BBHIQ")


@dataclass(frozen=True)
class Shot:
    """A picture of 18 megapixels on the card of a camera."""

    server: Server
    port: str
    path: str
    size: int
    sha256: str


@pytest.fixture(scope="module")
def shot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shot]:
    with one_camera("--shutter", "0.02") as camera:
        server = Server(cwd=tmp_path_factory.mktemp("full-size"), NETWORK_CAMERAS=camera.port)

        async def capture() -> str:
            async with await Client.connect(server) as client:
                return str((await client.command("capture_image", port=camera.port))["camera_filepath"])

        path = asyncio.run(capture())
        (file,) = camera.control.state(sha256=True)["files"]
        assert file["path"] == path
        yield Shot(server, camera.port, path, file["size"], file["sha256"])
        assert server.stop() == 0


@pytest.fixture
async def reader(shot: Shot) -> AsyncIterator[Client]:
    async with await Client.connect(shot.server) as client:
        await client.command("select_camera", port=shot.port)
        yield client


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def test_twelve_megabytes_are_downloaded_completely(reader: Client, shot: Shot) -> None:
    reply = await reader.command("download_last_image", camera_filepath=shot.path)
    picture = from_base64(reply["image_b64"])
    assert shot.size > 10_000_000
    assert (reply["size"], len(picture)) == (shot.size, shot.size)
    assert sha256(picture) == shot.sha256


async def test_the_picture_has_exif_and_its_number(reader: Client, shot: Shot) -> None:
    reply = await reader.command("download_last_image", camera_filepath=shot.path)
    picture = from_base64(reply["image_b64"])
    exif = decoded(picture).getexif()
    assert (exif[0x010F], exif[0x0110]) == ("Canon", "Canon EOS 550D")
    assert exif.get_ifd(0x8769)[0x8827] == 100  # 0x8827 is the tag of the ISO
    assert mark(picture, "shot") == 1


async def test_small_pieces_join_to_the_complete_picture(shot: Shot) -> None:
    async with await Client.connect(shot.server) as client:
        parts: list[bytes] = []
        offset, eof = 0, False
        while not eof:
            reply = await client.command(
                "download_last_image", port=shot.port, camera_filepath=shot.path, offset=offset, length=2**20
            )
            parts.append(from_base64(reply["image_b64"]))
            assert (reply["offset"], reply["length"], reply["size"]) == (offset, len(parts[-1]), shot.size)
            offset, eof = offset + reply["length"], reply["eof"]
        assert offset == shot.size
        assert all(len(part) == 2**20 for part in parts[:-1])
        assert sha256(b"".join(parts)) == shot.sha256


async def test_a_piece_at_the_end_is_shorter_and_the_last(reader: Client, shot: Shot) -> None:
    reply = await reader.command("download_last_image", camera_filepath=shot.path, offset=shot.size - 10, length=100)
    assert (reply["length"], reply["eof"]) == (10, True)
    reply = await reader.command("download_last_image", camera_filepath=shot.path, offset=shot.size, length=100)
    assert (reply["length"], reply["eof"], reply["image_b64"]) == (0, True, "")


async def test_an_offset_without_a_length_returns_the_rest(reader: Client, shot: Shot) -> None:
    reply = await reader.command("download_last_image", camera_filepath=shot.path, offset=shot.size - 1000)
    assert (reply["length"], reply["eof"]) == (1000, True)


async def test_an_offset_beyond_the_end_is_rejected(reader: Client, shot: Shot) -> None:
    with pytest.raises(CommandError) as error:
        await reader.command("download_last_image", camera_filepath=shot.path, offset=shot.size + 1)
    assert (error.value.code, error.value.details["size"]) == ("invalid_payload", shot.size)


async def test_binary_messages_have_their_offset_and_end_with_the_digest(reader: Client, shot: Shot) -> None:
    reply = await reader.command("download_last_image", camera_filepath=shot.path, transfer="binary")
    assert "image_b64" not in reply
    complete = await reader.event("transfer_complete")
    picture = bytearray()
    for number, message in enumerate(reader.binary):
        kind, flags, transfer, sequence, offset = HEADER.unpack_from(message)
        assert (kind, transfer, sequence, offset) == (2, reply["transfer"], number, len(picture))
        assert flags == (1 if number == len(reader.binary) - 1 else 0)
        picture += message[HEADER.size :]
    assert all(len(message) == reply["chunk_bytes"] + HEADER.size for message in reader.binary[:-1])
    assert len(picture) == reply["size"] == shot.size
    assert sha256(bytes(picture)) == complete["sha256"] == shot.sha256
    assert complete["transfer"] == reply["transfer"]


async def test_a_piece_can_be_sent_as_binary_messages(reader: Client, shot: Shot) -> None:
    reply = await reader.command(
        "download_last_image", camera_filepath=shot.path, transfer="binary", offset=1000, length=200_000
    )
    await reader.event("transfer_complete")
    offsets = [HEADER.unpack_from(message)[4] for message in reader.binary]
    assert offsets[0] == 1000
    assert sum(len(message) - HEADER.size for message in reader.binary) == reply["length"] == 200_000


async def test_two_transfers_on_one_connection_have_different_numbers(reader: Client, shot: Shot) -> None:
    numbers = set()
    for _ in range(2):
        reply = await reader.command(
            "download_last_image", camera_filepath=shot.path, transfer="binary", offset=0, length=1000
        )
        await reader.event("transfer_complete")
        numbers.add(reply["transfer"])
    assert len(numbers) == 2


async def test_live_view_continues_during_a_download(reader: Client, shot: Shot) -> None:
    async with await Client.connect(shot.server) as viewer:
        await viewer.command("start_live_view", port=shot.port)
        first = await viewer.event("live_view_frame")
        downloads = [
            reader.command("download_last_image", camera_filepath=shot.path),
            viewer.event(lambda event: event.get("seq", 0) > first["seq"] + 5),
        ]
        reply, _ = await asyncio.gather(*downloads)
        assert sha256(from_base64(reply["image_b64"])) == shot.sha256


async def test_a_thumbnail_is_a_small_picture(reader: Client, shot: Shot) -> None:
    reply = await reader.command("get_thumbnail", camera_filepath=shot.path)
    assert (reply["filename"], reply["mimetype"]) == ("IMG_0001.JPG", "image/jpeg")
    assert decoded(from_base64(reply["image_b64"])).size == (160, 120)


async def test_a_client_that_disconnects_during_a_download_does_not_affect_others(reader: Client, shot: Shot) -> None:
    for transfer in ("base64", "binary"):
        disconnecting = await Client.connect(shot.server)
        await disconnecting.socket.send(
            f'{{"command": "download_last_image", "payload": {{"port": "{shot.port}", "transfer": "{transfer}"}}}}'
        )
        disconnecting.socket.transport.abort()
    reply = await reader.command("download_last_image", camera_filepath=shot.path)
    assert sha256(from_base64(reply["image_b64"])) == shot.sha256
