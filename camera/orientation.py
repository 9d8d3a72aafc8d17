"""Rotation and mirroring as values, and their representation in EXIF."""

from __future__ import annotations

from dataclasses import dataclass

ROTATIONS = (0, 90, 180, 270)


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a picture, as fractions of its width from the left and of its height from the top: 0 to 1."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Orientation:
    """Rotate clockwise by `rotation` degrees (0, 90, 180, 270), then exchange left and right if `flip`."""

    rotation: int = 0
    flip: bool = False

    def __bool__(self) -> bool:
        return self.rotation != 0 or self.flip

    def then(self, other: Orientation) -> Orientation:
        """The orientation that has the same effect as this one followed by `other`."""
        # If the picture was mirrored first, the later rotation counts in the other direction.
        rotation = self.rotation - other.rotation if self.flip else self.rotation + other.rotation
        return Orientation(rotation % 360, self.flip != other.flip)

    def applied(self, point: Point) -> Point:
        """Where a point of the picture is after the picture was rotated and mirrored."""
        x, y = point.x, point.y
        for _ in range(self.rotation // 90):
            x, y = 1 - y, x
        return Point(1 - x if self.flip else x, y)

    def undone(self, point: Point) -> Point:
        """Where a point of the rotated and mirrored picture was in the original picture."""
        x, y = 1 - point.x if self.flip else point.x, point.y
        for _ in range(self.rotation // 90):
            x, y = y, 1 - x
        return Point(x, y)


AS_IS = Orientation()

# For each value of the EXIF orientation tag (0x0112, CIPA DC-008): how to rotate and mirror the picture for display.
BY_EXIF: dict[int, Orientation] = {
    1: Orientation(0),
    2: Orientation(0, True),
    3: Orientation(180),
    4: Orientation(180, True),
    5: Orientation(90, True),
    6: Orientation(90),
    7: Orientation(270, True),
    8: Orientation(270),
}
