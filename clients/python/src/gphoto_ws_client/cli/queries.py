"""The commands that show data: cameras, info, config, files, watch."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator

from gphoto_ws_client.cli.output import note, plain, show, show_json, show_table, size_words
from gphoto_ws_client.cli.words import UsageError
from gphoto_ws_client.client import Client
from gphoto_ws_client.events import EVENT_NAMES, RECONNECTED, Event
from gphoto_ws_client.options import JobInfoOptions
from gphoto_ws_client.replies import Config, FileList, ImageFile

# Full cards have up to 50,000 files. The limit protects this program's memory if a server sends an endless list.
_MOST_ENTRIES = 100_000
_PAGE = 500
# Limit for nested folders. No real card has so many levels.
_DEEPEST = 32


async def cameras(client: Client, options: argparse.Namespace) -> None:
    """List the cameras."""
    found = (await client.list_cameras()).cameras
    if options.json:
        show_json(found)
    elif not found:
        show("No camera is connected.")
    else:
        rows = [(one.port, one.model or one.name, one.serial or "-", one.state, " ".join(one.can)) for one in found]
        show_table(("PORT", "MODEL", "SERIAL", "STATE", "CAN"), rows)


async def info(client: Client, options: argparse.Namespace) -> None:
    """Show identity and state of a camera."""
    details = await client.get_camera_info(port=options.port)
    if options.json:
        show_json(details)
        return
    for name in (
        "model",
        "name",
        "manufacturer",
        "version",
        "serial",
        "port",
        "state",
        "battery",
        "lens",
        "last_error",
    ):
        if (value := getattr(details, name)) is not None:
            show(f"{name.replace('_', ' ')}: {value}")
    show(f"can: {', '.join(details.can)}")
    for warning in details.warnings or ():
        show(f"warning: {warning}")
    for card in details.storage or ():
        show(f"storage: {card.label or card.path}, {size_words(card.free)} free of {size_words(card.capacity)}")


async def sync_clock(client: Client, options: argparse.Namespace) -> None:
    """Set the camera's clock, and show how far it was off."""
    clock = await client.sync_clock(port=options.port)
    if options.json:
        show_json(clock)
        return
    off = clock.was_off_s
    before = f"it was {abs(off)} s {'ahead' if off > 0 else 'behind'}" if off else "it was right"
    show(f"clock set to {clock.set_to}; {before}")
    for warning in clock.warnings or ():
        show(f"warning: {warning}")


async def job(client: Client, options: argparse.Namespace) -> None:
    """Set the words for the next pictures, or show them."""
    words: JobInfoOptions = {
        "job": options.name, "label": options.label, "artist": options.artist, "copyright": options.copyright,
        "owner": options.owner, "port": options.port,
    }  # fmt: skip
    info = await client.set_job_info(**words)
    if options.json:
        show_json(info)
        return
    show(f"job: {info.job or '-'}")
    rows = [
        (one.port, one.serial or "-", one.label or "-", one.job or "-", ", ".join(one.set) or "-", ", ".join(one.missing) or "-")
        for one in info.cameras
    ]  # fmt: skip
    show_table(("PORT", "SERIAL", "LABEL", "JOB", "WRITTEN", "NOT ON CAMERA"), rows)
    for warning in (*(info.warnings or ()), *(words for one in info.cameras for words in one.warnings or ())):
        show(f"warning: {warning}")


def check_job(options: argparse.Namespace) -> None:
    """Reject a label without a camera."""
    if options.label is not None and options.port is None:
        raise UsageError("--label needs --port, because each camera has its own label.")


async def config_get(client: Client, options: argparse.Namespace) -> None:
    """Show the value of a setting."""
    setting = await client.get_config(options.name, port=options.port)
    if options.json:
        show_json(setting)
    else:
        show(_value(setting))


async def config_set(client: Client, options: argparse.Namespace) -> None:
    """Change a setting."""
    setting = await client.set_config(options.name, options.value, port=options.port)
    if options.json:
        show_json(setting)
    else:
        show(f"{setting.config_name} = {_value(setting)}")


async def config_list(client: Client, options: argparse.Namespace) -> None:
    """List all settings with their values and the allowed values."""
    settings = (await client.get_all_config(port=options.port)).configs
    if options.json:
        show_json(settings)
        return
    rows = [(one.config_name, _value(one), _allowed(one)) for one in settings if one.type not in ("window", "section")]
    show_table(("NAME", "VALUE", "ALLOWED"), rows)


async def files(client: Client, options: argparse.Namespace) -> None:
    """List files on the camera."""
    found: list[str | ImageFile] = []
    async for entry in _entries(client, options.folder, options.port, options.recursive):
        if len(found) == _MOST_ENTRIES:
            note(f"more than {_MOST_ENTRIES} files and folders: the rest is not listed")
            break
        found.append(entry)
    if options.json:
        show_json([entry for entry in found if isinstance(entry, ImageFile)])
        return
    for entry in found:
        show(entry if isinstance(entry, str) else f"{entry.camera_filepath}  {size_words(entry.size)}")


def check_watch(options: argparse.Namespace) -> None:
    """Reject unknown events."""
    known = (*EVENT_NAMES, RECONNECTED)
    for name in options.events:
        if name not in known:
            raise UsageError(f"There is no event {name!r}. Events: {', '.join(known)}.")


async def watch(client: Client, options: argparse.Namespace) -> None:
    """Print events as they happen."""
    count = 0
    async with client.events(*options.events) as events:
        async for event in events:
            if options.json:
                show_json(event)
            else:
                show(_event_words(event))
            count += 1
            if count == options.count:
                return


async def _entries(client: Client, top: str, port: str | None, recursive: bool) -> AsyncIterator[str | ImageFile]:
    """Folders (with a slash at the end) and files; a folder comes before its content."""
    waiting = [(top, 0)]
    while waiting:
        folder, depth = waiting.pop()
        if depth:
            yield f"{folder}/"
        if depth and not recursive:
            continue
        if depth > _DEEPEST:
            note(f"folders below {folder} are not listed")
            continue
        folders: tuple[str, ...] = ()
        async for page in _pages(client, folder, port):
            folders = page.folders
            for file in page.files:
                yield file
        waiting += [(f"{folder.rstrip('/')}/{name}", depth + 1) for name in reversed(folders)]


async def _pages(client: Client, folder: str, port: str | None) -> AsyncIterator[FileList]:
    offset = 0
    while True:
        page = await client.list_files(folder, offset=offset, limit=_PAGE, port=port)
        yield page
        offset += len(page.files)
        if offset >= page.total or not page.files:
            return


def _value(setting: Config) -> str:
    value = setting.value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value)


def _allowed(setting: Config) -> str:
    if setting.readonly:
        return "(read only)"
    if setting.range is not None:
        return f"{setting.range.min:g} to {setting.range.max:g}, step {setting.range.step:g}"
    return ", ".join(setting.choices)


def _event_words(event: Event) -> str:
    details = {name: value for name, value in plain(event).items() if name not in ("event", "time", "port", "seq")}
    facts = " ".join(f"{name}={value}" for name, value in details.items() if value not in (None, ""))
    return "  ".join(part for part in (event.time, event.event, event.port, facts) if part)
