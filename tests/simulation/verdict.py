"""What must be true at rest, whatever happened. The model cameras know the truth."""

from __future__ import annotations

from pathlib import Path

from camera.photos.open_shot import as_text
from protocol.commands import BurstCaptured, CamerasFired, Captured, FiredCamera
from store.jobs import JobRecord
from store.shots import ShotRecord
from tests.simulation.body import BASE, BULB, CONTINUOUS, Body, Release
from tests.simulation.disk import WRITTEN_AGAIN_S, photo_names
from tests.simulation.plan import MovieOrder, Order, VolleyOrder
from tests.simulation.world import Answer, World, order_of

# A movie goes on while its camera is off, while no server runs, and while the database hangs, which the next server reads
# before it opens the camera. Then the camera has to be opened, in this many seconds.
_STOPPED_WITHIN_S = 10.0


def judge(world: World, records: list[ShotRecord], jobs: list[JobRecord]) -> list[str]:
    """All violations, each described in one sentence."""
    orders = {record.shot: order_of(record) for record in records}
    wrong = _of_orders(world, records, orders)
    wrong += [sentence for volley in world.plan.volleys for sentence in _of_volley(world, volley, records, orders)]
    wrong += [sentence for movie in world.plan.movies for sentence in _of_movie(world, movie, records, orders)]
    wrong += _of_bodies(world)
    wrong += _of_files(world)
    wrong += _of_checks(world, {(record.shot, as_text(record.asked_at)): orders[record.shot] for record in records})
    wrong += _of_outcomes(world, records, orders)
    wrong += [sentence for job in jobs for sentence in _of_job(world, job)]
    return wrong


def _of_job(world: World, job: JobRecord) -> list[str]:
    """Each slot is served at most once, counted as what it was, and none after a stop."""
    wrong = []
    progress = job.progress
    if progress.next != progress.shots + progress.failed + progress.skipped:
        wrong.append(f"job {job.job} does not count each slot once: {progress}")
    skipped = {slot for first, last in progress.skipped_slots for slot in range(first, last + 1)}
    taken = [(body, release) for body in world.bodies for release in body.releases if _job_of(release) == job.job]
    slots = [_slot_of(release) for _, release in taken]
    for slot in set(slots):
        if slots.count(slot) > 1:
            wrong.append(f"slot {slot} of job {job.job} released the shutter {slots.count(slot)} times")
    for body, release in taken:
        slot = _slot_of(release)
        if body.traits.port != job.port:
            wrong.append(f"slot {slot} of job {job.job} was taken with {body.traits.port}")
        if slot in skipped and not release.orphan:
            wrong.append(f"slot {slot} of job {job.job} is counted as skipped, but its shutter was released")
        if release.at > world.stopped_jobs.get(job.job, release.at):
            wrong.append(f"slot {slot} of job {job.job} was served after the job was stopped")
    # A picture of the own button looks like that of a slot whose shot was interrupted before its release.
    others = any(release.by == "button" or release.orphan for body in world.bodies for release in body.releases)
    if progress.shots > len(taken) and not others:
        wrong.append(f"job {job.job} counts {progress.shots} pictures, but the shutter was released {len(taken)} times")
    return wrong


def _job_of(release: Release) -> int | None:
    """The job of a release; None if it is not of a job."""
    parts = release.by.split("/")
    return int(parts[1]) if parts[0] == "job" else None


def _slot_of(release: Release) -> int:
    return int(release.by.split("/")[2])


