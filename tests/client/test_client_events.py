"""Events of the client: typed, only those asked for, told once to each who asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from gphoto_ws_client import CameraState, CaptureSaved, Client, ConfigChanged, Event, Events, FileAdded

from simulator.client import Control
from tests.support.waiting import WITHIN_S

KIND = TypeVar("KIND", bound=Event)


async def first(events: Events, kind: type[KIND], wanted: Callable[[KIND], bool] = lambda event: True) -> KIND:
    """The next event of a kind; a camera tells of its other settings, too."""
    async for event in events:
        if isinstance(event, kind) and wanted(event):
            return event
    raise AssertionError("no more events")


async def test_a_picture_by_the_cameras_own_button_is_told(api: Client, simulator: Control, ports: list[str]) -> None:
    async with asyncio.timeout(WITHIN_S), api.events("file_added") as events:
        (path,) = simulator.shutter()
        event = await anext(events)
    assert isinstance(event, FileAdded)
    assert (event.camera_filepath, event.port) == (path, ports[0])
    assert event.time is not None


async def test_a_changed_setting_is_told_with_its_value(api: Client) -> None:
    async with asyncio.timeout(WITHIN_S), api.events("config_changed") as events:
        await api.set_config("iso", 400)
        event = await first(events, ConfigChanged, lambda event: (event.config_name, event.value) == ("iso", "400"))
    assert event.value == "400"


async def test_states_and_saved_pictures_are_told(api: Client) -> None:
    async with asyncio.timeout(WITHIN_S), api.events() as events:
        shot = await api.capture_image(save=True)
        kinds: dict[type, object] = {}
        while CaptureSaved not in kinds:
            event = await anext(events)
            kinds.setdefault(type(event), event)
    saved, state = kinds[CaptureSaved], kinds[CameraState]
    assert isinstance(saved, CaptureSaved)
    assert (saved.camera_filepath, saved.saved_path) == (shot.camera_filepath, shot.files[0].saved_path)
    assert isinstance(state, CameraState)
    assert state.state == "capturing"


async def test_each_listener_gets_what_it_asked_for(api: Client, simulator: Control) -> None:
    async with asyncio.timeout(WITHIN_S), api.events("config_changed") as changes:
        async with api.events("file_added", "config_changed") as both:
            await api.set_config("iso", 200)
            assert isinstance(await anext(both), ConfigChanged)
            assert isinstance(await anext(changes), ConfigChanged)
            simulator.shutter()
            await first(both, FileAdded)
        # What the other one still wants stays subscribed.
        await api.set_config("iso", 800)
        await first(changes, ConfigChanged, lambda event: event.value == "800")
    assert (await api.unsubscribe(["camera_state"])).events == ()
