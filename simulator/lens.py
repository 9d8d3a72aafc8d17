"""The lens of a camera with its focus drive, and what the host controls for focusing: focus point, magnifier, half press."""

from __future__ import annotations

from dataclasses import dataclass

Point = tuple[int, int]


@dataclass(frozen=True)
class Optics:
    """A kind of lens on a kind of sensor.

    Attributes:
        far: the position of the lens at its far limit, in the maker's unit. The near limit is 0.
        subject: the position in which the scene is in focus.
        picture: the size of the coordinate system of focus points, in pixels.
    """

    far: int
    subject: int
    picture: tuple[int, int]


class Lens:
    """The lens of one body. Its state is kept until ``reset``, even if the host disconnects with the button pressed.

    Attributes:
        optics: the kind of lens.
        position: the position of the focus.
        moves: how often the host has driven the focus.
        point: the focus point that the host has set; None: the body chooses.
        zoom: how much live view is magnified; 1: it shows the whole picture.
        zoom_at: the top left corner of the magnified part, in pixels.
        half_pressed: whether the host holds the shutter button half pressed.
        half_presses: how often the host has pressed it so.
    """

    def __init__(self, optics: Optics) -> None:
        """Start halfway between the limits."""
        self.optics = optics
        self.reset()

    def reset(self) -> None:
        """Return to the factory state."""
        self.position = self.optics.far // 2
        self.moves = 0
        self.half_pressed = False
        self.half_presses = 0
        self.live_view_ended()

    def live_view_ended(self) -> None:
        """Forget the focus point and the magnification."""
        self.point: Point | None = None
        self.zoom = 1
        self.zoom_at: Point = (0, 0)

    def drive(self, steps: int) -> bool:
        """Move the focus; positive steps are towards far. Returns False if the lens has stopped at a limit."""
        self.moves += 1
        wanted = self.position + steps
        self.position = min(max(wanted, 0), self.optics.far)
        return self.position == wanted

    def focus(self) -> None:
        """Move to the position in which the scene is in focus."""
        self.position = self.optics.subject

    def press_half(self, pressed: bool) -> None:
        """Press the shutter button halfway, or release it."""
        if pressed and not self.half_pressed:
            self.half_presses += 1
        self.half_pressed = pressed

    def describe(self) -> dict[str, object]:
        """The state as the control port shows it."""
        return {
            "position": self.position,
            "far": self.optics.far,
            "moves": self.moves,
            "picture": self.optics.picture,
            "point": self.point,
            "zoom": self.zoom,
            "zoom_at": self.zoom_at,
            "half_pressed": self.half_pressed,
            "half_presses": self.half_presses,
        }