def _of_orders(world: World, records: list[ShotRecord], orders: dict[int, str]) -> list[str]:
    """Releases, answers and records of each order. `orders`: the order of each recorded shot."""
    wrong: list[str] = []
    by_order: dict[str, list[ShotRecord]] = {}
    for record in records:
        by_order.setdefault(orders[record.shot], []).append(record)
    named: dict[tuple[str, str], str] = {}
    for order in world.plan.orders:
        body = world.bodies[order.camera]
        releases = _releases(world, order)
        answer = world.answers[order.name]
        if len(releases) > 1:
            wrong.append(f"{order.name} released the shutter {len(releases)} times")
            continue
        release = releases[0] if releases else None
        wrong += _of_answer(world, order, answer, release)
        wrong += _of_records(world, order, body, by_order.get(order.name, []), release)
        for file in answer.reply.files if isinstance(answer.reply, Captured | BurstCaptured) else ():
            other = named.setdefault((body.traits.port, file.camera_filepath), order.name)
            if other != order.name:
                wrong.append(f"{file.camera_filepath} was given to {other} and to {order.name}")
    return wrong


def _of_volley(world: World, volley: VolleyOrder, records: list[ShotRecord], orders: dict[int, str]) -> list[str]:
    """Releases, reply and records of each camera of a volley."""
    wrong: list[str] = []
    reply = world.answers[volley.name].reply
    entries = {one.port: one for one in reply.cameras} if isinstance(reply, CamerasFired) else {}
    repeated = isinstance(reply, CamerasFired) and bool(reply.repeated)
    released = 0
    for number, body in enumerate(world.bodies):
        order = volley.of_camera(number)
        releases = _releases(world, order)
        if len(releases) > int(number in volley.cameras):
            wrong.append(f"{volley.name} released the shutter of {body.traits.port} {len(releases)} times")
            continue
        release = releases[0] if releases else None
        released += bool(release)
        own = [record for record in records if orders[record.shot] == volley.name and record.port == body.traits.port]
        wrong += _of_records(world, order, body, own, release)
        if (entry := entries.get(body.traits.port)) is not None:
            wrong += _of_entry(world, order, entry, repeated, release)
        elif isinstance(reply, CamerasFired) and release is not None and not _record_lost(world, order, release):
            wrong.append(f"{volley.name} released {body.traits.port}, which is not in the reply")
        elif reply is None:
            wrong += _of_answer(world, order, world.answers[volley.name], release)
    if volley.missing == "stop" and released and not repeated:
        late = [one.port for one in entries.values() if one.code in ("not_ready", "cancelled")]
        if late:
            wrong.append(f"{volley.name} released {released} cameras, although {late} were not ready")
    return wrong


def _of_movie(world: World, order: MovieOrder, records: list[ShotRecord], orders: dict[int, str]) -> list[str]:
    """The length, the file and the record of a movie."""
    body = world.bodies[order.camera]
    movies = [movie for movie in body.movies if movie.by == order.name]
    own = [record for record in records if orders[record.shot] == order.name]
    if len(movies) > 1:
        return [f"{order.name} started {len(movies)} movies"]
    if not movies:
        return [
            f"{order.name} is recorded as done ({record.result}), but was not recorded by the camera"
            for record in own
            if record.outcome == "done" and record.result.files and not _unknowable(body, None)
        ]
    movie = movies[0]
    if movie.orphan:
        return []
    wrong = []
    length_s = (float("inf") if movie.ended_at is None else movie.ended_at) - movie.at
    away_s = world.spans.seconds(
        ["camera", "server", "database hangs"], body.traits.port, movie.at, movie.at + length_s
    )
    if length_s > order.max_s + away_s + _STOPPED_WITHIN_S:
        wrong.append(f"{order.name} lasts {length_s} s instead of {order.max_s} s")
    record = own[-1] if own else None
    begun_at = world.started_orders.get(order.name, movie.at)
    named = {file.camera_filepath for file in record.result.files} if record is not None else set()
    if record is None or record.outcome == "failed":
        wrong.append(f"{order.name} was started, but its record is {record}")
    elif record.outcome == "unknown" and _card_unknown(world, body.traits.port, begun_at):
        return wrong  # nothing shows which files are new, and the check has said so
    elif movie.complete and movie.path not in named and not _unknowable(body, None):
        wrong.append(f"the record of {order.name} has the files {sorted(named)}, not {movie.path}")
    if movie.complete and movie.path not in named and (body.traits.port, movie.path) not in world.added:
        wrong.append(f"the file of {order.name} was neither reported nor recorded")
    return wrong


