"""USB cameras on a machine without a USB bus: the simulator's cameras for the real `usb:` port of libgphoto2.

Three parts replace libusb and the kernel. The product has no code for them:

- tests/usb/standin.c replaces libusb. It is not preloaded with LD_PRELOAD, which camera processes do not inherit.
  It has the soname of the libusb that libgphoto2 is linked to, and is loaded first; the dynamic linker then uses it.
- `Bus` replaces the kernel's hub driver. It notices which devices are plugged in, reads their descriptors, and
  shows them in a folder like /sys/bus/usb/devices. The folder has the files that the product and libusb read.
  In the product, constants of camera/ports.py name the folder; they are replaced. The stand-in has an environment
  variable.
- `python_on` makes a virtual environment whose Python connects each process to the bus at its start
  (tests/support/usb_process.py). The server starts its camera processes with its own `sys.executable`, so a server that
  runs with this Python needs no option.
"""

from __future__ import annotations

import shutil
import site
import subprocess
import threading
import venv
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from simulator.client import Control
from simulator.process import SimulatorProcess
from tests.support.rig import ROOT, Client
from tests.support.usbip_client import Host, Listed, UsbError, devices
from tests.support.waiting import WITHIN_S, until_answers

_SOURCE = ROOT / "tests" / "usb" / "standin.c"
_COMPILERS = ("cc", "gcc", "clang")
_OF_DEVICE, _OF_CONFIGURATION, _LONGEST = 1, 2, 4096
# How often the bus looks for changes, in seconds. The server looks every 0.5 s.
_EVERY_S = 0.05
# The bus numbers of two simulators are this far apart, because each simulator numbers its buses from 1.
BUSES = 16

_Key = tuple[int, Listed]  # the index of a simulator, and one of its devices


# -- the stand-in for libusb


def compile_standin(folder: Path, soname: str) -> Path:
    """Compile the stand-in into `folder`; returns the library. Skips the test if there is no C compiler."""
    compiler = next(filter(None, map(shutil.which, _COMPILERS)), None)
    if compiler is None:
        pytest.skip("no C compiler: sudo apt-get install gcc libc6-dev")
    library = folder / soname
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", f"-Wl,-soname,{soname}", str(_SOURCE),
         "-o", str(library)], check=True, timeout=WITHIN_S,
    )  # fmt: skip
    return library


def libusb_soname() -> str:
    """The soname of the libusb that libgphoto2 is linked to. The wheel of gphoto2 has its own, with its own soname."""
    package = find_spec("gphoto2")
    assert package is not None
    assert package.origin is not None
    bundled = Path(package.origin).parent.parent / "gphoto2.libs"
    return next((file.name for file in bundled.glob("libusb-1*")), "libusb-1.0.so.0")


# -- the bus


class Bus:
    """Shows the USB devices of simulators in a folder, as the kernel does, and follows plugs and unplugs.

    A new device is attached for a moment to read its descriptors, so a fault that occurs when a host attaches the
    device must be armed only after the device was plugged in and shown.

    Args:
        folder: an empty folder.
        addresses: host:port of the USB/IP servers of the simulators. The devices of the first one have the numbers of
            its list. The bus numbers of the next ones are higher by BUSES, 2 * BUSES and so on.

    Attributes:
        devices: the folder in the form of /sys/bus/usb/devices.
        nodes: the folder in the form of /dev/bus/usb; its files are empty.
    """

    def __init__(self, folder: Path, addresses: Sequence[str]) -> None:
        self.devices, self.nodes, self._hidden = folder / "devices", folder / "nodes", folder / "hidden"
        for path in (self.devices, self.nodes, self._hidden):
            path.mkdir()
        self._addresses = addresses
        self._shown: dict[_Key, tuple[Path, Path]] = {}  # their folders and nodes
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
        present: set[_Key] = set()
        for index, address in enumerate(self._addresses):
            with suppress(OSError):  # the simulator has ended
                present |= {(index, device) for device in devices(address)}
        for key in self._shown.keys() - present:
            self._remove(key)
        for key in present - self._shown.keys():
            with suppress(OSError, UsbError):  # it was unplugged again, or the next update adds it
                self._add(*key)

    def _add(self, index: int, device: Listed) -> None:
        address, offset = self._addresses[index], index * BUSES
        with Host(address, device.busid) as host:
            if host.device != device:
                return
            raw = host.control(0x80, 6, _OF_DEVICE << 8, 0, _LONGEST)
            configurations = [
                host.control(0x80, 6, _OF_CONFIGURATION << 8 | one, 0, _LONGEST) for one in range(raw[17])
            ]
            product, serial = host.string(raw[15]), host.string(raw[16])
        bus, _, place = device.busid.partition("-")
        shown = self.devices / f"{int(bus) + offset}-{place}"
        node = self.nodes / f"{device.bus + offset:03d}" / f"{device.number:03d}"
        files = {
            "busnum": f"{device.bus + offset}\n",
            "devnum": f"{device.number}\n",
            "product": f"{product}\n",
            "usbip": f"{address.replace(':', ' ')} {device.busid} {device.bus} {device.number}\n",
        }
        if serial:
            files["serial"] = f"{serial}\n"
        new = self._hidden / shown.name
        new.mkdir()
        (new / "descriptors").write_bytes(raw + b"".join(configurations))
        for name, text in files.items():
            (new / name).write_text(text)
        node.parent.mkdir(exist_ok=True)
        node.touch()
        self._shown[index, device] = shown, node
        new.rename(shown)  # so that no process sees an incomplete folder

    def _remove(self, key: _Key) -> None:
        shown, node = self._shown.pop(key)
        gone = self._hidden / shown.name
        shown.rename(gone)
        shutil.rmtree(gone)
        node.unlink()


