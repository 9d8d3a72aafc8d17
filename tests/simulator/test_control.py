"""The control port: the effects of its requests, and the errors for invalid requests."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from typing import Any

import pytest

from simulator.client import Control, ControlError
from tests.simulator.rig import ROOT, Driver, Simulator
from tests.support.waiting import WITHIN_S

pytestmark = pytest.mark.timeout(20)


def test_state_has_all_documented_fields(control: Control) -> None:
    state = control.state()
    assert state["serial"] == "SIM0000001"
    assert state["address"].startswith("ptpip:127.0.0.1:")
    assert (state["power"], state["connected"], state["shots"], state["frames"]) == (True, 0, 0, 0)
    assert state["properties"]["iso"] == "100"
    assert state["properties"]["imageformat"] == "L"


def test_operations_are_counted(driver: Driver, control: Control) -> None:
    before = control.state()["operations"].get("0x9153", 0)
    driver.preview(4)
    assert control.state()["operations"]["0x9153"] == before + 4


def test_a_change_on_the_body_reaches_the_driver(driver: Driver, control: Control) -> None:
    driver.wait_for("unknown", count=200, seconds=0.2)
    control.set("iso", "400")
    assert driver.wait_for("unknown") == ['PTP Property d103 changed, "iso" to "400"']
    control.set("0xd101", 0x38)
    assert driver.get("aperture")["value"] == "8"
    control.set("imageformat", "RAW + L")
    assert driver.get("imageformat")["value"] == "RAW + L"


def test_the_battery_level_reaches_the_driver(driver: Driver, control: Control) -> None:
    for level, shown in {75: "75%", 50: "50%", 25: "25%", 0: "Low", 100: "100%"}.items():
        control.battery(level)
        assert control.state()["properties"]["batterylevel"] == f"{level}%"
        assert driver.tree()["batterylevel"]["value"] == shown


def test_reset_restores_the_factory_state(driver: Driver, control: Control) -> None:
    driver.set("iso", "3200")
    driver.capture()
    control.fault("busy", times=None)
    control.veto("iso")
    control.reset()
    state = control.state()
    assert (state["files"], state["shots"], state["faults"], state["vetoed"]) == ([], 0, [], [])
    assert driver.get("iso")["value"] == "100"


def test_shutter_takes_shots_without_a_driver(control: Control) -> None:
    assert control.shutter() == ["/store_00020001/DCIM/100CANON/IMG_0001.JPG"]
    control.set("imageformat", "RAW + L")
    assert [path.rpartition("/")[2] for path in control.shutter()] == ["IMG_0002.CR2", "IMG_0002.JPG"]
    files = control.state(sha256=True)["files"]
    assert len({file["sha256"] for file in files}) == 3


def test_a_deleted_file_is_listed_with_its_digest(control: Control) -> None:
    (path,) = control.shutter()
    (file,) = control.state(sha256=True)["files"]
    control.delete(path)
    state = control.state()
    assert (state["files"], state["deleted"]) == ([], [file])


def test_each_release_is_listed_with_its_settings_and_its_files(driver: Driver, control: Control) -> None:
    before = time.monotonic()
    driver.set("iso", "800")
    driver.capture()
    driver.set("iso", "100")
    control.set("imageformat", "RAW + L")
    control.delete(control.shutter()[0])
    first, second = control.releases()
    assert (first["shot"], first["button"], first["settings"]["iso"]) == (1, False, "800")
    assert (second["shot"], second["button"], second["settings"]["iso"]) == (2, True, "100")
    assert before < first["at"] < second["at"] < time.monotonic()
    names = [[file["path"].rpartition("/")[2] for file in one["files"]] for one in (first, second)]
    assert names == [["IMG_0001.JPG"], ["IMG_0002.CR2", "IMG_0002.JPG"]]
    sizes = {file["path"]: file["size"] for file in (*control.state()["files"], *control.state()["deleted"])}
    assert {file["path"]: file["size"] for one in (first, second) for file in one["files"]} == sizes
    control.reset()
    assert control.releases() == []


def test_armed_faults_are_listed_until_they_are_cleared(control: Control) -> None:
    control.fault("drop", "GetEvent", after=2, times=3)
    assert control.state()["faults"] == [{"kind": "drop", "operation": "0x9116", "after": 2, "times": 3}]
    control.clear()
    assert control.state()["faults"] == []


INVALID: list[tuple[dict[str, Any], str]] = [
    ({}, "do is missing; allowed: state, shutter"),
    ({"do": "explode"}, "do cannot be 'explode'; allowed: state"),
    ({"do": "state", "camera": 7}, "camera cannot be 7; allowed: 0 to 0"),
    ({"do": "state", "camera": "first"}, "camera cannot be 'first'; allowed: a whole number from 0"),
    ({"do": "state", "colour": 1}, "unknown member 'colour'; allowed: camera, do, sha256"),
    ({"do": "set", "property": "iso", "value": "123"}, "iso cannot be '123'; allowed: Auto, 100, 200"),
    ({"do": "set", "property": "taste", "value": 1}, "unknown property 'taste'; allowed: a code such as 0xd103"),
    ({"do": "set", "property": "batterylevel", "value": 1}, "batterylevel follows from the body's state"),
    ({"do": "battery", "level": 60}, "level cannot be 60; allowed: 100, 75, 50, 25, 0"),
    ({"do": "power"}, "on is missing; allowed: true or false"),
    ({"do": "delete", "path": "/x"}, "file not found on the card: '/x'; allowed: a path that `state` lists"),
    ({"do": "fault", "kind": "flood"}, "kind cannot be 'flood'; allowed: silent, late"),
    (
        {"do": "fault", "kind": "drop", "operation": "Nap"},
        "unknown operation 'Nap'; allowed: a code such as 0x9153",
    ),
    (
        {"do": "fault", "kind": "drop", "times": 0},
        "times cannot be 0; allowed: a whole number from 1, or null",
    ),
    ({"do": "fault", "kind": "code"}, "code is missing; allowed: a PTP response code such as 0x2019"),
    ({"do": "fault", "kind": "no_file", "operation": "0x9128"}, "no_file takes no operation; allowed: "),
]


@pytest.mark.parametrize(("request_", "answer"), INVALID)
def test_the_error_of_an_invalid_request_lists_what_is_allowed(
    control: Control, request_: dict[str, Any], answer: str
) -> None:
    reply = control.send(request_)
    assert not reply["ok"]
    assert reply["error"].startswith(answer)


@pytest.mark.parametrize("line", [b"shutter\n", b"[1]\n", b"\xff\xfe\n"])
def test_a_line_that_is_not_a_json_object_is_rejected(simulator: Simulator, line: bytes) -> None:
    host, _, port = simulator.ready["control"].rpartition(":")
    with socket.create_connection((host, int(port)), 5) as raw, raw.makefile("rb") as lines:
        raw.sendall(line)
        assert b'"ok": false' in lines.readline()


def test_shutter_reports_why_no_shot_is_possible(control: Control) -> None:
    control.card(full=True)
    with pytest.raises(ControlError, match="the card is full; allowed after"):
        control.shutter()
    control.power(False)
    with pytest.raises(ControlError, match="the camera is off; allowed after"):
        control.shutter()


def test_help_names_every_command(control: Control) -> None:
    assert set(control.help()["commands"]) >= {"state", "shutter", "set", "fault", "reset", "help"}


def test_the_client_works_as_a_shell_command(simulator: Simulator) -> None:
    command = [sys.executable, "-m", "simulator.client", simulator.ready["control"]]
    for request, code, printed in (
        ('{"do":"state"}', 0, '"serial": "SIM0000001"'),
        ('{"do":"nap"}', 1, "allowed:"),
    ):
        done = subprocess.run(
            [*command, request], check=False, cwd=ROOT, capture_output=True, text=True, timeout=WITHIN_S
        )
        assert done.returncode == code
        assert printed in done.stdout
