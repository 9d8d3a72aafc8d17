"""The interface of a maker's dialect, which the rest of the simulator uses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Protocol

from .card import StoredFile
from .exposures import Exposure
from .lens import Lens
from .ptp import Event, Reply, Request

Handler = Callable[[Request], Awaitable[Reply]]
Notify = Callable[[Event], None]


class InvalidRequest(Exception):
    """A request to the control port is not valid. The text lists what is allowed."""


class Dialect(Protocol):
    """The operations, properties and events of one maker: those of standard PTP, and the maker's own."""

    @property
    def operations(self) -> Mapping[int, Handler]:
        """The handlers of all operations, standard operations included."""

    def remove_operations(self, codes: Collection[int]) -> None:
        """Make the body a model that lacks these operations. Called before the first session."""

    @property
    def lens(self) -> Lens:
        """The lens, for the control port."""

    @property
    def names(self) -> Mapping[int, str]:
        """The name of each operation, for the control port."""

    @property
    def takes_data(self) -> Collection[int]:
        """The operations for which the host sends data. On USB, a request does not say whether data follows."""

    def notify_with(self, notify: Notify) -> None:
        """Call ``notify`` for each event of a session, so that the transport can send it."""

    def session_ended(self) -> None:
        """Called when the host has disconnected: drop what belongs to the session."""

    def reset(self) -> None:
        """Return to the factory settings."""

    def properties(self) -> dict[str, object]:
        """Every property by name, with its label or value."""

    def change(self, name: str, value: object) -> None:
        """Change a property on the body, as a person does with the dials.

        Raises:
            InvalidRequest: There is no such property or value.
        """

    def veto(self, name: str, on: bool) -> None:
        """Ignore new values that the host sets for a property if ``on`` is true; accept them again if it is false.

        Raises:
            InvalidRequest: There is no such property.
        """

    def vetoed(self) -> Sequence[str]:
        """The names of the vetoed properties."""

    def next_exposure(self) -> Exposure:
        """The shot that the settings describe."""

    async def press_shutter(self) -> list[StoredFile]:
        """Take a shot with the camera's own button, and return its files when they are stored.

        Raises:
            body.ReleaseRejected: The shutter did not open.
        """

    def press_movie_button(self) -> None:
        """Press the camera's own movie button: start a movie, or end it.

        Raises:
            InvalidRequest: The camera does not start a movie.
        """

    def battery_changed(self) -> None:
        """Called when the level of the battery has changed."""

    def card_changed(self) -> None:
        """Called when the free space of the card has changed."""

    def file_removed(self, stored: StoredFile) -> None:
        """Called when a file was deleted on the body."""
