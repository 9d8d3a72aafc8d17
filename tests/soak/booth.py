"""Those who work with a camera: a booth that takes photos and saves them, and somebody who turns the dials."""

from __future__ import annotations

import random
import time
from typing import Any

from simulator.client import ControlError
from tests.soak.ledger import Ledger
from tests.soak.line import Cut, Line, Refused
from tests.soak.world import Camera, World

# The longest job there is: the exposure and 45 s; then 15 s without a byte for each of two files, and the queue.
_CAPTURE_S = 150.0
_CONFIG_S = 90.0
# Of a single setting that waits for a photo before it, while nothing is wrong.
_SERVED_S = 10.0
# An operation that the camera answers too late is carried out all the same.
_LATE_S = 4.0
_BUTTON, _BUTTON_S = 0.1, 1.0
_SETTINGS = ("iso", "whitebalance", "imageformat")


async def take_photos(world: World, camera: Camera, ledger: Ledger, rng: random.Random) -> None:
    """Take photos of every kind, one after the other, until the run stops."""
    name = f"booth of {camera.name}"
    while (line := await Line.connect(world, name)) is not None:
        try:
            while not line.ended.is_set() and not world.stopping:
                if camera.keeps_own_shots and rng.random() < _BUTTON:
                    await _press_button(camera, ledger)
                await _one_photo(world, camera, ledger, line, _order(rng))
                await world.pause(rng.uniform(0.2, 1.5))
        finally:
            await line.close()


async def _press_button(camera: Camera, ledger: Ledger) -> None:
    """Somebody takes a photo at the camera itself, which nobody here may take for the next one's."""
    before = await camera.shots()
    if camera.disturbed:
        return
    camera.touch(_BUTTON_S)
    try:
        await camera.ask(lambda control: control.shutter())
    except ControlError:  # it is exposing, or its card is full
        return
    ledger.begin(camera.name, {}, before).outcome = "own button"


def _order(rng: random.Random) -> dict[str, Any]:
    order: dict[str, Any] = {"save": rng.random() < 0.85, "download": rng.choice(("none", "none", "thumbnail", "full"))}
    if order["save"] and rng.random() < 0.3:
        order["keep_on_camera"] = False
    if rng.random() < 0.3:
        order["settings"] = {"iso": rng.choice(("200", "400", "800"))}
    return order


async def _one_photo(world: World, camera: Camera, ledger: Ledger, line: Line, order: dict[str, Any]) -> None:
    began = time.monotonic()
    capture = ledger.begin(camera.name, order, await camera.shots())
    try:
        reply = await line.ask("capture_image", _CAPTURE_S, port=camera.port, **order)
    except Refused as refused:
        ledger.refused(capture, refused.code)
        if camera.undisturbed_since(began):
            world.story.violation(f"{capture} although nothing was wrong: {refused}")
    except Cut:
        capture.outcome = "server killed"
    except TimeoutError:
        world.story.violation(f"{capture}: no answer in {_CAPTURE_S:.0f} s")
    else:
        ledger.done(capture, reply)
        world.story.took("photo", time.monotonic() - began)
        if reply.get("warnings"):
            world.story.count("photos with warnings")
            if camera.undisturbed_since(began):
                world.story.violation(f"{capture} warned although nothing was wrong: {reply['warnings']}")
    if capture.outcome not in ("done", "failed"):
        await world.pause(_LATE_S)


async def turn_dials(world: World, camera: Camera, rng: random.Random, patience: float) -> None:
    """Read and change settings until the run stops; where nothing is wrong each has to be served in time."""
    name = f"dials of {camera.name}"
    while (line := await Line.connect(world, name)) is not None:
        try:
            while not line.ended.is_set() and not world.stopping:
                await _one_setting(world, camera, line, rng, patience)
                await world.pause(rng.uniform(0.3, 1.5))
        finally:
            await line.close()


async def _one_setting(world: World, camera: Camera, line: Line, rng: random.Random, patience: float) -> None:
    setting, began = rng.choice(_SETTINGS), time.monotonic()
    try:
        item = await line.ask("get_config", _CONFIG_S, port=camera.port, name=setting)
        if item["choices"] and not item["readonly"] and rng.random() < 0.5:
            value = rng.choice(item["choices"])
            await line.ask("set_config", _CONFIG_S, port=camera.port, name=setting, value=value)
        elif rng.random() < 0.1:
            await line.ask("get_config", _CONFIG_S, port=camera.port)
    except Refused as refused:
        world.story.count("settings refused")
        if camera.undisturbed_since(began):
            world.story.violation(f"{line.name}: {setting} although nothing was wrong: {refused}")
    except Cut:
        return
    except TimeoutError:
        world.story.violation(f"{line.name}: {setting} got no answer in {_CONFIG_S:.0f} s")
    else:
        world.story.count("settings served")
        if camera.undisturbed_since(began):
            took = time.monotonic() - began
            world.story.took("setting of a camera without a fault", took)
            if took > _SERVED_S * patience:
                world.story.violation(f"{line.name}: {setting} took {took:.1f} s although nothing was wrong")
