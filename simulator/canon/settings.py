"""The settings of one Canon EOS body, and the events about them."""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction

from ..body import Body
from ..exposures import CR2, Exposure, FileKind
from ..ptp import Event
from ..settings import BodySettings, Setting, Value
from . import events
from . import properties as props

HOST_SHOTS = 9999
"""The reported number of available shots, while pictures go to a host that has reported its free space."""

_SCALES: dict[int, float] = {0: 1, 1: 2 / 3, 2: 1 / 2}
_COMPRESSIONS = {2: "normal", 3: "fine"}
_TIMER_SECONDS: dict[Value, float] = {0x10: 10.0, 0x11: 2.0}
_RAW = 6

_AUTO_ISO = 400
"""The ISO that the body uses when the setting is ``Auto``."""


class CanonSettings(BodySettings):
    """The settings of a Canon EOS. The body emits an event for each change, even if the host has made the change."""

    def __init__(self, body: Body) -> None:
        """Start with the factory settings."""
        self.remote_mode = 0
        self.host_clusters = 0
        computed: dict[int, Callable[[], Value]] = {
            props.BATTERY: lambda: props.BATTERY_VALUES[body.battery],
            props.CAMERA_TIME: self._camera_time,
            props.UTC_TIME: lambda: int(body.clock()),
            props.AVAILABLE_SHOTS: self._available_shots,
            props.SHUTTER_COUNTER: lambda: body.shots,
            props.CURRENT_FOLDER: lambda: body.card.current_folder,
            props.MIRROR_LOCK_STATE: lambda: int(body.mirror_up),
            props.MOVIE_TARGET: lambda: props.MOVIE_TO_CARD if body.recorder.recording else props.NO_MOVIE,
            props.SERIAL_NUMBER: lambda: body.identity.serial,
        }
        settings = props.settings_of(body.identity.model)
        super().__init__(body, settings, computed, dials=(props.CAMERA_TIME, props.UTC_TIME))

    def reset(self) -> None:
        """Return to the factory settings. No property is vetoed, and live view is off."""
        super().reset()
        self._body.switch_live_view(False)
        self._announce_all()

    def session_ended(self) -> None:
        """Stop events, and send pictures to the card again."""
        super().session_ended()
        self.remote_mode = 0
        self.host_clusters = 0
        self._values[props.CAPTURE_DESTINATION] = props.TO_CARD
        self._values[props.LIVE_VIEW_OUTPUT] = 0

    def _notification(self, record: bytes) -> Event | None:
        # The host reads all events at once, so only the first one is announced.
        return Event(events.REQUEST_GET_EVENT) if len(self._events) == 1 else None

    # Values

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
        return self._body.free_shots(self.exposure())

    def exposure(self) -> Exposure:
        """The shot that the settings describe."""
        shutter = self._fraction(props.SHUTTER_SPEED)
        return Exposure(
            kinds=tuple(
                FileKind(kind == _RAW, _SCALES.get(size, 1), _COMPRESSIONS.get(compression, "fine"))
                for kind, size, compression in props.IMAGE_FORMATS[str(self.value(props.IMAGE_FORMAT))]
            ),
            to_host=self.to_host,
            iso=int(self._fraction(props.ISO)) or _AUTO_ISO,
            shutter=shutter or Fraction(1),
            aperture=self._fraction(props.APERTURE),
            bias=self._fraction(props.EXPOSURE_COMPENSATION),
            seconds=float(shutter) + _TIMER_SECONDS.get(self.value(props.DRIVE_MODE), 0.0),
            maker="Canon",
            raw=CR2,
            lens=str(self.value(props.LENS_NAME)),
            artist=str(self.value(props.ARTIST)),
            copyright=str(self.value(props.COPYRIGHT)),
        )

    @property
    def mirror_lock(self) -> bool:
        """Whether the first release only raises the mirror."""
        return self.number(props.MIRROR_LOCK) == 1

    @property
    def bulb(self) -> bool:
        """Whether the shutter stays open as long as the button is pressed."""
        mode = self.number(props.EXPOSURE_MODE)
        return mode == props.BULB or (mode == props.MANUAL and self.number(props.SHUTTER_SPEED) == props.SPEED_BULB)

    def _fraction(self, code: int) -> Fraction:
        return props.as_fraction(self.label(code))

    def _choices(self, setting: Setting) -> list[Value]:
        """The values that the host may set now. If the exposure mode fixes the setting, only the current value."""
        if setting.code in props.fixed_by_mode(self._values[props.EXPOSURE_MODE]):
            return [self.value(setting.code)]
        return list(setting.choices.values())

    # Events

    def set_event_mode(self, mode: int) -> None:
        """1: emit every property now and every change from now on. 0: stop events."""
        self.emit_events(bool(mode))
        self._announce_all()

    def announce(self, code: int) -> bool:
        """Emit the value of a property; returns False if there is no such property."""
        setting = self._settings.get(code)
        if setting:
            self.push(events.value_changed(code, props.pack(setting, self.value(code))))
        return setting is not None

    def _announce_choices(self, code: int) -> None:
        setting = self._settings[code]
        if setting.choices and setting.writable:
            self.push(events.choices_changed(code, [props.pack(setting, value) for value in self._choices(setting)]))

    def _announce_all(self) -> None:
        for code in self._settings:
            self.announce(code)
            self._announce_choices(code)
        self.push(events.focus_info([]))

    # Changes

    def _parse(self, setting: Setting, data: bytes) -> Value | None:
        value = props.parse(setting, data)
        return None if setting.choices and value not in self._choices(setting) else value

    def _store(self, setting: Setting, value: Value, by_host: bool) -> None:
        code = setting.code
        if code == props.CAMERA_TIME and isinstance(value, int):
            self._body.clock_offset = value - time.localtime(value).tm_gmtoff - time.time()
        if code == props.UTC_TIME and isinstance(value, int):
            self._body.clock_offset = value - time.time()
        self._values[code] = value
        self.announce(code)
        if code == props.EXPOSURE_MODE:
            # When the driver reads the value of the exposure mode, it forgets the choices (ptp-pack.c). So the choices
            # are sent again.
            for one in (props.EXPOSURE_MODE, props.APERTURE, props.SHUTTER_SPEED):
                self._announce_choices(one)
        if code in (props.CAPTURE_DESTINATION, props.IMAGE_FORMAT):
            self.announce(props.AVAILABLE_SHOTS)
        if code == props.LIVE_VIEW_OUTPUT and isinstance(value, int):
            scale = next((scale for bit, scale in props.FRAME_SCALES.items() if value & bit), None)
            self._body.switch_live_view(scale is not None, scale or 1.0)

    def _announce_veto(self, setting: Setting) -> None:
        self.announce(setting.code)
