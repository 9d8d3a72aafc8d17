"""Everything that is done to a camera and to its process, drawn by a seeded generator, and taken back."""

from __future__ import annotations

import random
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psutil

from simulator.client import Control
from simulator.faults import AT_INIT, BEFORE_OPERATION, IN_DATA, VARIETIES, Kind
from tests.soak.world import Camera, World

# PTP operations of a shot, its download, live view, settings and events (Canon, then Nikon); the rest is drawn from
# what the camera was ever asked for.
_FAVOURITES = (0x9128, 0x9153, 0x9110, 0x1009, 0x9116, 0x9207, 0x9203, 0x1016, 0x90C7, 0x100B)
# A camera that lies about its pictures cannot be held against them; tests/faults/test_hostile_cameras.py has those.
_LIES = frozenset({Kind.MUTATE})
_CODES = (0x2002, 0x2003, 0x2005, 0x200C, 0x200E, 0x2013, 0x2019, 0x201E)
# Promised: ready within 10 s of answering again. Where the process itself hangs, first its job's deadline has to pass:
# the exposure and 45 s, and one second.
READY_S, _READY_AFTER_HANG_S = 10.0, 56.0

Deed = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Blow:
    """One fault of one camera.

    Attributes:
        kind: what the summary counts it as.
        words: what exactly.
        strike, revert: do it and take it back.
        ready_s: seconds within which the camera has to work again after that.
        lasts: whether it is there until it is taken back.
    """

    kind: str
    words: str
    strike: Deed
    revert: Deed
    ready_s: float = READY_S
    lasts: bool = True


async def draw(world: World, camera: Camera, rng: random.Random, short: bool) -> Blow:
    """Any fault; in a short run none after which a process is waited for until its longest deadline."""
    choice = rng.random()
    if choice < 0.55:
        return await _protocol(world, camera, rng, short)
    if choice < 0.7:
        return _body(camera, rng)
    return _signal(world, camera, rng, short)


async def _protocol(world: World, camera: Camera, rng: random.Random, short: bool) -> Blow:
    left_out = _LIES | {Kind.NO_FILE} if short else _LIES
    kind = rng.choice([kind for kind in Kind if kind not in left_out])
    told: dict[str, Any] = {"times": rng.choice((1, 1, 3, None))}
    if kind in BEFORE_OPERATION | IN_DATA:
        told["operation"] = await _operation(camera, rng)
        told["after"] = rng.choice((0, 0, 1, 5))
    if kind is Kind.LATE:
        told["seconds"] = round(rng.uniform(0.5, 3.5), 1)
    if kind is Kind.SILENT:
        told["execute"] = rng.random() < 0.5
    if kind is Kind.CODE:
        told["code"] = f"0x{rng.choice(_CODES):04x}"
    if kind is Kind.MALFORMED_LIVE_VIEW:
        told["variety"] = rng.choice(VARIETIES)
    hangs = kind is Kind.NO_FILE or told.get("variety") in ("zero_length", "too_long")
    words = f"{kind} " + " ".join(f"{name}={value}" for name, value in told.items())

    async def strike() -> None:
        await camera.ask(lambda control: control.fault(str(kind), **told))
        if kind in AT_INIT:  # strikes who connects, so whoever is connected has to go
            await camera.ask(lambda control: control.fault("drop"))

    async def revert() -> None:
        left = await camera.ask(lambda control: control.state()["faults"])
        await camera.ask(lambda control: control.clear())
        if any((one["kind"], one["times"], one["after"]) == untouched for one in left):
            world.story.count("faults that met nothing")

    untouched = (str(kind), told["times"], told.get("after", 0)) if told["times"] else None
    ready = _READY_AFTER_HANG_S if hangs else READY_S
    return Blow("init" if kind in AT_INIT else str(kind), words, strike, revert, ready)


async def _operation(camera: Camera, rng: random.Random) -> str | None:
    asked = sorted(int(code, 16) for code in (await camera.ask(lambda control: control.state()))["operations"])
    hot = [code for code in _FAVOURITES if code in asked]
    choice = rng.random()
    if choice < 0.15 or not asked:
        return None
    return f"0x{rng.choice(hot if hot and choice < 0.7 else asked):04x}"


def _body(camera: Camera, rng: random.Random) -> Blow:
    def deed(do: Callable[[Control], None]) -> Deed:
        async def act() -> None:
            await camera.ask(do)

        return act

    return rng.choice((
        Blow("power", "power off and on", deed(lambda c: c.power(False)), deed(lambda c: c.power(True))),
        Blow("card full", "card full", deed(lambda c: c.card(full=True)), deed(lambda c: c.card(full=False))),
        Blow("card locked", "card locked", deed(lambda c: c.write_protect()), deed(lambda c: c.write_protect(False))),
        Blow("battery", "battery empty", deed(lambda c: c.battery(0)), deed(lambda c: c.battery(100))),
    ))  # fmt: skip


def _signal(world: World, camera: Camera, rng: random.Random, short: bool) -> Blow:
    struck: list[psutil.Process] = []

    def send(number: signal.Signals) -> Deed:
        async def act() -> None:
            process = world.process_of(camera)
            if process is None:
                world.story.tell(f"{camera.name}: there is no process to signal just now")
                return
            struck.append(process)
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

        return act

    async def go_on() -> None:
        for process in struck:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)

    async def nothing() -> None:
        return

    choice = rng.random()
    if choice < 0.5:
        return Blow("SIGKILL", "SIGKILL of its process", send(signal.SIGKILL), nothing, lasts=False)
    if choice < 0.8 or short:
        return Blow("SIGSTOP", "SIGSTOP and SIGCONT of its process", send(signal.SIGSTOP), go_on)
    return Blow(
        "SIGSTOP", "SIGSTOP of its process for good", send(signal.SIGSTOP), nothing, _READY_AFTER_HANG_S, lasts=False
    )
