"""What a maker's dialect gives to the rest of the simulator: the seam between the body and the wire."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from .card import StoredFile
from .exposures import Exposure
from .ptpip import Reply, Request

Handler = Callable[[Request], Awaitable[Reply]]


class InvalidRequest(Exception):
    """The control port asked for something that cannot be; the text says what is allowed."""


class Dialect(Protocol):
    """A maker's operations, properties and events, on top of standard PTP."""

    @property
    def operations(self) -> Mapping[int, Handler]:
        """Everything the camera answers to, standard operations included."""

    @property
    def names(self) -> Mapping[int, str]:
        """A name for each operation, for the control port."""

    def session_ended(self) -> None:
        """The host is gone: forget what belongs to the session."""

    def reset(self) -> None:
        """Back to factory settings."""

    def properties(self) -> dict[str, object]:
        """Every property by name, with its label or value."""

    def change(self, name: str, value: object) -> None:
        """Change a property on the body itself, as with its dials.

        Raises:
            InvalidRequest: There is no such property or value.
        """

    def veto(self, name: str, on: bool) -> None:
        """From now on keep (or no longer keep) the old value when the host sets a property.

        Raises:
            InvalidRequest: There is no such property.
        """

    def vetoed(self) -> Sequence[str]:
        """The names of the properties that keep their value."""

    def next_exposure(self) -> Exposure:
        """The shot that the settings describe."""

    async def press_shutter(self) -> list[StoredFile]:
        """The camera's own button: take a shot and wait until its files are stored.

        Raises:
            body.ReleaseRejected: The shutter did not open.
        """

    def battery_changed(self) -> None:
        """The body's battery has another level."""

    def card_changed(self) -> None:
        """The card has another free space."""

    def file_removed(self, stored: StoredFile) -> None:
        """A file was deleted on the body."""
