"""Rotation and mirroring of live view and pictures. The tests check the pixels."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from camera.device import jpeg
from camera.orientation import BY_EXIF, Orientation
from simulator.client import Control
from tests.support.rig import Client, CommandError, Server

ORIENTATIONS = [Orientation(rotation, flip) for rotation in (0, 90, 180, 270) for flip in (False, True)]
# The colours in the corners of the simulator's pictures: top left, top right, bottom right, bottom left.
CORNERS = ("red", "green", "yellow", "blue")


def corners(image: Image.Image) -> tuple[str, ...]:
    """The colours in the corners of a picture, clockwise from the top left."""
    image = image.convert("RGB")
    right, bottom = image.width - 6, image.height - 6
    return tuple(_colour(image.getpixel(position)) for position in ((5, 5), (right, 5), (right, bottom), (5, bottom)))


def _colour(pixel: object) -> str:
    assert isinstance(pixel, tuple)
    names = {(True, False, False): "red", (False, True, False): "green", (False, False, True): "blue"}
    return names.get(tuple(value > 128 for value in pixel[:3]), "yellow")


def expected_corners(orientation: Orientation) -> tuple[str, ...]:
    """The colours in the corners after an orientation. An orientation first rotates clockwise and then mirrors."""
    steps = orientation.rotation // 90
    order = CORNERS[-steps:] + CORNERS[:-steps] if steps else CORNERS
    return (order[1], order[0], order[3], order[2]) if orientation.flip else order


def with_pillow(image: Image.Image, orientation: Orientation) -> Image.Image:
    """Apply the orientation with Pillow, as a reference for the result of the server."""
    image = image.rotate(-orientation.rotation, expand=True)
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if orientation.flip else image


def noise_picture(width: int, height: int, subsampling: int) -> bytes:
    out = io.BytesIO()
    picture = Image.merge("RGB", [Image.effect_noise((width, height), 40 + 20 * band) for band in range(3)])
    picture.save(out, "JPEG", quality=95, subsampling=subsampling)
    return out.getvalue()


def difference(first: Image.Image, other: Image.Image) -> float:
    """The mean brightness difference of the pixels of two pictures, 0 to 255."""
    histogram = ImageChops.difference(first.convert("L"), other.convert("L")).histogram()
    return sum(value * count for value, count in enumerate(histogram)) / (first.width * first.height)


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=str)
@pytest.mark.parametrize(("width", "height", "subsampling"), [(64, 48, 0), (64, 48, 2), (61, 47, 2), (72, 40, 1)])
def test_a_jpeg_is_rotated_and_mirrored_correctly(
    orientation: Orientation, width: int, height: int, subsampling: int
) -> None:
    data = noise_picture(width, height, subsampling)
    expected = with_pillow(Image.open(io.BytesIO(data)), orientation)
    result = Image.open(io.BytesIO(jpeg.turned(data, orientation)))
    assert result.size == expected.size
    assert difference(result, expected) < 4  # not 0, because a picture is encoded again if whole blocks cannot be moved


@pytest.mark.skipif(jpeg.turbojpeg() is None, reason="no libturbojpeg on this machine; apt-get install libturbojpeg0")
@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=str)
def test_whole_blocks_are_rotated_without_loss(orientation: Orientation) -> None:
    data = noise_picture(64, 48, 2)
    result = jpeg.turned(data, orientation)
    # An orientation first rotates and then mirrors, so the mirroring must be undone first.
    restored = jpeg.turned(
        jpeg.turned(result, Orientation(0, orientation.flip)), Orientation(-orientation.rotation % 360)
    )
    assert difference(Image.open(io.BytesIO(restored)), Image.open(io.BytesIO(data))) == 0


def test_pillow_is_used_without_libjpeg_turbo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jpeg, "turbojpeg", lambda: None)
    data = noise_picture(64, 48, 2)
    for orientation in ORIENTATIONS:
        expected = with_pillow(Image.open(io.BytesIO(data)), orientation)
        assert difference(Image.open(io.BytesIO(jpeg.turned(data, orientation))), expected) < 4


@pytest.mark.parametrize("first", ORIENTATIONS, ids=str)
@pytest.mark.parametrize("second", ORIENTATIONS, ids=str)
def test_two_orientations_combine_into_one(first: Orientation, second: Orientation) -> None:
    image = Image.effect_noise((12, 8), 80)
    assert with_pillow(with_pillow(image, first), second).tobytes() == with_pillow(image, first.then(second)).tobytes()


@pytest.mark.parametrize("value", BY_EXIF)
@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=str)
def test_the_exif_orientation_is_applied_to_the_pixels(value: int, orientation: Orientation) -> None:
    exif = Image.Exif()
    exif[0x0112] = value
    exif[0x010F] = "Maker"
    out = io.BytesIO()
    Image.effect_noise((64, 48), 80).save(out, "JPEG", quality=95, exif=exif)
    upright = with_pillow(Image.open(io.BytesIO(out.getvalue())), BY_EXIF[value])
    result = Image.open(io.BytesIO(jpeg.upright(out.getvalue(), orientation)))
    assert result.getexif().get(0x0112, 1) == 1
    assert result.getexif()[0x010F] == "Maker"
    assert difference(result, with_pillow(upright, orientation)) < 4


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8\xff\xd9", b"no picture at all", b"\xff\xd8" + b"\xff\xe1\xff\xff" * 9]
)
def test_data_that_is_not_a_jpeg_is_rejected(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a JPEG"):
        jpeg.turned(data, Orientation(90))


async def frame(client: Client) -> Image.Image:
    event = await client.event("live_view_frame")
    return Image.open(io.BytesIO(base64.b64decode(event["image_b64"])))


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=str)
async def test_each_stream_has_the_requested_orientation(
    booth_client: Client, camera: Control, orientation: Orientation
) -> None:
    await booth_client.command("start_live_view", rotation=orientation.rotation, flip=orientation.flip)
    assert corners(await frame(booth_client)) == expected_corners(orientation)


async def test_viewers_of_one_camera_can_have_different_orientations(
    new_booth: Callable[..., Server], camera: Control
) -> None:
    server = new_booth(PREVIEW_ROTATION="90", PREVIEW_FLIP="true")
    async with await Client.connect(server) as first, await Client.connect(server) as other:
        await first.command("start_live_view")
        await other.command("start_live_view", rotation=180, flip=False)
        first_frame, second_frame = await frame(first), await frame(other)
    assert corners(first_frame) == expected_corners(Orientation(90, True))
    assert corners(second_frame) == expected_corners(Orientation(180))


@pytest.mark.parametrize("orientation", [Orientation(90), Orientation(180), Orientation(270, True)], ids=str)
async def test_saved_and_returned_pictures_are_rotated_and_the_cameras_file_is_not(
    new_booth: Callable[..., Server], camera: Control, orientation: Orientation
) -> None:
    server = new_booth(CAPTURE_ROTATION=str(orientation.rotation), CAPTURE_FLIP=str(orientation.flip).lower())
    async with await Client.connect(server) as client:
        reply = await client.command("capture_image", save=True, download="full")
        sent = base64.b64decode(reply["image_b64"])
        downloaded = await client.command("download_last_image")
    saved = Path(reply["files"][0]["saved_path"]).read_bytes()
    assert saved == sent == base64.b64decode(downloaded["image_b64"])
    with Image.open(io.BytesIO(saved)) as image:
        assert corners(image) == expected_corners(orientation)
        exif = image.getexif()
        assert exif[0x0112] == 1
        assert exif.get_ifd(0x8769)[0xA002] == image.width
        assert exif[0x010F].startswith("Canon")
    (on_camera,) = camera.state()["files"]
    assert on_camera["size"] != len(saved)


@pytest.mark.parametrize("rotation", [45, -90, 360, "90", True])
async def test_a_rotation_other_than_0_90_180_or_270_is_rejected(
    booth_client: Client, camera: Control, rotation: object
) -> None:
    with pytest.raises(CommandError) as caught:
        await booth_client.command("start_live_view", rotation=rotation)
    assert caught.value.code == "invalid_payload"
    assert "0, 90, 180 or 270" in str(caught.value)
