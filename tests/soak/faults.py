"""The faults of a camera and of its process: chosen with a seeded random generator, injected and reverted."""

from __future__ import annotations

import random
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psutil

from simulator.client import Control
from simulator.faults import AT_INIT, BEFORE_OPERATION, IN_DATA, ON_USB, VARIETIES, Kind
from tests.soak.world import Camera, World

# PTP operations for shots, downloads, live view, settings and events: first those of Canon, then those of Nikon. Most
# faults affect one of these operations. The other faults affect any operation that the camera has received.
_MAIN_OPERATIONS = (0x9128, 0x9153, 0x9110, 0x1009, 0x9116, 0x9207, 0x9203, 0x1016, 0x90C7, 0x100B)
# With mutated replies, pictures cannot be compared. tests/faults/test_hostile_cameras.py tests mutated replies.
# A body that offers only one of two files always does that, and the server learns it.
_EXCLUDED = ON_USB | {Kind.MUTATE, Kind.ONE_FILE}
_CODES = (0x2002, 0x2003, 0x2005, 0x200C, 0x200E, 0x2013, 0x2019, 0x201E)
# The promise: a camera is ready at most 10 s after it responds again. If the camera process hangs, the deadline of its
# job must pass first. The deadline is the exposure time plus 45 s. One second is added to the sum of 10 s and 45 s.
READY_S, _READY_AFTER_HANG_S = 10.0, 56.0

Action = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """One fault of one camera.

    Attributes:
        kind: the name of the fault in the summary.
        words: the exact description of the fault.
        inject: a function that starts the fault.
        revert: a function that ends the fault.
        ready_s: the number of seconds after `revert` within which the camera must work again.
        lasts: whether the fault continues until `revert` is called.
    """

    kind: str
    words: str
    inject: Action
    revert: Action
    ready_s: float = READY_S
    lasts: bool = True


async def draw_fault(world: World, camera: Camera, rng: random.Random, short: bool) -> Fault:
    """Choose a random fault. With `short`, faults that last until the longest deadline of a process are excluded."""
    choice = rng.random()
    if choice < 0.55:
        return await _protocol(world, camera, rng, short)
    if choice < 0.7:
        return _body(camera, rng)
    return _signal(world, camera, rng, short)


async def _protocol(world: World, camera: Camera, rng: random.Random, short: bool) -> Fault:
    left_out = _EXCLUDED | {Kind.NO_FILE} if short else _EXCLUDED
    kind = rng.choice([kind for kind in Kind if kind not in left_out])
    spec: dict[str, Any] = {"times": rng.choice((1, 1, 3, None))}
    if kind in BEFORE_OPERATION | IN_DATA:
        spec["operation"] = await _operation(camera, rng)
        spec["after"] = rng.choice((0, 0, 1, 5))
    if kind is Kind.LATE:
        spec["seconds"] = round(rng.uniform(0.5, 3.5), 1)
    if kind is Kind.SILENT:
        spec["execute"] = rng.random() < 0.5
    if kind is Kind.CODE:
        spec["code"] = f"0x{rng.choice(_CODES):04x}"
    if kind is Kind.MALFORMED_LIVE_VIEW:
        spec["variety"] = rng.choice(VARIETIES)
    hangs = kind is Kind.NO_FILE or spec.get("variety") in ("zero_length", "too_long")
    words = f"{kind} " + " ".join(f"{name}={value}" for name, value in spec.items())

    async def inject() -> None:
        await camera.ask(lambda control: control.fault(str(kind), **spec))
        if kind in AT_INIT:  # these faults affect only new connections, so the current connection is dropped
            await camera.ask(lambda control: control.fault("drop"))

    async def revert() -> None:
        remaining = await camera.ask(lambda control: control.state()["faults"])
        await camera.ask(lambda control: control.clear())
        if any((one["kind"], one["times"], one["after"]) == untouched for one in remaining):
            world.journal.count("faults that were never triggered")

    untouched = (str(kind), spec["times"], spec.get("after", 0)) if spec["times"] else None
    ready = _READY_AFTER_HANG_S if hangs else READY_S
    return Fault("init" if kind in AT_INIT else str(kind), words, inject, revert, ready)


async def _operation(camera: Camera, rng: random.Random) -> str | None:
    known_operations = sorted(
        int(code, 16) for code in (await camera.ask(lambda control: control.state()))["operations"]
    )
    main_operations = [code for code in _MAIN_OPERATIONS if code in known_operations]
    choice = rng.random()
    if choice < 0.15 or not known_operations:
        return None
    return f"0x{rng.choice(main_operations if main_operations and choice < 0.7 else known_operations):04x}"


def _body(camera: Camera, rng: random.Random) -> Fault:
    def action(do: Callable[[Control], None]) -> Action:
        async def act() -> None:
            await camera.ask(do)

        return act

    return rng.choice((
        Fault("power", "power off and on", action(lambda c: c.power(False)), action(lambda c: c.power(True))),
        Fault("card full", "card full", action(lambda c: c.card(full=True)), action(lambda c: c.card(full=False))),
        Fault("card locked", "card locked", action(lambda c: c.write_protect()), action(lambda c: c.write_protect(False))),
        Fault("battery", "battery empty", action(lambda c: c.battery(0)), action(lambda c: c.battery(100))),
    ))  # fmt: skip


def _signal(world: World, camera: Camera, rng: random.Random, short: bool) -> Fault:
    signalled: list[psutil.Process] = []

    def send(number: signal.Signals) -> Action:
        async def act() -> None:
            process = world.process_of(camera)
            if process is None:
                world.journal.note(f"{camera.name}: there is no process to signal just now")
                return
            signalled.append(process)
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

        return act

    async def send_cont() -> None:
        for process in signalled:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)

    async def do_nothing() -> None:
        return

    choice = rng.random()
    if choice < 0.5:
        return Fault("SIGKILL", "SIGKILL of its process", send(signal.SIGKILL), do_nothing, lasts=False)
    if choice < 0.8 or short:
        return Fault("SIGSTOP", "SIGSTOP and SIGCONT of its process", send(signal.SIGSTOP), send_cont)
    return Fault(
        "SIGSTOP", "SIGSTOP of its process for good", send(signal.SIGSTOP), do_nothing, _READY_AFTER_HANG_S, lasts=False
    )
