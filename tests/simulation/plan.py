"""What happens in one simulation, as a value: made from a seed, replayed exactly, and made smaller."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Literal

from tests.simulation.body import Traits

Kind = Literal[
    "fault", "off", "button", "kill", "terminate", "power cut", "kill worker", "database hangs", "photos hang", "disk full",
    "clock",
]  # fmt: skip
# Faults that a camera process can meet.
FAULTS = (
    "open", "hang", "die before", "die after", "die before capture", "die after capture", "die before fetch",
    "die after set_config", "refuse setting", "break after setting", "refuse early", "refuse late", "die exposing",
    "unknown after release", "unknown without release", "empty card", "no serial",
)  # fmt: skip
ACTIVE_S = 60.0


@dataclass(frozen=True)
class Order:
    """One capture_image of a client.

    Attributes:
        name: unique.
        at: when it is sent, in virtual seconds.
        camera: number of the camera.
        settings: for this shot.
        download, save, keep_on_camera: as in the command.
        key: whether it has a key, and is sent again until there is an answer.
        leaves_after_s: the client disconnects after this time; None if it waits.
        bulb_s: the length of a bulb exposure, in seconds; None for a shot with the camera's own shutter speed.
        stops_after_s: another client ends the exposure after this time; None if nobody does.
        burst: the number of pictures of a capture_burst; None for one picture.
    """

    name: str
    at: float
    camera: int
    settings: tuple[tuple[str, str], ...]
    download: Literal["none", "thumbnail", "full"]
    save: bool
    keep_on_camera: bool
    key: bool
    leaves_after_s: float | None
    bulb_s: float | None = None
    stops_after_s: float | None = None
    burst: int | None = None


@dataclass(frozen=True)
class JobOrder:
    """One time-lapse, or bracket, with a key: its client sends it again until there is an answer.

    Attributes:
        at: when it is sent, in virtual seconds.
        camera: number of the camera.
        interval_s, count, bulb_s: as in the command.
        ev: as in the command, of a bracket; empty for a time-lapse.
        settings: for each shot.
        stops_after_s: a client stops it after this time; None if nobody does.
    """

    at: float
    camera: int
    interval_s: float
    count: int
    bulb_s: float | None
    ev: tuple[float, ...]
    settings: tuple[tuple[str, str], ...]
    stops_after_s: float | None


@dataclass(frozen=True)
class VolleyOrder:
    """One fire of a client.

    Attributes:
        name: unique.
        at: when it is sent, in virtual seconds.
        cameras: the numbers of the cameras.
        all_cameras: whether the request names no camera.
        in_ms, half_press, missing: as in the command.
        offsets_ms: by number of the camera.
        settings: for this shot.
        save, key, leaves_after_s: as in `Order`.
    """

    name: str
    at: float
    cameras: tuple[int, ...]
    all_cameras: bool
    in_ms: int
    half_press: bool
    missing: Literal["skip", "stop"]
    offsets_ms: tuple[tuple[int, float], ...]
    settings: tuple[tuple[str, str], ...]
    save: bool
    key: bool
    leaves_after_s: float | None

    def of_camera(self, camera: int) -> Order:
        """The part of one camera, as an order."""
        return Order(
            self.name, self.at, camera, self.settings, "none", self.save, True, self.key, self.leaves_after_s
        )  # fmt: skip


@dataclass(frozen=True)
class MovieOrder:
    """One start_movie of a client.

    Attributes:
        name: unique.
        at: when it is sent, in virtual seconds.
        camera: number of the camera.
        max_s: as in the command.
        stops_after_s: a client sends stop_movie after this time; None if nobody does.
    """

    name: str
    at: float
    camera: int
    max_s: float
    stops_after_s: float | None


@dataclass(frozen=True)
class HalfPress:
    """One half_press of a client: when it is sent, in virtual seconds, to which camera, and for how many milliseconds."""

    at: float
    camera: int
    hold_ms: int


@dataclass(frozen=True)
class Incident:
    """Something that happens.

    Attributes:
        at: when, in virtual seconds.
        kind: what.
        camera: number of the camera.
        fault: the fault that waits from now on.
        value: for how many seconds; for "clock" by how many seconds, and for "kill" and "power cut" after how many steps.
    """

    at: float
    kind: Kind
    camera: int = 0
    fault: str = ""
    value: float = 0.0


@dataclass(frozen=True)
class Plan:
    """One simulation."""

    seed: int
    cameras: tuple[Traits, ...]
    files_before: int
    orders: tuple[Order, ...]
    incidents: tuple[Incident, ...]
    jobs: tuple[JobOrder, ...] = ()
    volleys: tuple[VolleyOrder, ...] = ()
    half_presses: tuple[HalfPress, ...] = ()
    movies: tuple[MovieOrder, ...] = ()


def plan_of(seed: int) -> Plan:
    """The simulation of a seed."""
    random = Random(seed)
    serials = random.choice((["11", "22"], ["0.1", "0.1"], [None, None], ["11", None]))
    usb = random.random() < 0.3
    cameras = tuple(
        Traits(
            port=f"usb:001,{number + 5:03}" if usb else f"ptpip:192.168.7.{number + 1}",
            serial=serials[number],
            writing_s=random.choice((0.1, 0.4, 1.5, 4.0)),
            raw=random.random() < 0.3,
            to_ram=random.random() < 0.15,
            noise_reduction=random.random() < 0.2,
        )
        for number in range(random.choice((1, 1, 2)))
    )
    orders = [_order(random, number, len(cameras)) for number in range(random.randint(2, 8))]
    incidents = [_incident(random, len(cameras)) for _ in range(random.randint(0, 5))]
    return Plan(
        seed,
        cameras,
        random.choice((0, 3)),
        tuple(_with_bursts(seed, cameras, _with_bulb(seed, orders))),
        tuple(incidents),
        _jobs(seed, len(cameras)),
        _volleys(seed, len(cameras)),
        _half_presses(seed, len(cameras)),
        _movies(seed, len(cameras)),
    )


def _jobs(seed: int, cameras: int) -> tuple[JobOrder, ...]:
    """Time-lapses, in some of the plans. Random numbers of their own keep the rest of the plan unchanged."""
    random = Random(seed ^ 0x70B5)
    if random.random() < 0.75:
        return ()
    interval_s = random.choice((0.8, 3.0, 10.0))
    return (
        JobOrder(
            at=random.uniform(0.0, ACTIVE_S / 2),
            camera=random.randrange(cameras),
            interval_s=interval_s,
            count=random.randint(2, 8),
            bulb_s=random.choice((None, None, None, interval_s / 4)),
            settings=(("iso", "800"),) if random.random() < 0.4 else (),
            stops_after_s=random.uniform(0.0, 30.0) if random.random() < 0.2 else None,
            ev=random.choice(((), (), (0.0, 1.0, -1.0))),
        ),
    )


def _volleys(seed: int, cameras: int) -> tuple[VolleyOrder, ...]:
    """Volleys, in some of the plans, with random numbers of their own."""
    random = Random(seed ^ 0xF19E)
    if random.random() < 0.75:
        return ()
    return tuple(_volley(random, number, cameras) for number in range(random.randint(1, 4)))


def _volley(random: Random, number: int, cameras: int) -> VolleyOrder:
    in_ms = random.choice((0, 300, 300, 1000, 4000))
    used = tuple(range(cameras)) if random.random() < 0.8 else (random.randrange(cameras),)
    offsets = tuple(
        (camera, round(random.uniform(-in_ms / 2, in_ms / 2), 1)) for camera in used if random.random() < 0.3
    )
    return VolleyOrder(
        name=f"volley-{number}",
        at=random.uniform(0.0, ACTIVE_S),
        cameras=used,
        all_cameras=len(used) == cameras and random.random() < 0.5,
        in_ms=in_ms,
        half_press=bool(in_ms) and random.random() < 0.3,
        missing=random.choice(("skip", "stop")),
        offsets_ms=offsets if in_ms else (),
        settings=(("iso", "400"),) if random.random() < 0.3 else (),
        save=random.random() < 0.3,
        key=random.random() < 0.5,
        leaves_after_s=random.uniform(0.01, 5.0) if random.random() < 0.2 else None,
    )


def _half_presses(seed: int, cameras: int) -> tuple[HalfPress, ...]:
    """Half presses, in some of the plans, with random numbers of their own."""
    random = Random(seed ^ 0x4A1F)
    if random.random() < 0.8:
        return ()
    return tuple(
        HalfPress(random.uniform(0.0, ACTIVE_S), random.randrange(cameras), random.choice((100, 1000, 5000, 5000)))
        for _ in range(random.randint(1, 5))
    )


def _movies(seed: int, cameras: int) -> tuple[MovieOrder, ...]:
    """Movies, in some of the plans, with random numbers of their own."""
    random = Random(seed ^ 0x30F1E)
    if random.random() < 0.8:
        return ()
    return tuple(
        MovieOrder(
            name=f"movie-{number}",
            at=random.uniform(0.0, ACTIVE_S),
            camera=random.randrange(cameras),
            max_s=random.choice((1.0, 5.0, 20.0, 60.0)),
            stops_after_s=random.uniform(0.1, 40.0) if random.random() < 0.7 else None,
        )
        for number in range(random.randint(1, 3))
    )


def _with_bulb(seed: int, orders: list[Order]) -> list[Order]:
    """The orders, of which some are bulb exposures. Random numbers of their own keep the rest of the plan unchanged."""
    random = Random(seed ^ 0xB01B)
    if random.random() < 0.7:
        return orders
    changed = []
    for order in orders:
        if random.random() < 0.4:
            settings = tuple(pair for pair in order.settings if pair[0] != "shutterspeed")
            stops = random.uniform(0.05, 6.0) if random.random() < 0.3 else None
            order = replace(order, settings=settings, bulb_s=random.choice((0.1, 1.0, 5.0, 20.0)), stops_after_s=stops)
        changed.append(order)
    return changed


def _with_bursts(seed: int, cameras: tuple[Traits, ...], orders: list[Order]) -> list[Order]:
    """The orders, of which some are bursts. Random numbers of their own keep the rest of the plan unchanged."""
    random = Random(seed ^ 0xB0B5)
    if random.random() < 0.7:
        return orders
    changed = []
    for order in orders:
        chosen, frames = random.random() < 0.4, random.randint(2, 5)
        if chosen and order.bulb_s is None and not cameras[order.camera].to_ram:
            order = replace(order, burst=frames, download="none", keep_on_camera=True)
        changed.append(order)
    return changed


def _order(random: Random, number: int, cameras: int) -> Order:
    settings: dict[str, str] = {}
    if random.random() < 0.6:
        settings["iso"] = random.choice(("200", "400", "800"))
    if random.random() < 0.4:
        settings["shutterspeed"] = random.choice(("0.5", "2", "6"))
    if random.random() < 0.2:
        settings["artist"] = f"order {number}"
    save = random.random() < 0.5
    return Order(
        name=f"order-{number}",
        at=random.uniform(0.0, ACTIVE_S),
        camera=random.randrange(cameras),
        settings=tuple(settings.items()),
        download=random.choice(("none", "none", "full", "thumbnail")),
        save=save,
        keep_on_camera=not save or random.random() < 0.6,
        key=random.random() < 0.4,
        leaves_after_s=random.uniform(0.01, 8.0) if random.random() < 0.25 else None,
    )


def _incident(random: Random, cameras: int) -> Incident:
    at, camera = random.uniform(0.0, ACTIVE_S), random.randrange(cameras)
    kind: Kind = random.choice(
        ("fault", "fault", "fault", "fault", "off", "button", "button", "kill", "kill", "terminate", "power cut", "kill worker",
         "kill worker", "database hangs", "photos hang", "disk full", "clock")
    )  # fmt: skip
    if kind == "fault":
        return Incident(at, kind, camera, random.choice(FAULTS))
    if kind in ("kill", "power cut"):
        return Incident(at, kind, camera, value=random.randint(1, 400))
    if kind == "clock":
        return Incident(at, kind, camera, value=random.choice((-7200.0, -3.0, 3.0, 90_000.0)))
    durations = (0.5, 3.0, 8.0, 45.0)
    return Incident(at, kind, camera, value=random.choice((*durations, 600.0) if kind == "photos hang" else durations))