def _card_unknown(world: World, port: str, at: float) -> bool:
    """Whether nothing has the content of the card before a movie.

    The server had not read the card; or it could not write that to its disk, and has ended since.
    """
    ended = world.spans.seconds(["server"], port, at, float("inf")) > 0
    unwritten = world.spans.seconds(["database hangs", "disk full"], port, at - WRITTEN_AGAIN_S, at) > 0
    return not world.card_was_read(port, at) or (ended and unwritten)


def _of_entry(world: World, order: Order, entry: FiredCamera, repeated: bool, release: Release | None) -> list[str]:
    """The part of one camera in the reply to a volley, against the truth."""
    name = f"{order.name} of {entry.port}"
    body = world.bodies[order.camera]
    if entry.status != "ok":
        if entry.code == "capture_unknown" or release is None or _record_lost(world, order, release):
            return []
        return [f"{name} failed with {entry.code} ({entry.message}), but its shutter was released"]
    if release is None:
        return [] if repeated and _unknowable(body, None) else [f"{name} is ok, but its shutter was not released"]
    named, own = {file.camera_filepath for file in entry.files}, set(release.files)
    if not _unknowable(body, release) and not (named <= own if repeated else named == own):
        return [f"{name} names {sorted(named)}, and its release made {sorted(own)}"]
    return _of_saved(order, body, entry, release)


def _releases(world: World, order: Order) -> list[Release]:
    """The releases for an order, without earlier ones whose records a power cut may have lost."""
    releases = [release for release in world.bodies[order.camera].releases if release.by == order.name]
    return [release for release in releases if release is releases[-1] or not _record_lost(world, order, release)]


def _of_bodies(world: World) -> list[str]:
    """The settings of the cameras are restored, and their shutters are closed."""
    wrong = []
    for body in world.bodies:
        if body.settings != BASE and body.traits.port not in world.unrestorable:
            wrong.append(f"{body.traits.port} keeps the settings {body.settings}")
        if body.held is not None and not body.held.orphan:
            wrong.append(f"the shutter of {body.traits.port} is still open for {body.held.by}")
        if body.records and not body.movies[-1].orphan:
            wrong.append(f"{body.traits.port} still records a movie")
        wrong += [f"{movie.path} is lost" for movie in body.movies if movie.complete and movie.path not in body.card]
        if body.half_pressed:
            wrong.append(f"the button of {body.traits.port} is still half pressed")
    return wrong


def _of_outcomes(world: World, records: list[ShotRecord], orders: dict[int, str]) -> list[str]:
    """Every outcome that was found later was told to the clients."""
    told = {event["shot"] for event in world.checked}
    told_early = {(event["port"], event["at"]) for event in world.checked if event["shot"] is None}  # not recorded yet
    return [
        f"the outcome of shot {record.shot} of {orders[record.shot]} was not told: {record.result.message}"
        for record in records
        if record.result.message is not None
        and not record.result.message.startswith("Movie of")  # not found later
        and record.shot not in told
        and (record.port, as_text(record.asked_at)) not in told_early
    ]


def _of_answer(world: World, order: Order, answer: Answer, release: Release | None) -> list[str]:
    """The answer of a client against the truth."""
    if isinstance(answer.reply, Captured | BurstCaptured):
        return _of_reply(world, order, answer.reply, release)
    if answer.code not in (None, "capture_unknown") and release is not None and not _record_lost(world, order, release):
        return [f"{order.name} failed with {answer.code} ({answer.message}), but its shutter was released"]
    # A volley happens at its deadline, at most 10 s after the request, also if its client has left.
    volley = any(order.name == volley.name for volley in world.plan.volleys)
    if answer.lost and not order.key and answer.left_at is not None and release is not None and not volley:
        started = world.started_orders.get(order.name)
        if started is not None and started > answer.left_at + 0.05:
            return [f"{order.name} was started after its client had left"]
    return []


