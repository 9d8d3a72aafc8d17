"""Harmful pictures and names from a camera are rejected before they cost much time or memory."""

from __future__ import annotations

import io
import struct
from datetime import datetime
from pathlib import Path

import pytest
from PIL import Image

from camera.device import jpeg
from camera.orientation import Orientation
from camera.photos.folder import NameParts, PhotoFolder, check_template, ending_of


def with_size(width: int, height: int) -> bytes:
    """A JPEG of 16 x 16 pixels with a false size in its header."""
    out = io.BytesIO()
    Image.new("L", (16, 16)).save(out, "JPEG")
    data = bytearray(out.getvalue())
    start = data.index(b"\xff\xc0")
    struct.pack_into(">HH", data, start + 5, height, width)
    return bytes(data)


def with_exif(directories: bytes) -> bytes:
    out = io.BytesIO()
    Image.new("L", (16, 16)).save(out, "JPEG")
    exif = b"Exif\0\0II*\0" + directories
    return b"\xff\xd8\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + out.getvalue()[2:]


@pytest.mark.parametrize("size", [(65000, 65000), (30000, 30000)])
def test_a_header_with_a_huge_size_is_rejected(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="not a JPEG"):
        jpeg.upright(with_size(*size), Orientation(90))


def padded(data: bytes, size: int) -> bytes:
    """The JPEG with at least `size` bytes of comments, so that its length fits the false size in its header."""
    comment = b"\xff\xfe\xff\xff" + bytes(0xFFFD)
    return data[:2] + comment * (size // len(comment) + 1) + data[2:]


@pytest.mark.parametrize(
    ("data", "max_pixels"),
    [
        (padded(with_size(13000, 13000), 400_000), jpeg.SMALL_PIXELS),
        (padded(with_size(16000, 16000), 600_000), jpeg.STILL_PIXELS),
        (with_size(3000, 3000), jpeg.SMALL_PIXELS),  # below the pixel limit, but with only 700 bytes
        # After the marker 0xD0 there is no length. A parser that expects a length there does not find the real header.
        (b"\xff\xd8\xff\xd0" + with_size(13000, 13000)[2:], jpeg.SMALL_PIXELS),
    ],
    ids=["thumbnail", "still", "few bytes", "hidden header"],
)
def test_a_picture_over_the_pixel_limit_is_not_decoded(data: bytes, max_pixels: int) -> None:
    with pytest.raises(ValueError, match="000 pixels in"):
        jpeg.turned(data, Orientation(90), max_pixels)


def test_a_picture_of_thousands_of_scans_is_not_decoded() -> None:
    """A decoder processes all pixels for each scan. Decoding a picture of 100 KB with 1200 scans took 30 s."""
    out = io.BytesIO()
    Image.new("L", (4000, 4000)).save(out, "JPEG", progressive=True)
    original = out.getvalue()
    last = original.rindex(b"\xff\xda")
    data = original[:-2] + original[last:-2] * 1200 + original[-2:]
    with pytest.raises(ValueError, match="scans"):
        jpeg.turned(data, Orientation(90))
    assert jpeg.turned(original, Orientation(90))[:2] == b"\xff\xd8"


def test_an_oversized_exif_thumbnail_is_kept_unchanged_and_the_picture_is_rotated() -> None:
    thumbnail = padded(with_size(1300, 1300), 4000)[:60_000]
    tags = struct.pack("<IHHHIIHHIII", 8, 2, 0x0201, 4, 1, 38, 0x0202, 4, 1, len(thumbnail), 0)
    picture = jpeg.upright(with_exif(tags + thumbnail), Orientation(90))
    assert thumbnail in picture
    with Image.open(io.BytesIO(picture)) as image:
        assert image.size == (16, 16)


@pytest.fixture(params=["libturbojpeg", "Pillow alone"])
def jpeg_library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the test twice: with the libraries of this machine, and as if libjpeg-turbo was missing."""
    if request.param == "Pillow alone":
        monkeypatch.setattr(jpeg, "turbojpeg", lambda: None)


@pytest.mark.usefixtures("jpeg_library")
@pytest.mark.parametrize(
    "directories",
    [
        struct.pack("<IH", 8, 0xFFFF) + bytes(60000),
        struct.pack("<IHI", 8, 0, 8),
        b"".join(struct.pack("<IHI", 8 + 6 * index, 0, 14 + 6 * index) for index in range(6000)),
        struct.pack("<I", 0xFFFFFFFF),
        b"",
    ],
    ids=["too many entries", "loop", "long chain", "outside", "none"],
)
def test_invalid_exif_is_ignored(directories: bytes) -> None:
    picture = jpeg.upright(with_exif(directories), Orientation(180))
    assert picture.startswith(b"\xff\xd8")


@pytest.mark.parametrize(
    "template",
    [
        "{counter:04d}",
        "{date!r}",
        "{time:>9}",
        "{nothing}",
        "{date",
        "..",
        "",
        "/{date}",
        "{date}/",
        "a//{date}",
        "../{date}",
        "a/../{date}",
        "./{date}",
        ".a/{date}",
        "a/ /{date}",
        "a\\{date}",
        "a/" * 9 + "{date}",
        "{seq:4}",
        "{seq:x}",
        "{seq:04d}",
        "{seq:{date}}",
        "{seq!r}",
        "{job:04}",
        "{label.upper}",
        "{job[0]}",
    ],
)
def test_an_invalid_template_is_rejected_at_the_start(template: str) -> None:
    with pytest.raises(ValueError, match="counter"):
        check_template(template)


def test_long_or_harmful_camera_names_give_a_valid_file_name(tmp_path: Path) -> None:
    folder = PhotoFolder(tmp_path / "photos", "{camera}{serial}{original}{counter}")
    name = folder.name(
        NameParts("\u76f8" * 90 + ".JPG", "../" * 30 + "\u6a5f" * 90, "\0\n" + "\u756a" * 90), datetime.now()
    )

    def write(descriptor: int) -> None:
        Path(f"/proc/self/fd/{descriptor}").write_bytes(b"abc")

    path = folder.save(name, ".jpg", 3, write)
    assert path.parent == tmp_path / "photos"
    assert path.read_bytes() == b"abc"


@pytest.mark.parametrize(
    ("name", "ending"), [("A.JPG", ".jpg"), ("A", ""), ("A.J:P?G\x7f", ".jpg"), ("A./../x", ".x"), ("A.", "")]
)
def test_a_file_extension_has_only_letters_and_digits(name: str, ending: str) -> None:
    assert ending_of(name) == ending


def test_the_counter_continues_after_the_highest_in_the_folder(tmp_path: Path) -> None:
    for name in ("IMG_0412_00007.jpg", "IMG_0500_00009-2.cr2", "photo99999.jpg", "notes.txt"):
        (tmp_path / name).touch()
    folder = PhotoFolder(tmp_path, "{original}_{counter}")
    assert folder.name(NameParts("IMG_0600.JPG", "x"), datetime.now()) == "IMG_0600_00010"


def test_all_files_of_a_shot_get_the_same_number(tmp_path: Path) -> None:
    (tmp_path / "guest.jpg").touch()
    assert PhotoFolder(tmp_path, "{date}").claim("guest", [".jpg", ".cr2"]) == "guest-2"
    assert PhotoFolder(tmp_path, "{date}").claim("guest", [".cr2"]) == "guest"
