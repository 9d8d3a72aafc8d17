"""The settings of an open camera: find them by name or path, read them, write them and read them back.

Uses the driver's camera object and its widgets without importing gphoto2; failures are raised as `CameraError`. Runs in
the camera process.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

from camera import values
from camera.device import time_zone
from camera.device.actions import is_action
from camera.device.calls import Calls
from camera.device.raw_calls import RawCalls
from camera.errors import CameraError, CameraIO, ConfigNotFound
from camera.escapes import read, read_value, unescaped
from camera.model import ConfigItem, ConfigRange, ConfigValue, WidgetType

# The position of a type in this list is its number in libgphoto2 (gphoto2/gphoto2-widget.h, CameraWidgetType).
_WIDGET_TYPES: tuple[WidgetType, ...] = (
    "window", "section", "text", "range", "toggle", "radio", "menu", "button", "date",
)  # fmt: skip
_BAD_PARAMETERS = -2
# A camera may report a new value with a delay. If it does not report the value within this time (in seconds), the value
# counts as rejected.
_READ_BACK_S = 1.0
_READ_BACK_PAUSE_S = 0.02


class Configuration:
    """The tree of settings.

    Args:
        camera, context: the camera and the context of python-gphoto2.
        call: calls libgphoto2 and converts its errors.
        raw: passes text to the driver as bytes.

    Attributes:
        other_names: names of settings that only other makers use, each with the name that this camera uses instead.
    """

    def __init__(self, camera: Any, context: Any, call: Calls, raw: RawCalls) -> None:
        self.other_names: Mapping[str, str] = {}
        self._camera = camera
        self._context = context
        self._call = call
        self._raw = raw
        self._paths: dict[str, None] = {}  # in the order of the tree

    def get(self, name: str) -> ConfigItem:
        """Read one setting by its name or path.

        Raises:
            ConfigNotFound: the camera has no such setting; `similar` lists similar names.
        """
        return self.find(name)[0]

    def get_all(self) -> list[ConfigItem]:
        """All settings of the camera with their paths, without sections, in the camera's order."""
        root = self._tree()  # this reference keeps the widgets alive
        return [item for item, _ in self._everything(root) if item.type not in ("window", "section")]

    def write(self, item: ConfigItem, widget: Any, root: Any, value: ConfigValue, doing: str = "set_config") -> None:
        """Write a value, which was checked before; `item`, `widget` and `root` come from `find`.

        While the camera is busy, the write is repeated only if `doing` is "set_config".
        """
        if isinstance(value, str):
            self._raw.set_text(widget, unescaped(value))
        elif value is not None:
            widget.set_value(value)
        else:
            widget.set_changed(1)
        if root is None:
            self._call(lambda: self._camera.set_single_config(item.name, widget, self._context), doing)
        else:
            self._call(lambda: self._camera.set_config(root, self._context), doing)

    def set(
        self, before: ConfigItem, widget: Any, root: Any, value: ConfigValue, pump: Callable[[int], object]
    ) -> ConfigItem:
        """Write a setting. Returns the setting as it was read back; if it is an action, as it was written.

        Args:
            before, widget, root: what `find` returned.
            value: the value to write, which was checked before.
            pump: processes events for the given number of milliseconds. It is needed because some cameras report a new
                value only in an event.

        Raises:
            InvalidValue: the setting has another value afterwards, although the camera reported no error.
        """
        with time_zone.fixed_at(value) if before.type == "date" and isinstance(value, int) else nullcontext():
            return self._set(before, widget, root, value, pump)

    def _set(
        self, before: ConfigItem, widget: Any, root: Any, value: ConfigValue, pump: Callable[[int], object]
    ) -> ConfigItem:
        written = replace(before, value=value)
        # This is checked before writing, because after writing the camera may be off (powerdown).
        action = before.type == "toggle" and (values.reads_unknown(before) or is_action(before, self._path(before)))
        self.write(before, widget, root, value)
        if action:
            return written
        deadline = time.monotonic() + _READ_BACK_S
        while True:
            after = self.get(before.path or before.name)
            if values.accepted(before, after, value):
                return after
            if is_action(before, self._path(before)):
                return written
            if time.monotonic() > deadline:
                raise values.vetoed(after)
            pump(int(_READ_BACK_PAUSE_S * 1000))
            time.sleep(_READ_BACK_PAUSE_S)

    def _path(self, item: ConfigItem) -> str:
        """The path of a setting. The driver reports paths only when all settings are read at once."""
        if item.path:
            return item.path
        if not self._paths:
            self.get_all()
        return next((path for path in self._paths if path.endswith(f"/{item.name}")), "")

    def find(self, name: str) -> tuple[ConfigItem, Any, Any]:
        """Find a setting by its name or path.

        Returns:
            The item, its widget, and the tree that owns the widget. The tree is None if the setting was read alone.

        Raises:
            ConfigNotFound: the camera has no such setting.
        """
        try:
            return self._find_by_own_name(name)
        except ConfigNotFound:
            folder, slash, bare = name.rpartition("/")
            if bare not in self.other_names:
                raise
            return self._find_by_own_name(f"{folder}{slash}{self.other_names[bare]}")

    def _find_by_own_name(self, name: str) -> tuple[ConfigItem, Any, Any]:
        bare = name.strip("/").rpartition("/")[2]
        wanted = "/" + name.strip("/")
        wanted = wanted if wanted.startswith("/main/") else "/main" + wanted
        # The first lookup by path reads the whole tree. After that, all paths are known.
        if (bare == name or wanted in self._paths) and "\0" not in name:  # for C, a text ends at this character
            found = self.find_alone(bare)
            if found is not None:
                item, widget = found
                return replace(item, path=wanted if bare != name else ""), widget, None
        root = self._tree()
        everything = self._everything(root)
        for item, widget in everything:
            if item.path == wanted or (bare == name and item.name == name):
                return item, widget, root
        raise not_found(name, bare, [item for item, _ in everything])

    def find_alone(self, name: str) -> tuple[ConfigItem, Any] | None:
        """Find a setting by its own name without reading the whole tree, which takes seconds with some cameras.

        Returns:
            The item and its widget. None if the camera has no such setting, or its driver shows it only in the tree.
        """
        try:
            # None means that the camera's settings are inconsistent.
            widget = self._call(lambda: self._camera.get_single_config(name, self._context), "get_config")
        except CameraError as error:
            # -2 means an unknown name, or a setting that this driver shows only in the whole tree.
            if error.gp is None or error.gp.code != _BAD_PARAMETERS:
                raise
            return None
        return None if widget is None else (self._item(widget, ""), widget)

    def _tree(self) -> Any:
        root = self._call(lambda: self._camera.get_config(self._context), "get_config")
        if root is None:
            raise CameraIO("The camera sent no settings. Try again.", doing="get_config")
        return root

    def _everything(self, root: Any) -> list[tuple[ConfigItem, Any]]:
        everything = list(self._walk(root, ""))
        self._paths = dict.fromkeys(item.path for item, _ in everything)
        return everything

    def _walk(self, widget: Any, parent: str) -> Iterator[tuple[ConfigItem, Any]]:
        path = f"{parent}/{read(widget.get_name)}"
        yield self._item(widget, path), widget
        for index in range(widget.count_children()):
            yield from self._walk(widget.get_child(index), path)

    def _item(self, widget: Any, path: str) -> ConfigItem:
        kind = _WIDGET_TYPES[widget.get_type()]
        item = ConfigItem(
            name=read(widget.get_name),
            label=read(widget.get_label),
            type=kind,
            value=None,
            readonly=bool(widget.get_readonly()),
            path=path,
        )
        if kind in ("window", "section", "button"):
            return item
        if kind in ("radio", "menu"):
            choices = (read(partial(widget.get_choice, index)) for index in range(widget.count_choices()))
            item = replace(item, choices=tuple(choices))
        if kind == "range":
            low, high, step = widget.get_range()
            item = replace(item, range=ConfigRange(low, high, step))
        try:
            return replace(item, value=self._call(lambda: read_value(widget.get_value), "get_config"))
        except CameraError:
            return item


def not_found(name: str, bare: str, everything: list[ConfigItem]) -> ConfigNotFound:
    """The error for an unknown setting, with similar names. `bare` is the name without the path."""
    elsewhere = [item.path.removeprefix("/main/") for item in everything if item.name == bare]
    near = [
        item.name
        for item in everything
        if bare and item.name and (bare.lower() in item.name.lower() or item.name.lower() in bare.lower())
    ]
    mistyped = (
        [] if elsewhere or near else difflib.get_close_matches(bare.lower()[:60], [one.name for one in everything])
    )
    similar = list(dict.fromkeys(elsewhere or near or mistyped))[:5]
    return ConfigNotFound(
        f"The camera has no setting {name!r}." + (f" Did you mean {', '.join(similar)}?" if similar else ""),
        config_name=name,
        similar=tuple(similar) or None,
    )