def _of_reply(world: World, order: Order, reply: Captured | BurstCaptured, release: Release | None) -> list[str]:
    """The reply about a photo against the truth."""
    body = world.bodies[order.camera]
    repeated = bool(reply.repeated)
    if release is None:
        unknowable = repeated and _unknowable(body, None)
        return [] if unknowable else [f"{order.name} is done, but its shutter was not released"]
    wrong = []
    named = {file.camera_filepath for file in reply.files}
    own = set(release.files)
    if not _unknowable(body, release) and not (named <= own if repeated else named == own):
        wrong.append(f"{order.name} names {sorted(named)}, and its release made {sorted(own)}")
    if isinstance(reply, BurstCaptured) and reply.frames != release.frames:
        wrong.append(f"{order.name} reports {reply.frames} pictures instead of {release.frames}")
    if order.bulb_s is not None and isinstance(reply, Captured) and not repeated:
        wrong += _of_exposure(world, order, order.bulb_s, reply.exposed_s, release)
    expected = {**BASE, **dict(order.settings)} | ({} if order.bulb_s is None else {"shutterspeed": BULB})
    if order.burst is not None:
        refused = repeated or any("drivemode was not set" in warning for warning in reply.warnings or ())
        expected["drivemode"] = release.settings["drivemode"] if refused else CONTINUOUS
    unread = release.at < world.unread_until.get(body.traits.port, 0.0)
    if release.settings != expected and not unread and body.traits.port not in world.unrestorable:
        wrong.append(f"{order.name} was taken at {release.settings} instead of {expected}")
    return wrong + _of_saved(order, body, reply, release)


def _of_exposure(world: World, order: Order, bulb_s: float, exposed_s: float | None, release: Release) -> list[str]:
    """The reported length of a bulb exposure against the ordered one, and against the truth."""
    if exposed_s != release.exposed_s or exposed_s is None or exposed_s > bulb_s + 0.001:
        return [f"{order.name} reports an exposure of {exposed_s} s instead of {release.exposed_s} s"]
    if not _may_be_stopped(world, order.camera) and exposed_s < bulb_s - 0.001:
        return [f"the exposure of {order.name} was {exposed_s} s instead of {bulb_s} s"]
    return []


def _of_saved(order: Order, body: Body, reply: Captured | BurstCaptured | FiredCamera, release: Release) -> list[str]:
    """The saved files that a reply names: the order's own pictures, with one name."""
    wrong = []
    saved = {file.camera_filepath: Path(file.saved_path) for file in reply.files if file.saved_path is not None}
    for camera_filepath, path in saved.items():
        if not _unknowable(body, release) and path.read_bytes() != release.files.get(camera_filepath):
            wrong.append(f"{path} is not the picture of {order.name}")
    stems = {path.stem for path in saved.values()}
    taken = {Path(camera_filepath).stem for camera_filepath in saved}
    if len(stems) > 1 and len(stems) != len(taken):  # each picture of a burst has its own name
        wrong.append(f"the files of {order.name} have the names {sorted(stems)}")
    return wrong


def _may_be_stopped(world: World, camera: int) -> bool:
    """Whether a client ends exposures of a camera early. It ends the exposure that runs then, even of another order."""
    return any(order.stops_after_s is not None for order in world.plan.orders if order.camera == camera)


