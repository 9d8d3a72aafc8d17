"""Checks the arguments of a control request. Each error message lists what is allowed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from .dialect import InvalidRequest

LONGEST = 86400.0
"""The longest time that a request may contain, in seconds. No test takes longer than a day."""


class Arguments:
    """The members of a request object."""

    def __init__(self, values: Mapping[str, object]) -> None:
        """Wrap the members ``values`` of a JSON object."""
        self._values = values

    def __contains__(self, name: str) -> bool:
        """Whether the request has a member ``name``."""
        return name in self._values

    def _wrong(self, name: str, allowed: str) -> InvalidRequest:
        if name not in self._values:
            return InvalidRequest(f"{name} is missing; allowed: {allowed}")
        return InvalidRequest(f"{name} cannot be {self._values[name]!r}; allowed: {allowed}")

    def allow_only(self, names: Collection[str]) -> None:
        """Raise `InvalidRequest` if there is a member that is not in ``names``, such as a misspelled one."""
        for name in self._values:
            if name not in names:
                raise InvalidRequest(f"unknown member {name!r}; allowed: {', '.join(sorted(names))}")

    def any(self, name: str) -> object:
        """A required member of any type."""
        if name not in self._values:
            raise self._wrong(name, "a text or a number")
        return self._values[name]

    def text(self, name: str) -> str:
        """A required text."""
        value = self._values.get(name)
        if not isinstance(value, str):
            raise self._wrong(name, "a text")
        return value

    def text_or_none(self, name: str) -> str | None:
        """An optional text; None if it is null or missing."""
        return None if self._values.get(name) is None else self.text(name)

    def choice(self, name: str, allowed: Sequence[str], default: str | None = None) -> str:
        """A text that is one of ``allowed``."""
        value = self._values.get(name, default)
        if not isinstance(value, str) or value not in allowed:
            raise self._wrong(name, ", ".join(allowed))
        return value

    def flag(self, name: str, default: bool | None = None) -> bool:
        """True or false."""
        value = self._values.get(name, default)
        if not isinstance(value, bool):
            raise self._wrong(name, "true or false")
        return value

    def whole(self, name: str, default: int | None = None) -> int:
        """A whole number, 0 or more."""
        value = self._values.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self._wrong(name, "a whole number from 0")
        return value

    def count_or_none(self, name: str, default: int) -> int | None:
        """A whole number, 1 or more; None if it is null."""
        if name in self._values and self._values[name] is None:
            return None
        value = self.whole(name, default)
        if value < 1:
            raise self._wrong(name, "a whole number from 1, or null for no limit")
        return value

    def seconds(self, name: str, default: float) -> float:
        """A number of seconds, from 0 to a day."""
        value = self._values.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST:
            raise self._wrong(name, "seconds from 0 to 86400")
        return float(value)

    def share(self, name: str, default: float) -> float:
        """A number from 0 to 1."""
        value = self._values.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise self._wrong(name, "a number from 0 to 1")
        return float(value)

    def code(self, name: str) -> int:
        """A PTP response code, as a number or as hexadecimal text."""
        value = self._values.get(name)
        if isinstance(value, str):
            try:
                value = int(value, 16)
            except ValueError:
                value = None
        if isinstance(value, bool) or not isinstance(value, int) or not 0x2000 <= value <= 0xFFFF:
            raise self._wrong(name, "a PTP response code such as 0x2019")
        return value
