"""A model camera: settings, card, shutter and own button. It lives on while camera processes and servers come and go."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass, field

FOLDER = "/store_00010001/DCIM/100MODEL"
BULB = "bulb"
CONTINUOUS = "continuous"
BASE = {"iso": "100", "shutterspeed": "0.1", "artist": "nobody", "drivemode": "single"}
# The time from one picture of a burst to the next, without the exposure, in seconds; the pictures after which its card is full.
_FRAME_S, _MOST_FRAMES = 0.3, 12
# How much longer than for a picture a slow card needs for a movie, in seconds.
_VERY_LATE_S = 40.0


@dataclass(frozen=True)
class Traits:
    """What kind of camera it is.

    Attributes:
        port: its address.
        serial: the serial number that it reports; cameras of some makers report none, or all the same one.
        writing_s: seconds from the end of the exposure until the first file is on the card.
        raw: whether each shot has a RAW file as well, which is written after the JPEG.
        to_ram: whether shots stay in the camera's memory, from which only the camera process of the shot can fetch them.
        noise_reduction: whether it takes a dark frame, as long as the exposure, before the file is written.
    """

    port: str
    serial: str | None
    writing_s: float
    raw: bool
    to_ram: bool
    noise_reduction: bool


@dataclass
class Release:
    """One release of the shutter, as the camera itself knows it: the truth.

    Attributes:
        by: the order that caused it; "button" for the camera's own button, "card" for files from before.
        at: when, in virtual seconds.
        settings: the camera's settings at that moment.
        files: paths and contents of its files.
        complete: whether all files are written.
        ambiguous: whether a picture of the own button was still being written, so that nobody but the camera can know
            which of the following files belongs to which release.
        orphan: whether its server has ended, and no disk has a record of it.
        exposed_s: how long the shutter was held open, in seconds; None for an exposure of the camera itself.
        frames: how many pictures of a burst were taken; None for one picture.
    """

    by: str
    at: float
    settings: dict[str, str]
    files: dict[str, bytes] = field(default_factory=dict)
    complete: bool = False
    ambiguous: bool = False
    orphan: bool = False
    exposed_s: float | None = None
    frames: int | None = None


@dataclass
class Movie:
    """One movie, as the camera itself knows it.

    Attributes:
        by: the order that caused it.
        at, ended_at: when it started and ended, in virtual seconds; None while the camera records.
        path: the path of its file, which is written later.
        complete: whether its file is written.
        orphan: whether its server has ended, and no disk has a record of it.
    """

    by: str
    at: float
    path: str
    ended_at: float | None = None
    complete: bool = False
    orphan: bool = False


class Body:
    """One camera.

    Attributes:
        traits: what kind of camera it is.
        settings: the current settings.
        card, ram: the files by path.
        releases: all releases, oldest first.
        changed_at: when a setting was last changed, in virtual seconds.
        reachable: whether it is switched on and connected.
        held: the release whose shutter a host holds open.
        half_pressed: whether a host holds the button half pressed.
        movies: all movies, oldest first.
        on_files: called with the paths of a shot's files after they were written, and with its release.
    """

    def __init__(self, traits: Traits, loop: asyncio.AbstractEventLoop, world: Context) -> None:
        self.traits = traits
        self.settings = dict(BASE)
        self.card: dict[str, bytes] = {}
        self.ram: dict[str, bytes] = {}
        self.releases: list[Release] = []
        self.changed_at = 0.0
        self.reachable = True
        self.held: Release | None = None
        self.half_pressed = False
        self.movies: list[Movie] = []
        self.on_files: Callable[[Release | Movie, str], None] = lambda release, path: None
        self._loop = loop
        self._world = world
        self._number = 0
        self._exposing_until = 0.0
        self._busy_until = 0.0

    @property
    def exposure_s(self) -> float:
        """The exposure, in seconds. A capture with the speed bulb is as short as possible."""
        speed = self.settings["shutterspeed"]
        return 0.1 if speed == BULB else float(speed)

    @property
    def exposing_s(self) -> float:
        """For how many seconds the shutter is still open, or a dark frame is taken. No other shot is possible then."""
        return max(0.0, self._exposing_until - self._loop.time())

    def press_button(self) -> None:
        """Press the camera's own button."""
        if self.reachable and not self.exposing_s and not self.held and not self.records:
            self.release("button")

    def open_shutter(self, by: str) -> Release:
        """Open the shutter until `close_shutter`."""
        self.held = self._released(by)
        return self.held

    def close_shutter(self) -> None:
        """Close the shutter, if it is held open."""
        release, self.held = self.held, None
        if release is not None and release.frames is not None:
            self._check_complete(release)
        elif release is not None:
            release.exposed_s = self._loop.time() - release.at
            self._expose(release, release.exposed_s if self.traits.noise_reduction else 0.0)

    @property
    def records(self) -> bool:
        """Whether it records a movie."""
        return bool(self.movies) and self.movies[-1].ended_at is None

    def start_movie(self, by: str) -> Movie:
        """Record a movie until `stop_movie`."""
        self.movies.append(Movie(by, self._loop.time(), f"{FOLDER}/MVI_{len(self.movies) + 1:04}.MP4"))
        return self.movies[-1]

    def stop_movie(self) -> None:
        """Stop the movie, if one is recorded. Every third one is written very late."""
        if self.records:
            movie = self.movies[-1]
            movie.ended_at = self._loop.time()
            late_s = _VERY_LATE_S if len(self.movies) % 3 == 0 else 0.0
            self._loop.call_later(self.traits.writing_s + late_s, self._write_movie, movie, context=self._world)

    def _write_movie(self, movie: Movie) -> None:
        self.card[movie.path] = movie.path.encode()
        movie.complete = True
        self.on_files(movie, movie.path)

    def press_burst(self, by: str) -> Release:
        """Take pictures until `close_shutter`, and at least one. All of them are one release, with the files of all."""
        self.held = release = self._released(by)
        release.frames = 0
        self._take_frame(release)
        return release

    def _take_frame(self, release: Release) -> None:
        assert release.frames is not None
        release.frames += 1
        self._exposing_until = self._loop.time() + self.exposure_s
        # the pictures wait in the camera's memory until it has written the earlier ones
        self._busy_until = written = max(self._exposing_until, self._busy_until) + self.traits.writing_s
        self._loop.call_at(self._exposing_until + _FRAME_S, self._go_on, release, context=self._world)
        for ending in ("JPG", "CR2") if self.traits.raw else ("JPG",):
            self._loop.call_at(written, self._write_frame, release, release.frames, ending, context=self._world)

    def _go_on(self, release: Release) -> None:
        if self.held is release and (release.frames or 0) < _MOST_FRAMES:
            self._take_frame(release)

    def _write_frame(self, release: Release, frame: int, ending: str) -> None:
        self._store(release, f"IMG_{1000 + self.releases.index(release) + 1:04}_{frame:02}.{ending}")
        self._check_complete(release)

    def _check_complete(self, release: Release) -> None:
        each = 2 if self.traits.raw else 1
        release.complete = self.held is not release and len(release.files) == each * (release.frames or 0)

    def release(self, by: str) -> Release:
        """Release the shutter. The files follow after the exposure and the writing."""
        release = self._released(by)
        self._expose(release, self.exposure_s * (2 if self.traits.noise_reduction else 1))
        return release

    def _released(self, by: str) -> Release:
        self._number += 1
        release = Release(by, self._loop.time(), dict(self.settings))
        release.ambiguous = any(
            not other.complete and (other.by == "button" or other.ambiguous or other.orphan) for other in self.releases
        ) or any(movie.orphan and not movie.complete for movie in self.movies)
        self.releases.append(release)
        return release

    def _expose(self, release: Release, seconds: float) -> None:
        self._exposing_until = self._loop.time() + seconds
        written = max(self._exposing_until, self._busy_until) + self.traits.writing_s
        self._busy_until = written + 0.3
        self._loop.call_at(written, self._write, release, "JPG", not self.traits.raw, context=self._world)
        if self.traits.raw:
            self._loop.call_at(written + 0.3, self._write, release, "CR2", True, context=self._world)

    def change(self, name: str, value: str) -> None:
        """Change a setting."""
        self.settings[name] = value
        self.changed_at = self._loop.time()

    def fill(self, count: int) -> None:
        """Put files from before on the card."""
        for _ in range(count):
            self._number += 1
            self.card[f"{FOLDER}/IMG_{self._number:04}.JPG"] = b"before"

    def _write(self, release: Release, ending: str, last: bool) -> None:
        number = self.releases.index(release) + 1
        in_ram = self.traits.to_ram and release.by != "button"
        release.complete = release.complete or last
        self._store(
            release, f"capt{number:04}.{ending.lower()}" if in_ram else f"IMG_{1000 + number:04}.{ending}", in_ram
        )

    def _store(self, release: Release, name: str, in_ram: bool = False) -> None:
        path, place = (f"/{name}", self.ram) if in_ram else (f"{FOLDER}/{name}", self.card)
        content = hashlib.sha256(f"{self.traits.port}{path}{release.at}".encode()).hexdigest().encode()
        release.files[path] = place[path] = content
        self.on_files(release, path)
