"""The settings of one Canon body and the queue of events about them."""

from __future__ import annotations

import time
from collections.abc import Callable

from .. import exposures, standard
from ..body import Body
from ..dialect import InvalidRequest, lookup
from ..exposures import Exposure
from ..ptpip import OK
from . import events
from . import properties as props
from .exposure import make_exposure
from .properties import SETTINGS, Kind, Setting, Value

HOST_SHOTS = 9999
"""Shots left while pictures go to a host that told its free space."""


class CanonSettings:
    """Values, choices and vetoes; outlives sessions. Events are kept only while a host asked for them."""

    def __init__(self, body: Body) -> None:
        """Factory settings."""
        self._body = body
        self._events: list[bytes] = []
        self._event_mode = 0
        self.remote_mode = 0
        self.host_clusters = 0
        self._computed: dict[int, Callable[[], Value]] = {
            props.BATTERY: lambda: props.BATTERY_VALUES[self._body.battery],
            props.CAMERA_TIME: self._camera_time,
            props.AVAILABLE_SHOTS: self._available_shots,
            props.SHUTTER_COUNTER: lambda: self._body.shots,
            props.CURRENT_FOLDER: lambda: self._body.card.current_folder,
            props.SERIAL_NUMBER: lambda: self._body.identity.serial,
        }
        self.reset()

    def reset(self) -> None:
        """Factory settings, nothing vetoed."""
        self._values: dict[int, Value] = {code: setting.default for code, setting in SETTINGS.items()}
        self._vetoed: set[int] = set()
        self._body.switch_live_view(False)
        if self._event_mode:
            self._announce_all()

    def session_ended(self) -> None:
        """No host: no events, pictures to the card, live view off."""
        self.remote_mode = 0
        self.host_clusters = 0
        self._event_mode = 0
        self._events.clear()
        self._values[props.CAPTURE_DESTINATION] = props.TO_CARD
        self._values[props.LIVE_VIEW_OUTPUT] = 0
        self._body.switch_live_view(False)

    # Values

    def value(self, code: int) -> Value:
        """The value of a property."""
        computed = self._computed.get(code)
        return computed() if computed else self._values[code]

    def label(self, code: int) -> Value:
        """Its label; the value itself where it has none."""
        return SETTINGS[code].label(self.value(code))

    def number(self, code: int) -> int:
        """The value of a numeric property."""
        value = self.value(code)
        assert isinstance(value, int)
        return value

    @property
    def to_host(self) -> bool:
        """Whether pictures go to the host, not to the card."""
        return self.number(props.CAPTURE_DESTINATION) == props.TO_HOST

    def _camera_time(self) -> int:
        clock = self._body.clock()
        return int(clock) + time.localtime(clock).tm_gmtoff

    def _available_shots(self) -> int:
        if self.to_host:
            return HOST_SHOTS if self.host_clusters else 0
        return self._body.card.free_shots(exposures.size(self.exposure(), self._body.studio))

    def exposure(self) -> Exposure:
        """The shot that the settings describe."""
        return make_exposure(self.value, self.label)

    def choices(self, setting: Setting) -> list[Value]:
        """What may be set now: only the present value where the exposure mode decides."""
        if setting.code in props.fixed_by_mode(self._values[props.EXPOSURE_MODE]):
            return [self.value(setting.code)]
        return list(setting.choices.values())

    # Events

    def set_event_mode(self, mode: int) -> None:
        """1 queues every property and from then on every change; 0 stops that."""
        self._event_mode = mode
        self._events.clear()
        if mode:
            self._announce_all()

    def _announce_all(self) -> None:
        for code in SETTINGS:
            self.announce(code)
            self._announce_choices(code)
        self.push(events.focus_info([]))

    def take_events(self) -> bytes:
        """All queued events and the record that ends them; the queue is empty then."""
        taken = b"".join((*self._events, events.END))
        self._events.clear()
        return taken

    def push(self, record: bytes) -> None:
        """Queue an event if a host wants events."""
        if self._event_mode:
            self._events.append(record)

    def announce(self, code: int) -> bool:
        """Queue the value of a property; False when there is no such property."""
        setting = SETTINGS.get(code)
        if setting:
            self.push(events.value_changed(code, setting.pack(self.value(code))))
        return setting is not None

    def _announce_choices(self, code: int) -> None:
        setting = SETTINGS[code]
        if setting.choices and setting.writable:
            self.push(events.choices_changed(code, [setting.pack(value) for value in self.choices(setting)]))

    # Changes

    def set_from_host(self, code: int, data: bytes) -> int:
        """Set a property to the value in ``data``; returns the PTP response code."""
        setting = SETTINGS.get(code)
        if not setting:
            return standard.PROPERTY_NOT_SUPPORTED
        if not setting.writable:
            return standard.ACCESS_DENIED
        value = setting.parse(data)
        if value is None or (setting.choices and value not in self.choices(setting)):
            return standard.INVALID_VALUE
        if code not in self._vetoed:
            self._store(setting, value)
        else:
            self.announce(code)
        return OK

    def _store(self, setting: Setting, value: Value) -> None:
        code = setting.code
        if code == props.CAMERA_TIME and isinstance(value, int):
            self._body.clock_offset = value - time.localtime(value).tm_gmtoff - time.time()
        self._values[code] = value
        self.announce(code)
        if code == props.EXPOSURE_MODE:
            # The driver forgets the choices of this one with each value (ptp-pack.c).
            for one in (props.EXPOSURE_MODE, props.APERTURE, props.SHUTTER_SPEED):
                self._announce_choices(one)
        if code in (props.CAPTURE_DESTINATION, props.IMAGE_FORMAT):
            self.announce(props.AVAILABLE_SHOTS)
        if code == props.LIVE_VIEW_OUTPUT and isinstance(value, int):
            self._body.switch_live_view(bool(value & props.OUTPUT_PC))

    # The control port

    def _setting(self, name: str) -> Setting:
        return lookup(SETTINGS, name, props.ISO)

    def change(self, name: str, value: object) -> None:
        """Change a property on the body; ``value`` is a label, or a number."""
        setting = self._setting(name)
        if setting.code in self._computed and setting.code != props.CAMERA_TIME:
            raise InvalidRequest(f"{setting.name} follows from the body's state and cannot be set here")
        found: Value | None = None
        if isinstance(value, str):
            found = setting.choices.get(value, value if setting.kind is Kind.TEXT else None)
        elif isinstance(value, int) and not isinstance(value, bool) and setting.kind is not Kind.TEXT:
            found = value if not setting.choices or value in setting.choices.values() else None
        if found is None:
            allowed = ", ".join(setting.choices) or ("a text" if setting.kind is Kind.TEXT else "a number")
            raise InvalidRequest(f"{setting.name} cannot be {value!r}; allowed: {allowed}")
        self._store(setting, found)

    def veto(self, name: str, on: bool) -> None:
        """Keep the old value when the host sets the property, or no longer."""
        code = self._setting(name).code
        if on:
            self._vetoed.add(code)
        else:
            self._vetoed.discard(code)

    def vetoed(self) -> list[str]:
        """Names of the vetoed properties."""
        return sorted(SETTINGS[code].name for code in self._vetoed)

    def describe(self) -> dict[str, object]:
        """Name to label or value of every property."""
        return {setting.name: self.label(code) for code, setting in SETTINGS.items()}
