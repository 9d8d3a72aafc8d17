"""Events of the client: they have types, and each listener gets the events to which it subscribed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from gphoto_ws_client import CameraState, CaptureSaved, Client, ConfigChanged, Event, Events, FileAdded

from simulator.client import Control
from tests.support.waiting import WITHIN_S

KIND = TypeVar("KIND", bound=Event)


async def first(events: Events, kind: type[KIND], wanted: Callable[[KIND], bool] = lambda event: True) -> KIND:
    """The next event of type `kind` for which `wanted` returns true. Skips all other events."""
    async for event in events:
        if isinstance(event, kind) and wanted(event):
            return event
    raise AssertionError("no more events")


async def test_a_picture_taken_with_the_camera_button_emits_file_added(
    api: Client, simulator: Control, ports: list[str]
) -> None:
    async with asyncio.timeout(WITHIN_S), api.events("file_added") as events:
        (path,) = simulator.shutter()
        event = await anext(events)
    assert isinstance(event, FileAdded)
    assert (event.camera_filepath, event.port) == (path, ports[0])
    assert event.time is not None


async def test_a_changed_setting_emits_config_changed_with_its_value(api: Client) -> None:
    async with asyncio.timeout(WITHIN_S), api.events("config_changed") as events:
        await api.set_config("iso", 400)
        event = await first(events, ConfigChanged, lambda event: (event.config_name, event.value) == ("iso", "400"))
    assert event.value == "400"


async def test_states_and_saved_pictures_emit_events(api: Client) -> None:
    async with asyncio.timeout(WITHIN_S), api.events() as events:
        shot = await api.capture_image(save=True)
        kinds: dict[type, object] = {}
        while CaptureSaved not in kinds:
            event = await anext(events)
            kinds.setdefault(type(event), event)
    saved, state = kinds[CaptureSaved], kinds[CameraState]
    assert isinstance(saved, CaptureSaved)
    assert (saved.camera_filepath, saved.saved_path) == (shot.camera_filepath, shot.files[0].saved_path)
    assert (saved.shot, saved.job) == (shot.shot, None)
    assert isinstance(state, CameraState)
    assert state.state == "capturing"


async def test_each_listener_gets_the_events_it_subscribed_to(api: Client, simulator: Control) -> None:
    async with asyncio.timeout(WITHIN_S), api.events("config_changed") as changes:
        async with api.events("file_added", "config_changed") as both:
            await api.set_config("iso", 200)
            assert isinstance(await anext(both), ConfigChanged)
            assert isinstance(await anext(changes), ConfigChanged)
            simulator.shutter()
            await first(both, FileAdded)
        # The outer listener is still subscribed after the inner listener has unsubscribed.
        await api.set_config("iso", 800)
        await first(changes, ConfigChanged, lambda event: event.value == "800")
    assert (await api.unsubscribe(["camera_state"])).events == ()