# -- processes on the bus


def python_on(bus: Bus, library: Path, folder: Path) -> Path:
    """Make a virtual environment in `folder`; returns its Python. Each of its processes is connected to `bus`.

    The processes need ROOT in PYTHONPATH. The folder of the bus must be inside `folder`: the
    sandbox lets camera processes read `folder`, because it is their `sys.prefix`.
    """
    venv.EnvBuilder(symlinks=True).create(folder)
    arguments = ", ".join(repr(str(path)) for path in (library, bus.devices, bus.nodes))
    lines = [f"import site; site.addsitedir({path!r})" for path in site.getsitepackages()]
    lines.append(f"import tests.support.usb_process as process; process.connect({arguments})")
    own = next((folder / "lib").glob("python*/site-packages"))
    (own / "standin.pth").write_text("\n".join(lines) + "\n")
    return folder / "bin" / "python"


@dataclass(frozen=True, slots=True)
class UsbCamera:
    """A simulated camera on the bus: its control port, and the USB/IP server and bus id to attach it directly."""

    control: Control
    address: str
    busid: str
    offset: int

    @property
    def port(self) -> str:
        """The port for libgphoto2 while the camera is plugged in. It changes each time the camera is plugged in."""
        usb = self.control.state()["usb"]
        return f"usb:{usb['bus'] + self.offset:03d},{usb['device']:03d}"


@dataclass(frozen=True, slots=True)
class UsbMachine:
    """A machine with USB cameras, one of each simulator. `Server(**settings)` runs on it."""

    cameras: tuple[UsbCamera, ...]
    settings: dict[str, Any]


@contextmanager
def usb_machine(folder: Path, library: Path, *simulators: SimulatorProcess) -> Iterator[UsbMachine]:
    """A machine with the first USB camera of each simulator, until the end of the block. It uses `folder`."""
    addresses = [simulator.usbip for simulator in simulators if simulator.usbip is not None]
    assert len(addresses) == len(simulators), "the simulators need the option --usbip"
    with ExitStack() as opened:
        cameras = []
        for index, (simulator, address) in enumerate(zip(simulators, addresses, strict=True)):
            control, busid = opened.enter_context(Control(simulator.control)), simulator.cameras[0].busid
            assert busid is not None
            cameras.append(UsbCamera(control, address, busid, index * BUSES))
        bus = opened.enter_context(Bus(folder, addresses))
        python = python_on(bus, library, folder)
        yield UsbMachine(tuple(cameras), {"python": str(python), "PYTHONPATH": str(ROOT)})


async def selected(client: Client, camera: UsbCamera) -> None:
    """Wait until a camera is open, and select it."""
    port = camera.port

    async def is_open() -> bool:
        return await connected_by_port(client, port) is True

    await until_answers(is_open)
    await client.command("select_camera", port=port)


async def connected_by_port(client: Client, port: str) -> bool | None:
    """Whether the camera on a port is open; None if there is none."""
    cameras = (await client.command("list_cameras"))["cameras"]
    return {camera["port"]: camera["connected"] for camera in cameras}.get(port)
