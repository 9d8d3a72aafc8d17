"""Simulations of the server, its cameras and its disk; and proof that they find the faults that they are made for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextvars import Context
from typing import Any

import pytest

from camera.errors import CameraDisconnected
from camera.photos import saver
from camera.photos.card import Card
from camera.photos.folder import PhotoFolder
from camera.photos.interrupted import InterruptedShots
from camera.photos.journal import Journal, Journals
from camera.photos.open_shot import Body, OpenShot
from camera.photos.request import CaptureRequest, Moment
from camera.photos.shots import PhotoOptions
from camera.processes import process
from camera.remote import RemoteCamera
from service.fire import _Start
from store.shots import ShotStore
from tests.simulation.plan import plan_of
from tests.simulation.shrink import shrink
from tests.simulation.verdict import judge
from tests.simulation.world import run

pytestmark = pytest.mark.filterwarnings("ignore")  # about the coroutines of killed servers

SEEDS, PART = 300, 50


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Without the logs of the simulated servers."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def violations(seed: int) -> list[str]:
    """What must not be, after the simulation of a seed."""
    return run(plan_of(seed), judge).violations


@pytest.mark.parametrize("first", range(0, SEEDS, PART))
def test_no_seed_shows_a_violation(first: int) -> None:
    assert {seed: wrong for seed in range(first, first + PART) if (wrong := violations(seed))} == {}


def test_a_seed_is_replayed_exactly() -> None:
    first, second = (run(plan_of(111), judge) for _ in range(2))
    outside = Context().run(run, plan_of(111), judge)  # as without pytest, which has context variables
    assert first.trace == second.trace == outside.trace
    assert any("server killed" in line for line in first.trace)


# -- mutations: each restores one fault of the first version

Mutation = Callable[[pytest.MonkeyPatch], None]


def look_once(patch: pytest.MonkeyPatch) -> None:
    """Do not wait for a file that the camera writes late."""
    patch.setattr(PhotoOptions, "settles_s", lambda self, exposure_s: -1000.0)


def forget_settings(patch: pytest.MonkeyPatch) -> None:
    """Do not record which settings a shot changes."""

    async def changing(self: Journal, shot: object, put_back: object) -> None: ...

    patch.setattr(Journal, "changing", changing)


def wait_without_end(patch: pytest.MonkeyPatch) -> None:
    """Wait for a photo folder that hangs."""
    patch.setattr(saver, "_LOOK_S", 1e6)
    patch.setattr(saver, "_WRITE_S", 1e6)


def take_errors_for_refusals(patch: pytest.MonkeyPatch) -> None:
    """Take an error after the release for proof that the shutter did not fire."""

    def as_refusal(message: str, **details: Any) -> CameraDisconnected:
        return CameraDisconnected(message, doing=details.get("doing"))

    patch.setattr(process, "CaptureUnknown", as_refusal)


def ignore_the_port(patch: pytest.MonkeyPatch) -> None:
    """Identify a camera only by its model and serial number."""
    choose = Journals._choose

    async def without_port(self: Journals, body: Body, user: Journal, own: int | None) -> int:
        self._users.clear()
        return await choose(self, Body(body.model, body.serial, "usb:same"), user, None)

    patch.setattr(Journals, "_choose", without_port)


def name_each_file(patch: pytest.MonkeyPatch) -> None:
    """Reserve no name for all files of a shot."""
    patch.setattr(PhotoFolder, "claim", lambda self, name, endings: name)
    patch.setattr(PhotoFolder, "release", lambda self, name: None)


def count_earlier_files(patch: pytest.MonkeyPatch) -> None:
    """Count a picture of the own button just before the release as a file of the shot."""
    patch.setattr(Card, "begin_release", lambda self: None)
    patch.setattr(Card, "_hand_over", lambda self: None)


def record_first(patch: pytest.MonkeyPatch) -> None:
    """Record the result of a check before it is emitted, and be interrupted in between."""
    completed = InterruptedShots.completed

    async def in_wrong_order(self: InterruptedShots, camera: RemoteCamera) -> bool:
        found, self._found = self._found, lambda finding: None
        try:
            done: bool = await completed(self, camera)
        finally:
            self._found = found
        return done

    patch.setattr(InterruptedShots, "completed", in_wrong_order)


def shoot_for_nobody(patch: pytest.MonkeyPatch) -> None:
    """Take the picture of a client that has left."""
    patch.setattr(CaptureRequest, "check_wanted", lambda self: None)


def leave_the_shutter_open(patch: pytest.MonkeyPatch) -> None:
    """Do not close the shutter that a lost camera process has left open."""
    patch.setattr(
        process.CameraProcess, "holding", property(lambda self: False, lambda self, value: None), raising=False
    )


def forget_the_killed_server(patch: pytest.MonkeyPatch) -> None:
    """Release no button after the kill of a server that has no record of it."""

    async def begin_run(self: ShotStore) -> bool:
        return False

    patch.setattr(ShotStore, "begin_run", begin_run)


def need_no_confirmation(patch: pytest.MonkeyPatch) -> None:
    """Release the cameras of a volley that are ready, also if all of them have to be."""
    patch.setattr(_Start, "check", lambda self: None)
    patch.setattr(Moment, "confirmed", property(lambda self: False, lambda self, value: None), raising=False)


def forget_the_dark_frame(patch: pytest.MonkeyPatch) -> None:
    """Do not wait for a dark frame that is as long as the shutter was open."""
    patch.setattr(OpenShot, "age_s", property(lambda self: -1000.0))


def stop_at_the_first_picture(patch: pytest.MonkeyPatch) -> None:
    """Search no more pictures of an interrupted burst as soon as there is one."""
    patch.setattr(InterruptedShots, "_burst_may_go_on", lambda self, finding: False)


def block_the_loop(patch: pytest.MonkeyPatch) -> None:
    """Run a task again and again without waiting."""

    async def spin(self: InterruptedShots) -> None:
        await asyncio.sleep(0)

    patch.setattr(InterruptedShots, "next_search", spin)


@pytest.mark.parametrize(
    "seed",
    [
        1003118,
        1003908,
        1010867,
        1011454,
        1011873,
        1012567,
        1012895,
        2022606,
        4003039,
        5050373,
        6031563,
        9014392,
        9014543,
        325,
        1961,
        2061,
        1004128,
    ],
)
def test_seeds_that_have_shown_a_fault_show_none(seed: int) -> None:
    assert violations(seed) == []


@pytest.mark.parametrize(
    ("mutation", "seeds", "word"),
    [
        (look_once, range(5, 60), "released"),
        (forget_settings, range(60), "settings"),
        (wait_without_end, range(15, 30), "has waited"),
        (take_errors_for_refusals, range(60), "its shutter was released"),
        (ignore_the_port, range(686, 700), "settings"),
        (name_each_file, range(50, 110), "names"),
        (count_earlier_files, range(45, 105), "names"),
        (record_first, range(60), "was not told"),
        (shoot_for_nobody, range(60), "after its client had left"),
        (leave_the_shutter_open, range(15, 75), "is still open"),
        (forget_the_killed_server, range(170, 180), "half pressed"),
        (need_no_confirmation, range(50, 110), "were not ready"),
        (forget_the_dark_frame, range(60, 80), "but released"),
        (stop_at_the_first_picture, range(60), "names"),
        (block_the_loop, range(60), "no time passes"),
    ],
)
def test_the_simulation_finds_the_faults_of_the_first_version(
    monkeypatch: pytest.MonkeyPatch, mutation: Mutation, seeds: range, word: str
) -> None:
    mutation(monkeypatch)
    found = next((wrong for seed in seeds if (wrong := " ".join(violations(seed)))), "nothing")
    assert word in found
    assert found != "nothing"


def test_a_failing_plan_is_made_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_settings(monkeypatch)
    seed = next(seed for seed in range(60) if violations(seed))
    plan = plan_of(seed)
    smallest = shrink(plan, lambda candidate: bool(run(candidate, judge).violations))
    assert run(smallest, judge).violations
    assert len(smallest.orders) + len(smallest.incidents) < len(plan.orders) + len(plan.incidents)
