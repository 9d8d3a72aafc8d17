"""Pictures and names that no honest camera sends: refused in time, and nothing else happens."""

from __future__ import annotations

import io
import struct
from datetime import datetime
from pathlib import Path

import pytest
from PIL import Image

from camera.device import jpeg
from camera.orientation import Orientation
from camera.photos.folder import PhotoFolder, check_template, ending_of


def with_size(width: int, height: int) -> bytes:
    """A small JPEG whose header tells another size."""
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
def test_a_header_that_promises_too_much_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="not a JPEG"):
        jpeg.upright(with_size(*size), Orientation(90))


def padded(data: bytes, size: int) -> bytes:
    """The JPEG with comments of `size` bytes, so that its bytes could hold what its header promises."""
    comment = b"\xff\xfe\xff\xff" + bytes(0xFFFD)
    return data[:2] + comment * (size // len(comment) + 1) + data[2:]


@pytest.mark.parametrize(
    ("data", "most"),
    [
        (padded(with_size(13000, 13000), 400_000), jpeg.SMALL_PIXELS),
        (padded(with_size(16000, 16000), 600_000), jpeg.STILL_PIXELS),
        (with_size(3000, 3000), jpeg.SMALL_PIXELS),  # in 700 bytes
        # A decoder passes over a marker that stands alone; who takes it for one with a length reads elsewhere.
        (b"\xff\xd8\xff\xd0" + with_size(13000, 13000)[2:], jpeg.SMALL_PIXELS),
    ],
    ids=["thumbnail", "still", "few bytes", "hidden"],
)
def test_what_is_larger_than_its_kind_is_not_decoded(data: bytes, most: int) -> None:
    with pytest.raises(ValueError, match="000 pixels in"):
        jpeg.turned(data, Orientation(90), most)


def test_a_picture_of_thousands_of_scans_is_not_decoded() -> None:
    """Each scan costs a pass over all pixels: 1200 of them, in 100 KB, took 30 s."""
    out = io.BytesIO()
    Image.new("L", (4000, 4000)).save(out, "JPEG", progressive=True)
    whole = out.getvalue()
    last = whole.rindex(b"\xff\xda")
    data = whole[:-2] + whole[last:-2] * 1200 + whole[-2:]
    with pytest.raises(ValueError, match="scans"):
        jpeg.turned(data, Orientation(90))
    assert jpeg.turned(whole, Orientation(90))[:2] == b"\xff\xd8"


def test_an_exif_thumbnail_that_promises_too_much_stays_as_it_is_and_the_picture_is_turned() -> None:
    thumbnail = padded(with_size(1300, 1300), 4000)[:60_000]
    tags = struct.pack("<IHHHIIHHIII", 8, 2, 0x0201, 4, 1, 38, 0x0202, 4, 1, len(thumbnail), 0)
    picture = jpeg.upright(with_exif(tags + thumbnail), Orientation(90))
    assert thumbnail in picture
    with Image.open(io.BytesIO(picture)) as image:
        assert image.size == (16, 16)


@pytest.fixture(params=["libturbojpeg", "Pillow alone"])
def turning(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are turned by what this machine has, and by Pillow where libjpeg-turbo is missing."""
    if request.param == "Pillow alone":
        monkeypatch.setattr(jpeg, "turbojpeg", lambda: None)


@pytest.mark.usefixtures("turning")
@pytest.mark.parametrize(
    "directories",
    [
        struct.pack("<IH", 8, 0xFFFF) + bytes(60000),
        struct.pack("<IHI", 8, 0, 8),
        b"".join(struct.pack("<IHI", 8 + 6 * n, 0, 14 + 6 * n) for n in range(6000)),
        struct.pack("<I", 0xFFFFFFFF),
        b"",
    ],
    ids=["count", "circle", "chain", "outside", "none"],
)
def test_exif_that_leads_nowhere_does_not_hold_the_camera(directories: bytes) -> None:
    picture = jpeg.upright(with_exif(directories), Orientation(180))
    assert picture.startswith(b"\xff\xd8")


@pytest.mark.parametrize(
    "template", ["{counter:04d}", "{date!r}", "{time:>9}", "{nothing}", "a/{date}", "{date", "..", ""]
)
def test_a_template_that_could_fail_later_stops_the_start(template: str) -> None:
    with pytest.raises(ValueError, match="counter"):
        check_template(template)


def test_whatever_a_camera_is_called_its_photos_get_a_name_that_fits(tmp_path: Path) -> None:
    folder = PhotoFolder(tmp_path / "photos", "{camera}{serial}{original}{counter}")
    name = folder.name("\u76f8" * 90 + ".JPG", "../" * 30 + "\u6a5f" * 90, "\0\n" + "\u756a" * 90, datetime.now())

    def write(descriptor: int) -> None:
        Path(f"/proc/self/fd/{descriptor}").write_bytes(b"abc")

    path = folder.save(name, ".jpg", 3, write)
    assert path.parent == tmp_path / "photos"
    assert path.read_bytes() == b"abc"


@pytest.mark.parametrize(
    ("name", "ending"), [("A.JPG", ".jpg"), ("A", ""), ("A.J:P?G\x7f", ".jpg"), ("A./../x", ".x"), ("A.", "")]
)
def test_an_ending_is_letters_and_digits(name: str, ending: str) -> None:
    assert ending_of(name) == ending


def test_the_counter_goes_on_where_the_folder_ends(tmp_path: Path) -> None:
    for name in ("IMG_0412_00007.jpg", "IMG_0500_00009-2.cr2", "photo99999.jpg", "notes.txt"):
        (tmp_path / name).touch()
    folder = PhotoFolder(tmp_path, "{original}_{counter}")
    assert folder.name("IMG_0600.JPG", "x", None, datetime.now()) == "IMG_0600_00010"


def test_the_files_of_a_shot_keep_together(tmp_path: Path) -> None:
    (tmp_path / "guest.jpg").touch()
    assert PhotoFolder(tmp_path, "{date}").claim("guest", [".jpg", ".cr2"]) == "guest-2"
    assert PhotoFolder(tmp_path, "{date}").claim("guest", [".cr2"]) == "guest"
