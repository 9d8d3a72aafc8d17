"""USB cameras on a machine without a USB bus: the simulator's cameras for the real `usb:` port of libgphoto2.

Three parts stand in for the kernel, and the product is not changed for them:

- tests/usb/standin.c replaces libusb. It is not preloaded with LD_PRELOAD, which camera processes do not inherit.
  It has the soname of the libusb that libgphoto2 is linked to, and is loaded first; the dynamic linker then takes it.
- `Bus` plays the hub driver: it notices plugs and unplugs in the simulators, reads the descriptors of a new device, and
  shows the device in a folder in the form of /sys/bus/usb/devices, with the files that the product and libusb read.
  Both use the constants of camera/ports.py or an environment variable for the folder, so nothing else is replaced.
- `python_on` makes a virtual environment whose Python connects each process to the bus at its start
  (tests/support/usb_process.py). The server starts its camera processes with its own `sys.executable`, so a server that
  runs with this Python needs no option.
"""

from __future__ import annotations

import shutil
import site
import socket
import struct
import subprocess
import threading
import venv
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.support.rig import ROOT
from tests.support.waiting import WITHIN_S

_SOURCE = ROOT / "tests" / "usb" / "standin.c"
_COMPILERS = ("cc", "gcc", "clang")
# The protocol: https://docs.kernel.org/usb/usbip_protocol.html.
_VERSION, _REQ_DEVLIST, _REQ_IMPORT = 0x0111, 0x8005, 0x8003
_OPERATION, _DEVICE = struct.Struct(">HHI"), struct.Struct(">256s32sIIIHHHBBBBBB")
_SUBMIT, _RESULT = struct.Struct(">IIIIIIIiII8s"), struct.Struct(">IIIIIiI20x")
_GET_DESCRIPTOR, _OF_DEVICE, _OF_CONFIGURATION, _STRING, _US_ENGLISH = 6, 1, 2, 3, 0x0409
_LONGEST = 4096
# How often the bus looks for changes, in seconds. The server looks every 0.5 s.
_EVERY_S = 0.05
# Bus numbers of different simulators are this far apart, because each simulator numbers its buses from 1.
_BUSES = 16


# -- the stand-in for libusb


def compile_standin(folder: Path) -> Path:
    """Compile the stand-in into `folder`; returns the library. Skips the test if there is no C compiler."""
    compiler = next(filter(None, map(shutil.which, _COMPILERS)), None)
    if compiler is None:
        pytest.skip("no C compiler")
    soname = _soname()
    library = folder / soname
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", f"-Wl,-soname,{soname}", str(_SOURCE),
         "-o", str(library)], check=True, timeout=WITHIN_S,
    )  # fmt: skip
    return library


def _soname() -> str:
    """The soname of the libusb that libgphoto2 is linked to. The wheel of gphoto2 has its own, with its own soname."""
    package = find_spec("gphoto2")
    assert package is not None
    assert package.origin is not None
    bundled = Path(package.origin).parent.parent / "gphoto2.libs"
    return next((file.name for file in bundled.glob("libusb-1*")), "libusb-1.0.so.0")


# -- a client of USB/IP


@dataclass(frozen=True, slots=True)
class _Remote:
    """A device in the list of a USB/IP server, with its numbers there."""

    address: str
    bus_id: str
    bus: int
    number: int


@dataclass(frozen=True, slots=True)
class _Described:
    """The descriptors of a device, as the kernel shows them: the device's and its configurations', and two strings."""

    raw: bytes
    product: str
    serial: str