def _of_records(
    world: World, order: Order, body: Body, records: list[ShotRecord], release: Release | None
) -> list[str]:
    """The records of an order against the truth."""
    if release is None:
        return [
            f"shot {record.shot} of {order.name} is recorded as done ({record.result}), but was not released"
            for record in records
            if record.outcome == "done" and not _unknowable(body, None)
        ]
    if not records:
        lost = _record_lost(world, order, release)
        return [] if lost or release.orphan else [f"{order.name} was released, but there is no record of it"]
    record = records[-1]
    if record.outcome == "failed" and _visible(body, release):
        return [f"shot {record.shot} of {order.name} is recorded as failed, but released: {record.result}"]
    if record.outcome == "done":
        named = {file.camera_filepath for file in record.result.files}
        own = set(release.files)
        # Of a burst that was interrupted, the server finds all pictures. Pictures without a record count to it.
        others = {path for other in body.releases if other.by == "button" or other.orphan for path in other.files}
        found = named - (others - own) == own if release.frames is not None else bool(named & own)
        if own and not _unknowable(body, release) and not found:
            return [f"shot {record.shot} of {order.name} names {sorted(named)}, not {sorted(release.files)}"]
    return []


def _record_lost(world: World, order: Order, release: Release) -> bool:
    """Whether a power cut may have lost the record of a release, because it was not synced yet.

    The start of a shot with a key is synced before the release.
    """
    return not order.key and any(cut.unsynced_since <= release.at <= cut.at for cut in world.power_cuts)


def _of_checks(world: World, orders: dict[tuple[int, str], str]) -> list[str]:
    """What is wrong in the results of the checks of the card.

    Args:
        orders: the orders by the number and the time of their shots. After a power cut that loses the record of a shot,
            another shot may have its number.
    """
    wrong = []
    for event in world.checked:
        name = orders.get((event["shot"], event["at"]))
        if name is None or event["files"] is None:
            continue
        body = next(body for body in world.bodies if body.traits.port == event["port"])
        burst = any(release.by == name and release.frames is not None for release in body.releases)
        # If the files are of several shots, the event says so. Those of a burst are its pictures.
        if burst or len({Path(path).stem for path in event["files"]}) <= 1:
            wrong += _of_check(body, name, set(event["files"]))
    return wrong


def _of_check(body: Body, name: str, named: set[str]) -> list[str]:
    """The files that a check of the card has found for an order, against the truth."""
    wrong = []
    release = next((release for release in body.releases if release.by == name), None)
    known = release is not None and not _unknowable(body, release) and _visible(body, release)
    if release is not None and known and not named & set(release.files):
        wrong.append(f"capture_checked of {name} has {sorted(named)}, not {sorted(release.files)}")
    others = [
        other.by for other in body.releases
        if other.by not in (name, "button") and not other.ambiguous and not other.orphan and named & set(other.files)
    ]  # fmt: skip
    if others and not (release is not None and release.ambiguous):
        wrong.append(f"capture_checked of {name} has files of {others}")
    return wrong


def _unknowable(body: Body, release: Release | None) -> bool:
    """Whether nobody but the camera can know which file belongs to this release, or to an order without a release.

    The server finds the files of an interrupted shot by comparison. A picture of the own button, or of an order that no
    disk could record, looks the same if the order's own picture was not taken, was lost with the camera's memory, or is
    written later.
    """
    unknown = any(other.by == "button" or other.orphan for other in body.releases)
    unknown = unknown or any(movie.orphan for movie in body.movies)
    return unknown if release is None or body.traits.to_ram else release.ambiguous


def _visible(body: Body, release: Release) -> bool:
    return any(path in body.card for path in release.files)


def _of_files(world: World) -> list[str]:
    """No picture is lost, and every saved picture is complete."""
    saved = {path.read_bytes(): path for path in photo_names(world.disk.photos)}
    contents = {
        data: path for body in world.bodies for release in body.releases for path, data in release.files.items()
    }
    wrong = [f"{path} is not a complete picture" for data, path in saved.items() if data not in contents]
    for body in world.bodies:
        for release in body.releases:
            for path, data in release.files.items():
                in_memory = body.traits.to_ram and release.by != "button"
                if not in_memory and path not in body.card and data not in saved:
                    wrong.append(f"{path} of {release.by} is lost")
    return wrong
