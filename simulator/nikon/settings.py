"""The settings of one Nikon body."""

from __future__ import annotations

import time
from collections.abc import Callable

from .. import exposures, standard
from ..body import Body
from ..datasets import STRING, Property, timestamp
from ..dialect import InvalidRequest, lookup
from ..exposures import Exposure
from ..ptpip import OK
from . import properties as props
from .exposure import SCALES, make_exposure
from .properties import Setting, Value


class NikonSettings:
    """Values, choices and vetoes; outlives sessions."""

    def __init__(self, body: Body, changed: Callable[[int], None]) -> None:
        """Factory settings. ``changed`` is told each property that changed without the host setting it."""
        self._body = body
        self._changed = changed
        sizes = [f"{width}x{height}" for width, height in map(body.studio.size, SCALES)]
        self._scales = dict(zip(sizes, SCALES, strict=True))
        self._settings = props.settings_of(list(dict.fromkeys(sizes)))
        self._computed: dict[int, Callable[[], Value]] = {
            props.BATTERY: lambda: self._body.battery,
            props.DATE_TIME: lambda: timestamp(self._body.clock()),
            props.EXPOSURE_TIME: lambda: props.exposure_time(self.number(props.SHUTTER_SPEED)),
            props.FOCUS_MODE: lambda: props.FOCUS_MODES[self.number(props.AUTOFOCUS_MODE)],
            props.LIVE_VIEW_STATUS: lambda: int(self._body.live_view),
            props.LIVE_VIEW_PROHIBITED: self.live_view_prohibited,
            props.SHOTS_LEFT: self._shots_left,
        }
        self.reset()

    def reset(self) -> None:
        """Factory settings, nothing vetoed."""
        self._values: dict[int, Value] = {code: setting.default for code, setting in self._settings.items()}
        self._vetoed: set[int] = set()
        self.session_ended()

    def session_ended(self) -> None:
        """No host: the body's dials count, pictures go to the card."""
        self.control_mode = 0
        self._values[props.RECORDING_MEDIA] = props.TO_CARD

    # Values

    def value(self, code: int) -> Value:
        """The value of a property."""
        computed = self._computed.get(code)
        return computed() if computed else self._values[code]

    def number(self, code: int) -> int:
        """The value of a numeric property."""
        value = self.value(code)
        assert isinstance(value, int)
        return value

    def live_view_prohibited(self) -> int:
        """Why live view cannot start, as bits; 0 when it can."""
        exhausted = 0 if self._body.battery else props.BATTERY_EXHAUSTED
        pending = props.IMAGE_IN_RAM if self._body.ram else 0
        return exhausted | pending | (props.SHOOTING if self._body.exposing else 0)

    def _shots_left(self) -> int:
        return min(0xFFFF, self._body.card.free_shots(exposures.size(self.exposure(), self._body.studio)))

    def exposure(self) -> Exposure:
        """The shot that the settings describe."""
        scale = self._scales[str(self.value(props.IMAGE_SIZE))]
        return make_exposure(self.number, lambda code: str(self.value(code)), scale)

    def _writable(self, setting: Setting) -> bool:
        """Whether the host may set a property now: the mode dial decides, and only PC mode overrules the dial."""
        program = self.number(props.EXPOSURE_PROGRAM)
        if setting.code == props.EXPOSURE_PROGRAM:
            return self.control_mode == 1
        if setting.code == props.F_NUMBER:
            return program in (props.MANUAL, props.APERTURE_PRIORITY)
        if setting.code in (props.EXPOSURE_TIME, props.SHUTTER_SPEED):
            return program in (props.MANUAL, props.SHUTTER_PRIORITY)
        return setting.writable

    def _property(self, setting: Setting) -> Property:
        return Property(
            code=setting.code,
            type=setting.type,
            value=self.value(setting.code),
            writable=self._writable(setting),
            choices=tuple(setting.choices.values()),
            bounds=setting.bounds,
        )

    def properties(self) -> list[Property]:
        """All properties as they are now."""
        return [self._property(setting) for setting in self._settings.values()]

    # Changes

    def set_from_host(self, code: int, data: bytes) -> int:
        """Set a property to the value in ``data``; returns the PTP response code."""
        setting = self._settings.get(code)
        if not setting:
            return standard.PROPERTY_NOT_SUPPORTED
        described = self._property(setting)
        if not described.writable:
            return standard.ACCESS_DENIED
        value = described.read_value(data)
        if value is None or not self._allowed(setting, value):
            return standard.INVALID_VALUE
        if code not in self._vetoed:
            for other in self._store(code, value) - {code}:
                self._changed(other)
        return OK

    def _allowed(self, setting: Setting, value: Value) -> bool:
        return setting.code != props.DATE_TIME or _seconds(str(value)) is not None

    def _store(self, code: int, value: Value) -> set[int]:
        """Take over a value; returns the properties that changed with it."""
        if code == props.DATE_TIME:
            self._body.clock_offset = (_seconds(str(value)) or 0.0) - time.time()
            return {code}
        if code == props.EXPOSURE_TIME and isinstance(value, int):
            code, value = props.SHUTTER_SPEED, props.EXPOSURE_TIMES[value]
        if code == props.FOCUS_MODE:
            code, value = (
                props.AUTOFOCUS_MODE,
                next(mode for mode, focus in props.FOCUS_MODES.items() if focus == value),
            )
        self._values[code] = value
        return {
            props.SHUTTER_SPEED: {props.SHUTTER_SPEED, props.EXPOSURE_TIME},
            props.AUTOFOCUS_MODE: {props.AUTOFOCUS_MODE, props.FOCUS_MODE},
            # What may be set is part of a property's description.
            props.EXPOSURE_PROGRAM: {code, props.F_NUMBER, props.EXPOSURE_TIME, props.SHUTTER_SPEED},
        }.get(code, {code})

    def set_control_mode(self, mode: int) -> None:
        """1: the host may do what the dials do; 0: it may not."""
        if mode != self.control_mode:
            self.control_mode = mode
            self._changed(props.EXPOSURE_PROGRAM)

    # The control port

    def change(self, name: str, value: object) -> None:
        """Change a property on the body; ``value`` is a label, or a number."""
        setting = lookup(self._settings, name, props.ISO)
        dials = (props.DATE_TIME, props.EXPOSURE_TIME, props.FOCUS_MODE)
        if setting.code in self._computed and setting.code not in dials:
            raise InvalidRequest(f"{setting.name} follows from the body's state and cannot be set here")
        found = self._meant(setting, value)
        if found is None or not self._allowed(setting, found):
            allowed = ", ".join(setting.choices) or ("a text" if setting.type == STRING else "a number")
            raise InvalidRequest(f"{setting.name} cannot be {value!r}; allowed: {allowed}")
        for code in sorted(self._store(setting.code, found)):
            self._changed(code)

    def _meant(self, setting: Setting, value: object) -> Value | None:
        """The value that a person means by a label or a number; None when there is no such value."""
        if isinstance(value, bool) or not isinstance(value, int | str):
            return None
        if isinstance(value, str):
            return setting.choices.get(value, value if setting.type == STRING and not setting.choices else None)
        if setting.choices:
            return value if value in setting.choices.values() else None
        low, high, _ = setting.bounds or (0, 0xFFFFFFFF, 1)
        return value if setting.type != STRING and low <= value <= high else None

    def veto(self, name: str, on: bool) -> None:
        """Keep the old value when the host sets the property, or no longer."""
        code = lookup(self._settings, name, props.ISO).code
        if on:
            self._vetoed.add(code)
        else:
            self._vetoed.discard(code)

    def vetoed(self) -> list[str]:
        """Names of the vetoed properties."""
        return sorted(self._settings[code].name for code in self._vetoed)

    def describe(self) -> dict[str, object]:
        """Name to label or value of every property."""
        return {setting.name: setting.label(self.value(code)) for code, setting in self._settings.items()}


def _seconds(text: str) -> float | None:
    """Seconds since 1970 of a PTP time stamp in local time; None when it is none."""
    try:
        return time.mktime(time.strptime(text[:15], "%Y%m%dT%H%M%S"))
    except (ValueError, OverflowError):
        return None
