"""docs/cameras.md has every driver and every port library of the installed libgphoto2, and the ports that they declare."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.rig import ROOT
from tests.support.waiting import WITHIN_S

PAGE = (ROOT / "docs" / "cameras.md").read_text()
# Prints the ports of each driver, by the bits of GPPortType in gphoto2-port-info-list.h. In its own process, because
# libgphoto2 writes to stderr and loads every driver.
PORTS = """
import json, gphoto2 as gp
bits = {1: "serial", 4: "usb", 8: "disk", 16: "ptpip", 32: "usbdiskdirect", 64: "usbscsi", 128: "ip"}
drivers, found = gp.CameraAbilitiesList(), {}
drivers.load()
for index in range(drivers.count()):
    driver = drivers[index]
    ports = found.setdefault(driver.library.rpartition("/")[2], [])
    ports += [name for bit, name in bits.items() if driver.port & bit and name not in ports]
print(json.dumps(found))
"""


def rows(section: str) -> dict[str, list[str]]:
    """The cells of the rows of a table on the page, by the name in code style that the row has in its section."""
    table = PAGE.partition(f"## {section}\n")[2].partition("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if "| `" in line[:3]]
    column = 0 if section == "Drivers" else 1
    return {line[column].strip("`"): line for line in cells}


def libraries(*folders: str) -> set[str]:
    """The names of the libraries in folders of the installed libgphoto2. Skips the test if it is not the one of PyPI."""
    package = find_spec("gphoto2")
    assert package is not None
    assert package.origin is not None
    bundled = Path(package.origin).parent / "libgphoto2"
    if not bundled.is_dir():
        pytest.skip("gphoto2 was not installed from the wheel, so it has another set of drivers")
    return {file.stem for folder in folders for file in (bundled / folder).glob("*.so")}


def test_the_page_has_every_driver_with_its_ports() -> None:
    assert set(rows("Drivers")) == libraries("camlibs")
    listed = subprocess.run([sys.executable, "-c", PORTS], capture_output=True, check=True, timeout=WITHIN_S)
    declared = {driver: set(ports) for driver, ports in json.loads(listed.stdout).items()}
    assert {driver: set(cells[2].split(", ")) for driver, cells in rows("Drivers").items()} == declared


def test_the_page_has_every_port_library() -> None:
    assert set(rows("Ports")) == libraries("iolibs", "vusb")


def test_the_page_says_for_each_driver_and_port_whether_it_was_run() -> None:
    for name, cells in (rows("Drivers") | rows("Ports")).items():
        assert re.match(r"(yes|no\b.+|`ptpip:` with)", cells[-1]), name
