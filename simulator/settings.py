"""What the settings of all makers share: values, choices, vetoes and the queue of events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from .body import Body
from .datasets import STRING, limits
from .dialect import InvalidRequest, Notify
from .exposures import Exposure
from .ptp import Event, ResponseCode

Value = int | str


@dataclass(frozen=True)
class Setting:
    """One property and its factory value.

    Attributes:
        code: PTP's property code.
        name: libgphoto2's name, such as ``iso``.
        type: a data type of ``datasets``.
        choices: the allowed values by libgphoto2's labels; empty if any value is allowed.
        bounds: lowest value, highest value and step.
    """

    code: int
    name: str
    type: int
    default: Value
    choices: Mapping[str, Value] = field(default_factory=dict)
    writable: bool = True
    bounds: tuple[int, int, int] | None = None

    def label(self, value: Value) -> Value:
        """The label of ``value``; the value itself if it has no label."""
        return next((label for label, choice in self.choices.items() if choice == value), value)


class BodySettings(ABC):
    """The values and vetoes of one body, which are kept between sessions. Events are queued if a host reads them."""

    def __init__(
        self,
        body: Body,
        settings: Mapping[int, Setting],
        computed: Mapping[int, Callable[[], Value]],
        dials: Collection[int],
    ) -> None:
        """Start with the factory settings.

        Args:
            body: the body whose settings these are.
            settings: every setting by its code.
            computed: the settings whose value follows from the state of the body.
            dials: the settings in ``computed`` that can nevertheless be changed on the body.
        """
        self._body = body
        self._settings = settings
        self._computed = computed
        self._fixed = computed.keys() - set(dials)
        self._emitting = False
        self._events: list[bytes] = []
        self.notify: Notify = lambda event: None
        self.reset()

    def reset(self) -> None:
        """Return to the factory settings. No property is vetoed."""
        self._values: dict[int, Value] = {code: setting.default for code, setting in self._settings.items()}
        self._vetoed: set[int] = set()

    @property
    @abstractmethod
    def mirror_lock(self) -> bool:
        """Whether the first release only raises the mirror."""

    def session_ended(self) -> None:
        """Drop what belongs to the session, such as queued events."""
        self.emit_events(False)

    # Values

    def value(self, code: int) -> Value:
        """The value of a property."""
        computed = self._computed.get(code)
        return computed() if computed else self._values[code]

    def label(self, code: int) -> Value:
        """The label of a property's value; the value itself if it has no label."""
        return self._settings[code].label(self.value(code))

    def number(self, code: int) -> int:
        """The value of a numeric property."""
        value = self.value(code)
        assert isinstance(value, int)
        return value

    @abstractmethod
    def exposure(self) -> Exposure:
        """The shot that the settings describe."""

    # Events

    def emit_events(self, on: bool) -> None:
        """Start or stop queueing events. Drops the events in the queue."""
        self._emitting = on
        self._events.clear()

    def push(self, record: bytes) -> None:
        """Queue an event if a host reads events, and notify a host on USB if it needs that."""
        if self._emitting:
            self._events.append(record)
            if event := self._notification(record):
                self.notify(event)

    @abstractmethod
    def _notification(self, record: bytes) -> Event | None:
        """The event to send to a host on USB for the record that was queued last; None: send nothing."""

    def take_events(self) -> list[bytes]:
        """Take all events from the queue."""
        taken, self._events = self._events, []
        return taken

    # Changes by the host

    def set_from_host(self, code: int, data: bytes) -> int:
        """Set a property to the value in ``data``; returns the PTP response code."""
        setting = self._settings.get(code)
        if not setting:
            return ResponseCode.PROPERTY_NOT_SUPPORTED
        if not self._writable(setting):
            return ResponseCode.ACCESS_DENIED
        value = self._parse(setting, data)
        if value is None or not self._valid(setting, value):
            return ResponseCode.INVALID_VALUE
        if code in self._vetoed:
            self._announce_veto(setting)
        else:
            self._store(setting, value, by_host=True)
        return ResponseCode.OK

    def _writable(self, setting: Setting) -> bool:
        """Whether the host may set a property now."""
        return setting.writable

    @abstractmethod
    def _parse(self, setting: Setting, data: bytes) -> Value | None:
        """The value in ``data``; None if it is not valid or the host may not set it now."""

    def _valid(self, setting: Setting, value: Value) -> bool:
        """Whether a value of the right type is valid."""
        return True

    @abstractmethod
    def _store(self, setting: Setting, value: Value, by_host: bool) -> None:
        """Store a value, apply it to the body and queue the events that follow."""

    def _announce_veto(self, setting: Setting) -> None:
        """Queue the events of a property that keeps its value because of a veto."""
        return

    # Changes on the body, through the control port

    def _find(self, name: str) -> Setting:
        """The setting with that name or code.

        Raises:
            InvalidRequest: There is no such setting.
        """
        found = next((setting for setting in self._settings.values() if setting.name == name), None)
        if not found and name.lower().startswith("0x"):
            try:
                found = self._settings.get(int(name, 16))
            except ValueError:
                found = None
        if not found:
            iso = next(setting.code for setting in self._settings.values() if setting.name == "iso")
            names = ", ".join(sorted(setting.name for setting in self._settings.values()))
            raise InvalidRequest(f"unknown property {name!r}; allowed: a code such as 0x{iso:x}, or one of {names}")
        return found

    def change(self, name: str, value: object) -> None:
        """Change a property on the body; ``value`` is a label or a number.

        Raises:
            InvalidRequest: There is no such property or value, or the value follows from the state of the body.
        """
        setting = self._find(name)
        if setting.code in self._fixed:
            raise InvalidRequest(f"{setting.name} follows from the body's state and cannot be set here")
        found = _choice(setting, value)
        if found is None or not self._valid(setting, found):
            allowed = ", ".join(setting.choices) or ("a text" if setting.type == STRING else "a number")
            raise InvalidRequest(f"{setting.name} cannot be {value!r}; allowed: {allowed}")
        self._store(setting, found, by_host=False)

    def veto(self, name: str, on: bool) -> None:
        """Keep the old value when the host sets the property; if ``on`` is false, accept new values again.

        Raises:
            InvalidRequest: There is no such property.
        """
        code = self._find(name).code
        if on:
            self._vetoed.add(code)
        else:
            self._vetoed.discard(code)

    def vetoed(self) -> list[str]:
        """The names of the vetoed properties."""
        return sorted(self._settings[code].name for code in self._vetoed)

    def describe(self) -> dict[str, object]:
        """The name of every property, with its label or value."""
        return {setting.name: self.label(code) for code, setting in self._settings.items()}


def _choice(setting: Setting, value: object) -> Value | None:
    """The value of ``setting`` for a label or a number; None if it is not allowed."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    if setting.choices:
        known = setting.choices.get(value) if isinstance(value, str) else value
        return known if known in setting.choices.values() else None
    if isinstance(value, str) or setting.type == STRING:
        return value if isinstance(value, str) and setting.type == STRING else None
    low, high = setting.bounds[:2] if setting.bounds else limits(setting.type)
    return value if low <= value <= high else None
