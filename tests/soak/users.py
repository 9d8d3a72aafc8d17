"""Clients that use a camera: a client that takes and saves photos, and a client that changes settings."""

from __future__ import annotations

import itertools
import random
import time
from typing import Any

from simulator.client import ControlError
from tests.soak.connection import Connection, ConnectionCut, ErrorReply, Json
from tests.soak.ledger import Ledger
from tests.soak.orders import MARK
from tests.soak.pairing import Choice
from tests.soak.world import Camera, World

# The limit for a capture is the sum of the exposure time and 45 s, of 15 s without data for each of two files, and of
# the time in the queue.
_CAPTURE_S = 150.0
_CONFIG_S = 90.0
# The limit for a setting of a camera without a fault. The request may wait in the queue behind a photo.
_SERVED_S = 10.0
# The client waits this time after a lost reply, because the camera may still execute an operation.
_LATE_S = 4.0
_BUTTON_PROBABILITY, _BUTTON_S = 0.1, 1.0
_SETTINGS = ("iso", "whitebalance", "imageformat")
_numbers = itertools.count(1)


async def take_photos(world: World, camera: Camera, ledger: Ledger, rng: random.Random) -> None:
    """Take photos with random options, one after the other, until the run stops."""
    name = f"booth of {camera.name}"
    while (connection := await Connection.connect(world, name)) is not None:
        connection.on_event = lambda event: _keep_finding(camera, event)
        try:
            await connection.send("subscribe", events=["capture_checked"])
            while not connection.ended.is_set() and not world.stopping:
                if camera.keeps_own_shots and rng.random() < _BUTTON_PROBABILITY:
                    await _press_button(camera, ledger)
                await _one_photo(world, camera, ledger, connection, _order(camera, rng))
                await world.pause(rng.uniform(0.2, 1.5))
        finally:
            await connection.close()


async def _press_button(camera: Camera, ledger: Ledger) -> None:
    """Take a photo with the camera's own button. The server must not return this photo as the picture of a capture."""
    before = await camera.shots()
    if camera.disturbed:
        return
    camera.mark_busy(_BUTTON_S)
    began = time.monotonic()
    try:
        await camera.ask(lambda control: control.shutter())
    except ControlError:  # raised if the camera is exposing or its card is full
        return
    ledger.own_button(camera.name, before, began)


def _keep_finding(camera: Camera, event: Json) -> None:
    if event["event"] == "capture_checked" and event["port"] == camera.port:
        camera.findings.append(event)


def _order(camera: Camera, rng: random.Random) -> dict[str, Any]:
    """A random order. It has a key, a mark, or both, so that a record fits only one order."""
    order: dict[str, Any] = {"save": rng.random() < 0.85, "download": rng.choice(("none", "none", "thumbnail", "full"))}
    if order["save"] and rng.random() < 0.3:
        order["keep_on_camera"] = False
    number, settings = next(_numbers), dict[str, str]()
    if rng.random() < 0.6:
        settings[MARK] = f"order {number}"
    if rng.random() < 0.3:
        settings["iso"] = rng.choice(("200", "400", "800"))
    if rng.random() < 0.3:
        settings["shutterspeed"] = rng.choice(camera.speeds)
    if settings:
        order["settings"] = settings
    if MARK not in settings or rng.random() < 0.5:
        order["key"] = f"key {number}"
    return order


async def _one_photo(
    world: World, camera: Camera, ledger: Ledger, connection: Connection, order: dict[str, Any]
) -> None:
    began = time.monotonic()
    capture = ledger.begin(camera.name, order, await camera.shots())
    try:
        reply = await connection.ask("capture_image", _CAPTURE_S, port=camera.port, **order)
    except ErrorReply as rejected:
        ledger.rejected(capture, rejected.code)
        if camera.undisturbed_since(began):
            world.journal.violation(f"{capture} although nothing was wrong: {rejected}")
    except ConnectionCut:
        capture.outcome = "server killed"
    except TimeoutError:
        world.journal.violation(f"{capture}: no answer in {_CAPTURE_S:.0f} s")
    else:
        ledger.done(capture, reply)
        world.journal.took("photo", time.monotonic() - began)
        if reply.get("warnings"):
            world.journal.count("photos with warnings")
            if camera.undisturbed_since(began):
                world.journal.violation(f"{capture} warned although nothing was wrong: {reply['warnings']}")
    if capture.outcome not in ("done", "failed"):
        await world.pause(_LATE_S)


async def change_settings(world: World, camera: Camera, rng: random.Random, time_factor: float) -> None:
    """Read and change settings until the run stops. Without a fault, a late or failed reply is a violation."""
    name = f"dials of {camera.name}"
    while (connection := await Connection.connect(world, name)) is not None:
        try:
            while not connection.ended.is_set() and not world.stopping:
                await _one_setting(world, camera, connection, rng, time_factor)
                await world.pause(rng.uniform(0.3, 1.5))
        finally:
            await connection.close()


async def _one_setting(
    world: World, camera: Camera, connection: Connection, rng: random.Random, time_factor: float
) -> None:
    setting, began = rng.choice(_SETTINGS), time.monotonic()
    try:
        item = await connection.ask("get_config", _CONFIG_S, port=camera.port, name=setting)
        if item["choices"] and not item["readonly"] and rng.random() < 0.5:
            choice = Choice(item["config_name"], rng.choice(item["choices"]), time.monotonic())
            camera.dials.choices.append(choice)
            await connection.ask("set_config", _CONFIG_S, port=camera.port, name=setting, value=choice.value)
            choice.ended = time.monotonic()
        elif rng.random() < 0.1:
            await connection.ask("get_config", _CONFIG_S, port=camera.port)
    except ErrorReply as rejected:
        world.journal.count("settings refused")
        if camera.undisturbed_since(began):
            world.journal.violation(f"{connection.name}: {setting} although nothing was wrong: {rejected}")
    except ConnectionCut:
        return
    except TimeoutError:
        world.journal.violation(f"{connection.name}: {setting} got no answer in {_CONFIG_S:.0f} s")
    else:
        world.journal.count("settings served")
        if camera.undisturbed_since(began):
            took = time.monotonic() - began
            world.journal.took("setting of a camera without a fault", took)
            if took > _SERVED_S * time_factor:
                world.journal.violation(f"{connection.name}: {setting} took {took:.1f} s although nothing was wrong")
