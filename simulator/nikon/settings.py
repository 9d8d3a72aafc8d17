"""The settings of one Nikon body, and the events about them."""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction

from ..body import Body
from ..datasets import Property, timestamp
from ..exposures import NEF, Exposure, FileKind
from ..ptp import Event
from ..settings import BodySettings, Setting, Value
from . import events
from . import properties as props

SCALES = (1, 3 / 4, 1 / 2)
"""The widths of a large, medium and small picture, relative to the sensor."""

_JPEG = {0: "normal", 1: "normal", 2: "fine", 5: "normal", 6: "normal", 7: "fine"}
"""The compression of the JPEG for each value of the image quality. "Basic" is the same as "normal" here."""

_WITH_RAW = range(4, 8)
"""The image qualities with a raw file."""


class NikonSettings(BodySettings):
    """The settings of a Nikon. The body emits an event for each changed property, unless the host has set it."""

    def __init__(self, body: Body) -> None:
        """Start with the factory settings."""
        sizes = [f"{width}x{height}" for width, height in map(body.studio.size, SCALES)]
        self._scales = dict(zip(sizes, SCALES, strict=True))
        self.control_mode = 0
        computed: dict[int, Callable[[], Value]] = {
            props.BATTERY: lambda: body.battery,
            props.DATE_TIME: lambda: timestamp(body.clock()),
            props.EXPOSURE_TIME: lambda: props.exposure_time(self.number(props.SHUTTER_SPEED)),
            props.FOCUS_MODE: lambda: props.FOCUS_MODES[self.number(props.AUTOFOCUS_MODE)],
            props.LIVE_VIEW_STATUS: lambda: int(body.live_view),
            props.LIVE_VIEW_PROHIBITED: self.live_view_prohibited,
            props.MOVIE_PROHIBITED: self.movie_prohibited,
            props.SHOTS_LEFT: lambda: min(0xFFFF, body.free_shots(self.exposure())),
        }
        dials = (props.DATE_TIME, props.EXPOSURE_TIME, props.FOCUS_MODE)
        super().__init__(body, props.settings_of(list(self._scales)), computed, dials)

    def reset(self) -> None:
        """Return to the factory settings. No property is vetoed."""
        super().reset()
        self.control_mode = 0
        self._dial: Value = self._values[props.EXPOSURE_PROGRAM]
        for code in self._settings:
            self.emit(events.PROPERTY_CHANGED, code)

    def session_ended(self) -> None:
        """Stop events, and send pictures to the card again. The dials on the body are in control again."""
        super().session_ended()
        self.set_control_mode(0)
        self._values[props.RECORDING_MEDIA] = props.TO_CARD
        self._values[props.APPLICATION_MODE] = 0

    def emit(self, code: int, parameter: int = 0) -> None:
        """Queue an event if a host reads events."""
        self.push(events.record(code, parameter))

    def _notification(self, record: bytes) -> Event:
        return events.read(record)

    # Values

    def live_view_prohibited(self) -> int:
        """The reasons why live view cannot start, as bits; 0: it can start."""
        exhausted = 0 if self._body.battery else props.BATTERY_EXHAUSTED
        pending = props.IMAGE_IN_RAM if self._body.ram else 0
        return exhausted | pending | (props.SHOOTING if self._body.exposing else 0)

    def movie_prohibited(self) -> int:
        """The reasons why no movie can start, as bits; 0: it can start."""
        body, recorder = self._body, self._body.recorder
        reasons = {
            props.NO_APPLICATION_MODE: not self.number(props.APPLICATION_MODE),
            props.RECORDING: recorder.recording,
            props.NOT_WRITTEN: body.exposing or recorder.writing,
            props.ENLARGED: self.number(props.LIVE_VIEW_ZOOM) != 0,
            props.CARD_PROTECTED: body.card.write_protected,
            props.CARD_FULL: body.card.free_bytes(1) < 1,
        }
        return recorder.prohibited | sum(bit for bit, prohibits in reasons.items() if prohibits)

    def exposure(self) -> Exposure:
        """The shot that the settings describe."""
        quality = self.number(props.IMAGE_QUALITY)
        kinds = [FileKind(raw=True)] if quality in _WITH_RAW else []
        if quality in _JPEG:
            kinds.append(FileKind(False, self._scales[str(self.value(props.IMAGE_SIZE))], _JPEG[quality]))
        shutter = props.as_fraction(self.number(props.SHUTTER_SPEED))
        return Exposure(
            kinds=tuple(kinds),
            to_host=self.number(props.RECORDING_MEDIA) == props.TO_RAM,
            iso=self.number(props.ISO),
            shutter=shutter,
            aperture=Fraction(self.number(props.F_NUMBER), 100),
            bias=Fraction(self.number(props.EXPOSURE_COMPENSATION), 1000),
            seconds=float(shutter) + self._self_timer(),
            maker="NIKON CORPORATION",
            raw=NEF,
            lens=props.LENS,
            artist=str(self.value(props.ARTIST)),
            copyright=str(self.value(props.COPYRIGHT)),
            noise_reduction=self.number(props.NOISE_REDUCTION) == 1 and (self.bulb or shutter >= 1),
        )

    def _self_timer(self) -> float:
        timer = self.number(props.RELEASE_MODE) == props.SELF_TIMER
        return props.SELF_TIMER_SECONDS[self.number(props.SELF_TIMER_DELAY)] if timer else 0.0

    @property
    def mirror_lock(self) -> bool:
        """Whether the first release only raises the mirror."""
        return self.number(props.RELEASE_MODE) == props.MIRROR_UP

    @property
    def bulb(self) -> bool:
        """Whether the shutter stays open until the host closes it."""
        return self.number(props.SHUTTER_SPEED) == props.BULB

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
        """All properties with their current values."""
        return [self._property(setting) for setting in self._settings.values()]

    # Changes

    def _writable(self, setting: Setting) -> bool:
        """Whether the host may set a property now. This depends on the mode dial, which the host may set in PC mode."""
        program = self.number(props.EXPOSURE_PROGRAM)
        if setting.code == props.EXPOSURE_PROGRAM:
            return self.control_mode == 1
        if setting.code == props.F_NUMBER:
            return program in (props.MANUAL, props.APERTURE_PRIORITY)
        if setting.code in (props.EXPOSURE_TIME, props.SHUTTER_SPEED):
            return program in (props.MANUAL, props.SHUTTER_PRIORITY)
        return setting.writable

    def _parse(self, setting: Setting, data: bytes) -> Value | None:
        return self._property(setting).read_value(data)

    def _valid(self, setting: Setting, value: Value) -> bool:
        return setting.code != props.DATE_TIME or _seconds(str(value)) is not None

    def _store(self, setting: Setting, value: Value, by_host: bool) -> None:
        for code in sorted(self._changed_by(setting.code, value)):
            if not (by_host and code == setting.code):
                self.emit(events.PROPERTY_CHANGED, code)

    def _changed_by(self, code: int, value: Value) -> set[int]:
        """Store the value of a property. Returns the codes of all properties that have changed."""
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
            # The description of a property contains whether the host may set it, so these descriptions change.
            props.EXPOSURE_PROGRAM: {code, props.F_NUMBER, props.EXPOSURE_TIME, props.SHUTTER_SPEED},
        }.get(code, {code})

    def set_control_mode(self, mode: int) -> None:
        """1: PC mode, in which the host may set the mode dial. 0: the host may not set the mode dial."""
        if mode != self.control_mode:
            self.control_mode = mode
            if mode == 1:
                self._dial = self._values[props.EXPOSURE_PROGRAM]
            else:
                self._values[props.EXPOSURE_PROGRAM] = self._dial
            self.emit(events.PROPERTY_CHANGED, props.EXPOSURE_PROGRAM)


def _seconds(text: str) -> float | None:
    """Seconds since 1970 of a PTP time stamp in local time; None when the text is not such a time stamp."""
    try:
        return time.mktime(time.strptime(text[:15], "%Y%m%dT%H%M%S"))
    except (ValueError, OverflowError):
        return None