class _Connection:
    """A connection to a USB/IP server. Raises OSError if the server refuses something or closes the connection."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._address = address
        self._socket = socket.create_connection((host, int(port)), WITHIN_S)
        self._stream = self._socket.makefile("rwb")
        self._device = 0
        self._number = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._stream.close()
        self._socket.close()

    def devices(self) -> list[_Remote]:
        self._send(_OPERATION.pack(_VERSION, _REQ_DEVLIST, 0))
        self._accepted()
        (count,) = struct.unpack(">I", self._read(4))
        found = []
        for _ in range(count):
            values = _DEVICE.unpack(self._read(_DEVICE.size))
            found.append(_Remote(self._address, values[1].rstrip(b"\0").decode(), values[2], values[3]))
            self._read(4 * values[-1])
        return found

    def describe(self, device: _Remote) -> _Described:
        """Import a device and read its descriptors. The server frees the device when the connection ends."""
        self._send(_OPERATION.pack(_VERSION, _REQ_IMPORT, 0) + device.bus_id.encode().ljust(32, b"\0"))
        self._accepted()
        self._read(_DEVICE.size)
        self._device = device.bus << 16 | device.number
        raw = self._descriptor(_OF_DEVICE, 0)
        configurations = [self._descriptor(_OF_CONFIGURATION, index) for index in range(raw[17])]
        return _Described(raw + b"".join(configurations), self._text(raw[15]), self._text(raw[16]))

    def _text(self, index: int) -> str:
        return self._descriptor(_STRING, index, _US_ENGLISH)[2:].decode("utf-16-le") if index else ""

    def _descriptor(self, kind: int, index: int, language: int = 0) -> bytes:
        setup = struct.pack("<BBHHH", 0x80, _GET_DESCRIPTOR, kind << 8 | index, language, _LONGEST)
        self._number += 1
        self._send(_SUBMIT.pack(1, self._number, self._device, 1, 0, 0, _LONGEST, 0, 0xFFFFFFFF, 0, setup))
        _, _, _, _, _, status, size = _RESULT.unpack(self._read(_RESULT.size))
        if status:
            raise OSError(-status, f"{kind} descriptor {index}")
        return self._read(size)

    def _accepted(self) -> None:
        _, _, status = _OPERATION.unpack(self._read(_OPERATION.size))
        if status:
            raise ConnectionRefusedError(f"status {status}")

    def _send(self, data: bytes) -> None:
        self._stream.write(data)
        self._stream.flush()

    def _read(self, size: int) -> bytes:
        data = self._stream.read(size)
        if len(data) < size:
            raise ConnectionResetError(self._address)
        return data


# -- the bus


class Bus:
    """Shows the USB devices of simulators in a folder, as the kernel does, and follows plugs and unplugs.

    Args:
        folder: an empty folder.
        addresses: host:port of the USB/IP servers of the simulators. The devices of the first one have the numbers of
            its list. The bus numbers of the next ones are higher by 16, 32 and so on.

    Attributes:
        devices: the folder in the form of /sys/bus/usb/devices.
        nodes: the folder in the form of /dev/bus/usb; its files are empty.
    """

    def __init__(self, folder: Path, addresses: Sequence[str]) -> None:
        self.devices, self.nodes, self._new = folder / "devices", folder / "nodes", folder / "new"
        for path in (self.devices, self.nodes, self._new):
            path.mkdir()
        self._addresses = addresses
        self._shown: dict[_Remote, tuple[Path, Path]] = {}  # their folders and nodes
        self._stop = threading.Event()
        self._update()
        self._thread = threading.Thread(target=self._follow, name="usb bus")
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._stop.wait(_EVERY_S):
            self._update()

    def _update(self) -> None:
        present = {device: index for index, address in enumerate(self._addresses) for device in _listed(address)}
        for device in self._shown.keys() - present.keys():
            self._remove(device)
        for device in present.keys() - self._shown.keys():
            with suppress(OSError):  # unplugged again; or the next round describes it
                self._add(device, present[device] * _BUSES)

    def _add(self, device: _Remote, offset: int) -> None:
        with _Connection(device.address) as connection:
            described = connection.describe(device)
        host, _, port = device.address.rpartition(":")
        bus, _, place = device.bus_id.partition("-")
        name = f"{int(bus) + offset}-{place}"
        files = {
            "busnum": f"{device.bus + offset}\n",
            "devnum": f"{device.number}\n",
            "product": f"{described.product}\n",
            "serial": f"{described.serial}\n",
            "usbip": f"{host} {port} {device.bus_id} {device.bus} {device.number}\n",
        }
        new = self._new / name
        new.mkdir()
        (new / "descriptors").write_bytes(described.raw)
        for file, text in files.items():
            (new / file).write_text(text)
        node = self.nodes / f"{device.bus + offset:03d}" / f"{device.number:03d}"
        node.parent.mkdir(exist_ok=True)
        node.touch()
        self._shown[device] = self.devices / name, node
        new.rename(self.devices / name)  # so that nobody sees an incomplete folder

    def _remove(self, device: _Remote) -> None:
        shown, node = self._shown.pop(device)
        shown.rename(self._new / shown.name)
        shutil.rmtree(self._new / shown.name)
        node.unlink()


def _listed(address: str) -> list[_Remote]:
    """The devices of a simulator; none if it has ended."""
    try:
        with _Connection(address) as connection:
            return connection.devices()
    except OSError:
        return []


# -- processes on the bus


def python_on(bus: Bus, library: Path, folder: Path) -> Path:
    """Make a virtual environment in `folder`; returns its Python. Each of its processes is connected to `bus`.

    The processes need ROOT in PYTHONPATH. The sandbox lets camera processes read the folder, because it is their
    `sys.prefix`, so the folder of the bus must be in it.
    """
    venv.EnvBuilder(symlinks=True).create(folder)
    python = folder / "bin" / "python"
    arguments = ", ".join(repr(str(path)) for path in (library, bus.devices, bus.nodes))
    lines = [f"import site; site.addsitedir({path!r})" for path in site.getsitepackages()]
    lines.append(f"import tests.support.usb_process as process; process.connect({arguments})")
    own = next((folder / "lib").glob("python*/site-packages"))
    (own / "standin.pth").write_text("\n".join(lines) + "\n")
    return python
